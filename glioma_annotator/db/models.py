"""The models of a workspace, as folders and small text files that can be read and mended by hand.

    models/<name>/              models brought into the workspace
    models/adapted/<name>/      models adapted here
    models/candidates/<name>/   adapted, not yet decided about
    models/candidates/.begun.json   there while an adaptation runs: who for, and since when
    models/archived/<name>/     put away: kept because masks were made with them, no longer offered
    models/current/*.json       which model is current: workspace.json for everyone, patient-<key>.json for a patient

Every change is one rename or one file that appears whole, so that a crash leaves the old state or the new one.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from glioma_annotator.db.begun import Begun
from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.failures import explained
from glioma_annotator.db.names import free_name, safe_name
from glioma_annotator.domain.model_card import TUMOUR
from glioma_annotator.domain.model_shelf import (
    EVERYONE,
    OWN_PLACES,
    USABLE_PLACES,
    Choice,
    CurrentModel,
    ModelPlace,
    ShelvedModel,
)
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.atomic_file import atomic_write
from glioma_annotator.inference.card_bounds import MOST_TITLE
from glioma_annotator.inference.cards import CARD, card_to_json, load_card

_MOST_EARLIER = 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a file in `current` says."""

    file: Path
    patient: str
    choices: tuple[Choice, ...]  # the present one first


