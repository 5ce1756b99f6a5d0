"""Adapting a model to a patient: what goes in, what comes out, and how it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume

DEFAULT_SEED = 20261120
DEFAULT_BUDGET_S = 300.0


class AdaptationMethod(StrEnum):
    """What of a network learns from the corrected masks.

    AUTO tries the others from cheap to dear within the time budget, and the mean of those accepted. LAST_LAYER trains
    the head on cached features; NORM the batch normalisations; DECODER the last decoder stage and the head on cached
    encoder features; FULL everything, pulled towards the starting weights and shown other cases meanwhile.
    """

    AUTO = "auto"
    LAST_LAYER = "last-layer"
    NORM = "norm"
    DECODER = "decoder"
    FULL = "full"


#: From cheap to dear: the order in which AUTO tries them.
METHODS = (AdaptationMethod.LAST_LAYER, AdaptationMethod.DECODER, AdaptationMethod.NORM, AdaptationMethod.FULL)


@dataclass(frozen=True, slots=True, eq=False)
class AdaptationCase:
    """A visit with a mask that a reader stands behind.

    Attributes
    ----------
    name: for a reader, e.g. the visit's title.
    images: float32 intensities by role on `grid`; a sequence that the model needs may be absent.
    labels: uint8 (i, j, k) on `grid`, values of the model's scheme; 255 where nothing was reviewed.
    carried: the mask of an earlier visit carried over by registration, same grid; None where there is none.
    operated: False before any surgery: labels that surgery leaves (`LEFT_BY_SURGERY`) are not proposed there, so they
        are not judged there either. True after a resection, None where that is not known.
    """

    name: str
    images: Mapping[SequenceRole, Volume]
    labels: LabelArray
    grid: Grid
    carried: LabelArray | None = None
    operated: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AdaptationRequest:
    """What to adapt, to what, and how.

    Attributes
    ----------
    model: name or folder of the starting model; empty for the default one.
    cases: corrected visits in order of time, at least one.
    holdout: further visits that are only judged on; without them one is split off from `cases`.
    replay: cases of other patients that `full` must not forget.
    method: the method, or AUTO.
    budget_s: seconds that all of it may take, the passes through the network and the judgements included.
    seed: of every random choice.
    device: auto, cpu or cuda.
    name, title: of the new model.
    patient: key of the patient it is for; empty for a set of patients.
    """

    model: str
    cases: tuple[AdaptationCase, ...]
    name: str
    title: str = ""
    patient: str = ""
    holdout: tuple[AdaptationCase, ...] = ()
    replay: tuple[AdaptationCase, ...] = ()
    method: AdaptationMethod = AdaptationMethod.AUTO
    budget_s: float = DEFAULT_BUDGET_S
    seed: int = DEFAULT_SEED
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class AdaptationPlan:
    """What an adaptation would do: `words` for a reader, `seconds` it is expected to take."""

    words: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RegionVerdict:
    """One region on the held-out data, starting model against candidate and carried-over mask.

    Attributes
    ----------
    kind: "present", "tiny" or "absent" in the reference; only regions of one kind make up the mean (see `Verdict`).
    before, after, carried: Dice, averaged over the held-out visits that show the region; None where absent.
    reference_ml, before_ml, after_ml, carried_ml: volumes in mL, summed over the held-out visits.
    fault: why the region speaks against the candidate, for a reader; empty when it does not.
    """

    region: str
    kind: str
    before: float | None
    after: float | None
    carried: float | None
    reference_ml: float
    before_ml: float
    after_ml: float
    carried_ml: float | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate may become current, and why.

    Attributes
    ----------
    before, after, carried: mean Dice over the regions present in the held-out data; None where there is none.
    reasons: why it was refused, or the one sentence why it was accepted.
    """

    accepted: bool
    reasons: tuple[str, ...]
    regions: tuple[RegionVerdict, ...]
    before: float | None
    after: float | None
    carried: float | None = None

    @property
    def advice(self) -> str:
        """What to do where the mask carried over fits better than the candidate; empty where it does not."""
        return carried_advice(self.carried, self.after)

    @property
    def words(self) -> str:
        """A candidate may be better where it was judged and yet be refused, as for what it has forgotten."""
        if self.accepted:
            return "better"
        gains = self.before is not None and self.after is not None and self.after > self.before
        return "better in part" if gains else "not better"


def carried_advice(carried: float | None, adapted: float | None) -> str:
    """What to do where an earlier mask, carried over, fitted better than an adapted model; empty where it did not.

    Parameters
    ----------
    carried, adapted: mean Dice on the held-out data; None where there was nothing to measure.
    """
    if carried is None or adapted is None or not round(carried, 3) > round(adapted, 3):
        return ""
    return (
        "The mask of the visit before, carried over, fits better than the adapted model where it was judged (mean "
        f"Dice {carried:.3f} against {adapted:.3f}): carry it over and correct that, rather than the proposal."
    )


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Where a training stands: loss, and mean Dice on the held-out data where it was just measured."""

    method: AdaptationMethod
    step: int
    loss: float
    dice: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One method that was tried: steps taken, wall seconds, mean held-out Dice; `problem` when it failed.

    The method AUTO stands for the mean of what they learnt, of no steps of its own.
    """

    method: AdaptationMethod
    steps: int
    seconds: float
    dice: float | None
    accepted: bool
    problem: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class WorstSlice:
    """The axial slice of the held-out data on which the candidate errs most.

    Attributes
    ----------
    image: float32 (i, j) of one sequence, z-scored; `sequence` names it.
    reference, before, after, carried: uint8 (i, j) label values; 255 in `reference` where nothing is held out.
    """

    case: str
    sequence: str
    image: NDArray[Any]
    reference: LabelArray
    before: LabelArray
    after: LabelArray
    carried: LabelArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AdaptationOutcome:
    """A candidate and how it did.

    Attributes
    ----------
    card: of the candidate; where the candidate was saved is the caller's choice.
    verdict: on the held-out data.
    trials: every method tried, in order.
    curve: the course of the training.
    method: the one whose weights the candidate has; AUTO where it has the mean weights of those in `mean_of`.
    held_out: what it was judged on, for a reader.
    worst: the slice on which it errs most; None when no held-out slice has an error.
    seconds: wall time.
    """

    card: ModelCard
    verdict: Verdict
    trials: tuple[Trial, ...]
    curve: tuple[CurvePoint, ...]
    method: AdaptationMethod
    held_out: str
    worst: WorstSlice | None
    seconds: float
    device: str
    messages: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    mean_of: tuple[AdaptationMethod, ...] = ()

    @property
    def way(self) -> str:
        """How the candidate's weights came about, for a reader."""
        return way_of(self.method, self.mean_of)


def way_of(method: AdaptationMethod, mean_of: Sequence[AdaptationMethod]) -> str:
    """A method's name, or “mean of last-layer, decoder and full”."""
    if not mean_of:
        return method.value
    return f"mean of {listed(mean_of)}"


def listed(methods: Sequence[AdaptationMethod]) -> str:
    """Names of methods, “last-layer, decoder and full”."""
    *first, last = (one.value for one in methods)
    return f"{', '.join(first)} and {last}" if first else last
