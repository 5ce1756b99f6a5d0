"""Why our mask differs from that of MONAI's sliding window with the same weights: one step changed at a time.

Each row is a way to cover the brain, compared with the row above it and with the first, by Dice of the whole tumour
before post-processing. The first row is what `sliding_window_inference` computes: the whole volume in float32, logits
of 64-cube windows that overlap by half averaged with equal weights. The last is what the program does: the brain's box
in one pass, in the processor's own precision. OpenVINO computes all rows; how far it is from torch is measured first.

    python benchmarks/agreement.py [CASE] [--model FOLDER] [--json FILE]

CASE is a folder with one visit's NIfTI files, and an expert's mask in BraTS naming if there is one; without CASE, a
phantom.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from inference import OVERLAP, ROI, Images, dice, phantom, read_case
from numpy.typing import NDArray

from glioma_annotator import paths
from glioma_annotator.domain.geometry import Box, Shape
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.imaging.case_files import read_case as case_files
from glioma_annotator.imaging.nifti import read_labels
from glioma_annotator.inference import covering
from glioma_annotator.inference.cards import load_card
from glioma_annotator.inference.openvino_runner import OpenVinoRunner
from glioma_annotator.inference.preparation import Prepared, prepare
from glioma_annotator.progress import CancelToken, ignore_progress

Softmax = NDArray[np.float32]
NO_BOUND = 1e12


class Network:
    """A model as a function from images (channel, i, j, k) to softmax (class, i, j, k)."""

    def __init__(self, folder: Path, card: ModelCard, full_precision: bool) -> None:
        self._runner = OpenVinoRunner(folder, card, paths.network_cache(), "float32" if full_precision else "float")
        self.multiple = self._runner.multiple

    def __call__(self, images: NDArray[np.float32]) -> covering.Block:
        return self._runner.run(images, False, NO_BOUND, ignore_progress, CancelToken())


def from_torch(folder: Path, window: NDArray[np.float32]) -> Softmax:
    """The softmax of a window as torch computes it in float32."""
    import torch

    from glioma_annotator.inference.model_folder import load_model

    torch.set_num_threads(1)
    _, network = load_model(folder)
    with torch.inference_mode():
        return np.asarray(torch.softmax(network(torch.from_numpy(window[None]))[0], dim=0))


def windows(shape: Shape) -> list[Box]:
    """MONAI's 64-cube windows of a volume."""
    from monai.data.utils import dense_patch_slices

    step = int(ROI * (1 - OVERLAP))
    slices = dense_patch_slices(shape, (ROI,) * 3, (step,) * 3)
    return [Box(tuple(s.start for s in one), tuple(s.stop for s in one)) for one in slices]  # type: ignore[arg-type]


def slid(network: Network, images: NDArray[np.float32]) -> tuple[Softmax, Softmax]:
    """Images (channel, i, j, k) covered by MONAI's windows: logits with equal weights, and softmax by Gaussian ones.

    Both as values whose largest names the class. Logits are taken from the softmax: they differ by a constant of each
    voxel and window, which no class gains from. Windows without brain are not computed.
    """
    i, j, k = images.shape[1:]
    gauss, flat, smooth = covering.gaussian_weights((ROI,) * 3), None, None
    for box in windows((i, j, k)):
        window = images[:, *box.slices]
        if not window.any():
            continue
        softmax = network(np.ascontiguousarray(window)).softmax
        if flat is None or smooth is None:
            flat, smooth = (np.zeros((len(softmax), i, j, k), np.float32) for _ in range(2))
        flat[:, *box.slices] += np.log(np.maximum(softmax, 1e-30))
        smooth[:, *box.slices] += softmax * gauss
    assert flat is not None and smooth is not None  # there is a brain
    return flat, smooth


def rows(folder: Path, card: ModelCard, prepared: Prepared) -> dict[str, NDArray[np.bool_]]:
    """The whole tumour in the brain's box, row by row."""
    shape = prepared.grid.shape
    volume = np.zeros((len(card.channels), *shape), np.float32)
    volume[:, *prepared.box.slices] = prepared.images
    values = np.array([0, *card.scheme.values])
    whole = next((r.values for r in card.scheme.regions if r.name == "WT"), card.scheme.values)

    def tumour(scores: Softmax) -> NDArray[np.bool_]:
        return np.isin(values[scores.argmax(axis=0)], whole) & prepared.brain

    full = Network(folder, card, full_precision=True)
    flat, smooth = slid(full, volume)
    result = {
        "MONAI: 64-cube windows, overlap 0.5, equal weights, float32": tumour(flat[:, *prepared.box.slices]),
        "the same windows, Gaussian weights": tumour(smooth[:, *prepared.box.slices]),
    }
    del flat, smooth
    for edge in (64, 96):
        parts, count = covering.in_patches(
            full, prepared.images, prepared.brain, (edge,) * 3, ignore_progress, CancelToken()
        )
        result[f"our {count} patches of {edge}, overlap 0.25, brain's box"] = tumour(parts.softmax)
    result["one pass, float32"] = tumour(covering.whole(full, prepared.images, full.multiple).softmax)
    mixed = Network(folder, card, full_precision=False)
    result["one pass, the processor's own precision"] = tumour(
        covering.whole(mixed, prepared.images, mixed.multiple).softmax
    )
    return result


def expert(folder: Path | None, prepared: Prepared) -> NDArray[np.bool_] | None:
    """The expert's whole tumour in the brain's box; None when there is no mask."""
    files = case_files(folder) if folder else None
    if files is None or files.mask is None:
        return None
    return np.asarray(read_labels(files.mask).labels[prepared.box.slices] > 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="?", type=Path, help="folder with one visit; a synthetic phantom without it")
    parser.add_argument("--model", type=Path, default=paths.resources() / "models" / "glioma", help="model folder")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    images: Images = read_case(options.case) if options.case else phantom()
    card = load_card(options.model)
    prepared = prepare({r: images[r] for r in card.channels if r in images}, card, CancelToken())
    middle = [slice(max(n // 2 - ROI // 2, 0), max(n // 2 - ROI // 2, 0) + ROI) for n in prepared.brain.shape]
    window = np.ascontiguousarray(prepared.images[:, *middle])
    ours = Network(options.model, card, full_precision=True)(window).softmax
    figures: dict[str, Any] = {
        "case": options.case.name if options.case else "phantom",
        "model": card.name,
        "openvino_from_torch": float(np.abs(ours - from_torch(options.model, window)).max()),
        "rows": [],
    }
    truth = expert(options.case, prepared)
    masks = rows(options.model, card, prepared)
    first = before = next(iter(masks.values()))
    for name, mask in masks.items():
        figures["rows"].append(
            {
                "covered_by": name,
                "wt_dice_with_row_above": dice(mask, before),
                "wt_dice_with_first_row": dice(mask, first),
                "wt_dice_with_expert": dice(mask, truth) if truth is not None else None,
            }
        )
        before = mask
    text = json.dumps(figures, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
