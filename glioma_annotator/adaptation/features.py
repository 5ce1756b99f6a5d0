"""Passes of a network over whole visits, and what they leave to train on.

Methods that leave the front of the network alone train on what it computed once: the features in front of the head
(`last-layer`), or what the last decoder stage reads (`decoder`). Both come from one pass and are kept as float16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glioma_annotator.adaptation.cases import PreparedCase
from glioma_annotator.adaptation.stages import decode_last, encode
from glioma_annotator.domain.geometry import Shape
from glioma_annotator.heap import give_back
from glioma_annotator.inference.covering import HALO, rounded_up
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.inference.fusing import fused
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.inference.torch_runner import LIVE_TENSORS, precision
from glioma_annotator.progress import CancelToken

Half = NDArray[np.float16]

#: Memory that a tile's tensors may take by the count, in bytes; with what the pass leaves, and what lies unused between
#: them, it comes to half as much again. The window with its visits has to stay below 4 GiB.
MOST_BYTES = 1.4 * 2**30
_LEAST_CORE = 32


@dataclass(frozen=True, slots=True, eq=False)
class StageInputs:
    """What the last decoder stage reads, for the whole padded visit.

    Attributes
    ----------
    below: float16 (2 x filters, i/2, j/2, k/2), output of the decoder stage before.
    skip: float16 (filters, i, j, k), output of the first encoder.
    """

    below: Half
    skip: Half


@dataclass(frozen=True, slots=True, eq=False)
class CaseFeatures:
    """What one pass left of a visit.

    Attributes
    ----------
    case: the visit.
    values: float16 (n, filters), in front of the head, at the brain's voxels in C order.
    stage: what the last decoder stage reads; None when it was not kept.
    """

    case: PreparedCase
    values: Half
    stage: StageInputs | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """What a network finds in a visit.

    Attributes
    ----------
    classes: uint8 (i, j, k), the most probable class that the visit may have; 0 outside the brain.
    softmax: uint8 (class, i, j, k), probabilities times 255 of the classes that it may have; background outside.
    """

    classes: NDArray[np.uint8]
    softmax: NDArray[np.uint8]


def compute_features(
    network: SegmentationNetwork, case: PreparedCase, device: ComputeDevice, cancel: CancelToken, keep_stage: bool
) -> CaseFeatures:
    """One pass over a visit. `network` is left as it is. Raises `Cancelled` within one layer of a request."""
    quick = runnable(network, device)

    def step(batch: Tensor) -> list[Tensor]:
        if not keep_stage:
            return [quick.features(batch)]
        below, skip = encode(quick, batch)
        return [decode_last(quick, below, skip), below, skip]

    out, *stage = _tiled(quick, step, case, device, cancel)
    inside = tuple(slice(0, n) for n in case.shape)
    values = np.ascontiguousarray(out[(slice(None), *inside)][:, case.brain].T)
    return CaseFeatures(case, values, StageInputs(stage[0], stage[1]) if stage else None)


def predict(network: SegmentationNetwork, case: PreparedCase, device: ComputeDevice, cancel: CancelToken) -> Marked:
    """What the network finds in a visit, from one pass. Raises `Cancelled` within one layer of a request."""
    quick = runnable(network, device)
    (logits,) = _tiled(quick, lambda batch: [quick(batch)], case, device, cancel)
    inside = tuple(slice(0, n) for n in case.shape)
    return _marked(logits[(slice(None), *inside)][:, case.brain].astype(np.float32), case)


def marked_of(features: CaseFeatures, head: nn.Conv3d) -> Marked:
    """What a network with this head finds in a visit, from cached features."""
    return _marked(head_scores(head, features.values), features.case)


def classes_of(features: CaseFeatures, head: nn.Conv3d) -> NDArray[np.uint8]:
    """The classes of `marked_of` alone, which take less time."""
    result = np.zeros(features.case.shape, dtype=np.uint8)
    result[features.case.brain] = best_class(head_scores(head, features.values), features.case.barred)
    return result


def _marked(scores: NDArray[np.float32], case: PreparedCase) -> Marked:
    """From the logits (class, n) of the brain's voxels in C order, which are changed."""
    classes = np.zeros(case.shape, dtype=np.uint8)
    classes[case.brain] = best_class(scores, case.barred)
    scores[list(case.barred)] = -np.inf
    scores -= scores.max(axis=0)
    np.exp(scores, out=scores)
    scores *= 255 / scores.sum(axis=0)
    softmax = np.zeros((len(scores), *case.shape), dtype=np.uint8)
    softmax[0] = 255
    softmax[:, case.brain] = np.rint(scores)
    return Marked(classes, softmax)


