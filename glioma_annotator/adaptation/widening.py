"""A wider residual-inception U-Net that computes what a narrower one does: a head start for its training.

After Chen, Goodfellow, Shlens, "Net2Net: accelerating learning via knowledge transfer" (ICLR 2016), Net2WiderNet: the
new filters of a layer are copies of old ones, and whatever reads a filter that has copies shares its weights out among
them. Concatenations are followed part by part, and all layers joined by a residual connection have the same copies.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from glioma_annotator.errors import UserError
from glioma_annotator.inference.networks import ResidualInceptionBlock, ResidualInceptionUNet

#: Which old channel each new one copies, and none (-1) for an image channel that the old network did not read.
_Copies = Tensor


def widen(
    network: ResidualInceptionUNet,
    filters: Sequence[int],
    branch_fraction: float,
    noise: float = 0.1,
    seed: int = 0,
    in_channels: int | None = None,
) -> ResidualInceptionUNet:
    """A wider network whose logits equal those of `network` up to rounding, in evaluation and in training mode.

    Copies of a filter would receive the same gradient for ever. So the weights that read them differ, by normal random
    numbers that add up to zero over the copies of a filter: the copies part company with the first step while
    the function stays exact.

    Parameters
    ----------
    network: unchanged.
    filters, branch_fraction: of the wider network, as in `ResidualInceptionUNet`; nowhere narrower than `network`.
    noise: standard deviation of those numbers as a share of the shared-out weights' own.
    seed: of those numbers.
    in_channels: image channels; those beyond `network`'s come last and have no influence yet. None: as in `network`.

    Raises `UserError` when the network would have another number of levels or be narrower somewhere.
    """
    narrow_inputs, classes = _first_inputs(network), network.head.out_channels
    wide = ResidualInceptionUNet(in_channels or narrow_inputs, classes, filters, branch_fraction)
    _check(network, wide)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        _Widening(noise, generator).copy(network, wide)
    wide.train(network.training)
    return wide


class _Widening:
    """Fills the weights of a wider network."""

    def __init__(self, noise: float, generator: torch.Generator) -> None:
        self._noise, self._generator = noise, generator

    def copy(self, old: ResidualInceptionUNet, new: ResidualInceptionUNet) -> None:
        levels = [_copies(_width(a), _width(b)) for a, b in zip(_ends(old), _ends(new), strict=True)]
        image = torch.full((_first_inputs(new),), -1)
        image[: _first_inputs(old)] = torch.arange(_first_inputs(old))
        self._block(old.encoders[0], new.encoders[0], image, levels[0])
        for level, (fine, coarse) in enumerate(itertools.pairwise(levels)):
            self._simple(old.downs[level], new.downs[level], fine, coarse)
            self._block(old.encoders[level + 1], new.encoders[level + 1], coarse, coarse)
            self._simple(old.ups[level], new.ups[level], coarse, fine)
            self._block(old.decoders[level], new.decoders[level], _joined([fine, fine]), fine)
        self._conv(old.head, new.head, levels[0], torch.arange(old.head.out_channels))

    def _block(self, old: nn.Module, new: nn.Module, inputs: _Copies, outputs: _Copies) -> None:
        assert isinstance(old, ResidualInceptionBlock) and isinstance(new, ResidualInceptionBlock)
        branch = _copies(_width(old.point), _width(new.point))
        for name in ("point", "single", "double_first", "pooled"):
            self._simple(getattr(old, name), getattr(new, name), inputs, branch)
        self._simple(old.double_second, new.double_second, branch, branch)
        self._simple(old.reduce, new.reduce, _joined([branch] * 4), outputs)
        if isinstance(new.shortcut, nn.Conv3d):
            if isinstance(old.shortcut, nn.Conv3d):
                weight = old.shortcut.weight
            else:  # the first block of a network that has as many filters as the image has channels
                weight = torch.eye(_width(old.reduce))[..., None, None, None]
            new.shortcut.weight.copy_(self._shared(weight, inputs, 1)[outputs])
        # Otherwise both add the input as it is: inputs and outputs of such a block have the same copies.

    def _simple(self, old: nn.Module, new: nn.Module, inputs: _Copies, outputs: _Copies) -> None:
        self._conv(_conv(old), _conv(new), inputs, outputs)
        old_norm, new_norm = _norm(old), _norm(new)
        state = {n: v[outputs] if v.ndim else v for n, v in old_norm.state_dict().items()}
        new_norm.load_state_dict(state)

    def _conv(
        self,
        old: nn.Conv3d | nn.ConvTranspose3d,
        new: nn.Conv3d | nn.ConvTranspose3d,
        inputs: _Copies,
        outputs: _Copies,
    ) -> None:
        reads, writes = (0, 1) if isinstance(old, nn.ConvTranspose3d) else (1, 0)
        new.weight.copy_(self._shared(old.weight, inputs, reads).index_select(writes, outputs))
        if old.bias is not None and new.bias is not None:
            new.bias.copy_(old.bias[outputs])

    def _shared(self, weight: Tensor, inputs: _Copies, axis: int) -> Tensor:
        """`weight` for inputs that are copies: along `axis` the old channel's weights, shared out among its copies."""
        old = weight.transpose(0, axis)
        read = inputs.clamp(min=0)
        known = inputs >= 0
        count = torch.bincount(inputs[known], minlength=len(old)).to(weight.dtype)
        shape = (-1, *[1] * (weight.ndim - 1))
        shared = old[read] / count[read].view(shape)
        random = torch.randn(shared.shape, generator=self._generator, dtype=weight.dtype)
        random *= self._noise * (shared.std() if shared.numel() > 1 else 0.0)
        random[~known] = 0
        mean = torch.zeros_like(old).index_add_(0, read, random) / count.view(shape)
        shared = shared + random - mean[read]
        shared[~known] = 0
        return shared.transpose(0, axis)


