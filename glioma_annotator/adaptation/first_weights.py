"""The weights that a training begins with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from glioma_annotator.adaptation.config import Output, TrainingConfig
from glioma_annotator.adaptation.widening import widen
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import UserError
from glioma_annotator.inference.card_bounds import beyond_bounds
from glioma_annotator.inference.cards import contradiction
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.networks import ResidualInceptionUNet, SegmentationNetwork, build_network


def check_model(config: TrainingConfig, card: ModelCard, scheme: LabelScheme) -> None:
    """Raise `UserError` for a configuration whose training could not begin, or whose model no program would take."""
    multiple, stages = first_network(config, scheme).multiple, config.all_stages()
    if any(stage.patch % multiple for stage in stages):
        raise UserError(
            f"The network halves its input so often that a patch must be a multiple of {multiple} voxels.",
            "Correct patches.size, or the patches of the stages.",
        )
    patch = max(stage.patch for stage in stages)
    card = replace(card, patch=(patch, patch, patch))
    for what, problem in (("contradicts itself", contradiction(card)), ("asks for too much", beyond_bounds(card))):
        if problem:
            raise UserError(
                f"The model that the configuration describes {what}: {problem}.",
                "Correct the configuration; docs/training.md explains every entry.",
            )


def first_network(config: TrainingConfig, scheme: LabelScheme) -> SegmentationNetwork:
    """The network to begin with: drawn from the seed, a model's, or a widened model's.

    Raises `UserError` for parameters that make no sense, and a model that does not fit the configuration.
    """
    wanted, init = config.network, config.network.init
    channels, classes = len(config.data.channels), len(scheme.labels) + 1
    torch.manual_seed(config.run.seed)
    network = _drawn(config, channels, classes)
    if init.widen:
        card, narrow = _start(Path(init.widen), config, scheme)
        assert isinstance(narrow, ResidualInceptionUNet)
        parameters = dict(wanted.parameters)
        filters = parameters.pop("filters", (24, 48, 96, 192))
        fraction = parameters.pop("branch_fraction", 1.0)
        wide = widen(narrow, filters, fraction, init.noise, config.run.seed, channels).train()
        _settle_background(wide, card, config.output)
        return wide
    if init.model:
        card, begun = _start(Path(init.model), config, scheme)
        if dict(card.parameters) != dict(wanted.parameters) or len(card.channels) != channels:
            raise UserError(
                f"The model “{card.name}” has other network parameters or channels than the configuration.",
                "Copy them from its card.json, or widen it with network.init.widen.",
            )
        network.load_state_dict(begun.state_dict())
        _settle_background(network, card, config.output)
        return network.train()
    bias = network.head.bias
    assert bias is not None
    with torch.no_grad():
        if config.output is Output.MULTI_LABEL:
            _silence_background(network)
            bias[1:] -= wanted.background_bias
        else:
            bias[0] += wanted.background_bias
    return network


def _drawn(config: TrainingConfig, channels: int, classes: int) -> SegmentationNetwork:
    try:
        return build_network(config.network.architecture, config.network.parameters, channels, classes)
    except UserError as error:
        raise UserError(
            f"The configuration's network cannot be built. {error.what}",
            "Correct network.parameters; docs/training.md names those of every architecture.",
        ) from error


def _settle_background(network: SegmentationNetwork, card: ModelCard, output: Output) -> None:
    """Make what a model computes what `output` reads: of multi-class logits only the differences mean anything."""
    if output is not Output.MULTI_LABEL:
        return
    bias = network.head.bias
    assert bias is not None
    if card.training.get("output") != Output.MULTI_LABEL:
        with torch.no_grad():
            network.head.weight[1:] -= network.head.weight[0].clone()
            bias[1:] -= bias[0].clone()
    _silence_background(network)


def _silence_background(network: SegmentationNetwork) -> None:
    """No gradient ever reaches a multi-label background: its logit stays 0, which is where a sigmoid says one half."""
    assert network.head.bias is not None
    with torch.no_grad():
        network.head.weight[0] = 0
        network.head.bias[0] = 0


def _start(folder: Path, config: TrainingConfig, scheme: LabelScheme) -> tuple[ModelCard, SegmentationNetwork]:
    card, network = load_model(folder)
    same_network = card.architecture == config.network.architecture and card.scheme.values == scheme.values
    if not same_network or card.channels != config.data.channels[: len(card.channels)]:
        raise UserError(
            f"The training cannot begin with the model “{card.name}”: it has another network, other labels, or its "
            "channels are not the first ones of the configuration.",
            "Choose another model, or correct network and data.channels.",
        )
    return card, network
