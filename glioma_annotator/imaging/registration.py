"""Where one scan lies in another: rigid and affine registration, and what follows from it.

The result is a matrix in world coordinates, RAS millimetres. To use it, the moving volume's grid is put in its place
(`placed`); no voxel is touched, and everything that works by affines works on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from glioma_annotator.domain.geometry import FloatArray, Grid
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.information import shared_information
from glioma_annotator.imaging.resampling import Interpolation, resample_labels, resample_to
from glioma_annotator.progress import CancelToken, Report, ignore_progress

Mask = NDArray[np.bool_]

LEAST_SLICES = 4
"""Fewer do not say where a head lies along that axis."""

DOUBTFUL_QUALITY = 0.08
"""Below it two scans of one head share too little for the result to be believed unseen: heads put side by side at
random reach 0.02 to 0.05, registered ones 0.12 (different contrasts, thick slices) to 0.6 (same contrast)."""


class Method(StrEnum):
    IDENTITY = "identity"
    RIGID = "rigid"
    AFFINE = "affine"


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """Where the points of a fixed scan lie in a moving one.

    Attributes
    ----------
    matrix: (4, 4) float64, world RAS mm of the fixed scan to world RAS mm of the moving scan.
    method: what the matrix may do.
    metric: Mattes mutual information that the optimiser reached, in nats; comparable within one pair of scans only.
    quality: share of the information in the two scans that they have in common once registered, 0 to 1
        (`information.shared_information`).
    quality_before: the same with the scans where their headers put them.
    """

    matrix: FloatArray
    method: Method
    metric: float
    quality: float
    quality_before: float

    def __post_init__(self) -> None:
        matrix = np.array(self.matrix, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
            raise ValueError("a registration's matrix must be a finite, invertible 4 x 4 matrix")
        matrix.setflags(write=False)
        object.__setattr__(self, "matrix", matrix)

    @property
    def doubtful(self) -> bool:
        """Whether a reader should look before the result is used."""
        return self.quality < DOUBTFUL_QUALITY or self.quality < self.quality_before - 0.01

    @property
    def rotation_deg(self) -> float:
        """Angle of the rotation in the matrix, scaling and shear left out."""
        u, _, v = np.linalg.svd(self.matrix[:3, :3])
        cosine = (np.trace(u @ v) - 1) / 2
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

    def apply(self, points: ArrayLike) -> FloatArray:
        """World RAS mm in the moving scan, shape (..., 3), of points in the fixed scan of shape (..., 3)."""
        fixed = np.asarray(points, dtype=np.float64)
        return np.asarray(fixed @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def inverse(self) -> Registration:
        """The registration of the fixed scan to the moving one."""
        return replace(self, matrix=np.asarray(np.linalg.inv(self.matrix), dtype=np.float64))

    def nudged(self, shift_mm: ArrayLike, rotation_deg: ArrayLike, centre_mm: ArrayLike) -> Registration:
        """The registration with the moving scan shifted and turned by hand, as seen on the fixed scan.

        Parameters
        ----------
        shift_mm: (x, y, z) in RAS.
        rotation_deg: about the x, y and z axes in this order, right-handed.
        centre_mm: world RAS mm (3,) of the point that only the shift moves.
        """
        move = np.eye(4)
        for axis, angle in enumerate(np.radians(np.asarray(rotation_deg, dtype=np.float64))):
            one, other = [a for a in range(3) if a != axis]
            turn = np.eye(4)
            sign = -1.0 if axis == 1 else 1.0
            turn[one, one] = turn[other, other] = np.cos(angle)
            turn[one, other], turn[other, one] = -sign * np.sin(angle), sign * np.sin(angle)
            move = turn @ move
        centre = np.asarray(centre_mm, dtype=np.float64)
        move[:3, 3] = centre + np.asarray(shift_mm, dtype=np.float64) - move[:3, :3] @ centre
        return replace(self, matrix=self.matrix @ np.linalg.inv(move))


def identity() -> Registration:
    """The registration of scans that lie together already; its quality is not measured."""
    return Registration(np.eye(4), Method.IDENTITY, 0.0, 1.0, 1.0)


def register(
    fixed: Volume,
    moving: Volume,
    *,
    method: Method = Method.RIGID,
    fixed_mask: Mask | None = None,
    moving_mask: Mask | None = None,
    finest_mm: float = 1.5,
    seed: int = 0,
    report: Report = ignore_progress,
    cancel: CancelToken | None = None,
) -> Registration:
    """Register two scans of one head by mutual information, coarse to fine.

    Mattes mutual information (Mattes et al., IEEE TMI 2003) on pyramids of about 8, 4 and `finest_mm`, by L-BFGS with
    the exact gradient (`imaging.mutual_information`). It starts from the best of: the headers' positions, centres of
    the fields of view together, centres of mass together, each with the head nodding by -20, 0 and 20 degrees.

    Parameters
    ----------
    fixed, moving: float intensities (i, j, k) of any contrast; the head need not be stripped.
    fixed_mask, moving_mask: (i, j, k) of each grid: only this part is compared. Visits of one patient register best on
        brains, contrasts of one session on whole heads.
    finest_mm: voxel size of the finest level; smaller takes longer.
    seed: of the voxels drawn for the metric. The same inputs and seed give the same matrix.

    Raises `UserError` when a scan is empty or too thin, or the scans have nothing in common; `Cancelled` within a few
    iterations of a request.
    """
    token = cancel or CancelToken()
    _check(fixed, "The fixed scan")
    _check(moving, "The moving scan")
    if method is Method.IDENTITY:
        shared = shared_information(fixed, moving, fixed_mask)
        return Registration(np.eye(4), method, 0.0, shared, shared)
    from glioma_annotator.imaging import mutual_information  # scipy's optimiser: not at the program's start

    found = mutual_information.align(
        fixed, moving, method is Method.AFFINE, fixed_mask, moving_mask, finest_mm, seed, report, token
    )
    result = Registration(found.matrix, method, found.metric, 0.0, shared_information(fixed, moving, fixed_mask))
    return replace(result, quality=shared_information(fixed, placed(moving, result), fixed_mask))


def _check(volume: Volume, name: str) -> None:
    thin = min(volume.data.shape)
    if thin < LEAST_SLICES:
        raise UserError(
            f"{name} has only {thin} slices; registration needs {LEAST_SLICES}.",
            "Choose a sequence that covers the head.",
        )
    if not np.isfinite(volume.data).all() or volume.data.min() == volume.data.max():
        raise UserError(f"{name} is empty.", "Choose another sequence.")


def placed_grid(grid: Grid, registration: Registration) -> Grid:
    """The moving scan's grid where the registration puts it in the fixed scan's world."""
    return Grid(grid.shape, np.linalg.inv(registration.matrix) @ grid.affine)


def placed(moving: Volume, registration: Registration) -> Volume:
    """The moving scan in the fixed scan's world: the same voxels on `placed_grid`."""
    return Volume(moving.data, placed_grid(moving.grid, registration))


