"""NIfTI in and out.

Reading brings every volume into closest canonical axis order; writing goes back to the axis order of the source, so
a mask lies on its reference file's voxels, shape and affine included.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import FloatArray, Grid
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.atomic_file import atomic_write
from glioma_annotator.imaging.label_codec import as_labels
from glioma_annotator.imaging.nifti_header import (
    AXES_DISAGREE_MM,
    NiftiHeader,
    largest_gap_mm,
    open_nifti,
    read_header,
    shown,
)
from glioma_annotator.imaging.orientation import from_canonical, to_canonical

_VOXELS_BEGIN = 352
#: How far a label stored as a fraction may lie from a whole number.
_ROUNDED = 1e-3
_INT16 = np.iinfo(np.int16)

#: What the header of every mask we write says, so that its values are never taken for another convention's.
MASK_DESCRIPTION = "glioma-annotator mask: NETC SNFH ET RC are 1 2 3 4"
_IMAGE_DESCRIPTION = "glioma-annotator"


@dataclass(frozen=True, slots=True, eq=False)
class LoadedVolume:
    """Intensities read from a file: float32, C-contiguous, in closest canonical axis order.

    Attributes
    ----------
    volume: the intensities; every value is finite.
    source_axes: axis codes of the file, e.g. "LPS".
    notes: what a reader should know, one sentence each.
    """

    volume: Volume
    source_axes: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class LoadedLabels:
    """A mask read from a file, with the values it has there: uint8, otherwise as `LoadedVolume`.

    `by_program` tells that this program wrote it, so that the values are 1 NETC, 2 SNFH, 3 ET, 4 RC.
    """

    labels: LabelArray
    grid: Grid
    source_axes: str
    notes: tuple[str, ...] = ()
    by_program: bool = False


def read_volume(path: Path, channel: int | None = None) -> LoadedVolume:
    """Read a 3D file, or one channel (counted from 0) of a file with more axes.

    Raises `UserError`, naming the file, when it cannot be read as a volume, `EnvironmentFailure` when the disk fails.
    """
    header = read_header(path)
    stored = to_canonical(_read_stored(header, channel), header.affine)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is infinite and cleaned below
        data = np.ascontiguousarray(stored).astype(np.float32)
        if header.scaled:
            data *= np.float32(header.slope)
            data += np.float32(header.intercept)
    exact = header.dtype.kind in "iu" and not header.scaled
    notes = header.notes if exact else header.notes + _clean(data, path)
    return LoadedVolume(Volume(data, header.grid), header.source_axes, notes)


def read_labels(path: Path, channel: int | None = None) -> LoadedLabels:
    """Read a mask: whole numbers from 0 to 255 of any stored type. Raises as `read_volume`."""
    header = read_header(path)
    data = np.ascontiguousarray(to_canonical(_read_stored(header, channel), header.affine))
    if header.scaled:
        with np.errstate(over="ignore", invalid="ignore"):
            data = data * header.slope + header.intercept
    notes = header.notes + (_clean(data, path) if data.dtype.kind == "f" else ())
    try:
        labels = as_labels(data, _rounding(header))
    except ValueError as error:
        raise UserError(f"{shown(path)} is not a mask: it has {error}.", "Import it as an image.") from error
    return LoadedLabels(labels, header.grid, header.source_axes, notes, header.description == MASK_DESCRIPTION)


def write_volume(path: Path, volume: Volume, source_axes: str = "RAS") -> None:
    """Write intensities in the axis order `source_axes`; compressed when the name ends in .gz.

    Whole numbers are stored as int16, a third of the size. The file appears whole or not at all.
    Raises `EnvironmentFailure` when it cannot be written.
    """
    data = volume.data
    whole = data.dtype.kind in "iu" or np.array_equal(data, np.rint(data))
    fits = whole and data.min() >= _INT16.min and data.max() <= _INT16.max
    stored = data.astype(np.int16 if fits else np.float32, copy=False)
    _write(path, stored, volume.grid, source_axes, _IMAGE_DESCRIPTION)


def write_labels(path: Path, labels: LabelArray, grid: Grid, source_axes: str = "RAS") -> None:
    """Write a mask (i, j, k on `grid`) as uint8 in the axis order `source_axes`; otherwise as `write_volume`."""
    if labels.shape != grid.shape:
        raise ValueError(f"mask of shape {labels.shape} on a grid of shape {grid.shape}")
    _write(path, np.asarray(labels, dtype=np.uint8), grid, source_axes, MASK_DESCRIPTION)


def _read_stored(header: NiftiHeader, channel: int | None) -> NDArray[Any]:
    """The numbers of one channel as stored, file axis order."""
    if channel is None and header.channels > 1:
        raise UserError(
            f"{shown(header.path)} holds {header.channels} volumes where one is expected.",
            "Import the file: its volumes are split and shown one by one.",
        )
    which = channel or 0
    if not 0 <= which < header.channels:
        raise UserError(f"{shown(header.path)} holds {header.channels} volumes, no {which + 1}th.", "Choose another.")
    buffer = np.empty(header.volume_bytes, dtype=np.uint8)
    with open_nifti(header.path) as file:
        file.seek(header.offset + which * header.volume_bytes)
        view, done = buffer.data, 0
        while done < buffer.size and (count := file.readinto(view[done:])):
            done += count
        if done < buffer.size:
            raise EOFError
        file.read(1)  # reaching the end of a compressed file makes its checksum be verified
    return buffer.view(header.dtype).reshape(header.shape, order="F")


def _rounding(header: NiftiHeader) -> float:
    """How far a label may lie from a whole number: what whole numbers lose when they are stored scaled.

    Programs that store fractions as scaled integers treat masks alike: half a step is lost, and single precision.
    Programs that compute masks in fractions leave 2.9999 for a 3.
    """
    if header.dtype.kind == "f":
        return _ROUNDED
    return min(abs(header.slope) / 2 + 1e-5, 0.01) if header.scaled else 0.0


def _clean(data: NDArray[Any], path: Path) -> tuple[str, ...]:
    """Set values that are not finite to 0 in place; the note on it, if any."""
    finite = np.isfinite(data)
    if finite.all():
        return ()
    count = int(data.size - np.count_nonzero(finite))
    data[~finite] = 0
    return (f"{shown(path)}: {count} voxels that are no number (NaN or infinite) were set to 0.",)


def _write(path: Path, data: NDArray[Any], grid: Grid, source_axes: str, description: str) -> None:
    turned, affine = from_canonical(data, grid, source_axes)
    head = _header_bytes(turned, affine, description)
    voxels = np.ascontiguousarray(turned.T).data.cast("B")  # NIfTI's first axis runs fastest
    with atomic_write(path) as file:
        if path.name.lower().endswith(".gz"):
            # No name and time: the same content gives the same bytes.
            with igzip.IGzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                packed.write(head)
                packed.write(voxels)
        else:
            file.write(head)
            file.write(voxels)


def _header_bytes(data: NDArray[Any], affine: FloatArray, description: str) -> bytes:
    import nibabel  # here, to keep it off the program's start

    header = nibabel.Nifti1Header()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
    header.set_xyzt_units("mm")
    header.set_sform(affine, code="scanner")
    # A qform cannot express shear, but ITK opens no file without one whose axes lean ever so little.
    rigid = header.copy()
    rigid.set_qform(affine, code="scanner")
    if largest_gap_mm(affine, rigid.get_qform(), (data.shape[0], data.shape[1], data.shape[2])) <= AXES_DISAGREE_MM:
        header = rigid
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    header["vox_offset"] = _VOXELS_BEGIN
    header["descrip"] = description.encode("ascii")
    return bytes(header.binaryblock) + bytes(_VOXELS_BEGIN - len(header.binaryblock))
