"""The whole network, at a low rate, pulled towards the starting weights and answers, with other cases in between.

Normalisation layers: statistics stay the starting model's (one patch says too little about intensities); weight and
bias learn. The pull is L2-SP (Li et al., ICML 2018): a quadratic penalty on the distance from the starting weights. The
answers are kept where the starting model is right (`objective.forgotten`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from glioma_annotator.adaptation.features import runnable
from glioma_annotator.adaptation.methods import by_gradient
from glioma_annotator.adaptation.methods.context import Context
from glioma_annotator.domain.adaptation import AdaptationMethod
from glioma_annotator.inference.networks import SegmentationNetwork

METHOD = AdaptationMethod.FULL
SCHEDULE = by_gradient.Schedule(steps=60, least=10, rate=5e-4)
#: Of the squared distance from the starting weights, halved.
PULL = 1e-2
#: Every so many steps one patch is of a case that must not be forgotten, where there are such cases.
REPLAY_EVERY = 4


def train(network: SegmentationNetwork, context: Context) -> int:
    """Train all of `network` in place; the number of steps. Keeps the best weights met."""
    rng = context.rng(METHOD)
    network.eval()
    parameters = dict(network.named_parameters())
    start = {name: context.start[name].to(context.device.device) for name in parameters}
    sampler = by_gradient.Draws(context, rng)
    starting = runnable(network, context.device)

    unseen = context.unseen(network.head.out_channels)

    def loss(step: int) -> Tensor:
        drawn = [(patch.images, patch.classes) for patch in sampler.draw(step)]
        if context.replay is not None and step % REPLAY_EVERY == REPLAY_EVERY - 1:
            drawn[-1] = context.replay(by_gradient.EDGE, step)
        images, classes = zip(*drawn, strict=True)
        with torch.no_grad():
            known = by_gradient.forward(starting, images, context)
        fit = by_gradient.patch_loss(by_gradient.forward(network, images, context), classes, unseen, known)
        distance = torch.stack([((parameters[name] - start[name]) ** 2).sum() for name in parameters]).sum()
        return fit + 0.5 * PULL * distance

    return by_gradient.run(METHOD, network, context, parameters, SCHEDULE, loss)
