"""Measure a trained brain model and write its folder: `python -m glioma_annotator.adaptation.score_brain`."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator import __version__
from glioma_annotator.adaptation.mean_of_models import mean_weights
from glioma_annotator.adaptation.synthesis.heads import SPACING_MM, HeadMap, draw_head, load_head_maps
from glioma_annotator.adaptation.train_brain import CHECKPOINT, HELD_OUT, PARAMETERS, label_map_files
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.model_card import BRAIN, ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.brain_extraction import BRAIN_SHARE, mask_of_share, mean_share
from glioma_annotator.imaging.components import fill_holes, largest
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.imaging.registration import Registration, placed, placed_grid, register
from glioma_annotator.imaging.resampling import resample_to
from glioma_annotator.inference.brain import BRAIN_SCHEME, PERCENTILES, ModelBrainFinder
from glioma_annotator.inference.model_folder import load_card, load_model, save_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, SegmentationNetwork, build_network
from glioma_annotator.progress import CancelToken, ignore_progress

_SCORE_SEED = 7
_SHAPE = (96, 112, 96)
_GRID = Grid(_SHAPE, np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0]))
_CALIBRATION_SEED, _CALIBRATION_MAPS = 8, 4
_THRESHOLDS = (0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
_AGAINST = (
    "The same case stripped by another tool, registered to each raw scan by what lies inside its outline; Dice of the "
    "whole scan, where all four scans reach, and there but for the first and the last slice of each scan (the stripped "
    "set ends a slice before T1Gd does); each contrast by itself, and all together as the importer does it. No real "
    "scan was used in training; this one was looked at during development, to define what belongs to the mask."
)
#: What registration to a stripped scan compares lies so far inside it: its outline, which is in question, has no say.
_INNER_MM = 4.0
#: And so far around the brain as the model finds it in the raw scan: the face does not count.
_OUTER_MM = 10.0
_LIMITS = (
    "Trained on painted heads of 17 adults alone; children, and anatomy after large operations, were never seen.",
    "The mask goes over the fluid within the skull and the meninges, as that of the stripped scans of the tumour data "
    "sets; the fluid of the spine does not belong to it.",
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


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A painted head as the model sees it.

    Attributes
    ----------
    share: float32 (i, j, k), the share of brain found. brain: bool (i, j, k), where it is.
    scanned: whether the head's contrast is as scanners give it, not at random.
    """

    share: NDArray[np.float32]
    brain: NDArray[np.bool_]
    scanned: bool


def simulated_shares(finder: ModelBrainFinder, maps: list[HeadMap], seed: int, count: int) -> list[Found]:
    """What the model finds in painted heads."""
    found = []
    for number in range(count):
        sample = draw_head(maps, _SHAPE, seed, number)
        share = finder.share(Volume(sample.image, _GRID), ignore_progress, CancelToken())
        found.append(Found(share, sample.brain >= 0.5, sample.scanned))
    return found


def best_threshold(heads: list[Found]) -> float:
    """The share of brain from which on a voxel is best called brain, by the mean Dice."""
    means = [np.mean([dice(fill_holes(largest(h.share >= level)), h.brain) for h in heads]) for level in _THRESHOLDS]
    return _THRESHOLDS[int(np.argmax(means))]


def simulated_scores(finder: ModelBrainFinder, maps: list[HeadMap], count: int) -> dict[str, Any]:
    """Dice on painted heads of label maps kept out of training: mean, median, least; mean by kind of contrast."""
    heads = simulated_shares(finder, maps, _SCORE_SEED, count)
    scores = [(dice(fill_holes(largest(h.share >= BRAIN_SHARE)), h.brain), h.scanned) for h in heads]
    every = [score for score, _ in scores]
    by_contrast = {}
    for name, kind in (("as scanners give it", True), ("at random", False)):
        some = [score for score, scanned in scores if scanned is kind]
        by_contrast[name] = {"heads": len(some), "dice_mean": round(float(np.mean(some)), 4) if some else None}
    return {
        "label_maps": list(HELD_OUT),
        "heads": count,
        "dice_mean": round(float(np.mean(every)), 4),
        "dice_median": round(float(np.median(every)), 4),
        "dice_least": round(float(np.min(every)), 4),
        "by_contrast": by_contrast,
    }


def real_scores(finder: ModelBrainFinder, case: Path) -> dict[str, dict[str, float]]:
    """Dice of raw scans against the same case stripped by another tool, after registration to it.

    For each contrast by itself on its own voxels ("whole"), there where all four scans reach ("covered"), since a
    stripped set ends where the first of its scans does, and there but for every scan's first and last slice ("inner");
    "together" is the mask of the four scans' mean share, which the importer uses, on the stripped scans' voxels.
    """
    found: dict[str, tuple[Volume, Volume, Registration]] = {}
    for name in ("t1", "t1c", "t2", "flair"):
        raw = read_volume(case / "raw_native" / f"{name}.nii.gz").volume
        stripped = read_volume(case / "sri24_bet" / f"{name}.nii.gz").volume
        seen = finder.share(raw, ignore_progress, CancelToken())
        around = ndimage.distance_transform_edt(seen < 0.5, sampling=raw.grid.spacing_mm) <= _OUTER_MM
        solid = fill_holes(stripped.data > 0)
        inner = ndimage.distance_transform_edt(solid, sampling=stripped.grid.spacing_mm) > _INNER_MM
        registration = register(raw, stripped, fixed_mask=around, moving_mask=inner, finest_mm=1.5)
        found[name] = Volume(seen, raw.grid), Volume(solid.astype(np.float32), stripped.grid), registration
    target = found["t1c"][1]
    places = {name: placed_grid(share.grid, move.inverse()) for name, (share, _, move) in found.items()}
    scores: dict[str, dict[str, float]] = {}
    for name, (share, brain, move) in found.items():
        ours = mask_of_share(share.data, share.grid)
        reference = resample_to(placed(brain, move), share.grid).data >= 0.5
        scores[name] = dice_where(ours, reference, places[name], list(places.values()))
    shares = [Volume(share.data, places[name]) for name, (share, _, _) in found.items()]
    together = mask_of_share(mean_share(shares, target.grid), target.grid)
    scores["together"] = dice_where(together, target.data >= 0.5, target.grid, list(places.values()))
    return scores


