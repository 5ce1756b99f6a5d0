"""Adaptation as the workflow sees it. Torch is loaded with the first adaptation, not with this module."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.adaptation.budget import TooSlow
from glioma_annotator.adaptation.pace import Pace, cheapest, reference_seconds
from glioma_annotator.domain.adaptation import (
    AdaptationMethod,
    AdaptationOutcome,
    AdaptationPlan,
    AdaptationRequest,
    CurvePoint,
)
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import UserError
from glioma_annotator.heap import kept_memory
from glioma_annotator.imports import import_quietly, open_library
from glioma_annotator.inference.cards import find_cards, find_models, load_card
from glioma_annotator.progress import CancelToken, Progress, Report

if TYPE_CHECKING:
    from glioma_annotator.adaptation.methods.context import Replay

_WORDS = {
    AdaptationMethod.AUTO: "from the last layer to the whole network, a mean of them is kept",
    AdaptationMethod.LAST_LAYER: "last layer",
    AdaptationMethod.NORM: "normalisation layers",
    AdaptationMethod.DECODER: "last decoder stage",
    AdaptationMethod.FULL: "whole network",
}


class ModelAdapter:
    """Adapts the models in some folders; fulfils the workflow's `Adapter`.

    Parameters
    ----------
    folders: asked each time for model folders, or folders of model folders; the first model found is the default one.
    backgrounds: folder of tumour-free brains (as for training a base model) to draw synthetic cases from that `full`
        must not forget; None to replay stored cases instead.
    pace: file in which what adaptations took here is kept, for the plan; None to forget it.
    """

    def __init__(
        self, folders: Callable[[], Sequence[Path]], backgrounds: Path | None = None, pace: Path | None = None
    ) -> None:
        self._folders = folders
        self._backgrounds = backgrounds
        self._pace = Pace(pace)

    def find(self, model: str) -> tuple[Path, ModelCard]:
        """Folder and card of a model given by name or folder; of the default one for an empty text."""
        folders = self._folders()
        found = find_models(folders)
        if model in found:
            return found[model]
        for folder in (Path(model), *(parent / model for parent in folders)) if model else ():
            if folder.is_dir():  # the folder itself, then a damaged model's by its name: reading it says what is wrong
                return folder, load_card(folder)
        cards = find_cards(folders)
        if model or not cards:
            names = ", ".join(f"“{card.name}”" for card in cards) or "none"
            raise UserError(f"There is no model “{model}”.", f"Choose one of the models at hand: {names}.")
        return found[cards[0].name]

    def plan(
        self, model: str, visits: int, method: AdaptationMethod, budget_s: float, judges: int = 0
    ) -> AdaptationPlan:
        """What an adaptation would do and about how long it takes on a processor.

        `judges`: of the visits, those of patients that only judge.
        """
        _, card = self.find(model)
        seconds = self._pace.times * reference_seconds(card, visits, method)
        words = _about(seconds)
        if method is AdaptationMethod.AUTO:
            words = _about(budget_s) if seconds > 0.9 * budget_s else f"{words}, at most {_plain(budget_s)}"
            seconds = min(seconds, budget_s)
        least = self._pace.times * reference_seconds(card, visits, cheapest(method))
        if least > budget_s:
            words = f"{_plain(budget_s)} may not suffice on this computer: {_about(least)}"
        many = "1 visit" if visits == 1 else f"{visits} visits"
        held = "every third slab is held out" if visits == 1 else "the last one is held out"
        if judges:
            held = "one only judges" if judges == 1 else f"{judges} only judge"
            held += f", of {'a patient' if judges == 1 else 'patients'} not learnt from"
        return AdaptationPlan(f"{_WORDS[method]}, {many} ({held}), {words}", seconds)

    @kept_memory()
    def adapt(
        self,
        request: AdaptationRequest,
        folder: Path,
        report: Report,
        watch: Callable[[CurvePoint], None],
        cancel: CancelToken,
    ) -> AdaptationOutcome:
        """Adapt, and save the candidate as `folder`, accepted or not; see `adaptation.run.adapt`.

        Loading torch counts as part of `request.budget_s`.
        """
        began = time.monotonic()
        start, card = self.find(request.model)
        report(Progress(0.0, "Loading the model"))
        _load("glioma_annotator.adaptation.run", cancel)
        from glioma_annotator.adaptation.run import adapt

        drawn = self._synthetic(request, cancel)
        budget_s = request.budget_s
        request = replace(request, budget_s=budget_s - (time.monotonic() - began))
        visits = len(request.cases) + len(request.holdout)
        try:
            outcome = adapt(request, start, folder, report, watch, cancel, drawn)
        except TooSlow as error:
            self._pace.learn(error.needed_s, reference_seconds(card, visits, cheapest(request.method)))
            raise
        reference = reference_seconds(card, visits, request.method)
        self._pace.learn(time.monotonic() - began, reference, budget_s)
        return outcome

    def _synthetic(self, request: AdaptationRequest, cancel: CancelToken) -> Replay | None:
        wanted = request.method in (AdaptationMethod.AUTO, AdaptationMethod.FULL)
        if self._backgrounds is None or not wanted:
            return None
        _load("glioma_annotator.adaptation.synthesis.samples", cancel)
        from glioma_annotator.adaptation.synthesis.backgrounds import load_backgrounds, load_label_maps
        from glioma_annotator.adaptation.synthesis.samples import SampleSource, draw_sample

        source = SampleSource(load_backgrounds(self._backgrounds), load_label_maps(self._backgrounds))

        def draw(edge: int, step: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
            sample = draw_sample(source, edge, request.seed, step)
            return sample.images, sample.labels

        return draw


def _about(seconds: float) -> str:
    """A time to expect in words: tens of seconds, then minutes."""
    if seconds < 90:
        return f"about {max(round(seconds / 10), 1) * 10} s"
    return f"about {_plain(seconds)}"


def _plain(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"


def _load(module: str, cancel: CancelToken) -> None:
    """Import on a thread of its own, so that a request to stop is heard meanwhile, by the window, too."""

    def read() -> None:
        for package in ("torch", "SimpleITK"):
            open_library(package)
        import_quietly(module)

    loading = threading.Thread(target=read, daemon=True)
    loading.start()
    while loading.is_alive():
        loading.join(0.1)
        cancel.raise_if_cancelled()
