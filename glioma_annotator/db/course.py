"""Clinical events, measured lesions, response assessments and notes in the database."""

from __future__ import annotations

from glioma_annotator.db.audit import AuditTrail
from glioma_annotator.db.connection import Connections, Row
from glioma_annotator.db.measures import MeasureRepository
from glioma_annotator.db.records import RecordRepository
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.plain import Plain
from glioma_annotator.domain.response import LesionMeasurement, ResponseAssessment


class EventRepository(RecordRepository[ClinicalEvent]):
    """Fulfils `workflow.record_ports.Records` of clinical events."""

    kind = ClinicalEvent
    table = "clinical_events"
    title = "clinical event"
    columns = (
        "kind", "date", "day", "end_date", "end_day", "extent", "dose_gy", "fractions", "cycle", "dose_mg", "drug",
        "score", "state", "text", "author", "created_utc",
    )  # fmt: skip

    def __init__(self, connections: Connections, audit: AuditTrail, measures: MeasureRepository) -> None:
        super().__init__(connections, audit)
        self._measures = measures

    def _written(self, database: Database, patient_id: int, record: ClinicalEvent) -> None:
        if record.kind is EventKind.RADIOTHERAPY:  # it decides which visit is the baseline
            self._measures.refresh(database, patient_id)


class MeasurementRepository(RecordRepository[LesionMeasurement]):
    """Fulfils `workflow.record_ports.Records` of measured lesions."""

    kind = LesionMeasurement
    table = "lesion_measurements"
    title = "measurement"
    columns = (
        "lesion", "longest_mm", "perpendicular_mm", "longest", "perpendicular", "volume_ml", "target", "adjusted",
        "revision", "author", "created_utc",
    )  # fmt: skip
    flags = ("target", "adjusted")
    json_columns = ("longest", "perpendicular")


class ResponseRepository(RecordRepository[ResponseAssessment]):
    """Fulfils `workflow.record_ports.Records` of response assessments."""

    kind = ResponseAssessment
    table = "response_assessments"
    title = "response assessment"
    columns = (
        "method", "proposed", "reasons", "inputs", "baseline", "nadir", "rule", "decided", "decided_utc", "comment",
        "created_utc",
    )  # fmt: skip
    json_columns = ("reasons", "inputs")

    def _to_row(self, plain: Plain) -> Row:
        return super()._to_row(plain) | {"author": plain["reader"]}

    def _to_plain(self, row: Row) -> Plain:
        return super()._to_plain(row) | {"reader": row["author"]}

    def _author(self, record: ResponseAssessment) -> str:
        return record.reader


class NoteRepository(RecordRepository[Note]):
    """Fulfils `workflow.record_ports.Records` of notes and reports."""

    kind = Note
    table = "notes"
    title = "note"
    columns = ("kind", "title", "text", "date", "day", "author", "created_utc")
