"""The mean of several models' weights, as a model of its own (Wortsman et al. 2022, "Model soups").

`python -m glioma_annotator.adaptation.mean_of_models --model DIR=SHARE --model DIR=SHARE --out DIR`: the models must
be of one network that was trained on from common weights; the mean of others answers nothing sensible. A training's
checkpoint counts by its moving average: `--model runs/NAME/checkpoint.pt=SHARE`.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import UserError
from glioma_annotator.inference.model_folder import load_model, save_model


def mean_of_models(parts: Sequence[tuple[Path, float]], out: Path) -> ModelCard:
    """Write the mean of model folders or checkpoints, weighted by share, to `out`; the first folder's card is taken.

    Raises `UserError` when no part is a model folder, shares do not add up to 1, or the networks differ.
    """
    if not abs(sum(share for _path, share in parts) - 1) <= 1e-6 or any(share < 0 for _path, share in parts):
        raise UserError("The shares do not add up to 1.", "Give every model its share, such as 0.5 and 0.5.")
    folder = next((path for path, _share in parts if path.is_dir()), None)
    if folder is None:
        raise UserError("None of the parts is a model's folder.", "Name at least one: its card describes the network.")
    card, network = load_model(folder)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    states = [(_weights(path), share) for path, share in parts]
    for (path, _share), (state, _) in zip(parts, states, strict=True):
        if {name: tensor.shape for name, tensor in state.items()} != shapes:
            raise UserError(f"“{path}” is of another network than “{folder}”.", "Take models of one network only.")
    network.load_state_dict(mean_weights(states))
    parents = [f"{share:g} of {path.name if path.is_file() else load_model(path)[0].identity}" for path, share in parts]
    card = replace(card, training={**card.training, "mean_of": parents}, scores={}, ranges={})
    return save_model(out, card, network)


def mean_weights(states: Sequence[tuple[Mapping[str, Tensor], float]]) -> dict[str, Tensor]:
    """The mean of networks' weights, each with its share; names and shapes are the same in all."""
    return {
        name: sum((share * state[name].double() for state, share in states), torch.zeros(())).to(tensor.dtype)
        for name, tensor in states[0][0].items()
    }


def _weights(path: Path) -> dict[str, Tensor]:
    """The weights of a model folder, or a checkpoint's moving average."""
    if path.is_dir():
        return dict(load_model(path)[1].state_dict())
    try:
        state = torch.load(path, weights_only=True)["average"]
    except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise UserError(f"“{path}” is no checkpoint with a moving average.", "Train with `run.ema` above 0.") from error
    return {str(name): tensor for name, tensor in state.items()}


def _part(text: str) -> tuple[Path, float]:
    path, _equals, share = text.rpartition("=")
    try:
        return Path(path), float(share)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is not FOLDER=SHARE") from None


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and write the mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=_part, action="append", required=True, metavar="DIR=SHARE")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new model")
    options = parser.parse_args(arguments)
    try:
        print(mean_of_models(options.model, options.out).identity)
    except UserError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
