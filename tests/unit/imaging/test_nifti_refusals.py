"""Bad NIfTI files are refused with a sentence that names them."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from phantoms import write_nifti

from glioma_annotator.errors import UserError
from glioma_annotator.imaging import nifti_header
from glioma_annotator.imaging.nifti import read_labels, read_volume

DATA = np.random.default_rng(0).normal(size=(9, 8, 7)).astype(np.float32)


@pytest.fixture
def plain(tmp_path: Path) -> bytearray:
    return bytearray(write_nifti(tmp_path / "good.nii", DATA).read_bytes())


def with_dims(raw: bytearray, *dims: int) -> bytes:
    struct.pack_into("<8h", raw, 40, *(dims + (1,) * (8 - len(dims))))
    return bytes(raw)


def with_type(raw: bytearray, code: int) -> bytes:
    struct.pack_into("<h", raw, 70, code)
    return bytes(raw)


def with_sform(raw: bytearray, *rows: float) -> bytes:
    struct.pack_into("<12f", raw, 280, *rows)
    return bytes(raw)


def with_offset(raw: bytearray, offset: float) -> bytes:
    struct.pack_into("<f", raw, 108, offset)
    return bytes(raw)


def flipped(raw: bytes, at: int) -> bytes:
    changed = bytearray(raw)
    changed[at] ^= 0xFF
    return bytes(changed)


BAD: dict[str, tuple[str, Callable[[bytearray], bytes]]] = {
    "empty": ("empty", lambda raw: b""),
    "text": ("not a NIfTI", lambda raw: b"patient,visit\n" * 100),
    "only-half-a-header": ("cut off", lambda raw: bytes(raw[:200])),
    "cut-off": ("cut off", lambda raw: bytes(raw[:1500])),
    "cut-off-gz": ("cut off", lambda raw: gzip.compress(bytes(raw))[:900]),
    "gz-without-its-end": ("cut off", lambda raw: gzip.compress(bytes(raw))[:-4]),
    "damaged-gz": ("damaged", lambda raw: flipped(gzip.compress(bytes(raw)), 900)),
    "gz-of-wrong-checksum": ("damaged", lambda raw: flipped(gzip.compress(bytes(raw)), -6)),
    "two-file-header": ("two-file", lambda raw: bytes(raw[:344]) + b"ni1\0" + bytes(raw[348:])),
    "axis-of-zero": ("without voxels", lambda raw: with_dims(raw, 3, 9, 0, 7)),
    "negative-axis": ("without voxels", lambda raw: with_dims(raw, 3, 9, -8, 7)),
    "no-axes": ("axes", lambda raw: with_dims(raw, 0)),
    "too-many-axes": ("axes", lambda raw: with_dims(raw, 9)),
    "flat": ("single slice", lambda raw: with_dims(raw, 3, 9, 8, 1)),
    "two-axes": ("single slice", lambda raw: with_dims(raw, 2, 9, 8)),
    "huge-volume": ("million", lambda raw: with_dims(raw, 3, 32767, 32767, 32767)),
    "huge-series": ("cut off", lambda raw: with_dims(raw, 4, 600, 600, 600, 30000)),
    "huge-series-gz": ("cut off", lambda raw: gzip.compress(with_dims(raw, 4, 600, 600, 600, 30000))),
    "unknown-type": ("unknown type", lambda raw: with_type(raw, 1234)),
    "complex": ("complex", lambda raw: with_type(raw, 32)),
    "colour": ("colour", lambda raw: with_type(raw, 128)),
    "long-double": ("not read", lambda raw: with_type(raw, 1536)),
    "singular": ("orientation", lambda raw: with_sform(raw, *([0.0] * 12))),
    "flat-affine": ("orientation", lambda raw: with_sform(raw, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0)),
    "nan-affine": ("orientation", lambda raw: with_sform(raw, float("nan"), 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)),
    "kilometre-voxels": ("orientation", lambda raw: with_sform(raw, 1e6, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)),
    "voxels-in-header": ("damaged", lambda raw: with_offset(raw, 40)),
    "offset-nan": ("damaged", lambda raw: with_offset(raw, float("nan"))),
    "offset-beyond": ("cut off", lambda raw: with_offset(raw, 1e30)),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, plain: bytearray, kind: str) -> None:
    says, spoil = BAD[kind]
    path = tmp_path / f"{kind}.nii.gz"
    path.write_bytes(spoil(plain))
    with pytest.raises(UserError, match=says) as refusal:
        read_volume(path)
    assert path.name in str(refusal.value)


def test_a_header_that_claims_too_much_allocates_nothing(tmp_path: Path, plain: bytearray) -> None:
    path = tmp_path / "huge.nii.gz"
    path.write_bytes(gzip.compress(with_dims(plain, 3, 640, 640, 640)))
    tracemalloc.start()
    with pytest.raises(UserError, match="cut off"):
        read_volume(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.nii is not there"):
        read_volume(tmp_path / "gone.nii")


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(UserError, match=r"folder\.nii cannot be read"):
        read_volume(tmp_path / "folder.nii")


def test_a_4d_file_is_refused_where_one_volume_is_expected(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", np.stack([DATA, DATA], -1))
    with pytest.raises(UserError, match="holds 2 volumes"):
        read_volume(path)
    with pytest.raises(UserError, match="holds 2 volumes"):
        read_volume(path, 2)


@pytest.mark.parametrize(("value", "says"), [(0.5, "whole numbers"), (300.0, "between 0 and 255"), (-1.0, "between 0")])
def test_an_image_is_no_mask(tmp_path: Path, value: float, says: str) -> None:
    data = np.ones((4, 4, 4), np.float32)
    data[1, 1, 1] = value
    with pytest.raises(UserError, match=says):
        read_labels(write_nifti(tmp_path / "a.nii", data))


def test_random_bytes_never_raise_anything_but_a_refusal(tmp_path: Path, plain: bytearray) -> None:
    draw = np.random.default_rng(1)
    path = tmp_path / "fuzzed.nii"
    for _ in range(150):
        changed = bytearray(plain)
        for at in draw.integers(0, 348, draw.integers(1, 12)):
            changed[at] = draw.integers(0, 256)
        path.write_bytes(changed)
        try:
            volume = read_volume(path).volume
        except UserError:
            continue
        assert np.isfinite(volume.data).all()


def test_nibabel_agrees_that_the_good_file_is_good(tmp_path: Path, plain: bytearray) -> None:
    assert nib.load(tmp_path / "good.nii").shape == DATA.shape


def test_a_file_that_goes_away_while_it_is_read_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_nifti(tmp_path / "a.nii", np.zeros((4, 4, 4), np.int16))
    parse = nifti_header._parse

    def gone(path: Path, block: bytes) -> nifti_header.NiftiHeader:
        path.unlink()
        return parse(path, block)

    monkeypatch.setattr(nifti_header, "_parse", gone)
    with pytest.raises(UserError, match="is not there"):
        nifti_header.read_header(path)
