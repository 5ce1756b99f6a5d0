"""Tumour-free brains to paint tumours into: real scans, an atlas, and anatomical label maps.

A background holds T1, T1Gd, T2 and FLAIR at 1 mm in closest canonical RAS axis order, cropped to the brain, each
divided by its local white matter, so that white matter is 1 everywhere. Receive fields are put back by `acquisition`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_multiotsu

from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise
from glioma_annotator.adaptation.synthesis.tumour import CSF, GREY, OUTSIDE, WHITE
from glioma_annotator.domain.geometry import Box
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.components import largest
from glioma_annotator.imaging.nifti import read_volume

_MARGIN = 4

# Ranges of intensity relative to white matter, T1 / T2 / FLAIR, for brains painted from label maps. On T1Gd tissue is
# as on T1 or slightly brighter, and vessels are bright.
_TISSUE_RANGES = {
    "white": ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0)),
    "cerebellar white": ((0.95, 1.05), (1.0, 1.15), (0.95, 1.15)),
    "brainstem": ((0.88, 1.0), (1.0, 1.25), (0.95, 1.2)),
    "cortex": ((0.62, 0.9), (1.15, 1.75), (1.05, 1.5)),
    "cerebellar cortex": ((0.65, 0.95), (1.1, 1.7), (1.0, 1.5)),
    "deep grey": ((0.78, 0.98), (1.0, 1.4), (1.0, 1.35)),
    "fluid": ((0.15, 0.45), (2.2, 4.2), (0.12, 0.6)),
    "vessel": ((0.3, 1.2), (0.3, 1.0), (0.4, 1.0)),
}
_VESSEL_ON_T1GD = (1.2, 2.0)
_SYNTHSEG_TISSUE = {
    "white": (2, 41),
    "cerebellar white": (7, 46),
    "brainstem": (16, 28, 60),
    "cortex": (3, 42, 17, 53, 18, 54, 25, 57),
    "cerebellar cortex": (8, 47),
    "deep grey": (10, 49, 11, 50, 12, 51, 13, 52, 26, 58, 136, 137, 163, 164, 85),
    "fluid": (4, 43, 5, 44, 14, 15, 24, 72),
    "vessel": (30, 62),
}
_TISSUE_CLASS = {"white": WHITE, "cerebellar white": WHITE, "brainstem": WHITE, "fluid": CSF, "vessel": CSF}


@dataclass(frozen=True, slots=True, eq=False)
class RealBackground:
    """A real brain.

    Attributes
    ----------
    name: the folder it came from.
    images: float16 (4, i, j, k): T1, T1Gd, T2, FLAIR relative to white matter, 0 outside the brain.
    tissue: uint8 (i, j, k): 0 outside, 1 fluid, 2 grey, 3 white.
    has_gadolinium: False when T1 without contrast agent stands in the place of T1Gd.
    mean, spread: mean and standard deviation over the brain, float32 (4,) each.
    """

    name: str
    images: NDArray[np.float16]
    tissue: NDArray[np.uint8]
    has_gadolinium: bool
    mean: Field
    spread: Field


@dataclass(frozen=True, slots=True, eq=False)
class LabelMapBackground:
    """An anatomical label map, to be painted with drawn contrasts.

    Attributes
    ----------
    name: the file it came from.
    classes: uint8 (i, j, k): 0 outside the brain, else 1 + position in the list of painted tissues.
    tissue: outside, fluid, grey, white as in `RealBackground`.
    shares: of the classes in the brain.
    """

    name: str
    classes: NDArray[np.uint8]
    tissue: NDArray[np.uint8] = field(init=False)
    shares: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tissue", tissue_of_classes(self.classes))
        counts = np.bincount(self.classes.ravel(), minlength=len(_TISSUE_RANGES) + 1).astype(np.float64)
        counts[0] = 0
        object.__setattr__(self, "shares", counts / counts.sum())

    def draw_contrast(self, rng: np.random.Generator) -> Field:
        """Intensities by class, float32 (4, classes + 1): T1, T1Gd, T2, FLAIR."""
        values = np.zeros((4, len(_TISSUE_RANGES) + 1), dtype=np.float32)
        for number, (name, ranges) in enumerate(_TISSUE_RANGES.items(), start=1):
            t1, t2, flair = (rng.uniform(low, high) for low, high in ranges)
            enhanced = rng.uniform(*_VESSEL_ON_T1GD) if name == "vessel" else t1 * rng.uniform(0.97, 1.06)
            values[:, number] = t1, enhanced, t2, flair
        return values

    def scale(self, contrast: Field) -> tuple[Field, Field]:
        """Mean and standard deviation over the brain, float32 (4,) each, of a drawn contrast."""
        mean = contrast @ self.shares
        spread = np.sqrt(((contrast - mean[:, None]) ** 2) @ self.shares)
        return mean.astype(np.float32), np.hypot(spread, 0.08).astype(np.float32)


Background = RealBackground | LabelMapBackground


def tissue_of_classes(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Outside, fluid, grey, white (0 to 3) of painted classes, same shape."""
    table = np.full(256, GREY, dtype=np.uint8)
    table[0] = OUTSIDE
    for number, name in enumerate(_TISSUE_RANGES, start=1):
        table[number] = _TISSUE_CLASS.get(name, GREY)
    return np.asarray(table[classes])


