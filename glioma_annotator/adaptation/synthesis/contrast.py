"""Contrast of tumour tissues: intensities painted into a brain whose white matter is 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise
from glioma_annotator.adaptation.synthesis.tumour import CSF, ET, NETC, OUTSIDE, RC, SNFH, TumourKind
from glioma_annotator.domain.volume import LabelArray

CHANNELS = ("T1", "T1Gd", "T2", "FLAIR")

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class TissueContrast:
    """Ranges of intensity relative to white matter, channels T1, T1Gd, T2, FLAIR."""

    t1: Range
    t1gd: Range
    t2: Range
    flair: Range

    def draw(self, rng: np.random.Generator, shared: float) -> NDArray[np.float32]:
        """Four intensities; `shared` (0 to 1) is how much T2 and FLAIR, T1 and T1Gd move together."""
        long, short = rng.random(2)
        own = rng.random(4)
        place = shared * np.array([short, short, long, long]) + (1 - shared) * own
        ranges = np.array([self.t1, self.t1gd, self.t2, self.flair])
        return np.asarray(ranges[:, 0] + place * (ranges[:, 1] - ranges[:, 0]), dtype=np.float32)


ENHANCING = TissueContrast((0.6, 1.0), (1.1, 3.0), (1.1, 2.3), (1.1, 2.0))
OEDEMA = TissueContrast((0.65, 0.95), (0.62, 0.97), (1.25, 2.6), (1.2, 2.3))
FAINT = TissueContrast((0.75, 0.97), (0.75, 0.98), (1.15, 1.9), (1.1, 1.7))
BRIGHT = TissueContrast((0.6, 0.85), (0.6, 0.85), (1.9, 2.9), (1.6, 2.6))
FAINT_CORE = TissueContrast((0.65, 1.0), (0.65, 1.0), (1.2, 2.1), (1.1, 1.8))
NECROSIS = TissueContrast((0.3, 0.8), (0.3, 0.85), (1.5, 3.3), (0.5, 2.0))
NON_ENHANCING = TissueContrast((0.45, 0.85), (0.45, 0.9), (1.6, 3.4), (1.1, 2.4))
MISMATCH = TissueContrast((0.4, 0.7), (0.4, 0.75), (2.2, 3.4), (0.8, 1.2))
CAVITY = TissueContrast((0.2, 0.5), (0.2, 0.55), (2.0, 3.8), (0.15, 0.8))
TURBID = TissueContrast((0.25, 0.6), (0.25, 0.65), (1.8, 3.4), (0.8, 1.4))
BLOOD = TissueContrast((1.1, 1.8), (1.1, 1.8), (0.4, 1.8), (0.6, 1.9))


def draw_contrasts(rng: np.random.Generator, kind: TumourKind | None) -> dict[int, NDArray[np.float32]]:
    """Intensities (T1, T1Gd, T2, FLAIR) by label; `kind` None for a shape of unknown kind."""
    low_grade = kind is TumourKind.LOW_GRADE
    oedema = FAINT if rng.random() < (0.5 if low_grade or kind is TumourKind.OEDEMA_ONLY else 0.15) else OEDEMA
    if kind in (TumourKind.RING, TumourKind.POST_OPERATIVE) and rng.random() < 0.35:
        oedema = BRIGHT  # as bright and even as a core, outside the ring
    core = NECROSIS
    if low_grade:
        choice = rng.random()
        core = MISMATCH if choice < 0.2 else FAINT_CORE if choice < 0.55 else NON_ENHANCING
    elif kind is TumourKind.SOLID or rng.random() < 0.15:
        core = NON_ENHANCING
    contrasts = {
        SNFH: oedema.draw(rng, 0.7),
        NETC: core.draw(rng, 0.4),
        ET: ENHANCING.draw(rng, 0.3),
        RC: (BLOOD if rng.random() < 0.06 else TURBID if rng.random() < 0.15 else CAVITY).draw(rng, 0.2),
    }
    low, high = np.log(ENHANCING.t1gd)  # faint enhancement is the more frequent
    contrasts[ET][1] = np.exp(rng.uniform(low, high))
    # Enhancement is what contrast agent adds, so ET is always brighter on T1Gd than the core it surrounds.
    contrasts[ET][1] = max(contrasts[ET][1], contrasts[NETC][1] + 0.25)
    return contrasts


def paint(
    images: Field,
    channels: tuple[str, ...],
    tissue: NDArray[np.uint8],
    labels: LabelArray,
    contrasts: dict[int, NDArray[np.float32]],
    rng: np.random.Generator,
    grain: float = 1.0,
    halo: Range | None = (2.0, 4.0),
) -> None:
    """Paint the tumour into `images` in place.

    Parameters
    ----------
    images: float32 (channel, i, j, k), white matter 1, 0 outside the brain.
    channels: names of the channels, of `CHANNELS`.
    tissue: 0 outside, 1 fluid, 2 grey, 3 white matter.
    labels: uint8 (i, j, k).
    contrasts: four intensities by label, as from `draw_contrasts`.
    grain: factor of the drawn amplitude of the texture.
    halo: how much wider than the bright part of ET its outline lies, as the range of a power of its edge's profile: 1
        is an outline along the middle of the edge, 3 one where an eighth of the brightness is left. None for 1.
    """
    which = [CHANNELS.index(c) for c in channels]
    edge = float(rng.uniform(0.4, 0.9))
    infiltrating = ET not in labels and rng.random() < 0.6
    diffuse = float(rng.uniform(0.9, 3.5)) if infiltrating else edge
    margin = float(rng.uniform(1.0, 3.0)) if infiltrating else 1.0
    fading = float(rng.uniform(0.0, 0.75)) if infiltrating else 0.0
    shape = labels.shape
    for label in (SNFH, NETC, ET, RC):
        region = labels == label
        if not region.any():
            continue
        # Infiltrating tumour without enhancement has no sharp edge; readers outline it where little brightness is left.
        loose = infiltrating and label in (SNFH, NETC)
        width = min(diffuse, np.cbrt(region.sum()) / 6) if loose else edge
        alpha = ndimage.gaussian_filter(region.astype(np.float32), width)
        if loose:
            alpha **= margin
            alpha *= 1.0 - fading * np.clip(smooth_noise(rng, shape, 12.0) * 0.5 + 0.5, 0, 1)
        anatomy = 0.0
        if label == SNFH:
            # Oedema lets the anatomy shine through and fades here and there.
            anatomy = float(rng.uniform(0.1, 0.5) if rng.random() < 0.7 else rng.uniform(0.5, 0.95))
            fade = 1.0 - rng.uniform(0.0, 0.35) * np.clip(smooth_noise(rng, shape, 12.0) * 0.5 + 0.5, 0, 1)
            alpha *= fade
            alpha[tissue == CSF] = 0
        elif label == ET and halo:  # readers count what enhances in part as enhancing
            alpha **= float(rng.uniform(*halo))
        texture = grain * rng.uniform(0.02, 0.2) * smooth_noise(rng, shape, float(rng.uniform(2.0, 8.0)))
        fine = grain * rng.uniform(0.0, 0.08) * smooth_noise(rng, shape, 2.0)
        for row, channel in enumerate(which):
            mottle = 1.0 + np.clip(rng.uniform(0.5, 1.0) * texture + fine, -0.4, 0.4)
            target = contrasts[label][channel] * mottle
            if anatomy:
                target = target * np.maximum(images[row], 0.05) ** anatomy
            images[row] += alpha * (target - images[row])
    images[:, tissue == OUTSIDE] = 0


def add_surgical_rim(images: Field, tissue: NDArray[np.uint8], labels: LabelArray, rng: np.random.Generator) -> None:
    """A thin line at a resection cavity's wall, in place: granulation that enhances, or blood, neither of it tumour.

    Parameters
    ----------
    images: float32 (4, i, j, k): T1, T1Gd, T2, FLAIR with white matter 1.
    """
    cavity = labels == RC
    if not cavity.any():
        return
    wall = ndimage.gaussian_filter(cavity.astype(np.float32), float(rng.uniform(0.6, 1.0)))
    line = np.exp(-(((wall - 0.5) / 0.2) ** 2))
    line *= np.clip(smooth_noise(rng, labels.shape, 9.0) + rng.uniform(-0.5, 1.0), 0, 1)
    line[(tissue == OUTSIDE) | (labels == ET)] = 0
    if rng.random() < 0.75:
        images[1] += line * rng.uniform(0.1, 0.9)
    else:
        images[:2] += line * rng.uniform(0.2, 0.8)
        images[2:] *= 1 - line * rng.uniform(0.0, 0.6)


def add_vessels(
    t1gd: Field,
    tissue: NDArray[np.uint8],
    rng: np.random.Generator,
    strength: float = 1.0,
    scale: float = 14.0,
) -> None:
    """Vessel-like, dural and choroid-like enhancement, painted into `t1gd` (i, j, k) in place; never a tumour.

    Tubes run where two smooth fields are both near zero. They are put at the brain's surface and in fluid spaces
    mostly, where the large vessels are.
    """
    shape = tissue.shape
    first, second = smooth_noise(rng, shape, scale), smooth_noise(rng, shape, scale)
    width = 1.6 / scale
    tubes = np.exp(-(first**2 + second**2) / (2 * width**2))
    inside = tissue > OUTSIDE
    depth = ndimage.gaussian_filter(inside.astype(np.float32), 3.0)
    near_surface = np.clip((0.9 - depth) / 0.3, 0, 1)
    fluid = ndimage.gaussian_filter((tissue == CSF).astype(np.float32), 1.5)
    weight = np.clip(0.15 + near_surface + fluid, 0, 1)
    bright = float(rng.uniform(0.5, 1.4)) * strength
    t1gd += np.where(inside, bright * tubes * weight, 0).astype(np.float32)
    if rng.random() < 0.5:  # dura and cortical veins left at the surface
        sheet = np.clip(smooth_noise(rng, shape, 10.0) - 0.6, 0, 1) * np.clip((0.72 - depth) / 0.12, 0, 1)
        t1gd += np.where(inside, bright * sheet, 0).astype(np.float32)
    if rng.random() < 0.5:  # choroid plexus
        plexus = np.clip(smooth_noise(rng, shape, 5.0) - 0.9, 0, 1) * (ndimage.uniform_filter(fluid, 7) > 0.55)
        t1gd += np.where(inside, bright * plexus, 0).astype(np.float32)


def add_meninges(t1gd: Field, tissue: NDArray[np.uint8], aside: Field, height: Field, rng: np.random.Generator) -> None:
    """Enhancing falx, dura and venous sinuses, painted into `t1gd` (i, j, k) in place; never a tumour.

    They are as bright as enhancing tumour, and those beside a tumour's oedema are what a network takes for its rim.

    Parameters
    ----------
    tissue: 0 outside, 1 fluid, 2 grey, 3 white matter, (i, j, k).
    aside: distance from the mid-sagittal plane in voxels, positive to one side, (i, j, k).
    height: 0 at the brain's bottom to 1 at its top, (i, j, k).
    """
    shape = tissue.shape
    inside = tissue > OUTSIDE
    depth = ndimage.gaussian_filter(inside.astype(np.float32), 3.0)  # about 0.5 at the surface, 1 below it
    surface = np.clip((0.85 - depth) / 0.15, 0, 1)
    bent = aside + rng.uniform(0.0, 2.0) * smooth_noise(rng, shape, 25.0)
    patchy = smooth_noise(rng, shape, 12.0)
    bright = float(rng.uniform(0.3, 2.2))
    falx = np.exp(-0.5 * (bent / rng.uniform(0.5, 1.1)) ** 2) * np.clip((height - 0.4) / 0.1, 0, 1)
    falx *= np.clip(0.4 + patchy, 0, 1) * np.clip(rng.uniform(0.0, 0.5) + surface, 0, 1)
    sagittal_sinus = np.exp(-0.5 * (bent / rng.uniform(1.5, 3.5)) ** 2) * surface * np.clip((height - 0.4) / 0.1, 0, 1)
    other_sinuses = np.clip(patchy - 0.7, 0, 1) * surface * (height < 0.45)
    dura = np.clip(smooth_noise(rng, shape, 15.0) - rng.uniform(-0.5, 0.8), 0, 1) * np.clip((0.7 - depth) / 0.1, 0, 1)
    sheets = np.maximum.reduce([falx, 1.3 * sagittal_sinus, 1.3 * other_sinuses, rng.uniform(0.2, 1.0) * dura])
    t1gd += np.where(inside, bright * sheets, 0).astype(np.float32)
