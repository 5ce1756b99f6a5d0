"""Measure a trained brain model and write its folder: `python -m glioma_annotator.adaptation.score_brain`."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glioma_annotator import __version__
from glioma_annotator.adaptation.synthesis.heads import SPACING_MM, HeadMap, draw_head, load_head_maps
from glioma_annotator.adaptation.train_brain import CHECKPOINT, HELD_OUT, PARAMETERS, label_map_files
from glioma_annotator.domain.model_card import BRAIN, ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.brain_extraction import mask_of_share
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.imaging.registration import placed, register
from glioma_annotator.imaging.resampling import resample_to
from glioma_annotator.inference.brain import BRAIN_SCHEME, PERCENTILES, ModelBrainFinder
from glioma_annotator.inference.model_folder import load_card, save_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, build_network
from glioma_annotator.progress import CancelToken, ignore_progress

_SCORE_SEED = 7
_SHAPE = (96, 112, 96)
_LIMITS = (
    "Trained on painted heads of 17 adults alone; children, and anatomy after large operations, were never seen.",
    "The mask holds the fluid in and just over the sulci, as stripped scans of the tumour data sets do, not all of it.",
    "Works at 2 mm: finer details, such as the tentorium's edge, are smoothed.",
    "Compared with another tool's mask on one real head with skull only; it errs at the skull base and orbits: "
    "look at each result.",
)


def dice(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    both, sizes = int(np.count_nonzero(one & other)), int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * both / max(sizes, 1)


def brain_card(training: dict[str, Any]) -> ModelCard:
    """The model's card before it is measured."""
    return ModelCard(
        name="brain",
        title="Brain mask, any contrast",
        architecture=RESIDUAL_INCEPTION_UNET,
        parameters=PARAMETERS,
        channels=(SequenceRole.OTHER,),
        scheme=BRAIN_SCHEME,
        spacing_mm=(SPACING_MM, SPACING_MM, SPACING_MM),
        normalisation=PERCENTILES,
        weights_sha256="",
        patch=(96, 96, 96),
        training=training,
        limits=_LIMITS,
        task=BRAIN,
    )


def simulated_scores(finder: ModelBrainFinder, maps: list[HeadMap], count: int) -> dict[str, Any]:
    """Dice on painted heads of label maps kept out of training: mean, median, least."""
    grid_scores = []
    for number in range(count):
        sample = draw_head(maps, _SHAPE, _SCORE_SEED, number)
        volume = Volume(sample.image, _grid())
        found = mask_of_share(finder.share(volume, ignore_progress, CancelToken()), volume.grid)
        grid_scores.append(dice(found, sample.brain >= 0.5))
    return {
        "label_maps": list(HELD_OUT),
        "heads": count,
        "dice_mean": round(float(np.mean(grid_scores)), 4),
        "dice_median": round(float(np.median(grid_scores)), 4),
        "dice_least": round(float(np.min(grid_scores)), 4),
    }


def real_scores(finder: ModelBrainFinder, case: Path) -> dict[str, float]:
    """Dice per contrast of raw scans against the same case stripped by another tool, after registration to it."""
    scores = {}
    for name in ("t1", "t1c", "t2", "flair"):
        raw = read_volume(case / "raw_native" / f"{name}.nii.gz").volume
        stripped = read_volume(case / "sri24_bet" / f"{name}.nii.gz").volume
        found = finder.mask(raw, ignore_progress, CancelToken())
        theirs = stripped.data > 0
        brain_only = Volume(np.where(found, raw.data, 0).astype(np.float32), raw.grid)
        registration = register(brain_only, stripped, finest_mm=2.0)
        reference = resample_to(placed(Volume(theirs.astype(np.float32), stripped.grid), registration), raw.grid)
        scores[name] = round(dice(found, reference.data >= 0.5), 4)
    return scores


def _grid() -> Any:
    from glioma_annotator.domain.geometry import Grid

    return Grid(_SHAPE, np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0]))


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, write `RUN/brain` from the checkpoint, measure it, write the figures into its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with label_maps/synthseg and raw_clinical/")
    parser.add_argument("--run", type=Path, required=True, help="folder of `train_brain`")
    parser.add_argument("--heads", type=int, default=30, help="simulated heads to measure on")
    parsed = parser.parse_args(arguments)
    state = torch.load(parsed.run / CHECKPOINT, weights_only=True)
    network = build_network(RESIDUAL_INCEPTION_UNET, PARAMETERS, 1, 2)
    network.load_state_dict(state["averaged"])
    folder = parsed.run / "brain"
    training = {
        "kind": "heads painted from anatomical label maps at random and as scanners give them; no real scan",
        "sources": {"label_maps/synthseg": "20 whole-head label maps; Apache-2.0; three kept out for measuring"},
        "steps": state["steps"],
        "minutes": round(state["seconds"] / 60, 1),
        "hardware": "1 thread of a shared x86_64 CPU, bfloat16",
        "versions": {"glioma-annotator": __version__, "torch": torch.__version__},
    }
    save_model(folder, brain_card(training), network.eval())
    finder = ModelBrainFinder((folder,))
    maps = load_head_maps(p for p in label_map_files(parsed.data) if p.name in HELD_OUT)
    scores: dict[str, Any] = {"simulated": simulated_scores(finder, maps, parsed.heads)}
    case = parsed.data / "raw_clinical" / "TCGA-FG-6692"
    if case.is_dir():
        began = time.monotonic()
        scores["TCGA-FG-6692"] = real_scores(finder, case)
        scores["TCGA-FG-6692"]["seconds_with_registration"] = round(time.monotonic() - began, 1)
    save_model(folder, replace(load_card(folder), scores=scores), network)
    print(json.dumps(scores, indent=2))


if __name__ == "__main__":
    main()
