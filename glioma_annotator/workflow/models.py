"""Choosing, keeping and removing models: rules over the shelf that need to know the masks made with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.adaptation import carried_advice
from glioma_annotator.domain.editing import JournalAction
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.model_shelf import EVERYONE, CurrentModel, ShelvedModel
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report, part
from glioma_annotator.workflow.model_ports import Shelf
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.study import StudySession


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model as a page or a table shows it.

    Attributes
    ----------
    current_for: keys of the patients it is current for; empty text for the workspace's default.
    method: how it was adapted; empty for a base model. created: ISO 8601 in UTC; empty when its card does not say.
    dice: mean Dice on its held-out data; None where that was not measured. before: of its starting model there.
    """

    model: ShelvedModel
    current_for: tuple[str, ...]
    method: str
    created: str
    data: str
    dice: float | None
    before: float | None

    @property
    def made_for(self) -> str:
        """The patient's key, or that it is for several; empty for a base model."""
        card = self.model.card
        return card.patient or ("several patients" if card.parent else "")

    @property
    def advice(self) -> str:
        """What to do where an earlier mask, carried over, fitted better than this model; empty where it did not."""
        return carried_advice(_held_out(self.model, "mean_dice_carried"), self.dice)


def model_rows(shelf: Shelf, store: Store | None) -> tuple[ModelRow, ...]:
    """Every model with what a reader asks of it."""
    patients = [p.key for p in store.patients()] if store is not None else []
    default, *chosen = shelf.currents([EVERYONE, *patients])
    current: dict[str, list[str]] = {default.model: [EVERYONE]} if default.model else {}
    for one in chosen:
        if one.own:
            current.setdefault(one.model, []).append(one.patient)
    return tuple(_row(model, tuple(current.get(model.card.name, ())) if model.usable else ()) for model in shelf.all())


def _row(model: ShelvedModel, current_for: tuple[str, ...]) -> ModelRow:
    training = model.card.training
    visits = training.get("visits", [])
    data = ", ".join(map(str, visits)) if isinstance(visits, list) else ""
    return ModelRow(
        model=model,
        current_for=current_for,
        method=str(training.get("method", "")),
        created=str(training.get("created_utc", "")),
        data=data or str(training.get("kind", "")),
        dice=_held_out(model, "mean_dice"),
        before=_held_out(model, "mean_dice_before"),
    )


def _held_out(model: ShelvedModel, name: str) -> float | None:
    """A Dice of the held-out data; None where the card, which anyone may have written, has none."""
    held = model.card.scores.get("held_out")
    value = held.get(name) if isinstance(held, dict) else None
    return float(value) if isinstance(value, (int, float)) and 0 <= value <= 1 else None


def masks_made_with(store: Store, model: ShelvedModel) -> int:
    """How many segmentation revisions of the workspace name the model."""
    identity = model.card.identity
    return sum(
        revision.model == identity
        for patient in store.patients()
        for visit in store.timepoints(patient.id or 0)
        for revision in store.revisions(visit.id or 0)
    )


def titles_of(cards: Sequence[ModelCard]) -> list[str]:
    """What to call models in a list: their titles, with the names of those that share one."""
    titles = [card.title or card.name for card in cards]
    return [
        title if titles.count(title) == 1 else f"{title} ({card.name})"
        for title, card in zip(titles, cards, strict=True)
    ]


def _unsaved_with(store: Store, model: ShelvedModel) -> str:
    """A visit with steps that the model proposed and no revision holds yet; empty where there is none."""
    for patient in store.patients():
        for visit in store.timepoints(patient.id or 0):
            for entry in store.journal(visit.id or 0).entries():
                if entry.action is JournalAction.EDIT and entry.edit and entry.edit.model == model.card.identity:
                    return f"{patient.key}, {visit.title}"
    return ""


def delete_model(shelf: Shelf, store: Store, name: str) -> None:
    """Remove a model for good. Raises `UserError` when masks were made with it, or it is current for someone."""
    model = shelf.find(name)
    unsaved = _unsaved_with(store, model)
    if unsaved:
        raise UserError(
            f"The mask of {unsaved} has unsaved steps that the model “{name}” proposed: it must not be lost.",
            "Archive it instead: it stays on disk and is no longer offered.",
        )
    made = masks_made_with(store, model)
    if made:
        raise UserError(
            f"{made} mask{'s were' if made > 1 else ' was'} made with the model “{name}”: it must not be lost.",
            "Archive it instead: it stays on disk and is no longer offered.",
        )
    shelf.delete(name)


def use_model(shelf: Shelf, store: Store, name: str, patient: str) -> CurrentModel:
    """Make a model current for a patient by key, or with an empty key for the workspace.

    Raises `UserError` for an unknown patient or a model that cannot be used.
    """
    if patient and store.patient(patient) is None:
        raise UserError(f"This workspace has no patient {patient}.", "Import the patient's study first.")
    return shelf.set_current(patient, name)


@dataclass(frozen=True, slots=True)
class RegionComparison:
    """A region under two models: mL of each, Dice of each with the present mask, and of one with the other.

    Dice is None where both masks lack the region.
    """

    region: str
    ml: tuple[float, float]
    dice_with_mask: tuple[float | None, float | None]
    dice: float | None


def compare_models(
    session: StudySession,
    timepoint: Timepoint,
    images: Mapping[str, Volume],
    mask: LabelArray,
    models: tuple[str, str],
    device: str,
    report: Report,
    cancel: CancelToken,
) -> tuple[RegionComparison, ...]:
    """Let two models segment a visit, and compare them with each other and with the present mask (i, j, k)."""
    found = [
        session.propose(timepoint, images, model, device, part(report, n / 2, (n + 1) / 2), cancel).labels
        for n, model in enumerate(models)
    ]
    ml = timepoint.grid.voxel_volume_ml
    rows = []
    for region in session.scheme.regions:
        first, second, present = (region.mask(labels) for labels in (*found, mask))
        volumes = (float(np.count_nonzero(first)) * ml, float(np.count_nonzero(second)) * ml)
        rows.append(
            RegionComparison(
                region.name, volumes, (_dice(present, first), _dice(present, second)), _dice(first, second)
            )
        )
    return tuple(rows)


def _dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float | None:
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return float(2 * np.count_nonzero(one & other) / total) if total else None


def export_name(model: ShelvedModel, folder: Path) -> Path:
    """The file that a model is exported to."""
    return folder / f"{model.folder.name}.zip"
