"""Models on disk: a folder with `card.json` and `weights.safetensors`.

Weights are tensors only; nothing in a model folder is ever unpickled or executed.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
import torch
from safetensors import SafetensorError

from glioma_annotator.domain.labels import Label, LabelScheme, Region
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.atomic_file import atomic_write
from glioma_annotator.inference.networks import ResidualInceptionUNet, build_network

CARD = "card.json"
WEIGHTS = "weights.safetensors"
FORMAT = 1
Z_SCORE_BRAIN = "z-score-brain"
_Number = TypeVar("_Number", int, float)
_COPY_AGAIN = "Copy the model folder again from where it came from, or choose another model."


def load_card(folder: Path) -> ModelCard:
    """The card of a model folder; weights are not read.

    Raises `UserError` when there is no card, it cannot be understood, or it names a channel twice.
    """
    path = folder / CARD
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"The folder “{folder}” holds no model: it has no {CARD}.",
            f"Choose a folder that holds {CARD} and {WEIGHTS}.",
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"The model card “{path}” is damaged: it is not valid JSON ({error}).", _COPY_AGAIN) from error
    except OSError as error:
        raise EnvironmentFailure(
            f"The model card “{path}” cannot be read: {error.strerror}.", "Check that you may read the file."
        ) from error
    return _card_from_json(data, path)


def load_model(folder: Path) -> tuple[ModelCard, ResidualInceptionUNet]:
    """Card and network (float32, evaluation mode, on the CPU) of a model folder.

    Raises `UserError` as `load_card` does, and when the weights are missing, differ from what the card records, or do
    not fit the network.
    """
    card = load_card(folder)
    path = folder / WEIGHTS
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"The model “{card.name}” has no weights: “{path}” is missing.", _COPY_AGAIN) from error
    except OSError as error:
        raise EnvironmentFailure(
            f"The weights “{path}” cannot be read: {error.strerror}.", "Check that you may read the file."
        ) from error
    if hashlib.sha256(content).hexdigest() != card.weights_sha256:
        raise UserError(
            f"The weights of the model “{card.name}” are not those its card describes (SHA-256 differs).", _COPY_AGAIN
        )
    network = build_network(card.architecture, card.parameters, len(card.channels), len(card.scheme.labels) + 1)
    try:
        tensors = safetensors.torch.load(content)
        network.load_state_dict({name: _as_float32(tensor) for name, tensor in tensors.items()})
    except (SafetensorError, RuntimeError) as error:
        raise UserError(
            f"The weights of the model “{card.name}” do not fit the network in its card.", _COPY_AGAIN
        ) from error
    return card, network.eval()


def save_model(folder: Path, card: ModelCard, network: torch.nn.Module, half: bool = True) -> ModelCard:
    """Write a model folder and return the card with the weights' hash filled in.

    Each file is written beside its target, synced and renamed; the card comes last, so that a save cut short leaves a
    folder that is refused rather than one that is believed.

    Parameters
    ----------
    card: `weights_sha256` in it is ignored.
    half: store floating-point weights as float16: half the size, good to about three digits. Tensors with values that
        float16 cannot hold stay float32.

    Raises `EnvironmentFailure` when the disk is full or the folder cannot be written.
    """
    tensors = {name: _stored(tensor, half) for name, tensor in network.state_dict().items()}
    content = safetensors.torch.save(tensors, metadata={"model": card.name})
    card = replace(card, weights_sha256=hashlib.sha256(content).hexdigest())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"The model folder “{folder}” could not be made: {error.strerror}.", "Choose a folder you may write to."
        ) from error
    with atomic_write(folder / WEIGHTS) as file:
        file.write(content)
    with atomic_write(folder / CARD) as file:
        file.write(json.dumps(_card_to_json(card), indent=2, ensure_ascii=False).encode() + b"\n")
    return card


def _stored(tensor: torch.Tensor, half: bool) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    halved = tensor.half()
    return halved if half and bool(halved.isfinite().all()) else tensor.float()


def _as_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _card_to_json(card: ModelCard) -> dict[str, Any]:
    return {"format": FORMAT, **asdict(card)}


def _card_from_json(data: Any, path: Path) -> ModelCard:
    version = data.get("format") if isinstance(data, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise UserError(
            f"The model card “{path}” was written by a newer version of the program.", "Update the program to use it."
        )
    try:
        card = _parse(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"“{error.args[0]}” is missing" if isinstance(error, KeyError) else str(error)
        raise UserError(f"The model card “{path}” cannot be understood: {reason}.", _COPY_AGAIN) from error
    problem = _contradiction(card)
    if problem:
        raise UserError(f"The model card “{path}” contradicts itself: {problem}.", _COPY_AGAIN)
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
    )


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"“{name}” is not a text")
    return value


def _three(values: list[_Number], name: str) -> tuple[_Number, _Number, _Number]:
    if len(values) != 3:
        raise ValueError(f"“{name}” does not have three numbers")
    return values[0], values[1], values[2]


def _contradiction(card: ModelCard) -> str:
    """What is wrong with a card that parses; empty when nothing is."""
    values = card.scheme.values
    checks = {
        "it has no name": not card.name,
        "it names no channels": not card.channels,
        "it names a channel twice": len(set(card.channels)) != len(card.channels),
        "it names no labels": not values,
        "it gives a label value twice": len(set(values)) != len(values),
        "a label value lies outside 1 to 254": bool(values) and not (min(values) >= 1 and max(values) <= 254),
        "a region uses a value that no label has": any(set(r.values) - set(values) for r in card.scheme.regions),
        "a voxel size is not a positive length": not all(0 < mm < math.inf for mm in card.spacing_mm),
        "the patch is not a positive multiple of 8 voxels": any(n < 8 or n % 8 for n in card.patch),
        f"the normalisation “{card.normalisation}” is unknown": card.normalisation != Z_SCORE_BRAIN,
    }
    return next((problem for problem, present in checks.items() if present), "")
