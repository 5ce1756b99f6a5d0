"""One case segmented by our engine beside MONAI's sliding window, same weights, one thread, one run.

Ours is the whole way from images to mask: brain, z-score, one pass, mask. MONAI's is the prediction alone:
`sliding_window_inference` of a 64-cube window with overlap 0.5 over the whole volume in float32, in a process of its
own, so that each side has the memory settings that its users get. Importing, loading and converting are left out of
both; `--command` measures them: `glioma-annotator segment` as its own process.

The network has the published size (24-48-96-192 filters): the shipped model widened without changing what it computes,
so that its masks are real ones. MONAI's time is that of `--windows` of its windows, scaled to all of them. Its mask for
the comparison comes, with `--agree`, from the shipped model before widening, which computes the same in a fraction of
the time. Figures in processor seconds hold on a busy machine too; the load is reported.

    python benchmarks/inference.py [CASE] [--precision P] [--windows N] [--agree] [--growth] [--command] [--json FILE]

CASE is a folder with one visit's NIfTI files; without it, a synthetic phantom of 240 x 240 x 155 voxels.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator import paths
from glioma_annotator.domain.geometry import Grid, Shape
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.heap import share_one_heap
from glioma_annotator.imaging.nifti import read_volume, write_volume
from glioma_annotator.imaging.normalisation import brain_mask, z_score
from glioma_annotator.inference.cards import load_card
from glioma_annotator.inference.covering import rounded_up
from glioma_annotator.inference.engine import Engine
from glioma_annotator.inference.openvino_library import computes_in_bfloat16, import_openvino
from glioma_annotator.inference.preparation import prepare
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, Progress, ignore_progress
from glioma_annotator.settings import SegmentationSettings
from glioma_annotator.workflow.import_proposal import propose_import

SHAPE = (240, 240, 155)
CHANNELS = (SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)
#: T1Gd, T2, FLAIR of white matter, oedema, enhancing tumour and necrosis, relative to white matter.
WHITE, OEDEMA, ENHANCING, NECROSIS = (1, 1, 1), (0.8, 1.9, 1.8), (1.8, 1.5, 1.5), (0.5, 2.4, 1.2)
PUBLISHED = {"filters": [24, 48, 96, 192], "branch_fraction": 1.0}
ROI, OVERLAP = 64, 0.5
MATRIX = 3072
Images = dict[SequenceRole, Volume]


def phantom() -> Images:
    """A brain-sized ellipsoid of uneven tissue with a ring-enhancing lesion, 0 outside, 1 mm voxels."""
    random = np.random.default_rng(0)
    i, j, k = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    brain = ((i - 120) / 68) ** 2 + ((j - 120) / 86) ** 2 + ((k - 75) / 65) ** 2 < 1
    texture = ndimage.gaussian_filter(random.standard_normal(SHAPE, dtype=np.float32), 2)
    distance = np.sqrt((i - 95) ** 2 + (j - 140) ** 2 + (k - 85) ** 2) + 20 * texture
    images = {}
    for channel, role in enumerate(CHANNELS):
        image = WHITE[channel] + 0.8 * texture + 0.03 * random.standard_normal(SHAPE, dtype=np.float32)
        for radius, tissue in ((32, OEDEMA), (18, ENHANCING), (12, NECROSIS)):
            image[distance < radius] = tissue[channel]
        images[role] = Volume(np.where(brain, 1000 * image, 0).astype(np.float32), Grid(SHAPE, np.eye(4)))
    return images


def read_case(folder: Path) -> Images:
    """The sequences of the first visit found in a folder."""
    plan = propose_import([folder], ignore_progress, CancelToken())
    first = plan.visits[0].key
    items = [item for item in plan.items if item.visit == first and item.role in SequenceRole]
    return {item.role: read_volume(item.path, item.channel).volume for item in items}


@functools.cache
def _job() -> tuple[ModelSegmenter, Images]:
    return ModelSegmenter([paths.resources() / "models"]), phantom()


def one_segmentation() -> None:
    """The phantom segmented with the shipped model: a job for `benchmarks/viewer.py --during-job` to measure beside."""
    segmenter, images = _job()
    segmenter.segment(images, "", "auto", ignore_progress, CancelToken())


def published_width(model: Path, folder: Path) -> Path:
    """The model at the published width, widened without changing what it computes."""
    from glioma_annotator.adaptation.widening import widen
    from glioma_annotator.inference.model_folder import load_model, save_model
    from glioma_annotator.inference.networks import ResidualInceptionUNet

    card, network = load_model(model)
    if dict(card.parameters) == PUBLISHED:
        return model
    assert isinstance(network, ResidualInceptionUNet)
    wide = widen(network, PUBLISHED["filters"], PUBLISHED["branch_fraction"])  # type: ignore[arg-type]
    name = "published-width"
    save_model(folder / name, replace(card, name=name, parameters=PUBLISHED), wide, half=False)
    return folder / name


class Stopwatch:
    """Wall and processor seconds of a `with` block."""

    def __enter__(self) -> Stopwatch:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = round(time.perf_counter() - self._wall, 2)
        self.cpu_s = round(time.process_time() - self._cpu, 3)

    @property
    def figures(self) -> dict[str, float]:
        return {"wall_s": self.wall_s, "cpu_s": self.cpu_s}


def matrix_rate() -> float:
    """GFLOP per processor second of a large matrix product in the precision that the engine uses."""
    openvino = import_openvino()
    from openvino import opset13 as ops

    core = openvino.Core()
    mixed = computes_in_bfloat16(core)
    values = np.random.default_rng(0).random((MATRIX, MATRIX), dtype=np.float32)
    left = ops.parameter([MATRIX, MATRIX], np.float32)
    model = openvino.Model([ops.result(ops.matmul(left, ops.constant(values), False, True))], [left])
    settings = {"INFERENCE_PRECISION_HINT": "bf16" if mixed else "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.infer([values])
    times = []
    for _ in range(5):
        began = time.process_time()
        request.infer([values])
        times.append(time.process_time() - began)
    return 2 * MATRIX**3 / min(times) / 1e9


def flop_per_voxel(folder: Path) -> float:
    """Floating-point operations of the network per voxel, as torch counts them in the network as it is published."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from glioma_annotator.inference.model_folder import load_model

    card, network = load_model(folder)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, len(card.channels), 32, 32, 32))
    return float(counter.get_total_flops() / 32**3)


