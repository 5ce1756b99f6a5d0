"""The VASARI sheet as a reader fills it in: offered, confirmed, chosen, taken off, compared, written."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeStore
from phantoms import head

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.histology import HistologySample, SampleKind
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.vasari import VasariEntry
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.export_study import export_patient
from glioma_annotator.workflow.profiles import load_profile
from glioma_annotator.workflow.vasari_entry import (
    VASARI_COLUMNS,
    choose,
    compare,
    confirm,
    current_sheet,
    offer,
    status_text,
    value_text,
    wants_computing,
    write_sheets,
)

PROFILE = load_profile()
SIZE = VasariEntry("P", "V0", "F29", "31.0", computed=True, reason="Slice 4.", revision=1)
SIDE = VasariEntry("P", "V0", "F2", "1", computed=True, reason="37 mm to the right.", revision=1)


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    patient = made.add_patient("P")
    grid = Grid((6, 6, 4), np.eye(4))
    for order in range(2):
        series = (Sequence("T1Gd", SequenceRole.T1GD, ""),)
        visit = Timepoint(patient.id or 0, f"V{order}", order, grid, "T1Gd", day=90 * order, sequences=series)
        made.add_timepoint(visit, {"T1Gd": Volume(head(SequenceRole.T1GD, grid), grid)})
    return made


def put(store: FakeStore, feature: str, value: str, visit: str = "V0") -> None:
    choose(store, PROFILE, "P", visit, feature, value, "Dr A")


def test_computed_values_stay_unconfirmed_until_the_reader_agrees(store: FakeStore) -> None:
    offer(store, "P", "V0", [SIZE, SIDE])
    sheet = current_sheet(store, "P", "V0")
    assert [e.confirmed for e in sheet.values()] == [False, False]
    assert status_text(sheet["F2"], 1) == "computed, to be confirmed"
    assert status_text(sheet["F2"], 2) == "computed from revision 1, not the present one"
    assert confirm(store, [sheet["F2"]], "Dr A") == 1
    after = current_sheet(store, "P", "V0")["F2"]
    assert (after.confirmed, after.computed, after.author) == (True, True, "Dr A")
    assert status_text(after, 1) == "computed, confirmed by Dr A"
    assert status_text(after, 2) == "computed from revision 1, not the present one, confirmed by Dr A"
    assert confirm(store, current_sheet(store, "P", "V0").values(), "Dr B") == 1  # the side is confirmed already


def test_a_new_computation_replaces_what_is_unconfirmed_and_nothing_else(store: FakeStore) -> None:
    offer(store, "P", "V0", [SIZE, SIDE])
    put(store, "F2", "3")
    offer(store, "P", "V0", [replace(SIZE, id="x", value="28.0", revision=2), replace(SIDE, id="y", revision=2)])
    sheet = current_sheet(store, "P", "V0")
    assert (sheet["F29"].value, sheet["F29"].revision, sheet["F29"].id) == ("28.0", 2, SIZE.id)
    assert (sheet["F2"].value, sheet["F2"].computed, sheet["F2"].author) == ("3", False, "Dr A")
    assert len(store.vasari.of_timepoint("P", "V0")) == 2


def test_choosing_the_computed_value_confirms_it(store: FakeStore) -> None:
    offer(store, "P", "V0", [SIDE, SIZE])
    put(store, "F2", "1")
    put(store, "F29", " 31 mm ")
    sheet = current_sheet(store, "P", "V0")
    assert all(e.computed and e.confirmed for e in sheet.values())


def test_a_value_can_be_taken_off_the_sheet_and_every_step_is_audited(store: FakeStore) -> None:
    put(store, "F1", "2")
    put(store, "F1", "1")
    first = current_sheet(store, "P", "V0")["F1"]
    assert value_text(PROFILE, first) == "frontal"
    put(store, "F1", "")
    assert current_sheet(store, "P", "V0") == {}
    assert [e.action.value for e in store.audit.of(first.id)] == ["add", "change", "delete"]


@pytest.mark.parametrize(
    ("feature", "value"), [("F1", "99"), ("F29", "large"), ("F29", "-3"), ("F29", "nan"), ("F99", "1")]
)
def test_what_a_feature_cannot_be_is_refused(store: FakeStore, feature: str, value: str) -> None:
    with pytest.raises(UserError):
        put(store, feature, value)
    assert current_sheet(store, "P", "V0") == {}


def test_figures_are_taken_with_unit_and_comma(store: FakeStore) -> None:
    put(store, "F29", "31,27 mm")
    assert value_text(PROFILE, current_sheet(store, "P", "V0")["F29"]) == "31.3 mm"


def test_a_mask_is_computed_from_once() -> None:
    assert wants_computing({}, 1)
    assert not wants_computing({}, None)
    assert not wants_computing({"F29": SIZE}, 1)
    assert wants_computing({"F29": SIZE}, 2)


def test_two_visits_are_compared_feature_by_feature(store: FakeStore) -> None:
    for visit, side, size in (("V0", "1", "31"), ("V1", "1", "35.5")):
        put(store, "F2", side, visit)
        put(store, "F29", size, visit)
    put(store, "F8", "2", "V1")
    changes = compare(PROFILE, current_sheet(store, "P", "V0"), current_sheet(store, "P", "V1"))
    assert list(changes) == [f.number for f in PROFILE.vasari]
    assert (changes["F2"].before, changes["F2"].changed) == ("right", False)
    assert (changes["F29"].changed, changes["F29"].difference) == (True, pytest.approx(4.5))
    assert (changes["F8"].before, changes["F8"].after, changes["F8"].changed) == ("", "present", False)


def test_the_sheets_of_every_visit_are_one_table(store: FakeStore, tmp_path: Path) -> None:
    offer(store, "P", "V0", [SIZE])
    put(store, "F2", "3", "V1")
    visits = store.timepoints(1)
    assert write_sheets(store, PROFILE, "P", visits, tmp_path / "v.csv") == 2
    rows = list(csv.DictReader((tmp_path / "v.csv").read_text(encoding="utf-8").splitlines()))
    assert tuple(rows[0]) == VASARI_COLUMNS
    assert [(r["timepoint"], r["feature"], r["text"], r["computed"], r["confirmed"]) for r in rows] == [
        ("V0", "F29", "31.0 mm", "1", "0"), ("V1", "F2", "left", "0", "1"),
    ]  # fmt: skip


def test_an_export_of_all_visits_has_sheets_and_samples_where_there_are_any(store: FakeStore, tmp_path: Path) -> None:
    def exported(out: str, visit: str | None = None) -> set[str]:
        written = export_patient(store, "P", visit, tmp_path / out, ignore_progress, CancelToken())
        return {path.name for path in written}

    records = {"vasari.csv", "histology.csv"}
    assert not records & exported("empty")
    put(store, "F2", "3")
    store.histology.add(HistologySample("P", SampleKind.RESECTION, microscopy="mitoses"))
    assert records <= exported("full")
    assert records <= exported("full")  # an earlier export is replaced
    assert "mitoses" in (tmp_path / "full" / "P" / "histology.csv").read_text(encoding="utf-8")
    assert not records & exported("one", "V0")


def test_an_export_takes_away_the_tables_of_records_that_are_deleted(store: FakeStore, tmp_path: Path) -> None:
    def exported() -> set[str]:
        export_patient(store, "P", None, tmp_path / "out", ignore_progress, CancelToken())
        return {path.name for path in (tmp_path / "out" / "P").glob("*.csv")}

    put(store, "F2", "3")
    sample = HistologySample("P", SampleKind.RESECTION, microscopy="of another patient")
    store.histology.add(sample)
    assert exported() == {"volumes.csv", "vasari.csv", "histology.csv"}
    put(store, "F2", "")
    store.histology.delete(sample.id)
    (tmp_path / "out" / "P" / "labels.csv").write_text("my own table")
    assert exported() == {"volumes.csv", "labels.csv"}


def test_no_cell_of_a_table_is_run_as_a_formula(store: FakeStore, tmp_path: Path) -> None:
    formula = '=HYPERLINK("http://x.invalid")'
    choose(store, PROFILE, "P", "V0", "F2", "3", formula)
    write_sheets(store, PROFILE, "P", store.timepoints(1), tmp_path / "v.csv")
    store.histology.add(
        HistologySample("P", SampleKind.RESECTION, microscopy=formula, location="-left", sites_mm=((-1.5, 2.0, -3.0),))
    )
    export_patient(store, "P", None, tmp_path / "out", ignore_progress, CancelToken())
    for path in (tmp_path / "v.csv", tmp_path / "out" / "P" / "vasari.csv", tmp_path / "out" / "P" / "histology.csv"):
        cells = [cell for row in csv.reader(path.read_text(encoding="utf-8").splitlines()) for cell in row]
        assert f"'{formula}" in cells
        assert not [c for c in cells if c.startswith("=")]
    assert "'-left" in cells
    assert any(c.startswith("-1.5") for c in cells)  # coordinates stay numbers
