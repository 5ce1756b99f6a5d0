"""Figures of many cases as a few: median, mean, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.workflow.evaluation.scores import CaseScore

#: Figures that are summarised; the others are counts or follow from these.
SUMMARISED = (
    "dice",
    "hd95_mm",
    "surface_mm",
    "sensitivity",
    "precision",
    "volume_error_ml",
    "volume_error_percent",
    "lesion_dice",
    "lesion_sensitivity",
    "lesion_precision",
)
RESAMPLINGS = 2000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Summary:
    """One figure of one region over the cases.

    Attributes
    ----------
    cases: how many have a value; missing: how many have none.
    median, mean: of the values; the mean's and the median's interval at `LEVEL` from the bootstrap, None below 2 cases.
    low, high: quartiles.
    """

    region: str
    figure: str
    cases: int
    missing: int
    median: float
    median_interval: tuple[float, float] | None
    mean: float
    mean_interval: tuple[float, float] | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Presence:
    """Cases that have a region (in `found` some of it is predicted), and cases without (in `invented` some is).

    `invented_ml` is what is predicted in the latter, all together; `median_dice` and `mean_dice` are of the former.
    """

    region: str
    present: int
    found: int
    absent: int
    invented: int
    invented_ml: float
    median_dice: float | None
    mean_dice: float | None


def summarise(scores: Sequence[CaseScore], seed: int = 0) -> tuple[Summary, ...]:
    """Every figure of every region that has values.

    Parameters
    ----------
    seed: of the bootstrap (percentile method, `RESAMPLINGS` draws of as many cases; Efron and Tibshirani 1993).
    """
    found = []
    for region in dict.fromkeys(score.region for score in scores):
        of_region = [s for s in scores if s.region == region]
        for figure in SUMMARISED:
            values = np.array([v for s in of_region if (v := getattr(s, figure)) is not None], dtype=float)
            if values.size:
                found.append(_summary(region, figure, values, len(of_region) - values.size, seed))
    return tuple(found)


def presences(scores: Sequence[CaseScore]) -> tuple[Presence, ...]:
    """In how many cases each region is, and where the prediction has it."""
    found = []
    for region in dict.fromkeys(score.region for score in scores):
        there = [s for s in scores if s.region == region and s.present]
        gone = [s for s in scores if s.region == region and not s.present]
        invented = [s.prediction_ml for s in gone if s.prediction_ml > 0]
        hits = sum(1 for s in there if s.prediction_ml > 0)
        dice = [s.dice for s in there]
        middle = (float(np.median(dice)), float(np.mean(dice))) if dice else (None, None)
        found.append(Presence(region, len(there), hits, len(gone), len(invented), sum(invented), *middle))
    return tuple(found)


def _summary(region: str, figure: str, values: NDArray[np.float64], missing: int, seed: int) -> Summary:
    median_interval = mean_interval = None
    if values.size > 1:
        drawn = values[np.random.default_rng(seed).integers(0, values.size, (RESAMPLINGS, values.size))]
        tails = (100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2)
        a, b = np.percentile(np.median(drawn, axis=1), tails)
        c, d = np.percentile(drawn.mean(axis=1), tails)
        median_interval, mean_interval = (float(a), float(b)), (float(c), float(d))
    low, high = np.percentile(values, (25, 75))
    return Summary(
        region,
        figure,
        values.size,
        missing,
        float(np.median(values)),
        median_interval,
        float(values.mean()),
        mean_interval,
        float(low),
        float(high),
    )
