"""What is written is what is read, whatever the voxels and the axes."""

from __future__ import annotations

import tempfile
from itertools import permutations, product
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.nifti import read_labels, read_volume, write_labels, write_volume

AXES = [
    "".join(pair[s] for pair, s in zip(p, signs, strict=True))
    for p in permutations(("LR", "PA", "IS"))
    for signs in product((0, 1), repeat=3)
]
shapes = st.tuples(*[st.integers(2, 6)] * 3)
labels = shapes.flatmap(lambda s: hnp.arrays(np.uint8, s))
volumes = shapes.flatmap(
    lambda s: hnp.arrays(np.float32, s, elements=st.floats(-(2.0**20), 2.0**20, width=32) | st.integers(-40000, 40000))
)
endings = st.sampled_from(("a.nii", "a.nii.gz"))
spacings = st.tuples(*[st.floats(0.25, 8, width=32)] * 3)


def grid_for(shape: tuple[int, ...], spacing: tuple[float, float, float]) -> Grid:
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (-31.5, 12.25, 7)
    return Grid((shape[0], shape[1], shape[2]), affine)


@settings(deadline=None)
@given(labels, spacings, st.sampled_from(AXES), endings)
def test_masks(data: np.ndarray, spacing: tuple[float, float, float], axes: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        grid = grid_for(data.shape, spacing)
        write_labels(path, data, grid, axes)
        loaded = read_labels(path)
    assert np.array_equal(loaded.labels, data)
    assert loaded.grid.matches(grid, 1e-3)
    assert loaded.source_axes == axes


@settings(deadline=None)
@given(volumes, spacings, st.sampled_from(AXES), endings)
def test_images(data: np.ndarray, spacing: tuple[float, float, float], axes: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        grid = grid_for(data.shape, spacing)
        write_volume(path, Volume(data, grid), axes)
        loaded = read_volume(path)
    assert np.array_equal(loaded.volume.data, data)
    assert loaded.volume.grid.matches(grid, 1e-3)
    assert loaded.source_axes == axes
    assert loaded.notes == ()
