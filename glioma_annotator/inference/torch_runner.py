"""Networks run by torch: on a GPU, and on a CPU without OpenVINO."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from glioma_annotator.domain.geometry import Shape
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.inference.fusing import fused
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.inference.runner import Block, OutOfMemory
from glioma_annotator.inference.waiting import wait_for
from glioma_annotator.progress import CancelToken, Report, StepProgress

#: Tensors of the finest level that are alive at once, in multiples of its filters: measured on the published network,
#: where a decoder block holds its input (2), the branches (4 + 4 for their concatenation) and the sums.
LIVE_TENSORS = 14


class TorchRunner:
    """Fulfils `Runner` with torch, in channels-last memory and bfloat16 where the device computes in it.

    Raises what `load_model` raises.
    """

    def __init__(self, folder: Path, device: ComputeDevice) -> None:
        _, network = load_model(folder)
        network = fused(network).to(device.device)
        self._network: SegmentationNetwork = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self._device = device
        self.name = device.name if device.gpu else f"{device.name.replace(', ', ', torch, ', 1)}"
        self.multiple = network.multiple
        self.gpu = device.gpu

    def run(
        self, images: NDArray[np.float32], want_features: bool, _bound: float, report: Report, cancel: CancelToken
    ) -> Block:
        return wait_for(lambda: self._forward(images, want_features, report, cancel), cancel)

    def _forward(self, images: NDArray[np.float32], want_features: bool, report: Report, cancel: CancelToken) -> Block:
        with (
            out_of_memory_named(),
            watched(self._network, report, cancel),
            torch.inference_mode(),
            precision(self._device),
        ):
            batch = torch.from_numpy(np.ascontiguousarray(images[None]))
            features = self._network.features(batch.to(self._device.device, memory_format=torch.channels_last_3d))
            logits = self._network.head(features)
            softmax = torch.softmax(logits[0].float(), dim=0).cpu().numpy()
            kept = features[0].half().contiguous().cpu().numpy() if want_features else None
        return Block(softmax, kept)

    def fits(self, shape: Shape, want_features: bool, bound: float) -> bool:
        width = self._network.head.in_channels
        per_voxel = (LIVE_TENSORS + want_features) * width * (2 if self._device.mixed else 4)
        return int(np.prod(shape)) * per_voxel <= bound


@contextmanager
def out_of_memory_named() -> Iterator[None]:
    """Within it, torch's ways to say that memory does not suffice become `OutOfMemory`."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemory from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error) and "not enough memory" not in str(error):
            raise
        raise OutOfMemory from error


@contextmanager
def watched(network: nn.Module, report: Report, cancel: CancelToken) -> Iterator[None]:
    """Within it, a running network reports each layer it begins and raises `Cancelled` at the next after a request."""
    layers = [module for module in network.modules() if not any(module.children())]
    progress = StepProgress(report, len(layers), "Segmenting in one pass")

    def check(_module: nn.Module, _inputs: object) -> None:
        cancel.raise_if_cancelled()
        progress.step()

    hooks = [layer.register_forward_pre_hook(check) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def precision(device: ComputeDevice) -> Iterator[None]:
    """bfloat16 where the device computes in it, and the same result for the same input."""
    with (
        torch.autocast(device.device.type, dtype=torch.bfloat16, enabled=device.mixed),
        torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True),
    ):
        yield
