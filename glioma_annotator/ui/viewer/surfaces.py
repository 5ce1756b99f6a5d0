"""Surfaces of a mask for the 3D pane. No Qt; runs off the GUI thread."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.volume import LabelArray

#: Larger crops are sampled every second voxel or coarser: marching cubes holds the interpreter for as long as it runs.
MOST_VOXELS = 300_000
#: Surfaces of more triangles are sampled coarser, too: drawn first, by a processor, they would hold the window up.
MOST_TRIANGLES = 20_000
SMOOTHING_MM = 0.8
_RIM = 2


@dataclass(frozen=True, slots=True, eq=False)
class SurfaceMesh:
    """A triangle mesh.

    Attributes
    ----------
    vertices: (n, 3) float32, world RAS mm.
    faces: (m, 3) int32, indices of vertices.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]

    @property
    def reach_mm(self) -> float:
        """Diagonal of the box around it."""
        return float(np.linalg.norm(np.ptp(self.vertices, axis=0)))


def label_surfaces(
    labels: LabelArray, grid: Grid, values: Collection[int], known: Mapping[int, SurfaceMesh] | None = None
) -> Mapping[int, SurfaceMesh]:
    """The surface of every label of `values` that is present in `labels` (i, j, k), by value; taken from `known` where
    it holds it, as of labels that have not changed."""
    meshes = {}
    for value in values:
        mesh = known[value] if known is not None and value in known else _surface(labels == value, grid)
        if mesh is not None:
            meshes[value] = mesh
    return meshes


def unchanged(before: LabelArray, after: LabelArray, values: Collection[int]) -> frozenset[int]:
    """Which of the label values `values` fill the same voxels in both masks (i, j, k)."""
    differs = before != after
    touched = np.bincount(before[differs], minlength=256) + np.bincount(after[differs], minlength=256)
    return frozenset(value for value in values if not touched[value])


def _surface(inside: NDArray[np.bool_], grid: Grid) -> SurfaceMesh | None:
    box = Box.around(inside)
    if box is None:
        return None
    index, faces = _triangles(inside[box.slices], [SMOOTHING_MM / mm for mm in grid.spacing_mm])
    return SurfaceMesh(grid.index_to_world(index + np.asarray(box.start)).astype(np.float32), faces)


def head_surface(head: NDArray[np.bool_], steps: tuple[int, int, int], grid: Grid) -> SurfaceMesh | None:
    """The surface of the head from every n-th voxel (i, j, k) of the grid, n by `steps`; None for an empty one."""
    from scipy.ndimage import binary_fill_holes

    if not head.any():
        return None
    index, faces = _triangles(binary_fill_holes(head), [1.0, 1.0, 1.0])
    return SurfaceMesh(grid.index_to_world(index * steps).astype(np.float32), faces)


def _triangles(inside: NDArray[np.bool_], sigma: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Vertices (n, 3) in fractional array indices and faces (m, 3) of a smoothed mask, `sigma` in voxels."""
    from scipy.ndimage import gaussian_filter  # here and above, to keep them off the program's start
    from skimage.measure import marching_cubes

    # A rim of empty voxels closes the surface at the border of the array and leaves room for the smoothing.
    crop = np.pad(inside, _RIM).astype(np.float32)
    smooth = gaussian_filter(crop, sigma, mode="constant")
    if smooth.max() <= 0.5:
        smooth = crop  # smoothing would swallow a speck of a few voxels
    step = max(1, int(np.ceil((smooth.size / MOST_VOXELS) ** (1 / 3))))
    step = max(step, int(np.ceil((_triangle_count(smooth > 0.5) / MOST_TRIANGLES) ** 0.5)))
    if not (smooth[::step, ::step, ::step] > 0.5).any():  # specks far apart, a sheet: the samples would miss them all
        return _coarse_triangles(crop > 0, step)
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        smooth, level=0.5, step_size=step, allow_degenerate=False
    )
    return vertices.astype(np.float64) - _RIM, faces.astype(np.int32)


def _coarse_triangles(inside: NDArray[np.bool_], step: int) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """The same for what is thinner than `step` voxels: a block of so many along each axis counts where any does.

    `inside` has the rim.
    """
    from skimage.measure import marching_cubes

    filled = np.pad(inside, [(0, -n % step) for n in inside.shape])
    i, j, k = (n // step for n in filled.shape)
    reduced = filled.reshape(i, step, j, step, k, step).any(axis=(1, 3, 5))
    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        np.pad(reduced, 1).astype(np.float32), level=0.5, allow_degenerate=False
    )
    return (vertices.astype(np.float64) - 1) * step + (step - 1) / 2 - _RIM, faces.astype(np.int32)


def _triangle_count(inside: NDArray[np.bool_]) -> int:
    """About how many triangles lie between inside and outside: two for every edge of the voxel grid that crosses."""
    return 2 * sum(int(np.count_nonzero(np.diff(inside, axis=axis))) for axis in range(3))
