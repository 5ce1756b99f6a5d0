"""The patient's histology samples in the window: adds, changes and removes them, and says when they changed."""

from __future__ import annotations

from dataclasses import replace

from glioma_annotator.domain.course import CourseClock
from glioma_annotator.domain.finding import Finding, Point
from glioma_annotator.domain.histology import HistologySample, SampleKind
from glioma_annotator.ui.placed_records import PlacedRecords
from glioma_annotator.workflow.histology_entry import (
    in_order,
    sample_of,
    sample_title,
    with_point,
    without_point,
)


class HistologyController(PlacedRecords):
    """Samples of the open patient."""

    def all(self) -> tuple[HistologySample, ...]:
        """Of the open patient, in order of time."""
        session = self.study.session
        if session is None or not self.study.patient_key:
            return ()
        clock = CourseClock.of(self.study.timepoints())
        return in_order(session.store.histology.of_patient(self.study.patient_key), clock)

    def get(self, sample_id: str) -> HistologySample | None:
        session = self.study.session
        return session.store.histology.get(sample_id) if session is not None and sample_id else None

    def deleted(self) -> tuple[HistologySample, ...]:
        session = self.study.session
        if session is None or not self.study.patient_key:
            return ()
        return session.store.histology.deleted(self.study.patient_key)

    # changes

    def add(self) -> None:
        """A sample without a place yet. Raises `UserError` without a workspace."""
        author = self.study.require_session().author
        self._add(HistologySample(self.study.patient_key, SampleKind.BIOPSY, author=author))

    def add_at_crosshair(self) -> None:
        """A sample taken where the crosshair is. Raises `UserError` without a visit."""
        visit, author = self.study.require_visit(), self.study.require_session().author
        sample = HistologySample(self.study.patient_key, SampleKind.BIOPSY, author=author)
        self._add(with_point(sample, visit.timepoint.key, visit.timepoint.title, self._place()))

    def add_from(self, finding: Finding) -> HistologySample:
        """A sample taken from a finding, linked to it."""
        session = self.study.require_session()
        sample = sample_of(finding, session.author)
        self._add(sample)
        self.link(finding, sample.id, linked=True)
        return sample

    def _add(self, sample: HistologySample) -> None:
        session = self.study.require_session()
        session.store.histology.add(sample, by=session.author)
        self.changed.emit()
        self.select(sample.id)
        self.study.notice.emit("Histology sample added. Give its date and results.")

    def change(self, sample: HistologySample, **values: object) -> None:
        """Keep other values of a sample; does nothing when they are the same."""
        self.keep(replace(sample, **values))  # type: ignore[arg-type]

    def keep(self, sample: HistologySample) -> None:
        """Keep a sample's new state; does nothing when it is the present one, or the sample was deleted."""
        session = self.study.session
        known = self.get(sample.id)
        if session is not None and known is not None and known != sample:
            session.store.histology.change(sample, by=session.author)
            self.changed.emit()

    def add_point(self, sample: HistologySample) -> None:
        """One more site point at the crosshair. Raises `UserError` when its points lie in another visit."""
        visit = self.study.require_visit()
        self.keep(with_point(sample, visit.timepoint.key, visit.timepoint.title, self._place()))

    def remove_point(self, sample: HistologySample, place: int) -> None:
        self.keep(without_point(sample, place))

    def delete(self, sample: HistologySample) -> None:
        """Take it out of the lists; the notice names how it comes back."""
        session = self.study.require_session()
        session.store.histology.delete(sample.id, by=session.author)
        self.select("")
        self.changed.emit()
        self.study.notice.emit(f"Deleted: {sample_title(sample)}. “Deleted samples” brings it back.")

    def restore(self, sample_id: str) -> None:
        session = self.study.require_session()
        session.store.histology.restore(sample_id, by=session.author)
        self.changed.emit()
        self.select(sample_id)

    # findings that samples were taken from

    def findings_of(self, sample: HistologySample) -> tuple[Finding, ...]:
        session = self.study.session
        return session.store.findings.of_sample(sample.id) if session is not None else ()

    def samples_of(self, finding: Finding) -> tuple[HistologySample, ...]:
        """The samples taken from a finding, without deleted ones."""
        return tuple(sample for uid in finding.samples if (sample := self.get(uid)) is not None)

    def samples_of_lesion(self, finding: Finding) -> tuple[HistologySample, ...]:
        """Samples taken from the same lesion at other visits, those of the finding itself left out."""
        session = self.study.session
        if session is None:
            return ()
        others = (uid for f in session.store.findings.of_lesion(finding.lesion) for uid in f.samples)
        wanted = dict.fromkeys(uid for uid in others if uid not in finding.samples)
        return tuple(sample for uid in wanted if (sample := self.get(uid)) is not None)

    def open(self, sample_id: str) -> None:
        """Show a sample: its panel, and its first site point in the image."""
        sample = self.get(sample_id)
        if sample is not None:
            self.go_to(sample)
            self.panel_wanted.emit()

    def link(self, finding: Finding, sample_id: str, *, linked: bool) -> None:
        """Record that a sample was taken from a finding, or that it was not."""
        others = tuple(uid for uid in finding.samples if uid != sample_id)
        made = replace(finding, samples=(*others, sample_id) if linked else others)
        if made != finding:
            session = self.study.require_session()
            session.store.findings.change(made, by=session.author)
            self.changed.emit()

    # showing

    def go_to(self, sample: HistologySample, place: int = 0) -> None:
        """Show one of its site points: open its visit if need be, and put the crosshair there."""
        self.select(sample.id)
        if place < len(sample.sites_mm):
            self.show_place(sample.timepoint, sample.sites_mm[place])

    def _place(self) -> Point:
        """The crosshair in RAS mm."""
        x, y, z = (float(v) for v in self.study.require_visit().timepoint.grid.index_to_world(self._crosshair()))
        return x, y, z

    def _known(self) -> frozenset[str]:
        return frozenset(sample.id for sample in self.all())
