"""VASARI sheets and histology samples of a patient as the tables of an export."""

from __future__ import annotations

from collections.abc import Sequence

from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.workflow.histology_entry import SAMPLE_COLUMNS, sample_rows
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.profiles import load_profile
from glioma_annotator.workflow.vasari_entry import VASARI_COLUMNS, sheet_rows

Table = tuple[tuple[str, ...], Sequence[tuple[object, ...]]]
"""Names of the columns, and the rows."""


def record_tables(store: Store, patient: str, visits: Sequence[Timepoint]) -> dict[str, Table]:
    """By file name: `vasari.csv` and `histology.csv`, each where it has a row."""
    tables: dict[str, Table] = {
        "vasari.csv": (VASARI_COLUMNS, sheet_rows(store, load_profile(), patient, visits)),
        "histology.csv": (SAMPLE_COLUMNS, sample_rows(store.histology.of_patient(patient))),
    }
    return {name: table for name, table in tables.items() if table[1]}
