"""Lesions painted into the patient's own brain: what a candidate must not unlearn.

Corrected visits show what this patient has now. A model that learns from them alone may forget what the next visit
shows: enhancement where there is none yet, a cavity before surgery, a second lesion. Held-out parts of the same visits
cannot tell. So lesions of every tissue are painted into the visits' own images, with this patient's contrasts where the
visit shows the tissue and drawn ones else: away from the tumour, and as nodules at its border, where most recurrences
grow. Those painted into the visits that are learnt from are shown in the training; those painted into the held-out ones
judge the candidate beside the starting model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_multiotsu

from glioma_annotator.adaptation.acceptance import dice, mean
from glioma_annotator.adaptation.cases import PreparedCase
from glioma_annotator.adaptation.holdout import Part
from glioma_annotator.adaptation.synthesis import contrast, tumour
from glioma_annotator.adaptation.synthesis.tumour import TumourKind
from glioma_annotator.domain.geometry import Box, Shape
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE, LabelScheme
from glioma_annotator.domain.model_card import ModelCard

Mask = NDArray[np.bool_]

#: Lesions painted for the training, and as many for the judgement: kind, and whether at the tumour's border.
PLANNED: tuple[tuple[TumourKind, bool], ...] = (
    (TumourKind.RING, False),
    (TumourKind.SOLID, True),
    (TumourKind.POST_OPERATIVE, False),
    (TumourKind.SOLID, True),
    (TumourKind.LOW_GRADE, False),
    (TumourKind.RING, False),
    (TumourKind.SOLID, True),
    (TumourKind.POST_OPERATIVE, False),
)
#: Mean Dice of the painted lesions that a region may lose. They are harder than the next visit and forgotten first: of
#: two candidates that made a next visit worse, ET lost 0.56 and 0.80 here; on the way to them, the next visit's ET was
#: found better up to a loss of 0.20 and less well from 0.36 on (benchmarks/measured/adaptation.md). Half of 0.20 is
#: allowed.
MOST_LOST = 0.1
#: The same for the candidate of one method where the mean of the methods is refused; between what two patients lost, of
#: whom one then became worse (benchmarks/measured/adaptation.md).
MOST_LOST_ALONE = 0.05
#: A region of less than that in a painted lesion is not judged there: a few voxels move its Dice by much.
LEAST_ML = 0.1
#: Tissues of which a visit shows less take their contrast from the generator instead of from the visit.
_LEAST_SHOWN_ML = 0.5
#: Radii in voxels of lesions, of nodules at the border, and voxels between a lesion and the tumour.
_RADII = (5.0, 10.0)
_NODULES = (3.0, 6.0)
_APART = 4.0


@dataclass(frozen=True, slots=True)
class GuardVerdict:
    """Mean Dice of the painted lesions by region, starting model and candidate; why they speak against it."""

    before: dict[str, float]
    after: dict[str, float]
    faults: tuple[str, ...]

    @property
    def most_lost(self) -> float:
        """Dice of the region that the candidate lost most of, below 0 where it gained in all."""
        return max((first - self.after[name] for name, first in self.before.items()), default=0.0)

    @property
    def lost(self) -> float:
        """Mean Dice over the regions that the candidate lost, below 0 where it gained."""
        return (mean(list(self.before.values())) or 0.0) - (mean(list(self.after.values())) or 0.0)


def paint_lesions(
    parts: Sequence[Part], card: ModelCard, rng: np.random.Generator, edge: int, judged: bool
) -> list[Part]:
    """Cubes of at most `edge` voxels of the visits with a lesion in each, fewer where there is no room.

    Nothing is painted for a model that does not know the tissues of `GLIOMA_POST_TREATMENT` by name.

    Parameters
    ----------
    judged: real tumour does not count in the parts; they judge the painted lesions alone.
    """
    numbers = _class_numbers(card.scheme)
    channels = [role.value for role in card.channels]
    if not {tumour.ET, tumour.SNFH} <= numbers.keys() or not set(channels) <= set(contrast.CHANNELS):
        return []
    places = [_Place.of(part, channels) for part in parts]
    found = []
    for number, (kind, border) in enumerate(PLANNED):
        if kind is TumourKind.POST_OPERATIVE and tumour.RC not in numbers:
            continue
        place = places[number % len(places)]
        part = _painted(place, kind, border, numbers, rng, edge, judged)
        if part is not None:
            found.append(part)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Guard:
    """Painted lesions that judge, with the starting model's classes of them.

    Attributes
    ----------
    parts: see `paint_lesions`. before: uint8 (i, j, k) for each.
    scheme: of the model. unseen: classes that no corrected visit shows.
    """

    parts: Sequence[Part]
    before: Sequence[NDArray[np.uint8]]
    scheme: LabelScheme
    unseen: Sequence[int]

    def verdict(self, after: Sequence[NDArray[np.uint8]], gained: Mapping[str, float]) -> GuardVerdict:
        """On a candidate's classes; `gained` as `judge_lesions`'."""
        return judge_lesions(self.parts, self.before, after, self.scheme, self.unseen, gained)


def judge_lesions(
    parts: Sequence[Part],
    before: Sequence[NDArray[np.uint8]],
    after: Sequence[NDArray[np.uint8]],
    scheme: LabelScheme,
    unseen: Sequence[int],
    gained: Mapping[str, float],
) -> GuardVerdict:
    """The starting model's and the candidate's classes (i, j, k) of painted parts, by region.

    A region that loses too much is no fault where the held-out data show it and it gains as much there: what is real
    tells more about it than what is painted.

    Parameters
    ----------
    unseen: the classes that no corrected visit shows; the words name them.
    gained: of the regions that the held-out data show, the Dice that the candidate gains there.
    """
    values = np.array([0, *scheme.values], dtype=np.uint8)
    table = np.zeros(256, dtype=np.uint8)
    table[: len(values)] = values
    scores: dict[str, tuple[list[float | None], list[float | None]]] = {}
    for part, first, second in zip(parts, before, after, strict=True):
        truth = table[np.where(part.mask, part.case.classes, 0)]
        for region in scheme.regions:
            wanted = region.mask(truth)
            if np.count_nonzero(wanted) * part.case.voxel_ml < LEAST_ML:
                continue
            own = scores.setdefault(region.name, ([], []))
            for side, marked in zip(own, (first, second), strict=True):
                side.append(dice(wanted, region.mask(table[marked * part.mask])))
    means = {name: (mean(sides[0]) or 0.0, mean(sides[1]) or 0.0) for name, sides in scores.items()}
    hidden = {scheme.labels[value - 1].name for value in unseen}
    faults = tuple(
        f"Lesions painted into this brain: {name}{', which no corrected visit shows,' if name in hidden else ''} "
        f"is found less well, Dice {first:.3f} before, {second:.3f} after."
        for name, (first, second) in means.items()
        if first - second > MOST_LOST and gained.get(name, 0.0) < first - second
    )
    return GuardVerdict(
        {name: round(first, 4) for name, (first, _) in means.items()},
        {name: round(second, 4) for name, (_, second) in means.items()},
        faults,
    )


def _class_numbers(scheme: LabelScheme) -> dict[int, int]:
    """The scheme's class number of every label of `GLIOMA_POST_TREATMENT` that it has by name."""
    names = {label.name: number for number, label in enumerate(scheme.labels, start=1)}
    return {label.value: names[label.name] for label in GLIOMA_POST_TREATMENT.labels if label.name in names}


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A visit to paint into.

    Attributes
    ----------
    present: numbers of the channels that the visit has; channels: their names.
    tissue: uint8 (i, j, k): 0 outside, 1 fluid, 2 grey, 3 white matter.
    white, zero: z-scores of white matter and of no signal, float32 (present, 1, 1, 1).
    depth: of every second voxel, the distance in voxels to tumour or to the brain's surface, whichever is nearer.
    """

    part: Part
    present: list[int]
    channels: tuple[str, ...]
    tissue: NDArray[np.uint8]
    white: NDArray[np.float32]
    zero: NDArray[np.float32]
    depth: NDArray[np.float64]

    @classmethod
    def of(cls, part: Part, channels: Sequence[str]) -> _Place:
        case = part.case
        present = [n for n in range(len(channels)) if case.images[n].any()]
        names = tuple(channels[n] for n in present)
        tissue = _tissue(case, dict(zip(names, present, strict=True)))
        healthy = (tissue == tumour.WHITE) & ~case.tumour
        if not healthy.any():
            healthy = case.brain
        white = np.array([np.median(case.images[n][healthy]) for n in present], dtype=np.float32)
        zero = np.array([case.zero[n] for n in present], dtype=np.float32)
        white = np.maximum(white, zero + 1)  # images of mean 0 may lie anywhere about it
        free = (case.brain & ~case.tumour)[::2, ::2, ::2]
        depth = 2 * ndimage.distance_transform_edt(np.pad(free, 1))[1:-1, 1:-1, 1:-1]
        return cls(part, present, names, tissue, white[:, None, None, None], zero[:, None, None, None], depth)

    def relative(self, box: Box) -> NDArray[np.float32]:
        """Images (present, i, j, k) of a box with white matter 1."""
        return (self.part.case.images[self.present][(slice(None), *box.slices)] - self.zero) / (self.white - self.zero)

    def contrast_of(self, number: int) -> NDArray[np.float32] | None:
        """Intensities (T1, T1Gd, T2, FLAIR) relative to white matter of a class that the visit shows; else None."""
        case = self.part.case
        shown = (case.classes == number) & self.part.mask
        if np.count_nonzero(shown) * case.voxel_ml < _LEAST_SHOWN_ML:
            return None
        values = np.ones(len(contrast.CHANNELS), dtype=np.float32)
        for row, (n, name) in enumerate(zip(self.present, self.channels, strict=True)):
            zero, white = float(self.zero[row].item()), float(self.white[row].item())
            values[contrast.CHANNELS.index(name)] = (float(np.median(case.images[n][shown])) - zero) / (white - zero)
        return values


def _tissue(case: PreparedCase, channels: dict[str, int]) -> NDArray[np.uint8]:
    """Fluid, grey and white matter by brightness on T1, with or without contrast agent; white without either."""
    tissue = np.where(case.brain, np.uint8(tumour.WHITE), np.uint8(tumour.OUTSIDE))
    number = channels.get("T1", channels.get("T1Gd"))
    healthy = case.brain & ~case.tumour
    if number is None or not healthy.any():
        return tissue
    inside = case.images[number][healthy][::7]
    inside = np.clip(inside, *np.percentile(inside, [0.5, 99.5]))
    if inside.max() - inside.min() < 1e-3:
        return tissue
    low, high = threshold_multiotsu(inside, classes=3)  # type: ignore[no-untyped-call]
    tissue[case.brain & (case.images[number] <= high)] = tumour.GREY
    tissue[case.brain & (case.images[number] <= low)] = tumour.CSF
    return tissue


def _painted(
    place: _Place,
    kind: TumourKind,
    border: bool,
    numbers: dict[int, int],
    rng: np.random.Generator,
    edge: int,
    judged: bool,
) -> Part | None:
    part, case = place.part, place.part.case
    scale = min(edge / 48, 1.0)
    low, high = _NODULES if border else _RADII
    radius = float(rng.uniform(low, high)) * scale
    spot = _border_spot(place, numbers, rng) if border else _healthy_spot(place, radius, rng)
    if spot is None:
        return None
    box = _box_around(spot, case.shape, edge, rng)
    plan = replace(
        tumour.draw_plan(rng, kind),
        radius_mm=radius,
        rim_mm=float(rng.uniform(1.5, 3.5)),
        oedema_mm=0.0 if border else radius * float(rng.uniform(0.2, 1.0)),
        nodule_mm=radius * float(rng.uniform(0.5, 0.8)) if kind is TumourKind.POST_OPERATIVE else 0.0,
        satellite=False,
    )
    centre = (spot[0] - box.start[0], spot[1] - box.start[1], spot[2] - box.start[2])
    tissue, real = place.tissue[box.slices], case.classes[box.slices]
    grown = tumour.grow(plan, tissue, (float(centre[0]), float(centre[1]), float(centre[2])))
    grown[real == numbers.get(tumour.RC, IGNORE)] = 0
    if border:
        grown[tissue == tumour.CSF] = 0
    else:
        grown[(real > 0) & (real != IGNORE)] = 0
    grown[~np.isin(grown, list(numbers))] = 0
    if not grown.any():
        return None
    images = case.images[(slice(None), *box.slices)].copy()
    changed = place.relative(box)
    contrast.paint(changed, place.channels, tissue, grown, _contrasts(place, kind, numbers, rng), rng)
    brain = case.brain[box.slices]
    images[place.present] = np.where(brain, changed * (place.white - place.zero) + place.zero, 0)

    table = np.zeros(256, dtype=np.uint8)
    for value, number in numbers.items():
        table[value] = number
    painted = (grown > 0) & brain
    known = part.mask[box.slices] if not judged else (real == 0)
    classes = np.where(painted, table[grown], np.where(known, real, IGNORE)).astype(np.uint8)
    own = PreparedCase(f"lesion in {case.name}", images, brain, classes, case.voxel_ml, zero=case.zero)
    return Part(own, classes != IGNORE)


def _contrasts(
    place: _Place, kind: TumourKind, numbers: dict[int, int], rng: np.random.Generator
) -> dict[int, NDArray[np.float32]]:
    """Intensities by label: this patient's where the visit shows the tissue, varied a little; drawn ones else."""
    contrasts = contrast.draw_contrasts(rng, kind)
    for value, number in numbers.items():
        shown = place.contrast_of(number)
        if shown is not None:
            contrasts[value] = shown * rng.normal(1.0, 0.04, len(shown)).astype(np.float32)
    return contrasts


