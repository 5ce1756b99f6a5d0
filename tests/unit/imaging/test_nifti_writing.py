"""Writing NIfTI: back onto the voxels of the source, whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from phantoms import write_nifti

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.imaging.nifti import read_labels, read_volume, write_labels, write_volume

RNG = np.random.default_rng(0)
DATA = RNG.integers(-500, 500, (7, 6, 5)).astype(np.int16)
OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = nib.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([-0.9, 1.1, 4.0])
OBLIQUE[:3, 3] = (12.3, -30.7, 44.1)
AFFINES = [np.diag([-1.0, -1, 1, 1]), np.diag([-0.9, 0.9, 5.5, 1]), OBLIQUE, OBLIQUE[[2, 0, 1, 3]]]


@pytest.mark.parametrize("affine", AFFINES)
@pytest.mark.parametrize("name", ["b.nii", "b.nii.gz"])
def test_what_is_written_has_the_shape_and_affine_of_the_source(tmp_path: Path, affine: np.ndarray, name: str) -> None:
    source = nib.load(write_nifti(tmp_path / "a.nii.gz", DATA, affine))
    loaded = read_volume(tmp_path / "a.nii.gz")
    write_volume(tmp_path / name, loaded.volume, loaded.source_axes)
    labels = (loaded.volume.data > 0).astype(np.uint8)
    write_labels(tmp_path / f"mask_{name}", labels, loaded.volume.grid, loaded.source_axes)
    written, mask = nib.load(tmp_path / name), nib.load(tmp_path / f"mask_{name}")
    for image in (written, mask):
        assert image.shape == source.shape
        assert np.array_equal(image.affine, source.affine)
        assert np.allclose(image.get_qform(), source.affine, atol=1e-4)
    assert np.array_equal(np.asarray(written.dataobj), DATA)
    assert np.array_equal(np.asarray(mask.dataobj), DATA > 0)


def test_whole_numbers_are_stored_as_int16_and_fractions_as_float32(tmp_path: Path) -> None:
    grid = Grid(DATA.shape, np.eye(4))
    for data, stored in ((DATA, "int16"), (DATA + 0.25, "float32"), (DATA * 1000.0, "float32")):
        write_volume(tmp_path / "a.nii", Volume(data.astype(np.float32), grid))
        assert nib.load(tmp_path / "a.nii").get_data_dtype() == stored
        assert np.array_equal(read_volume(tmp_path / "a.nii").volume.data, data.astype(np.float32))


def test_masks_are_stored_as_uint8_with_all_their_values(tmp_path: Path) -> None:
    labels = RNG.integers(0, 256, (7, 6, 5)).astype(np.uint8)
    write_labels(tmp_path / "a.nii.gz", labels, Grid(labels.shape, OBLIQUE), "LPS")
    assert nib.load(tmp_path / "a.nii.gz").get_data_dtype() == np.uint8
    assert read_labels(tmp_path / "a.nii.gz").by_program


def test_an_affine_that_leans_a_little_opens_where_only_rigid_ones_are_read(tmp_path: Path) -> None:
    """ITK-SNAP and 3D Slicer refuse a file whose only orientation has shear, be it rounding."""
    leaning = OBLIQUE.copy()
    leaning[:3, 1] += 1e-3 * leaning[:3, 0]
    write_labels(tmp_path / "a.nii", np.ones(DATA.shape, np.uint8), Grid(DATA.shape, leaning))
    far_corner = SimpleITK.ReadImage(str(tmp_path / "a.nii")).TransformIndexToPhysicalPoint((6, 5, 4))
    written = nib.load(tmp_path / "a.nii")
    assert np.allclose(far_corner * np.array([-1, -1, 1]), (written.affine @ (6, 5, 4, 1))[:3], atol=0.01)
    assert read_labels(tmp_path / "a.nii").notes == ()


def test_an_affine_with_shear_is_written_as_sform_alone(tmp_path: Path) -> None:
    sheared = np.array([[1.0, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    write_volume(tmp_path / "a.nii", Volume(DATA.astype(np.float32), Grid(DATA.shape, sheared)))
    written = nib.load(tmp_path / "a.nii")
    assert np.allclose(written.affine, sheared)
    assert int(written.header["qform_code"]) == 0


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    volume = Volume(DATA.astype(np.float32), Grid(DATA.shape, np.eye(4)))
    write_volume(tmp_path / "a.nii.gz", volume)
    write_volume(tmp_path / "b.nii.gz", volume)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_full_disk_leaves_the_earlier_file_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid(DATA.shape, np.eye(4))
    write_labels(tmp_path / "a.nii.gz", np.ones(DATA.shape, np.uint8), grid)

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentFailure, match="No space left"):
        write_labels(tmp_path / "a.nii.gz", np.zeros(DATA.shape, np.uint8), grid)
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]
    assert read_labels(tmp_path / "a.nii.gz").labels.all()


def test_a_folder_that_is_not_there_is_an_environment_failure(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match=r"a\.nii could not be written"):
        write_labels(tmp_path / "none" / "a.nii", np.zeros(DATA.shape, np.uint8), Grid(DATA.shape, np.eye(4)))


@pytest.mark.realdata
def test_a_mask_of_a_real_case_lies_on_its_reference_exactly(realdata_root: Path, tmp_path: Path) -> None:
    folders = ("brats_dev/BraTS2021_00006/BraTS2021_00006_t1ce", "raw_clinical/TCGA-FG-6692/raw_native/t1c")
    for name in folders:
        path = realdata_root / f"{name}.nii.gz"
        loaded, source = read_volume(path), nib.load(path)
        write_labels(tmp_path / "mask.nii.gz", loaded.volume.data.astype(bool), loaded.volume.grid, loaded.source_axes)
        written = nib.load(tmp_path / "mask.nii.gz")
        assert written.shape == source.shape
        assert np.array_equal(written.affine, source.affine)
        assert np.array_equal(np.asarray(written.dataobj) > 0, np.asarray(source.dataobj) != 0)
