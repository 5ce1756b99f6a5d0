"""What a segmenter returns."""

from __future__ import annotations

from dataclasses import dataclass

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.volume import LabelArray


@dataclass(frozen=True, slots=True, eq=False)
class SegmentationOutcome:
    """A proposed mask and how it came about.

    Attributes
    ----------
    labels: uint8 (i, j, k) on the images' grid, values of the card's scheme.
    card: the model that made it.
    device: where it ran, for a reader, e.g. "CPU" or "NVIDIA H200 (CUDA)".
    seconds: wall time.
    patches: number of patches the network saw.
    messages: what a reader should know, e.g. "T1 is absent; the model does not need it."
    """

    labels: LabelArray
    card: ModelCard
    device: str
    seconds: float
    patches: int
    messages: tuple[str, ...] = ()
