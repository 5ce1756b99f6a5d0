"""Model cards: what a segmentation model is, what it expects, and what it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.mask_rules import PostProcessing
from glioma_annotator.domain.sequences import SequenceRole

#: What a model is for. Only tumour models are offered for segmenting a visit.
TUMOUR, BRAIN = "tumour", "brain"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The description that travels with a model's weights as `card.json`.

    Attributes
    ----------
    name: unique name, also the folder's.
    title: one line for a reader.
    architecture: name of the network in `inference.networks`.
    parameters: the architecture's keyword arguments.
    channels: sequences in the order the network expects them; `SequenceRole.OTHER` for any contrast.
    scheme: meaning of the output classes; class 0 is background, class n the n-th label of the scheme.
    spacing_mm: voxel size the network was trained at.
    normalisation: how each channel is scaled; "z-score-brain" is mean 0, standard deviation 1 over brain voxels.
    weights_sha256: of `weights.safetensors`.
    patch: patch size in voxels of the reference inference mode.
    parent: name of the model it was adapted from; empty for a base model.
    patient: patient key an adapted model belongs to; empty for a base model.
    training: data, seed, steps, time, versions: what it was made from, in words and figures.
    scores: measured figures by test set.
    limits: what it is known to do badly, one sentence each.
    task: TUMOUR, or BRAIN for a brain mask; models of another task are never offered for segmenting a visit.
    default: the one to take among the shipped models when none was chosen.
    optional: channels that may be absent; the network then reads zeros (it was trained with channels left out).
    one_of: at least one of these channels must be there; empty for no such rule.
    post_processing: what is done to its mask afterwards.
    ranges: smallest and largest value of the network's inner tensors by name, so that it can be computed in 8 bits
        (`inference.eight_bit`); empty where it cannot.
    """

    name: str
    title: str
    architecture: str
    parameters: Mapping[str, Any]
    channels: tuple[SequenceRole, ...]
    scheme: LabelScheme
    spacing_mm: tuple[float, float, float]
    normalisation: str
    weights_sha256: str
    patch: tuple[int, int, int] = (64, 64, 64)
    parent: str = ""
    patient: str = ""
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: Mapping[str, Any] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    task: str = TUMOUR
    default: bool = False
    optional: tuple[SequenceRole, ...] = ()
    one_of: tuple[SequenceRole, ...] = ()
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """`name@` and the first 12 digits of the weights' hash: what a revision records."""
        return f"{self.name}@{self.weights_sha256[:12]}"