def resample_registered(
    moving: Volume, registration: Registration, grid: Grid, interpolation: Interpolation = Interpolation.LINEAR
) -> Volume:
    """The moving scan on voxels of the fixed world, float32, 0 outside its field of view."""
    return resample_to(placed(moving, registration), grid, interpolation)


def resample_mask_registered(
    labels: LabelArray, source: Grid, registration: Registration, grid: Grid, *, smooth: bool = True
) -> LabelArray:
    """A mask (i, j, k on `source`, of the moving scan) on voxels of the fixed world; 0 outside.

    Parameters
    ----------
    smooth: every label is interpolated linearly by itself and the largest share wins, so that outlines stay smooth;
        otherwise the nearest voxel counts.
    """
    place = placed_grid(source, registration)
    if not smooth:
        return resample_labels(labels, place, grid)
    values = [int(v) for v in np.unique(labels) if v]
    best = np.full(grid.shape, 0.5, dtype=np.float32)
    result = np.zeros(grid.shape, dtype=np.uint8)
    if len(values) > 1:
        # Where labels meet, none may reach a half; together they still do.
        any_label = resample_to(Volume((labels > 0).astype(np.float32), place), grid).data >= 0.5
        best = np.where(any_label, np.float32(0), np.float32(np.inf))
    for value in values:
        share = resample_to(Volume((labels == value).astype(np.float32), place), grid).data
        wins = (share >= best) & (share > 0)
        result[wins] = value
        best[wins] = share[wins]
    return result


def landmark_error_mm(registration: Registration, fixed: ArrayLike, moving: ArrayLike) -> NDArray[np.float64]:
    """Distance in mm, shape (n,), between registered fixed landmarks and moving ones, both (n, 3) in world RAS mm."""
    difference = registration.apply(fixed) - np.asarray(moving, dtype=np.float64)
    return np.asarray(np.linalg.norm(difference, axis=-1))
