"""`last-layer` on cached features beside the plain loop that runs the whole network in every step."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from glioma_annotator.adaptation.acceptance import Judged, judge
from glioma_annotator.adaptation.cases import PreparedCase, prepare
from glioma_annotator.adaptation.features import CaseFeatures, classes_of, compute_features
from glioma_annotator.adaptation.holdout import Part
from glioma_annotator.adaptation.methods import last_layer
from glioma_annotator.domain.adaptation import AdaptationCase
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import CancelToken

ROLES = (SequenceRole.T1, SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)


def measure_speed(
    network: SegmentationNetwork, card: ModelCard, device: ComputeDevice, seed: int, edge: int, steps: int
) -> dict[str, Any]:
    """The same steps on the same voxels, cached and plain: the plain loop passes the box around them each step."""
    case = _case(card, seed, edge)
    part = Part(case, case.classes != IGNORE)
    token = CancelToken()
    compute_features(network, _case(card, seed, 32), device, token, keep_stage=False)  # warm up
    began = time.perf_counter(), time.process_time()
    found = compute_features(network, case, device, token, keep_stage=False)
    passed = time.perf_counter() - began[0], time.process_time() - began[1]
    voxels = last_layer.collect([part], [found], np.random.default_rng(seed))
    rows = _rows_in_brain(part, np.random.default_rng(seed))

    def trained(features_of: Callable[[], NDArray[np.float16]], steps: int) -> torch.nn.Conv3d:
        rng = np.random.default_rng(seed)
        head = torch.nn.Conv3d(network.head.in_channels, network.head.out_channels, 1)
        head.load_state_dict(network.head.state_dict())
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
        again = compute_features(network, case, device, token, keep_stage=False)
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


def _case(card: ModelCard, seed: int, edge: int) -> PreparedCase:
    """A ball of uneven tissue with an enhancing ball in it, as a cube of `edge` voxels."""
    rng = np.random.default_rng(seed)
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
    return prepare(AdaptationCase("speed", case, truth, grid), card, CancelToken())


def _mean_dice(found: CaseFeatures, head: torch.nn.Conv3d, part: Part) -> float:
    truth = np.where(part.mask, part.case.classes, 0).astype(np.uint8)
    marked = np.where(part.mask, classes_of(found, head), 0).astype(np.uint8)
    return judge([Judged(truth, marked, marked, part.case.voxel_ml)], GLIOMA_POST_TREATMENT).after or 0.0
