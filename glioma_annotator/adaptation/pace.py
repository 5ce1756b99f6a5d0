"""How long an adaptation takes on this computer: planned from a reference, corrected by the adaptations done so far."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path

from glioma_annotator.domain.adaptation import METHODS, AdaptationMethod
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.imaging.atomic_file import atomic_write

#: Seconds on two cores of an AMD EPYC with bfloat16, for `glioma` (24 filters, half-width branches) and one visit of
#: 145 x 182 x 140 voxels, 2026-11-21: loading and reading, a visit's pass, lesions, and each method with its judgement.
_LOADING_S = 8.0
_PASS_S = 7.0
_LESIONS_S = 6.0
_METHODS_S = {
    AdaptationMethod.LAST_LAYER: 20.0,
    AdaptationMethod.NORM: 50.0,
    AdaptationMethod.DECODER: 50.0,
    AdaptationMethod.FULL: 95.0,
}
#: Filters of the finest level, and times their number in its branches, that are reckoned with.
_WIDEST = 1000
#: Least and greatest factor that is believed, and what the newest adaptation counts.
_RANGE = (0.05, 10.0)
_NEWEST = 0.6


def reference_seconds(card: ModelCard, visits: int, method: AdaptationMethod) -> float:
    """Seconds of an adaptation to so many visits on the reference computer, where the time allowed suffices."""
    filters, fraction = card.parameters.get("filters"), card.parameters.get("branch_fraction", 1.0)
    first = filters[0] if isinstance(filters, list | tuple) and filters else 24
    width = 1.0  # of a card whose parameters make no sense: the model says so when it is built
    if all(isinstance(number, int | float) and 0 < number <= _WIDEST for number in (first, fraction)):
        width = first / 24 * (0.5 + 0.5 * fraction) / 0.75
    methods = METHODS if method is AdaptationMethod.AUTO else (method,)
    computing = visits * _PASS_S + _LESIONS_S + sum(_METHODS_S[m] for m in methods)
    return _LOADING_S + computing * float(max(width, 0.2) ** 1.2)


def cheapest(method: AdaptationMethod) -> AdaptationMethod:
    """What `method` comes to where time is short."""
    return AdaptationMethod.LAST_LAYER if method is AdaptationMethod.AUTO else method


def least_seconds(card: ModelCard, visits: int, method: AdaptationMethod, elapsed_s: float, passed: bool) -> float:
    """About what the cheapest adaptation takes on a computer that took `elapsed_s` for the passes, or a part of them.

    `passed`: whether they came to their end. Never less than a half more than `elapsed_s`.
    """
    method = cheapest(method)
    everything = reference_seconds(card, visits, method)
    rest = _METHODS_S[method] + (0.0 if passed else _LESIONS_S)
    begun = everything * (1 - rest / (_LOADING_S + visits * _PASS_S + _LESIONS_S + _METHODS_S[method]))
    return max(elapsed_s / begun * everything, 1.5 * elapsed_s)


class Pace:
    """How many times the reference's seconds an adaptation takes here; kept in a file, 1 before the first.

    Parameters
    ----------
    file: JSON; None to forget with the program.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._times = 1.0
        if file is not None:
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                self._times = self._believed(float(json.loads(file.read_text())["times_the_reference"]))

    @property
    def times(self) -> float:
        return self._times

    def learn(self, seconds: float, reference: float, budget_s: float = math.inf) -> None:
        """Take in what an adaptation took. One that its budget cut short says only that the computer is no quicker."""
        found = self._believed(seconds / reference)
        if seconds > 0.9 * budget_s and found < self._times:
            return
        self._times = _NEWEST * found + (1 - _NEWEST) * self._times
        if self._file is not None:
            with contextlib.suppress(OSError):  # then the next plan is less exact, no more
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(self._file, flush=False) as stream:
                    stream.write(json.dumps({"times_the_reference": round(self._times, 3)}).encode())

    @staticmethod
    def _believed(times: float) -> float:
        return min(max(times, _RANGE[0]), _RANGE[1]) if math.isfinite(times) else 1.0
