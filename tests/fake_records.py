"""Stand-ins for the store's clinical records, in memory; shared by the contract tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from glioma_annotator.domain.audit import AuditAction, AuditEntry
from glioma_annotator.domain.cohort import CohortResult, Condition, SavedQuestion, SearchHit
from glioma_annotator.domain.cohort_question import parse_question
from glioma_annotator.domain.cohort_vocabulary import USUAL_LABELS
from glioma_annotator.domain.finding import Finding
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient_identity import PatientIdentity
from glioma_annotator.domain.plain import to_plain
from glioma_annotator.domain.visit_measure import VisitMeasure
from glioma_annotator.domain.visit_registration import AcceptedRegistration
from glioma_annotator.errors import UserError

R = TypeVar("R", bound=Any)


class FakeAudit:
    """Fulfils `record_ports.Audit`."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def write(self, action: AuditAction, kind: str, record: Any, before: Any, after: Any, by: str) -> None:
        states = [None if state is None else to_plain(state) for state in (before, after)]
        actor = by or getattr(record, "author", "") or "tester"
        number, now = len(self.entries) + 1, dt.datetime.now(dt.UTC)
        self.entries.append(AuditEntry(number, now, actor, action, kind, record.id, *states))

    def of(self, record: str) -> tuple[AuditEntry, ...]:
        return tuple(entry for entry in self.entries if entry.record == record)

    def of_patient(self, patient: str, limit: int = 500) -> tuple[AuditEntry, ...]:
        own = [e for e in self.entries if patient in ((e.before or {}).get("patient"), (e.after or {}).get("patient"))]
        return tuple(reversed(own))[:limit]

    def newest(self, limit: int = 200) -> tuple[AuditEntry, ...]:
        return tuple(reversed(self.entries))[:limit]


class FakeRecords(Generic[R]):
    """Fulfils `record_ports.Records`; `known` tells whether a patient, and a visit of it, exist."""

    def __init__(self, kind: str, audit: FakeAudit, known: Callable[[str, str], bool]) -> None:
        self._kind, self._audit, self._known = kind, audit, known
        self._live: dict[str, R] = {}
        self._deleted: dict[str, R] = {}

    def all(self) -> tuple[R, ...]:
        return tuple(self._live.values())

    def get(self, record_id: str) -> R | None:
        return self._live.get(record_id)

    def of_patient(self, patient: str) -> tuple[R, ...]:
        return tuple(r for r in self._live.values() if r.patient == patient)

    def of_timepoint(self, patient: str, timepoint: str) -> tuple[R, ...]:
        return tuple(r for r in self.of_patient(patient) if r.timepoint == timepoint)

    def deleted(self, patient: str) -> tuple[R, ...]:
        return tuple(r for r in self._deleted.values() if r.patient == patient)

    def add(self, *records: R, by: str = "") -> None:
        before = dict(self._live)
        for record in records:
            try:
                self._require_known(record)
            except KeyError:
                self._live = before
                raise
            self._live[record.id] = record
        for record in records:
            self._audit.write(AuditAction.ADD, self._kind, record, None, record, by)

    def change(self, record: R, by: str = "") -> None:
        before = self._live[record.id]
        if before == record:
            return
        if before.patient != record.patient:
            raise ValueError("a record stays with its patient")
        self._require_known(record)
        self._live[record.id] = record
        self._audit.write(AuditAction.CHANGE, self._kind, record, before, record, by)

    def delete(self, record_id: str, by: str = "") -> None:
        record = self._deleted[record_id] = self._live.pop(record_id)
        self._audit.write(AuditAction.DELETE, self._kind, record, record, None, by)

    def restore(self, record_id: str, by: str = "") -> None:
        record = self._live[record_id] = self._deleted.pop(record_id)
        self._audit.write(AuditAction.RESTORE, self._kind, record, None, record, by)

    def _require_known(self, record: R) -> None:
        if not self._known(record.patient, record.timepoint):
            raise KeyError((record.patient, record.timepoint))


