"""One case segmented by our engine beside MONAI's sliding window with its defaults, the same weights, one run.

Ours is the whole way from images to mask: brain, z-score, patches in the precision the device has, mask. MONAI's is
the prediction alone: `sliding_window_inference` of a 64-cube window over the whole volume in float32, everything else
at its defaults. Both use the same number of processor threads. Importing and loading are left out.

    python benchmarks/inference.py [CASE] [--model DIR | --published-width] [--threads N] [--device cpu] [--json FILE]

CASE is a folder with one visit's NIfTI files; without it, a synthetic phantom of 240 x 240 x 155 voxels. The model is
the shipped one, or with `--published-width` the network of 24-48-96-192 filters with random weights.
"""

from __future__ import annotations

import argparse
import functools
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from scipy import ndimage

from glioma_annotator import paths
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.imaging.normalisation import brain_mask, z_score
from glioma_annotator.inference.model_folder import Z_SCORE_BRAIN, load_model, save_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, build_network
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, Progress, ignore_progress
from glioma_annotator.workflow.import_proposal import propose_import

SHAPE = (240, 240, 155)
CHANNELS = (SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)
#: T1Gd, T2, FLAIR of white matter, oedema, enhancing tumour and necrosis, relative to white matter.
WHITE, OEDEMA, ENHANCING, NECROSIS = (1, 1, 1), (0.8, 1.9, 1.8), (1.8, 1.5, 1.5), (0.5, 2.4, 1.2)


def phantom() -> dict[SequenceRole, Volume]:
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


def read_case(folder: Path) -> dict[SequenceRole, Volume]:
    """The sequences of the first visit found in a folder."""
    plan = propose_import([folder], ignore_progress, CancelToken())
    first = plan.visits[0].key
    items = [item for item in plan.items if item.visit == first and item.role in CHANNELS]
    return {item.role: read_volume(item.path, item.channel).volume for item in items}


def published_width(folder: Path) -> Path:
    """A model folder with the published network and random weights."""
    parameters = {"filters": [24, 48, 96, 192]}
    torch.manual_seed(0)
    scheme = GLIOMA_POST_TREATMENT
    network = build_network(RESIDUAL_INCEPTION_UNET, parameters, len(CHANNELS), len(scheme.labels) + 1)
    card = ModelCard(
        name="published-width",
        title="Random weights, for timing",
        architecture=RESIDUAL_INCEPTION_UNET,
        parameters=parameters,
        channels=CHANNELS,
        scheme=scheme,
        spacing_mm=(1.0, 1.0, 1.0),
        normalisation=Z_SCORE_BRAIN,
        weights_sha256="",
    )
    save_model(folder / card.name, card, network)
    return folder / card.name


def warm_up(images: dict[SequenceRole, Volume]) -> dict[SequenceRole, Volume]:
    """A piece of the case: segmenting it loads the network."""
    middle = tuple(slice(n // 2 - 8, n // 2 + 8) for n in next(iter(images.values())).data.shape)
    pieces = {role: np.pad(volume.data[middle], 2) for role, volume in images.items()}
    return {role: Volume(piece, Grid(piece.shape, np.eye(4))) for role, piece in pieces.items()}


@functools.cache
def _job() -> tuple[ModelSegmenter, dict[SequenceRole, Volume]]:
    return ModelSegmenter([paths.resources() / "models"]), phantom()


def one_segmentation() -> None:
    """The phantom segmented with the shipped model: a job for `benchmarks/viewer.py --during-job` to measure beside."""
    segmenter, images = _job()
    segmenter.segment(images, "", "auto", ignore_progress, CancelToken())


class Stopwatch:
    """Wall and processor seconds of a `with` block."""

    def __enter__(self) -> Stopwatch:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = round(time.perf_counter() - self._wall, 2)
        self.cpu_s = round(time.process_time() - self._cpu, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", type=Path, help="folder with one visit; a synthetic phantom without it")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", type=Path, default=paths.resources() / "models" / "glioma", help="model folder")
    model.add_argument("--published-width", action="store_true", help="24-48-96-192 filters with random weights")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="processor threads")
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"), help="where ours runs")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = read_case(options.case) if options.case else phantom()

    with tempfile.TemporaryDirectory() as scratch:
        folder = published_width(Path(scratch)) if options.published_width else options.model
        card, network = load_model(folder)
        segmenter = ModelSegmenter([folder])
        segmenter.segment(warm_up(images), "", options.device, ignore_progress, CancelToken())
        last: list[float] = []
        gaps: list[float] = []

        def report(_progress: Progress) -> None:
            now = time.perf_counter()
            gaps.extend(now - before for before in last[-1:])
            last.append(now)

        with Stopwatch() as ours:
            outcome = segmenter.segment(images, "", options.device, report, CancelToken())

    brain = brain_mask([images[role].data for role in card.channels])
    batch = torch.from_numpy(np.stack([z_score(images[role].data, brain) for role in card.channels]))[None]
    with Stopwatch() as monai, torch.inference_mode():
        logits = sliding_window_inference(batch, (64, 64, 64), 1, network)
    values = np.array([0, *card.scheme.values], dtype=np.uint8)
    reference = values[logits[0].argmax(dim=0).numpy()]
    figures: dict[str, Any] = {
        "case": options.case.name if options.case else "phantom 240x240x155",
        "model": "published width, random weights" if options.published_width else card.identity,
        "parameters": sum(p.numel() for p in network.parameters()),
        "machine": f"{torch.cpu.get_capabilities().get('cpu_name', platform.processor())}, {options.threads} thread(s)",
        "ours": {
            "device": outcome.device,
            "patch": card.patch,
            "patches": outcome.patches,
            "wall_s": ours.wall_s,
            "cpu_s": ours.cpu_s,
            "longest_time_between_reports_s": round(max(gaps), 2),
        },
        "monai": {"wall_s": monai.wall_s, "cpu_s": monai.cpu_s},
        "times_faster_wall": round(monai.wall_s / ours.wall_s, 1),
        "times_faster_cpu": round(monai.cpu_s / ours.cpu_s, 1),
        "brain_voxels_equal": round(float((reference == outcome.labels)[brain].mean()), 4),
    }
    text = json.dumps(figures, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
