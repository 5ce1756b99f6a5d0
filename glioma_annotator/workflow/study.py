"""The open study: one workspace, one patient, one timepoint under the reader's hands."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from psygnal import Signal

from glioma_annotator.domain.editing import JournalAction, JournalEntry, differing
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.measurement import label_volumes_ml
from glioma_annotator.domain.patient import Patient, Timepoint
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.normalisation import robust_window
from glioma_annotator.progress import CancelToken, Report, StepProgress
from glioma_annotator.workflow.difference import LabelChange, label_changes
from glioma_annotator.workflow.editing import Editor
from glioma_annotator.workflow.journalling import steps_since
from glioma_annotator.workflow.ports import Segmenter, Store
from glioma_annotator.workflow.proposal import Proposal, merged, propose_by_model
from glioma_annotator.workflow.study_labels import own_labels, study_scheme
from glioma_annotator.workflow.surgery import was_operated
from glioma_annotator.workflow.visit_records import LoadedTimepoint, Saving, Written


class OpenTimepoint:
    """A visit with its images, its mask in an editor, and the proposals that wait for a decision."""

    proposal_changed = Signal()
    revisions_changed = Signal()

    def __init__(
        self, store: Store, loaded: LoadedTimepoint, scheme: LabelScheme, author: str, undo_bytes: int
    ) -> None:
        self._store = store
        self._author = author
        self.timepoint = loaded.timepoint
        self.images = loaded.images
        self.windows = dict(loaded.windows)
        self.scheme = scheme
        self.parent_id = loaded.parent_id
        self.proposals: tuple[Proposal, ...] = ()
        journal = None if store.read_only else store.journal(self.id)
        if journal is not None and not loaded.steps and journal.parent_revision_id != loaded.parent_id:
            journal.restart(loaded.parent_id)
        self.editor = Editor(loaded.labels, loaded.timepoint.grid, scheme, journal, undo_bytes)
        self.recovered_steps = self.editor.replay(loaded.steps)

    def use_scheme(self, scheme: LabelScheme) -> None:
        """The study's labels changed."""
        self.scheme = scheme
        self.editor.use_scheme(scheme)

    @property
    def id(self) -> int:
        return _stored(self.timepoint.id)

    @property
    def revisions(self) -> tuple[SegmentationRevision, ...]:
        return self._store.revisions(self.id)

    def volumes_ml(self) -> Mapping[str, float]:
        """Volume in mL by label name of the mask as it stands."""
        return label_volumes_ml(self.editor.labels, self.timepoint.grid.voxel_volume_ml, self.scheme)

    def sequence_windows(self, windows: Mapping[str, Window]) -> dict[int, Window]:
        """Display windows by sequence name, by the stored sequences' ids."""
        stored = {name: self.timepoint.sequence(name) for name in windows}
        return {found.id: windows[name] for name, found in stored.items() if found is not None and found.id is not None}

    # proposals

    @property
    def proposal(self) -> Proposal | None:
        """The proposal that is shown: of those not decided on (`proposals`), the last."""
        return self.proposals[-1] if self.proposals else None

    def show_proposal(self, proposal: Proposal) -> None:
        """Put a proposal beside the mask; others stay to be decided on, but for the same mask from the same source.

        Raises `UserError` when it was made for another visit.
        """
        if proposal.timepoint_id != self.id:
            raise UserError("The proposal was made for another visit.", "Segment this visit to get one for it.")
        self.proposals = (*(other for other in self.proposals if not other.same_as(proposal)), proposal)
        self.proposal_changed.emit()

    def show_other_proposal(self) -> None:
        """Show the one of several proposals that has not been shown for longest."""
        self.proposals = (*self.proposals[1:], *self.proposals[:1])
        self.proposal_changed.emit()

    def accept_proposal(self, values: Collection[int] | None = None) -> bool:
        """Write the proposal into the mask as one undoable edit, all labels or only `values`; whether it changed.

        The proposal stays as long as it would still change something: the labels not taken, and what rules kept.
        """
        proposal = self.proposal
        if proposal is None:
            return False
        what = "all" if values is None else ", ".join(self._names(values))
        index = differing(self.editor.labels, proposal.labels)
        present, proposed = (labels.reshape(-1)[index] for labels in (self.editor.labels, proposal.labels))
        after = merged(present, proposed, values)
        edit = self.editor.set_voxels(f"Accept proposal ({what})", index, after, proposal.model, self.spared)
        if not self.still_proposed_ml():
            self.reject_proposal()
        return edit is not None

    def still_proposed_ml(self, values: Collection[int] | None = None) -> float:
        """Volume in mL that accepting all labels or only `values` would still change, were there no locks or rules."""
        if self.proposal is None:
            return 0.0
        index = differing(self.editor.labels, self.proposal.labels)
        present, proposed = (labels.reshape(-1)[index] for labels in (self.editor.labels, self.proposal.labels))
        changing = merged(present, proposed, values) != present
        changing &= ~np.isin(present, sorted(self.spared))
        return float(np.count_nonzero(changing) * self.timepoint.grid.voxel_volume_ml)

    @property
    def spared(self) -> frozenset[int]:
        """Labels that the proposal knows nothing of: no way of accepting it takes a voxel from them.

        Those that its model has no name for, such as the cavity for a model of tumours before surgery, and added ones.
        """
        known = self.proposal.volumes_ml if self.proposal is not None else {}
        added = frozenset(label.value for label in own_labels(self.scheme) if not known.get(label.name))
        return added | (self.proposal.unknown if self.proposal is not None else frozenset())

    def reject_proposal(self) -> None:
        """Drop the proposal that is shown; the mask stays as it is, and another one that waits is shown."""
        self.proposals = self.proposals[:-1]
        self.proposal_changed.emit()

    def _names(self, values: Collection[int]) -> list[str]:
        return [label.name for label in self.scheme.labels if label.value in values]

    # revisions

    def save(self, note: str = "", minutes: Mapping[str, float] | None = None) -> SegmentationRevision:
        """Keep the mask as a new immutable revision, with the active minutes by tool that went into it.

        Raises `UserError` when the workspace is read-only.
        """
        saving = self.begin_save(note, minutes)
        written = self.write(saving)
        self.end_save(saving, written)
        if written.failure is not None:
            raise written.failure
        return written.revision

    def begin_save(self, note: str = "", minutes: Mapping[str, float] | None = None) -> Saving:
        """Take the mask as it stands, for `write` on a worker while the reader goes on, and `end_save` after that."""
        if self._store.read_only:
            raise UserError("The workspace is open for reading only.", "Close it elsewhere and open it again.")
        self.editor.end_stroke()
        origin, model = self._origin(), self._model()
        point = self.editor.begin_save()
        return Saving(self.editor.labels.copy(), self.scheme, point, self.parent_id, origin, model, note, minutes or {})

    def write(self, saving: Saving) -> Written:
        """Write the revision, then let the journal start from it; safe on a worker thread.

        Whatever ends the program meanwhile, the mask opens with every step. Raises when there is no revision.
        """
        revision = self._store.add_revision(
            self.timepoint,
            saving.labels,
            saving.scheme,
            origin=saving.origin,
            author=self._author,
            parent_id=saving.parent_id,
            model=saving.model,
            note=saving.note,
            minutes=saving.minutes,
        )
        try:
            self.editor.restart_journal(saving.point, _stored(revision.id))
        except EnvironmentFailure as failure:
            return Written(revision, failure)
        return Written(revision)

    def end_save(self, saving: Saving, written: Written) -> None:
        """The revision is there."""
        self.parent_id = written.revision.id
        self.editor.end_save(saving.point, written.failure is None)
        self.revisions_changed.emit()

    @property
    def parent(self) -> SegmentationRevision | None:
        """The revision that the unsaved steps start from."""
        return next((r for r in self.revisions if r.id == self.parent_id), None)

    def _model(self) -> str:
        accepted = [edit.model for edit in self.editor.unsaved_edits if edit.model]
        parent = self.parent
        return accepted[-1] if accepted else parent.model if parent else ""

    def _origin(self) -> RevisionOrigin:
        edits = self.editor.unsaved_edits
        by_model = any(edit.model for edit in edits)
        by_hand = any(not edit.model for edit in edits)
        parent = self.parent
        if parent is not None and not by_model:
            from_model = parent.origin in (RevisionOrigin.AUTOMATIC, RevisionOrigin.SEMI_AUTOMATIC)
            if from_model:
                return RevisionOrigin.SEMI_AUTOMATIC if by_hand else parent.origin
        if by_model:
            return RevisionOrigin.SEMI_AUTOMATIC if by_hand or parent is not None else RevisionOrigin.AUTOMATIC
        return RevisionOrigin.MANUAL

    def restore(self, revision: SegmentationRevision, labels: LabelArray | None = None) -> bool:
        """Bring an earlier revision's mask back as one undoable edit; whether anything changed.

        `labels` is that mask where it has been read already.
        """
        if labels is None:
            labels = self._store.load_labels(revision)
        return self.editor.apply(f"Restore revision {revision.number}", labels, revision.model) is not None

    def compare(
        self, before: SegmentationRevision | None, after: SegmentationRevision | None = None
    ) -> tuple[LabelChange, ...]:
        """Every label and every region of several labels, of two revisions; None is the mask as it stands."""
        groups: list[tuple[str, tuple[int, ...]]] = [(label.name, (label.value,)) for label in self.scheme.labels]
        groups += [(region.name, region.values) for region in self.scheme.regions if len(region.values) > 1]
        then, now = self.labels_of(before), self.labels_of(after)
        return label_changes(then, now, groups, self.timepoint.grid.voxel_volume_ml)

    def labels_of(self, revision: SegmentationRevision | None) -> LabelArray:
        """A revision's mask (i, j, k); for None a copy of the mask as it stands."""
        return self.editor.labels.copy() if revision is None else self._store.load_labels(revision)

    def approve(self, revision: SegmentationRevision) -> None:
        self._store.set_status(_stored(revision.id), RevisionStatus.APPROVED, self._author)
        self.revisions_changed.emit()


