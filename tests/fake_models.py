"""Stand-ins for the adapter and the shelf of models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from glioma_annotator.domain.adaptation import (
    AdaptationMethod,
    AdaptationOutcome,
    AdaptationPlan,
    AdaptationRequest,
    CurvePoint,
    RegionVerdict,
    Trial,
    Verdict,
    WorstSlice,
)
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.model_shelf import Choice, CurrentModel, ModelPlace, ShelvedModel
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Progress, Report

CHANNELS = (SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)
BASE = ModelCard(
    "base", "Base model", "net", {}, CHANNELS, GLIOMA_POST_TREATMENT, (1, 1, 1), "z-score-brain", "ab" * 32
)


def outcome_of(card: ModelCard, accepted: bool = True) -> AdaptationOutcome:
    """A result in which ET gains, or loses."""
    after = 0.9 if accepted else 0.5
    regions = (
        RegionVerdict("ET", "present", 0.7, after, 0.4, 10.0, 8.0, 9.5, 12.0, "" if accepted else "ET loses."),
        RegionVerdict("RC", "absent", None, None, None, 0.0, 0.3, 0.0, 0.0),
    )
    reasons = ("The mean Dice rises from 0.700 to 0.900, and no region loses.",) if accepted else ("ET loses.",)
    picture = np.zeros((12, 10), np.uint8)
    picture[4:6, 4:6] = 3
    return AdaptationOutcome(
        card=card,
        verdict=Verdict(accepted, reasons, regions, 0.7, after, 0.4),
        trials=(Trial(AdaptationMethod.LAST_LAYER, 10, 1.0, after, accepted),),
        curve=(CurvePoint(AdaptationMethod.LAST_LAYER, 1, 1.0), CurvePoint(AdaptationMethod.LAST_LAYER, 2, 0.5, after)),
        method=AdaptationMethod.LAST_LAYER,
        held_out="the visit b",
        worst=WorstSlice("b", "FLAIR", np.ones((12, 10), np.float32), picture, picture, picture),
        seconds=3.0,
        device="CPU",
    )


class FakeShelf:
    """Fulfils `model_ports.Shelf` in memory."""

    def __init__(self) -> None:
        self.read_only = False
        self.models = {"base": ShelvedModel(BASE, Path("base"), ModelPlace.SHIPPED, 1000)}
        self.choices: dict[str, list[str]] = {}
        self.told: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        return ()

    def all(self) -> tuple[ShelvedModel, ...]:
        return tuple(self.models.values())

    def find(self, name: str) -> ShelvedModel:
        if name not in self.models:
            raise UserError(f"There is no model “{name}”.")
        return self.models[name]

    def current(self, patient: str) -> CurrentModel:
        own = self.choices.get(patient)
        names = own or self.choices.get("") or ["base"]
        return CurrentModel(patient, names[0], bool(own and patient), "", tuple(Choice(n, "") for n in names[1:]))

    def currents(self, patients: Sequence[str]) -> tuple[CurrentModel, ...]:
        return tuple(map(self.current, patients))

    def problems(self) -> tuple[str, ...]:
        return self.told

    def set_current(self, patient: str, name: str) -> CurrentModel:
        if not self.find(name).usable:
            raise UserError("not usable")
        self.choices[patient] = [name, *self.choices.get(patient, [])]
        return self.current(patient)

    def clear_current(self, patient: str) -> None:
        self.choices.pop(patient, None)

    def roll_back(self, patient: str) -> CurrentModel:
        self.choices[patient] = self.choices[patient][1:]
        return self.current(patient)

    def free_name(self, wanted: str) -> str:
        return wanted

    def candidate_folder(self, name: str) -> Path:
        return Path("candidates") / name

    def under_way(self, who: str) -> AbstractContextManager[None]:
        return nullcontext()

    def keep(self, name: str) -> ShelvedModel:
        self.models[name] = replace(self.find(name), place=ModelPlace.ADAPTED)
        return self.models[name]

    def archive(self, name: str) -> ShelvedModel:
        self.models[name] = replace(self.find(name), place=ModelPlace.ARCHIVED)
        return self.models[name]

    def rename(self, name: str, title: str) -> None:
        model = self.find(name)
        self.models[name] = replace(model, card=replace(model.card, title=title))

    def delete(self, name: str) -> None:
        del self.models[name]

    def export(self, name: str, file: Path) -> None:
        file.write_text(name)

    def bring(self, source: Path) -> ShelvedModel:
        card = replace(BASE, name=source.stem, title=source.stem)
        self.models[card.name] = ShelvedModel(card, source, ModelPlace.WORKSPACE, 1000)
        return self.models[card.name]


@dataclass
class FakeAdapter:
    """Fulfils `model_ports.Adapter`; waits at `gate` when it is closed, listening for a request to stop."""

    shelf: FakeShelf
    accepted: bool = True
    gate: threading.Event = field(default_factory=threading.Event)
    failure: Exception | None = None
    requests: list[AdaptationRequest] = field(default_factory=list)

    def find(self, model: str) -> tuple[Path, ModelCard]:
        return Path(model or "base"), self.shelf.find(model or "base").card

    def plan(
        self, model: str, visits: int, method: AdaptationMethod, budget_s: float, judges: int = 0
    ) -> AdaptationPlan:
        judging = f" ({judges} of other patients)" if judges else ""
        return AdaptationPlan(f"{method.value}, {visits} visits{judging}, about 40 s", 40.0)

    def adapt(
        self,
        request: AdaptationRequest,
        folder: Path,
        report: Report,
        watch: Callable[[CurvePoint], None],
        cancel: CancelToken,
    ) -> AdaptationOutcome:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        watch(CurvePoint(AdaptationMethod.LAST_LAYER, 1, 1.0))
        watch(CurvePoint(AdaptationMethod.LAST_LAYER, 2, 0.5, 0.8))
        while not self.gate.wait(0.01):
            cancel.raise_if_cancelled()
            report(Progress(0.5, "Training “last-layer”", 20.0))
        card = replace(BASE, name=request.name, title=request.title, parent="base", patient=request.patient)
        self.shelf.models[card.name] = ShelvedModel(card, folder, ModelPlace.CANDIDATE, 1000)
        return outcome_of(card, self.accepted)
