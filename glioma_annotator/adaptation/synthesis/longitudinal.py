"""Whole synthetic patients: one brain, one tumour, several visits on one scanner.

The first visit is pre-operative, the second shows the resection, and from the third on a recurrence grows at the wall
of the cavity. What belongs to the patient (brain, tumour, contrasts of the tissues) and to the scanner (contrast curve,
gain, resolution, receive field) is drawn once and varies only a little between visits, so that what is learnt from one
visit can help with the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis import acquisition, contrast, tumour
from glioma_annotator.adaptation.synthesis.backgrounds import Background, RealBackground, paint_classes
from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise
from glioma_annotator.adaptation.synthesis.samples import SampleSource
from glioma_annotator.adaptation.synthesis.tumour import TumourKind, TumourPlan
from glioma_annotator.domain.volume import LabelArray


@dataclass(frozen=True, slots=True)
class ScannerShift:
    """How far a scanner's images lie from those of the training samples; every number 0 is no shift.

    Attributes
    ----------
    contrast: standard deviation of the logarithm by which contrasts about white matter are stretched, per sequence.
    gamma: the same for the exponent of the intensity curve.
    blur_mm: greatest standard deviation of a Gaussian blur.
    field: amplitude (log) of the receive field.
    noise: standard deviation of Rician noise, white matter being 1.
    """

    contrast: float = 0.0
    gamma: float = 0.0
    blur_mm: float = 0.0
    field: float = 0.05
    noise: float = 0.02


#: A scanner that a model trained on other scanners reads badly.
STRONG_SHIFT = ScannerShift(contrast=0.3, gamma=0.25, blur_mm=0.9, field=0.15, noise=0.04)


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticVisit:
    """One visit of a synthetic patient.

    Attributes
    ----------
    images: float32 (4, i, j, k): T1, T1Gd, T2, FLAIR, arbitrary units, 0 outside the brain; voxels of 1 mm.
    labels: uint8 (i, j, k): the truth.
    brain: bool (i, j, k).
    phase: "pre-operative", "post-operative" or "recurrence".
    """

    images: Field
    labels: LabelArray
    brain: NDArray[np.bool_]
    phase: str


def draw_patient(
    source: SampleSource,
    visits: int,
    seed: int,
    shift: ScannerShift = STRONG_SHIFT,
    kind: TumourKind = TumourKind.RING,
) -> list[SyntheticVisit]:
    """A patient with `visits` visits on the grid of one of the source's real backgrounds (of its label maps if it has
    no real ones); the same for the same source and seed.
    """
    rng = np.random.default_rng([seed, 77])
    backgrounds: Sequence[Background] = source.real or source.label_maps
    background = backgrounds[int(rng.integers(len(backgrounds)))]
    tissue = background.tissue
    clean = _clean_images(background, rng)
    scanner = _Scanner.draw(rng, shift)
    plan = _first_plan(rng, kind)
    centre = _draw_centre(tissue, plan.radius_mm, rng)
    contrasts = contrast.draw_contrasts(rng, kind)
    if contrasts[tumour.RC][1] > 1:  # blood is gone by the next visit
        contrasts[tumour.RC] = contrast.CAVITY.draw(rng, 0.2)
    drawn = []
    for visit in range(visits):
        labels = _grow_visit(plan, visit, tissue, centre)
        own = np.random.default_rng([seed, 78, visit])
        varied = {label: values * own.normal(1.0, 0.03, 4).astype(np.float32) for label, values in contrasts.items()}
        images = clean.copy()
        contrast.paint(images, contrast.CHANNELS, tissue, labels, varied, own)
        contrast.add_surgical_rim(images, tissue, labels, own)
        brain = tissue > tumour.OUTSIDE
        scanner.scan(images, brain, own)
        phase = ("pre-operative", "post-operative")[visit] if visit < 2 else "recurrence"
        drawn.append(SyntheticVisit(images, labels, brain, phase))
    return drawn


@dataclass(frozen=True, slots=True)
class _Scanner:
    """What one scanner does to every visit; values per sequence."""

    stretch: Field
    gamma: Field
    blur_mm: Field
    gain: Field
    field: float
    noise: float

    @classmethod
    def draw(cls, rng: np.random.Generator, shift: ScannerShift) -> _Scanner:
        return cls(
            stretch=np.exp(rng.normal(0.0, 1.0, 4) * shift.contrast).astype(np.float32),
            gamma=np.exp(rng.normal(0.0, 1.0, 4) * shift.gamma).astype(np.float32),
            blur_mm=(rng.random(4) * shift.blur_mm).astype(np.float32),
            gain=rng.uniform(300.0, 1200.0, 4).astype(np.float32),
            field=shift.field,
            noise=shift.noise,
        )

    def scan(self, images: Field, brain: NDArray[np.bool_], rng: np.random.Generator) -> None:
        """Turn images with white matter 1 into this scanner's, in place."""
        for number, image in enumerate(images):
            value = np.maximum(1 + (image - 1) * self.stretch[number], 0.02) ** self.gamma[number]
            if self.blur_mm[number] > 0.1:
                value = ndimage.gaussian_filter(value, float(self.blur_mm[number]))
            value *= acquisition.bias_field(rng, brain.shape, self.field, 70.0)
            image[...] = np.where(brain, value, 0)
        acquisition.add_noise(images, brain, rng, self.noise)
        images *= self.gain[:, None, None, None]


