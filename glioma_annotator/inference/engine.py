"""Which network runs where and how: device, what computes, one pass or tiles or patches; without memory, the next.

Torch is imported only where torch computes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glioma_annotator import paths
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.inference import covering, openvino_library, openvino_runner
from glioma_annotator.inference.gpu import built_for_gpu, gpu_present
from glioma_annotator.inference.runner import Block, OutOfMemory, Runner
from glioma_annotator.inference.waiting import wait_for
from glioma_annotator.progress import CancelToken, Report, ignore_progress, part
from glioma_annotator.settings import SegmentationSettings

MODES = ("one-pass", "tiles", "patches")
TITLES = {"one-pass": "one pass", "tiles": "tiles", "patches": "patches"}
DEVICES = ("auto", "cpu", "cuda")
#: Memory of the program itself, its libraries, the images and the mask, that the bound includes: measured.
OVERHEAD = 0.7 * 2**30
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
    """Runs models; the last one stays loaded.

    Parameters
    ----------
    cache: folder for converted networks; the user's cache when None.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache or paths.network_cache()
        self._key: tuple[Path, str, str, str, str] | None = None
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
        work = _Work(card, images, brain, options, features, report, cancel)
        runner = self._load(folder, card, device, options, cancel)
        try:
            return work.done_by(runner)
        except OutOfMemory as error:
            self._forget()
            if not runner.gpu or device != "auto":
                raise _too_little(runner) from error
        message = f"The memory of the {runner.name} did not suffice; the CPU was used."
        runner = self._load(folder, card, "cpu", options, cancel)
        try:
            result = work.done_by(runner)
        except OutOfMemory as error:
            raise _too_little(runner) from error
        return replace(result, messages=(message, *result.messages))

    def _load(
        self, folder: Path, card: ModelCard, device: str, options: SegmentationSettings, cancel: CancelToken
    ) -> Runner:
        backend, precision = options.backend, options.precision
        key = (folder, card.weights_sha256, device, backend, precision)
        if self._runner is None or self._key != key:
            self._forget()
            self._runner = wait_for(lambda: make_runner(folder, card, device, backend, self._cache, precision), cancel)
            self._key = key
        return self._runner

    def _forget(self) -> None:
        self._key = self._runner = None


def make_runner(
    folder: Path, card: ModelCard, device: str, backend: str, cache: Path, precision: str = "auto"
) -> Runner:
    """The model loaded on a device ("auto", "cpu", "cuda") by a backend ("auto", "openvino", "torch").

    "auto" takes a GPU by torch when there is one, else OpenVINO, else torch on the CPU. Torch is not imported when
    OpenVINO computes what it has converted before; `precision` ("auto", "8-bit", "float") is OpenVINO's. Raises
    `UserError` for a damaged model, an absent device or backend, `EnvironmentFailure` when memory does not suffice.
    """
    if device not in DEVICES:
        raise UserError(f"There is no device called “{device}”.", f"Choose one of {', '.join(DEVICES)}.")
    if backend == "openvino" and not openvino_library.available():
        raise UserError("OpenVINO is not installed.", "Install it (pip install openvino), or choose another backend.")
    if backend == "openvino" and device == "cuda":
        raise UserError("OpenVINO runs on the CPU only.", "Choose the CPU, or torch for the GPU.")
    try:
        on_gpu = device == "cuda" or (device == "auto" and backend != "openvino" and gpu_present())
        if not on_gpu and backend != "torch" and openvino_library.available():
            return openvino_runner.OpenVinoRunner(folder, card, cache, precision)
        from glioma_annotator.inference.device import choose_device
        from glioma_annotator.inference.torch_runner import TorchRunner, out_of_memory_named

        with out_of_memory_named():
            return TorchRunner(folder, choose_device("cuda" if on_gpu else "cpu"))
    except (MemoryError, OutOfMemory) as error:
        raise EnvironmentFailure(
            "The memory does not suffice to load the model.", "Close other programs, or use a smaller model."
        ) from error


