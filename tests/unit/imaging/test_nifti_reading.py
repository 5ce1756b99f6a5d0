"""Reading NIfTI: the voxels, the axes, the oddities."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import write_nifti

from glioma_annotator.errors import UserError
from glioma_annotator.imaging.nifti import read_labels, read_volume
from glioma_annotator.imaging.nifti_header import read_header

RNG = np.random.default_rng(0)
DATA = RNG.integers(-500, 500, (7, 6, 5)).astype(np.int16)

OBLIQUE = np.eye(4)
OBLIQUE[:3, :3] = nib.eulerangles.euler2mat(0.3, -0.2, 0.1) @ np.diag([-0.9, 1.1, 4.0])
OBLIQUE[:3, 3] = (12, -30, 44)

AFFINES = {
    "RAS": np.diag([1.0, 1, 1, 1]),
    "LPS": np.diag([-1.0, -1, 1, 1]),
    "LAS": np.diag([-0.9, 0.9, 5.5, 1]),
    "PSR": np.array([[0.0, 0, 2, 3], [-1, 0, 0, 4], [0, 1.5, 0, 5], [0, 0, 0, 1]]),
    "oblique": OBLIQUE,
}


def nibabel_canonical(path: Path) -> nib.Nifti1Image:
    return nib.as_closest_canonical(nib.load(path))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("axes", AFFINES)
def test_a_volume_comes_in_closest_canonical_order(tmp_path: Path, axes: str, name: str) -> None:
    path = write_nifti(tmp_path / name, DATA, AFFINES[axes])
    loaded = read_volume(path)
    expected = nibabel_canonical(path)
    assert np.array_equal(loaded.volume.data, np.asarray(expected.dataobj))
    assert np.allclose(loaded.volume.grid.affine, expected.affine)
    assert loaded.volume.data.dtype == np.float32
    assert loaded.volume.data.flags.c_contiguous
    assert loaded.source_axes == "".join(nib.aff2axcodes(nib.load(path).affine))
    assert loaded.notes == ()


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_every_real_number_type_is_read(tmp_path: Path, dtype: str, big_endian: bool) -> None:
    data = (np.abs(DATA) % 100).astype(dtype)
    path = write_nifti(tmp_path / "a.nii", data, AFFINES["RAS"], big_endian=big_endian)
    assert np.array_equal(read_volume(path).volume.data, data.astype(np.float32))


def test_intensities_are_scaled_by_slope_and_intercept(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii.gz", DATA, AFFINES["RAS"], slope=0.5, intercept=-3)
    assert np.allclose(read_volume(path).volume.data, DATA * 0.5 - 3)


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_an_unset_or_unusable_slope_leaves_the_stored_numbers(tmp_path: Path, slope: float) -> None:
    path = write_nifti(tmp_path / "a.nii", DATA, AFFINES["RAS"], slope=slope, intercept=7)
    assert np.array_equal(read_volume(path).volume.data, DATA)


def test_values_that_are_no_number_become_zero_and_are_noted(tmp_path: Path) -> None:
    data = DATA.astype(np.float32)
    data[0, 0, 0], data[1, 1, 1], data[2, 2, 2] = np.nan, np.inf, -np.inf
    loaded = read_volume(write_nifti(tmp_path / "a.nii", data, AFFINES["RAS"]))
    assert loaded.volume.data[1, 1, 1] == 0
    assert np.isfinite(loaded.volume.data).all()
    assert len(loaded.notes) == 1
    assert "3 voxels" in loaded.notes[0]


def test_numbers_beyond_float32_become_zero_and_are_noted(tmp_path: Path) -> None:
    data = DATA.astype(np.float64)
    data[0, 0, 0] = 1e300
    loaded = read_volume(write_nifti(tmp_path / "a.nii", data, AFFINES["RAS"]))
    assert loaded.volume.data[0, 0, 0] == 0
    assert len(loaded.notes) == 1


def test_each_channel_of_a_4d_file_is_read_by_its_number(tmp_path: Path) -> None:
    channels = RNG.integers(0, 99, (7, 6, 5, 4)).astype(np.int16)
    for name in ("a.nii", "a.nii.gz"):
        path = write_nifti(tmp_path / name, channels, AFFINES["LPS"])
        assert read_header(path).channels == 4
        for n in range(4):
            assert np.array_equal(read_volume(path, n).volume.data, channels[::-1, ::-1, :, n])


def test_channels_on_the_fifth_axis_are_read_too(tmp_path: Path) -> None:
    channels = RNG.integers(0, 99, (7, 6, 5, 1, 3)).astype(np.float32)
    path = write_nifti(tmp_path / "a.nii", channels, AFFINES["RAS"])
    assert read_header(path).channels == 3
    assert np.array_equal(read_volume(path, 2).volume.data, channels[..., 0, 2])


def test_a_fourth_axis_of_one_is_a_plain_volume(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", DATA[..., None], AFFINES["RAS"])
    assert np.array_equal(read_volume(path).volume.data, DATA)


def test_a_header_extension_is_passed_over(tmp_path: Path) -> None:
    image = nib.Nifti1Image(DATA, np.eye(4))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"words " * 40))
    nib.save(image, tmp_path / "a.nii.gz")
    assert np.array_equal(read_volume(tmp_path / "a.nii.gz").volume.data, DATA)


def test_nifti_2_is_read(tmp_path: Path) -> None:
    nib.save(nib.Nifti2Image(DATA, AFFINES["LPS"]), tmp_path / "a.nii.gz")
    assert np.array_equal(read_volume(tmp_path / "a.nii.gz").volume.data, DATA[::-1, ::-1])


def test_compression_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    packed = write_nifti(tmp_path / "a.nii.gz", DATA, AFFINES["RAS"]).rename(tmp_path / "packed.nii")
    plain = write_nifti(tmp_path / "a.nii", DATA, AFFINES["RAS"]).rename(tmp_path / "plain.nii.gz")
    assert np.array_equal(read_volume(packed).volume.data, DATA)
    assert np.array_equal(read_volume(plain).volume.data, DATA)


def test_the_sform_is_preferred_and_a_disagreeing_qform_noted(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", DATA, np.eye(4), qform=1)
    image = nib.load(path)
    image.header.set_qform(np.diag([-1.0, 1, 1, 1]), code=1)
    nib.save(image, tmp_path / "b.nii")
    loaded = read_volume(tmp_path / "b.nii")
    assert loaded.source_axes == "RAS"
    assert "disagree" in loaded.notes[0]


def test_the_qform_serves_when_the_sform_is_unset(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", DATA, OBLIQUE, sform=0, qform=1)
    assert np.allclose(read_volume(path).volume.grid.affine, nibabel_canonical(path).affine, atol=1e-5)


def test_a_singular_sform_beside_a_good_qform_is_noted_and_not_used(tmp_path: Path) -> None:
    image = nib.Nifti1Image(DATA, np.eye(4))
    image.header.set_qform(np.diag([-1.0, -1, 1, 1]), code=1)
    image.header.set_sform(np.zeros((4, 4)), code=1)
    write = nib.Nifti1Image(DATA, None, image.header)
    nib.save(write, tmp_path / "a.nii")
    loaded = read_volume(tmp_path / "a.nii")
    assert loaded.source_axes == "LPS"
    assert "unusable" in loaded.notes[0]


def test_without_sform_and_qform_radiological_axes_are_assumed_and_said_so(tmp_path: Path) -> None:
    loaded = read_volume(write_nifti(tmp_path / "a.nii", DATA, None))
    assert loaded.source_axes == "LAS"
    assert "check left and right" in loaded.notes[0]


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_a_mask_of_any_type_is_read_as_labels(tmp_path: Path, dtype: str) -> None:
    labels = RNG.integers(0, 5, (7, 6, 5)).astype(dtype)
    loaded = read_labels(write_nifti(tmp_path / "a.nii.gz", labels, AFFINES["LPS"]))
    assert loaded.labels.dtype == np.uint8
    assert loaded.labels.flags.c_contiguous
    assert np.array_equal(loaded.labels, labels[::-1, ::-1])


def test_a_scaled_mask_has_its_scaled_values(tmp_path: Path) -> None:
    labels = RNG.integers(0, 3, (7, 6, 5)).astype(np.int16)
    loaded = read_labels(write_nifti(tmp_path / "a.nii", labels, np.eye(4), slope=2))
    assert np.array_equal(loaded.labels, labels * 2)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8])
def test_a_mask_that_another_program_stored_as_scaled_integers_keeps_its_labels(
    tmp_path: Path, dtype: type[np.integer]
) -> None:
    labels = np.zeros((8, 8, 8))
    labels[1], labels[3], labels[5] = 1, 2, 4
    image = nib.Nifti1Image(labels, np.eye(4))
    image.set_data_dtype(dtype)  # nibabel then spreads 0..4 over all integers of that type
    nib.save(image, tmp_path / "mask.nii.gz")
    assert np.array_equal(read_labels(tmp_path / "mask.nii.gz").labels, labels)


def test_voxels_without_a_number_are_background_in_a_mask(tmp_path: Path) -> None:
    labels = RNG.integers(0, 5, (7, 6, 5)).astype(np.float32)
    labels[3, 3, 3] = np.nan
    loaded = read_labels(write_nifti(tmp_path / "a.nii", labels, np.eye(4)))
    assert loaded.labels[3, 3, 3] == 0
    assert len(loaded.notes) == 1


@pytest.mark.realdata
def test_real_files_read_as_nibabel_reads_them(realdata_root: Path) -> None:
    for name in (
        "brats_dev/BraTS2021_00006/BraTS2021_00006_t1ce.nii.gz",
        "raw_clinical/TCGA-FG-6692/raw_native/flair.nii.gz",
        "healthy/kirby21_113-02/MPRAGE.nii.gz",
        "healthy/open_ms_patient07/FLAIR.nii.gz",
    ):
        expected = nibabel_canonical(realdata_root / name)
        volume = read_volume(realdata_root / name).volume
        assert np.array_equal(volume.data, np.asarray(expected.dataobj)), name
        assert np.allclose(volume.grid.affine, expected.affine), name


HEAD = np.zeros((24, 22, 20), np.int16)
TEN_MM = np.array([[-10.0, 0, 0, 120], [0, 10, 0, -90], [0, 0, 10, -60], [0, 0, 0, 1]])


def with_unit(path: Path, affine: np.ndarray, code: int, *, sform: int = 1, qform: int = 0) -> Path:
    write_nifti(path, HEAD, affine, sform=sform, qform=qform)
    raw = bytearray(path.read_bytes())
    raw[123] = code  # xyzt_units
    path.write_bytes(bytes(raw))
    return path


@pytest.mark.parametrize(("code", "name", "mm"), [(1, "metres", 1e3), (3, "micrometres", 1e-3)])
@pytest.mark.parametrize(("sform", "qform"), [(1, 0), (0, 1), (1, 1)])
def test_lengths_in_metres_and_micrometres_become_mm(
    tmp_path: Path, code: int, name: str, mm: float, sform: int, qform: int
) -> None:
    stored = np.diag([1 / mm, 1 / mm, 1 / mm, 1]) @ TEN_MM
    path = with_unit(tmp_path / "a.nii", stored, code | 8, sform=sform, qform=qform)  # with seconds for time
    header = read_header(path)
    assert np.allclose(header.affine, TEN_MM, atol=1e-3)
    assert [note for note in header.notes if f"its lengths are in {name}; they were converted" in note]


@pytest.mark.parametrize("code", [1, 3])
def test_a_unit_that_makes_no_head_of_a_scan_in_mm_is_not_believed(tmp_path: Path, code: int) -> None:
    header = read_header(with_unit(tmp_path / "a.nii", TEN_MM, code))
    assert np.allclose(header.affine, TEN_MM)
    assert "they are read as mm" in header.notes[0]


def test_without_a_unit_or_in_mm_nothing_is_said(tmp_path: Path) -> None:
    for code in (0, 2, 10):
        assert read_header(with_unit(tmp_path / "a.nii", TEN_MM, code)).notes == ()


def test_lengths_that_make_no_head_in_any_unit_are_refused_with_the_unit(tmp_path: Path) -> None:
    path = with_unit(tmp_path / "a.nii", np.diag([1e-6, 1e-6, 1e-6, 1]), 1)
    with pytest.raises(UserError, match="states its lengths in metres"):
        read_header(path)


def test_a_qform_is_read_as_the_standard_s_library_reads_it(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", DATA, AFFINES["LPS"], sform=0, qform=1)
    stored = path.read_bytes()
    for offset, value in ((76, 0.0), (76, 7.0), (80, -1.0), (264, 1.0001)):
        raw = bytearray(stored)
        raw[offset : offset + 4] = np.float32(value).tobytes()
        path.write_bytes(bytes(raw))
        assert np.allclose(read_header(path).affine, AFFINES["LPS"], atol=1e-3), (offset, value)


def test_labels_that_were_computed_in_fractions_are_rounded(tmp_path: Path) -> None:
    labels = (np.abs(DATA) % 5).astype(np.uint8)
    path = write_nifti(tmp_path / "a.nii", (labels * 0.9999).astype(np.float32), AFFINES["RAS"])
    assert np.array_equal(read_labels(path).labels, labels)
    shares = write_nifti(tmp_path / "b.nii", (labels / 5).astype(np.float32), AFFINES["RAS"])
    with pytest.raises(UserError, match="whole numbers"):
        read_labels(shares)
