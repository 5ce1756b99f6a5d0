"""A confirmed plan goes into the store, one visit at a time, each wholly or not at all."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeStore
from phantoms import (
    FLAIR,
    SHAPE,
    T1,
    T1GD,
    T2,
    brats_2021,
    grid_of,
    head,
    longitudinal,
    tumour_mask,
    write_nifti,
    write_visit,
)

from glioma_annotator.db.workspace import open_workspace
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.import_plan import ImportKind, ImportPlan, ImportSummary, Preparation
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import Cancelled, EnvironmentFailure, UserError
from glioma_annotator.imaging.nifti import read_volume, write_labels
from glioma_annotator.progress import CancelToken, Progress, ignore_progress
from glioma_annotator.workflow.import_study import (
    as_mask,
    known_visits,
    plan_conflicts,
    propose_import,
    rename_patient,
    rename_visit,
    run_import,
    with_include,
    with_mapping,
    with_patient,
    with_preparation,
    with_role,
    with_time,
    with_visit,
)
from glioma_annotator.workflow.study_labels import own_labels, study_scheme, with_new_label

FOUR = {T1: "t1.nii.gz", T1GD: "t1c.nii.gz", T2: "t2.nii.gz", FLAIR: "flair.nii.gz"}


def propose(*paths: Path) -> ImportPlan:
    return propose_import(paths, ignore_progress, CancelToken())


def run(plan: ImportPlan, store: FakeStore) -> ImportSummary:
    return run_import(plan, store, "Reader", ignore_progress, CancelToken())


def visits(store: FakeStore, patient: str) -> tuple[Timepoint, ...]:
    known = store.patient(patient)
    assert known is not None
    assert known.id is not None
    return store.timepoints(known.id)


def index_of(plan: ImportPlan, name: str) -> int:
    return next(n for n, i in enumerate(plan.items) if i.path.name == name)


def test_images_and_masks_of_a_case_are_stored(tmp_path: Path) -> None:
    store = FakeStore()
    folder = brats_2021(tmp_path)
    summary = run(propose(folder), store)
    assert (summary.images, summary.masks, summary.messages) == (4, 1, ())
    assert summary.patients == ("BraTS2021_00006",)
    (visit,) = visits(store, "BraTS2021_00006")
    assert summary.timepoint_ids == (visit.id,)
    assert {(s.name, s.role, s.resampled) for s in visit.sequences} == {(r.value, r, False) for r in FOUR}
    assert (visit.reference, visit.source_axes) == ("T1Gd", "LPS")
    source = read_volume(folder / "BraTS2021_00006_t1ce.nii.gz").volume
    assert visit.grid.matches(source.grid)
    assert np.array_equal(store.load_image(visit, "T1Gd").data, source.data)
    (revision,) = store.revisions(visit.id or 0)
    assert (revision.origin, revision.author) == (RevisionOrigin.IMPORTED, "Reader")
    assert "BraTS2021_00006_seg.nii.gz" in revision.note
    assert np.array_equal(store.load_labels(revision), tumour_mask(values=(1, 2, 3))[::-1, ::-1])


def test_a_course_keeps_days_phases_and_order(tmp_path: Path) -> None:
    store = FakeStore()
    run(propose(longitudinal(tmp_path)), store)
    assert [(v.key, v.order, v.day, v.phase) for v in visits(store, "BraTSReg_002")] == [
        ("day0000", 0, 0, TreatmentPhase.PRE_OPERATIVE),
        ("day0262", 1, 262, TreatmentPhase.FOLLOW_UP),
    ]


def test_importing_again_adds_nothing_and_says_so(tmp_path: Path) -> None:
    store = FakeStore()
    plan = propose(longitudinal(tmp_path))
    run(plan, store)
    again = run(plan, store)
    assert again.timepoint_ids == ()
    assert len(visits(store, "BraTSReg_002")) == 2
    (told,) = again.messages
    assert "2 visits are in the workspace already and stay as they are: day0000 of BraTSReg_002, day0262" in told
    assert len(plan_conflicts(plan, store)) == 2
    assert plan_conflicts(plan) == ()


def test_a_later_visit_joins_the_patient_already_there(tmp_path: Path) -> None:
    store = FakeStore()
    folder = longitudinal(tmp_path)
    run(propose(folder / "tp1_followup_day0262"), store)
    run(propose(folder), store)
    assert {v.key for v in visits(store, "BraTSReg_002")} == {"day0000", "day0262"}
    assert len({v.order for v in visits(store, "BraTSReg_002")}) == 2


def test_visits_that_are_there_do_not_stand_in_the_way_of_new_ones(tmp_path: Path) -> None:
    store = FakeStore()
    folder = longitudinal(tmp_path)
    run(propose(folder / "tp1_followup_day0262"), store)
    plan = propose(folder)
    assert [v.key for v in known_visits(plan, store)] == ["day0262"]
    assert plan_conflicts(plan, store) == ()
    twice = with_role(plan, index_of(plan, "flair.nii.gz"), SequenceRole.T1)
    assert "more than one T1" in plan_conflicts(twice, store)[0]
    run(plan, store)
    assert len(plan_conflicts(plan, store)) == 2


def test_sequences_on_other_grids_are_resampled_onto_t1gd(tmp_path: Path) -> None:
    other = Grid((46, 50, 20), np.array([[4.0, 0, 0, -90], [0, 4, 0, -98], [0, 0, 8, -80], [0, 0, 0, 1]]))
    write_visit(tmp_path / "PAT-1", FOUR)
    write_nifti(tmp_path / "PAT-1" / "flair.nii.gz", head(FLAIR, other), other.affine)
    write_nifti(tmp_path / "PAT-1" / "tumor_seg.nii.gz", tumour_mask(other), other.affine)
    store = FakeStore()
    summary = run(propose(tmp_path), store)
    (visit,) = visits(store, "PAT-1")
    assert {s.name: s.resampled for s in visit.sequences} == {"T1": False, "T1Gd": False, "T2": False, "FLAIR": True}
    moved = store.load_image(visit, "FLAIR").data
    assert moved.shape == SHAPE
    assert np.corrcoef(moved.ravel(), head(FLAIR)[::-1, ::-1].ravel())[0, 1] > 0.9
    labels = store.load_labels(store.revisions(visit.id or 0)[0])
    expected = tumour_mask(values=(1, 2, 3))[::-1, ::-1]
    assert 2 * ((labels > 0) & (expected > 0)).sum() / ((labels > 0).sum() + (expected > 0).sum()) > 0.85
    assert "nearest voxel" in summary.messages[0]


def test_without_t1gd_the_flair_is_the_reference(tmp_path: Path) -> None:
    write_visit(tmp_path / "PAT-1", {T1: "t1.nii.gz", FLAIR: "flair.nii.gz"})
    store = FakeStore()
    run(propose(tmp_path), store)
    assert visits(store, "PAT-1")[0].reference == "FLAIR"


def test_a_visit_that_cannot_be_reconciled_is_refused_whole_and_others_are_imported(tmp_path: Path) -> None:
    folder = longitudinal(tmp_path)
    bad = folder / "tp0_preop_day0000" / "flair.nii.gz"
    write_nifti(bad, head(FLAIR).astype(np.int16), np.eye(4))
    store = FakeStore()
    summary = run(propose(folder), store)
    assert [v.key for v in visits(store, "BraTSReg_002")] == ["day0262"]
    assert "day0000 of BraTSReg_002 was not imported" in summary.messages[-1]
    assert "flair.nii.gz" in summary.messages[-1]
    assert "t1ce.nii.gz" in summary.messages[-1]


def test_when_every_visit_is_refused_the_import_fails_and_leaves_no_patient(tmp_path: Path) -> None:
    write_visit(tmp_path / "PAT-1", FOUR)
    write_nifti(tmp_path / "PAT-1" / "t2.nii.gz", head(T2).astype(np.int16), np.eye(4))
    store = FakeStore()
    with pytest.raises(UserError, match=r"t2\.nii\.gz"):
        run(propose(tmp_path), store)
    assert store.patients() == ()


def test_a_file_that_went_bad_after_the_proposal_refuses_its_visit(tmp_path: Path) -> None:
    folder = brats_2021(tmp_path)
    plan = propose(folder)
    (folder / "BraTS2021_00006_t2.nii.gz").write_bytes(b"")
    store = FakeStore()
    with pytest.raises(UserError, match=r"_t2\.nii\.gz is empty"):
        run(plan, store)
    assert store.patients() == ()


def test_a_visit_of_masks_alone_is_refused(tmp_path: Path) -> None:
    folder = brats_2021(tmp_path)
    plan = propose(folder)
    for n, item in enumerate(plan.items):
        plan = with_include(plan, n, item.kind is ImportKind.MASK)
    assert plan_conflicts(plan) == ("Visit visit-1 of BraTS2021_00006 has masks but no image.",)
    with pytest.raises(UserError, match="masks but no image"):
        run(plan, FakeStore())


def test_channels_of_a_4d_file_are_stored_as_sequences(tmp_path: Path) -> None:
    stack = np.stack([head(r) for r in (FLAIR, T1, T1GD, T2)], axis=-1)
    write_nifti(tmp_path / "imagesTr" / "BRATS_001.nii.gz", stack)
    store = FakeStore()
    run(propose(tmp_path), store)
    (visit,) = visits(store, "BRATS_001")
    assert np.array_equal(store.load_image(visit, "FLAIR").data, head(FLAIR)[::-1, ::-1])


def test_several_masks_of_a_visit_become_revisions(tmp_path: Path) -> None:
    folder = write_visit(tmp_path / "PAT-1", FOUR, mask="reader1_seg.nii.gz")
    write_nifti(folder / "reader2_seg.nii.gz", tumour_mask(values=(1, 2, 0)))
    store = FakeStore()
    run(propose(tmp_path), store)
    (visit,) = visits(store, "PAT-1")
    assert [r.number for r in store.revisions(visit.id or 0)] == [1, 2]


def test_notes_of_the_reader_reach_the_summary(tmp_path: Path) -> None:
    write_visit(tmp_path / "PAT-1", FOUR)
    data = head(T2)
    data[3, 3, 3] = np.nan
    write_nifti(tmp_path / "PAT-1" / "t2.nii.gz", data)
    assert any("NaN" in m for m in run(propose(tmp_path), FakeStore()).messages)


def test_a_full_disk_stops_the_import_with_what_was_stored_before(tmp_path: Path) -> None:
    store = FakeStore()
    store.failures["add_timepoint"] = EnvironmentFailure("The disk is full.")
    with pytest.raises(EnvironmentFailure):
        run(propose(brats_2021(tmp_path)), store)


def test_a_mask_that_cannot_be_stored_keeps_its_visit_out_so_that_it_can_be_imported_again(tmp_path: Path) -> None:
    store = FakeStore()
    plan = propose(brats_2021(tmp_path))
    store.failures["add_revision"] = EnvironmentFailure("The disk is full.")
    with pytest.raises(EnvironmentFailure):
        run(plan, store)
    store.failures.clear()
    assert run(plan, store).masks == 1
    assert len(store.revisions(visits(store, plan.patients[0])[0].id or 0)) == 1


def test_cancel_stops_between_files_and_progress_reaches_the_end(tmp_path: Path) -> None:
    plan = propose(longitudinal(tmp_path))
    seen: list[Progress] = []
    run_import(plan, FakeStore(), "Reader", seen.append, CancelToken())
    assert seen[-1].fraction == pytest.approx(1.0)
    store, cancel = FakeStore(), CancelToken()
    with pytest.raises(Cancelled):
        run_import(plan, store, "Reader", lambda p: cancel.cancel() if p.fraction > 0.6 else None, cancel)
    assert [v.key for v in visits(store, "BraTSReg_002")] == ["day0000"]


def test_a_corrected_role_is_what_is_stored(tmp_path: Path) -> None:
    write_visit(tmp_path / "PAT-1", {**FOUR, FLAIR: FOUR[T2], T2: FOUR[FLAIR]})
    plan = propose(tmp_path)
    plan = with_role(plan, index_of(plan, "flair.nii.gz"), T2)
    assert "more than one T2" in plan_conflicts(plan)[0]
    with pytest.raises(UserError, match="more than one T2"):
        run(plan, FakeStore())
    plan = with_role(plan, index_of(plan, "t2.nii.gz"), FLAIR)
    assert plan_conflicts(plan) == ()
    store = FakeStore()
    run(plan, store)
    assert np.array_equal(store.load_image(visits(store, "PAT-1")[0], "FLAIR").data, head(FLAIR)[::-1, ::-1])


def test_a_free_role_takes_a_given_name_or_the_file_s(tmp_path: Path) -> None:
    plan = propose(brats_2021(tmp_path))
    n = index_of(plan, "BraTS2021_00006_t2.nii.gz")
    assert with_role(plan, n, SequenceRole.OTHER).items[n].name == "BraTS2021_00006_t2"
    assert with_role(plan, n, SequenceRole.OTHER, "PD").items[n].name == "PD"


def test_an_item_declared_a_mask_is_counted_and_mapped(tmp_path: Path) -> None:
    folder = write_visit(tmp_path / "PAT-1", FOUR)
    write_nifti(folder / "adc.nii.gz", tumour_mask())
    plan = propose(tmp_path)
    n = index_of(plan, "adc.nii.gz")
    assert plan.items[n].kind is ImportKind.IMAGE
    mask = as_mask(plan, n).items[n]
    assert mask.kind is ImportKind.MASK
    assert mask.mapping == {0: 0, 1: 1, 2: 2, 4: 3}
    with pytest.raises(UserError, match="not a mask"):
        as_mask(plan, index_of(plan, "t1.nii.gz"))


def test_a_mask_of_this_program_keeps_its_resection_cavity_when_it_is_declared_a_mask(tmp_path: Path) -> None:
    folder = write_visit(tmp_path / "PAT-1", FOUR)
    grid = read_volume(folder / "t1.nii.gz").volume.grid
    labels = np.zeros(grid.shape, np.uint8)
    labels[:3] = 4
    write_labels(folder / "adc.nii.gz", labels, grid)
    plan = propose(tmp_path)
    n = index_of(plan, "adc.nii.gz")
    assert as_mask(plan, n).items[n].mapping == {0: 0, 4: 4}


def test_files_whose_names_are_no_utf_8_are_stored(tmp_path: Path) -> None:
    folder = write_visit(tmp_path / "PAT-1" / "2019-01-14", {T1: "t1.nii.gz"}, mask="seg.nii.gz", values=(1, 2, 3))
    try:
        for name in ("t1", "seg"):
            (folder / f"{name}.nii.gz").rename(folder / os.fsdecode(name.encode() + b"_\xe4.nii.gz"))
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    store = open_workspace(tmp_path / "workspace")
    try:
        summary = run_import(propose(folder), store, "Reader", ignore_progress, CancelToken())
        assert (summary.images, summary.masks) == (1, 1)
        assert store.timepoint(summary.timepoint_ids[0]).sequences[0].source_name == "t1_ä.nii.gz"
        assert store.revisions(summary.timepoint_ids[0])[0].note == "Imported from seg_ä.nii.gz"
    finally:
        store.close()


def test_a_corrected_mapping_is_applied(tmp_path: Path) -> None:
    plan = propose(brats_2021(tmp_path))
    n = index_of(plan, "BraTS2021_00006_seg.nii.gz")
    plan = with_mapping(plan, n, {1: 4, 4: 3})
    assert plan.items[n].mapping == {0: 0, 1: 4, 2: 0, 4: 3}
    store = FakeStore()
    run(plan, store)
    (visit,) = visits(store, "BraTS2021_00006")
    stored = store.load_labels(store.revisions(visit.id or 0)[0])
    assert set(np.unique(stored)) == {0, 3, 4}
    assert "no labels of the program" in plan_conflicts(with_mapping(plan, n, {1: 9}))[0]


def test_a_mask_with_the_workspace_s_own_label_is_imported_and_the_label_stays(tmp_path: Path) -> None:
    labels = tumour_mask(values=(5, 2, 3))
    folder = write_visit(tmp_path / "PAT-1" / "2019-01-14", FOUR)
    write_nifti(folder / "seg.nii.gz", labels)
    plan = propose(tmp_path / "PAT-1")
    mapped = with_mapping(plan, index_of(plan, "seg.nii.gz"), {5: 5, 2: 2, 3: 3})
    assert "no labels of the program" in plan_conflicts(mapped)[0]
    store = open_workspace(tmp_path / "workspace")
    try:
        with_new_label(store, "BLOOD", "Haemorrhage", "#AA0000", "Reader")
        assert plan_conflicts(mapped, store) == ()
        summary = run_import(mapped, store, "Reader", ignore_progress, CancelToken())
        assert [label.name for label in own_labels(study_scheme(store))] == ["BLOOD"]
        (revision,) = store.revisions(summary.timepoint_ids[0])
        assert revision.volumes_ml["BLOOD"] == pytest.approx(np.count_nonzero(labels == 5) * 0.216)
    finally:
        store.close()


def test_items_move_between_visits_and_patients(tmp_path: Path) -> None:
    plan = propose(longitudinal(tmp_path))
    n = index_of(plan, "t2.nii.gz")
    moved = with_visit(plan, n, "2020-02-03 postop")
    new = next(v for v in moved.visits if v.key == "2020-02-03 postop")
    assert (new.order, new.date, new.phase) == (2, dt.date(2020, 2, 3), TreatmentPhase.EARLY_POST_OPERATIVE)
    back = with_visit(moved, n, "day0000")
    assert back.visits == plan.visits
    other = with_patient(plan, n, "PAT-9")
    assert [(v.patient, v.key, v.order) for v in other.visits][-1] == ("PAT-9", "day0000", 0)
    renamed = rename_patient(plan, "BraTSReg_002", "PAT-9")
    assert renamed.patients == ("PAT-9",)
    assert {i.patient for i in renamed.items} == {"PAT-9"}
    assert len(renamed.visits) == 2


def test_a_visit_that_gets_another_name_keeps_what_is_known_of_it(tmp_path: Path) -> None:
    plan = propose(longitudinal(tmp_path))
    plan = with_time(
        plan, "BraTSReg_002", "day0262", date=dt.date(2020, 2, 3), day=262, phase=TreatmentPhase.PROGRESSION
    )
    plan = with_preparation(plan, "BraTSReg_002", "day0262", Preparation.STRIP)
    known = (dt.date(2020, 2, 3), 262, TreatmentPhase.PROGRESSION, Preparation.STRIP)
    whole = rename_visit(plan, "BraTSReg_002", "day0262", "second")
    assert {i.visit for i in whole.items} == {"day0000", "second"}
    one_by_one = other = plan
    for n, item in enumerate(plan.items):
        if item.visit == "day0262":
            one_by_one = with_visit(one_by_one, n, "second")
            other = with_patient(other, n, "PAT-9")
    for changed, key in ((whole, "second"), (one_by_one, "second"), (other, "day0262")):
        (visit,) = (v for v in changed.visits if v.key == key)
        assert (visit.date, visit.day, visit.phase, visit.preparation) == known
    told = with_visit(plan, index_of(plan, "t2.nii.gz"), "2021-05-06")
    assert [v.date for v in told.visits if v.key == "2021-05-06"] == [dt.date(2021, 5, 6)]


def test_a_visit_s_time_is_corrected(tmp_path: Path) -> None:
    plan = propose(longitudinal(tmp_path))
    date = dt.date(2020, 1, 31)
    plan = with_time(plan, "BraTSReg_002", "day0000", date=date, day=None, phase=TreatmentPhase.FOLLOW_UP)
    assert (plan.visits[0].date, plan.visits[0].day, plan.visits[0].phase) == (date, None, TreatmentPhase.FOLLOW_UP)


def test_a_visit_needs_a_name(tmp_path: Path) -> None:
    plan = propose(brats_2021(tmp_path))
    for n in range(len(plan.items)):
        plan = with_visit(plan, n, " ")
    assert "need a name" in plan_conflicts(plan)[0]


def test_an_oblique_las_and_a_scaled_image_come_out_in_place(tmp_path: Path) -> None:
    from nibabel.eulerangles import euler2mat

    affine = np.eye(4)
    affine[:3, :3] = euler2mat(0.1, -0.15, 0.05) @ np.diag([-6.0, 6, 6])
    affine[:3, 3] = (88, -92, -95)
    oblique = grid_of((30, 34, 30), affine)
    write_visit(tmp_path / "PAT-1", {T1GD: "t1c.nii.gz"})
    write_nifti(tmp_path / "PAT-1" / "flair.nii.gz", head(FLAIR, oblique) * 2, affine, slope=0.5)
    store = FakeStore()
    run(propose(tmp_path), store)
    moved = store.load_image(visits(store, "PAT-1")[0], "FLAIR").data
    assert np.corrcoef(moved.ravel(), head(FLAIR)[::-1, ::-1].ravel())[0, 1] > 0.9


@pytest.mark.realdata
def test_the_raw_clinical_visit_is_brought_onto_its_t1gd(realdata_root: Path) -> None:
    store = FakeStore()
    summary = run(propose(realdata_root / "raw_clinical" / "TCGA-FG-6692"), store)
    assert (summary.images, summary.masks) == (8, 7)
    native, registered = visits(store, "TCGA-FG-6692")
    assert native.grid.shape == (256, 224, 26)
    assert {s.name for s in native.sequences if s.resampled} == {"T1", "T2", "FLAIR"}
    assert not any(s.resampled for s in registered.sequences)
    assert len(store.revisions(registered.id or 0)) == 7


def test_what_a_mask_loses_beyond_the_images_is_told(tmp_path: Path) -> None:
    write_visit(tmp_path / "PAT-1", FOUR)
    place = grid_of().affine.copy()
    place[:3, 3] += place[:3, :3] @ (-9, 0, 0)  # so that the tumour lies across the border
    write_nifti(tmp_path / "PAT-1" / "seg.nii.gz", tumour_mask(), place)
    messages = " ".join(run(propose(tmp_path), FakeStore()).messages)
    assert "mL lie beyond the images and were lost" in messages
