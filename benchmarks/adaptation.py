"""How much adaptation helps, and how fast it is.

    python benchmarks/adaptation.py [patients] [domain] [brats] [speed] --data DIR --out DIR

patients: per-patient protocol. Synthetic patients on a scanner the model never saw; visit k trains, visit k + 1 tests;
    starting model, adapted model and the mask of visit k carried over.
domain: the reference's protocol. 0, 1, 2, 4 ... cases of a target scanner are learnt from; the same target-domain and
    other-domain cases are tested on throughout.
brats: cases with expert masks in DIR/brats_dev; the upper half of the tumour trains, the lower half tests.
speed: `last-layer` on cached features beside the plain loop that runs the whole network in every step.

A candidate that the acceptance rule refuses leaves the starting model in place. Error removed is
1 - (1 - Dice after) / (1 - Dice before), from Dice averaged over the regions that the test data show. Writes a table,
a plot with 95 % bootstrap intervals, and a JSON; `patients` does so after every patient, and goes on where the folder
holds an interrupted run.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator import paths
from glioma_annotator.adaptation.acceptance import Judged, judge
from glioma_annotator.adaptation.cases import PreparedCase, prepare
from glioma_annotator.adaptation.features import CaseFeatures, compute_features, predict_classes
from glioma_annotator.adaptation.held_out import classes_of
from glioma_annotator.adaptation.holdout import Part
from glioma_annotator.adaptation.methods import last_layer
from glioma_annotator.adaptation.run import adapt
from glioma_annotator.adaptation.synthesis.backgrounds import load_backgrounds
from glioma_annotator.adaptation.synthesis.longitudinal import ScannerShift, SyntheticVisit, draw_patient
from glioma_annotator.adaptation.synthesis.samples import SampleSource
from glioma_annotator.domain.adaptation import AdaptationCase, AdaptationMethod, AdaptationRequest
from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.heap import kept_memory
from glioma_annotator.imaging.label_conventions import read_mask
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.inference.device import ComputeDevice, choose_device
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import CancelToken, ignore_progress

ROLES = (SequenceRole.T1, SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)
FILES = {SequenceRole.T1: "t1", SequenceRole.T1GD: "t1ce", SequenceRole.T2: "t2", SequenceRole.FLAIR: "flair"}
SEED = 20261120
#: Time that an adaptation gets which runs beside the viewer's benchmark.
JOB_SECONDS = 60.0
#: What one scanner does to intensities relative to white matter, by sequence: exponents and blur in voxels.
TARGET_GAMMA = (0.75, 0.7, 1.35, 1.3)
TARGET_BLUR = 0.6


@dataclass(frozen=True, slots=True)
class Row:
    """One tested case: mean Dice of the starting model, of what is used after, of the mask carried over.

    `learnt` says how the adaptation went: method, verdict on its own held-out data, wall and processor seconds.
    """

    protocol: str
    case: str
    cases_learnt: int
    before: float
    after: float
    carried: float | None
    accepted: bool
    seconds: float
    regions: dict[str, Any]
    learnt: dict[str, Any]

    @property
    def error_removed(self) -> float:
        return 1 - (1 - self.after) / max(1 - self.before, 1e-6)


class Bench:
    """The starting model and how cases are adapted to and measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.folder: Path = options.model
        self.card, network = load_model(self.folder)
        self.network: SegmentationNetwork = network
        self.device: ComputeDevice = choose_device(options.device)
        self.method = AdaptationMethod(options.method)
        self.budget: float = options.budget
        self.scratch = Path(tempfile.mkdtemp(prefix="adaptation-"))
        self.rows: list[Row] = []
        self.learnt: dict[str, Any] = {}
        self.figures: dict[str, Any] = {
            "model": self.card.identity,
            "seed": options.seed,
            "visit": options.visit,
            "budget": options.budget,
            "method": options.method,
            "device": self.device.name,
        }

    def resume(self, out: Path | None) -> None:
        """Take over the rows of an interrupted run with the same settings.

        Raises `UserError` for a folder that holds a run with others.
        """
        file = out / "adaptation.json" if out else None
        if file is None or not file.is_file():
            return
        found = json.loads(file.read_text())
        if {name: found.get(name) for name in self.figures} != self.figures:
            raise UserError(f"{out} holds a run with other settings.", "Give another folder as --out.")
        self.rows = [Row(**{name: row[name] for name in Row.__slots__}) for row in found["rows"]]

    def adapted(self, cases: Sequence[AdaptationCase]) -> tuple[SegmentationNetwork, bool, float]:
        """The network that is current afterwards, whether it is the adapted one, and the seconds it took."""
        folder = self.scratch / f"m{time.monotonic_ns()}"
        began = time.process_time()
        request = AdaptationRequest("", tuple(cases), "bench", method=self.method, budget_s=self.budget,
                                    device="cuda" if self.device.gpu else "cpu")  # fmt: skip
        with kept_memory():  # as the program does
            outcome = adapt(request, self.folder, folder, ignore_progress, lambda _point: None, CancelToken())
        accepted = outcome.verdict.accepted
        self.learnt = {
            "method": outcome.method.value,
            "held_out": outcome.held_out,
            "before": outcome.verdict.before,
            "after": outcome.verdict.after,
            "reasons": outcome.verdict.reasons,
            "share_of_the_way": outcome.card.training["share_of_the_way"],
            "painted_lesions": outcome.card.scores.get("painted_lesions"),
            "trials": [(t.method.value, t.steps, t.seconds, t.dice, t.accepted, t.problem) for t in outcome.trials],
            "processor_seconds": round(time.process_time() - began, 1),
            "peak_memory_gib": round(_peak_gib(), 2),
        }
        return (load_model(folder)[1] if accepted else self.network), accepted, outcome.seconds

    def measure(
        self,
        protocol: str,
        test: AdaptationCase,
        learnt: int,
        network: SegmentationNetwork,
        accepted: bool,
        seconds: float,
    ) -> Row:
        case = prepare(test, self.card, CancelToken())
        first = self.predict(self.network, case)
        second = self.predict(network, case) if accepted else first
        mask = case.classes != IGNORE
        found = judge(
            [
                Judged(
                    labels(case.classes, mask),
                    labels(first, mask),
                    labels(second, mask),
                    case.voxel_ml,
                    None if case.carried is None else labels(case.carried, mask),
                )
            ],
            GLIOMA_POST_TREATMENT,
        )
        regions = {r.region: {"kind": r.kind, "before": r.before, "after": r.after, "carried": r.carried,
                              "reference_ml": r.reference_ml, "before_ml": r.before_ml, "after_ml": r.after_ml}
                   for r in found.regions}  # fmt: skip
        dice = (found.before or 0.0, found.after or 0.0, found.carried)
        row = Row(protocol, test.name, learnt, *dice, accepted, seconds, regions, self.learnt)
        self.rows.append(row)
        carried = "" if row.carried is None else f"  carried {row.carried:.3f}"
        print(
            f"{protocol:10s} {row.case:28s} learnt {learnt}  before {row.before:.3f}  after {row.after:.3f}{carried}  "
            f"removed {row.error_removed:+.0%}  {'accepted' if accepted else 'refused'}  {seconds:.0f} s  "
            f"{self.learnt.get('method', '')} {self.learnt.get('processor_seconds', 0):.0f} processor s",
            flush=True,
        )
        return row

    def predict(self, network: SegmentationNetwork, case: PreparedCase) -> NDArray[np.uint8]:
        return predict_classes(network, case, self.device, CancelToken())


