"""What a segmenter returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.volume import LabelArray


@dataclass(frozen=True, slots=True, eq=False)
class Softmax:
    """Class probabilities in 8 bits.

    Attributes
    ----------
    values: uint8 (class, i, j, k) on `box`, 0 to 255 for 0 to 1; class 0 is background, n the n-th label of the card.
    box: the voxels of the images' grid that `values` covers; outside it lies no brain.
    """

    values: NDArray[np.uint8]
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationOutcome:
    """A proposed mask and how it came about.

    Attributes
    ----------
    labels: uint8 (i, j, k) on the images' grid, values of the card's scheme.
    card: the model that made it.
    device: where it ran, for a reader, e.g. "CPU, OpenVINO, bfloat16" or "NVIDIA H200 (CUDA), bfloat16".
    seconds: wall time.
    patches: number of pieces the network saw; 1 for one pass over the whole brain.
    messages: what a reader should know, e.g. "T1 is absent; the model does not need it."
    mode: how the brain was covered: "one-pass", "tiles" or "patches".
    softmax: class probabilities, for the uncertainty of the mask; None when the segmenter has none.
    """

    labels: LabelArray
    card: ModelCard
    device: str
    seconds: float
    patches: int
    messages: tuple[str, ...] = ()
    mode: str = ""
    softmax: Softmax | None = None