def _clean_images(background: Background, rng: np.random.Generator) -> Field:
    """The brain without tumour, float32 (4, i, j, k), with vessels where it had no contrast agent."""
    if isinstance(background, RealBackground):
        images = background.images.astype(np.float32)
        gadolinium = background.has_gadolinium
    else:
        images = paint_classes(background.classes, background.draw_contrast(rng), rng)
        gadolinium = False
    if not gadolinium:
        contrast.add_vessels(images[1], background.tissue, rng)
    return images


def _first_plan(rng: np.random.Generator, kind: TumourKind) -> TumourPlan:
    plan = tumour.draw_plan(rng, kind)
    if kind is not TumourKind.RING:
        return plan
    return replace(plan, radius_mm=float(rng.uniform(11.0, 20.0)), rim_mm=float(rng.uniform(1.5, 5.0)), satellite=False)


def _draw_centre(tissue: NDArray[np.uint8], radius_mm: float, rng: np.random.Generator) -> tuple[float, float, float]:
    """A place in the upper brain's white matter, deep enough for most of the tumour to lie inside."""
    room = np.array(tissue.shape) * np.array([0.2, 0.2, 0.45])
    high = np.array(tissue.shape) * np.array([0.8, 0.8, 0.8])
    depth = ndimage.distance_transform_edt(tissue > tumour.OUTSIDE)
    spots = np.argwhere((tissue == tumour.WHITE) & (depth > 0.7 * radius_mm))
    spots = spots[np.all((spots >= room) & (spots <= high), axis=1)]
    if len(spots) == 0:
        spots = np.argwhere(tissue > tumour.OUTSIDE)
    spot = spots[int(rng.integers(len(spots)))]
    return float(spot[0]), float(spot[1]), float(spot[2])


def _grow_visit(
    plan: TumourPlan, visit: int, tissue: NDArray[np.uint8], centre: tuple[float, float, float]
) -> LabelArray:
    """The label map at a visit: the tumour, the cavity left of it, and a recurrence that grows from visit to visit."""
    if visit == 0:
        return tumour.grow(plan, tissue, centre)
    after = replace(plan, kind=TumourKind.POST_OPERATIVE, radius_mm=plan.radius_mm * 0.8, nodule_mm=0.0)
    if visit == 1:
        return tumour.grow(replace(after, oedema_mm=plan.oedema_mm * 0.6), tissue, centre)
    shrunken = replace(after, radius_mm=plan.radius_mm * 0.65, oedema_mm=plan.oedema_mm * (0.5 + 0.15 * visit))
    labels = tumour.grow(shrunken, tissue, centre)
    rng = np.random.default_rng([plan.seed, 5])
    direction = rng.standard_normal(3)
    direction /= np.linalg.norm(direction)
    spot = np.array(centre) + direction * shrunken.radius_mm
    axes = [np.arange(n, dtype=np.float32) - np.float32(c) for n, c in zip(tissue.shape, spot, strict=True)]
    distance = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None, :] ** 2)
    radius = 4.0 + 1.8 * (visit - 2) + 1.2 * smooth_noise(np.random.default_rng([plan.seed, 6]), tissue.shape, 7.0)
    nodule = (distance < radius) & (tissue > tumour.CSF) & (labels != tumour.RC)
    labels[nodule] = tumour.ET
    labels[nodule & (distance < radius - 4.0)] = tumour.NETC
    return labels
