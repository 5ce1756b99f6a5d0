"""The last decoder stage and the head, trained on what the encoder and the deeper stages computed once.

Normalisation layers: all keep the starting model's statistics; weight and bias of those in the trained stage learn.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glioma_annotator.adaptation.features import CaseFeatures, StageInputs, best_class, runnable
from glioma_annotator.adaptation.methods import by_gradient
from glioma_annotator.adaptation.methods.context import Context
from glioma_annotator.adaptation.patches import Patch
from glioma_annotator.adaptation.stages import decode_last, last_stage
from glioma_annotator.domain.adaptation import AdaptationMethod, Verdict
from glioma_annotator.domain.geometry import Box
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.inference.torch_runner import precision

METHOD = AdaptationMethod.DECODER
SCHEDULE = by_gradient.Schedule(steps=60, least=15, rate=1e-3)


def train(network: SegmentationNetwork, context: Context) -> int:
    """Train the last stage of `network` in place on cached features; the number of steps."""
    network.requires_grad_(False).eval()
    stages = [_stage(found) for found in (*context.train_features, *context.lesion_features)]
    modules = [*last_stage(network), network.head]
    parameters = {f"{n}.{p}": value for n, module in enumerate(modules) for p, value in module.named_parameters()}
    rng = context.rng(METHOD)
    sampler = by_gradient.Draws(context, rng, step=2, augment=False)
    starting = runnable(network, context.device)

    unseen = context.unseen(network.head.out_channels)

    def loss(step: int) -> Tensor:
        drawn = sampler.draw(step)
        inputs = [_inputs(stages[patch.part], patch, context) for patch in drawn]
        below, skip = (torch.cat(parts) for parts in zip(*inputs, strict=True))
        with precision(context.device):
            logits = network.head(decode_last(network, below, skip))
            with torch.no_grad():
                known = starting.head(decode_last(starting, below, skip))
        return by_gradient.patch_loss(logits, [patch.classes for patch in drawn], unseen, known)

    def measure() -> Verdict:
        return context.held_out.quick(_predict_crops(network, context))

    return by_gradient.run(METHOD, network, context, parameters, SCHEDULE, loss, measure)


def _stage(found: CaseFeatures) -> StageInputs:
    if found.stage is None:
        raise ValueError("the pass over the visit did not keep what the last decoder stage reads")
    return found.stage


def _inputs(stage: StageInputs, patch: Patch, context: Context) -> tuple[Tensor, Tensor]:
    """What the stage reads of a patch, as batches on the device; 0 beyond the visit's border."""
    edge = patch.classes.shape[0]
    box = Box(patch.start, (patch.start[0] + edge, patch.start[1] + edge, patch.start[2] + edge))
    return _batch(stage.below, _halved(box), context), _batch(stage.skip, box, context)


def _batch(array: NDArray[np.float16], box: Box, context: Context) -> Tensor:
    size = array.shape[1:]
    inside = box.clipped((size[0], size[1], size[2]))
    batch = np.zeros((1, len(array), *box.shape), dtype=np.float32)
    i, j, k = (slice(a - b, c - b) for a, b, c in zip(inside.start, box.start, inside.stop, strict=True))
    batch[0, :, i, j, k] = array[(slice(None), *inside.slices)]
    return torch.from_numpy(batch).to(context.device.device, memory_format=torch.channels_last_3d)


def _halved(box: Box) -> Box:
    """The box on voxels twice as large; its edges are even."""
    start = (box.start[0] // 2, box.start[1] // 2, box.start[2] // 2)
    return Box(start, (box.stop[0] // 2, box.stop[1] // 2, box.stop[2] // 2))


def _predict_crops(network: SegmentationNetwork, context: Context) -> list[NDArray[np.uint8]]:
    quick = runnable(network, context.device)
    results = []
    with torch.inference_mode(), precision(context.device):
        for found, crop in zip(context.held_features, context.held_out.crops, strict=True):
            context.cancel.raise_if_cancelled()
            i, j, k = (n + n % 2 for n in crop.shape)
            even = Box(crop.start, (crop.start[0] + i, crop.start[1] + j, crop.start[2] + k))
            stage = _stage(found)
            below, skip = _batch(stage.below, _halved(even), context), _batch(stage.skip, even, context)
            logits = quick.head(decode_last(quick, below, skip))[0]
            inside = tuple(slice(0, n) for n in crop.shape)
            classes = best_class(logits[(slice(None), *inside)].float().cpu().numpy(), found.case.barred)
            results.append(classes * found.case.brain[crop.slices])
    return results
