"""Dice of a model on whole synthetic patients that no training drew: before and after surgery, and with a recurrence.

python benchmarks/synthetic_patients.py --data DIR [--model NAME] [--patients 8] [--shift]
The brains are those the models were trained on; tumours, cavities and scanners are new. --shift simulates a scanner
that differs strongly from those of the training samples.
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
from glioma_annotator.progress import CancelToken, ignore_progress

_FIRST_SEED = 880_001  # far from the seeds of any training
_LEAST_ML = 0.3  # less of a region says little about it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="")
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--shift", action="store_true")
    args = parser.parse_args()
    source = SampleSource(load_backgrounds(args.data))
    segmenter = make_segmenter()
    found: dict[tuple[str, str], list[float]] = {}
    for number in range(args.patients):
        shift = STRONG_SHIFT if args.shift else ScannerShift()
        for visit in draw_patient(source, 3, _FIRST_SEED + number, shift):
            grid = Grid(visit.labels.shape, np.eye(4))
            images = {
                SequenceRole(name): Volume(image, grid) for name, image in zip(CHANNELS, visit.images, strict=True)
            }
            operated = visit.phase != "pre-operative"
            outcome = segmenter.segment(images, args.model, "cpu", ignore_progress, CancelToken(), operated=operated)
            line = []
            for region in GLIOMA_POST_TREATMENT.regions:
                truth, mask = region.mask(visit.labels), region.mask(outcome.labels)
                if np.count_nonzero(truth) * grid.voxel_volume_ml < _LEAST_ML:
                    continue
                value = dice(truth, mask)
                found.setdefault((visit.phase, region.name), []).append(value)
                line.append(f"{region.name} {value:.2f}")
            print(f"patient {number + 1}, {visit.phase}: {', '.join(line)}", flush=True)
    print("\nphase            region  cases  mean   median  lowest")
    for (phase, name), values in found.items():
        print(
            f"{phase:16} {name:6} {len(values):5}   {np.mean(values):.3f}  {np.median(values):.3f}   {min(values):.3f}"
        )


if __name__ == "__main__":
    main()
