"""What a NIfTI file says about itself, checked before a byte of its voxels is read.

A header is not to be trusted: sizes are compared with the file's own size before anything is allocated.
"""

from __future__ import annotations

import errno
import gzip
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedIOBase
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from isal import igzip, isal_zlib
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import FloatArray, Grid, Shape
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.orientation import axis_codes, canonical_grid

if TYPE_CHECKING:
    import nibabel

MAX_VOXELS = 2**28
"""Most voxels of one volume that are read: 512 x 512 x 1024, 1 GiB as float32."""

_DEFLATE_LIMIT = 1032
"""No deflate stream expands by more than this factor (zlib's technical notes)."""

_SPACING_LIMITS_MM = (0.01, 100.0)
_FARTHEST_MM = 1e5
AXES_DISAGREE_MM = 1.0
"""How far apart sform and qform may put a voxel before a reader is told."""

#: Rounding may make the three stored parts of a unit quaternion so long.
_LONGEST_QUATERNION = 1.01
#: Units of length other than mm that a header may state (its `xyzt_units`): name, and mm in one.
_UNITS = {1: ("metres", 1e3), 3: ("micrometres", 1e-3)}
#: Lengths of a head's scan along its second longest and its longest side: what else a unit makes of it is a wrong unit.
_HEAD_MM = (80.0, 400.0)

_NIFTI1_BYTES, _NIFTI2_BYTES = 348, 540
_MAGIC = {_NIFTI1_BYTES: b"n+1\0", _NIFTI2_BYTES: b"n+2\0"}
_UnpackError: type[Exception] = isal_zlib.IsalError  # type: ignore[assignment]  # isal's stubs call it an instance
_DAMAGED = "Copy or export the file again."


@dataclass(frozen=True, slots=True, eq=False)
class NiftiHeader:
    """Geometry and storage of a NIfTI file.

    Attributes
    ----------
    path: the file.
    shape: voxels along the file's first three axes.
    channels: number of volumes: the product of the further axes, 1 for a 3D file.
    affine: (4, 4) index in file order to RAS mm.
    dtype: type of the stored numbers, byte order included.
    offset: bytes before the first voxel, after decompression.
    slope, intercept: intensity = stored * slope + intercept.
    description: the header's free text.
    notes: oddities the reader should know, one sentence each.
    """

    path: Path
    shape: Shape
    channels: int
    affine: FloatArray
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    description: str = ""
    notes: tuple[str, ...] = ()

    @property
    def grid(self) -> Grid:
        """The grid in closest canonical axis order."""
        return canonical_grid(self.shape, self.affine)

    @property
    def source_axes(self) -> str:
        return axis_codes(self.affine)

    @property
    def scaled(self) -> bool:
        return self.slope != 1.0 or self.intercept != 0.0

    @property
    def volume_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def shown(path: Path) -> str:
    """A file's name for messages, with its folder: names such as t1.nii.gz occur in every visit."""
    return composed(f"{path.parent.name}/{path.name}" if path.parent.name else path.name)


