"""The configuration of a training: one TOML file, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.imaging.label_conventions import LabelConvention


class Output(StrEnum):
    """Multi-class: one tissue per voxel (softmax). Multi-label: every tissue is a question of its own (sigmoids).

    A multi-label network calls a voxel the tissue with the highest logit, background when none is above 0. That is a
    multi-class network whose background logit is 0, and it is saved as one.
    """

    MULTI_CLASS = "multi-class"
    MULTI_LABEL = "multi-label"


class Strategy(StrEnum):
    """Where patches of real cases are taken.

    RANDOM: anywhere, uniformly. BALANCED: around a voxel of a class drawn uniformly from those the case has, background
    among them. LABELLED: around a voxel of tissue. SEQUENTIAL: side by side, in order. WHOLE: the whole brain at once.
    """

    RANDOM = "random"
    BALANCED = "balanced"
    LABELLED = "labelled"
    SEQUENTIAL = "sequential"
    WHOLE = "whole"


class LossKind(StrEnum):
    DICE = "dice"
    DICE_CE = "dice+ce"


class ScheduleKind(StrEnum):
    PLATEAU = "plateau"
    COSINE = "cosine"


@dataclass(frozen=True, slots=True)
class Init:
    """Where the weights start; nowhere named: freshly drawn.

    Attributes
    ----------
    model: folder of a model of the same network and channels to go on from.
    widen: folder of a narrower residual-inception model to widen without changing what it computes.
    noise: of the widening, see `widening.widen`.
    """

    model: str = ""
    widen: str = ""
    noise: float = 0.1


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The network.

    Attributes
    ----------
    architecture: residual-inception-unet, dynunet or segresnet.
    parameters: the architecture's own.
    background_bias: head start of the background in the first logits: most voxels are background.
    """

    architecture: str = "residual-inception-unet"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    background_bias: float = 3.0
    init: Init = Init()


@dataclass(frozen=True, slots=True)
class DataConfig:
    """What is trained on. Paths count from the configuration file's folder.

    Attributes
    ----------
    synthetic: data folder of the synthetic generator; empty for none.
    kinds: shares of the generator's kinds of tumour ("ring", "solid", "low grade", "oedema only", "post-operative");
        empty for its own.
    cases: folders of real cases, or patterns of such folders, in BraTS naming.
    exclude: names of cases to leave out.
    validation: folders of cases that are only scored.
    validation_share: share of `cases` drawn at random to be scored only, where `validation` is empty.
    real_share: share of real patches where there are both kinds.
    labels: convention of the cases' masks.
    channels: sequences in the order of the network's channels.
    optional, one_of: channels that may be absent, and of which at least one must be there, for the model's card.
    channel_dropout: probability of each optional channel of a real patch to be left out; the generator has its own.
    """

    synthetic: str = ""
    kinds: Mapping[str, Any] = field(default_factory=dict)
    cases: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    validation_share: float = 0.0
    real_share: float = 0.5
    labels: LabelConvention = LabelConvention.AUTO
    channels: tuple[SequenceRole, ...] = (SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)
    optional: tuple[SequenceRole, ...] = ()
    one_of: tuple[SequenceRole, ...] = ()
    channel_dropout: float = 0.0


