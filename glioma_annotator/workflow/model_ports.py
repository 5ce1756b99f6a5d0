"""What adapting and keeping models needs from engines and the workspace; `app` wires the implementations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from glioma_annotator.domain.adaptation import (
    AdaptationMethod,
    AdaptationOutcome,
    AdaptationPlan,
    AdaptationRequest,
    CurvePoint,
)
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.model_shelf import CurrentModel, ShelvedModel
from glioma_annotator.progress import CancelToken, Report


class Adapter(Protocol):
    """Adapts models. Implementations may be called from any one worker thread at a time."""

    def find(self, model: str) -> tuple[Path, ModelCard]:
        """Folder and card of a model by name or folder, the default one for an empty text; reads cards only."""
        ...

    def plan(
        self, model: str, visits: int, method: AdaptationMethod, budget_s: float, judges: int = 0
    ) -> AdaptationPlan:
        """What an adaptation to so many visits would do, of which so many are of patients that only judge; quick."""
        ...

    def adapt(
        self,
        request: AdaptationRequest,
        folder: Path,
        report: Report,
        watch: Callable[[CurvePoint], None],
        cancel: CancelToken,
    ) -> AdaptationOutcome:
        """Adapt, and save the candidate as `folder`, whole or not at all, accepted or not.

        Raises `UserError`, `EnvironmentFailure` or `Cancelled` within a second of the request; then nothing is left.
        """
        ...


class Shelf(Protocol):
    """The models of a workspace and those beside it, and which is current; see `db.models`."""

    @property
    def read_only(self) -> bool: ...

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where usable models are looked for."""
        ...

    def all(self) -> tuple[ShelvedModel, ...]: ...

    def find(self, name: str) -> ShelvedModel: ...

    def current(self, patient: str) -> CurrentModel: ...

    def currents(self, patients: Sequence[str]) -> tuple[CurrentModel, ...]: ...

    def problems(self) -> tuple[str, ...]: ...

    def set_current(self, patient: str, name: str) -> CurrentModel: ...

    def clear_current(self, patient: str) -> None: ...

    def roll_back(self, patient: str) -> CurrentModel: ...

    def free_name(self, wanted: str) -> str: ...

    def candidate_folder(self, name: str) -> Path: ...

    def under_way(self, who: str) -> AbstractContextManager[None]:
        """While an adaptation to `who` runs: `problems` tells of one that the program's end interrupted."""
        ...

    def keep(self, name: str) -> ShelvedModel: ...

    def archive(self, name: str) -> ShelvedModel: ...

    def rename(self, name: str, title: str) -> None: ...

    def delete(self, name: str) -> None: ...

    def export(self, name: str, file: Path) -> None: ...

    def bring(self, source: Path) -> ShelvedModel: ...
