"""Tables of records as files that other programs read: CSV, JSON and Parquet."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glioma_annotator.domain.cohort import CohortHit
from glioma_annotator.domain.finding import Finding
from glioma_annotator.domain.plain import to_plain
from glioma_annotator.imaging.atomic_file import atomic_write

FORMATS = ("csv", "json", "parquet")
Rows = Sequence[Mapping[str, Any]]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a formula begins with
_NUMBERS = re.compile(r"[+-]?\d+(\.\d+)?([ ;]+[+-]?\d+(\.\d+)?)*")  # one, or those of places


FINDING_COLUMNS = (
    "patient", "timepoint", "kind", "label", "side", "location", "text", "confidence", "status", "source", "revision",
    "volume_ml", "lesion", "change", "previous", "samples", "author", "created_utc", "id", "x_mm", "y_mm", "z_mm",
)  # fmt: skip


def finding_rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """One flat row per finding; coordinates in world RAS mm, lists joined by spaces."""
    rows = []
    for finding in findings:
        row = to_plain(finding)
        x, y, z = row.pop("point_mm")
        del row["box"]
        row |= {"x_mm": x, "y_mm": y, "z_mm": z}
        row |= {name: " ".join(row[name]) for name in ("previous", "samples")}
        rows.append(row)
    return rows


COHORT_COLUMNS = ("patient", "timepoint", "date", "day", "phase", "finding", "x_mm", "y_mm", "z_mm")


def cohort_rows(hits: Sequence[CohortHit]) -> list[dict[str, Any]]:
    """One flat row per visit; coordinates in world RAS mm, a column of mL per label in the question."""
    names = list(dict.fromkeys(name for hit in hits for name in hit.volumes_ml))
    rows = []
    for hit in hits:
        x, y, z = hit.point_mm or (None, None, None)
        row: dict[str, Any] = {
            "patient": hit.patient,
            "timepoint": hit.timepoint,
            "date": hit.date.isoformat() if hit.date else None,
            "day": hit.day,
            "phase": hit.phase.value,
            "finding": hit.finding or None,
            "x_mm": x,
            "y_mm": y,
            "z_mm": z,
        }
        rows.append(row | {f"{name}_ml": hit.volumes_ml.get(name) for name in names})
    return rows


def plain_cell(value: object) -> object:
    """A cell of a CSV that spreadsheets show and never run: a text that they would take for a formula gets an
    apostrophe in front. Numbers and coordinates stay as they are."""
    if isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBERS.fullmatch(value):
        return f"'{value}"
    return value


def table_bytes(rows: Rows, kind: str, columns: Sequence[str] = ()) -> bytes:
    """The table as a file of that kind, one of `FORMATS`; column names from the first row, else `columns`."""
    if kind == "csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0] if rows else columns))
        writer.writeheader()
        writer.writerows({name: plain_cell(value) for name, value in row.items()} for row in rows)
        return text.getvalue().encode()
    if kind == "json":
        return (json.dumps(list(rows), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    import pyarrow
    import pyarrow.parquet

    sink = pyarrow.BufferOutputStream()
    nothing = None if rows else pyarrow.schema([(name, pyarrow.string()) for name in columns])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows], nothing), sink)
    return bytes(sink.getvalue().to_pybytes())


def write_rows(path: Path, rows: Rows, kind: str, columns: Sequence[str] = ()) -> None:
    """Write a table, whole or not at all. Raises `EnvironmentFailure` when the disk refuses."""
    content = table_bytes(rows, kind, columns)
    with atomic_write(path) as file:
        file.write(content)
