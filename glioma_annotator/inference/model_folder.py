"""Models on disk: a folder with `card.json` and `weights.safetensors`.

Weights are tensors only; nothing in a model folder is ever unpickled or executed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.atomic_file import atomic_write, make_folder
from glioma_annotator.inference.cards import (
    CARD,
    COPY_AGAIN,
    WEIGHTS,
    Z_SCORE_BRAIN,
    card_to_json,
    load_card,
    read_weights,
)
from glioma_annotator.inference.network_size import network_size
from glioma_annotator.inference.networks import SegmentationNetwork, build_network

__all__ = ["CARD", "WEIGHTS", "Z_SCORE_BRAIN", "load_card", "load_model", "save_model"]


def load_model(folder: Path) -> tuple[ModelCard, SegmentationNetwork]:
    """Card and network (float32, evaluation mode, on the CPU) of a model folder.

    Raises `UserError` as `load_card` does, and when the weights are missing, differ from what the card records, hold
    what is no number, or do not fit the network.
    """
    card = load_card(folder)
    content = read_weights(folder, card)
    size = network_size(card.architecture, card.parameters, len(card.channels), len(card.scheme.labels) + 1)
    if size is not None and size.weights > len(content):  # a byte each at least: not built for so few
        raise UserError(f"The weights of the model “{card.name}” do not fit the network in its card.", COPY_AGAIN)
    network = build_network(card.architecture, card.parameters, len(card.channels), len(card.scheme.labels) + 1)
    try:
        tensors = safetensors.torch.load(content)
        if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
            raise UserError(f"The weights of the model “{card.name}” are damaged: some are no numbers.", COPY_AGAIN)
        network.load_state_dict({name: _as_float32(tensor) for name, tensor in tensors.items()})
    except (SafetensorError, RuntimeError) as error:
        raise UserError(
            f"The weights of the model “{card.name}” do not fit the network in its card.", COPY_AGAIN
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
    make_folder(folder)
    with atomic_write(folder / WEIGHTS) as file:
        file.write(content)
    save_card(folder, card)
    return card


def save_card(folder: Path, card: ModelCard) -> None:
    """Write a model folder's card alone. Raises `EnvironmentFailure` as `save_model` does."""
    with atomic_write(folder / CARD) as file:
        file.write(json.dumps(card_to_json(card), indent=2, ensure_ascii=False).encode() + b"\n")


def _stored(tensor: torch.Tensor, half: bool) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    halved = tensor.half()
    return halved if half and bool(halved.isfinite().all()) else tensor.float()


def _as_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