def best_class(scores: NDArray[np.floating[Any]], barred: Sequence[int] = ()) -> NDArray[np.uint8]:
    """Class of the largest score along the first axis, `barred` ones apart; pairwise maxima, quicker than `argmax`."""
    best = scores[0].copy()
    result = np.zeros(scores.shape[1:], dtype=np.uint8)
    for number in range(1, len(scores)):
        if number in barred:
            continue
        higher = scores[number] > best
        result[higher] = number
        np.maximum(best, scores[number], out=best)
    return result


@contextmanager
def stoppable(network: nn.Module, cancel: CancelToken) -> Iterator[None]:
    """Within it, a running network raises `Cancelled` at its next layer: one pass can take seconds on a slow CPU."""

    def check(_module: nn.Module, _inputs: object) -> None:
        cancel.raise_if_cancelled()

    hooks = [module.register_forward_pre_hook(check) for module in network.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def runnable(network: SegmentationNetwork, device: ComputeDevice) -> SegmentationNetwork:
    """A copy that runs fast on `device`, without gradients."""
    quick = fused(network).to(device.device)
    return quick.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload,no-any-return]


def _tiled(
    network: SegmentationNetwork,
    step: Callable[[Tensor], list[Tensor]],
    case: PreparedCase,
    device: ComputeDevice,
    cancel: CancelToken,
) -> list[Half]:
    """Outputs of `step` for the whole padded visit, float16 (channel, ...), put together from tiles."""
    whole = rounded_up(case.shape, network.multiple)
    images = np.zeros((len(case.images), *whole), dtype=np.float32)
    images[(slice(None), *(slice(0, n) for n in case.shape))] = case.images
    axis = int(np.argmax(whole))
    results: list[Half] = []
    with stoppable(network, cancel), torch.inference_mode(), precision(device):
        for start, stop, low, high in _tiles(whole, axis, _voxel_bytes(network, device), network.multiple):
            cancel.raise_if_cancelled()
            if start:
                give_back()  # what the last tile left in pieces
            part = np.take(images, range(low, high), axis=axis + 1)
            batch = torch.from_numpy(part[None]).to(device.device, memory_format=torch.channels_last_3d)
            for number, out in enumerate(step(batch)):
                values = out[0].to("cpu", torch.float16).numpy()
                ratio = part.shape[1] // values.shape[1]
                if len(results) <= number:
                    results.append(np.zeros((len(values), *(n // ratio for n in whole)), dtype=np.float16))
                to: list[slice] = [slice(None)] * 4
                of: list[slice] = [slice(None)] * 4
                to[axis + 1] = slice(start // ratio, stop // ratio)
                of[axis + 1] = slice((start - low) // ratio, (stop - low) // ratio)
                results[number][tuple(to)] = values[tuple(of)]
            del batch, out, values
    return results


def _voxel_bytes(network: SegmentationNetwork, device: ComputeDevice) -> int:
    return LIVE_TENSORS * network.head.in_channels * (2 if device.mixed else 4)


def _tiles(whole: Shape, axis: int, voxel_bytes: int, multiple: int) -> Iterator[tuple[int, int, int, int]]:
    """Along `axis`: start and stop of every tile's core, and the first and last voxel computed for it.

    As few tiles as memory allows, equally wide but the last: those at the ends have one neighbour, so their cores are
    larger. Widths are rounded up to `multiple`, so fewer tiles than planned may do.
    """
    size = whole[axis]
    slab = voxel_bytes * float(np.prod(whole)) / size
    halo = -(-HALO // multiple) * multiple
    room = max(int(MOST_BYTES / slab), 2 * halo + _LEAST_CORE)
    count = 1 if size <= room else -(-(size - 2 * halo) // (room - 2 * halo))
    width = -(-(size + 2 * halo * (count - 1)) // count)
    width += -width % multiple
    for number in range(count):
        low = number * (width - 2 * halo)
        high = min(low + width, size)
        yield (low + halo if number else 0), (high if high == size else high - halo), low, high
        if high == size:
            return


def head_scores(head: nn.Conv3d, values: Half) -> NDArray[np.float32]:
    """Logits float32 (class, n) of features (n, filters)."""
    weight = head.weight.detach().cpu().float().flatten(1).numpy()
    bias = np.zeros(len(weight), np.float32) if head.bias is None else head.bias.detach().cpu().float().numpy()
    return np.asarray(weight @ values.astype(np.float32).T + bias[:, None], dtype=np.float32)
