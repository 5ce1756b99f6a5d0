"""Training samples: a patch of a brain with or without a painted tumour."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.synthesis import acquisition, contrast, tumour
from glioma_annotator.adaptation.synthesis.backgrounds import (
    Background,
    LabelMapBackground,
    RealBackground,
    paint_classes,
    tissue_of_classes,
)
from glioma_annotator.adaptation.synthesis.noise import Field, smooth_noise
from glioma_annotator.adaptation.synthesis.tumour import KIND_SHARES, TumourKind
from glioma_annotator.domain.volume import LabelArray

CHANNELS = contrast.CHANNELS
T1, T1GD, T2, FLAIR = range(4)

#: Changes images (channel, i, j, k) with white matter 1, given a seed; 0 outside the brain is restored afterwards.
Augment = Callable[[Field, int], Field]


@dataclass(frozen=True, slots=True)
class SampleShares:
    """How often each kind of sample is drawn.

    Attributes
    ----------
    tumour: share of patches with a tumour.
    inferior: share of patches without tumour from the lower third of the brain: cerebellum and skull base.
    ventricle: share of patches without tumour that show swollen ventricles: fluid that is no cavity.
    label_map: share of patches on an anatomical label map instead of a real brain.
    real_shape: share of tumours whose shape is a real mask.
    missing: share of patches that lack T1, T1Gd, T2, FLAIR; never both T1Gd and FLAIR.
    alone: share of patches that have T1Gd or FLAIR alone.
    kinds: shares of the kinds among the tumours that are grown; they add up to 1.
    """

    tumour: float = 0.62
    inferior: float = 0.2
    ventricle: float = 0.1
    label_map: float = 0.25
    real_shape: float = 0.2
    missing: tuple[float, float, float, float] = (0.3, 0.04, 0.04, 0.04)
    alone: float = 0.06
    kinds: Mapping[TumourKind, float] = field(default_factory=lambda: KIND_SHARES)


@dataclass(frozen=True, slots=True, eq=False)
class SampleSource:
    """Everything samples are made from.

    Attributes
    ----------
    real, label_maps: backgrounds.
    shapes: real masks with labels 1 to 4, cropped.
    augment: further acquisition effects; None for none.
    """

    real: Sequence[RealBackground]
    label_maps: Sequence[LabelMapBackground] = ()
    shapes: Sequence[NDArray[np.uint8]] = ()
    shares: SampleShares = field(default_factory=SampleShares)
    augment: Augment | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A z-scored patch, float32 (4, i, j, k): T1, T1Gd, T2, FLAIR, 0 outside the brain and where a sequence is missing;
    labels uint8 (i, j, k).
    """

    images: Field
    labels: LabelArray
    kind: str


