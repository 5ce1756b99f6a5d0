"""Histology samples, their sites and markers in the database."""

from __future__ import annotations

from collections.abc import Iterator

from glioma_annotator.db.connection import Row
from glioma_annotator.db.records import RecordRepository
from glioma_annotator.domain.histology import HistologySample
from glioma_annotator.domain.plain import Plain

_DIAGNOSIS = {"type": "diagnosis", "grade": "diagnosis_grade", "suffix": "diagnosis_suffix", "text": "diagnosis_text"}


class HistologyRepository(RecordRepository[HistologySample]):
    """Fulfils `workflow.record_ports.Records` of histology samples."""

    kind = HistologySample
    table = "histology_samples"
    title = "histology sample"
    columns = ("kind", "date", "day", "site", "location", "microscopy", "grade", "author", "created_utc")
    children = (("histology_sites", "sample_id"), ("histology_markers", "sample_id"))

    def _to_row(self, plain: Plain) -> Row:
        diagnosis = plain["diagnosis"] or {}
        return super()._to_row(plain) | {column: diagnosis.get(name) for name, column in _DIAGNOSIS.items()}

    def _to_plain(self, row: Row) -> Plain:
        given = {name: row[column] for name, column in _DIAGNOSIS.items()}
        return super()._to_plain(row) | {"diagnosis": None if given["type"] is None else given}

    def _child_rows(self, record: HistologySample) -> Iterator[tuple[str, Row]]:
        for x, y, z in record.sites_mm:
            yield "histology_sites", {"x_mm": x, "y_mm": y, "z_mm": z}
        for result in record.markers:
            yield (
                "histology_markers",
                {
                    "marker": result.marker.value,
                    "status": result.status.value,
                    "altered": None if result.altered is None else int(result.altered),
                    "percent": result.percent,
                    "detail": result.detail,
                },
            )

    def _take_children(self, plain: Plain, rows: dict[str, list[Row]]) -> None:
        plain["sites_mm"] = [[row["x_mm"], row["y_mm"], row["z_mm"]] for row in rows.get("histology_sites", ())]
        plain["markers"] = [
            {
                "marker": row["marker"],
                "status": row["status"],
                "altered": None if row["altered"] is None else bool(row["altered"]),
                "percent": row["percent"],
                "detail": row["detail"],
            }
            for row in rows.get("histology_markers", ())
        ]
