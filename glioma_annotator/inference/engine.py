"""Which network runs where and how: device, what computes, one pass or tiles or patches; without memory, the next.

Torch is imported only where torch computes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.inference import covering
from glioma_annotator.inference.runner import Block, OutOfMemory, Runner
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.settings import SegmentationSettings

MODES = ("one-pass", "tiles", "patches")
DEFAULTS = SegmentationSettings()


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a network says about a brain.

    Attributes
    ----------
    probabilities: float32 (class, i, j, k).
    device: where it was computed, for a reader.
    patches: number of blocks the network saw; 1 for one pass.
    messages: what a reader should know, one sentence each.
    features: float16 (channel, i, j, k), what the network's head reads; None when not asked for.
    mode: one of `MODES`.
    """

    probabilities: NDArray[np.float32]
    device: str
    patches: int
    messages: tuple[str, ...] = ()
    features: NDArray[np.float16] | None = None
    mode: str = ""


class Engine:
    """Runs models; the last one stays loaded."""

    def __init__(self) -> None:
        self._key: tuple[Path, str, str, str] | None = None
        self._runner: Runner | None = None

    def predict(
        self,
        folder: Path,
        card: ModelCard,
        images: NDArray[np.float32],
        brain: NDArray[np.bool_],
        device: str,
        report: Report,
        cancel: CancelToken,
        *,
        options: SegmentationSettings = DEFAULTS,
        features: bool = False,
    ) -> Prediction:
        """Predict z-scored images (channel, i, j, k), 0 outside `brain` (i, j, k), of the card's spacing.

        Where memory does not suffice, the next mode takes over (one pass, tiles, patches), and with device "auto" the
        CPU after the GPU; a message says so. The same input, model, options and machine give the same result.

        Parameters
        ----------
        device: auto, cpu or cuda.
        options: mode, backend, memory, flips; its `device` is not looked at.
        features: also return what the network's head reads.

        Raises `UserError` for a damaged model, an absent device or backend, `EnvironmentFailure` when memory does not
        suffice, and `Cancelled`.
        """
        runner = self._load(folder, card, device, options.backend)
        messages: list[str] = []
        try:
            result = _covered(runner, card, images, brain, options, features, report, cancel)
        except OutOfMemory as error:
            self._forget()
            if not runner.gpu or device != "auto":
                raise _too_little(runner) from error
            messages.append(f"The memory of the {runner.name} did not suffice; the CPU was used.")
            runner = self._load(folder, card, "cpu", options.backend)
            try:
                result = _covered(runner, card, images, brain, options, features, report, cancel)
            except OutOfMemory as again:
                raise _too_little(runner) from again
        return replace(result, messages=(*messages, *result.messages))

    def _load(self, folder: Path, card: ModelCard, device: str, backend: str) -> Runner:
        key = (folder, card.weights_sha256, device, backend)
        if self._runner is None or self._key != key:
            self._forget()
            self._runner = make_runner(folder, card, device, backend)
            self._key = key
        return self._runner

    def _forget(self) -> None:
        self._key = self._runner = None


def make_runner(folder: Path, card: ModelCard, device: str, backend: str) -> Runner:
    """The model loaded on a device ("auto", "cpu", "cuda") by a backend ("auto", "openvino", "torch").

    Raises `UserError` for a damaged model or an absent device.
    """
    from glioma_annotator.inference.device import choose_device
    from glioma_annotator.inference.torch_runner import TorchRunner, out_of_memory_named

    try:
        with out_of_memory_named():
            return TorchRunner(folder, choose_device(device))
    except OutOfMemory as error:
        raise EnvironmentFailure(
            "The memory does not suffice to load the model.", "Close other programs, or use a smaller model."
        ) from error


def _too_little(runner: Runner) -> EnvironmentFailure:
    if runner.gpu:
        return EnvironmentFailure(
            f"The memory of the {runner.name} does not suffice to segment.",
            "Close other programs that use the GPU, or choose the CPU.",
        )
    return EnvironmentFailure(
        "The computer's memory does not suffice to segment.",
        "Close other programs, or use a computer with more memory.",
    )


def _covered(
    runner: Runner,
    card: ModelCard,
    images: NDArray[np.float32],
    brain: NDArray[np.bool_],
    options: SegmentationSettings,
    features: bool,
    report: Report,
    cancel: CancelToken,
) -> Prediction:
    """The brain covered in the first mode that memory allows. Raises `OutOfMemory` when none does."""
    shape = covering.rounded_up((brain.shape[0], brain.shape[1], brain.shape[2]), runner.multiple)
    bound = options.memory_gib * 2**30
    messages: list[str] = []
    first = 0 if options.mode == "auto" else MODES.index(options.mode)

    def run(block: NDArray[np.float32]) -> Block:
        return runner.run(block, features, cancel)

    for mode in MODES[first:]:
        try:
            if mode == "one-pass":
                if runner.bytes_needed(shape, features) > bound:
                    continue
                result, count = covering.whole(run, images, runner.multiple), 1
            elif mode == "tiles":
                tile = covering.tile_shape(
                    shape, runner.multiple, lambda tile: runner.bytes_needed(tile, features) <= bound
                )
                if tile is None:
                    continue
                result, count = covering.in_tiles(run, images, tile, runner.multiple, report, cancel)
            else:
                result, count = covering.in_patches(run, images, brain, card.patch, report, cancel)
        except OutOfMemory:
            if mode == MODES[-1]:
                raise
            messages.append(f"The memory did not suffice in {mode} mode; the next one was used.")
        else:
            return Prediction(result.softmax, runner.name, count, tuple(messages), result.features, mode)
    raise OutOfMemory