def draw_sample(source: SampleSource, patch: int, seed: int, index: int) -> Sample:
    """Sample number `index` of the stream that `seed` starts; a cube of `patch` voxels of 1 mm."""
    rng = np.random.default_rng([seed, index])
    on_map = bool(source.label_maps) and rng.random() < source.shares.label_map
    backgrounds: Sequence[Background] = source.label_maps if on_map else source.real
    background = backgrounds[int(rng.integers(len(backgrounds)))]
    choice = rng.random()
    with_tumour = choice < source.shares.tumour
    place = _place_of(choice, source.shares)
    spot = _draw_spot(background.tissue, rng, place)
    shape = plan = None
    if with_tumour and source.shapes and rng.random() < source.shares.real_shape:
        shape = source.shapes[int(rng.integers(len(source.shapes)))]
    elif with_tumour:
        plan = tumour.draw_plan(rng, shares=source.shares.kinds)
    room = patch / 2 - 6 if with_tumour else patch / 6
    centre = patch / 2 + rng.uniform(-room, room, 3)  # where in the patch the spot comes to lie
    middle = spot + patch / 2 - centre
    # Drawn toward the middle of the brain where the patch would show little of it.
    brain_middle = np.array(background.tissue.shape) / 2
    centre[:2] += 0.5 * np.clip(middle - brain_middle, -patch / 3, patch / 3)[:2]
    centre = np.clip(centre, 4, patch - 5)
    push = float(rng.uniform(0.0, 0.6)) if plan and plan.kind in _PUSHING else 0.0
    coordinates = _coordinates(rng, patch, spot, centre, plan.radius_mm if plan else 0.0, push)
    if place is _Place.VENTRICLE:
        _swell(coordinates, spot, rng)

    if isinstance(background, RealBackground):
        tissue = _pick(background.tissue, coordinates)
        images = _interpolate(background.images, coordinates)
        mean, spread = background.mean, background.spread
        gadolinium = background.has_gadolinium
    else:
        classes = _pick(background.classes, coordinates)
        tissue = tissue_of_classes(classes)
        table = background.draw_contrast(rng)
        images = paint_classes(classes, table, rng)
        mean, spread = background.scale(table)
        gadolinium = False
    brain = tissue > tumour.OUTSIDE
    images[:, ~brain] = 0
    if rng.random() < (0.8 if not gadolinium else 0.15):
        contrast.add_vessels(images[T1GD], tissue, rng)
    if rng.random() < (0.6 if not gadolinium else 0.3):
        size = background.tissue.shape
        contrast.add_meninges(images[T1GD], tissue, coordinates[0] - size[0] / 2, coordinates[2] / size[2], rng)

    if place is _Place.VENTRICLE:
        _add_ependymal_rim(images, tissue, rng)
    if rng.random() < 0.5:
        _brighten_cerebellum(images, coordinates, background.tissue.shape, rng)

    labels = np.zeros(tissue.shape, dtype=np.uint8)
    if plan is not None:
        labels = tumour.grow(plan, tissue, (centre[0], centre[1], centre[2]))
    elif shape is not None:
        labels = _place(shape, rng, patch, centre)
        labels[(tissue == tumour.OUTSIDE) | ((tissue == tumour.CSF) & (labels == tumour.SNFH))] = 0
    if with_tumour:
        contrasts = contrast.draw_contrasts(rng, plan.kind if plan else None)
        contrast.paint(images, CHANNELS, tissue, labels, contrasts, rng)
        if rng.random() < 0.8:
            contrast.add_surgical_rim(images, tissue, labels, rng)

    brain = acquisition.vary_mask(images, labels, brain, rng)
    acquisition.distort(images, brain, rng)
    if source.augment is not None:
        images = source.augment(images, int(rng.integers(2**31)))
    # Statistics of a whole brain: its tumour and its field shift them a little against the background's own.
    mean = mean * (1 + rng.normal(0.0, 0.05, 4)).astype(np.float32)
    spread = spread * np.exp(rng.normal(0.05, 0.12, 4)).astype(np.float32)
    images = (images - mean[:, None, None, None]) / spread[:, None, None, None]
    images[:, ~brain] = 0
    images[_missing(source.shares, rng)] = 0
    if rng.random() < 0.5:
        images, labels = images[:, ::-1], labels[::-1]
    name = plan.kind.value if plan else "real shape" if shape is not None else place.value
    return Sample(np.ascontiguousarray(images, dtype=np.float32), np.ascontiguousarray(labels), name)


_PUSHING = (tumour.TumourKind.RING, tumour.TumourKind.SOLID, tumour.TumourKind.LOW_GRADE)


class _Place(StrEnum):
    """Where in the brain a patch is taken."""

    TUMOUR = "tumour"
    INFERIOR = "inferior"
    VENTRICLE = "ventricle"
    ANYWHERE = "no tumour"


def _place_of(choice: float, shares: SampleShares) -> _Place:
    """The place that a number between 0 and 1 falls to."""
    if choice < shares.tumour:
        return _Place.TUMOUR
    if choice < shares.tumour + shares.inferior:
        return _Place.INFERIOR
    return _Place.VENTRICLE if choice < shares.tumour + shares.inferior + shares.ventricle else _Place.ANYWHERE


