"""How much adaptation helps, and how fast it is.

    python benchmarks/adaptation.py [patients] [domain] [brats] [speed] --data DIR --out DIR

patients: per-patient protocol. Synthetic patients on a scanner the model never saw; visit k trains, visit k + 1 tests;
    starting model, adapted model and the mask of visit k carried over. `--teachers 2` or 3: visits before k are learnt
    from as well, and visit k, held out whole, judges.
domain: the reference's protocol. 0, 1, 2, 4 ... cases of a target scanner are learnt from; the same target-domain and
    other-domain cases are tested on throughout.
brats: cases with expert masks in DIR/brats_dev; the upper half of the tumour trains, the lower half tests. `--starts`
    names a folder with a starting model for every case, made without it.
speed: `last-layer` on cached features beside the plain loop that runs the whole network in every step.

A candidate that the acceptance rule refuses leaves the starting model in place. Error removed is
1 - (1 - Dice after) / (1 - Dice before), from Dice averaged over the regions that the test data show. Writes a table,
a plot with 95 % bootstrap intervals, and a JSON after every tested case, and goes on where the folder holds an
interrupted run.
"""

from __future__ import annotations

import argparse
import functools
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from adaptation_parts.report import Row, write
from adaptation_parts.speed import ROLES, measure_speed
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator import paths
from glioma_annotator.adaptation.acceptance import Judged, judge
from glioma_annotator.adaptation.cases import prepare
from glioma_annotator.adaptation.features import Marked, predict
from glioma_annotator.adaptation.held_out import as_proposed
from glioma_annotator.adaptation.run import adapt
from glioma_annotator.adaptation.synthesis.backgrounds import load_backgrounds
from glioma_annotator.adaptation.synthesis.longitudinal import (
    STRONG_SHIFT,
    ScannerShift,
    SyntheticVisit,
    draw_patient,
)
from glioma_annotator.adaptation.synthesis.samples import SampleSource
from glioma_annotator.domain.adaptation import AdaptationCase, AdaptationMethod, AdaptationRequest, Verdict
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import GliomaError, UserError
from glioma_annotator.heap import kept_memory
from glioma_annotator.imaging.label_conventions import read_mask
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.inference.device import ComputeDevice, choose_device
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import CancelToken, ignore_progress

FILES = {SequenceRole.T1: "t1", SequenceRole.T1GD: "t1ce", SequenceRole.T2: "t2", SequenceRole.FLAIR: "flair"}
PARTS = ("patients", "domain", "brats", "speed")
SEED = 20261120
#: Time that an adaptation gets which runs beside the viewer's benchmark.
JOB_SECONDS = 60.0
#: The target scanner: twice the standard deviation of the exponent by which `STRONG_SHIFT` bends intensities, to one
#: side for T1 and T1Gd, to the other for T2 and FLAIR; its greatest blur and its noise.
TARGET_GAMMA = np.exp(2 * STRONG_SHIFT.gamma * np.array([-1, -1, 1, 1]))


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """What an adaptation led to: the candidate, its card, whether it was accepted, wall seconds, and how it went."""

    card: ModelCard
    network: SegmentationNetwork
    accepted: bool
    seconds: float
    learnt: dict[str, Any]


