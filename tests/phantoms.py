"""Small synthetic heads and the NIfTI files that tests need."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from glioma_annotator.domain.geometry import FloatArray, Grid, Shape
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray

T1, T1GD, T2, FLAIR = SequenceRole.T1, SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR

#: Voxels of 6 mm, axes L P S as in BraTS, over a whole head.
LPS = np.array([[-6.0, 0, 0, 87], [0, -6.0, 0, 99], [0, 0, 6.0, -81], [0, 0, 0, 1]])
SHAPE: Shape = (30, 34, 28)

# White matter, grey matter, fluid, enhancing tumour, necrosis, oedema.
_INTENSITIES = {
    T1: (1.0, 0.75, 0.25, 0.8, 0.5, 0.8),
    T1GD: (1.0, 0.75, 0.25, 1.9, 0.5, 0.8),
    T2: (1.0, 1.4, 3.2, 1.6, 2.2, 1.9),
    FLAIR: (1.0, 1.3, 0.25, 1.6, 1.3, 1.9),
}


def grid_of(shape: Shape = SHAPE, affine: ArrayLike = LPS) -> Grid:
    """The grid of an array as it is stored, not in canonical order."""
    return Grid(shape, np.asarray(affine, dtype=np.float64))


def _tissues(grid: Grid) -> NDArray[np.int64]:
    """Index into the intensity table plus one, 0 outside the brain; placed in world mm, so any grid shows one head."""
    x, y, z = np.moveaxis(grid.index_to_world(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
    tissue = np.zeros(grid.shape, dtype=np.int64)
    tissue[(x / 66) ** 2 + (y / 80) ** 2 + (z / 62) ** 2 < 1] = 2
    tissue[(x / 56) ** 2 + (y / 70) ** 2 + (z / 52) ** 2 < 1] = 1
    tissue[((np.abs(x) - 11) / 9) ** 2 + (y / 30) ** 2 + (z / 14) ** 2 < 1] = 3
    from_tumour = np.sqrt((x - 34) ** 2 + (y - 18) ** 2 + (z - 16) ** 2)
    tissue[(from_tumour < 24) & (tissue == 1)] = 6
    tissue[from_tumour < 14] = 4
    tissue[from_tumour < 8] = 5
    return tissue


def head(role: SequenceRole, grid: Grid | None = None, seed: int = 0) -> NDArray[np.float32]:
    """A stripped brain with ventricles, cortex and a right frontal tumour; int-valued float32 on `grid`."""
    tissue = _tissues(grid or grid_of())
    table = np.array((0.0, *_INTENSITIES[role])) * 400
    noise = np.random.default_rng((seed, list(SequenceRole).index(role))).normal(0, 12, tissue.shape)
    return np.where(tissue > 0, np.rint(np.maximum(table[tissue] + noise, 20)), 0).astype(np.float32)


def tumour_mask(grid: Grid | None = None, values: tuple[int, int, int] = (1, 2, 4)) -> LabelArray:
    """The head's tumour: necrosis, oedema and enhancing tumour as `values`, BraTS 2021's by default."""
    tissue = _tissues(grid or grid_of())
    labels = np.zeros(tissue.shape, dtype=np.uint8)
    for index, value in zip((5, 6, 4), values, strict=True):
        labels[tissue == index] = value
    return labels


def write_nifti(
    path: Path,
    data: NDArray[Any],
    affine: ArrayLike | None = LPS,
    *,
    slope: float | None = None,
    intercept: float = 0.0,
    sform: int = 1,
    qform: int = 0,
    big_endian: bool = False,
) -> Path:
    """Write stored numbers with a header as stated; the folder is made. `affine` None leaves sform and qform unset."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = nib.Nifti1Header(endianness=">" if big_endian else "<")
    header.set_data_dtype(data.dtype)
    header.set_data_shape(data.shape)
    if affine is not None:
        matrix: FloatArray = np.asarray(affine, dtype=np.float64)
        header.set_zooms((*np.linalg.norm(matrix[:3, :3], axis=0), *([1.0] * (data.ndim - 3))))
        header.set_sform(matrix, code=sform)
        if qform:
            header.set_qform(matrix, code=qform)
    header["scl_slope"], header["scl_inter"] = (np.nan, np.nan) if slope is None else (slope, intercept)
    header["vox_offset"] = 352
    stored = data.astype(data.dtype.newbyteorder(">" if big_endian else "<"))
    raw = bytes(header.binaryblock) + bytes(4) + stored.tobytes(order="F")
    path.write_bytes(gzip.compress(raw, 1, mtime=0) if path.name.endswith(".gz") else raw)
    return path


def write_visit(
    folder: Path,
    names: Mapping[SequenceRole, str],
    *,
    grid: Grid | None = None,
    mask: str = "",
    values: tuple[int, int, int] = (1, 2, 4),
    seed: int = 0,
) -> Path:
    """One head's images, and its mask when `mask` names a file; returns the folder."""
    where = grid or grid_of()
    for role, name in names.items():
        write_nifti(folder / name, head(role, where, seed).astype(np.int16), where.affine)
    if mask:
        write_nifti(folder / mask, tumour_mask(where, values), where.affine)
    return folder


def brats_2021(folder: Path, patient: str = "BraTS2021_00006", *, mask: bool = True, seed: int = 0) -> Path:
    """A case in the names of BraTS 2021; returns its folder."""
    names = {
        role: f"{patient}_{word}.nii.gz" for role, word in ((T1, "t1"), (T1GD, "t1ce"), (T2, "t2"), (FLAIR, "flair"))
    }
    return write_visit(folder / patient, names, mask=f"{patient}_seg.nii.gz" if mask else "", seed=seed)


def longitudinal(folder: Path, patient: str = "BraTSReg_002") -> Path:
    """One patient, day 0 and day 262, four contrasts each, and a landmark table; returns the patient's folder."""
    names = {T1: "t1.nii.gz", T1GD: "t1ce.nii.gz", T2: "t2.nii.gz", FLAIR: "flair.nii.gz"}
    for seed, visit in enumerate(("tp0_preop_day0000", "tp1_followup_day0262")):
        write_visit(folder / patient / visit, names, seed=seed)
    (folder / patient / "landmarks_00_0000.csv").write_text("x,y,z\n")
    return folder / patient
