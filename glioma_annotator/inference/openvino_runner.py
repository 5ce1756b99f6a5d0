"""Networks run by OpenVINO: on x86 and ARM processors. Torch is imported only to convert a network the first time."""

from __future__ import annotations

import itertools
import math
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Shape
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import UserError
from glioma_annotator.inference.cards import CARD, COPY_AGAIN, read_weights
from glioma_annotator.inference.ir_cache import Converted, key_of, load_or_make
from glioma_annotator.inference.openvino_library import (
    computes_in_bfloat16,
    fast_in_eight_bits,
    import_openvino,
    types_in_words,
)
from glioma_annotator.inference.runner import Block, OutOfMemory
from glioma_annotator.inference.waiting import wait_for
from glioma_annotator.progress import CancelToken, Progress, Report

#: Tensors that are alive at once at a level, in multiples of its filters; measured on the published network.
LIVE_TENSORS = 14
#: Voxels of a slab, so that an adult brain has two: planes that slabs share are computed twice, but the second slab's
#: tensors take the memory of the first's, which is there already.
SLAB_VOXELS = 2_000_000
#: Planes at a slab's inner end that lack neighbours: the finest block sees 2 voxels far, the way to and from it 2 more
#: (rounded up to the even number that keeps the coarser level's voxels in place).
MARGIN = 4
#: Shares of the work of encode, middle and decode on the published network, for the progress between reports.
SHARES = (0.18, 0.39, 0.43)
#: Inputs and outputs of a network's models: of one, or of encode, middle and decode.
PORTS = ([(1, 2)], [(1, 2), (1, 1), (2, 2)])  # by whether there is a second width
_POLL_MS = 100
#: Torch traces one network at a time, and a loading that a request to stop left goes on: the next waits for its result.
_CONVERTING = threading.Lock()


def convert(folder: Path, eight_bit: bool = False) -> Converted:
    """The network of a model folder, converted. Takes seconds and imports torch. Raises what `load_model` raises.

    `eight_bit`: to be computed in 8 bits, with the card's ranges.
    """
    from glioma_annotator.inference.exporting import converted, exportable
    from glioma_annotator.inference.model_folder import load_model

    openvino = import_openvino()
    card, network = load_model(folder)
    ready = exportable(network)
    if eight_bit:
        from glioma_annotator.inference.eight_bit import round_to_eight_bits

        try:
            round_to_eight_bits(ready, card.ranges)
        except ValueError as error:
            raise UserError(f"The model card “{folder / CARD}” contradicts itself: {error}.", COPY_AGAIN) from error
    with warnings.catch_warnings():  # tracing warns of every size it takes as fixed; none of ours is
        warnings.simplefilter("ignore")
        facts, models = converted(ready, len(card.channels), openvino)
    parts = []
    with tempfile.TemporaryDirectory() as scratch:
        for model in models:
            graph, weights = Path(scratch) / "model.xml", Path(scratch) / "model.bin"
            openvino.serialize(model, graph, weights)
            parts.append((graph.read_bytes(), weights.read_bytes()))
    return Converted(facts, tuple(parts))