def _check(old: ResidualInceptionUNet, new: ResidualInceptionUNet) -> None:
    todo = "Choose filters and branches at least as wide as those of the model to start from, and as many levels."
    if len(old.encoders) != len(new.encoders):
        raise UserError("A network can be widened, but not given another number of levels.", todo)
    blocks = zip([*old.encoders, *old.decoders], [*new.encoders, *new.decoders], strict=True)
    narrower = _first_inputs(new) < _first_inputs(old)
    for before, after in blocks:
        assert isinstance(before, ResidualInceptionBlock) and isinstance(after, ResidualInceptionBlock)
        narrower |= _width(after.point) < _width(before.point) or _width(after.reduce) < _width(before.reduce)
        if isinstance(after.shortcut, nn.Identity) and not isinstance(before.shortcut, nn.Identity):
            raise UserError("A network with as many filters as image channels cannot be the wider one.", todo)
    if narrower:
        raise UserError("A network can only be made wider, not narrower.", todo)


def _copies(old: int, new: int) -> _Copies:
    return torch.arange(new) % old


def _joined(parts: Sequence[_Copies]) -> _Copies:
    """Copies of channels that are concatenated; every part copies all of its old channels."""
    result, start = [], 0
    for part in parts:
        result.append(part + start)
        start += int(part.max()) + 1
    return torch.cat(result)


def _ends(network: ResidualInceptionUNet) -> list[nn.Module]:
    """The last layer of every encoder level: as wide as the level."""
    return [block.get_submodule("reduce") for block in network.encoders]


def _first_inputs(network: ResidualInceptionUNet) -> int:
    return _conv(network.encoders[0].get_submodule("point")).in_channels


def _width(simple_block: nn.Module) -> int:
    return _conv(simple_block).out_channels


def _conv(simple_block: nn.Module) -> nn.Conv3d | nn.ConvTranspose3d:
    conv = simple_block.get_submodule("conv")
    assert isinstance(conv, nn.Conv3d | nn.ConvTranspose3d)
    return conv


def _norm(simple_block: nn.Module) -> nn.BatchNorm3d:
    norm = simple_block.get_submodule("adn.N")
    assert isinstance(norm, nn.BatchNorm3d)
    return norm