def composed(name: str) -> str:
    """A name in letters that can be stored and compared.

    Accents become one letter each, as systems write them in two ways that look the same; bytes that are no UTF-8, as
    archives from old systems leave them, are read as Latin-1.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        name = os.fsencode(name).decode("latin-1")
    return unicodedata.normalize("NFC", name)


@contextmanager
def open_nifti(path: Path) -> Iterator[BufferedIOBase]:
    """The decompressed bytes of a file, compressed or not whatever its name says.

    Raises as `named_errors` says.
    """
    with named_errors(path), path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if compressed:
            with igzip.IGzipFile(fileobj=file, mode="rb") as unpacked:
                yield unpacked
        else:
            yield file


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Within it, failures to read become `UserError` (not there, not readable, damaged) or `EnvironmentFailure`."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{shown(path)} is not there.", "Check the path.") from error
    except (PermissionError, IsADirectoryError) as error:
        raise UserError(f"{shown(path)} cannot be read ({error.strerror}).", "Check its permissions.") from error
    except EOFError as error:
        raise UserError(f"{shown(path)} is cut off.", _DAMAGED) from error
    except (gzip.BadGzipFile, _UnpackError) as error:
        raise UserError(f"{shown(path)} is damaged: its compressed data cannot be unpacked.", _DAMAGED) from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{shown(path)} is a link that leads back to itself.", "Leave it out.") from error
        raise EnvironmentFailure(f"{shown(path)} could not be read ({error.strerror or error}).") from error


def read_header(path: Path) -> NiftiHeader:
    """The header of a NIfTI-1 or NIfTI-2 file (.nii, .nii.gz).

    Raises `UserError` for anything that is not a readable 3D or 4D volume of real numbers with a usable affine.
    """
    with open_nifti(path) as file:
        block = file.read(_NIFTI2_BYTES)
    return _parse(path, block)


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM PS3.10 says: 128 bytes, then "DICM"."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:  # what cannot be read is told by whoever needs it
        return False


def _parse(path: Path, block: bytes) -> NiftiHeader:
    if not block:
        raise UserError(f"{shown(path)} is empty.", _DAMAGED)
    size = next((s for s in _MAGIC if block[:4] in (s.to_bytes(4, "little"), s.to_bytes(4, "big"))), None)
    if size is None:
        if is_dicom(path):
            raise UserError(
                f"{shown(path)} is a DICOM file, not NIfTI.", "Convert its series to NIfTI first (dcm2niix)."
            )
        raise UserError(f"{shown(path)} is not a NIfTI file.", "Export it as NIfTI (.nii or .nii.gz).")
    if len(block) < size:
        raise UserError(f"{shown(path)} is cut off within its header.", _DAMAGED)
    import nibabel  # here, to keep it off the program's start

    if size == _NIFTI1_BYTES:
        header = nibabel.Nifti1Header(block[:size], check=False)
    else:
        header = nibabel.Nifti2Header(block[:size], check=False)
    if bytes(block[4:8] if size == _NIFTI2_BYTES else block[344:348]) != _MAGIC[size]:
        raise UserError(
            f"{shown(path)} is the header of a two-file image or an Analyze file.",
            "Convert it to a single NIfTI file (.nii or .nii.gz).",
        )
    shape, channels = _sizes(path, header)
    dtype = _number_type(path, header)
    offset = _offset(path, header, size)
    _check_file_size(path, offset, prod(shape) * channels * dtype.itemsize)
    with np.errstate(all="ignore"):  # hostile bits in a header may be any float; what is not sound is refused
        affine, notes = _affine(path, header, shape)
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite(slope):
        slope, intercept = 1.0, 0.0
    elif not np.isfinite(intercept):
        intercept = 0.0
    description = bytes(header["descrip"].item()).decode("latin-1").strip("\0 ")
    return NiftiHeader(path, shape, channels, affine, dtype, offset, slope, intercept, description, notes)


def _sizes(path: Path, header: nibabel.Nifti1Header) -> tuple[Shape, int]:
    dim = [int(n) for n in header["dim"]]
    if not 1 <= dim[0] <= 7:
        raise UserError(f"{shown(path)} claims {dim[0]} axes: its header is damaged.", _DAMAGED)
    sizes = dim[1 : dim[0] + 1]
    if min(sizes) < 1:
        raise UserError(f"{shown(path)} has an axis without voxels ({_times(sizes)}).", _DAMAGED)
    if len(sizes) < 3 or min(sizes[:3]) < 2:
        raise UserError(
            f"{shown(path)} is a single slice ({_times(sizes)}), not a volume.",
            "Export the whole series as one volume.",
        )
    if prod(sizes[:3]) > MAX_VOXELS:
        raise UserError(
            f"{shown(path)} claims {_times(sizes[:3])} voxels; at most {MAX_VOXELS // 10**6} million can be read.",
            "Its header may be damaged; otherwise resample it to fewer voxels.",
        )
    return (sizes[0], sizes[1], sizes[2]), prod(sizes[3:])


def _times(sizes: list[int]) -> str:
    return " x ".join(str(n) for n in sizes)


def _number_type(path: Path, header: nibabel.Nifti1Header) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(header.get_data_dtype())
    except KeyError as error:
        raise UserError(f"{shown(path)} holds numbers of an unknown type.", _DAMAGED) from error
    if dtype.fields:
        raise UserError(f"{shown(path)} is a colour image, not intensities.", "Export the original grey-scale series.")
    if dtype.kind == "c":
        raise UserError(f"{shown(path)} holds complex numbers.", "Export the magnitude image.")
    if dtype.kind not in "iuf" or dtype.itemsize not in (1, 2, 4, 8):
        raise UserError(
            f"{shown(path)} holds numbers of type {dtype.name}, which is not read.", "Convert it to float32."
        )
    return dtype


def _offset(path: Path, header: nibabel.Nifti1Header, size: int) -> int:
    stored = float(header["vox_offset"])
    least = size + 4
    if stored == 0:
        return least
    if not np.isfinite(stored) or stored < least:
        raise UserError(f"{shown(path)} says its voxels begin inside its header: it is damaged.", _DAMAGED)
    return int(stored)


def _check_file_size(path: Path, offset: int, voxel_bytes: int) -> None:
    """Refuse a header whose voxels cannot be in the file, without unpacking it."""
    with named_errors(path), path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        on_disk = os.fstat(file.fileno()).st_size
    most = on_disk * _DEFLATE_LIMIT if compressed else on_disk
    if offset + voxel_bytes > most:
        raise UserError(
            f"{shown(path)} is cut off: its header claims {voxel_bytes:,} bytes of voxels, "
            f"the file holds {on_disk:,}{' compressed' if compressed else ''}.",
            _DAMAGED,
        )


def _affine(path: Path, header: nibabel.Nifti1Header, shape: Shape) -> tuple[FloatArray, tuple[str, ...]]:
    """The affine in mm and notes where the header is at odds.

    Lengths in metres or micrometres are converted where that makes a head of them; many headers state a unit wrongly.
    """
    name, mm = _UNITS.get(int(header["xyzt_units"]) & 7, ("", 1.0))
    if not name:
        return _oriented(path, header, shape)
    with suppress(UserError):
        affine, notes = _oriented(path, header, shape, mm)
        sides = sorted(np.linalg.norm(affine[:3, :3], axis=0) * shape)
        if sides[1] >= _HEAD_MM[0] and sides[2] <= _HEAD_MM[1]:
            return affine, (*notes, f"{shown(path)}: its lengths are in {name}; they were converted to mm.")
    try:
        affine, notes = _oriented(path, header, shape)
    except UserError as error:
        raise UserError(
            f"{shown(path)} states its lengths in {name}; that makes no head of it, in mm neither.",
            "Correct the unit and the voxel sizes in its header, or export it again.",
        ) from error
    note = f"{shown(path)}: its header says lengths in {name}, which makes no head of it; they are read as mm."
    return affine, (*notes, note)


def _oriented(
    path: Path, header: nibabel.Nifti1Header, shape: Shape, mm: float = 1.0
) -> tuple[FloatArray, tuple[str, ...]]:
    """The affine by the standard's preference (sform, qform, voxel sizes), in units of `mm` millimetres, and notes."""
    claimed: dict[str, NDArray[Any] | None] = {}
    if int(header["sform_code"]) > 0:
        claimed["sform"] = header.get_sform()
    if int(header["qform_code"]) > 0:
        claimed["qform"] = _qform(header)
    scale = np.diag([mm, mm, mm, 1.0])
    in_mm = {name: scale @ np.asarray(a, dtype=np.float64) for name, a in claimed.items() if a is not None}
    usable = {name: affine for name, affine in in_mm.items() if _sound(affine)}
    if usable:
        name, affine = next(iter(usable.items()))
        notes = []
        if len(usable) < len(claimed):
            notes.append(f"{shown(path)}: one of its two orientations is unusable; the {name} is used.")
        elif len(usable) == 2 and (gap := largest_gap_mm(usable["sform"], usable["qform"], shape)) > AXES_DISAGREE_MM:
            notes.append(f"{shown(path)}: sform and qform disagree by up to {gap:.0f} mm; the sform is used.")
        return affine, tuple(notes)
    if claimed:
        raise UserError(
            f"{shown(path)} has an unusable orientation: its affine is singular, not finite or of absurd voxel size.",
            "Export it again from the scanner's DICOM series.",
        )
    sizes = header.copy()
    sizes["pixdim"][1:4] = np.abs(header["pixdim"][1:4])  # a sign is no orientation
    affine = scale @ np.asarray(sizes.get_base_affine(), dtype=np.float64)
    if not _sound(affine):
        raise UserError(f"{shown(path)} states neither an orientation nor usable voxel sizes.", _DAMAGED)
    note = (
        f"{shown(path)} does not say how it is oriented (sform and qform are unset); "
        "radiological axes (LAS) are assumed: check left and right."
    )
    return affine, (note,)