class FakeFindings(FakeRecords[Finding]):
    """Fulfils `record_ports.Findings`."""

    def of_lesion(self, lesion: str) -> tuple[Finding, ...]:
        return tuple(f for f in self._live.values() if f.lesion == lesion)

    def of_sample(self, sample: str) -> tuple[Finding, ...]:
        return tuple(f for f in self._live.values() if sample in f.samples)

    def _require_known(self, record: Finding) -> None:
        super()._require_known(record)
        for uid in record.previous:
            if uid not in self._live and uid not in self._deleted:
                raise KeyError(uid)


class FakeRegistrations(FakeRecords[AcceptedRegistration]):
    """Fulfils `record_ports.Registrations`; `key_of` gives a patient's key by its number."""

    def __init__(self, audit: FakeAudit, known: Callable[[str, str], bool], key_of: Callable[[int], str]) -> None:
        super().__init__("visit_registrations", audit, known)
        self._key_of = key_of

    def between(self, patient_id: int, one: str, other: str) -> AcceptedRegistration | None:
        own = self.of_patient(self._key_of(patient_id))
        return max((r for r in own if r.joins(one, other)), key=lambda r: r.created_utc, default=None)

    def _require_known(self, record: AcceptedRegistration) -> None:
        super()._require_known(record)
        if not self._known(record.patient, record.other):
            raise KeyError(record.other)


class FakeIdentities:
    """Fulfils `record_ports.Identities`."""

    def __init__(self, known: Callable[[str, str], bool]) -> None:
        self._known = known
        self._identities: dict[str, PatientIdentity] = {}

    def get(self, patient: str) -> PatientIdentity | None:
        return self._identities.get(patient)

    def set(self, patient: str, identity: PatientIdentity, by: str = "") -> None:
        if not self._known(patient, ""):
            raise KeyError(patient)
        self._identities[patient] = identity


class FakeSearch:
    """Fulfils `record_ports.Search`; finds records that contain the query as it stands."""

    def __init__(self, findings: FakeFindings, notes: FakeRecords[Note]) -> None:
        self._findings, self._notes = findings, notes

    def find(self, query: str, patient: str = "", limit: int = 100) -> tuple[SearchHit, ...]:
        found = [
            SearchHit("finding", f.id, f.patient, f.timepoint, f.kind, f.text, f.point_mm) for f in self._findings.all()
        ] + [SearchHit(n.kind.value, n.id, n.patient, n.timepoint, n.title, n.text) for n in self._notes.all()]
        wanted = [h for h in found if query.lower() in f"{h.title} {h.text}".lower() and patient in ("", h.patient)]
        return tuple(wanted[:limit]) if query.strip() else ()


class FakeCohort:
    """Fulfils `record_ports.Cohort`; every question that can be read has `result` as its answer."""

    def __init__(self) -> None:
        self.result = CohortResult((), 0, 0)
        self._saved: dict[str, SavedQuestion] = {}

    def ask(self, question: str, limit: int | None = None) -> CohortResult:
        return self.select(parse_question(question), limit)

    def select(self, condition: Condition, limit: int | None = None) -> CohortResult:
        return self.result

    def labels(self) -> tuple[str, ...]:
        return USUAL_LABELS

    def saved(self) -> tuple[SavedQuestion, ...]:
        return tuple(self._saved[name] for name in sorted(self._saved))

    def save(self, name: str, text: str, by: str = "") -> None:
        if not name.strip():
            raise UserError("A saved question needs a name.")
        parse_question(text)
        self._saved[name] = SavedQuestion(name, text, by, dt.datetime.now(dt.UTC))

    def rename(self, name: str, other: str, by: str = "") -> None:
        known = self._saved[name]
        if not other.strip() or (other != name and other in self._saved):
            raise UserError("A saved question needs a name of its own.")
        self._saved[other] = SavedQuestion(other, self._saved.pop(name).text, known.author, known.created_utc)

    def forget(self, name: str, by: str = "") -> None:
        del self._saved[name]


class FakeMeasures:
    """Fulfils `record_ports.Measures`; `of` computes them."""

    def __init__(self, of: Callable[[str], tuple[VisitMeasure, ...]]) -> None:
        self.of_patient = of
