"""Dice of a model on whole synthetic patients that no training drew: before and after surgery, and with a recurrence.

python benchmarks/synthetic_patients.py --data DIR [--model NAME] [--patients 8] [--seed N] [--shift]
The brains are those the models were trained on; tumours, cavities and scanners are new. Visits after surgery are
segmented twice: as where nothing is known of the surgery, and as where it is. --shift simulates a scanner that differs
strongly from those of the training samples.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from glioma_annotator.adaptation.acceptance import dice
from glioma_annotator.adaptation.synthesis.backgrounds import load_backgrounds
from glioma_annotator.adaptation.synthesis.contrast import CHANNELS
from glioma_annotator.adaptation.synthesis.longitudinal import STRONG_SHIFT, ScannerShift, draw_patient
from glioma_annotator.adaptation.synthesis.samples import SampleSource
from glioma_annotator.app import make_segmenter
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import GliomaError
from glioma_annotator.progress import CancelToken, ignore_progress

_FIRST_SEED = 880_001  # far from the seeds of any training
_LEAST_ML = 0.3  # less of a region says little about it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="data folder with healthy/, atlas/, ...")
    parser.add_argument("--model", default="")
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=_FIRST_SEED, help="of the first patient")
    parser.add_argument("--shift", action="store_true")
    args = parser.parse_args()
    if args.data is None:
        print("Nothing to do: name the folder of tumour-free brains with --data.")
        return
    source = SampleSource(load_backgrounds(args.data))
    segmenter = make_segmenter()
    found: dict[tuple[str, str, str], list[float]] = {}
    for number in range(args.patients):
        shift = STRONG_SHIFT if args.shift else ScannerShift()
        for visit in draw_patient(source, 3, args.seed + number, shift):
            grid = Grid(visit.labels.shape, np.eye(4))
            images = {
                SequenceRole(name): Volume(image, grid) for name, image in zip(CHANNELS, visit.images, strict=True)
            }
            arms = {"known": False} if visit.phase == "pre-operative" else {"unknown": None, "known": True}
            for surgery, operated in arms.items():
                outcome = segmenter.segment(
                    images, args.model, "cpu", ignore_progress, CancelToken(), operated=operated
                )
                line = []
                for region in GLIOMA_POST_TREATMENT.regions:
                    truth, mask = region.mask(visit.labels), region.mask(outcome.labels)
                    ml = [np.count_nonzero(m) * grid.voxel_volume_ml for m in (truth, mask)]
                    line.append(f"{region.name} {ml[1]:.1f} of {ml[0]:.1f} mL")
                    if ml[0] >= _LEAST_ML:
                        found.setdefault((visit.phase, surgery, region.name), []).append(dice(truth, mask))
                        line[-1] += f", Dice {found[visit.phase, surgery, region.name][-1]:.2f}"
                print(f"patient {number + 1}, {visit.phase}, surgery {surgery}: {'; '.join(line)}", flush=True)
    print("\nphase            surgery  region  cases  mean   median  lowest")
    for (phase, surgery, name), values in found.items():
        print(
            f"{phase:16} {surgery:8} {name:6} {len(values):5}   {np.mean(values):.3f}  {np.median(values):.3f}   "
            f"{min(values):.3f}"
        )


if __name__ == "__main__":
    try:
        main()
    except GliomaError as error:
        raise SystemExit(str(error)) from None
