"""Model cards on disk, read without loading torch or any weights."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from glioma_annotator.domain.labels import Label, LabelScheme, Region
from glioma_annotator.domain.model_card import BRAIN, TUMOUR, ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.inference.card_bounds import MOST_CARD_BYTES, MOST_WEIGHTS_BYTES, beyond_bounds
from glioma_annotator.inference.card_rules import contradicting_rules, parse_rules

CARD = "card.json"
WEIGHTS = "weights.safetensors"
FORMAT = 1
Z_SCORE_BRAIN = "z-score-brain"
COPY_AGAIN = "Copy the model folder again from where it came from, or choose another model."
#: No network's values are as large; OpenVINO cannot round over much wider ranges.
_MOST_RANGE = 1e9
SMALLER = "Choose a smaller model, or ask its maker for a corrected card.json."
_Number = TypeVar("_Number", int, float)
_log = logging.getLogger(__name__)


def model_folders(folders: Iterable[Path]) -> Iterator[Path]:
    """Model folders among `folders` and directly below them, in order of the folders, then by name."""
    for folder in folders:
        if (folder / CARD).is_file():
            yield folder
        elif folder.is_dir():
            found = sorted(card.parent for card in folder.glob(f"*/{CARD}"))
            yield from (model for model in found if not model.name.startswith("."))  # a save that was cut short


def find_models(folders: Iterable[Path]) -> dict[str, tuple[Path, ModelCard]]:
    """Folder and card of every readable model by name; the first of a name wins, damaged ones are logged."""
    found: dict[str, tuple[Path, ModelCard]] = {}
    for folder in model_folders(folders):
        try:
            card = load_card(folder)
        except (UserError, EnvironmentFailure) as error:
            _log.warning("A model is left out. %s", error)
        else:
            found.setdefault(card.name, (folder, card))
    return found


def find_cards(folders: Iterable[Path], task: str = TUMOUR) -> tuple[ModelCard, ...]:
    """Cards of the readable models for a task in `folders` and directly below them, the default one first.

    The default is the first whose card says so, else the first made for no single patient, else the first; the others
    follow in `model_folders`' order.
    """
    cards = [card for _, card in find_models(folders).values() if card.task == task]
    return tuple(sorted(cards, key=lambda card: (not card.default, bool(card.patient))))


def load_card(folder: Path) -> ModelCard:
    """The card of a model folder; weights are not read.

    Raises `UserError` when there is no card, it cannot be understood, contradicts itself, or asks for more memory or
    time than a model may (`card_bounds`).
    """
    path = folder / CARD
    try:
        if path.stat().st_size > MOST_CARD_BYTES:
            raise UserError(f"The model card “{path}” is too large to be one.", COPY_AGAIN)
        data = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=_finite, parse_constant=_finite)
        json.dumps(data, ensure_ascii=False).encode()  # escapes can spell characters that no file or screen can hold
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"The folder “{folder}” holds no model: it has no {CARD}.",
            f"Choose a folder that holds {CARD} and {WEIGHTS}.",
        ) from error
    except (ValueError, RecursionError) as error:  # not UTF-8, no JSON, endless digits, endless brackets
        raise UserError(f"The model card “{path}” is damaged: it is not valid JSON ({error}).", COPY_AGAIN) from error
    except OSError as error:
        raise EnvironmentFailure(
            f"The model card “{path}” cannot be read: {error.strerror}.", "Check that you may read the file."
        ) from error
    return _card_from_json(data, path)


def read_weights(folder: Path, card: ModelCard) -> bytes:
    """The content of a model's weights file.

    Raises `UserError` when it is missing, larger than weights can be, or differs from what the card records,
    `EnvironmentFailure` when it cannot be read.
    """
    path = folder / WEIGHTS
    try:
        if path.stat().st_size > MOST_WEIGHTS_BYTES:
            raise UserError(f"The weights of the model “{card.name}” are larger than a model's can be.", COPY_AGAIN)
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"The model “{card.name}” has no weights: “{path}” is missing.", COPY_AGAIN) from error
    except OSError as error:
        raise EnvironmentFailure(
            f"The weights “{path}” cannot be read: {error.strerror}.", "Check that you may read the file."
        ) from error
    if hashlib.sha256(content).hexdigest() != card.weights_sha256:
        raise UserError(
            f"The weights of the model “{card.name}” are not those its card describes (SHA-256 differs).", COPY_AGAIN
        )
    return content


def card_to_json(card: ModelCard) -> dict[str, Any]:
    """What `card.json` holds."""
    return {"format": FORMAT, **asdict(card)}


def _card_from_json(data: Any, path: Path) -> ModelCard:
    version = data.get("format") if isinstance(data, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise UserError(
            f"The model card “{path}” was written by a newer version of the program.", "Update the program to use it."
        )
    try:
        card = _parse(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = f"“{error.args[0]}” is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(f"The model card “{path}” cannot be understood: {reason}.", COPY_AGAIN) from error
    problem = contradiction(card)
    if problem:
        raise UserError(f"The model card “{path}” contradicts itself: {problem}.", COPY_AGAIN)
    too_much = beyond_bounds(card)
    if too_much:
        raise UserError(f"The model card “{path}” asks for {too_much}.", SMALLER)
    return card


def _parse(data: Mapping[str, Any]) -> ModelCard:
    scheme = data["scheme"]
    return ModelCard(
        name=_text(data["name"], "name"),
        title=_text(data["title"], "title"),
        architecture=_text(data["architecture"], "architecture"),
        parameters=dict(data["parameters"]),
        channels=tuple(SequenceRole(role) for role in data["channels"]),
        scheme=LabelScheme(
            name=_text(scheme["name"], "scheme name"),
            labels=tuple(Label(int(x["value"]), x["name"], x["title"], x["colour"]) for x in scheme["labels"]),
            regions=tuple(Region(x["name"], x["title"], tuple(map(int, x["values"]))) for x in scheme["regions"]),
        ),
        spacing_mm=_three([float(mm) for mm in data["spacing_mm"]], "spacing_mm"),
        normalisation=_text(data["normalisation"], "normalisation"),
        weights_sha256=_text(data["weights_sha256"], "weights_sha256"),
        patch=_three([int(n) for n in data.get("patch", (64, 64, 64))], "patch"),
        parent=_text(data.get("parent", ""), "parent"),
        patient=_text(data.get("patient", ""), "patient"),
        training=dict(data.get("training", {})),
        scores=dict(data.get("scores", {})),
        limits=tuple(str(limit) for limit in data.get("limits", ())),
        task=_text(data.get("task", TUMOUR), "task"),
        default=bool(data.get("default", False)),
        optional=tuple(SequenceRole(role) for role in data.get("optional", ())),
        one_of=tuple(SequenceRole(role) for role in data.get("one_of", ())),
        post_processing=parse_rules(data.get("post_processing", {})),
        ranges={str(name): (float(low), float(high)) for name, (low, high) in data.get("ranges", {}).items()},
    )


def _finite(word: str) -> float | None:
    """A number of a card; None for what is none or endless, such as a figure that could not be measured."""
    number = float(word)
    return number if math.isfinite(number) else None


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"“{name}” is not a text")
    return value


def _three(values: list[_Number], name: str) -> tuple[_Number, _Number, _Number]:
    if len(values) != 3:
        raise ValueError(f"“{name}” does not have three numbers")
    return values[0], values[1], values[2]


def contradiction(card: ModelCard) -> str:
    """What is wrong with a card that parses; empty when nothing is."""
    values = card.scheme.values
    checks = {
        "it has no name": not card.name,
        "its name is not one line of at most 255 characters": len(card.name) > 255 or any(c < " " for c in card.name),
        "it names no channels": not card.channels,
        "it names a channel twice": len(set(card.channels)) != len(card.channels),
        "it names no labels": not values,
        "it gives a label value twice": len(set(values)) != len(values),
        "a label value lies outside 1 to 254": bool(values) and not (min(values) >= 1 and max(values) <= 254),
        "a region uses a value that no label has": any(set(r.values) - set(values) for r in card.scheme.regions),
        "a voxel size is not a positive length": not all(0 < mm < math.inf for mm in card.spacing_mm),
        "the patch is not a positive multiple of 8 voxels": any(n < 8 or n % 8 for n in card.patch),
        f"the task “{card.task}” is unknown": card.task not in (TUMOUR, BRAIN),
        f"the normalisation “{card.normalisation}” is unknown": (
            card.task == TUMOUR and card.normalisation != Z_SCORE_BRAIN
        ),
        "it calls a channel optional that it does not name": bool({*card.optional, *card.one_of} - {*card.channels}),
        "it asks for one of several channels, but not all of them are optional": bool(
            {*card.one_of} - {*card.optional}
        ),
        "all channels are optional": set(card.optional) == set(card.channels) and not card.one_of,
        "a range is not one around 0": not all(
            -_MOST_RANGE < low <= 0 <= high < _MOST_RANGE for low, high in card.ranges.values()
        ),
    }
    wrong = next((problem for problem, present in checks.items() if present), "")
    return wrong or contradicting_rules(card.post_processing, values)
