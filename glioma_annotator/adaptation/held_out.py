"""The held-out data with the starting model's masks: every candidate is measured here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from glioma_annotator.adaptation.acceptance import AWAY_MM, Judged, judge, stray_faults
from glioma_annotator.adaptation.cases import PreparedCase
from glioma_annotator.adaptation.features import CaseFeatures, Marked, marked_of
from glioma_annotator.adaptation.holdout import Part
from glioma_annotator.domain.adaptation import Verdict, WorstSlice
from glioma_annotator.domain.geometry import Box, Grid, Shape
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.domain.mask_rules import PostProcessing
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.inference.post_processing import post_processed

#: Voxels around the held-out tumour that the quick measure during a training looks at.
_MARGIN = 16
_ISLANDS = "With the islands that the model doubts, which are not proposed but may be at the next visit:"


@dataclass(frozen=True, slots=True, eq=False)
class _Visit:
    part: Part
    before: Marked
    crop: Box


class HeldOut:
    """Measures what networks find, on the visits' prepared voxels, against the masks; classes are uint8 (i, j, k).

    Parameters
    ----------
    parts: what is held out of each visit.
    features: of the same visits under the starting model, in the same order.
    head: the starting model's.
    card: the candidates'. start: the starting model's; the two may differ in their post-processing.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        features: Sequence[CaseFeatures],
        head: torch.nn.Conv3d,
        card: ModelCard,
        start: ModelCard,
    ) -> None:
        self._card, self._start = card, start
        self.parts = tuple(parts)
        self._processed_visits: dict[tuple[int, bool], LabelArray] = {}
        self._visits = tuple(
            _Visit(part, marked_of(found, head), _crop(part, found.case))
            for part, found in zip(parts, features, strict=True)
        )

    @property
    def cases(self) -> tuple[PreparedCase, ...]:
        return tuple(part.case for part in self.parts)

    @property
    def crops(self) -> tuple[Box, ...]:
        """Of every visit, the box that `quick` looks at."""
        return tuple(visit.crop for visit in self._visits)

    def verdict(self, after: Sequence[Marked]) -> Verdict:
        """The rule on whole visits, after the cards' post-processing as the segmenter does it.

        It has to hold with the islands, too, that a model doubts and that are not proposed: at the next visit it may be
        surer of them.
        """
        proposed = self._judged(after, islands=False)
        if not proposed.accepted or not any(card.post_processing.doubtful for card in (self._card, self._start)):
            return proposed
        every = self._judged(after, islands=True)
        if every.accepted:
            return proposed
        return replace(proposed, accepted=False, reasons=(_ISLANDS, *every.reasons))

    def quick(self, after: Sequence[NDArray[np.uint8]]) -> Verdict:
        """The rule around the tumour, for predictions of `crops`; islands stay, carried-over masks are left out."""
        return judge([self._within(v, a, v.crop) for v, a in zip(self._visits, after, strict=True)], self._card.scheme)

    def whole(self, after: Sequence[NDArray[np.uint8]]) -> Verdict:
        """As `quick`, for predictions of whole visits: sees what is falsely marked far from the tumour, too."""
        boxes = [Box.whole(visit.part.case.shape) for visit in self._visits]
        judged = [self._within(v, a, b) for v, a, b in zip(self._visits, after, boxes, strict=True)]
        return judge(judged, self._card.scheme)

    def worst(self, after: Sequence[NDArray[np.uint8]]) -> WorstSlice | None:
        """The axial slice with the most voxels that are wrong after; before, if none is; None if neither is."""
        best: tuple[int, int, _Visit, NDArray[np.uint8]] | None = None
        for visit, marked in zip(self._visits, after, strict=True):
            truth, mask = visit.part.case.classes, visit.part.mask
            wrong = np.count_nonzero((marked != truth) & mask, axis=(0, 1)) * 1000
            wrong += np.count_nonzero((visit.before.classes != truth) & mask, axis=(0, 1))
            k = int(wrong.argmax())
            if wrong[k] and (best is None or wrong[k] > best[0]):
                best = int(wrong[k]), k, visit, marked
        if best is None:
            return None
        _, k, visit, marked = best
        case = visit.part.case
        shown = min(range(len(self._card.channels)), key=lambda n: _PICTURE_ORDER.index(self._card.channels[n].value))
        reference = self._labels(case.classes)[:, :, k].copy()
        reference[~visit.part.mask[:, :, k]] = IGNORE
        return WorstSlice(
            case=case.name,
            sequence=self._card.channels[shown].value,
            image=case.images[shown, :, :, k].copy(),
            reference=reference,
            before=self._labels(visit.before.classes)[:, :, k],
            after=self._labels(marked)[:, :, k],
            carried=None if case.carried is None else self._labels(case.carried)[:, :, k],
        )

    def _judged(self, after: Sequence[Marked], islands: bool) -> Verdict:
        masks = []
        for visit, marked in zip(self._visits, after, strict=True):
            before = self._processed_before(visit, islands)
            masks.append((visit, before, as_proposed(marked, visit.part.case, self._card, islands=islands)))
        verdict = judge([self._held_out(*mask) for mask in masks], self._card.scheme)
        stray = stray_faults([self._away(*mask) for mask in masks], self._card.scheme)
        if not stray:
            return verdict
        return replace(verdict, accepted=False, reasons=stray if verdict.accepted else (*verdict.reasons, *stray))

    def _held_out(self, visit: _Visit, before: LabelArray, after: LabelArray) -> Judged:
        case, mask = visit.part.case, visit.part.mask
        return Judged(
            reference=self._labels(case.classes * mask),
            before=before * mask,
            after=after * mask,
            voxel_ml=case.voxel_ml,
            carried=None if case.carried is None else self._labels(case.carried * mask),
            slabs=visit.part.slabs,
        )

    def _away(self, visit: _Visit, before: LabelArray, after: LabelArray) -> Judged:
        case = visit.part.case
        edge_mm = (case.voxel_ml * 1000) ** (1 / 3)
        away = (case.classes == 0) & ~case.near_tumour(round(AWAY_MM / edge_mm))
        return Judged(self._labels(case.classes), before * away, after * away, case.voxel_ml)

    def _within(self, visit: _Visit, after: NDArray[np.uint8], box: Box) -> Judged:
        case, mask = visit.part.case, visit.part.mask[box.slices]
        return Judged(
            reference=self._labels(case.classes[box.slices] * mask),
            before=self._labels(visit.before.classes[box.slices]) * mask,
            after=self._labels(after) * mask,
            voxel_ml=case.voxel_ml,
            slabs=visit.part.slabs,
        )

    def _processed_before(self, visit: _Visit, islands: bool) -> LabelArray:
        key = id(visit), islands
        if key not in self._processed_visits:
            found = as_proposed(visit.before, visit.part.case, self._start, islands=islands)
            self._processed_visits[key] = found
        return self._processed_visits[key]

    def _labels(self, classes: NDArray[np.uint8]) -> LabelArray:
        return _values(classes, self._card)