def paint_classes(classes: NDArray[np.uint8], contrast: Field, rng: np.random.Generator) -> Field:
    """Images (channel, i, j, k), float32, of painted classes: partial volume, texture, 0 outside the brain."""
    brain = classes > 0
    edge = float(rng.uniform(0.4, 0.9))
    images = np.empty((len(contrast), *classes.shape), dtype=np.float32)
    for channel, values in enumerate(contrast):
        image = ndimage.gaussian_filter(values[classes], edge)
        image *= 1 + rng.uniform(0.01, 0.05) * smooth_noise(rng, classes.shape, 6.0)
        images[channel] = image
    images[:, ~brain] = 0
    return images


def load_backgrounds(data: Path) -> list[RealBackground]:
    """The real tumour-free brains found in a data folder.

    Reads `healthy/kirby*` (T1, T2, FLAIR), `healthy/open_ms_*` (T1 with Gd, T2, FLAIR; multiple-sclerosis lesions stay
    in as background), `atlas/sri24` (T1, T2; FLAIR derived from proton density), and of `unlabelled/*`,
    `raw_clinical/*/sri24_bet` and the last visit of `longitudinal/*` the hemisphere without tumour, mirrored.
    Raises `UserError` when none of them is there, or a file of them is missing, damaged or of another size.
    """
    found: list[RealBackground] = []
    for folder in _folders(data / "healthy"):
        post = folder / "T1POST.nii.gz"
        t1 = folder / "MPRAGE.nii.gz"
        t2 = folder / ("T2.nii.gz" if post.exists() else "T2w.nii.gz")
        if post.exists():
            t1 = folder / "T1.nii.gz"
        images = _read_together([t1, post if post.exists() else t1, t2, folder / "FLAIR.nii.gz"])
        found.append(_prepare(folder.name, images, post.exists()))
    sri = data / "atlas" / "sri24"
    if sri.is_dir():
        names = ("spgr", "late", "erly", "tissues")
        spgr, late, density, tissues = _read_together([sri / f"{name}.nii.gz" for name in names])
        fluid = ndimage.gaussian_filter((tissues == 1).astype(np.float32), 0.7)
        flair = density * (1 - fluid) + 0.35 * np.median(density[density > 0]) * fluid
        flair[density <= 0] = 0
        found.append(_prepare("sri24", np.stack([spgr, spgr, late, flair]), False))
    for name, paths in _cases_with_tumour(data).items():
        images = _read_together(paths)
        found.append(_prepare(f"{name} mirrored", _mirror_healthy_half(images), True))
    if not found:
        raise UserError(f"No tumour-free brains were found in {data}.", "Name a folder with healthy/ or atlas/sri24.")
    return found


def _cases_with_tumour(data: Path) -> dict[str, list[Path]]:
    """Stripped scans of gliomas without a mask: T1, T1Gd, T2, FLAIR by a name."""
    cases = {}
    for folder in _folders(data / "unlabelled"):
        cases[folder.name] = [folder / f"{folder.name}-{c}.nii.gz" for c in ("t1n", "t1c", "t2w", "t2f")]
    for folder in _folders(data / "longitudinal"):
        visits = _folders(folder)
        if visits:
            cases[folder.name] = [visits[-1] / f"{c}.nii.gz" for c in ("t1", "t1ce", "t2", "flair")]
    for folder in sorted((data / "raw_clinical").glob("*/sri24_bet")):
        cases[folder.parent.name] = [folder / f"{c}.nii.gz" for c in ("t1", "t1c", "t2", "flair")]
    return cases


