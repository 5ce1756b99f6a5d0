"""The models at hand and which of them is current for whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from glioma_annotator.domain.model_card import ModelCard

#: Stands for every patient that has no model of its own.
EVERYONE = ""


class ModelPlace(StrEnum):
    """Where a model lies, which says what may be done with it."""

    SHIPPED = "shipped"
    INSTALLED = "installed"
    WORKSPACE = "workspace"
    ADAPTED = "adapted"
    CANDIDATE = "candidate"
    ARCHIVED = "archived"


#: Places in the workspace, whose models may be renamed, archived and deleted.
OWN_PLACES = (ModelPlace.WORKSPACE, ModelPlace.ADAPTED, ModelPlace.CANDIDATE, ModelPlace.ARCHIVED)
#: Places whose models may be chosen.
USABLE_PLACES = (ModelPlace.ADAPTED, ModelPlace.WORKSPACE, ModelPlace.INSTALLED, ModelPlace.SHIPPED)


@dataclass(frozen=True, slots=True)
class ShelvedModel:
    """A model on disk: its card, folder, place, and size in bytes."""

    card: ModelCard
    folder: Path
    place: ModelPlace
    size: int

    @property
    def usable(self) -> bool:
        return self.place in USABLE_PLACES


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that was made current: its name and when, ISO 8601 in UTC."""

    model: str
    since_utc: str


@dataclass(frozen=True, slots=True)
class CurrentModel:
    """Which model is current for a patient, or for `EVERYONE`.

    Attributes
    ----------
    model: the model's name; empty when none is installed.
    own: whether the patient has a model of its own, rather than the workspace's default.
    problem: what is wrong with the choice and how to mend it, for a reader; empty when nothing is.
    earlier: models that were current before, the latest first.
    """

    patient: str
    model: str
    own: bool
    problem: str = ""
    earlier: tuple[Choice, ...] = ()
