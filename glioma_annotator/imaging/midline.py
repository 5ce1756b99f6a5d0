"""The mid-sagittal plane of a head, found by its symmetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glioma_annotator.domain.geometry import FloatArray
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken

_SAMPLE_MM = 6.0
_SMOOTH_MM = 4.0
#: Of the plane. Few heads are tilted by more than the first; only for those the search goes on as far as the second.
_MOST_TILTS_DEG = (20.0, 45.0)
_AT_LIMIT_DEG = 0.5


@dataclass(frozen=True, slots=True)
class MidPlane:
    """A plane between the hemispheres.

    Attributes
    ----------
    normal: unit vector towards the patient's right, world RAS.
    offset_mm: distance of the plane from the world's origin along the normal.
    symmetry: correlation of the head with its mirror image, -1 to 1; low values mean that the plane is doubtful.
    """

    normal: tuple[float, float, float]
    offset_mm: float
    symmetry: float

    def right_of_mm(self, points: ArrayLike) -> FloatArray:
        """Signed distance of world RAS mm points (..., 3): positive on the patient's right."""
        return np.asarray(np.asarray(points, dtype=np.float64) @ np.asarray(self.normal) - self.offset_mm)


def find_midplane(
    image: Volume, ignore: NDArray[np.bool_] | None = None, cancel: CancelToken | None = None
) -> MidPlane:
    """The plane in which a head mirrors best onto itself.

    The image is smoothed and sampled every 6 mm, air included, as the head's outline is its most symmetric part;
    offset and two tilts of the plane are optimised by Powell's method for the correlation of the samples with their
    mirror images. The start is the sagittal plane through the centre of mass; a plane tilted as far as is looked for
    at first is looked for further.

    Parameters
    ----------
    image: float intensities (i, j, k); zero or low outside the head.
    ignore: (i, j, k) voxels that break the symmetry, such as the tumour; they are left out.

    Raises `UserError` for an empty image, `Cancelled`.
    """
    from scipy import ndimage, optimize  # here, to keep it off the program's start

    spacing = np.asarray(image.grid.spacing_mm)
    smooth = ndimage.gaussian_filter(np.nan_to_num(image.data.astype(np.float32)), _SMOOTH_MM / 2 / spacing)
    steps = np.maximum(1, np.rint(_SAMPLE_MM / spacing)).astype(int)
    index = np.stack(
        np.meshgrid(*[np.arange(0, n, s) for n, s in zip(smooth.shape, steps, strict=True)], indexing="ij")
    )
    index = index.reshape(3, -1).T
    values = smooth[tuple(index.T)]
    if ignore is not None:
        kept = ~ignore[tuple(index.T)]
        index, values = index[kept], values[kept]
    weight = np.maximum(values, 0)
    if not weight.any():
        raise UserError("The image is empty, so the midline cannot be found.", "Choose another sequence.")
    world = image.grid.index_to_world(index)
    centre = np.average(world, axis=0, weights=weight)

    most_tilt_deg = _MOST_TILTS_DEG[0]

    def plane(parameters: FloatArray) -> tuple[FloatArray, float]:
        yaw, roll = np.radians(np.clip(parameters[1:], -most_tilt_deg, most_tilt_deg))
        normal = np.array([np.cos(yaw) * np.cos(roll), np.sin(yaw) * np.cos(roll), np.sin(roll)])
        return normal, float(normal @ centre + parameters[0])

    spread = values - values.mean()
    to_world, to_index = image.grid.affine, np.linalg.inv(image.grid.affine)

    def asymmetry(parameters: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        if cancel is not None:
            cancel.raise_if_cancelled()
        normal, offset = plane(parameters)
        mirror = np.eye(4)
        mirror[:3, :3] -= 2 * np.outer(normal, normal)
        mirror[:3, 3] = 2 * offset * normal
        there = to_index @ mirror @ to_world
        other = ndimage.map_coordinates(
            smooth, there[:3, :3] @ index.T + there[:3, 3:], order=1, mode="constant", cval=0.0
        )
        deviation = float(np.linalg.norm(spread) * np.linalg.norm(other - other.mean()))
        return 1.0 - float(spread @ other) / deviation if deviation else 1.0

    options: Any = {"xtol": 0.05, "ftol": 1e-5, "maxiter": 20, "direc": np.diag([3.0, 3.0, 3.0])}  # mm, degrees
    found = optimize.minimize(asymmetry, np.zeros(3), method="Powell", options=options)
    if np.abs(found.x[1:]).max() > _MOST_TILTS_DEG[0] - _AT_LIMIT_DEG:
        start = np.asarray([found.x[0], *np.clip(found.x[1:], -most_tilt_deg, most_tilt_deg)])
        most_tilt_deg = _MOST_TILTS_DEG[1]
        found = optimize.minimize(asymmetry, start, method="Powell", options=options)
    normal, offset = plane(np.asarray(found.x))
    return MidPlane((float(normal[0]), float(normal[1]), float(normal[2])), offset, 1.0 - float(found.fun))
