"""Prediction patch by patch, the overlap averaged, nothing computed where there is no brain."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glioma_annotator.domain.geometry import Box, Shape
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.progress import CancelToken, Report, StepProgress

#: Least share of its edge that a patch has in common with the next.
OVERLAP = 0.25
#: Standard deviation of a patch's Gaussian weights as a share of its edge (as nnU-Net and MONAI have it).
SIGMA = 0.125
#: Least weight of a voxel: a corner that only one patch covers still counts.
LEAST_WEIGHT = 1e-3


def predict(
    network: nn.Module,
    images: NDArray[np.float32],
    brain: NDArray[np.bool_],
    patch: Shape,
    device: ComputeDevice,
    report: Report,
    cancel: CancelToken,
) -> tuple[NDArray[np.float32], int]:
    """Class probabilities of z-scored images, and the number of patches the network saw.

    Softmax outputs of overlapping patches are averaged, each voxel weighted by a Gaussian around its patch's centre:
    predictions near a patch's border, where context is missing, count less. Patches without brain are skipped.
    The sums are kept in float32 in main memory; the device holds one patch at a time.

    Parameters
    ----------
    network: logits (1, class, i, j, k) from (1, channel, i, j, k), already on `device`.
    images: (channel, i, j, k), 0 outside the brain.
    brain: (i, j, k).
    patch: patch size in voxels.

    Returns float32 (class, i, j, k), 0 for every class in voxels that no patch covers.
    Raises `Cancelled` within one layer of the network after a request.
    """
    shape: Shape = (brain.shape[0], brain.shape[1], brain.shape[2])
    pads = [((p - n) // 2, p - n - (p - n) // 2) if n < p else (0, 0) for n, p in zip(shape, patch, strict=True)]
    padded = np.pad(images, [(0, 0), *pads])
    boxes = plan(np.pad(brain, pads), patch)
    if not boxes:
        raise ValueError("there is no brain to predict")
    weights = gaussian_weights(patch)
    total = np.zeros(padded.shape[1:], dtype=np.float32)
    sums: NDArray[np.float32] | None = None
    progress = StepProgress(report, len(boxes), "Segmenting")
    with stoppable(network, cancel), torch.inference_mode(), _precision(device):
        for number, box in enumerate(boxes, start=1):
            cancel.raise_if_cancelled()
            i, j, k = box.slices
            batch = torch.from_numpy(padded[None, :, i, j, k])
            logits = network(batch.to(device.device, memory_format=torch.channels_last_3d))
            shares = torch.softmax(logits[0].float(), dim=0).cpu().numpy()
            if sums is None:
                sums = np.zeros((shares.shape[0], *padded.shape[1:]), dtype=np.float32)
            sums[:, i, j, k] += shares * weights
            total[i, j, k] += weights
            progress.step(f"Segmenting: {number} of {len(boxes)} patches")
    assert sums is not None  # there was at least one box
    sums /= np.maximum(total, LEAST_WEIGHT)
    i, j, k = (slice(before, before + n) for (before, _), n in zip(pads, shape, strict=True))
    return sums[:, i, j, k], len(boxes)


def plan(brain: NDArray[np.bool_], patch: Shape) -> list[Box]:
    """Boxes of `patch` voxels that cover every brain voxel (i, j, k), evenly spread over the brain's box.

    Neighbours share at least `OVERLAP` of their edge. Boxes without brain are left out. No axis of `brain` may be
    shorter than the patch.
    """
    around = Box.around(brain)
    if around is None:
        return []
    starts = [_starts(*axis) for axis in zip(around.start, around.stop, brain.shape, patch, strict=True)]
    boxes = [Box((i, j, k), (i + patch[0], j + patch[1], k + patch[2])) for i, j, k in itertools.product(*starts)]
    return [box for box in boxes if brain[box.slices].any()]


def _starts(first: int, stop: int, size: int, patch: int) -> list[int]:
    """Where patches begin along one axis to cover `first` to `stop` of `size` voxels."""
    extent = stop - first
    if extent <= patch:
        return [min(max(first - (patch - extent) // 2, 0), size - patch)]
    count = math.ceil((extent - patch) / (patch * (1 - OVERLAP))) + 1
    return [round(start) for start in np.linspace(first, stop - patch, count)]


def gaussian_weights(patch: Shape) -> NDArray[np.float32]:
    """Weight (i, j, k) of each voxel of a patch: 1 at its centre, at least `LEAST_WEIGHT`."""
    i, j, k = (np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (SIGMA * n)) ** 2) for n in patch)
    product = i[:, None, None] * j[:, None] * k
    return np.asarray(np.maximum(product, LEAST_WEIGHT), dtype=np.float32)


@contextmanager
def stoppable(network: nn.Module, cancel: CancelToken) -> Iterator[None]:
    """Within it, a running network raises `Cancelled` at its next layer: one patch can take seconds on a slow CPU."""

    def check(_module: nn.Module, _inputs: object) -> None:
        cancel.raise_if_cancelled()

    hooks = [module.register_forward_pre_hook(check) for module in network.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _precision(device: ComputeDevice) -> Iterator[None]:
    """bfloat16 where the device computes in it, and the same result for the same input."""
    with (
        torch.autocast(device.device.type, dtype=torch.bfloat16, enabled=device.mixed),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        yield