def _covered(grid: Grid, scans: list[Grid], slices: int) -> NDArray[np.bool_]:
    """Voxels (i, j, k) of `grid` between the first and the last slice of every scan, all in one world.

    So many `slices` of each scan are left out at both ends of its thickest axis.
    """
    world = grid.index_to_world(np.moveaxis(np.indices(grid.shape), 0, -1))
    inside = np.ones(grid.shape, dtype=bool)
    for scan in scans:
        index = scan.world_to_index(world)
        ends = np.where(np.arange(3) == np.argmax(scan.spacing_mm), slices, 0)
        inside &= ((index >= ends - 1e-3) & (index <= np.array(scan.shape) - 1 - ends + 1e-3)).all(axis=-1)
    return inside


def dice_where(
    ours: NDArray[np.bool_], reference: NDArray[np.bool_], grid: Grid, scans: list[Grid]
) -> dict[str, float]:
    """Dice of two masks on `grid`, in all of it and where the scans, their places in one world, reach."""
    covered, inner = _covered(grid, scans, 0), _covered(grid, scans, 1)
    return {
        "whole": round(dice(ours, reference), 4),
        "covered": round(dice(ours & covered, reference & covered), 4),
        "inner": round(dice(ours & inner, reference & inner), 4),
    }


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, write `RUN/brain` from the checkpoint, measure it, write the figures into its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with label_maps/synthseg and raw_clinical/")
    parser.add_argument("--run", type=Path, required=True, help="folder of `train_brain`")
    parser.add_argument("--start", type=Path, help="model folder that the training began with")
    parser.add_argument(
        "--mean-with", type=Path, help="model folder: take the weights half-way between its and the run's"
    )
    parser.add_argument(
        "--threshold", type=float, help="share from which on a voxel is brain; without it the best on painted heads"
    )
    parser.add_argument("--heads", type=int, default=30, help="simulated heads to measure on, and to calibrate with")
    parsed = parser.parse_args(arguments)
    if parsed.threshold is not None and not 0 < parsed.threshold < 1:
        parser.error("The threshold is a share between 0 and 1.")
    state = torch.load(parsed.run / CHECKPOINT, weights_only=True)
    network = build_network(RESIDUAL_INCEPTION_UNET, PARAMETERS, 1, 2)
    network.load_state_dict(state["averaged"])
    training: dict[str, Any] = {
        "kind": "heads painted from anatomical label maps, three of four bent to new shapes between those mapped, at "
        "random and as scanners give them; no real scan",
        "sources": {"label_maps/synthseg": "17 of 20 whole-head label maps; Apache-2.0; three kept out for measuring"},
        "kept_out": list(HELD_OUT),
        "seed": state["seed"],
        "steps": state["steps"],
        "minutes": round(state["seconds"] / 60, 1),
        "hardware": "1 thread of a shared x86_64 CPU, bfloat16",
        "versions": {"glioma-annotator": __version__, "torch": torch.__version__},
    }
    if parsed.start:
        training["before"] = dict(load_card(parsed.start).training)
    if parsed.mean_with:
        card, other = load_model(parsed.mean_with)
        network.load_state_dict(mean_weights([(network.state_dict(), 0.5), (other.state_dict(), 0.5)]))
        training["mean_with"] = card.identity
    folder = parsed.run / "brain"
    save_model(folder, brain_card(training), network.eval())
    threshold, how = parsed.threshold, "as it was asked for."
    if threshold is None:
        learnt = [p for p in label_map_files(parsed.data) if p.name not in HELD_OUT]
        maps = load_head_maps(learnt[:: max(len(learnt) // _CALIBRATION_MAPS, 1)])
        threshold = best_threshold(simulated_shares(ModelBrainFinder((folder,)), maps, _CALIBRATION_SEED, parsed.heads))
        how = f"the best on {parsed.heads} new heads painted from label maps used in training."
    training["threshold"] = f"What was called brain at {threshold} is so at {BRAIN_SHARE}, by the head's bias: {how}"
    lower_bias(network, threshold)
    save_model(folder, brain_card(training), network)
    finder = ModelBrainFinder((folder,))
    maps = load_head_maps(p for p in label_map_files(parsed.data) if p.name in HELD_OUT)
    scores: dict[str, Any] = {"simulated": simulated_scores(finder, maps, parsed.heads)}
    print(json.dumps(scores, indent=2), flush=True)
    case = parsed.data / "raw_clinical" / "TCGA-FG-6692"
    if case.is_dir():
        scores["TCGA-FG-6692"] = {"against": _AGAINST, **real_scores(finder, case)}
    save_model(folder, replace(load_card(folder), scores=scores), network)
    print(json.dumps(scores, indent=2))


def lower_bias(network: SegmentationNetwork, threshold: float) -> None:
    """Let a share of `threshold` become `BRAIN_SHARE`, by the bias of the head's logit for brain, in place."""
    bias = network.head.bias
    assert bias is not None  # heads have one
    with torch.no_grad():
        bias[1] -= _logit(threshold) - _logit(BRAIN_SHARE)


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


if __name__ == "__main__":
    main()