def _qform(header: nibabel.Nifti1Header) -> NDArray[Any] | None:
    """The qform read as the standard's own library reads it: a sign of 0 is +1, a quaternion rounded up is unit."""
    from nibabel.spatialimages import HeaderDataError

    sound = header.copy()
    sound["pixdim"][0] = -1 if header["pixdim"][0] < 0 else 1
    sound["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    parts = ("quatern_b", "quatern_c", "quatern_d")
    length = float(np.linalg.norm([float(header[part]) for part in parts]))
    if 1 < length < _LONGEST_QUATERNION:
        for part in parts:
            sound[part] = header[part] / length
    try:
        return np.asarray(sound.get_qform())
    except (HeaderDataError, ValueError):
        return None


def _sound(affine: NDArray[Any]) -> bool:
    """Whether an affine is finite, of voxel sizes that occur, and far enough from singular."""
    if not np.isfinite(affine).all():
        return False
    low, high = _SPACING_LIMITS_MM
    if np.abs(affine[:3, :3]).max() > high or np.abs(affine[:3, 3]).max() > _FARTHEST_MM:
        return False
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing.min() < low or spacing.max() > high:
        return False
    return bool(abs(np.linalg.det(affine[:3, :3])) > 0.05 * prod(spacing))


def largest_gap_mm(one: FloatArray, other: FloatArray, shape: Shape) -> float:
    """How far apart two affines (4, 4) put a voxel of a volume of `shape` at most."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], (1,))).reshape(4, -1)
    return float(np.linalg.norm((one @ corners - other @ corners)[:3], axis=0).max())