def as_proposed(marked: Marked, case: PreparedCase, card: ModelCard, *, islands: bool = False) -> LabelArray:
    """Label values after the card's rules, as the segmenter proposes them; `islands`: with those that are doubted."""
    edge = (case.voxel_ml * 1000) ** (1 / 3)
    grid = Grid(case.shape, np.diag([edge, edge, edge, 1.0]))
    images = {role: image for role, image in zip(card.channels, case.images, strict=True) if image.any()}

    def processed(rules: PostProcessing) -> LabelArray:
        values = _values(marked.classes, card)
        return post_processed(
            values, marked.softmax, case.brain, rules, card.scheme, grid, images, operated=case.operated
        )[0]

    rules = card.post_processing
    labels = processed(rules)
    if islands and rules.doubtful:
        every = processed(replace(rules, doubtful=None, extents=()))  # what is doubted is not extended, either
        labels = np.where(labels == 0, every, labels)
    return labels


def _values(classes: NDArray[np.uint8], card: ModelCard) -> LabelArray:
    table = np.zeros(256, dtype=np.uint8)
    table[1 : len(card.scheme.values) + 1] = card.scheme.values
    table[IGNORE] = IGNORE
    return np.asarray(table[classes])


#: Which sequence shows a mask's faults best, best first.
_PICTURE_ORDER = ("FLAIR", "T1Gd", "T2", "T1", "other")


def _crop(part: Part, case: PreparedCase) -> Box:
    """Around the held-out tumour with a margin, its edges even numbers; the whole visit where there is no tumour."""
    around = Box.around(case.tumour & part.mask)
    if around is None:
        return Box.whole(case.shape)
    grown = around.grown(_MARGIN).clipped(case.shape)
    start: Shape = tuple(n // 2 * 2 for n in grown.start)  # type: ignore[assignment]
    return Box(start, grown.stop)
