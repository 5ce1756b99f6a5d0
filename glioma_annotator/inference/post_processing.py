"""What is done to a mask after the network, as the model's card says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.model_card import PostProcessing
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.components import components, fill_holes, remove_small


def post_processed(
    labels: LabelArray, softmax: NDArray[np.uint8], rules: PostProcessing, scheme: LabelScheme, grid: Grid
) -> tuple[LabelArray, tuple[str, ...]]:
    """The mask (i, j, k) after the card's rules, and what a reader should know about it, one sentence each.

    In this order: islands of tissue that are too small are left out, small holes in the tissue are filled, labels of
    which there is too little become others.

    Parameters
    ----------
    softmax: uint8 (class, i, j, k) on the mask's voxels, class n the n-th label of `scheme`.
    grid: gives the voxels' volume.
    """
    result = remove_small(labels, rules.min_component_ml, grid) if rules.min_component_ml else labels.copy()
    if rules.fill_holes_ml:
        _fill_holes(result, softmax, rules.fill_holes_ml, scheme, grid.voxel_volume_ml)
    names = {label.value: label.name for label in scheme.labels} | {0: "background"}
    messages = []
    for rule in rules.too_small:
        few = result == rule.label
        volume_ml = np.count_nonzero(few) * grid.voxel_volume_ml
        if 0 < volume_ml < rule.below_ml:
            result[few] = rule.becomes
            messages.append(
                f"{volume_ml:.2f} mL of {names[rule.label]}, less than {rule.below_ml:g} mL, were taken for "
                f"{names[rule.becomes]}."
            )
    return result, tuple(messages)


def _fill_holes(
    labels: LabelArray, softmax: NDArray[np.uint8], largest_ml: float, scheme: LabelScheme, voxel_ml: float
) -> None:
    """Give background enclosed in tissue, up to `largest_ml` per hole, its most probable tissue, in place."""
    tissue = labels != 0
    numbered, count = components(fill_holes(tissue) & ~tissue)
    if not count:
        return
    small = np.bincount(numbered.reshape(-1), minlength=count + 1) * voxel_ml <= largest_ml
    small[0] = False
    holes = small[numbered]
    best = softmax[1:, holes].argmax(axis=0)
    labels[holes] = np.asarray(scheme.values, dtype=np.uint8)[best]