def _peak_gib() -> float:
    """The most main memory this process has held so far."""
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def labels(classes: NDArray[np.uint8], mask: NDArray[np.bool_]) -> LabelArray:
    """Label values of classes 1 to 4, which are the scheme's, 0 where `mask` is not."""
    return np.where(mask, classes, 0).astype(np.uint8)


def as_case(name: str, visit: SyntheticVisit, carried: LabelArray | None = None) -> AdaptationCase:
    grid = Grid(visit.labels.shape, np.eye(4))
    images = {role: Volume(np.ascontiguousarray(image), grid) for role, image in zip(ROLES, visit.images, strict=True)}
    return AdaptationCase(name, images, visit.labels, grid, carried)


def patients(bench: Bench, options: argparse.Namespace) -> None:
    """Visit k trains, visit k + 1 tests; visits share one grid, so the carried-over mask is that of visit k."""
    source = SampleSource(load_backgrounds(options.data))
    first = options.visit
    done = {row.case for row in bench.rows if row.protocol == "patients"}
    for number in range(options.patients):
        if f"patient {number} visit {first + 1}" in done:
            continue
        visits = draw_patient(source, first + 2, options.seed + number)
        train, test = visits[first], visits[first + 1]
        earlier = visits[first - 1].labels if first else None
        network, accepted, seconds = bench.adapted([as_case(f"patient {number} visit {first}", train, earlier)])
        case = as_case(f"patient {number} visit {first + 1}", test, train.labels)
        bench.measure("patients", case, 1, network, accepted, seconds)
        _write(bench, bench.figures, options.out)


