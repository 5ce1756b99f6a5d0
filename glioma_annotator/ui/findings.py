"""The patient's findings in the window: adds, changes and removes them, and says when they changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Signal

from glioma_annotator.domain.finding import Finding, FindingStatus
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.panels.parts import count_text, ml_text
from glioma_annotator.ui.placed_records import PlacedRecords
from glioma_annotator.workflow.finding_entry import finding_at, finding_moved, finding_of_region
from glioma_annotator.workflow.jobs import Job
from glioma_annotator.workflow.measure import with_own_labels
from glioma_annotator.workflow.profiles import load_profile
from glioma_annotator.workflow.study import OpenTimepoint

#: What a finding has from the place where it lies.
_OF_A_PLACE = ("point_mm", "side", "label", "source", "revision", "box", "volume_ml")


class FindingsController(PlacedRecords):
    """Findings of the open patient.

    Signals
    -------
    proposed: findings of the open visit wait to be confirmed.
    """

    proposed = Signal()
    _profile: TaskProfile | None = None
    _following: Job | None = None

    @property
    def profile(self) -> TaskProfile:
        if self._profile is None:
            self._profile = load_profile()
        return self._profile

    def _own_profile(self) -> TaskProfile:
        """The profile with the labels that readers added to the study."""
        return with_own_labels(self.study.require_session().store, self.profile)

    def all(self) -> tuple[Finding, ...]:
        """Of the open patient, oldest first."""
        session = self.study.session
        if session is None or not self.study.patient_key:
            return ()
        return session.store.findings.of_patient(self.study.patient_key)

    def get(self, finding_id: str) -> Finding | None:
        session = self.study.session
        return session.store.findings.get(finding_id) if session is not None and finding_id else None

    def of_visit(self) -> tuple[Finding, ...]:
        """Of the open visit, without artefacts."""
        visit = self.study.visit
        if visit is None:
            return ()
        return tuple(
            f for f in self.all() if f.timepoint == visit.timepoint.key and f.status is not FindingStatus.ARTEFACT
        )

    def add_at_crosshair(self) -> None:
        """A finding at the crosshair; on the mask's component there, if any. Raises `UserError` without a visit."""
        visit, session = self.study.require_visit(), self.study.require_session()
        index, timepoint, (labels, revision) = self._crosshair(), visit.timepoint, _mask(visit)
        reference = visit.images.get(timepoint.reference)
        patient, author, profile = self.study.patient_key, session.author, self._own_profile()

        def work() -> Finding:
            head = reference.data > 0 if reference is not None else None
            return finding_at(index, timepoint, patient, labels, profile, author, revision, head)

        self.study.workers.draw(work, self._added)

    def add_region(self, outline: NDArray[np.float64], axis: int, number: int) -> None:
        """A finding in a region drawn in a slice; `outline` as `workflow.finding_entry.finding_of_region` takes it.

        Raises `UserError` without a visit, or when the outline encloses nothing.
        """
        visit, author = self.study.require_visit(), self.study.require_session().author
        reference = visit.images.get(visit.timepoint.reference)
        head = reference.data > 0 if reference is not None else None
        labels, patient = visit.editor.labels, self.study.patient_key
        profile = self._own_profile()
        finding = finding_of_region(outline, axis, number, visit.timepoint, patient, labels, profile, author, head)
        self._added(finding)
        self.go_to(finding)

    def _added(self, finding: Finding) -> None:
        """Record a finding of the open patient and show it."""
        session = self.study.session
        if session is not None and self.study.patient_key == finding.patient:
            session.store.findings.add(finding, by=session.author)
            self.changed.emit()
            self.select(finding.id)
            self.study.notice.emit(f"Finding added: {self.title_of(finding)}.")

    def change(self, finding: Finding, **values: object) -> None:
        """Keep other values of a finding; does nothing when they are the same."""
        made = replace(finding, **values)  # type: ignore[arg-type]
        if made != finding:
            session = self.study.require_session()
            session.store.findings.change(made, by=session.author)
            self.changed.emit()

    def move_to_crosshair(self, finding: Finding) -> None:
        """The finding's place is where the crosshair is; one of the mask takes the component there along.

        Raises `UserError` when another visit is open.
        """
        visit = self.study.require_visit()
        if visit.timepoint.key != finding.timepoint:
            raise UserError(
                "This finding belongs to another visit.", "Open that visit first; a click in the list does it."
            )
        index, timepoint, (labels, revision) = self._crosshair(), visit.timepoint, _mask(visit)
        reference, profile = visit.images.get(timepoint.reference), self._own_profile()

        def work() -> Finding:
            head = reference.data > 0 if reference is not None else None
            return finding_moved(finding, index, timepoint, labels, profile, revision, head)

        self.study.workers.draw(work, self._moved)

    def _moved(self, made: Finding) -> None:
        """Keep a finding's new place; what else was changed meanwhile stays."""
        known = self.get(made.id)
        if known is not None:
            place = {name: getattr(made, name) for name in _OF_A_PLACE}
            self.change(known, **place)

    def delete(self, finding: Finding) -> None:
        """Take it out of the lists; the notice names how it comes back."""
        session = self.study.require_session()
        session.store.findings.delete(finding.id, by=session.author)
        self.select("")
        self.changed.emit()
        self.study.notice.emit(f"Finding deleted: {self.title_of(finding)}. “Deleted findings” brings it back.")

    def propose(self) -> None:
        """Propose the open visit's findings from the visit before, on a worker; they come as open, to be confirmed.

        Asked again meanwhile, it does nothing: every lesion would be recorded twice.
        """
        if self._following is not None and self._following.active:
            return
        visit, session = self.study.require_visit(), self.study.require_session()
        patient, key, profile = self.study.patient_key, visit.timepoint.key, self._own_profile()

        def work(report: Report, cancel: CancelToken) -> tuple[Finding, ...]:
            from glioma_annotator.workflow.alignment import VisitAlignment  # SimpleITK: not when the window opens
            from glioma_annotator.workflow.finding_proposals import propose_for_visit

            align = VisitAlignment(session.store, report, cancel)
            return propose_for_visit(session.store, patient, key, profile, align, session.author, report, cancel)

        def done(proposals: tuple[Finding, ...]) -> None:
            if self.study.session is not session:
                return
            session.store.findings.add(*proposals, by=session.author)
            self.changed.emit()
            if not proposals:
                self.study.notice.emit(
                    "Nothing to propose: no new lesion, and no finding of the visit before that is not continued here."
                )
                return
            self.proposed.emit()
            self._go_to_next()
            many = count_text(len(proposals), "finding")
            self.study.notice.emit(f"{many} proposed from the visit before; confirm each, or delete it.")

        self._following = self.study.workers.computing.submit(
            "Following the lesions", work, done, self.study.failed.emit
        )

    def confirm(self, finding: Finding) -> None:
        """The reader agrees: confirmed, or resolved for a lesion that is gone; then the visit's next proposal."""
        from glioma_annotator.workflow.finding_proposals import confirmed  # scipy: not when the window opens

        author = self.study.require_session().author
        self.change(finding, status=confirmed(finding, author).status)
        if _followed(finding):
            self._go_to_next()

    def _go_to_next(self) -> None:
        """The first of the open visit's findings from the visit before that waits for the reader."""
        waiting = [f for f in self.of_visit() if f.status is FindingStatus.OPEN and _followed(f)]
        if waiting:
            self.go_to(waiting[0])

    def became(self, finding: Finding) -> str:
        """What became of a lesion since the visit before, with its mL then and now; empty for a first sighting."""
        if finding.change is None:
            return ""
        before = [known.volume_ml for name in finding.previous if (known := self.get(name)) is not None]
        change = finding.change.value.capitalize()
        if finding.volume_ml is None:
            return f"{change}. "
        if not before or None in before:
            return f"{change}: {ml_text(finding.volume_ml)} mL of {finding.label or 'the drawn region'}. "
        was = " + ".join(ml_text(volume) for volume in before)
        return f"{change}: {was} mL at the visit before, now {ml_text(finding.volume_ml)} mL. "

    def outdated(self, finding: Finding) -> str:
        """That a finding's mL are not of its visit's newest mask; empty where they are, or another visit is open."""
        visit = self.study.visit
        if finding.revision is None or visit is None or visit.timepoint.key != finding.timepoint:
            return ""
        newest = max((revision.number for revision in visit.revisions), default=finding.revision)
        return "" if newest == finding.revision else f"That was mask {finding.revision}; the newest is {newest}. "

    def deleted(self) -> tuple[Finding, ...]:
        session = self.study.session
        if session is None or not self.study.patient_key:
            return ()
        return session.store.findings.deleted(self.study.patient_key)

    def restore(self, finding_id: str) -> None:
        session = self.study.require_session()
        session.store.findings.restore(finding_id, by=session.author)
        self.changed.emit()
        self.select(finding_id)

    def go_to(self, finding: Finding) -> None:
        """Show a finding: open its visit if need be, and put the crosshair there."""
        self.select(finding.id)
        self.show_place(finding.timepoint, finding.point_mm)

    def title_of(self, finding: Finding) -> str:
        """Kind and side in words."""
        kind = self.profile.finding_kind(finding.kind)
        side = "" if finding.side.value == "unknown" else f", {finding.side.value}"
        return f"{kind.title if kind else finding.kind}{side}"

    def _known(self) -> frozenset[str]:
        return frozenset(finding.id for finding in self.all())


def _mask(visit: OpenTimepoint) -> tuple[LabelArray, int | None]:
    """A visit's mask as it is, and the number of the revision that it is; None when it has unsaved steps."""
    saved = None if visit.editor.unsaved else visit.parent_id
    return visit.editor.labels.copy(), next((r.number for r in visit.revisions if r.id == saved), None)


def _followed(finding: Finding) -> bool:
    """Whether it came from following lesions, not from a reader's hand."""
    return finding.change is not None or bool(finding.previous)