def _missing(shares: SampleShares, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which channels a patch lacks, bool (4,): T1Gd or FLAIR is always there."""
    missing = rng.random(4) < np.array(shares.missing)
    kept = T1GD if rng.random() < 0.5 else FLAIR
    if rng.random() < shares.alone:
        missing[:] = True
    if missing[T1GD] and missing[FLAIR]:
        missing[kept] = False
    return missing


def _draw_spot(tissue: NDArray[np.uint8], rng: np.random.Generator, place: _Place) -> NDArray[np.float64]:
    """The voxel of the background that comes to lie at the tumour's or the patch's centre."""
    size = np.array(tissue.shape)
    low, high = np.zeros(3), np.ones(3)
    wanted: tuple[int, ...] = (tumour.CSF, tumour.GREY, tumour.WHITE)
    if place is _Place.INFERIOR:
        high[2] = 1 / 3
    elif place is _Place.VENTRICLE:  # the lateral ventricles lie in the middle of the brain
        low, high = np.array([0.32, 0.3, 0.42]), np.array([0.68, 0.75, 0.7])
        wanted = (tumour.CSF,)
    elif place is _Place.TUMOUR:
        wanted = (tumour.GREY, tumour.WHITE)
    # Gliomas of adults rarely lie below the tentorium; the temporal lobes lie as low, but further in front.
    above = place is _Place.TUMOUR and rng.random() < 0.9
    spot = np.zeros(3)
    for _attempt in range(200):
        share = low + (high - low) * rng.random(3)
        spot = np.floor(share * size)
        if above and share[2] < 0.35 and share[1] < 0.5:
            continue
        if tissue[tuple(spot.astype(int))] in wanted:
            break
    return spot


def _swell(coordinates: NDArray[np.float32], spot: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Magnify the surroundings of `spot` up to twice, in place: small ventricles become large ones."""
    offset = coordinates - spot[:, None, None, None].astype(np.float32)
    reach = rng.uniform(15.0, 35.0)
    shrink = rng.uniform(0.1, 0.5) * np.exp(-(offset**2).sum(axis=0) / reach**2)
    coordinates -= (offset * shrink).astype(np.float32)


def _add_ependymal_rim(images: Field, tissue: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """A bright line or cap on T2 and FLAIR along the fluid, as most adults have it, in place."""
    if rng.random() < 0.3:
        return
    fluid = ndimage.gaussian_filter((tissue == tumour.CSF).astype(np.float32), float(rng.uniform(1.0, 2.5)))
    caps = np.clip(0.5 + 0.5 * smooth_noise(rng, tissue.shape, 12.0), 0, 1.5)
    rim = np.where(tissue > tumour.CSF, fluid * caps, 0).astype(np.float32)
    images[T2] += rng.uniform(0.0, 0.6) * rim
    images[FLAIR] += rng.uniform(0.1, 1.2) * rim


def _brighten_cerebellum(
    images: Field, coordinates: NDArray[np.float32], size: tuple[int, ...], rng: np.random.Generator
) -> None:
    """Make the cerebellum brighter than the hemispheres on T2 and FLAIR, in place: it often is, and is no oedema.

    The cerebellum is taken for what lies below a plane that falls from the occiput, at 0.38 of the brain's height, to
    the front, and behind the brain's middle; `coordinates` (3, i, j, k) are those of the background of that `size`.
    """
    along, up = coordinates[1] / size[1], coordinates[2] / size[2]
    below = 1 / (1 + np.exp((up + 0.15 * along - 0.38) / 0.02))
    behind = 1 / (1 + np.exp((along - 0.5) / 0.02))
    share = (below * behind).astype(np.float32)
    images[T2] *= 1 + rng.uniform(0.0, 0.3) * share
    images[FLAIR] *= 1 + rng.uniform(0.0, 0.6) * share


def _coordinates(
    rng: np.random.Generator,
    patch: int,
    spot: NDArray[np.float64],
    centre: NDArray[np.float64],
    radius: float,
    push: float,
) -> NDArray[np.float32]:
    """Where in the background every voxel of the patch comes from, float32 (3, i, j, k).

    A small rotation and scaling about the spot; and, for mass effect, tissue pushed outward: a shell at distance r from
    the centre shows what was at (r^3 - push * radius^3)^(1/3), which conserves volume.
    """
    axes = [np.arange(patch, dtype=np.float32) - np.float32(c) for c in centre]
    offset = np.stack(np.meshgrid(*axes, indexing="ij"))
    if push > 0:
        distance = np.sqrt((offset**2).sum(axis=0)) + 1e-3
        source = np.cbrt(np.maximum(distance**3 - push * radius**3, 0))
        offset *= source / distance
    if rng.random() < 0.7:
        angles = np.deg2rad(rng.uniform(-12, 12, 3))
        matrix = np.eye(3)
        for axis, angle in enumerate(angles):
            u, v = (axis + 1) % 3, (axis + 2) % 3
            turn = np.eye(3)
            turn[u, u] = turn[v, v] = np.cos(angle)
            turn[u, v], turn[v, u] = -np.sin(angle), np.sin(angle)
            matrix = matrix @ turn
        matrix *= np.exp(rng.uniform(-0.12, 0.12, 3))
        offset = np.tensordot(matrix.astype(np.float32), offset, axes=1)
    return np.asarray(offset + spot[:, None, None, None].astype(np.float32), dtype=np.float32)


def _box(array: NDArray[np.generic], coordinates: NDArray[np.float32]) -> tuple[slice, slice, slice]:
    """The part of an array (i, j, k) that `coordinates` touch."""
    bounds = []
    for axis in range(3):
        size = array.shape[axis]
        low = int(np.clip(np.floor(coordinates[axis].min()) - 1, 0, size - 1))
        high = int(np.clip(np.ceil(coordinates[axis].max()) + 2, low + 1, size))
        bounds.append(slice(low, high))
    return bounds[0], bounds[1], bounds[2]


def _interpolate(images: NDArray[np.float16], coordinates: NDArray[np.float32]) -> Field:
    """Linearly interpolated images (channel, i, j, k) at voxel `coordinates` (3, ...), 0 beyond them."""
    part = _box(images[0], coordinates)
    source = torch.from_numpy(images[(slice(None), *part)].astype(np.float32))
    # grid_sample wants (k, j, i) from -1 to 1, where these are the middles of the first and the last voxel.
    scaled = [
        (coordinates[axis] - part[axis].start) * np.float32(2 / max(source.shape[1 + axis] - 1, 1)) - 1
        for axis in (2, 1, 0)
    ]
    grid = torch.from_numpy(np.stack(scaled, axis=-1))
    return np.asarray(torch.nn.functional.grid_sample(source[None], grid[None], align_corners=True)[0].numpy())


def _pick(labels: NDArray[np.uint8], coordinates: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Nearest values of a label map, 0 beyond it."""
    nearest = np.rint(coordinates).astype(np.int32)
    inside = np.ones(nearest.shape[1:], dtype=bool)
    for axis in range(3):
        inside &= (nearest[axis] >= 0) & (nearest[axis] < labels.shape[axis])
        np.clip(nearest[axis], 0, labels.shape[axis] - 1, out=nearest[axis])
    return np.asarray(np.where(inside, labels[nearest[0], nearest[1], nearest[2]], 0).astype(np.uint8))


def _place(shape: NDArray[np.uint8], rng: np.random.Generator, patch: int, centre: NDArray[np.float64]) -> LabelArray:
    """A real mask, turned by any rotation and scaled, with a voxel of its own at `centre` of the patch."""
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    matrix = rotation * np.exp(rng.uniform(-0.35, 0.25))
    voxels = np.argwhere((shape > 0) & (shape != tumour.SNFH))
    if len(voxels) == 0:
        voxels = np.argwhere(shape > 0)
    anchor = voxels[int(rng.integers(len(voxels)))]
    axes = [np.arange(patch, dtype=np.float32) - np.float32(c) for c in centre]
    offset = np.stack(np.meshgrid(*axes, indexing="ij"))
    coordinates = np.tensordot(matrix.astype(np.float32), offset, axes=1) + anchor[:, None, None, None]
    return _pick(shape, coordinates)