def monai_windows(folder: Path, channels: NDArray[np.float32], count: int) -> dict[str, float]:
    """Time of MONAI's sliding window in float32: `count` of its windows in the middle, scaled to all of them."""
    step = int(ROI * (1 - OVERLAP))
    windows = math.prod(math.ceil((n - ROI) / step) + 1 for n in channels.shape[1:])
    middle = [n // 2 for n in channels.shape[1:]]
    i, j, k = (slice(max(0, m - ROI // 2), max(0, m - ROI // 2) + ROI) for m in middle)
    window = np.ascontiguousarray(channels[None, :, i, j, k])
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        figures = process.submit(monai_time, folder, window, count).result()
    share = windows / count
    return {
        "windows": windows,
        "windows_timed": count,
        **{name: round(seconds * share, 1) for name, seconds in figures.items()},
    }


def monai_time(folder: Path, window: NDArray[np.float32], count: int) -> dict[str, float]:
    """Seconds that MONAI takes for one window (1, channel, i, j, k), `count` times."""
    import torch
    from monai.inferers.utils import sliding_window_inference

    from glioma_annotator.inference.model_folder import load_model

    torch.set_num_threads(1)
    _, network = load_model(folder)
    batch = torch.from_numpy(window)
    with torch.inference_mode():
        network(batch)  # the first is slower
        with Stopwatch() as watch:
            for _ in range(count):
                sliding_window_inference(batch, (ROI,) * 3, 1, network, overlap=OVERLAP)
    return watch.figures


def monai_mask(folder: Path, card: ModelCard, channels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The mask of MONAI's sliding window in float32 over the whole volume."""
    import torch
    from monai.inferers.utils import sliding_window_inference

    from glioma_annotator.inference.model_folder import load_model

    _, network = load_model(folder)
    nothing = torch.zeros(1, len(card.scheme.labels) + 1, ROI, ROI, ROI)

    def predicted(window: torch.Tensor) -> torch.Tensor:
        """Windows without brain are not computed: no voxel of the brain lies in one."""
        return network(window) if window.any() else nothing  # type: ignore[no-any-return]

    with torch.inference_mode():
        logits = sliding_window_inference(torch.from_numpy(channels)[None], (ROI,) * 3, 1, predicted, overlap=OVERLAP)
    values = np.array([0, *card.scheme.values], dtype=np.uint8)
    return values[np.asarray(logits[0].argmax(dim=0))]  # type: ignore[index]


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    total = int(a.sum()) + int(b.sum())
    return round(float(2 * (a & b).sum() / total), 4) if total else 1.0


def warm_up(images: Images) -> Images:
    """A piece of the case."""
    middle = tuple(slice(n // 2 - 8, n // 2 + 8) for n in next(iter(images.values())).data.shape)
    pieces = {role: np.pad(volume.data[middle], 2) for role, volume in images.items()}
    return {role: Volume(piece, Grid(piece.shape, np.eye(4))) for role, piece in pieces.items()}


@contextmanager
def timed_network() -> Iterator[list[tuple[Shape, Stopwatch]]]:
    """Within it, the size of the brain's box and the time of every prediction by the engine."""
    calls: list[tuple[Shape, Stopwatch]] = []
    plain = Engine.predict

    def timed(engine: Engine, *args: Any, **kwargs: Any) -> Any:
        with Stopwatch() as watch:
            result = plain(engine, *args, **kwargs)
        calls.append((result.probabilities.shape[1:], watch))
        return result

    Engine.predict = timed  # type: ignore[method-assign]
    try:
        yield calls
    finally:
        Engine.predict = plain  # type: ignore[method-assign]


def segmented(segmenter: ModelSegmenter, images: Images) -> dict[str, Any]:
    """Figures of one segmentation, with its mask under "labels"."""
    last: list[float] = []
    gaps: list[float] = []

    def report(_progress: Progress) -> None:
        now = time.perf_counter()
        gaps.extend(now - before for before in last[-1:])
        last.append(now)

    with Stopwatch() as watch:
        outcome = segmenter.segment(images, "", "cpu", report, CancelToken())
    return {
        "device": outcome.device,
        "mode": outcome.mode,
        **watch.figures,
        "longest_time_between_reports_s": round(max(gaps), 2),
        "labels": outcome.labels,
    }


def growth(folder: Path, card: ModelCard, images: Images) -> list[dict[str, float]]:
    """Processor seconds of the network for pieces of the brain's box of a quarter, a half and the whole of it."""
    prepared = prepare(images, card, CancelToken())
    engine, rows = Engine(), []
    for share in (0.25, 0.5, 1.0):
        n = round(prepared.images.shape[2] * share)
        piece, brain = np.ascontiguousarray(prepared.images[:, :, :n]), prepared.brain[:, :n]
        engine.predict(folder, card, piece, brain, "cpu", ignore_progress, CancelToken())  # compiles
        with Stopwatch() as watch:
            engine.predict(folder, card, piece, brain, "cpu", ignore_progress, CancelToken())
        million = math.prod(brain.shape) / 1e6
        rows.append({"million_voxels": round(million, 2), **watch.figures, "cpu_s_per_million": watch.cpu_s / million})
    return rows


def by_command(folder: Path, images: Images, scratch: Path, threads: int, memory_gib: float) -> dict[str, Any]:
    """`glioma-annotator segment` as its own process: start-up, reading and writing included, and its peak memory."""
    files: list[str] = []
    for role, volume in images.items():
        path = scratch / f"{role.value}.nii.gz"
        if not path.is_file():
            write_volume(path, volume)
        files += [f"--{role.value.lower()}", str(path)]
    code = (
        "import resource, sys; from glioma_annotator.cli.main import main; code = main(sys.argv[1:]);"
        " used = resource.getrusage(resource.RUSAGE_SELF);"  # its ru_maxrss counts the process that started it, too
        " peak = next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'));"
        " print(int(peak) * 1024, used.ru_utime + used.ru_stime, file=sys.stderr); sys.exit(code)"
    )
    arguments = [sys.executable, "-c", code, "segment", *files, "--out", str(scratch / "mask.nii.gz"), "--json"]
    arguments += ["--model", str(folder), "--device", "cpu", "--memory", str(memory_gib)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    began = time.perf_counter()
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - began
    peak, cpu = done.stderr.strip().splitlines()[-1].split()
    facts = json.loads(done.stdout)
    return {
        "threads": threads,
        "memory_allowed_gib": memory_gib,
        "peak_gib": round(int(peak) / 2**30, 2),
        "wall_s": round(wall, 1),
        "cpu_s": round(float(cpu), 1),
        "mode": facts["mode"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", type=Path, help="folder with one visit; a synthetic phantom without it")
    parser.add_argument("--model", type=Path, default=paths.resources() / "models" / "glioma", help="model folder")
    parser.add_argument(
        "--precision", default="auto", choices=("auto", "8-bit", "float"), help="what ours computes with"
    )
    parser.add_argument("--windows", type=int, default=4, help="windows of MONAI's that are timed")
    parser.add_argument("--agree", action="store_true", help="compare with MONAI's mask of the whole volume")
    parser.add_argument("--growth", action="store_true", help="time for pieces of the brain")
    parser.add_argument("--command", action="store_true", help="time and memory of the command, two threads")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    share_one_heap()  # as the program does
    os.environ["OMP_NUM_THREADS"] = "1"  # both sides are measured on one core
    case = read_case(options.case) if options.case else phantom()
    figures: dict[str, Any] = {
        "case": options.case.name if options.case else "phantom 240x240x155",
        "load_before": [round(load, 1) for load in os.getloadavg()],
    }
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        folder = published_width(options.model, scratch)
        card = load_card(folder)
        images = {role: case[role] for role in card.channels if role in case}
        settings = SegmentationSettings(precision=options.precision)
        segmenter = ModelSegmenter([folder], lambda: settings)
        segmented(segmenter, warm_up(images))  # converts and loads; compiling for the case's size is timed with it
        rates = [matrix_rate()]
        with timed_network() as calls:
            ours = segmented(segmenter, images)
            rates.append(matrix_rate())
            again = segmented(segmenter, images)
        labels = ours.pop("labels")
        del again["labels"]
        rates.append(matrix_rate())
        shape = calls[0][0]
        flop = flop_per_voxel(folder) * math.prod(rounded_up(shape, 8))
        figures["ours"], figures["ours_again"] = ours, again
        figures["network"] = {
            "box": list(shape),
            "tflop_counted": round(flop / 1e12, 3),
            "matrix_gflops_per_cpu_s": [round(r, 1) for r in rates],
            **{
                name: {
                    **watch.figures,
                    "gflops_per_cpu_s": round(flop / watch.cpu_s / 1e9, 1),
                    "share_of_matrix_rate": round(flop / watch.cpu_s / 1e9 / float(np.median(rates)), 3),
                }
                for name, (_, watch) in zip(("first, compiling included", "again"), calls, strict=True)
            },
        }
        figures["peak_gib_of_this_process"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
        brain = brain_mask([volume.data for volume in images.values()])
        channels = np.stack(
            [z_score(images[r].data, brain) if r in images else np.zeros_like(brain, np.float32) for r in card.channels]
        )
        figures["monai"] = monai = monai_windows(folder, channels, options.windows)
        figures["times_faster_cpu"] = round(monai["cpu_s"] / ours["cpu_s"], 1)
        figures["times_faster_wall"] = round(monai["wall_s"] / ours["wall_s"], 1)
        print(json.dumps(figures, indent=2), flush=True)
        if options.agree:
            reference = monai_mask(options.model, card, channels)
            raw = ModelSegmenter([folder], lambda: replace(settings, post_processing=False))
            plain = segmented(raw, images)["labels"]
            tumour = next((r.values for r in card.scheme.regions if r.name == "WT"), card.scheme.values)
            figures["agreement"] = {
                "wt_dice": dice(np.isin(plain, tumour), np.isin(reference, tumour) & brain),
                "brain_voxels_equal": round(float((plain == reference)[brain].mean()), 5),
                "post_processing_changed_voxels": int((plain != labels).sum()),
            }
            print(json.dumps(figures["agreement"], indent=2), flush=True)
        if options.growth:
            figures["growth"] = growth(folder, card, images)
        if options.command:
            figures["by_command"] = [
                by_command(folder, images, scratch, threads, memory)
                for threads, memory in itertools.product((2,), (4.0, 1.5))
            ]
    figures["load_after"] = [round(load, 1) for load in os.getloadavg()]
    text = json.dumps(figures, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
