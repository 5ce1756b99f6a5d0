"""Dice of a model on whole synthetic patients that no training drew: before and after surgery, and with a recurrence.

    python benchmarks/synthetic_patients.py --data DIR [--model NAME] [--patients 8] [--visits 3] [--seed N] [--shift]
        [--kind KIND] [--without RULE]

The brains are those the models were trained on; tumours, cavities and scanners are new. Visits after surgery are
segmented twice: as where nothing is known of the surgery, and as where it is. The recurrence grows with every visit
from the third on. --kind draws another tumour than one with an enhancing ring, such as "low grade". --shift simulates a
scanner that differs strongly from those of the training samples. --without names a rule of the model's post-processing,
such as "paired"; every mask is then made without it, too.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from glioma_annotator import paths
from glioma_annotator.adaptation.acceptance import dice
from glioma_annotator.adaptation.synthesis.backgrounds import load_backgrounds
from glioma_annotator.adaptation.synthesis.contrast import CHANNELS
from glioma_annotator.adaptation.synthesis.longitudinal import STRONG_SHIFT, ScannerShift, draw_patient
from glioma_annotator.adaptation.synthesis.samples import SampleSource
from glioma_annotator.adaptation.synthesis.tumour import TumourKind
from glioma_annotator.app import make_segmenter
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import GliomaError
from glioma_annotator.inference.cards import CARD
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, ignore_progress

_FIRST_SEED = 880_001  # far from the seeds of any training
_LEAST_ML = 0.3  # less of a region says little about it


def without(rule: str, model: str, scratch: Path) -> ModelSegmenter:
    """A segmenter with a copy of a shipped model (the default one if `model` is empty) whose card lacks the rule."""
    shutil.copytree(paths.resources() / "models" / (model or "glioma"), scratch / "copy")
    card = json.loads((scratch / "copy" / CARD).read_text(encoding="utf-8"))
    if not card["post_processing"].get(rule):
        raise SystemExit(f"The model has no rule “{rule}”; it has {', '.join(card['post_processing'])}.")
    del card["post_processing"][rule]
    (scratch / "copy" / CARD).write_text(json.dumps(card), encoding="utf-8")
    return ModelSegmenter([scratch / "copy"])


def measure(args: argparse.Namespace, scratch: Path) -> None:
    source = SampleSource(load_backgrounds(args.data))
    segmenters = {"": (make_segmenter(), args.model)}
    if args.without:
        segmenters[f", without {args.without}"] = without(args.without, args.model, scratch), ""
    found: dict[tuple[str, str, str], list[float]] = {}
    for number in range(args.patients):
        shift = STRONG_SHIFT if args.shift else ScannerShift()
        for visit in draw_patient(source, args.visits, args.seed + number, shift, args.kind):
            grid = Grid(visit.labels.shape, np.eye(4))
            images = {
                SequenceRole(name): Volume(image, grid) for name, image in zip(CHANNELS, visit.images, strict=True)
            }
            known = {"known": False} if visit.phase == "pre-operative" else {"unknown": None, "known": True}
            arms = [(said + which, operated, which) for said, operated in known.items() for which in segmenters]
            for arm, operated, which in arms:
                segmenter, model = segmenters[which]
                outcome = segmenter.segment(images, model, "cpu", ignore_progress, CancelToken(), operated=operated)
                line = []
                for region in GLIOMA_POST_TREATMENT.regions:
                    truth, mask = region.mask(visit.labels), region.mask(outcome.labels)
                    ml = [np.count_nonzero(m) * grid.voxel_volume_ml for m in (truth, mask)]
                    line.append(f"{region.name} {ml[1]:.1f} of {ml[0]:.1f} mL")
                    if ml[0] >= _LEAST_ML:
                        found.setdefault((visit.phase, arm, region.name), []).append(dice(truth, mask))
                        line[-1] += f", Dice {found[visit.phase, arm, region.name][-1]:.2f}"
                print(f"patient {number + 1}, {visit.phase}, surgery {arm}: {'; '.join(line)}", flush=True)
    width = max(len(arm) for _, arm, _ in found)
    print(f"\nphase            {'surgery':{width}} region  cases  mean   median  lowest")
    for (phase, arm, name), values in found.items():
        print(
            f"{phase:16} {arm:{width}} {name:6} {len(values):5}   {np.mean(values):.3f}  {np.median(values):.3f}   "
            f"{min(values):.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="data folder with healthy/, atlas/, ...")
    parser.add_argument("--model", default="")
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--seed", type=int, default=_FIRST_SEED, help="of the first patient")
    parser.add_argument("--shift", action="store_true")
    parser.add_argument("--kind", type=TumourKind, choices=list(TumourKind), default=TumourKind.RING)
    parser.add_argument("--without", default="", metavar="RULE")
    args = parser.parse_args()
    if args.data is None:
        print("Nothing to do: name the folder of tumour-free brains with --data.")
        return
    with tempfile.TemporaryDirectory() as scratch:
        measure(args, Path(scratch))


if __name__ == "__main__":
    try:
        main()
    except GliomaError as error:
        raise SystemExit(str(error)) from None
