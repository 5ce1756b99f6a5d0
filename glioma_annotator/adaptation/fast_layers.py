"""Layers that compute what torch's do, faster on a processor: for training in bfloat16 with channels last.

Torch's batch normalisation in channels-last bfloat16 takes about 10 ns per value forwards and backwards on one core;
the same sums over pieces that stay in the cache take a third of that.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: Voxels handled at once: 8192 of 24 channels in float32 fill 0.8 MB, about a core's second-level cache.
_ROWS = 8192


class _Normalise(torch.autograd.Function):
    """Batch normalisation of (batch, channel, i, j, k) with given or batch statistics, summed in float32."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        batch_statistics: bool,
        momentum: float,
        eps: float,
    ) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last_3d)
        rows = _rows(x)
        count = len(rows)
        if batch_statistics:
            total, squares = torch.zeros(2, rows.shape[1])
            for part in torch.split(rows, _ROWS):
                values = part.float()
                total += values.sum(0)
                squares += (values * values).sum(0)
            mean = total / count
            variance = (squares / count - mean * mean).clamp_min_(0)
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(variance * count / max(count - 1, 1), momentum)
        else:
            mean, variance = running_mean.clone(), running_var
        inverse = (variance + eps).rsqrt()
        scale = weight * inverse
        shift = bias - mean * scale
        out = torch.empty_like(x)
        for part, target in zip(torch.split(rows, _ROWS), torch.split(_rows(out), _ROWS), strict=True):
            target.copy_(torch.addcmul(shift, part.float(), scale))
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.batch_statistics = batch_statistics
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last_3d)
        out = torch.empty_like(x)
        inputs, outer = torch.split(_rows(x), _ROWS), torch.split(_rows(gradient), _ROWS)
        total, products = torch.zeros(2, x.shape[1])
        for part, upper in zip(inputs, outer, strict=True):
            values = upper.float()
            total += values.sum(0)
            products += (values * part.float()).sum(0)
        of_weight = (products - mean * total) * inverse
        scale, slope, shift = weight * inverse, torch.zeros_like(mean), torch.zeros_like(mean)
        if ctx.batch_statistics:
            count = x.numel() / x.shape[1]
            slope = -scale * of_weight * inverse / count
            shift = -scale * total / count - slope * mean
        for part, upper, target in zip(inputs, outer, torch.split(_rows(out), _ROWS), strict=True):
            change = torch.addcmul(shift, upper.float(), scale)
            target.copy_(change.addcmul_(part.float(), slope) if ctx.batch_statistics else change)
        return out, of_weight, total, None, None, None, None, None


class FastBatchNorm3d(nn.BatchNorm3d):
    """`BatchNorm3d` of the same parameters, buffers and results."""

    def forward(self, x: Tensor) -> Tensor:
        momentum = 0.1 if self.momentum is None else self.momentum
        arguments = (self.weight, self.bias, self.running_mean, self.running_var, self.training, momentum, self.eps)
        out: Tensor = _Normalise.apply(x, *arguments)  # type: ignore[no-untyped-call]
        return out


def speed_up(network: nn.Module) -> None:
    """Swap the batch normalisations of a network for the faster ones, in place; its state's names and values stay."""
    for module in network.modules():
        if type(module) is nn.BatchNorm3d and module.affine and module.track_running_stats:
            module.__class__ = FastBatchNorm3d


def _rows(x: Tensor) -> Tensor:
    """A channels-last tensor (batch, channel, i, j, k) as (voxels, channel), without a copy."""
    return x.permute(0, 2, 3, 4, 1).reshape(-1, x.shape[1])