class StudySession:
    """One workspace in use.

    Parameters
    ----------
    store: the open workspace.
    segmenter: the models at hand.
    author: who makes revisions.
    undo_bytes: memory for undo per timepoint.
    """

    timepoint_opened = Signal(object)
    scheme_changed = Signal()

    def __init__(self, store: Store, segmenter: Segmenter, author: str, undo_bytes: int = 256 * 2**20) -> None:
        self.store = store
        self.segmenter = segmenter
        self.author = author
        self.scheme = study_scheme(store)
        self._undo_bytes = undo_bytes
        self.patient: Patient | None = None
        self.open: OpenTimepoint | None = None

    def use_scheme(self, scheme: LabelScheme) -> None:
        """A label was added, changed or deleted."""
        self.scheme = scheme
        if self.open is not None:
            self.open.use_scheme(scheme)
        self.scheme_changed.emit()

    def patients(self) -> tuple[Patient, ...]:
        return self.store.patients()

    def timepoints(self) -> tuple[Timepoint, ...]:
        """Visits of the open patient, in order."""
        return self.store.timepoints(_stored(self.patient.id)) if self.patient else ()

    def select_patient(self, key: str) -> Patient:
        """Make a patient the open one. Raises `UserError` when there is none of that key."""
        patient = self.store.patient(key)
        if patient is None:
            raise UserError(f"This workspace has no patient {key}.", "Import the patient's study first.")
        if self.patient is None or patient.id != self.patient.id:
            self.open = None
        self.patient = patient
        return patient

    def find_timepoint(self, key: str) -> Timepoint:
        """The open patient's visit by key. Raises `UserError` when there is none."""
        visits = self.timepoints()
        for visit in visits:
            if visit.key == key:
                return visit
        known = ", ".join(v.key for v in visits) or "none"
        patient = self.patient.key if self.patient else ""
        raise UserError(f"Patient {patient} has no visit {key}.", f"Visits: {known}.")

    def load(self, timepoint: Timepoint, report: Report, cancel: CancelToken) -> LoadedTimepoint:
        """Read a visit from disk; safe on a worker thread. Raises `UserError` for damaged files."""
        steps = StepProgress(report, len(timepoint.sequences) + 1, f"Opening {timepoint.title}")
        images, windows = {}, {}
        for sequence in timepoint.sequences:
            cancel.raise_if_cancelled()
            images[sequence.name] = self.store.load_image(timepoint, sequence.name)
            windows[sequence.name] = sequence.window or robust_window(images[sequence.name].data)
            steps.step()
        labels, parent_id, entries = self._labels_with_journal(timepoint)
        steps.step()
        return LoadedTimepoint(timepoint, images, windows, labels, parent_id, entries)

    def _labels_with_journal(self, timepoint: Timepoint) -> tuple[LabelArray, int | None, tuple[JournalEntry, ...]]:
        """The mask to open: the newest revision, or the one that unsaved steps start from, with those steps."""
        timepoint_id = _stored(timepoint.id)
        revisions = {r.id: r for r in self.store.revisions(timepoint_id)}
        newest = max(revisions.values(), key=lambda r: r.number, default=None)
        newest_labels = self._labels(newest, timepoint)
        newest_id = newest.id if newest else None
        if self.store.read_only:
            return newest_labels, newest_id, ()
        journal = self.store.journal(timepoint_id)
        entries = journal.entries()
        if not entries:
            return newest_labels, newest_id, ()
        parent = revisions.get(journal.parent_revision_id) if journal.parent_revision_id is not None else None
        parent_id = parent.id if parent else None
        if parent_id == newest_id:
            return newest_labels, newest_id, entries
        if all(entry.action is JournalAction.PAST for entry in entries):  # nothing that the newest does not have
            return newest_labels, newest_id, ()
        labels = self._labels(parent, timepoint)
        # Killed between writing the revision and the journal's new start: the first steps are in the revision already.
        later = steps_since(entries, labels, newest_labels)
        if later is not None:
            return newest_labels, newest_id, later
        return labels, parent_id, entries

    def _labels(self, revision: SegmentationRevision | None, timepoint: Timepoint) -> LabelArray:
        if revision is None:
            return np.zeros(timepoint.grid.shape, dtype=np.uint8)
        return self.store.load_labels(revision)

    def show(self, loaded: LoadedTimepoint) -> OpenTimepoint:
        """Make a loaded visit the one under the reader's hands; on the window's thread."""
        self.open = OpenTimepoint(self.store, loaded, self.scheme, self.author, self._undo_bytes)
        self.timepoint_opened.emit(self.open)
        return self.open

    def propose(
        self,
        timepoint: Timepoint,
        images: Mapping[str, Volume],
        model: str,
        device: str,
        report: Report,
        cancel: CancelToken,
    ) -> Proposal:
        """Let a model propose a mask for a visit; safe on a worker thread."""
        return propose_by_model(
            self.segmenter,
            timepoint,
            images,
            self.scheme,
            model=model,
            device=device,
            operated=was_operated(self.store, timepoint),
            report=report,
            cancel=cancel,
        )


def _stored(key: int | None) -> int:
    if key is None:
        raise ValueError("not stored yet")
    return key