def load_label_maps(data: Path) -> list[LabelMapBackground]:
    """The anatomical label maps in `label_maps/synthseg`, brain only; empty when there are none.

    Maps of whole heads hold the fluid of the spine, too: a brain ends a little beyond its own tissue.
    Raises `UserError` for a damaged file, and labels that are not SynthSeg's.
    """
    table = np.zeros(1024, dtype=np.uint8)
    for number, name in enumerate(_TISSUE_RANGES, start=1):
        table[list(_SYNTHSEG_TISSUE[name])] = number
    found = []
    for path in sorted((data / "label_maps" / "synthseg").glob("*.nii.gz")):
        labels = _read(path).astype(np.int32)
        if not 0 <= labels.min() <= labels.max() < len(table):
            raise UserError(f"“{path}” holds labels that are not SynthSeg's.", "Remove it from the data folder.")
        classes = table[labels]
        box = Box.around(largest(tissue_of_classes(classes) > CSF))
        if box is not None:
            inside = classes[box.grown(_MARGIN).clipped(classes.shape).slices]
            found.append(LabelMapBackground(path.name, np.pad(np.where(largest(inside > 0), inside, 0), _MARGIN)))
    return found


def load_shapes(data: Path) -> list[NDArray[np.uint8]]:
    """Real post-treatment masks (labels 1 to 4) from `posttreatment_masks`, cropped to the tumour."""
    shapes = []
    for path in sorted((data / "posttreatment_masks").glob("*/*_time*_seg.nii.gz")):
        mask = _read(path).astype(np.uint8)
        box = Box.around(mask)
        if box is not None:
            shapes.append(np.pad(mask[box.slices], 1))
    return shapes


def _folders(place: Path) -> list[Path]:
    """The folders in a folder, in order; none where there is no such folder."""
    return sorted(path for path in place.glob("*") if path.is_dir())


def _read(path: Path) -> Field:
    """A file's voxels at 1 mm in closest canonical order, float32 (i, j, k). Raises `UserError`."""
    volume = read_volume(path).volume
    spacing = volume.grid.spacing_mm
    if np.allclose(spacing, 1.0, atol=0.02):
        return volume.data
    return np.asarray(ndimage.zoom(volume.data, spacing, order=1))


def _read_together(paths: Sequence[Path]) -> Field:
    """The images of one brain, (image, i, j, k). Raises `UserError` where they differ in size."""
    images = [_read(path) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            raise UserError(
                f"“{path}” has other voxels than {paths[0].name} beside it.", "Resample it, or remove its folder."
            )
    return np.stack(images)


def _prepare(name: str, images: Field, has_gadolinium: bool) -> RealBackground:
    """Crop to the brain, find the tissues on T1 (channel 0) and divide by local white matter."""
    brain = ndimage.binary_opening(np.all(images > 0, axis=0), iterations=1)
    box = Box.around(brain)
    if box is None:
        raise UserError(f"{name} holds no brain voxels.", "Remove it from the data folder.")
    brain, images = brain[box.slices], images[(slice(None), *box.slices)]
    anatomy = images[0]
    inside = anatomy[brain]
    low, high = threshold_multiotsu(np.clip(inside, *np.percentile(inside, [0.5, 99.5])), classes=3)  # type: ignore[no-untyped-call]
    tissue = np.where(anatomy > high, WHITE, np.where(anatomy > low, GREY, CSF)).astype(np.uint8)
    tissue[~brain] = OUTSIDE
    white = ndimage.binary_opening(tissue == WHITE)
    scaled = np.empty(images.shape, dtype=np.float32)
    for channel, image in enumerate(images):
        middle = float(np.median(image[white]))
        typical = white & (image > 0.6 * middle) & (image < 1.5 * middle)
        # A little of the median everywhere keeps the quotient sound where there is no white matter nearby.
        weight = ndimage.gaussian_filter(typical.astype(np.float32), 18.0) + 0.01
        white_sum = ndimage.gaussian_filter(np.where(typical, image, 0.0).astype(np.float32), 18.0)
        field = (white_sum + 0.01 * middle) / weight
        scaled[channel] = np.clip(image / field, 0, 6)
    fluid = (scaled[2] > 1.9) & (scaled[3] < 0.75) & brain
    tissue[fluid] = CSF
    scaled[:, ~brain] = 0
    values = scaled[:, brain]
    pad = ((_MARGIN, _MARGIN),) * 3
    padded = np.pad(scaled, ((0, 0), *pad)).astype(np.float16)
    return RealBackground(name, padded, np.pad(tissue, pad), has_gadolinium, values.mean(axis=1), values.std(axis=1))


def _mirror_healthy_half(images: Field) -> Field:
    """Both hemispheres from the one with less FLAIR hyperintensity (channel 3), images (c, i, j, k)."""
    box = Box.around(images[0] > 0)
    if box is None:
        return images
    cropped = images[(slice(None), *box.slices)]
    half = cropped.shape[1] // 2
    left, right = cropped[:, :half], cropped[:, -half:]
    bright = 1.6 * np.median(cropped[3][cropped[3] > 0])
    healthy = left if (left[3] > bright).sum() < (right[3] > bright).sum() else right[:, ::-1]
    return np.concatenate([healthy, healthy[:, ::-1]], axis=1)