def target_scanner(visit: SyntheticVisit) -> SyntheticVisit:
    """The visit on one fixed other scanner."""
    images = visit.images.copy()
    for number, image in enumerate(images):
        middle = np.median(image[visit.brain])
        value = np.maximum(image / middle, 0) ** TARGET_GAMMA[number]
        images[number] = np.where(visit.brain, 1000 * ndimage.gaussian_filter(value, TARGET_BLUR), 0)
    return replace(visit, images=images)


def domain(bench: Bench, options: argparse.Namespace) -> None:
    """0, 1, 2, 4 cases of a target scanner; fixed test cases of that scanner and of the ones trained on."""
    source = SampleSource(load_backgrounds(options.data))
    most = max(options.steps)
    drawn = [draw_patient(source, 3, SEED + 1000 + n, ScannerShift())[2] for n in range(most + 2 * options.tests)]
    pool = [as_case(f"target {n}", target_scanner(v)) for n, v in enumerate(drawn[:most])]
    target = [as_case(f"target test {n}", target_scanner(v)) for n, v in enumerate(drawn[most : most + options.tests])]
    other = [as_case(f"other test {n}", v) for n, v in enumerate(drawn[most + options.tests :])]
    for count in options.steps:
        network, accepted, seconds = bench.adapted(pool[:count]) if count else (bench.network, False, 0.0)
        for protocol, cases in (("target", target), ("other", other)):
            for case in cases:
                bench.measure(protocol, case, count, network, accepted, seconds)


def brats(bench: Bench, options: argparse.Namespace) -> None:
    """The upper half of the tumour trains, the lower half tests, of real cases with expert masks."""
    for folder in sorted(p for p in (options.data / "brats_dev").iterdir() if p.is_dir()):
        images = {r: read_volume(folder / f"{folder.name}_{e}.nii.gz").volume for r, e in FILES.items()}
        mask, _ = read_mask(folder / f"{folder.name}_seg.nii.gz", GLIOMA_POST_TREATMENT)
        around = Box.around(mask.data > 0)
        assert around is not None
        slices = np.arange(mask.data.shape[2])
        per_slice = np.count_nonzero(mask.data, axis=(0, 1)).cumsum()
        middle = int(slices[per_slice >= per_slice[-1] / 2][0])
        upper, lower = mask.data.copy(), mask.data.copy()
        upper[:, :, :middle] = IGNORE
        lower[:, :, middle:] = IGNORE
        network, accepted, seconds = bench.adapted([AdaptationCase(folder.name, images, upper, mask.grid)])
        test = AdaptationCase(folder.name, images, lower, mask.grid)
        bench.measure("brats", test, 1, network, accepted, seconds)


