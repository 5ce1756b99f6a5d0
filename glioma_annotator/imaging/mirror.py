"""Slices of a head mirrored in its mid-sagittal plane, to compare one side with the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import FloatArray, Grid
from glioma_annotator.domain.labels import BACKGROUND
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.imaging.midline import MidPlane, find_midplane
from glioma_annotator.imaging.reslicing import keep_edges
from glioma_annotator.progress import CancelToken

_COARSE_MM = 2.0  # the midline is looked for in samples 6 mm apart: finer voxels only cost time


def find_mirror_plane(image: Volume, ignore: NDArray[np.bool_] | None, cancel: CancelToken) -> MidPlane:
    """The mid-sagittal plane, from every second voxel or so; see `find_midplane`. Raises `Cancelled` too."""
    steps = [max(1, int(_COARSE_MM / mm)) for mm in image.grid.spacing_mm]
    part = tuple(slice(None, None, n) for n in steps)
    data = np.ascontiguousarray(image.data[part])
    affine = image.grid.affine @ np.diag([*steps, 1.0])
    i, j, k = data.shape
    kept = None if ignore is None else np.ascontiguousarray(ignore[part])
    return find_midplane(Volume(data, Grid((i, j, k), affine)), kept, cancel)


def mirror_matrix(grid: Grid, plane: MidPlane) -> FloatArray:
    """(4, 4) homogeneous array index to the fractional index of its mirror image in `plane`."""
    normal = np.asarray(plane.normal)
    reflection = np.eye(4)
    reflection[:3, :3] -= 2 * np.outer(normal, normal)
    reflection[:3, 3] = 2 * plane.offset_mm * normal
    matrix: FloatArray = np.linalg.inv(grid.affine) @ reflection @ grid.affine
    return matrix


def _places(shape: tuple[int, ...], matrix: FloatArray, axis: int, number: int) -> FloatArray:
    """Fractional indices (3, n, m) of the mirror images of a slice's voxels."""
    first, second = (a for a in range(3) if a != axis)
    along, across = np.arange(shape[first])[:, None], np.arange(shape[second])
    start = matrix[:3, axis] * number + matrix[:3, 3]
    places: FloatArray = np.stack(
        [matrix[n, first] * along + (matrix[n, second] * across + start[n]) for n in range(3)]
    )
    # Rounded, so that what meets the last voxel exactly does not lie a rounding error beyond it.
    return np.round(places, 6, out=places)


def mirrored_slice(data: NDArray[Any], matrix: FloatArray, axis: int, number: int) -> NDArray[np.float32]:
    """What lies opposite the voxels of a slice, interpolated linearly; 0 beyond the image.

    Parameters
    ----------
    data: intensities (i, j, k), or what is computed where it is indexed (`reslicing.SlicedArray`).
    matrix: of `mirror_matrix`.
    axis, number: the slice; the result has the two other array axes in their order.
    """
    from scipy.ndimage import map_coordinates  # here, to keep it off the program's start

    places = _places(data.shape, matrix, axis, number)
    keep_edges(places, data.shape)
    ends = np.array(data.shape)
    low = np.clip(np.floor(places.min(axis=(1, 2))).astype(np.intp), 0, ends - 1)
    high = np.clip(np.ceil(places.max(axis=(1, 2))).astype(np.intp) + 1, low + 1, ends)
    part = np.asarray(data[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))])
    places -= low[:, None, None]
    return np.asarray(map_coordinates(part, places, output=np.float32, order=1, mode="constant", cval=0.0))


def mirrored_labels(labels: LabelArray, matrix: FloatArray, axis: int, number: int) -> LabelArray:
    """The labels opposite the voxels of a slice, of the nearest voxel; background beyond the mask."""
    nearest = np.rint(_places(labels.shape, matrix, axis, number)).astype(np.intp)
    i, j, k = nearest
    inside = ((nearest >= 0) & (nearest < np.array(labels.shape)[:, None, None])).all(axis=0)
    found: LabelArray = labels.take(np.ravel_multi_index((i, j, k), labels.shape, mode="clip"))
    found[~inside] = BACKGROUND
    return found


def midline_in_slice(
    grid: Grid, plane: MidPlane, axis: int, number: int
) -> tuple[tuple[float, float, float], tuple[float, float, float]] | None:
    """Ends of the line in which the plane cuts a slice, as fractional indices at the slice's edges; None for no cut."""
    # In indices the plane is: coefficients . index + constant = 0.
    coefficients = np.asarray(plane.normal) @ grid.affine[:3, :3]
    constant = float(np.asarray(plane.normal) @ grid.affine[:3, 3]) - plane.offset_mm + coefficients[axis] * number
    first, second = (a for a in range(3) if a != axis)
    ends: list[tuple[float, float, float]] = []
    for along, across in ((first, second), (second, first)):
        for edge in (-0.5, grid.shape[along] - 0.5):
            if abs(coefficients[across]) < 1e-9:
                continue
            place = -(constant + coefficients[along] * edge) / coefficients[across]
            if -0.5 <= place <= grid.shape[across] - 0.5:
                index = [0.0, 0.0, 0.0]
                index[axis], index[along], index[across] = float(number), edge, float(place)
                ends.append((index[0], index[1], index[2]))
    if len(ends) < 2:
        return None
    apart = [float(np.linalg.norm(np.subtract(ends[0], end))) for end in ends]
    return ends[0], ends[int(np.argmax(apart))]
