"""Normalisation only: batch statistics are drawn towards the patient's scans, then every scale and shift learns.

Normalisation layers: running mean and variance become `(1 - SHARE)` of the starting model's and `SHARE` of the visits'
own, measured once over patches without augmentation; they are then fixed, while weight and bias of every layer train.
Instance and group normalisation have no statistics of their own: there weight and bias alone train.
"""

from __future__ import annotations

import torch
from torch import nn

from glioma_annotator.adaptation.methods import by_gradient
from glioma_annotator.adaptation.methods.context import Context
from glioma_annotator.adaptation.patches import PatchSampler
from glioma_annotator.domain.adaptation import AdaptationMethod
from glioma_annotator.inference.networks import SegmentationNetwork

METHOD = AdaptationMethod.NORM
SCHEDULE = by_gradient.Schedule(steps=40, least=12, rate=5e-3)
#: What the visits' own statistics count.
SHARE = 0.2
_PATCHES = 8


def train(network: SegmentationNetwork, context: Context) -> int:
    """Train the normalisations of `network` in place; the number of steps. Keeps the best weights met."""
    rng = context.rng(METHOD)
    network.requires_grad_(False).eval()
    kept = {name: b.detach().clone() for name, b in network.named_buffers()}
    before = context.held_out.quick(by_gradient.predict_crops(network, context))
    _draw_statistics(network, context, PatchSampler(context.train, by_gradient.EDGE, rng, augment=False))
    after = context.held_out.quick(by_gradient.predict_crops(network, context))
    if (after.after or 0) < (before.after or 0):  # the visits' statistics do harm: keep the starting model's
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(kept[name])
    parameters = {
        f"{name}.{part}": parameter
        for name, module in network.named_modules()
        if isinstance(module, nn.BatchNorm3d | nn.InstanceNorm3d | nn.GroupNorm)
        for part, parameter in module.named_parameters()
    }
    sampler = by_gradient.Draws(context, rng)

    unseen = context.unseen(network.head.out_channels)

    def loss(step: int) -> torch.Tensor:
        drawn = sampler.draw(step)
        logits = by_gradient.forward(network, [patch.images for patch in drawn], context)
        return by_gradient.patch_loss(logits, [patch.classes for patch in drawn], unseen)

    return by_gradient.run(METHOD, network, context, parameters, SCHEDULE, loss)


def _draw_statistics(network: SegmentationNetwork, context: Context, sampler: PatchSampler) -> None:
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm3d)]
    started = [(m.running_mean, m.running_var) for m in norms]
    first = [(mean.clone(), var.clone()) for mean, var in started if mean is not None and var is not None]
    momenta = [m.momentum for m in norms]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # the plain mean over all patches
        module.train()
    with torch.no_grad():
        for _ in range(_PATCHES):
            context.cancel.raise_if_cancelled()
            by_gradient.forward(network, [sampler.draw().images], context)
        for module, momentum, (mean, var) in zip(norms, momenta, first, strict=True):
            module.momentum = momentum
            module.eval()
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.lerp_(mean, 1 - SHARE)
            module.running_var.lerp_(var, 1 - SHARE)