class ModelShelf:
    """The models of one workspace, and those installed or shipped beside it.

    Parameters
    ----------
    root: the workspace's `models` folder; made when needed.
    installed, shipped: folders of model folders outside the workspace.
    read_only: refuse every change.
    """

    def __init__(self, root: Path, installed: Sequence[Path], shipped: Sequence[Path], *, read_only: bool) -> None:
        self.root = root
        self._outside = [(ModelPlace.INSTALLED, p) for p in installed] + [(ModelPlace.SHIPPED, p) for p in shipped]
        self.read_only = read_only
        self._begun = Begun(self._place(ModelPlace.CANDIDATE))

    # what there is

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where usable models are looked for, in order of preference."""
        return (self.root, self._place(ModelPlace.ADAPTED), *(path for _, path in self._outside))

    def all(self) -> tuple[ShelvedModel, ...]:
        """Every readable tumour model, the workspace's first; damaged ones are logged."""
        found = []
        for place in OWN_PLACES:
            found += self._in(place, self._place(place))
        for place, folder in self._outside:
            found += self._in(place, folder)
        return tuple(found)

    def find(self, name: str) -> ShelvedModel:
        """The model of that name; of several the one that is used. Raises `UserError` when there is none."""
        models = self.all()
        order = [*USABLE_PLACES, ModelPlace.CANDIDATE, ModelPlace.ARCHIVED]
        named = sorted((m for m in models if m.card.name == name), key=lambda m: order.index(m.place))
        if not named:
            for folder in self._own_folders():
                if folder.name == name:
                    load_card(folder)  # says what is wrong with a damaged one
            known = ", ".join(f"“{m.card.name}”" for m in models) or "none"
            raise UserError(f"There is no model “{name}”.", f"Models at hand: {known}.")
        return named[0]

    def _in(self, place: ModelPlace, folder: Path) -> list[ShelvedModel]:
        found = []
        for card_file in sorted(folder.glob(f"*/{CARD}")):
            if card_file.parent.name.startswith("."):
                continue  # a save that was cut short
            try:
                card = load_card(card_file.parent)
                size = sum(f.stat().st_size for f in card_file.parent.iterdir() if f.is_file())
            except (UserError, EnvironmentFailure, OSError) as error:
                _log.warning("A model is left out. %s", type(error).__name__)
                continue
            if card.task == TUMOUR:
                found.append(ShelvedModel(card, card_file.parent, place, size))
        return found

    def _own_folders(self) -> Iterator[Path]:
        """Folders of the workspace's models, damaged ones among them."""
        for place in OWN_PLACES:
            found = sorted(card.parent for card in self._place(place).glob(f"*/{CARD}"))
            yield from (folder for folder in found if not folder.name.startswith("."))

    def _damaged(self) -> Iterator[str]:
        for folder in self._own_folders():
            try:
                load_card(folder)
            except (UserError, EnvironmentFailure) as error:
                yield f"A model is left out. {error.what} {error.todo}"

    def _place(self, place: ModelPlace) -> Path:
        if place is ModelPlace.WORKSPACE:
            return self.root
        return self.root / ("candidates" if place is ModelPlace.CANDIDATE else place.value)

    # which is current

    def current(self, patient: str) -> CurrentModel:
        """The model for a patient: its own, else the workspace's default, else the first shipped one."""
        return self.currents([patient])[0]

    def currents(self, patients: Sequence[str]) -> tuple[CurrentModel, ...]:
        """`current` for each of these patients; models and choices are read once for all of them."""
        models, kept = [m for m in self.all() if m.usable], self._kept()
        return tuple(_current(patient, models, kept) for patient in patients)

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the choices of current models and with models, and how to mend it; a few sentences each.

        First, while this workspace is open, that an adaptation was interrupted before it was opened.
        """
        found = [self._begun.told(self.read_only), *(c.problem for c in self.currents(list(self._kept())))]
        seen: dict[str, str] = {}
        for file in self._files():
            patient = self._read(file)
            if patient is None:
                found.append(f"{file.name} in models/current cannot be read. Delete it, then choose the model again.")
            elif patient.patient in seen:
                found.append(
                    f"{seen[patient.patient]} and {file.name} in models/current both speak for the same patient. "
                    "Delete one of them."
                )
            else:
                seen[patient.patient] = file.name
        found += self._damaged()
        return tuple(dict.fromkeys(filter(None, found)))

    def set_current(self, patient: str, name: str) -> CurrentModel:
        """Make a model current for a patient, or for `EVERYONE`. Raises `UserError` for one that cannot be used."""
        self._require_writable()
        model = self.find(name)
        if not model.usable:
            raise UserError(
                f"The model “{name}” is {'archived' if model.place is ModelPlace.ARCHIVED else 'not accepted yet'}.",
                "Take it back from the archive first." if model.place is ModelPlace.ARCHIVED else "Accept it first.",
            )
        held_out = model.card.scores.get("held_out")
        if isinstance(held_out, dict) and held_out.get("accepted") is False:
            raise UserError(
                f"The adapted model “{name}” did not pass: it can segment and be compared, no more.",
                "Keep the current one, or correct another visit and adapt again.",
            )
        kept = self._kept().get(patient)
        before = kept.choices if kept else ()
        if before and before[0].model == name:
            return self.current(patient)
        self._write(patient, (Choice(name, utc_text()), *before)[:_MOST_EARLIER], kept)
        return self.current(patient)

    def clear_current(self, patient: str) -> None:
        """A patient follows the workspace's default again."""
        self._require_writable()
        kept = self._kept().get(patient)
        if kept is not None:
            with explained("The choice of the model could not be changed"):
                kept.file.unlink(missing_ok=True)

    def roll_back(self, patient: str) -> CurrentModel:
        """Make the model current that was before. Raises `UserError` when there is none that can still be used."""
        self._require_writable()
        kept = self._kept().get(patient)
        usable = {m.card.name for m in self.all() if m.usable}
        earlier = [c for c in (kept.choices[1:] if kept else ()) if c.model in usable]
        if kept is None:
            raise UserError("No model was chosen here before.", "Choose one on the models page.")
        if not earlier:
            self.clear_current(patient)  # the choice before the first one was none
        else:
            place = kept.choices.index(earlier[0])
            self._write(patient, kept.choices[place:], kept)
        return self.current(patient)

    def _files(self) -> list[Path]:
        return sorted((self.root / "current").glob("*.json"))

    def _kept(self) -> dict[str, _Kept]:
        found: dict[str, _Kept] = {}
        for file in self._files():
            kept = self._read(file)
            if kept is not None:
                found.setdefault(kept.patient, kept)
        return found

    def _read(self, file: Path) -> _Kept | None:
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            choices = [Choice(str(data["model"]), str(data.get("since_utc", "")))]
            choices += [Choice(str(c["model"]), str(c.get("since_utc", ""))) for c in data.get("earlier", [])]
            return _Kept(file, str(data["patient"]), tuple(choices))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _write(self, patient: str, choices: Sequence[Choice], kept: _Kept | None) -> None:
        folder = self.root / "current"
        data: dict[str, Any] = {
            "patient": patient,
            "model": choices[0].model,
            "since_utc": choices[0].since_utc,
            "earlier": [{"model": c.model, "since_utc": c.since_utc} for c in choices[1:]],
        }
        with explained("The choice of the model could not be saved"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if kept is not None:
            file = kept.file
        elif patient == EVERYONE:
            file = folder / "workspace.json"
        else:
            taken = {f.stem.casefold() for f in self._files()}
            stem = free_name(f"patient-{safe_name(patient, 'patient')}", lambda name: name.casefold() in taken)
            file = folder / f"{stem}.json"
        with atomic_write(file) as output:
            output.write(json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n")

    # changes

    def free_name(self, wanted: str) -> str:
        """`wanted` as a folder's name, numbered where a model has it already."""
        taken = {m.card.name.casefold() for m in self.all()} | {m.folder.name.casefold() for m in self.all()}
        taken |= {"adapted", "candidates", "archived", "current"}
        taken |= {p.name.casefold() for place in OWN_PLACES for p in self._place(place).glob("*")}  # unreadable ones
        return free_name(safe_name(wanted, "model"), lambda name: name.casefold() in taken)

    def candidate_folder(self, name: str) -> Path:
        """Where a candidate of that name is to be saved; what killed saves left there is cleared away."""
        self._require_writable()
        folder = self._place(ModelPlace.CANDIDATE)
        with explained("The folder for the candidate could not be made"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in folder.glob(".*.part"):
                shutil.rmtree(left, ignore_errors=True)
        return folder / name

    def under_way(self, who: str) -> AbstractContextManager[None]:
        """While an adaptation to `who` runs: `problems` tells of one that the program's end interrupted."""
        self._require_writable()
        return self._begun.noted(who)

    def keep(self, name: str) -> ShelvedModel:
        """A candidate, or an archived model, becomes one that can be used. Raises `UserError` for others."""
        model = self.find(name)
        if model.usable:
            return model
        place = ModelPlace.ADAPTED if model.card.parent else ModelPlace.WORKSPACE
        return self._move(model, place)

    def archive(self, name: str) -> ShelvedModel:
        """Put a model of the workspace away; it stays on disk. Raises `UserError` while it is current for someone."""
        model = self._own(name)
        self._require_not_current(name)
        return self._move(model, ModelPlace.ARCHIVED)

    def rename(self, name: str, title: str) -> None:
        """Give a model of the workspace another title. Its name stays: masks are recorded with it."""
        model = self._own(name)
        if not title.strip() or not title.isprintable() or len(title) > MOST_TITLE:
            raise UserError("A model needs a title that can be read, on a few lines at most.", "Enter one.")
        data = card_to_json(replace(model.card, title=title.strip()))
        with atomic_write(model.folder / CARD) as file:
            file.write(json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n")

    def delete(self, name: str) -> None:
        """Remove a model of the workspace for good. Raises `UserError` while it is current for someone.

        Whether masks were made with it, the caller has to ask: see `workflow.models`.
        """
        model = self._own(name)
        self._require_not_current(name)
        gone = model.folder.with_name(f".{model.folder.name}.part")
        with explained("The model could not be deleted"):
            model.folder.replace(gone)  # at once; its files may take a moment
            shutil.rmtree(gone)

    def export(self, name: str, file: Path) -> None:
        """Write a model as one zip; see `model_files.export_model`."""
        from glioma_annotator.db.model_files import export_model

        export_model(self.find(name), file)

    def bring(self, source: Path) -> ShelvedModel:
        """A model from a zip or a folder; see `model_files.bring_model`."""
        from glioma_annotator.db.model_files import bring_model

        self._require_writable()
        return bring_model(self, source)

    def place_new(self, name: str, fill: Callable[[Path], None]) -> ShelvedModel:
        """A new model in the workspace: `fill` writes it into a folder of its own, which then takes its place.

        Nothing stays when `fill` fails.
        """
        self._require_writable()
        temporary = self.root / f".{name}.part"
        with explained("The model's folder could not be made"):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(mode=0o700, parents=True)
        try:
            fill(temporary)
            card = load_card(temporary)
            folder = self._place(ModelPlace.ADAPTED if card.parent else ModelPlace.WORKSPACE)
            with explained("The model could not be put in its place"):
                folder.mkdir(mode=0o700, exist_ok=True)
                temporary.replace(folder / name)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return self.find(card.name)

    def _move(self, model: ShelvedModel, place: ModelPlace) -> ShelvedModel:
        self._require_writable()
        folder = self._place(place)
        with explained("The model could not be moved"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = folder / free_name(model.folder.name, lambda name: (folder / name).exists())
            model.folder.replace(target)
        return replace(model, folder=target, place=place)

    def _own(self, name: str) -> ShelvedModel:
        self._require_writable()
        model = self.find(name)
        if model.place not in OWN_PLACES:
            raise UserError(
                f"The model “{name}” is {model.place.value}, not a model of this workspace.",
                "It cannot be changed here.",
            )
        return model

    def _require_not_current(self, name: str) -> None:
        whose = [k.patient for k in self._kept().values() if k.choices and k.choices[0].model == name]
        if whose:
            who = ", ".join(p or "the whole workspace" for p in whose)
            raise UserError(f"The model “{name}” is current for {who}.", "Make another model current there first.")

    def _require_writable(self) -> None:
        if self.read_only:
            raise UserError(
                "This workspace is open for reading only.", "Close it where it is open for writing, then open it again."
            )


def _current(patient: str, models: Sequence[ShelvedModel], kept: Mapping[str, _Kept]) -> CurrentModel:
    """The model for a patient among those that can be used, by the choices kept."""
    names = {m.card.name for m in models}
    own, default = kept.get(patient) if patient else None, kept.get(EVERYONE)
    problem = ""
    for choice, whose in ((own, "this patient"), (default, "the workspace")):
        if choice is None:
            continue
        if choice.choices and choice.choices[0].model in names:
            return CurrentModel(patient, choice.choices[0].model, choice is own, problem, choice.choices[1:])
        gone = choice.choices[0].model if choice.choices else "?"
        problem = problem or (
            f"The model “{gone}”, current for {whose}, is not there. Choose another one on the models page, "
            f"import it again, or delete {choice.file.name} in the workspace's folder models/current."
        )
    order = [m for place in reversed(USABLE_PLACES) for m in models if m.place is place]
    best = sorted(order, key=lambda m: (not m.card.default, bool(m.card.patient)))
    return CurrentModel(patient, best[0].card.name if best else "", False, problem)
