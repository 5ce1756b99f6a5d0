"""Two visits of a patient side by side: registered, corrected by hand, the mask carried over, what changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from glioma_annotator.domain.geometry import FloatArray
from glioma_annotator.domain.labels import BACKGROUND, IGNORE, LabelScheme
from glioma_annotator.domain.measurement import label_volumes_ml
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import SegmentationRevision
from glioma_annotator.domain.sequences import REFERENCE_ORDER, SequenceRole
from glioma_annotator.domain.visit_registration import AcceptedRegistration
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.information import shared_information
from glioma_annotator.imaging.normalisation import brain_mask
from glioma_annotator.imaging.registration import (
    Method,
    Registration,
    identity,
    placed,
    register,
    resample_mask_registered,
)
from glioma_annotator.progress import CancelToken, Progress, Report, part
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.proposal import Proposal
from glioma_annotator.workflow.visit_changes import TOLD_ML, outside_ml

if TYPE_CHECKING:
    from glioma_annotator.imaging.reslicing import Deformation

#: Finer takes twice as long and moved the landmarks of a real follow-up by 0.1 mm.
_FINEST_MM = 2.0

#: Relative change of the shared information that a reader should hear of; less is what sampling alone makes.
_NOTABLE = 0.05


Vector = tuple[float, float, float]
_NONE: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class VisitRegistration:
    """Another visit registered to the one that is read.

    Attributes
    ----------
    later, earlier: keys of the visits; `later` is the fixed one, whichever came first.
    sequence: the sequence of both that was registered.
    registration: world RAS mm of the fixed visit to that of the other one as it was found, with its quality.
    centre_mm: what a rotation by hand turns about, world RAS mm of the fixed visit.
    shift_mm, rotation_deg: the nudge by hand, as `Registration.nudged` takes it.
    quality: shared information of the scans with the nudge.
    accepted_by, accepted: who accepted it and on which day; empty until then.
    """

    later: str
    earlier: str
    sequence: str
    registration: Registration
    centre_mm: Vector = _NONE
    shift_mm: Vector = _NONE
    rotation_deg: Vector = _NONE
    quality: float = 0.0
    accepted_by: str = ""
    accepted: str = ""

    @property
    def by_hand(self) -> bool:
        """Whether a reader nudged it."""
        return any((*self.shift_mm, *self.rotation_deg))

    @property
    def placed(self) -> Registration:
        """The registration with the nudge."""
        if not self.by_hand:
            return self.registration
        return self.registration.nudged(self.shift_mm, self.rotation_deg, self.centre_mm)

    def nudged(self, shift_mm: Vector, rotation_deg: Vector) -> VisitRegistration:
        """The same with another nudge, to be accepted anew; without any, the quality is as it was found."""
        quality = self.quality if any((*shift_mm, *rotation_deg)) else self.registration.quality
        return replace(self, shift_mm=shift_mm, rotation_deg=rotation_deg, quality=quality, accepted_by="", accepted="")

    def nudge_seen(
        self, axes: tuple[FloatArray, FloatArray, FloatArray], across: float, up: float, clockwise_deg: float
    ) -> tuple[Vector, Vector]:
        """The nudge (shift, rotation) after a further move as it is seen in a plane.

        Parameters
        ----------
        axes: unit vectors in world RAS to the right, up, and towards the reader.
        across, up: mm to the right and up.
        clockwise_deg: about the world axis nearest to the plane's normal.
        """
        right, above, towards = axes
        turn = np.zeros(3)
        main = int(np.abs(towards).argmax())
        turn[main] = -np.sign(towards[main]) * clockwise_deg
        shift = np.asarray(self.shift_mm) + across * right + up * above
        return _vector(shift), _vector(np.asarray(self.rotation_deg) + turn)

    def seen_from_other(self) -> VisitRegistration:
        """The same with the roles of the visits exchanged; the nudge is part of the matrix then."""
        inverse = replace(self.placed.inverse(), quality=self.quality)
        return replace(
            self,
            later=self.earlier,
            earlier=self.later,
            registration=inverse,
            centre_mm=_vector(self.placed.apply(self.centre_mm)),
            shift_mm=_NONE,
            rotation_deg=_NONE,
        )

    @property
    def moved_mm(self) -> float:
        """How far the middle of the head lies from where the headers put it."""
        return float(np.linalg.norm(self.placed.apply(self.centre_mm) - np.asarray(self.centre_mm)))

    @property
    def doubtful(self) -> bool:
        """Whether the reader should look before anything is built on it."""
        return replace(self.registration, quality=self.quality).doubtful

    @property
    def verdict(self) -> str:
        """What the quality figure means, in a few words."""
        before, now = self.registration.quality_before, self.quality
        if self.doubtful:
            return "doubtful: check it before using it"
        if now > before * (1 + _NOTABLE):
            return "better than by the headers"
        return "no better than by the headers, which were right already"

    @property
    def summary(self) -> str:
        """One sentence for the reader, with the quality figure."""
        figures = f"shared information {self.quality:.2f}, {self.registration.quality_before:.2f} by the headers"
        hand = " and nudged by hand" if self.by_hand else ""
        return f"{self.earlier} registered to {self.later} by {self.sequence}{hand}: {figures}; {self.verdict}."


def register_visits(
    store: Store, later: Timepoint, earlier: Timepoint, method: Method, report: Report, cancel: CancelToken
) -> VisitRegistration:
    """Register the earlier visit to the later one by the best sequence that both have; a job for a worker.

    Raises `UserError` when they have none in common or share nothing, `Cancelled`.
    """
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
    x, y, z = _head_centre_mm(fixed)
    return VisitRegistration(later.key, earlier.key, name, found, (x, y, z), quality=found.quality)


def by_headers(later: Timepoint, earlier: Timepoint) -> VisitRegistration:
    """Both visits where their headers put them, to be nudged from there."""
    try:
        sequence = common_sequence(later, earlier)
    except UserError:  # nothing to measure the quality by; the masks can be compared all the same
        sequence = ""
    found = replace(identity(), quality=0.0, quality_before=0.0)
    centre = later.grid.index_to_world((np.asarray(later.grid.shape) - 1) / 2)
    return VisitRegistration(later.key, earlier.key, sequence, found, _vector(centre))


def _vector(values: FloatArray) -> Vector:
    x, y, z = (round(float(v), 4) for v in values)
    return x, y, z


def _head_centre_mm(volume: Volume) -> tuple[float, float, float]:
    """World RAS mm of the middle of the brain."""
    step = [max(1, round(_FINEST_MM * 2 / mm)) for mm in volume.grid.spacing_mm]
    inside = np.argwhere(brain_mask([volume.data[:: step[0], :: step[1], :: step[2]]]))
    middle = inside.mean(axis=0) * step if len(inside) else (np.asarray(volume.grid.shape) - 1) / 2
    x, y, z = volume.grid.index_to_world(middle).tolist()
    return x, y, z


def measured(together: VisitRegistration, fixed: Volume, moving: Volume) -> VisitRegistration:
    """The same with its quality measured anew on the sequence that was registered, after a nudge."""
    brain = brain_mask([fixed.data])
    quality, found = shared_information(fixed, placed(moving, together.placed), brain), together.registration
    if found.method is Method.IDENTITY:  # nudged from where the headers put it
        found = replace(found, quality_before=shared_information(fixed, moving, brain))
    return replace(together, quality=quality, registration=found)


def bend(
    store: Store,
    later: Timepoint,
    earlier: Timepoint,
    together: VisitRegistration,
    report: Report,
    cancel: CancelToken,
) -> Deformation:
    """Bend the earlier visit, registered already, to look like the later one: for viewing only; a job for a worker."""
    from glioma_annotator.imaging.deformation import deform  # SimpleITK: not at the program's start

    report(Progress(0.0, f"Reading {together.sequence}"))
    fixed, moving = (store.load_image(visit, together.sequence) for visit in (later, earlier))
    return deform(fixed, moving, together.placed.matrix, part(report, 0.1, 1.0), cancel)


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
    labels = store.load_labels(revision)
    labels = np.where(labels == IGNORE, np.uint8(BACKGROUND), labels)
    moved = resample_mask_registered(labels, earlier.grid, together.placed, later.grid)
    if later.id is None:
        raise ValueError("a stored visit has an id")
    return Proposal(
        timepoint_id=later.id,
        labels=moved,
        source=f"Revision {revision.number} of {earlier.title}, carried over",
        model="",
        volumes_ml=label_volumes_ml(moved, later.grid.voxel_volume_ml, scheme),
        messages=(together.summary, *_told_outside(outside_ml(labels, earlier.grid, together.placed, later.grid))),
    )


def _told_outside(ml: float) -> tuple[str, ...]:
    if ml < TOLD_ML:
        return ()
    return (f"{ml:.1f} mL of the mask lie beyond the images of this visit and are left out.",)


# what is kept in the workspace


def keep_registration(store: Store, patient: str, together: VisitRegistration) -> None:
    """Record a registration that a reader accepted, in place of an earlier one of the two visits.

    Raises `KeyError` for an unknown patient or visit.
    """
    found = together.registration
    made = AcceptedRegistration(
        patient,
        together.later,
        together.earlier,
        tuple(float(value) for value in found.matrix.reshape(-1)),
        found.method.value,
        together.sequence,
        found.metric,
        together.quality,
        found.quality,
        found.quality_before,
        together.centre_mm,
        together.shift_mm,
        together.rotation_deg,
        together.accepted_by,
    )
    before = [r for r in store.registrations.of_patient(patient) if r.joins(together.later, together.earlier)]
    if before:
        store.registrations.change(replace(made, id=before[-1].id), by=together.accepted_by)
    else:
        store.registrations.add(made, by=together.accepted_by)


def withdraw_registration(store: Store, patient: str, one: Timepoint, other: Timepoint, by: str) -> None:
    """Take back what was accepted of two visits: nothing builds on it any more until it is accepted or restored.

    Raises `KeyError` when nothing is.
    """
    kept = [r for r in store.registrations.of_patient(patient) if r.joins(one.key, other.key)]
    if not kept:
        raise KeyError(one.key, other.key)
    for record in kept:
        store.registrations.delete(record.id, by)


def kept_registration(store: Store, later: Timepoint, earlier: Timepoint) -> VisitRegistration | None:
    """The accepted registration of two visits with `later` as the fixed one; None when there is none to be used."""
    kept = store.registrations.between(later.patient_id, later.key, earlier.key)
    found = _read(kept) if kept is not None else None
    if found is None or found.later == later.key:
        return found
    return found.seen_from_other()


def _read(kept: AcceptedRegistration) -> VisitRegistration | None:
    """A registration as it was kept; None for one that no point can be carried by, or of another version's method."""
    matrix = np.reshape(kept.matrix, (4, 4))
    try:
        found = Registration(matrix, Method(kept.method), kept.metric, kept.quality_found, kept.quality_before)
    except ValueError:
        return None
    return VisitRegistration(
        kept.timepoint,
        kept.other,
        kept.sequence,
        found,
        kept.centre_mm,
        kept.shift_mm,
        kept.rotation_deg,
        kept.quality,
        kept.author,
        kept.created_utc.date().isoformat(),
    )
