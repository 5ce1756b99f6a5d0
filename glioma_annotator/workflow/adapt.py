"""Adapting a model to a patient's corrected visits, to several patients, or to loose files."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from glioma_annotator.domain.adaptation import (
    DEFAULT_BUDGET_S,
    DEFAULT_SEED,
    AdaptationCase,
    AdaptationMethod,
    AdaptationOutcome,
    AdaptationRequest,
    CurvePoint,
)
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.sequences import REFERENCE_ORDER, SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.normalisation import brain_mask
from glioma_annotator.progress import CancelToken, Progress, Report, part
from glioma_annotator.workflow.model_ports import Adapter, Shelf
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.reviewed_slices import SliceRange, only_reviewed, slices_text
from glioma_annotator.workflow.study_labels import for_models
from glioma_annotator.workflow.surgery import was_operated

Watch = Callable[[CurvePoint], None]
_T = TypeVar("_T")

#: Share of the job's progress that reading the visits takes.
_READING = 0.1
#: Finest voxel size of the registration that carries an earlier mask over, in mm; a mask needs no more.
_REGISTRATION_MM = 3.0
#: Of the time allowed, what reading earlier visits may take: the last two are always read, older ones while it lasts.
_READING_TIME = 0.3
#: Of the time allowed, after which an earlier mask is no longer carried over, and nothing is begun any more.
_BEGUN_BY = 0.7
#: Cases of other patients that `full` is shown so that it does not forget.
_MOST_REPLAYED = 2
#: Bytes of a model's name: what is written on the way to it has a longer one.
_LONGEST_NAME = 200
#: Of several patients, one in so many judges, and one at least.
_ONE_JUDGES_OF = 3


@dataclass(frozen=True, slots=True)
class UsableRevision:
    """The mask of a visit that a model could learn from.

    `suggested`: whether to tick it unasked. `slices`: the axial slices that count, all of them where none are named.
    """

    timepoint: Timepoint
    revision: SegmentationRevision
    suggested: bool
    slices: tuple[SliceRange, ...] = ()

    @property
    def approved(self) -> bool:
        return self.revision.status is RevisionStatus.APPROVED


@dataclass(frozen=True, slots=True, eq=False)
class PatientAdaptation:
    """A finished adaptation: the candidate's name, whom it is for (empty for several patients), and how it did."""

    name: str
    patient: str
    outcome: AdaptationOutcome


def usable_revisions(store: Store, patient: str) -> tuple[UsableRevision, ...]:
    """One mask per visit, in order of time: the latest approved one, else the latest.

    Approved masks are suggested; where there is none at all, those that a reader had a hand in.
    """
    found = store.patient(patient)
    if found is None or found.id is None:
        raise UserError(f"This workspace has no patient {patient}.", "Import the patient's study first.")
    chosen: list[tuple[Timepoint, SegmentationRevision]] = []
    for visit in store.timepoints(found.id):
        revision = best_revision(store, visit)
        if revision is not None and any(revision.volumes_ml.values()):
            chosen.append((visit, revision))
    any_approved = any(r.status is RevisionStatus.APPROVED for _, r in chosen)
    return tuple(UsableRevision(v, r, _suggested(r, any_approved)) for v, r in chosen)


def best_revision(store: Store, visit: Timepoint) -> SegmentationRevision | None:
    """The latest approved mask of a visit, else the latest; None where there is none."""
    revisions = store.revisions(visit.id or 0)
    approved = [r for r in revisions if r.status is RevisionStatus.APPROVED]
    return max(approved or revisions, key=lambda r: r.number, default=None)


def _suggested(revision: SegmentationRevision, any_approved: bool) -> bool:
    if any_approved:
        return revision.status is RevisionStatus.APPROVED
    return revision.origin not in (RevisionOrigin.AUTOMATIC, RevisionOrigin.PROPAGATED)


