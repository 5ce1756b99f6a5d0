"""Tables as other programs read them."""

from __future__ import annotations

import csv
import io
import json

import pyarrow
import pyarrow.parquet
import pytest

from glioma_annotator.domain.cohort import CohortHit
from glioma_annotator.domain.finding import Finding
from glioma_annotator.domain.note import Note
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.workflow.note_entry import NOTE_COLUMNS, note_rows
from glioma_annotator.workflow.tables import FINDING_COLUMNS, FORMATS, cohort_rows, finding_rows, table_bytes

HITS = (
    CohortHit("P", "v1", None, 3, TreatmentPhase.UNKNOWN, (1.0, 2.0, 3.0), "f", {"ET": 4.0}),
    CohortHit("Q", "v2", None, None, TreatmentPhase.FOLLOW_UP),
)


def test_rows_have_the_same_columns_whatever_is_known() -> None:
    first, second = cohort_rows(HITS)
    assert list(first) == list(second)
    assert (first["x_mm"], first["ET_ml"], second["x_mm"], second["ET_ml"]) == (1.0, 4.0, None, None)


def test_a_finding_is_one_flat_row() -> None:
    (row,) = finding_rows([Finding("P", "v1", "cyst", (1.0, 2.0, 3.0), previous=("a", "b"))])
    assert (row["x_mm"], row["previous"]) == (1.0, "a b")
    assert all(value is None or isinstance(value, str | float | int) for value in row.values())


def test_the_formats_say_the_same() -> None:
    rows = cohort_rows(HITS)
    from_csv = list(csv.DictReader(io.StringIO(table_bytes(rows, "csv").decode())))
    assert [row["ET_ml"] for row in from_csv] == ["4.0", ""]
    assert json.loads(table_bytes(rows, "json")) == rows
    assert pyarrow.parquet.read_table(pyarrow.BufferReader(table_bytes(rows, "parquet"))).to_pylist() == rows


@pytest.mark.parametrize("kind", FORMATS)
def test_an_empty_table_can_be_written(kind: str) -> None:
    assert isinstance(table_bytes([], kind), bytes)


def test_spreadsheets_run_nothing_of_a_table() -> None:
    texts = {
        "=1+1": "'=1+1",
        "@SUM(A1)": "'@SUM(A1)",
        "- stable": "'- stable",
        "+cmd|' /C calc'!A0": "'+cmd|' /C calc'!A0",
    }
    texts |= {text: text for text in ("-12.5 3.0 -4; 5 6 7", "-3", "as before", "a=b")}
    rows = [{"text": text, "ml": -0.5} for text in texts]
    found = list(csv.DictReader(io.StringIO(table_bytes(rows, "csv").decode())))
    assert [row["text"] for row in found] == list(texts.values())
    assert {row["ml"] for row in found} == {"-0.5"}
    assert json.loads(table_bytes(rows, "json")) == rows  # no spreadsheet opens these


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_without_rows_names_its_columns(kind: str) -> None:
    written = table_bytes([], kind, FINDING_COLUMNS)
    if kind == "csv":
        (names,) = csv.reader(io.StringIO(written.decode()))
    else:
        names = pyarrow.parquet.read_table(io.BytesIO(written)).column_names
    assert names == list(FINDING_COLUMNS) == list(finding_rows([Finding("P", "V0", "cyst", (0.0, 0.0, 0.0))])[0])
    assert list(NOTE_COLUMNS) == list(note_rows([Note("P", "text")])[0])