def _healthy_spot(place: _Place, radius: float, rng: np.random.Generator) -> Shape | None:
    """A voxel of the brain's tissue with room for a lesion of `radius` around it."""
    tissue = place.tissue[::2, ::2, ::2]
    for room in (radius + _APART, radius):
        spots = np.argwhere((place.depth > room) & (tissue > tumour.CSF))
        if len(spots):
            i, j, k = (2 * int(n) for n in spots[rng.integers(len(spots))])
            return i, j, k
    return None


def _border_spot(place: _Place, numbers: dict[int, int], rng: np.random.Generator) -> Shape | None:
    """A voxel at the surface of the tumour that counts, in tissue."""
    part = place.part
    around = Box.around(part.case.tumour & part.mask)
    if around is None:
        return None
    box = around.grown(3).clipped(part.case.shape)
    marked = part.case.tumour[box.slices]
    shell = ndimage.binary_dilation(marked, iterations=2) & ~ndimage.binary_erosion(marked, iterations=2)
    shell &= part.mask[box.slices] & (place.tissue[box.slices] > tumour.CSF)
    shell &= part.case.classes[box.slices] != numbers.get(tumour.RC, IGNORE)
    spots = np.argwhere(shell)
    if len(spots) == 0:
        return None
    i, j, k = (int(n) + start for n, start in zip(spots[rng.integers(len(spots))], box.start, strict=True))
    return i, j, k


def _box_around(spot: Shape, shape: Shape, edge: int, rng: np.random.Generator) -> Box:
    """A cube of `edge` voxels about a voxel, moved at random, within the visit; smaller where the visit is."""
    shift = rng.integers(-edge // 8, edge // 8 + 1, size=3)
    i, j, k = (int(np.clip(c + s - edge // 2, 0, max(n - edge, 0))) for c, s, n in zip(spot, shift, shape, strict=True))
    return Box((i, j, k), (min(i + edge, shape[0]), min(j + edge, shape[1]), min(k + edge, shape[2])))
