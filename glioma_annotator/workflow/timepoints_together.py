"""Two visits of a patient side by side: registered, the earlier mask carried over, what changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.labels import BACKGROUND, IGNORE, LabelScheme
from glioma_annotator.domain.measurement import label_volumes_ml
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.domain.sequences import REFERENCE_ORDER, SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.normalisation import brain_mask
from glioma_annotator.progress import CancelToken, Progress, Report, part
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.proposal import Proposal

if TYPE_CHECKING:
    from glioma_annotator.imaging.registration import Method, Registration

#: Finer takes twice as long and moved the landmarks of a real follow-up by 0.1 mm.
_FINEST_MM = 2.0


class Change(IntEnum):
    """Values of a change map."""

    NONE = 0
    GAINED = 1
    LOST = 2
    KEPT = 3
    RELABELLED = 4


@dataclass(frozen=True, slots=True, eq=False)
class VisitRegistration:
    """An earlier visit registered to a later one.

    Attributes
    ----------
    later, earlier: keys of the visits; `later` is the fixed one.
    sequence: the sequence of both that was registered.
    registration: world RAS mm of the later visit to that of the earlier one, with its quality.
    """

    later: str
    earlier: str
    sequence: str
    registration: Registration

    @property
    def summary(self) -> str:
        """One sentence for the reader, with the quality figure."""
        found = self.registration
        quality = f"shared information {found.quality:.2f}, {found.quality_before:.2f} by the headers"
        doubt = " Doubtful: check it before using it." if found.doubtful else ""
        return f"{self.earlier} registered to {self.later} by {self.sequence}: {quality}.{doubt}"


@dataclass(frozen=True, slots=True, eq=False)
class ChangeMap:
    """What changed between two visits' masks.

    Attributes
    ----------
    changes: uint8 (i, j, k) on the later visit's grid, values of `Change`.
    volumes_ml: mL gained, lost, kept, relabelled, by the names of `Change` in lower case.
    """

    changes: NDArray[np.uint8]
    volumes_ml: dict[str, float]


def register_visits(
    store: Store, later: Timepoint, earlier: Timepoint, method: Method, report: Report, cancel: CancelToken
) -> VisitRegistration:
    """Register the earlier visit to the later one by the best sequence that both have; a job for a worker.

    Raises `UserError` when they have none in common or share nothing, `Cancelled`.
    """
    from glioma_annotator.imaging.registration import register  # scipy's optimiser: not at the program's start

    name = common_sequence(later, earlier)
    report(Progress(0.0, f"Reading {name}"))
    fixed, moving = store.load_image(later, name), store.load_image(earlier, name)
    cancel.raise_if_cancelled()
    found = register(
        fixed,
        moving,
        method=method,
        fixed_mask=brain_mask([fixed.data]),
        moving_mask=brain_mask([moving.data]),
        finest_mm=_FINEST_MM,
        report=part(report, 0.1, 1.0),
        cancel=cancel,
    )
    return VisitRegistration(later.key, earlier.key, name, found)


def common_sequence(later: Timepoint, earlier: Timepoint) -> str:
    """The first sequence, in the order of references, that both visits have. Raises `UserError` when none is."""
    for role in REFERENCE_ORDER:
        if role is not SequenceRole.OTHER and later.sequence(role.value) and earlier.sequence(role.value):
            return role.value
    raise UserError(
        f"{later.title} and {earlier.title} have no sequence in common, so they cannot be registered.",
        "Import T1Gd or FLAIR for both.",
    )


def carried_over(
    store: Store,
    revision: SegmentationRevision,
    earlier: Timepoint,
    later: Timepoint,
    together: VisitRegistration,
    scheme: LabelScheme,
) -> Proposal:
    """The earlier visit's mask as a proposal for the later visit. Raises `UserError` when its file is gone."""
    from glioma_annotator.imaging.registration import resample_mask_registered

    labels = store.load_labels(revision)
    labels = np.where(labels == IGNORE, np.uint8(BACKGROUND), labels)
    moved = resample_mask_registered(labels, earlier.grid, together.registration, later.grid)
    if later.id is None:
        raise ValueError("a stored visit has an id")
    return Proposal(
        timepoint_id=later.id,
        labels=moved,
        source=f"Revision {revision.number} of {earlier.title}, carried over",
        model="",
        volumes_ml=label_volumes_ml(moved, later.grid.voxel_volume_ml, scheme),
        messages=(together.summary,),
    )


def moved_image(
    store: Store, earlier: Timepoint, sequence: str, later: Timepoint, together: VisitRegistration
) -> Volume:
    """A sequence of the earlier visit on the later visit's voxels, for looking at both at one place."""
    from glioma_annotator.imaging.registration import resample_registered

    return resample_registered(store.load_image(earlier, sequence), together.registration, later.grid)


def change_map(present: LabelArray, before: LabelArray, voxel_volume_ml: float) -> ChangeMap:
    """What was gained, lost, kept and relabelled, voxel by voxel, from `before` to `present`, (i, j, k) on one grid.

    Voxels that either reader marked as not reviewed count as no change.
    """
    known = (present != IGNORE) & (before != IGNORE)
    now, then = (present != BACKGROUND) & known, (before != BACKGROUND) & known
    changes = np.zeros(present.shape, dtype=np.uint8)
    changes[now & ~then] = Change.GAINED
    changes[then & ~now] = Change.LOST
    changes[now & then] = Change.RELABELLED
    changes[now & then & (present == before)] = Change.KEPT
    counts = np.bincount(changes.reshape(-1), minlength=len(Change))
    named = [change for change in Change if change is not Change.NONE]
    return ChangeMap(changes, {c.name.lower(): float(counts[c] * voxel_volume_ml) for c in named})


def checkerboard(one: NDArray[np.float32], other: NDArray[np.float32], edge: int) -> NDArray[np.float32]:
    """Squares of `edge` pixels from each of two slices (rows, columns) in turn, each scaled to 0..1 by percentiles."""
    if one.shape != other.shape:
        raise ValueError("a checkerboard needs slices of one shape")
    rows, columns = np.indices(one.shape) // max(edge, 1)
    return np.where((rows + columns) % 2 == 0, _scaled(one), _scaled(other))


def _scaled(image: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = np.percentile(image, (1, 99.5))
    return np.asarray(np.clip((image - low) / max(high - low, 1e-6), 0, 1), dtype=np.float32)
