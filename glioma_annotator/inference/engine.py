"""Loaded networks and what they run on: the part of the segmenter that needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.inference import sliding_window
from glioma_annotator.inference.device import ComputeDevice, choose_device
from glioma_annotator.inference.fusing import fused
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.networks import ResidualInceptionUNet
from glioma_annotator.progress import CancelToken, Report


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Class probabilities float32 (class, i, j, k), where they were computed, from how many patches, and messages."""

    probabilities: NDArray[np.float32]
    device: str
    patches: int
    messages: tuple[str, ...] = ()


class Engine:
    """Runs models; the last one stays loaded."""

    def __init__(self) -> None:
        self._key: tuple[Path, str, str] | None = None
        self._network: ResidualInceptionUNet | None = None

    def predict(
        self,
        folder: Path,
        card: ModelCard,
        images: NDArray[np.float32],
        brain: NDArray[np.bool_],
        device: str,
        report: Report,
        cancel: CancelToken,
    ) -> Prediction:
        """Predict z-scored images (channel, i, j, k), 0 outside `brain` (i, j, k), of the card's spacing.

        With device "auto", a GPU whose memory does not suffice is exchanged for the CPU, and a message says so.
        Raises `UserError` for a damaged model or an absent device, `EnvironmentFailure` when memory does not suffice,
        and `Cancelled`.
        """
        chosen = choose_device(device)
        try:
            return self._run(folder, card, images, brain, chosen, report, cancel)
        except torch.OutOfMemoryError as error:
            self._forget()
            torch.cuda.empty_cache()
            if device != "auto":
                raise EnvironmentFailure(
                    f"The memory of the {chosen.name} does not suffice to segment.",
                    "Close other programs that use the GPU, or choose the CPU.",
                ) from error
        message = f"The memory of the {chosen.name} did not suffice; the CPU was used."
        result = self._run(folder, card, images, brain, choose_device("cpu"), report, cancel)
        return Prediction(result.probabilities, result.device, result.patches, (message,))

    def _run(
        self,
        folder: Path,
        card: ModelCard,
        images: NDArray[np.float32],
        brain: NDArray[np.bool_],
        device: ComputeDevice,
        report: Report,
        cancel: CancelToken,
    ) -> Prediction:
        with _memory_explained():
            network = self._load(folder, card, device)
            cancel.raise_if_cancelled()
            probabilities, patches = sliding_window.predict(network, images, brain, card.patch, device, report, cancel)
        return Prediction(probabilities, device.name, patches)

    def _load(self, folder: Path, card: ModelCard, device: ComputeDevice) -> ResidualInceptionUNet:
        key = (folder, card.weights_sha256, device.name)
        if self._network is None or self._key != key:
            self._forget()
            _, network = load_model(folder)
            network = fused(network).to(device.device)
            self._network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
            self._key = key
        return self._network

    def _forget(self) -> None:
        self._key = self._network = None


@contextmanager
def _memory_explained() -> Iterator[None]:
    """Say what it means when main memory does not suffice; torch says so with a plain `RuntimeError`."""
    todo = "Close other programs, or use a computer with more memory."
    try:
        yield
    except MemoryError as error:
        raise EnvironmentFailure("The computer's memory does not suffice to segment.", todo) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error) and "not enough memory" not in str(error):
            raise
        raise EnvironmentFailure("The computer's memory does not suffice to segment.", todo) from error