class Bench:
    """The starting model and how cases are adapted to and measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.device: ComputeDevice = choose_device(options.device)
        self.method = AdaptationMethod(options.method)
        self.budget: float = options.budget
        self.out: Path | None = options.out
        self.scratch = Path(tempfile.mkdtemp(prefix="adaptation-"))
        self.rows: list[Row] = []
        self.start_from(options.model)
        self.figures: dict[str, Any] = {
            "model": self.card.identity,
            "starts": str(options.starts.name) if options.starts else "",
            "seed": options.seed,
            "visit": options.visit,
            "teachers": options.teachers,
            "tests": options.tests,
            "budget": options.budget,
            "method": options.method,
            "device": self.device.name,
        }

    def start_from(self, folder: Path) -> None:
        """Begin with the model in a folder."""
        self.folder = folder
        self.card, self.network = load_model(folder)
        self._before: dict[str, Marked] = {}

    def resume(self) -> None:
        """Take over the rows of an interrupted run with the same settings.

        Raises `UserError` for a folder that holds a run with others.
        """
        file = self.out / "adaptation.json" if self.out else None
        if file is None or not file.is_file():
            return
        found = json.loads(file.read_text())
        if {name: found.get(name) for name in self.figures} != self.figures:
            raise UserError(f"{self.out} holds a run with other settings.", "Give another folder as --out.")
        self.rows = [Row(**{field.name: row[field.name] for field in fields(Row)}) for row in found["rows"]]

    def missing(self, protocol: str, tests: Sequence[AdaptationCase], learnt: int) -> list[AdaptationCase]:
        """The tests that an interrupted run has not measured yet."""
        done = {(row.protocol, row.case, row.cases_learnt) for row in self.rows}
        return [test for test in tests if (protocol, test.name, learnt) not in done]

    def adapted(self, cases: Sequence[AdaptationCase]) -> Adapted | None:
        """Adapt the starting model to cases; None for no cases."""
        if not cases:
            return None
        folder = self.scratch / f"m{time.monotonic_ns()}"
        began = time.process_time()
        request = AdaptationRequest("", tuple(cases), "bench", method=self.method, budget_s=self.budget,
                                    device="cuda" if self.device.gpu else "cpu")  # fmt: skip
        with kept_memory():  # as the program does
            outcome = adapt(request, self.folder, folder, ignore_progress, lambda _point: None, CancelToken())
        learnt = {
            "method": outcome.method.value,
            "held_out": outcome.held_out,
            "before": outcome.verdict.before,
            "after": outcome.verdict.after,
            "held_out_regions": {r.region: (r.kind, r.before, r.after) for r in outcome.verdict.regions},
            "reasons": outcome.verdict.reasons,
            "share_of_the_way": outcome.card.training["share_of_the_way"],
            "painted_lesions": outcome.card.scores.get("painted_lesions"),
            "trials": [(t.method.value, t.steps, t.seconds, t.dice, t.accepted, t.problem) for t in outcome.trials],
            "processor_seconds": round(time.process_time() - began, 1),
            "peak_memory_gib": round(_peak_gib(), 2),
        }
        card, network = load_model(folder)
        return Adapted(card, network, outcome.verdict.accepted, outcome.seconds, learnt)

    def measure(self, protocol: str, test: AdaptationCase, count: int, adapted: Adapted | None) -> None:
        """One tested case, into the rows and the files. A refused candidate is measured, too, but changes nothing."""
        case = prepare(test, self.card, CancelToken())
        token = CancelToken()
        if test.name not in self._before:
            self._before[test.name] = predict(self.network, case, self.device, token)
        first = self._before[test.name]
        second = predict(adapted.network, case, self.device, token) if adapted else first
        mask = case.classes != IGNORE
        carried = None if case.carried is None else labels(case.carried, mask)
        truth = labels(case.classes, mask)

        def judged(before: LabelArray, after: LabelArray) -> Verdict:
            return judge(
                [Judged(truth, labels(before, mask), labels(after, mask), case.voxel_ml, carried)],
                GLIOMA_POST_TREATMENT,
            )

        found = judged(first.classes, second.classes)
        after = as_proposed(second, case, adapted.card if adapted else self.card)
        proposed = judged(as_proposed(first, case, self.card), after)
        regions = {r.region: {"kind": r.kind, "before": r.before, "candidate": r.after, "carried": r.carried,
                              "reference_ml": r.reference_ml, "before_ml": r.before_ml, "candidate_ml": r.after_ml}
                   for r in found.regions}  # fmt: skip
        accepted = adapted is not None and adapted.accepted
        before, candidate = found.before or 0.0, found.after or 0.0
        row = Row(
            protocol,
            test.name,
            count,
            before,
            candidate if accepted else before,
            found.carried,
            accepted,
            adapted.seconds if adapted else 0.0,
            regions,
            {**(adapted.learnt if adapted else {}), "as_proposed": [proposed.before, proposed.after]},
            candidate if adapted else None,
        )
        self.rows.append(row)
        told = "" if row.carried is None else f"  carried {row.carried:.3f}"
        print(
            f"{protocol:10s} {row.case:28s} learnt {count}  before {row.before:.3f}  candidate {candidate:.3f}{told}"
            f"  removed {row.error_removed:+.0%}  {'accepted' if accepted else 'refused'}  {row.seconds:.0f} s  "
            f"{row.learnt.get('method', '')} {row.learnt.get('processor_seconds', 0):.0f} processor s",
            flush=True,
        )
        write(self.rows, self.figures, self.out)


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
    return AdaptationCase(name, images, visit.labels, grid, carried, operated=visit.phase != "pre-operative")


def patients(bench: Bench, options: argparse.Namespace) -> None:
    """Visit k, with those before it by `--teachers`, trains, visit k + 1 tests.

    Visits share one grid, so the mask carried over is that of the visit before.
    """
    source = SampleSource(load_backgrounds(options.data))
    last = options.visit
    first = max(last + 1 - options.teachers, 0)
    for number in range(options.patients):
        visits = draw_patient(source, last + 2, options.seed + number)
        case = as_case(f"patient {number} visit {last + 1}", visits[last + 1], visits[last].labels)
        if bench.missing("patients", [case], last + 1 - first):
            carried = [None, *(visit.labels for visit in visits)]
            taught = [as_case(f"visit {n}", visits[n], carried[n]) for n in range(first, last + 1)]
            bench.measure("patients", case, len(taught), bench.adapted(taught))


def target_scanner(visit: SyntheticVisit) -> SyntheticVisit:
    """The visit on one fixed other scanner."""
    rng = np.random.default_rng(int(visit.labels.sum()))
    images = visit.images.copy()
    for number, image in enumerate(images):
        value = np.maximum(image / np.median(image[visit.brain]), 0) ** TARGET_GAMMA[number]
        value = ndimage.gaussian_filter(value, STRONG_SHIFT.blur_mm)
        noise = STRONG_SHIFT.noise * rng.standard_normal((2, *value.shape))
        images[number] = np.where(visit.brain, 1000 * np.hypot(value + noise[0], noise[1]), 0)
    return replace(visit, images=images)


def domain(bench: Bench, options: argparse.Namespace) -> None:
    """0, 1, 2, 4 cases of a target scanner; fixed test cases of that scanner and of the ones trained on."""
    source = SampleSource(load_backgrounds(options.data))
    most, tests = max(options.steps), options.tests
    drawn = [draw_patient(source, 3, options.seed + 1000 + n, ScannerShift())[2] for n in range(most + 2 * tests)]
    pool = [as_case(f"target {n}", target_scanner(v)) for n, v in enumerate(drawn[:most])]
    target = [as_case(f"target test {n}", target_scanner(v)) for n, v in enumerate(drawn[most : most + tests])]
    other = [as_case(f"other test {n}", v) for n, v in enumerate(drawn[most + tests :])]
    for count in options.steps:
        missing = [(p, test) for p, cases in (("target", target), ("other", other))
                   for test in bench.missing(p, cases, count)]  # fmt: skip
        adapted = bench.adapted(pool[:count]) if missing else None
        for protocol, test in missing:
            bench.measure(protocol, test, count, adapted)


def brats(bench: Bench, options: argparse.Namespace) -> None:
    """The upper half of the tumour trains, the lower half tests, of real cases with expert masks."""
    for folder in sorted(p for p in (options.data / "brats_dev").iterdir() if p.is_dir()):
        images = {r: read_volume(folder / f"{folder.name}_{e}.nii.gz").volume for r, e in FILES.items()}
        mask, _ = read_mask(folder / f"{folder.name}_seg.nii.gz", GLIOMA_POST_TREATMENT)
        per_slice = np.count_nonzero(mask.data, axis=(0, 1)).cumsum()
        middle = int(np.flatnonzero(per_slice >= per_slice[-1] / 2)[0])
        upper, lower = mask.data.copy(), mask.data.copy()
        upper[:, :, :middle] = IGNORE
        lower[:, :, middle:] = IGNORE
        test = AdaptationCase(folder.name, images, lower, mask.grid, operated=False)
        if bench.missing("brats", [test], 1):
            if options.starts:
                bench.start_from(options.starts / folder.name)
            learnt = AdaptationCase("upper half", images, upper, mask.grid, operated=False)
            bench.measure("brats", test, 1, bench.adapted([learnt]))


def speed(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """`last-layer` on cached features beside the plain loop."""
    return measure_speed(bench.network, bench.card, bench.device, options.seed, options.speed_edge, options.speed_steps)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["speed"], help=", ".join(PARTS))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="backgrounds and brats_dev")
    parser.add_argument("--model", type=Path, default=paths.resources() / "models" / "glioma", help="starting model")
    parser.add_argument("--starts", type=Path, help="brats: folder with a starting model for every case")
    parser.add_argument("--method", default="last-layer", choices=[m.value for m in AdaptationMethod])
    parser.add_argument("--budget", type=float, default=300.0, help="seconds per adaptation")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=SEED, help="of the first synthetic patient")
    parser.add_argument("--visit", type=int, default=2, help="k: 0 pre-operative, 1 post-operative, 2 recurrence ...")
    parser.add_argument("--teachers", type=int, default=1, help="visits that teach: visit k and those before it")
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 1, 2, 4], help="domain: cases learnt")
    parser.add_argument("--tests", type=int, default=3, help="domain: test cases of either domain")
    parser.add_argument("--speed-edge", type=int, default=96, help="speed: edge of the visit in voxels")
    parser.add_argument("--speed-steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="folder for adaptation.json, .txt and .png")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; known are {', '.join(PARTS)}")
    torch.set_num_threads(options.threads)
    if not options.data.is_dir() and options.parts != ["speed"]:
        print(f"There is no folder of backgrounds “{options.data}”: name it with --data.")
        return
    bench = Bench(options)
    bench.resume()
    for name, run in (("patients", patients), ("domain", domain), ("brats", brats)):
        if name in options.parts:
            run(bench, options)
    if "speed" in options.parts:
        write(bench.rows, {**bench.figures, "speed": speed(bench, options)}, options.out)


if __name__ == "__main__":
    try:
        main()
    except GliomaError as error:
        raise SystemExit(str(error)) from None
