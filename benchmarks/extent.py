"""Dice of the whole tumour with and without the rule that extends oedema by its brightness, at several levels.

    python benchmarks/extent.py [--model FOLDER ...] [--cases DIR] [--patients N --data DIR [--seed N]]

Cases are folders in BraTS naming with an expert's mask, none operated on; patients are painted, as in
`synthetic_patients.py`, and their surgery is known. A mask is proposed once without the rule; then the rule alone is
applied to it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glioma_annotator import paths
from glioma_annotator.adaptation.acceptance import dice
from glioma_annotator.adaptation.synthesis.backgrounds import load_backgrounds
from glioma_annotator.adaptation.synthesis.contrast import CHANNELS
from glioma_annotator.adaptation.synthesis.longitudinal import draw_patient
from glioma_annotator.adaptation.synthesis.samples import SampleSource
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.mask_rules import GLIOMA_POST_PROCESSING
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import GliomaError
from glioma_annotator.imaging.case_files import find_cases
from glioma_annotator.imaging.label_conventions import read_mask
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.inference.brightness import extended
from glioma_annotator.inference.cards import CARD
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, ignore_progress

RULE = GLIOMA_POST_PROCESSING.extents[0]
LEVELS = (0.35, 0.4, 0.45, 0.5, 0.6)
WHOLE = next(region for region in GLIOMA_POST_TREATMENT.regions if region.name == "WT")
LEAST_ML = 0.3
Visit = tuple[str, Mapping[SequenceRole, Volume], LabelArray, bool]


def expert_cases(folder: Path) -> Iterator[Visit]:
    for case in find_cases([folder]):
        if case.mask is not None:
            images = {role: read_volume(path).volume for role, path in case.images.items()}
            yield case.name, images, read_mask(case.mask, GLIOMA_POST_TREATMENT)[0].data, False


def painted_visits(data: Path, patients: int, seed: int) -> Iterator[Visit]:
    source = SampleSource(load_backgrounds(data))
    for number in range(seed, seed + patients):
        for visit in draw_patient(source, 3, number):
            grid = Grid(visit.labels.shape, np.eye(4))
            images = {SequenceRole(c): Volume(i, grid) for c, i in zip(CHANNELS, visit.images, strict=True)}
            yield f"{number} {visit.phase}", images, visit.labels, visit.phase != "pre-operative"


def without_rule(model: Path, scratch: Path) -> Path:
    """A copy of a model folder whose card has this program's rules but that one."""
    folder = scratch / f"{model.resolve().name}-{len(list(scratch.iterdir()))}"
    shutil.copytree(model, folder)
    card = json.loads((folder / CARD).read_text())
    shipped = json.loads((paths.resources() / "models" / "glioma" / CARD).read_text())
    card["post_processing"] = {**shipped["post_processing"], "extents": []}
    (folder / CARD).write_text(json.dumps(card))
    return folder


def scores(segmenter: ModelSegmenter, visit: Visit) -> NDArray[np.float64] | None:
    """Dice of the whole tumour without the rule and at every level; None where there is hardly any, or no FLAIR."""
    _, images, truth, operated = visit
    flair = images.get(SequenceRole.FLAIR)
    if flair is None or np.count_nonzero(WHOLE.mask(truth)) * flair.grid.voxel_volume_ml < LEAST_ML:
        return None
    outcome = segmenter.segment(images, "", "cpu", ignore_progress, CancelToken(), operated=operated)
    brain = np.any([volume.data != 0 for volume in images.values()], axis=0)
    found = [dice(WHOLE.mask(truth), WHOLE.mask(outcome.labels))]
    for level in LEVELS:
        more = extended(outcome.labels, brain, flair.data, replace(RULE, level=level), flair.grid)
        found.append(dice(WHOLE.mask(truth), WHOLE.mask(outcome.labels) | more))
    return np.array(found, dtype=float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, action="append", help="model folder; the default one without it")
    parser.add_argument("--cases", type=Path, help="folder with one folder per case")
    parser.add_argument("--data", type=Path, help="data folder, for painted patients")
    parser.add_argument("--patients", type=int, default=0)
    parser.add_argument("--seed", type=int, default=880_001)
    options = parser.parse_args()
    if options.cases is None and not (options.patients and options.data):
        print("Nothing to do: name --cases, or --patients and --data.")
        return
    print(f"{'':34}without   " + "   ".join(f"{level:.2f}" for level in LEVELS))
    with tempfile.TemporaryDirectory() as scratch:
        for model in options.model or [paths.resources() / "models" / "glioma"]:
            segmenter = ModelSegmenter([without_rule(model, Path(scratch))])
            cases = expert_cases(options.cases) if options.cases else ()
            painted = painted_visits(options.data, options.patients, options.seed) if options.patients else ()
            found = []
            for visit in itertools.chain(cases, painted):
                row = scores(segmenter, visit)
                if row is not None:
                    found.append(row)
                    print(f"{visit[0]:34}" + "   ".join(f"{value:.3f}" for value in row), flush=True)
            print(f"{f'mean, {model.name}':34}" + "   ".join(f"{value:.3f}" for value in np.mean(found, axis=0)))


if __name__ == "__main__":
    try:
        main()
    except GliomaError as error:
        raise SystemExit(str(error)) from None