@dataclass(frozen=True, slots=True)
class PatchConfig:
    """Patches of real cases.

    Attributes
    ----------
    size: edge of the cube in voxels.
    volumes, per_volume: a step sees `per_volume` patches from each of `volumes` cases; 12 of 2 in the reference design.
    """

    strategy: Strategy = Strategy.RANDOM
    size: int = 64
    volumes: int = 2
    per_volume: int = 12


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the training with patches of one size.

    Attributes
    ----------
    until: share of the whole training at which the stage ends, 0 to 1.
    patch: edge of a cubic patch in voxels.
    batch: patches per step.
    frozen_statistics: whether batch normalisation keeps the averaged statistics instead of the batch's own. One or two
        patches say too little about intensities for the last part of a training.
    """

    until: float = 1.0
    patch: int = 64
    batch: int = 2
    frozen_statistics: bool = False


@dataclass(frozen=True, slots=True)
class LossConfig:
    """The loss.

    Attributes
    ----------
    smooth: added to numerator and denominator of Dice, in voxels; keeps small tissues calm.
    class_weights: of the classes in the cross-entropy, background first; empty for equal ones.
    skip_below: a batch whose loss is smaller, such as normal brain that is known well, costs its forward pass only.
    """

    kind: LossKind = LossKind.DICE_CE
    smooth: float = 50.0
    class_weights: tuple[float, ...] = ()
    skip_below: float = 0.0


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """Adam and its rate.

    Attributes
    ----------
    learning_rate, final_learning_rate: Adam's, after the warm-up and at the end of the cosine.
    warm_up: steps of the linear warm-up.
    patience, factor: of the plateau: after so many epochs without a better value the rate is multiplied by the factor.
    epoch: steps that count as an epoch.
    weight_decay, clip_norm: as in Adam; gradient norm above which gradients are scaled down, 0 for never.
    """

    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    schedule: ScheduleKind = ScheduleKind.PLATEAU
    warm_up: int = 0
    patience: int = 10
    factor: float = 0.5
    epoch: int = 100
    weight_decay: float = 1e-5
    clip_norm: float = 5.0


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """Probabilities of TorchIO's MRI bias field and Gaussian noise (the reference design's), and of swapped sides."""

    bias_field: float = 0.5
    noise: float = 0.5
    flip: float = 0.5


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How long, where and how.

    Attributes
    ----------
    minutes, steps: the training ends with the first of the two; 0 for no limit. Only steps make a run repeatable.
    seed: of the first weights and of the stream of samples.
    device: auto, cpu or cuda.
    precision: auto (bfloat16 where the hardware computes in it), bfloat16 or float32.
    threads: processor threads of the training itself.
    workers: processes that generate samples; 0 generates them in the training's own.
    ema: decay of the moving average of the weights, which is what is kept; 0 for none.
    start_share: share of the first weights in what is kept. Half-way between a model and its fit to few cases often
        serves others better than either (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022).
    checkpoint_every, validate_every: steps between checkpoints and between validations; 0 for a validation at the end.
    validation_samples: synthetic samples to score where there are no cases for it.
    """

    minutes: float = 0.0
    steps: int = 0
    seed: int = 20261120
    device: str = "auto"
    precision: str = "auto"
    threads: int = 1
    workers: int = 1
    ema: float = 0.99
    start_share: float = 0.0
    checkpoint_every: int = 100
    validate_every: int = 0
    validation_samples: int = 16


@dataclass(frozen=True, slots=True)
class RepeatConfig:
    """More than one training from one file.

    Attributes
    ----------
    folds: k-fold cross-validation over the real cases: each fold's cases are scored by a model that never saw them.
    members: trainings that differ in their seed: an ensemble, whose models are averaged where they are used.
    """

    folds: int = 0
    members: int = 0


@dataclass(frozen=True, slots=True)
class CardConfig:
    """What only a person can say about the model, for its card.

    Attributes
    ----------
    title: one line for a reader.
    kind: what the training data are, in words.
    sources: data sets and their terms.
    limits: what the model is known to do badly.
    """

    title: str = ""
    kind: str = ""
    sources: Mapping[str, Any] = field(default_factory=dict)
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Everything a training needs to know."""

    name: str
    output: Output = Output.MULTI_CLASS
    network: NetworkConfig = NetworkConfig()
    data: DataConfig = DataConfig()
    patches: PatchConfig = PatchConfig()
    stages: tuple[Stage, ...] = ()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    run: RunConfig = RunConfig()
    repeat: RepeatConfig = RepeatConfig()
    card: CardConfig = CardConfig()

    def all_stages(self) -> tuple[Stage, ...]:
        """The stages; without any, one with the patches' own size and number."""
        patches = self.patches
        return self.stages or (Stage(1.0, patches.size, patches.volumes * patches.per_volume),)
