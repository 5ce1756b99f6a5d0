"""The last decoder stage of every network the program knows: what it reads, and what it makes of it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from glioma_annotator.inference.monai_networks import DynUNetNetwork, SegResNetNetwork
from glioma_annotator.inference.networks import ResidualInceptionUNet, SegmentationNetwork


def encode(network: SegmentationNetwork, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the last decoder stage reads: the output of the stage below, at half the size, and the first encoder's.

    Raises `TypeError` for a network whose stages are not known.
    """
    if isinstance(network, ResidualInceptionUNet):
        skips: list[Tensor] = []
        for encoder, down in zip(network.encoders, network.downs, strict=False):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = network.encoders[-1](x)
        for level in reversed(range(1, len(network.downs))):
            x = network.ups[level](x)
            x = network.decoders[level](torch.cat([x, skips.pop()], dim=1))
        return x, skips[0]
    if isinstance(network, DynUNetNetwork):
        outer = _outer(network)
        skip: Tensor = outer.downsample(x)
        return outer.next_layer(skip), skip
    if isinstance(network, SegResNetNetwork):
        body = network.backbone
        x, found = body.encode(x)
        found.reverse()
        for up, layer, skipped in zip(body.up_samples[:-1], body.up_layers[:-1], found[1:-1], strict=True):
            x = layer(up(x) + skipped)
        return x, found[-1]
    raise TypeError(f"the stages of {type(network).__name__} are not known")


def decode_last(network: SegmentationNetwork, below: Tensor, skip: Tensor) -> Tensor:
    """The last decoder stage: what the head reads."""
    out: Tensor
    if isinstance(network, ResidualInceptionUNet):
        out = network.decoders[0](torch.cat([network.ups[0](below), skip], dim=1))
    elif isinstance(network, DynUNetNetwork):
        out = _outer(network).upsample(below, skip)
    else:
        assert isinstance(network, SegResNetNetwork)
        body = network.backbone
        out = body.conv_final(body.up_layers[-1](body.up_samples[-1](below) + skip))
    return out


def last_stage(network: SegmentationNetwork) -> list[nn.Module]:
    """The modules that `decode_last` runs."""
    if isinstance(network, ResidualInceptionUNet):
        return [network.ups[0], network.decoders[0]]
    if isinstance(network, DynUNetNetwork):
        return [_outer(network).upsample]
    assert isinstance(network, SegResNetNetwork)
    body = network.backbone
    return [body.up_samples[-1], body.up_layers[-1], body.conv_final]


def _outer(network: DynUNetNetwork) -> Any:
    return network.body