def speed(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """The same steps on the same voxels, cached and plain: the plain loop passes the box around them each step."""
    steps: int = options.speed_steps
    case = _speed_case(bench, options.speed_edge)
    part = Part(case, case.classes != IGNORE)
    token = CancelToken()
    compute_features(bench.network, _speed_case(bench, 32), bench.device, token, keep_stage=False)  # warm up
    began = time.perf_counter(), time.process_time()
    found = compute_features(bench.network, case, bench.device, token, keep_stage=False)
    passed = time.perf_counter() - began[0], time.process_time() - began[1]
    voxels = last_layer.collect([part], [found], np.random.default_rng(SEED))
    rows = _rows_in_brain(part, np.random.default_rng(SEED))

    def trained(features_of: Callable[[], NDArray[np.float16]], steps: int) -> torch.nn.Conv3d:
        rng = np.random.default_rng(SEED)
        head = torch.nn.Conv3d(bench.network.head.in_channels, bench.network.head.out_channels, 1)
        head.load_state_dict(bench.network.head.state_dict())
        scaled = last_layer.ScaledHead(head, voxels)
        optimiser = torch.optim.Adam(scaled.parameters(), lr=last_layer.RATE)
        for step in range(steps):
            draw = last_layer.draw_voxels(voxels, rng)
            features = torch.from_numpy(features_of()[draw.rows].astype(np.float32))
            last_layer.set_rate(optimiser, last_layer.cosine(step, steps, last_layer.RATE))
            last_layer.one_step(scaled, optimiser, features, voxels.classes[draw.rows], draw.weights)
        scaled.write_to(head)
        return head

    def pass_again() -> NDArray[np.float16]:
        again = compute_features(bench.network, case, bench.device, token, keep_stage=False)
        return again.values[rows]

    trained(lambda: voxels.features, 2)  # torch imports its optimisers with the first step
    began = time.perf_counter(), time.process_time()
    cached = trained(lambda: voxels.features, steps)
    quick = time.perf_counter() - began[0], time.process_time() - began[1]
    began = time.perf_counter(), time.process_time()
    plain = trained(pass_again, steps)
    slow = time.perf_counter() - began[0], time.process_time() - began[1]
    scores = [_mean_dice(found, head, part) for head in (cached, plain)]
    figures = {
        "steps": steps,
        "voxels_passed_per_plain_step": int(np.prod(case.shape)),
        "pass_seconds": round(passed[0], 2),
        "processor_seconds": {"pass": round(passed[1], 2), "cached": round(quick[1], 2), "plain": round(slow[1], 2)},
        "cached_seconds": round(quick[0], 2),
        "plain_seconds": round(slow[0], 2),
        "times_faster_training": round(slow[0] / quick[0], 1),
        "times_faster_with_the_pass": round(slow[0] / (quick[0] + passed[0]), 1),
        "times_faster_processor_with_the_pass": round(slow[1] / (quick[1] + passed[1]), 1),
        "dice": scores,
        "dice_difference": abs(scores[0] - scores[1]),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
    print(json.dumps(figures, indent=2), flush=True)
    return figures


def _rows_in_brain(part: Part, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of the brain's voxels that `last_layer.collect` keeps, in its order."""
    case = part.case
    numbers = np.arange(np.count_nonzero(case.brain), dtype=np.int64)
    index = CaseFeatures(case, numbers[:, None].astype(np.float64))  # type: ignore[arg-type]
    return last_layer.collect([part], [index], rng).features[:, 0].astype(np.int64)


def _speed_case(bench: Bench, edge: int) -> PreparedCase:
    """A ball of uneven tissue with an enhancing ball in it, as a cube of `edge` voxels."""
    rng = np.random.default_rng(SEED)
    axes = np.indices((edge, edge, edge)) - (edge - 1) / 2
    distance = np.sqrt((axes**2).sum(axis=0))
    distance += 12 * ndimage.gaussian_filter(rng.standard_normal(distance.shape), 3)
    images = rng.normal(1000, 90, (len(ROLES), edge, edge, edge)).astype(np.float32)
    truth = np.zeros(distance.shape, np.uint8)
    for label, radius, gain in ((2, 0.3, (0.9, 0.9, 1.2, 1.25)), (3, 0.18, (1.0, 1.2, 1.15, 1.15))):
        truth[distance < radius * edge] = label
        images[:, distance < radius * edge] *= np.array(gain, dtype=np.float32)[:, None]
    images[:, distance > 0.48 * edge] = 0
    grid = Grid(truth.shape, np.eye(4))
    case = {role: Volume(image, grid) for role, image in zip(ROLES, images, strict=True)}
    return prepare(AdaptationCase("speed", case, truth, grid), bench.card, CancelToken())


def _mean_dice(found: CaseFeatures, head: torch.nn.Conv3d, part: Part) -> float:
    truth = labels(part.case.classes, part.mask)
    marked = labels(classes_of(found, head), part.mask)
    return judge([Judged(truth, marked, marked, part.case.voxel_ml)], GLIOMA_POST_TREATMENT).after or 0.0


@functools.cache
def _job() -> tuple[AdaptationRequest, Path]:
    from glioma_annotator.adaptation.synthesis.demo_study import build_demo_study

    study = build_demo_study(paths.demo_cache(), ignore_progress, CancelToken())
    truth = sorted(study.parent.glob("truth/*recurrence*dseg.nii.gz"))[0]
    mask, _ = read_mask(truth, GLIOMA_POST_TREATMENT)
    words = {SequenceRole.T1GD: "ce-gadolinium_T1w", SequenceRole.T2: "T2w", SequenceRole.FLAIR: "FLAIR"}
    images = {r: read_volume(next(study.rglob(f"*recurrence*{w}.nii.gz"))).volume for r, w in words.items()}
    case = AdaptationCase("recurrence", images, mask.data, mask.grid)
    folder = paths.resources() / "models" / "glioma"
    return AdaptationRequest("", (case,), "job", budget_s=JOB_SECONDS), folder


def one_adaptation() -> None:
    """The demo study's last visit adapted to within a minute: a job for `benchmarks/viewer.py --during-job`."""
    request, folder = _job()
    with tempfile.TemporaryDirectory() as scratch:
        adapt(request, folder, Path(scratch) / "job", ignore_progress, lambda _point: None, CancelToken())


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    means = rng.choice(np.asarray(values), (4000, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def summary(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """By protocol and number of cases learnt."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.protocol, row.cases_learnt), []).append(row)
    table = []
    for (protocol, count), found in groups.items():
        removed = [row.error_removed for row in found]
        carried = [row.carried for row in found if row.carried is not None]
        table.append({
            "protocol": protocol,
            "learnt": count,
            "n": len(found),
            "before": float(np.mean([r.before for r in found])),
            "after": float(np.mean([r.after for r in found])),
            "after_interval": interval([r.after for r in found]),
            "carried": float(np.mean(carried)) if carried else None,
            "error_removed": float(np.mean(removed)),
            "error_removed_interval": interval(removed),
            "error_removed_of_means": 1 - (1 - float(np.mean([r.after for r in found])))
            / max(1 - float(np.mean([r.before for r in found])), 1e-6),
            "accepted": sum(r.accepted for r in found),
            "made_worse": sum(r.accepted and r.after < r.before for r in found),
            "processor_seconds": float(np.mean([r.learnt.get("processor_seconds", 0.0) for r in found])),
            "seconds": float(np.mean([r.seconds for r in found])),
        })  # fmt: skip
    return table


def plot(table: Sequence[dict[str, Any]], file: Path) -> None:
    """Mean Dice by protocol before, after and carried over, with intervals."""
    figure = Figure(figsize=(1.4 + 1.1 * len(table), 4.2))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(1, 1, 1)
    for place, row in enumerate(table):
        low, high = row["after_interval"]
        axes.plot(place - 0.12, row["before"], "s", color="#888888", label="before" if not place else None)
        axes.errorbar(place + 0.12, row["after"], [[row["after"] - low], [high - row["after"]]], fmt="o",
                      color="#0B5FCC", capsize=3, label="after, 95 %" if not place else None)  # fmt: skip
        if row["carried"] is not None:
            axes.plot(place, row["carried"], "^", color="#D55E00", label="carried over" if not place else None)
    axes.set_xticks(
        range(len(table)), [f"{r['protocol']}\n{r['learnt']} learnt, n = {r['n']}" for r in table], fontsize=8
    )
    axes.set_ylabel("mean Dice over present regions")
    axes.set_ylim(0, 1)
    axes.grid(axis="y", linewidth=0.4)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["speed"], help="patients, domain, brats, speed")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="backgrounds and brats_dev")
    parser.add_argument("--model", type=Path, default=paths.resources() / "models" / "glioma", help="starting model")
    parser.add_argument("--method", default="last-layer", choices=[m.value for m in AdaptationMethod])
    parser.add_argument("--budget", type=float, default=300.0, help="seconds per adaptation")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=SEED, help="of the first synthetic patient")
    parser.add_argument("--visit", type=int, default=2, help="k: 0 pre-operative, 1 post-operative, 2 recurrence ...")
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 1, 2, 4], help="domain: cases learnt")
    parser.add_argument("--tests", type=int, default=3, help="domain: test cases of either domain")
    parser.add_argument("--speed-edge", type=int, default=96, help="speed: edge of the visit in voxels")
    parser.add_argument("--speed-steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="folder for adaptation.json, .txt and .png")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.data.is_dir() and options.parts != ["speed"]:
        print("There is no folder of backgrounds: give --data.")
        return
    bench = Bench(options)
    bench.resume(options.out)
    figures = dict(bench.figures)
    for name, run in (("patients", patients), ("domain", domain), ("brats", brats), ("speed", speed)):
        if name in options.parts:
            result = run(bench, options)
            if result is not None:
                figures[name] = result
            _write(bench, figures, options.out)


def _write(bench: Bench, figures: dict[str, Any], out: Path | None) -> None:
    table = summary(bench.rows)
    text = "\n".join(
        f"{r['protocol']:10s} learnt {r['learnt']}  n {r['n']}  before {r['before']:.3f}  after {r['after']:.3f} "
        f"[{r['after_interval'][0]:.3f}, {r['after_interval'][1]:.3f}]  "
        f"carried {'-' if r['carried'] is None else format(r['carried'], '.3f')}  "
        f"error removed {r['error_removed']:+.1%} (of the means {r['error_removed_of_means']:+.1%})  "
        f"accepted {r['accepted']}  made worse {r['made_worse']}"
        for r in table
    )
    print(text, flush=True)
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    rows = [{**{f: getattr(r, f) for f in Row.__slots__}, "error_removed": r.error_removed} for r in bench.rows]
    (out / "adaptation.json").write_text(json.dumps({**figures, "summary": table, "rows": rows}, indent=2) + "\n")
    (out / "adaptation.txt").write_text(text + "\n")
    if table:
        plot(table, out / "adaptation.png")


if __name__ == "__main__":
    main()
