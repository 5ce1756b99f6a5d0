"""A patient's images, masks and volumes as files."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from fakes import FakeStore
from phantoms import brats_2021, longitudinal, tumour_mask

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.progress import CancelToken, Progress, ignore_progress
from glioma_annotator.workflow.export_study import best_revision, export_patient
from glioma_annotator.workflow.import_study import propose_import, run_import

PATIENT = "BraTS2021_00006"


def imported(folder: Path) -> FakeStore:
    store = FakeStore()
    run_import(
        propose_import([folder], ignore_progress, CancelToken()), store, "Reader", ignore_progress, CancelToken()
    )
    return store


def export(store: FakeStore, out: Path, patient: str = PATIENT, visit: str | None = None) -> tuple[Path, ...]:
    return export_patient(store, patient, visit, out, ignore_progress, CancelToken())


def table(path: Path) -> dict[tuple[str, str], float]:
    with path.open(newline="") as file:
        return {(row["kind"], row["name"]): float(row["volume_ml"]) for row in csv.DictReader(file)}


def test_images_and_mask_lie_on_the_source_s_voxels(tmp_path: Path) -> None:
    folder = brats_2021(tmp_path / "in")
    written = export(imported(folder), tmp_path / "out")
    place = tmp_path / "out" / PATIENT / "visit-1"
    assert {p.name for p in place.iterdir()} == {
        "T1.nii.gz",
        "T1Gd.nii.gz",
        "T2.nii.gz",
        "FLAIR.nii.gz",
        "mask.nii.gz",
        "volumes.csv",
    }
    assert set(written) == {*place.iterdir(), tmp_path / "out" / PATIENT / "volumes.csv"}
    source = nib.load(folder / f"{PATIENT}_t1ce.nii.gz")
    for name in ("T1Gd", "mask"):
        image = nib.load(place / f"{name}.nii.gz")
        assert image.shape == source.shape
        assert np.array_equal(image.affine, source.affine)
    assert np.array_equal(np.asarray(nib.load(place / "T1Gd.nii.gz").dataobj), np.asarray(source.dataobj))
    assert np.array_equal(np.asarray(nib.load(place / "mask.nii.gz").dataobj), tumour_mask(values=(1, 2, 3)))


def test_the_table_has_every_label_and_region_in_ml(tmp_path: Path) -> None:
    export(imported(brats_2021(tmp_path / "in")), tmp_path / "out")
    rows = table(tmp_path / "out" / PATIENT / "visit-1" / "volumes.csv")
    mask = tumour_mask(values=(1, 2, 3))
    ml = {value: (mask == value).sum() * 0.216 for value in (1, 2, 3)}
    assert rows["label", "ET"] == pytest.approx(ml[3], abs=1e-3)
    assert rows["region", "TC"] == pytest.approx(ml[1] + ml[3], abs=1e-3)
    assert rows["region", "WT"] == pytest.approx(sum(ml.values()), abs=1e-3)
    assert rows["label", "RC"] == rows["region", "RC"] == 0
    assert len(rows) == 8


def test_a_visit_without_revisions_has_no_mask_to_export() -> None:
    assert best_revision(()) is None


def test_an_approved_mask_goes_before_a_newer_draft(tmp_path: Path) -> None:
    store = imported(brats_2021(tmp_path / "in"))
    visit = store.timepoint(1)
    store.set_status(store.revisions(1)[0].id or 0, RevisionStatus.APPROVED)
    draft = np.zeros(visit.grid.shape, np.uint8)
    store.add_revision(visit, draft, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Reader")
    export(store, tmp_path / "out")
    mask = nib.load(tmp_path / "out" / PATIENT / "visit-1" / "mask.nii.gz")
    assert np.asarray(mask.dataobj).any()


def test_one_visit_alone_is_exported_when_named(tmp_path: Path) -> None:
    store = imported(longitudinal(tmp_path / "in"))
    written = export(store, tmp_path / "out", "BraTSReg_002", "day0262")
    assert {p.parent.name for p in written} == {"day0262"}
    assert len(written) == 5


def test_all_visits_share_one_table(tmp_path: Path) -> None:
    store = imported(longitudinal(tmp_path / "in"))
    for key in (1, 2):
        labels = np.full(store.timepoint(key).grid.shape, 3, np.uint8)
        visit = store.timepoint(key)
        store.add_revision(visit, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="R")
    export(store, tmp_path / "out", "BraTSReg_002")
    with (tmp_path / "out" / "BraTSReg_002" / "volumes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["timepoint"] for r in rows] == ["day0000"] * 8 + ["day0262"] * 8
    assert rows[8]["day"] == "262"


def test_one_visit_exported_again_has_its_new_volumes_in_the_table_of_all(tmp_path: Path) -> None:
    store = imported(longitudinal(tmp_path / "in"))

    def mask_of(visit: Timepoint, value: int) -> None:
        labels = np.full(visit.grid.shape, value, np.uint8)
        store.add_revision(visit, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="R")

    for key in (1, 2):
        mask_of(store.timepoint(key), 3)
    export(store, tmp_path / "out", "BraTSReg_002")
    mask_of(store.timepoint(1), 4)
    mask_of(store.timepoint(2), 4)
    place = tmp_path / "out" / "BraTSReg_002" / "volumes.csv"
    assert place in export(store, tmp_path / "out", "BraTSReg_002", "day0000")
    with place.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["timepoint"] for r in rows] == ["day0000"] * 8 + ["day0262"] * 8
    assert [r["name"] for r in rows if float(r["volume_ml"]) and r["kind"] == "label"] == ["RC", "ET"]


def test_a_key_like_a_formula_is_not_run_and_its_export_is_known_again(tmp_path: Path) -> None:
    store = imported(brats_2021(tmp_path / "in"))
    with_copy_of_patient(store, "=A", "_A")
    written = export(store, tmp_path / "out", "=A")
    with (tmp_path / "out" / "_A" / "volumes.csv").open(newline="") as file:
        assert {row["patient"] for row in csv.DictReader(file)} == {"'=A"}
    assert export(store, tmp_path / "out", "=A") == written
    with pytest.raises(UserError, match=r"holds the export of patient '=A"):
        export(store, tmp_path / "out", "_A")


def test_an_image_called_mask_lies_beside_the_mask(tmp_path: Path) -> None:
    store = imported(brats_2021(tmp_path / "in"))
    visit = store.timepoint(1)
    image = store.load_image(visit, "T1")
    named = dataclasses.replace(visit.sequences[0], name="Mask")
    images = {"Mask": image, "T1": image}
    other = dataclasses.replace(visit, id=None, key="v2", reference="T1", sequences=(named, *visit.sequences[:1]))
    made = store.add_timepoint(other, images)
    labels = np.full(visit.grid.shape, 2, np.uint8)
    store.add_revision(made, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="R")
    written = {path.name for path in export(store, tmp_path / "out", visit="v2")}
    assert written == {"Mask-image.nii.gz", "T1.nii.gz", "mask.nii.gz", "volumes.csv"}
    told = {name for _, name in table(tmp_path / "out" / PATIENT / "v2" / "volumes.csv")}
    assert told == {"NETC", "SNFH", "RC", "WT"}, "without T1Gd nobody sees that nothing enhances"


def test_an_earlier_export_is_replaced(tmp_path: Path) -> None:
    store = imported(brats_2021(tmp_path / "in"))
    assert export(store, tmp_path / "out") == export(store, tmp_path / "out")


def test_files_of_others_are_never_overwritten(tmp_path: Path) -> None:
    store = imported(brats_2021(tmp_path / "in"))
    foreign = tmp_path / "out" / PATIENT / "visit-1" / "T1Gd.nii.gz"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"precious")
    with pytest.raises(UserError, match=r"T1Gd\.nii\.gz is there already"):
        export(store, tmp_path / "out")
    assert foreign.read_bytes() == b"precious"
    assert [p.name for p in foreign.parent.iterdir()] == ["T1Gd.nii.gz"]


def with_copy_of_patient(store: FakeStore, key: str, other: str) -> None:
    """Another patient with the images and a smaller mask of the store's only one, whose key becomes `key`."""
    patient = store._patients.pop(PATIENT)
    store._patients[key] = dataclasses.replace(patient, key=key)
    copy = store.add_patient(other)
    visit = store.timepoint(1)
    images = {s.name: store.load_image(visit, s.name) for s in visit.sequences}
    made = store.add_timepoint(dataclasses.replace(visit, patient_id=copy.id or 0, id=None), images)
    smaller = np.zeros(visit.grid.shape, np.uint8)
    smaller[4, 4, 4] = 3
    store.add_revision(made, smaller, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Reader")


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_patients_of_one_folder_name_do_not_replace_one_another(tmp_path: Path) -> None:
    store = imported(brats_2021(tmp_path / "in"))
    with_copy_of_patient(store, "A 1", "A_1")
    export(store, tmp_path / "out", "A 1")
    first = contents(tmp_path / "out")
    with pytest.raises(UserError, match=r"A_1 holds the export of patient A 1.*Export patient A_1 to another folder"):
        export(store, tmp_path / "out", "A_1")
    with pytest.raises(UserError, match="holds the export of patient A 1"):
        export(store, tmp_path / "out", "A_1", "visit-1")
    assert contents(tmp_path / "out") == first
    assert set(export(store, tmp_path / "out", "A 1")) == set(first)
    export(store, tmp_path / "elsewhere", "A_1")


def test_a_folder_without_masks_is_not_taken_for_either_of_two_patients(tmp_path: Path) -> None:
    store = imported(brats_2021(tmp_path / "in", mask=False))
    export(store, tmp_path / "out")
    export(store, tmp_path / "out")
    (tmp_path / "out" / PATIENT).rename(tmp_path / "out" / "A_1")
    with_copy_of_patient(store, "A 1", "A_1")
    with pytest.raises(UserError, match="may hold the export of patient A 1"):
        export(store, tmp_path / "out", "A_1")


def test_visits_of_one_folder_name_do_not_replace_one_another(tmp_path: Path) -> None:
    store = imported(brats_2021(tmp_path / "in"))
    store._timepoints[1] = dataclasses.replace(store.timepoint(1), key="visit 1")
    export(store, tmp_path / "out", PATIENT, "visit 1")
    first = contents(tmp_path / "out")
    store._timepoints[1] = dataclasses.replace(store.timepoint(1), key="visit_1")
    with pytest.raises(UserError, match=r"holds the export of visit visit 1.*to another folder"):
        export(store, tmp_path / "out", PATIENT, "visit_1")
    assert contents(tmp_path / "out") == first


def test_unknown_patients_and_visits_are_answered_with_those_there_are(tmp_path: Path) -> None:
    store = imported(brats_2021(tmp_path / "in"))
    with pytest.raises(UserError, match=r"no patient X.*BraTS2021_00006"):
        export(store, tmp_path / "out", "X")
    with pytest.raises(UserError, match=r"no visit X.*visit-1"):
        export(store, tmp_path / "out", PATIENT, "X")


def test_keys_with_special_characters_make_safe_file_names(tmp_path: Path) -> None:
    store = imported(brats_2021(tmp_path / "in"))
    store._patients["../a b/é"] = store._patients.pop(PATIENT)
    written = export(store, tmp_path / "out", "../a b/é")
    assert all(p.is_relative_to(tmp_path / "out") and ".." not in p.parts for p in written)


def test_cancel_stops_and_the_export_can_be_repeated(tmp_path: Path) -> None:
    store = imported(longitudinal(tmp_path / "in"))
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        export_patient(
            store,
            "BraTSReg_002",
            None,
            tmp_path / "out",
            lambda p: cancel.cancel() if p.fraction > 0.3 else None,
            cancel,
        )
    seen: list[Progress] = []
    export_patient(store, "BraTSReg_002", None, tmp_path / "out", seen.append, CancelToken())
    assert seen[-1].fraction == pytest.approx(1.0)
