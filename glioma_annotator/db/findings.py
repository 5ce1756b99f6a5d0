"""Findings and VASARI sheets in the database."""

from __future__ import annotations

from collections.abc import Iterator

from glioma_annotator.db.connection import Row
from glioma_annotator.db.records import RecordRepository
from glioma_annotator.domain.finding import Finding
from glioma_annotator.domain.plain import Plain
from glioma_annotator.domain.vasari import VasariEntry


class FindingRepository(RecordRepository[Finding]):
    """Fulfils `workflow.record_ports.Findings`."""

    kind = Finding
    table = "findings"
    title = "finding"
    columns = (
        "kind", "label", "side", "location", "text", "confidence", "status", "source", "revision", "box", "volume_ml",
        "lesion", "change", "author", "created_utc",
    )  # fmt: skip
    json_columns = ("box",)
    children = (("finding_previous", "finding_id"), ("finding_samples", "finding_id"))

    def of_lesion(self, lesion: str) -> tuple[Finding, ...]:
        """Live sightings of one lesion, oldest record first."""
        with self._connections.reading(self._unreadable) as database:
            return tuple(self._select(database, "lesion = ? AND deleted_utc IS NULL", [lesion]))

    def of_sample(self, sample: str) -> tuple[Finding, ...]:
        """Live findings that the histology sample was taken from, by its id."""
        condition = "id IN (SELECT finding_id FROM finding_samples WHERE sample = ?) AND deleted_utc IS NULL"
        with self._connections.reading(self._unreadable) as database:
            return tuple(self._select(database, condition, [sample]))

    def _to_row(self, plain: Plain) -> Row:
        x, y, z = plain["point_mm"]
        return super()._to_row(plain) | {"x_mm": x, "y_mm": y, "z_mm": z}

    def _to_plain(self, row: Row) -> Plain:
        return super()._to_plain(row) | {"point_mm": [row["x_mm"], row["y_mm"], row["z_mm"]]}

    def _child_rows(self, record: Finding) -> Iterator[tuple[str, Row]]:
        for uid in record.previous:
            yield "finding_previous", {"previous": uid}
        for uid in record.samples:
            yield "finding_samples", {"sample": uid}

    def _take_children(self, plain: Plain, rows: dict[str, list[Row]]) -> None:
        plain["previous"] = [row["previous"] for row in rows.get("finding_previous", ())]
        plain["samples"] = [row["sample"] for row in rows.get("finding_samples", ())]

    def _references(self, record: Finding) -> Iterator[tuple[str, str]]:
        yield from (("findings", uid) for uid in record.previous)
        yield from (("histology_samples", uid) for uid in record.samples)


class VasariRepository(RecordRepository[VasariEntry]):
    """Fulfils `workflow.record_ports.Records` of VASARI entries."""

    kind = VasariEntry
    table = "vasari_entries"
    title = "VASARI entry"
    columns = ("feature", "value", "computed", "reason", "confirmed", "revision", "author", "created_utc")
    flags = ("computed", "confirmed")

    def sheet(self, patient: str, timepoint: str) -> dict[str, VasariEntry]:
        """The newest entry of every feature of a visit's sheet, by the feature's number."""
        return {entry.feature: entry for entry in self.of_timepoint(patient, timepoint)}