class OpenVinoRunner:
    """Fulfils `Runner` with OpenVINO on the processor, in 8 bits and bfloat16 where it computes in them.

    Of a residual-inception U-Net the finest level, most of the work and of the memory, runs in slabs of planes that
    overlap by the few voxels it sees; the result is that of one pass. Other networks run as a whole.

    Parameters
    ----------
    folder, card: the model.
    cache: folder for converted networks.
    precision: "8-bit" where the model allows, "float" (bfloat16 where the processor has it), "float32" to compare with,
        or "auto": 8 bits where the model allows and the processor has instructions for them, else "float".

    Raises what `load_model` raises.
    """

    gpu = False

    def __init__(self, folder: Path, card: ModelCard, cache: Path, precision: str = "auto") -> None:
        read_weights(folder, card)  # a damaged model is refused even where it lies converted in the cache
        self._openvino = import_openvino()
        self._core = self._openvino.Core()
        mixed = precision != "float32" and computes_in_bfloat16(self._core)
        eight_bit = bool(card.ranges) and (precision == "8-bit" or (precision == "auto" and fast_in_eight_bits()))
        self._type = self._openvino.Type.bf16 if mixed else self._openvino.Type.f32
        self._stored: type[np.generic] = np.uint16 if mixed else np.float32  # NumPy has no bfloat16: its bits
        self._settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "bf16" if mixed else "f32",
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # the window's thread needs a processor too
        }
        if os.environ.get("OMP_NUM_THREADS", "").isdigit():  # what other numerical libraries obey
            self._settings["INFERENCE_NUM_THREADS"] = int(os.environ["OMP_NUM_THREADS"])
        self.name = f"CPU, OpenVINO, {types_in_words(eight_bit, mixed)}"
        self._bytes = 2 if mixed else 4
        with out_of_memory_named(), _CONVERTING:
            key = key_of(card, self._openvino.__version__, eight_bit)
            load_or_make(cache, key, lambda: convert(folder, eight_bit), self._take)
        self._requests: dict[int, tuple[Any, Any]] = {}
        self._ending: list[_Ending] = []

    def _take(self, found: Converted) -> None:
        """Use a converted network. Raises RuntimeError, ValueError and others where it is damaged."""
        self.multiple = int(found.facts["multiple"])
        self._widths: list[int] = [int(width) for width in found.facts["widths"]]
        self._models = [self._core.read_model(graph, weights) for graph, weights in found.models]
        ports = [(len(model.inputs), len(model.outputs)) for model in self._models]
        finest, second = self._widths
        if ports != PORTS[second > 0] or min(self.multiple, finest) < 1:
            raise ValueError("these are not the parts of a network")
        if len(self._models) == 3:
            encode, middle, decode = self._models
            self._models = [
                self._typed(encode, outputs=(0, 1)),
                self._typed(middle, (0,), (0,)),
                self._typed(decode, (0, 1)),
            ]

    def run(
        self, images: NDArray[np.float32], want_features: bool, bound: float, report: Report, cancel: CancelToken
    ) -> Block:
        shape: Shape = (images.shape[1], images.shape[2], images.shape[3])
        self._forget_ended()
        with out_of_memory_named():
            if len(self._models) == 1:
                return self._run_whole(images, shape, want_features, report, cancel)
            return self._run_in_slabs(images, shape, want_features, bound, report, cancel)

    def fits(self, shape: Shape, want_features: bool, bound: float) -> bool:
        if len(self._models) == 1:
            return math.prod(shape) * self._bytes * self._widths[0] * (LIVE_TENSORS + want_features) <= bound
        return self._slab(shape, want_features, bound) is not None

    def _run_whole(
        self, images: NDArray[np.float32], shape: Shape, want_features: bool, report: Report, cancel: CancelToken
    ) -> Block:
        request = self._request(0, want_features, cancel, (1, images.shape[0], *shape))
        course = _Course(report, 1.0)
        softmax, *features = self._infer(request, [images[None]], 1.0, course, cancel)
        return Block(softmax[0].copy(), features[0][0].copy() if want_features else None)

    def _run_in_slabs(
        self,
        images: NDArray[np.float32],
        shape: Shape,
        want_features: bool,
        bound: float,
        report: Report,
        cancel: CancelToken,
    ) -> Block:
        length = self._slab(shape, want_features, bound)
        if length is None:
            raise OutOfMemory
        spans = slabs(shape[0], length)
        (fine, coarse), (i, j, k) = self._widths, shape
        skip = np.empty((i, j, k, fine), self._stored)
        below = np.empty((i // 2, j // 2, k // 2, coarse), self._stored)
        course = _Course(report, sum(SHARES))
        request = self._request(0, True, cancel, (1, images.shape[0], length, j, k))
        for start, first, _stop in spans:
            # A slab's answers are written where they belong; of the planes it shares, the first are the one's before.
            places = [skip[start : start + length], below[start // 2 : (start + length) // 2]]
            ends = [first - start, (first - start) // 2]
            before = [place[:end].copy() for place, end in zip(places, ends, strict=True)]
            self._infer(
                request, [images[None, :, start : start + length]], SHARES[0] / len(spans), course, cancel, places
            )
            for place, end, planes in zip(places, ends, before, strict=True):
                place[:end] = planes
        request = self._request(1, True, cancel, (1, *below.shape))
        (middle,) = self._infer(request, [below[None]], SHARES[1], course, cancel)
        softmax: NDArray[np.float32] | None = None
        features: NDArray[np.float16] | None = None
        request = self._request(2, want_features, cancel, (1, length // 2, *below.shape[1:]), (1, length, j, k, fine))
        for start, first, stop in spans:
            parts = [middle[:, start // 2 : (start + length) // 2], skip[None, start : start + length]]
            answers = self._infer(request, parts, SHARES[2] / len(spans), course, cancel)
            inner = slice(first - start, stop - start)
            if softmax is None:
                softmax = np.empty((answers[0].shape[1], *shape), np.float32)
                features = np.empty((fine, *shape), np.float16) if want_features else None
            softmax[:, first:stop] = answers[0][0, :, inner]
            if features is not None:
                features[:, first:stop] = answers[1][0, :, inner]
        assert softmax is not None  # there is at least one slab
        return Block(softmax, features)

    def _slab(self, shape: Shape, want_features: bool, bound: float) -> int | None:
        """Planes per slab so that memory keeps to `bound`; None when even the thinnest slab takes more."""
        voxels, plane = math.prod(shape), shape[1] * shape[2]
        fine, coarse = (width * self._bytes for width in self._widths)
        kept = voxels * (fine + coarse / 4 + 4 * 8) + want_features * voxels * 2 * self._widths[0]
        middle = voxels / 8 * coarse * LIVE_TENSORS
        if kept + middle > bound:
            return None
        for count in range(max(1, math.ceil(voxels / SLAB_VOXELS)), max(2, shape[0] // (2 * MARGIN))):
            length = slab_length(shape[0], count)
            if kept + length * plane * fine * (LIVE_TENSORS + want_features) <= bound:
                return length
        return None

    def _typed(self, model: Any, inputs: tuple[int, ...] = (), outputs: tuple[int, ...] = ()) -> Any:
        """The model with these tensors in the type that the network is computed in."""
        steps = self._openvino.preprocess.PrePostProcessor(model)
        for index in inputs:
            steps.input(index).tensor().set_element_type(self._type)
        for index in outputs:
            steps.output(index).tensor().set_element_type(self._type)
        return steps.build()

    def _request(self, which: int, want_features: bool, cancel: CancelToken, *shapes: tuple[int, ...]) -> Any:
        """A request to run one of the models on inputs of these shapes; the last one of each model is kept."""
        key = (want_features, shapes)
        kept = self._requests.get(which)
        if kept is None or kept[0] != key:
            self._requests.pop(which, None)
            model = self._models[which].clone()
            if not want_features:
                model.remove_result(model.get_results()[1])
            model.reshape({model.input(n): list(shape) for n, shape in enumerate(shapes)})
            compiled = wait_for(lambda: self._core.compile_model(model, "CPU", self._settings), cancel)
            self._requests[which] = kept = (key, compiled.create_infer_request())
        return kept[1]

    def _infer(
        self,
        request: Any,
        inputs: list[NDArray[Any]],
        share: float,
        course: _Course,
        cancel: CancelToken,
        places: Sequence[NDArray[Any]] = (),
    ) -> list[NDArray[Any]]:
        """The outputs, which belong to the request: they change with its next run.

        With `places`, contiguous arrays without the first axis, they are written there instead, for every run to come.
        After a request to stop or a failure, the layer that is running ends on its own.
        """
        kept: list[Any] = []
        for index, values in enumerate(map(np.ascontiguousarray, inputs)):
            kept += [values, self._tensor(values)]
            request.set_input_tensor(index, kept[-1])
        for index, place in enumerate(places):
            kept += [place, self._tensor(place[None])]
            request.set_output_tensor(index, kept[-1])
        cancel.raise_if_cancelled()
        request.start_async()
        try:
            while not request.wait_for(_POLL_MS):
                course.wait(share)
                cancel.raise_if_cancelled()
        except BaseException:
            request.cancel()
            self._requests.clear()
            self._ending.append(_Ending(request, kept))
            raise
        course.done(share)
        tensors = [request.get_output_tensor(index) for index in range(len(request.model_outputs))]
        bits = self._openvino.Type.bf16
        return [t.data.view(np.uint16) if t.element_type == bits else t.data for t in tensors]

    def _tensor(self, values: NDArray[Any]) -> Any:
        """The same memory, for OpenVINO."""
        openvino = self._openvino
        kind = self._type if values.dtype == np.uint16 else openvino.Type.f32
        return openvino.Tensor(values, openvino.Shape(values.shape), kind)

    def _forget_ended(self) -> None:
        """Let go of cancelled requests whose last layer has ended."""
        self._ending = [item for item in self._ending if not item.ended()]


@contextmanager
def out_of_memory_named() -> Iterator[None]:
    """Within it, OpenVINO's ways to say that memory does not suffice ("bad_alloc", "can't alloc") are `OutOfMemory`."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory from error
    except RuntimeError as error:
        told = str(error).lower()
        if "alloc" not in told and "memory" not in told:
            raise
        raise OutOfMemory from error


class _Ending:
    """A cancelled request, and the memory that its last layer reads and writes: it is let go of after that."""

    def __init__(self, request: Any, memory: list[Any]) -> None:
        self._request, self._memory = request, memory

    def ended(self, within_ms: int = 0) -> bool:
        try:
            return bool(self._request.wait_for(within_ms))
        except RuntimeError:  # how a cancelled request says that it has ended
            return True

    def __del__(self) -> None:
        while not self.ended(_POLL_MS):
            pass


class _Course:
    """Progress of work in pieces of known shares: what is done, and in between what the pace so far lets expect."""

    def __init__(self, report: Report, total: float) -> None:
        self._report, self._total = report, total
        self._done = 0.0
        self._began = self._piece_began = time.monotonic()

    def wait(self, share: float) -> None:
        """Report while a piece of `share` is being worked on."""
        now = time.monotonic()
        pace = self._done / (self._piece_began - self._began) if self._done else 0.0
        self._tell(self._done + min((now - self._piece_began) * pace, 0.95 * share), pace, now)

    def done(self, share: float) -> None:
        """Report that a piece is finished."""
        self._done += share
        self._piece_began = now = time.monotonic()
        self._tell(self._done, self._done / max(now - self._began, 1e-6), now)

    def _tell(self, done: float, pace: float, now: float) -> None:
        left = (self._total - done) / pace if pace else None
        seconds = now - self._began
        self._report(Progress(min(done / self._total, 1.0), f"Segmenting in one pass, {seconds:.0f} s", left))


def slab_length(planes: int, count: int) -> int:
    """Planes per slab when `count` slabs that overlap by twice `MARGIN` cover `planes` planes (an even number)."""
    return planes if count == 1 else 2 * math.ceil((planes + (count - 1) * 2 * MARGIN) / count / 2)


def slabs(planes: int, length: int) -> list[tuple[int, int, int]]:
    """Where each slab of `length` planes begins, and the planes (first, stop) that it gives; all even."""
    if planes <= length:
        return [(0, 0, planes)]
    count = math.ceil((planes - 2 * MARGIN) / (length - 2 * MARGIN))
    starts = [round(start / 2) * 2 for start in np.linspace(0, planes - length, count)]
    borders = [0, *[(later + earlier + length) // 4 * 2 for earlier, later in itertools.pairwise(starts)]]
    return list(zip(starts, borders, [*borders[1:], planes], strict=True))