def describe(device: str, options: SegmentationSettings) -> str:
    """What will compute on `device`, for a reader; imports neither torch nor OpenVINO."""
    with_openvino = options.backend != "torch" and openvino_library.available()
    cpu = f"{'OpenVINO' if with_openvino else 'torch'} on the processor"
    if device == "cuda":
        where = "torch on the graphics card"
    elif device == "auto" and options.backend != "openvino" and built_for_gpu():
        where = f"torch on a graphics card, else {cpu}"
    else:
        where = cpu
    return f"{where}, {TITLES[MODES[0] if options.mode == 'auto' else options.mode]}"


def _check_numbers(softmax: NDArray[np.float32], card: ModelCard) -> None:
    """Raise `UserError` when a network's answer holds what is no number: it would pass for background."""
    if not np.isfinite(softmax.sum(dtype=np.float64)):
        raise UserError(
            f"The model “{card.name}” answers with what is no number: its weights must be damaged or too large.",
            "Choose another model; make this one again if it was trained or adapted here.",
        )


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


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be predicted and how."""

    card: ModelCard
    images: NDArray[np.float32]
    brain: NDArray[np.bool_]
    options: SegmentationSettings
    features: bool
    report: Report
    cancel: CancelToken

    def done_by(self, runner: Runner) -> Prediction:
        """Predicted in the first mode that memory allows. Raises `OutOfMemory` when none does."""
        wanted = self.options.mode
        messages: list[str] = []
        for mode in MODES[0 if wanted == "auto" else MODES.index(wanted) :]:
            try:
                found = self._mirrored_too(mode, runner)
            except (OutOfMemory, MemoryError):
                found = None
            if found is not None:
                block, count = found
                _check_numbers(block.softmax, self.card)
                return Prediction(block.softmax, runner.name, count, tuple(messages), block.features, mode)
            following = MODES[MODES.index(mode) + 1 :]
            if following:
                messages.append(
                    f"The memory allowed does not suffice for {TITLES[mode]}; {TITLES[following[0]]} follow."
                )
        raise OutOfMemory

    def _mirrored_too(self, mode: str, runner: Runner) -> tuple[Block, int] | None:
        """The answer, averaged with that for the images mirrored left to right when the options ask for it.

        Features stay those of the images as they are.
        """
        if not self.options.flips:
            return self._covered(mode, runner, self.images, self.brain, self.report)
        plain = self._covered(mode, runner, self.images, self.brain, part(self.report, 0.0, 0.5))
        if plain is None:
            return None
        images, brain = self.images[:, ::-1], self.brain[::-1]
        mirrored = self._covered(mode, runner, images, brain, part(self.report, 0.5, 1.0))
        if mirrored is None:
            return None
        (block, count), (other, more) = plain, mirrored
        mean = (block.softmax + other.softmax[:, ::-1]) * np.float32(0.5)
        return Block(mean, block.features), count + more

    def _covered(
        self, mode: str, runner: Runner, images: NDArray[np.float32], brain: NDArray[np.bool_], report: Report
    ) -> tuple[Block, int] | None:
        """The answer in one mode and the number of blocks; None when the bound on memory forbids the mode."""
        multiple, cancel = runner.multiple, self.cancel
        bound = self.options.memory_gib * 2**30 - OVERHEAD
        shape = covering.rounded_up((brain.shape[0], brain.shape[1], brain.shape[2]), multiple)

        def run(block: NDArray[np.float32], told: Report = ignore_progress) -> Block:
            return runner.run(block, self.features, bound, told, cancel)

        if mode == "one-pass":
            if not runner.fits(shape, self.features, bound):
                return None
            return covering.whole(lambda block: run(block, report), images, multiple), 1
        if mode == "tiles":
            tile = covering.tile_shape(shape, multiple, lambda tile: runner.fits(tile, self.features, bound))
            if self.options.mode == "tiles" and tile == shape:  # asked for: two at least where they can be
                tile = covering.tile_shape(shape, multiple, lambda tile: tile != shape) or tile
            return covering.in_tiles(run, images, tile, multiple, report, cancel) if tile is not None else None
        return covering.in_patches(run, images, brain, self.card.patch, report, cancel)
