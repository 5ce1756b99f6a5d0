"""Volumes carried from one grid to another by their affines, and the check that this makes sense."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import FloatArray, Grid
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError

LEAST_OVERLAP = 0.5
"""Least share of the smaller of two fields of view that must lie in the other."""

MOST_SIZE_RATIO = 2.0
"""Equal numbers of voxels in fields of view whose volumes differ by more: one header has lost its voxel size."""

_SAMPLES_PER_AXIS = 16


class Interpolation(Enum):
    LINEAR = "linear"
    NEAREST = "nearest"


def resample_to(volume: Volume, grid: Grid, interpolation: Interpolation = Interpolation.LINEAR) -> Volume:
    """`volume` on the voxels of `grid`: float32, C-contiguous; its background outside the source's field of view.

    The background is what at least half of the source's corners hold, else 0.

    Voxels within half a voxel of the source's border take the border's value. A volume that already has these voxels
    is returned as it is.
    """
    if volume.grid.matches(grid):
        return volume
    source = volume.data.astype(np.float32, copy=False)
    return Volume(_resample(source, volume.grid, grid, interpolation, _background(source)), grid)


def _background(data: NDArray[np.float32]) -> float:
    corners = data[np.ix_(*[(0, n - 1) for n in data.shape])].ravel()
    values, counts = np.unique(corners[np.isfinite(corners)], return_counts=True)
    return float(values[counts.argmax()]) if counts.size and counts.max() >= corners.size // 2 else 0.0


def resample_labels(labels: LabelArray, source: Grid, grid: Grid) -> LabelArray:
    """A mask (i, j, k on `source`) on the voxels of `grid` by the nearest voxel; 0 outside the source."""
    if source.matches(grid):
        return labels
    return _resample(labels, source, grid, Interpolation.NEAREST)


def _resample(
    data: NDArray[Any], source: Grid, target: Grid, interpolation: Interpolation, beyond: float = 0.0
) -> NDArray[Any]:
    """Resample in index space: the images get unit grids and the transform carries target to source indices.

    So affines with shear, which an ITK image cannot have, come out right, and no LPS world is involved.
    """
    import SimpleITK  # here, to keep it off the program's start

    index_to_index = np.linalg.inv(source.affine) @ target.affine
    transform = SimpleITK.AffineTransform(3)
    # A numpy array (i, j, k) becomes an ITK image with axes (k, j, i).
    transform.SetMatrix([float(x) for x in index_to_index[:3, :3][::-1, ::-1].ravel()])
    transform.SetTranslation([float(x) for x in index_to_index[:3, 3][::-1]])
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(data))
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetSize([int(n) for n in target.shape[::-1]])
    nearest = interpolation is Interpolation.NEAREST
    resampler.SetInterpolator(SimpleITK.sitkNearestNeighbor if nearest else SimpleITK.sitkLinear)
    resampler.SetTransform(transform)
    resampler.SetDefaultPixelValue(beyond)
    return np.asarray(SimpleITK.GetArrayFromImage(resampler.Execute(image)))


def overlap(one: Grid, other: Grid) -> float:
    """Share, 0 to 1, of the smaller field of view that lies in the larger one."""
    small, large = (one, other) if _field_ml(one) <= _field_ml(other) else (other, one)
    steps = (np.arange(_SAMPLES_PER_AXIS) + 0.5) / _SAMPLES_PER_AXIS
    points = np.array(np.meshgrid(*[steps * n - 0.5 for n in small.shape])).reshape(3, -1).T
    index = large.world_to_index(small.index_to_world(points))
    inside = ((index >= -0.5) & (index <= np.asarray(large.shape) - 0.5)).all(axis=1)
    return float(inside.mean())


def _field_ml(grid: Grid) -> float:
    return float(np.prod(grid.shape)) * grid.voxel_volume_ml


def centre_mm(grid: Grid) -> FloatArray:
    """World RAS mm (3,) of the middle of the field of view."""
    return grid.index_to_world((np.asarray(grid.shape) - 1) / 2)


def reconcile(grids: Mapping[str, Grid], reference: str) -> tuple[str, ...]:
    """Names of the grids whose volumes must be resampled onto `grids[reference]`.

    Raises `UserError`, naming both files, when a field of view overlaps the reference's by less than `LEAST_OVERLAP`,
    or has as many voxels in a much smaller or larger volume: the two do not belong together or one header is wrong.

    Parameters
    ----------
    grids: grid by file name as it is to be shown to the reader.
    """
    target = grids[reference]
    others = {name: grid for name, grid in grids.items() if not grid.matches(target)}
    for name, grid in others.items():
        _check_together(name, grid, reference, target)
    return tuple(others)


def _check_together(name: str, grid: Grid, reference: str, target: Grid) -> None:
    apart = float(np.linalg.norm(centre_mm(grid) - centre_mm(target)))
    share = overlap(grid, target)
    fields_ml = sorted((_field_ml(grid), _field_ml(target)))
    if grid.shape == target.shape and (share < LEAST_OVERLAP or fields_ml[1] > MOST_SIZE_RATIO * fields_ml[0]):
        raise UserError(
            f"{name} and {reference} both have {' x '.join(map(str, grid.shape))} voxels, but their affines contradict "
            f"each other: voxels of {_size(grid)} and {_size(target)}, centres {apart:.0f} mm apart.",
            "One of the two headers is wrong: export that file again, or leave it out.",
        )
    if share < LEAST_OVERLAP:
        raise UserError(
            f"{name} and {reference} do not show the same place: only {share:.0%} of one lies in the other "
            f"(centres {apart:.0f} mm apart).",
            "Leave one out, or register them first.",
        )


def _size(grid: Grid) -> str:
    return " x ".join(f"{s:.3g}" for s in grid.spacing_mm) + " mm"
