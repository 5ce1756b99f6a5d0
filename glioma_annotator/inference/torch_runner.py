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
from glioma_annotator.inference.networks import ResidualInceptionUNet
from glioma_annotator.inference.runner import Block, OutOfMemory
from glioma_annotator.progress import CancelToken

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
        self._network: ResidualInceptionUNet = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self._device = device
        self.name = device.name if device.gpu else f"{device.name.replace(', ', ', torch, ', 1)}"
        self.multiple = network.multiple
        self.gpu = device.gpu

    def run(self, images: NDArray[np.float32], want_features: bool, cancel: CancelToken) -> Block:
        with out_of_memory_named(), stoppable(self._network, cancel), torch.inference_mode(), precision(self._device):
            batch = torch.from_numpy(np.ascontiguousarray(images[None]))
            features = self._network.features(batch.to(self._device.device, memory_format=torch.channels_last_3d))
            logits = self._network.head(features)
            softmax = torch.softmax(logits[0].float(), dim=0).cpu().numpy()
            kept = features[0].half().contiguous().cpu().numpy() if want_features else None
        return Block(softmax, kept)

    def bytes_needed(self, shape: Shape, want_features: bool) -> int:
        width = self._network.head.in_channels
        per_voxel = LIVE_TENSORS * width * (2 if self._device.mixed else 4)
        return int(np.prod(shape)) * per_voxel


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
def stoppable(network: nn.Module, cancel: CancelToken) -> Iterator[None]:
    """Within it, a running network raises `Cancelled` at its next layer: one block can take seconds on a slow CPU."""

    def check(_module: nn.Module, _inputs: object) -> None:
        cancel.raise_if_cancelled()

    hooks = [module.register_forward_pre_hook(check) for module in network.modules()]
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
