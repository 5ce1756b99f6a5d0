"""Lesions, midline and features on real masks and scans."""

from pathlib import Path

import numpy as np
import pytest

from glioma_annotator.domain.finding import LesionChange
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.lesion_map import find_lesions, match_lesions
from glioma_annotator.imaging.midline import find_midplane
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.imaging.vasari_features import tissue_masks, vasari_features

pytestmark = pytest.mark.realdata


def labels(path: Path) -> tuple[np.ndarray, Grid]:
    volume = read_volume(path).volume
    return volume.data.astype(np.uint8), volume.grid


def test_a_recurrence_grows_from_the_residual_and_small_foci_are_new(realdata_root: Path) -> None:
    folder = realdata_root / "posttreatment_masks"
    maps = []
    for name in ("time1", "time2"):
        mask, grid = labels(next(folder.rglob(f"100118_{name}_seg.nii.gz")))
        found = find_lesions(mask == 3, grid)
        assert all(n.volume_ml == pytest.approx(n.voxels * 0.001, abs=1e-9) for n in found.lesions)
        maps.append(found)
    links = match_lesions(*maps)
    assert [n.change for n in links] == [LesionChange.GROWN, LesionChange.NEW, LesionChange.NEW]
    assert links[0].earlier_ml < 1 < 9 < links[0].later_ml


def test_the_side_of_a_real_tumour_is_found(realdata_root: Path) -> None:
    folder = realdata_root / "brats_dev" / "BraTS2021_01476"
    mask, grid = labels(next(folder.glob("*_seg.nii.gz")))
    tissue = tissue_masks(mask, grid, {"enhancing": 4, "core": 1, "oedema": 2})
    plane = find_midplane(read_volume(next(folder.glob("*_t1.nii.gz"))).volume, tissue.whole)
    assert plane.symmetry > 0.95
    assert abs(plane.normal[0]) > 0.99
    found = {f.feature: f.value for f in vasari_features(tissue, plane)}
    assert (found["F2"], found["F9"], found["F23"]) == ("1", "1", "2")
