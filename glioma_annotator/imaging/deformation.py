"""A registered scan bent until it looks like the other one, for looking only.

Symmetric-forces demons (Vercauteren et al., NeuroImage 2009;45:S61, as in SimpleITK) on intensities with matched
histograms, coarse to fine. A tumour that grew or a cavity that closed has no counterpart in the other scan, so what the
field does there means nothing; nothing is measured with it and no mask is carried by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import FloatArray, Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.resampling import resample_to
from glioma_annotator.imaging.reslicing import Deformation
from glioma_annotator.progress import CancelToken, Progress, Report

if TYPE_CHECKING:
    import SimpleITK

#: Voxel size and iterations of each level. Finer than this bends noise.
_LEVELS = ((8.0, 40), (4.0, 40))
#: Standard deviation, in voxels, by which the field is smoothed in every iteration.
_SMOOTH = 1.5


def deform(fixed: Volume, moving: Volume, matrix: FloatArray, report: Report, cancel: CancelToken) -> Deformation:
    """The field that bends `moving`, placed by `matrix` (4, 4, world RAS mm of fixed to moving), towards `fixed`.

    Raises `Cancelled`.
    """
    import SimpleITK  # here, to keep it off the program's start

    placed = Volume(moving.data, Grid(moving.grid.shape, np.linalg.inv(matrix) @ moving.grid.affine))
    total, done = sum(count for _, count in _LEVELS), 0
    field: NDArray[np.float32] | None = None
    grid = fixed.grid
    for level_mm, count in _LEVELS:
        cancel.raise_if_cancelled()
        before, grid = grid, _coarse(fixed.grid, level_mm)
        ours, theirs = (_image(_smoothed(volume, grid), grid) for volume in (fixed, placed))
        theirs = SimpleITK.HistogramMatching(theirs, ours, 256, 7, True)
        demons = SimpleITK.FastSymmetricForcesDemonsRegistrationFilter()
        demons.SetNumberOfIterations(count)
        demons.SetStandardDeviations(_SMOOTH)

        def step(demons: Any = demons, done: int = done) -> None:
            report(Progress((done + demons.GetElapsedIterations()) / total, "Bending, for viewing only"))
            if cancel.cancelled:
                demons.Abort()

        demons.AddCommand(SimpleITK.sitkIterationEvent, step)
        start = _field_image(field, before, grid) if field is not None else None
        try:
            found = demons.Execute(ours, theirs, start) if start is not None else demons.Execute(ours, theirs)
        except RuntimeError:  # what an aborted filter raises
            cancel.raise_if_cancelled()
            raise
        cancel.raise_if_cancelled()
        field = np.asarray(SimpleITK.GetArrayFromImage(found), dtype=np.float32)
        done += count
    assert field is not None
    return Deformation(grid, np.asarray(field[..., ::-1] @ _directions(grid).T, dtype=np.float32))


def _coarse(grid: Grid, level_mm: float) -> Grid:
    step = np.maximum(1, np.rint(level_mm / np.asarray(grid.spacing_mm))).astype(int)
    shape = [-(-n // int(s)) for n, s in zip(grid.shape, step, strict=True)]
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ np.diag([*step, 1.0]))


def _smoothed(volume: Volume, grid: Grid) -> NDArray[np.float32]:
    """The volume on a coarser grid, smoothed so that nothing between the voxels is lost."""
    from scipy.ndimage import gaussian_filter  # here, to keep it off the program's start

    sigma = [0.4 * max(grid.spacing_mm) / mm for mm in volume.grid.spacing_mm]
    data = gaussian_filter(volume.data.astype(np.float32, copy=False), sigma, truncate=2.0)
    return np.asarray(resample_to(Volume(data, volume.grid), grid).data, dtype=np.float32)


def _image(data: NDArray[np.float32], grid: Grid) -> SimpleITK.Image:
    """An array (i, j, k) as an image with axes (k, j, i) and no direction: along the grid's own axes, in mm."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(data))
    image.SetSpacing(grid.spacing_mm[::-1])
    return image


def _field_image(field: NDArray[np.float32], source: Grid, grid: Grid) -> SimpleITK.Image:
    """A field (i, j, k, 3) on `source`, in the order and mm of its image's axes, on the finer `grid`."""
    import SimpleITK

    parts = [resample_to(Volume(np.ascontiguousarray(field[..., n]), source), grid).data for n in range(3)]
    image = SimpleITK.GetImageFromArray(np.stack(parts, axis=-1).astype(np.float64), isVector=True)
    image.SetSpacing(grid.spacing_mm[::-1])
    return image


def _directions(grid: Grid) -> FloatArray:
    """Unit vectors of the array axes in world RAS, one per column."""
    return np.asarray(grid.affine[:3, :3] / np.asarray(grid.spacing_mm))