def divide(chosen: Mapping[str, Sequence[_T]]) -> tuple[list[tuple[str, _T]], list[tuple[str, _T]]]:
    """What of several patients is learnt from and what is held out, each with its patient's key.

    Held out is the last visit of a third of the patients, one at least: neighbouring visits of a patient resemble each
    other, so whether a model suits other patients is judged on patients it did not see. Their earlier visits are left
    out. Of a single patient nothing is divided here (`holdout.split` does).
    """
    patients = [key for key, visits in chosen.items() if visits]
    judges = patients[-max(len(patients) // _ONE_JUDGES_OF, 1) :] if len(patients) > 1 else []
    learnt = [(key, visit) for key in patients if key not in judges for visit in chosen[key]]
    return learnt, [(key, chosen[key][-1]) for key in judges]


def lacking(card: ModelCard, chosen: Mapping[str, Sequence[UsableRevision]]) -> str:
    """Which of the visits that would be read a model cannot segment for want of a sequence, and what to do.

    Empty where it can segment them all.
    """
    learnt, judging = divide(chosen)
    faults = []
    for key, usable in (*learnt, *judging):
        roles = usable.timepoint.roles
        missing = [role.value for role in card.channels if role not in card.optional and role not in roles]
        if not missing and card.one_of and not set(card.one_of) & roles:
            missing = [" or ".join(role.value for role in card.one_of)]
        if missing:
            title = usable.timepoint.title if len(chosen) == 1 else f"{key}, {usable.timepoint.title}"
            faults.append(f"{title} lacks {' and '.join(missing)}")
    if not faults:
        return ""
    many = "Leave it out, add the sequence" if len(faults) == 1 else "Leave them out, add the sequences"
    return f"{'; '.join(faults)}, which “{card.title or card.name}” needs. {many}, or start from another model."


def adapt_patients(
    store: Store,
    adapter: Adapter,
    shelf: Shelf,
    chosen: Mapping[str, Sequence[UsableRevision]],
    *,
    model: str = "",
    method: AdaptationMethod = AdaptationMethod.AUTO,
    budget_s: float = DEFAULT_BUDGET_S,
    seed: int = DEFAULT_SEED,
    device: str = "auto",
    report: Report,
    watch: Watch,
    cancel: CancelToken,
    now: Callable[[], float] = time.monotonic,
) -> PatientAdaptation:
    """Adapt a model to the chosen masks, by patient's key, and save the candidate beside the workspace's models.

    Of several patients some judge (`divide`).
    Nothing becomes current: see `decide`. Without `model` the patient's current one is the start. Where reading takes
    much of `budget_s`, older visits are left out and a message says so; where it takes most of it, nothing is begun.
    Safe on a worker thread. Raises `UserError`, `EnvironmentFailure`, `Cancelled`; then no candidate is left. Where the
    program ends meanwhile, the shelf says so when it is opened next.
    """
    began = now()
    patients = [key for key, revisions in chosen.items() if revisions]
    if not patients:
        raise UserError("No corrected mask was chosen.", "Tick at least one visit with a mask.")
    only = patients[0] if len(patients) == 1 else ""
    current = shelf.current(only)
    start = model or current.model
    _, card = adapter.find(start)
    who = only or f"{len(patients)} patients"
    with shelf.under_way(who):
        learnt, judging = divide(chosen)
        pairs = [*learnt, *judging]
        limited = _Limited(cancel, now, began + _BEGUN_BY * budget_s)
        cases: list[AdaptationCase] = []
        notes = [current.problem] if current.problem and not model else []
        for number, (key, usable) in enumerate(reversed(pairs)):  # the newest first: what it is judged on
            title = usable.timepoint.title if only else f"{key}, {usable.timepoint.title}"
            if number > max(len(judging), 1) and now() - began > _READING_TIME * budget_s:
                notes.append(f"For want of time nothing was learnt from {title} and what came before.")
                break
            report(Progress(_READING * number / len(pairs), f"Reading {title}"))
            limited.raise_if_cancelled()
            case = read_case(store, usable, card.channels, limited)
            if not only:
                case = replace(case, name=f"{key}, {case.name}")
            if number == 0:
                carried, note = carried_over(store, usable.timepoint, case, limited)
                case = replace(case, carried=carried)
                notes += [note] if note else []
            cases.insert(0, case)
        in_time = now() - began < _READING_TIME * budget_s
        replay = _replayed(store, patients, card.channels, method, limited) if in_time else ()
        limited.raise_if_cancelled()
        name = shelf.free_name(f"{only or 'site'}-{method.value if method is not AdaptationMethod.AUTO else 'adapted'}")
        folder = shelf.candidate_folder(name)
        many = f"{len(cases)} visit{'s' if len(cases) > 1 else ''}"
        if len(judging) == 1:
            notes.append(
                f"Only {judging[0][0]} judges, from whom nothing is learnt: other patients may still lose. Of six "
                "patients two judge."
            )
        request = AdaptationRequest(
            model=start,
            cases=tuple(cases[: len(cases) - len(judging)]),
            holdout=tuple(cases[len(cases) - len(judging) :]),
            name=name,
            title=f"{who}, adapted {dt.datetime.now().astimezone():%Y-%m-%d %H:%M} ({many})",
            patient=only,
            replay=replay,
            method=method,
            budget_s=budget_s - (now() - began),
            seed=seed,
            device=device,
        )
        outcome = adapter.adapt(request, folder, part(report, _READING, 1.0), watch, cancel)
        return PatientAdaptation(name, only, replace(outcome, messages=(*notes, *outcome.messages)))


class _Limited(CancelToken):
    """Passes on a request to stop, and raises `EnvironmentFailure` from a time on: reading has then taken too long."""

    def __init__(self, cancel: CancelToken, now: Callable[[], float], until: float) -> None:
        super().__init__()
        self._cancel, self._now, self._until = cancel, now, until

    @property
    def cancelled(self) -> bool:
        return self._cancel.cancelled

    def raise_if_cancelled(self) -> None:
        self._cancel.raise_if_cancelled()
        if self._now() > self._until:
            raise EnvironmentFailure(
                "Reading the visits and registering an earlier mask took most of the time allowed: nothing was begun.",
                "Allow more time, choose fewer visits, or wait until the computer has less other work.",
            )


def decide(shelf: Shelf, adaptation: PatientAdaptation, use: bool) -> None:
    """Make an accepted candidate the patient's model (the workspace's, for several patients), or drop it.

    Raises `UserError` when a refused candidate is to be used.
    """
    if not use:
        shelf.delete(adaptation.name)
        return
    if not adaptation.outcome.verdict.accepted:
        raise UserError(
            "The adapted model did not pass: " + " ".join(adaptation.outcome.verdict.reasons),
            "Keep the old one, or correct another visit and adapt again.",
        )
    shelf.keep(adaptation.name)
    shelf.set_current(adaptation.patient, adaptation.name)


def read_case(
    store: Store, usable: UsableRevision, channels: Sequence[SequenceRole], cancel: CancelToken
) -> AdaptationCase:
    """A visit's images that the model knows, and its mask. Raises `UserError` for damaged files, `Cancelled`."""
    visit = usable.timepoint
    images: dict[SequenceRole, Volume] = {}
    for sequence in visit.sequences:
        cancel.raise_if_cancelled()
        if sequence.role in channels:
            images[sequence.role] = store.load_image(visit, sequence.name)
    labels = only_reviewed(for_models(store.load_labels(usable.revision)), usable.slices)
    name = f"{visit.title}, slices {slices_text(usable.slices)}" if usable.slices else visit.title
    return AdaptationCase(name, images, labels, visit.grid, operated=was_operated(store, visit))


def carried_over(
    store: Store, visit: Timepoint, case: AdaptationCase, cancel: CancelToken
) -> tuple[LabelArray | None, str]:
    """The mask of the latest earlier visit that has one, carried over by rigid registration of the brains; and a note.

    None where there is no earlier mask, or where the registration cannot be trusted, which the note says.
    """
    earlier = [v for v in store.timepoints(visit.patient_id) if v.order < visit.order]
    for before in reversed(earlier):
        revision = best_revision(store, before)
        if revision is None:
            continue
        shared = [role for role in REFERENCE_ORDER if role in case.images and role in before.roles]
        if not shared:
            return None, f"The mask of {before.title} could not be carried over: no sequence in common."
        name = next(s.name for s in before.sequences if s.role is shared[0])
        moving, fixed = store.load_image(before, name), case.images[shared[0]]
        return carry(fixed, moving, store.load_labels(revision), before.grid, before.title, cancel)
    return None, ""


def carry(
    fixed: Volume, moving: Volume, labels: LabelArray, source: Grid, title: str, cancel: CancelToken
) -> tuple[LabelArray | None, str]:
    """A mask of the moving scan on the voxels of the fixed one, and a note; None when the scans do not register."""
    from glioma_annotator.imaging import registration  # scipy's optimiser: not at the program's start

    try:
        found = registration.register(
            fixed,
            moving,
            fixed_mask=brain_mask([fixed.data]),
            moving_mask=brain_mask([moving.data]),
            finest_mm=_REGISTRATION_MM,
            cancel=cancel,
        )
    except UserError as error:
        return None, f"The mask of {title} could not be carried over: {error.what}"
    if found.quality < registration.DOUBTFUL_QUALITY:
        return None, f"The mask of {title} was not carried over: the two visits could not be registered reliably."
    carried = registration.resample_mask_registered(labels, source, found, fixed.grid, smooth=False)
    return carried, ""


def _replayed(
    store: Store,
    patients: Sequence[str],
    channels: Sequence[SequenceRole],
    method: AdaptationMethod,
    cancel: CancelToken,
) -> tuple[AdaptationCase, ...]:
    """Approved masks of other patients."""
    if method not in (AdaptationMethod.FULL, AdaptationMethod.AUTO):
        return ()
    cases: list[AdaptationCase] = []
    for patient in store.patients():
        if patient.key in patients or len(cases) >= _MOST_REPLAYED:
            continue
        cancel.raise_if_cancelled()
        approved = [u for u in usable_revisions(store, patient.key) if u.approved]
        complete = [u for u in approved if set(channels) <= u.timepoint.roles]
        known = [u for u in complete if u.revision.scheme == GLIOMA_POST_TREATMENT.name]
        cases += [read_case(store, known[-1], channels, cancel)] if known else []
    return tuple(cases)


def adapt_to_folder(
    adapter: Adapter,
    request: AdaptationRequest,
    out: Path,
    *,
    keep: bool,
    report: Report,
    watch: Watch,
    cancel: CancelToken,
) -> tuple[AdaptationOutcome, bool]:
    """Adapt to loose cases and write the new model folder `out`, when it is accepted or `keep` says so; whether it was.

    Raises `UserError` when `out` exists already, or has a name that a model cannot have.
    """
    if not out.name.isprintable() or len(out.name.encode()) > _LONGEST_NAME:
        raise UserError("The new model's folder has a name that a model cannot have.", "Choose a shorter, plain one.")
    if out.exists():
        raise UserError(f"There is something called “{out}” already.", "Choose another name for the new model.")
    candidate = out.with_name(f".{out.name}.candidate")
    try:
        candidate.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(candidate, ignore_errors=True)
        outcome = adapter.adapt(request, candidate, report, watch, cancel)
        written = keep or outcome.verdict.accepted
        if written:
            candidate.replace(out)
    except OSError as error:
        raise EnvironmentFailure(
            f"The model could not be written to {out} ({error.strerror or error}).", "Choose a folder you may write to."
        ) from error
    finally:
        shutil.rmtree(candidate, ignore_errors=True)
    return outcome, written
