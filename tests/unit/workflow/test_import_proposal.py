"""What an import proposes for the folders that people have."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
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

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.import_plan import ImportItem, ImportKind, ImportPlan
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.imaging.nifti import write_labels
from glioma_annotator.progress import CancelToken, Progress, ignore_progress
from glioma_annotator.workflow.import_study import plan_conflicts, propose_import

FOUR = {T1: "t1.nii.gz", T1GD: "t1c.nii.gz", T2: "t2.nii.gz", FLAIR: "flair.nii.gz"}


def propose(*paths: Path, patient: str | None = None) -> ImportPlan:
    return propose_import(paths, ignore_progress, CancelToken(), patient=patient)


def item(plan: ImportPlan, name: str) -> ImportItem:
    return next(i for i in plan.items if i.path.name == name or i.name == name)


def included(plan: ImportPlan) -> set[tuple[str, str, str]]:
    return {(i.patient, i.visit, i.name) for i in plan.items if i.include}


def test_a_brats_case_is_one_visit_with_four_images_and_a_mapped_mask(tmp_path: Path) -> None:
    plan = propose(brats_2021(tmp_path))
    assert plan.patients == ("BraTS2021_00006",)
    assert {(i.kind, i.name) for i in plan.items} == {
        (ImportKind.IMAGE, "T1"),
        (ImportKind.IMAGE, "T1Gd"),
        (ImportKind.IMAGE, "T2"),
        (ImportKind.IMAGE, "FLAIR"),
        (ImportKind.MASK, "BraTS2021_00006_seg"),
    }
    mask = item(plan, "BraTS2021_00006_seg.nii.gz")
    assert mask.mapping == {0: 0, 1: 1, 2: 2, 4: 3}
    assert sum(mask.voxel_counts.values()) == np.prod(SHAPE)
    assert all(i.include and not i.warnings for i in plan.items)
    assert plan.problems == ()
    assert plan_conflicts(plan) == ()


def test_a_longitudinal_tree_is_one_patient_in_course_order(tmp_path: Path) -> None:
    plan = propose(longitudinal(tmp_path))
    assert [(v.patient, v.key, v.order, v.day) for v in plan.visits] == [
        ("BraTSReg_002", "day0000", 0, 0),
        ("BraTSReg_002", "day0262", 1, 262),
    ]
    assert [v.phase for v in plan.visits] == [TreatmentPhase.PRE_OPERATIVE, TreatmentPhase.FOLLOW_UP]
    assert len(plan.items) == 8
    assert plan.problems == ()


def test_two_patients_in_one_folder_stay_two(tmp_path: Path) -> None:
    brats_2021(tmp_path)
    brats_2021(tmp_path, "BraTS2021_00007", seed=3)
    assert propose(tmp_path).patients == ("BraTS2021_00006", "BraTS2021_00007")


def test_files_chosen_one_by_one_are_read_like_their_folder(tmp_path: Path) -> None:
    folder = brats_2021(tmp_path)
    assert included(propose(*folder.iterdir())) == included(propose(folder))
    assert len(propose(folder, *folder.iterdir()).items) == 5


def test_a_stated_patient_is_everyone_s(tmp_path: Path) -> None:
    plan = propose(longitudinal(tmp_path), patient="P7")
    assert plan.patients == ("P7",)
    assert [v.key for v in plan.visits] == ["day0000", "day0262"]


def test_bids_sessions_take_their_dates_from_the_table(tmp_path: Path) -> None:
    subject = tmp_path / "sub-01"
    for session in ("ses-01", "ses-02"):
        names = {T1: f"sub-01_{session}_T1w.nii.gz", T1GD: f"sub-01_{session}_ce-gadolinium_T1w.nii.gz"}
        write_visit(subject / session / "anat", names)
    (subject / "sub-01_sessions.tsv").write_text("session_id\tacq_time\nses-01\t2019-10-21\nses-02\t2019-01-14\n")
    plan = propose(tmp_path)
    assert [(v.key, v.date) for v in plan.visits] == [
        ("ses-02", dt.date(2019, 1, 14)),
        ("ses-01", dt.date(2019, 10, 21)),
    ]


def test_a_baseline_after_earlier_visits_is_the_post_radiotherapy_one(tmp_path: Path) -> None:
    for visit in ("2019-01-14", "2019-04-02_baseline"):
        write_visit(tmp_path / "PAT-1" / visit, FOUR)
    write_visit(tmp_path / "PAT-2" / "2019-01-14_baseline", FOUR)
    phases = {(v.patient, v.order): v.phase for v in propose(tmp_path).visits}
    assert phases["PAT-1", 1] is TreatmentPhase.POST_RT_BASELINE
    assert phases["PAT-2", 0] is TreatmentPhase.UNKNOWN


def test_swapped_images_are_warned_of_but_kept_as_named(tmp_path: Path) -> None:
    write_visit(tmp_path, {**FOUR, FLAIR: FOUR[T2], T2: FOUR[FLAIR]})
    plan = propose(tmp_path)
    flair = item(plan, "FLAIR")
    assert flair.path.name == "flair.nii.gz"
    assert "FLAIR and T2 may be swapped" in flair.warnings[0]
    assert flair.include


def test_a_second_image_of_a_role_is_left_out_and_says_why(tmp_path: Path) -> None:
    write_visit(tmp_path, FOUR)
    write_nifti(tmp_path / "t1c_bias.nii.gz", head(T1GD, seed=9).astype(np.int16))
    plan = propose(tmp_path)
    assert item(plan, "t1c.nii.gz").include
    second = item(plan, "t1c_bias.nii.gz")
    assert not second.include
    assert "already the T1Gd" in second.warnings[0]
    assert plan_conflicts(plan) == ()


def test_images_of_other_contrasts_keep_free_unique_names(tmp_path: Path) -> None:
    write_visit(tmp_path / "PAT-1", FOUR)
    for name in ("adc.nii.gz", "ADC_resampled.nii.gz", "IM_0042.nii.gz"):
        write_nifti(tmp_path / "PAT-1" / name, head(T1, seed=4))
    names = {i.name for i in propose(tmp_path).items if i.role is SequenceRole.OTHER}
    assert names == {"ADC", "ADC 2", "IM_0042"}


def test_a_file_of_few_whole_numbers_and_no_telling_name_is_a_mask(tmp_path: Path) -> None:
    write_visit(tmp_path / "PAT-1", FOUR)
    write_nifti(tmp_path / "PAT-1" / "reader_two.nii.gz", tumour_mask())
    mask = item(propose(tmp_path), "reader_two.nii.gz")
    assert mask.kind is ImportKind.MASK
    assert mask.why == "few whole-number values"


def test_masks_in_their_own_folder_join_the_images_on_their_grid(tmp_path: Path) -> None:
    fine = Grid((60, 68, 28), np.array([[-3.0, 0, 0, 88.5], [0, -3, 0, 100.5], [0, 0, 6, -81], [0, 0, 0, 1]]))
    write_visit(tmp_path / "TCGA-FG-6692" / "raw_native", FOUR, grid=fine)
    write_visit(tmp_path / "TCGA-FG-6692" / "sri24_bet", FOUR)
    for name in ("mav.nii.gz", "scan-20.nii.gz"):
        write_nifti(tmp_path / "TCGA-FG-6692" / "auto_seg" / name, tumour_mask())
    plan = propose(tmp_path)
    assert plan.patients == ("TCGA-FG-6692",)
    assert [v.key for v in plan.visits] == ["raw_native", "sri24_bet"]
    masks = [i for i in plan.items if i.kind is ImportKind.MASK]
    assert {(i.visit, i.include) for i in masks} == {("sri24_bet", True)}
    assert len(masks) == 2


def test_masks_without_images_are_left_out_with_a_reason(tmp_path: Path) -> None:
    for visit in (1, 2):
        write_nifti(tmp_path / "UCSF-ALPTDG_100001" / f"100001_time{visit}_seg.nii.gz", tumour_mask(values=(1, 2, 3)))
    write_nifti(tmp_path / "UCSF-ALPTDG_100001" / "100001_flair_subtraction_seg.nii.gz", tumour_mask())
    plan = propose(tmp_path)
    assert [(i.visit, i.include) for i in plan.items] == [("time1", False), ("time2", False)]
    assert "No image" in plan.items[0].warnings[0]
    assert "changed between two visits" in plan.problems[0]
    assert plan_conflicts(plan) == ("Nothing is left to import.",)


def test_lumiere_takes_the_mask_on_t1gd_and_the_native_images(tmp_path: Path) -> None:
    visit = tmp_path / "Patient-001" / "week-000-1"
    write_visit(visit, {**FOUR, T1GD: "CT1.nii.gz"})
    segmentation = visit / "DeepBraTumIA-segmentation"
    for word in ("ct1", "flair"):
        write_nifti(segmentation / "native" / "segmentation" / f"{word}_seg_mask.nii.gz", tumour_mask(values=(1, 2, 3)))
    moved = grid_of(affine=np.diag([-5.0, -5, 5, 1]))
    atlas = segmentation / "atlas"
    write_nifti(atlas / "segmentation" / "seg_mask.nii.gz", tumour_mask(moved, (1, 2, 3)), moved.affine)
    write_nifti(atlas / "skull_strip" / "ct1_skull_strip.nii.gz", head(T1GD, moved), moved.affine)
    write_nifti(atlas / "skull_strip" / "brain_mask.nii.gz", (head(T1GD) > 0).astype(np.uint8))
    plan = propose(tmp_path)
    assert plan_conflicts(plan) == ()
    assert [i.path.name for i in plan.items if i.include and i.kind is ImportKind.MASK] == ["ct1_seg_mask.nii.gz"]
    assert item(plan, "CT1.nii.gz").include
    assert not item(plan, "ct1_skull_strip.nii.gz").include
    assert "another space" in item(plan, "seg_mask.nii.gz").warnings[0]
    assert "marks the brain" in plan.problems[0]


def test_a_mask_this_program_wrote_keeps_its_values(tmp_path: Path) -> None:
    folder = brats_2021(tmp_path, mask=False)
    labels = tumour_mask(values=(1, 2, 4))
    write_labels(folder / "BraTS2021_00006_seg.nii.gz", labels, Grid(SHAPE, grid_of().affine))
    mask = item(propose(folder), "BraTS2021_00006_seg.nii.gz")
    assert mask.mapping == {0: 0, 1: 1, 2: 2, 4: 4}


def test_a_4d_file_is_split_into_its_channels(tmp_path: Path) -> None:
    channels = np.stack([head(T1), head(T2)], axis=-1)
    write_nifti(tmp_path / "PAT-1" / "multi.nii.gz", channels)
    plan = propose(tmp_path)
    assert [(i.channel, i.name, i.role) for i in plan.items] == [
        (0, "multi 1", SequenceRole.OTHER),
        (1, "multi 2", SequenceRole.OTHER),
    ]


def test_the_decathlon_s_channels_have_their_roles(tmp_path: Path) -> None:
    stack = np.stack([head(r) for r in (FLAIR, T1, T1GD, T2)], axis=-1)
    write_nifti(tmp_path / "imagesTr" / "BRATS_001.nii.gz", stack)
    write_nifti(tmp_path / "labelsTr" / "BRATS_001.nii.gz", tumour_mask(values=(2, 1, 3)))
    plan = propose(tmp_path)
    assert {i.name: i.channel for i in plan.items if i.kind is ImportKind.IMAGE} == {
        "FLAIR": 0,
        "T1": 1,
        "T1Gd": 2,
        "T2": 3,
    }
    assert next(i for i in plan.items if i.kind is ImportKind.MASK).mapping == {0: 0, 1: 2, 2: 1, 3: 3}
    assert not any(i.warnings for i in plan.items)


def test_the_channels_of_nnu_net_have_their_roles_and_its_masks_their_meaning(tmp_path: Path) -> None:
    told = {
        "channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "3": "Flair"},
        "labels": {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": 3},
    }
    (tmp_path / "dataset.json").write_text(json.dumps(told), encoding="utf-8")
    for case in ("glioma-12_time1", "glioma-12_time2"):
        for number, role in enumerate((T1, T1GD, T2, FLAIR)):
            write_nifti(tmp_path / "imagesTr" / f"{case}_{number:04}.nii.gz", head(role))
        write_nifti(tmp_path / "labelsTr" / f"{case}.nii.gz", tumour_mask(values=(1, 2, 3)))
    for chosen in (tmp_path, tmp_path / "imagesTr"):
        plan = propose(chosen)
        images = {(i.patient, i.visit, i.role) for i in plan.items if i.kind is ImportKind.IMAGE and i.include}
        four = (SequenceRole.T1, SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)
        assert images == {("glioma-12", visit, role) for visit in ("time1", "time2") for role in four}
    masks = [i for i in propose(tmp_path).items if i.kind is ImportKind.MASK]
    assert [(i.patient, i.visit, i.mapping) for i in masks] == [
        ("glioma-12", visit, {0: 0, 1: 2, 2: 1, 3: 3}) for visit in ("time1", "time2")
    ]
    assert not any(i.warnings for i in masks)


def test_channels_that_nothing_names_stay_together_for_the_reader_to_name(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"channel_names": ["T1"], "labels": 3}', "[" * 100_000):
        (tmp_path / "dataset.json").write_text(text, encoding="utf-8")
        for number, role in enumerate((T1GD, FLAIR)):
            write_nifti(tmp_path / "imagesTs" / f"P01_{number:04}.nii.gz", head(role))
        plan = propose(tmp_path)
        assert [(i.patient, i.role, i.name) for i in plan.items] == [
            ("P01", SequenceRole.OTHER, "channel 0"),
            ("P01", SequenceRole.OTHER, "channel 1"),
        ]


def test_a_time_series_is_left_out_with_a_reason(tmp_path: Path) -> None:
    brats_2021(tmp_path)
    write_nifti(tmp_path / "bold.nii.gz", np.ones((4, 4, 4, 30), np.int16))
    assert "series of 30 volumes" in propose(tmp_path).problems[0]


def test_bad_files_are_named_and_the_rest_is_proposed(tmp_path: Path) -> None:
    folder = brats_2021(tmp_path)
    good = (folder / "BraTS2021_00006_t1.nii.gz").read_bytes()
    (folder / "BraTS2021_00006_t1.nii.gz").write_bytes(good[:60])
    (folder / "BraTS2021_00006_t2.nii.gz").write_bytes(good[: len(good) // 2])
    (folder / "notes.nii").write_bytes(b"not an image at all" * 40)
    (folder / "empty.nii.gz").write_bytes(b"")
    (folder / "gone.nii.gz").symlink_to(folder / "nowhere.nii.gz")
    plan = propose(folder)
    assert included(plan) == {("BraTS2021_00006", "visit-1", n) for n in ("T1Gd", "FLAIR", "BraTS2021_00006_seg")}
    told = " ".join((*plan.problems, *(w for i in plan.items for w in i.warnings)))
    for name in ("_t1.nii.gz", "_t2.nii.gz", "notes.nii", "empty.nii.gz", "gone.nii.gz"):
        assert name in told


def test_an_empty_image_is_left_out(tmp_path: Path) -> None:
    write_visit(tmp_path, FOUR)
    write_nifti(tmp_path / "t2.nii.gz", np.zeros(SHAPE, np.int16))
    blank = item(propose(tmp_path), "t2.nii.gz")
    assert not blank.include
    assert "shows nothing" in blank.warnings[0]


def test_an_image_where_a_mask_is_named_is_left_out_with_the_reason(tmp_path: Path) -> None:
    write_visit(tmp_path, FOUR)
    write_nifti(tmp_path / "tumor_seg.nii.gz", head(T1) * 1.5)
    wrong = item(propose(tmp_path), "tumor_seg.nii.gz")
    assert not wrong.include
    assert "not a mask" in wrong.warnings[0]


def test_images_that_show_another_place_are_warned_of(tmp_path: Path) -> None:
    write_visit(tmp_path, FOUR)
    write_nifti(tmp_path / "flair.nii.gz", head(FLAIR).astype(np.int16), np.eye(4))
    assert "contradict each other" in " ".join(item(propose(tmp_path), "flair.nii.gz").warnings)


def test_links_in_a_loop_end(tmp_path: Path) -> None:
    folder = brats_2021(tmp_path)
    (folder / "again").symlink_to(tmp_path, target_is_directory=True)
    (folder / "self").symlink_to(folder / "self")
    assert len(propose(tmp_path).items) == 5


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brats_2021(tmp_path)
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def deny(folder: str) -> object:
        if Path(folder).name == "locked":
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", deny)
    plan = propose(tmp_path)
    assert len(plan.items) == 5
    assert "locked cannot be read (Permission denied)" in plan.problems[0]


def test_hidden_files_and_other_formats_are_passed_over_in_silence(tmp_path: Path) -> None:
    folder = brats_2021(tmp_path)
    (folder / "._BraTS2021_00006_t1.nii.gz").write_bytes(b"Mac OS X")
    (folder / "landmarks.csv").write_text("x,y,z")
    (folder / "volume.json").write_text("{}")
    plan = propose(folder)
    assert len(plan.items) == 5
    assert plan.problems == ()


def test_a_folder_without_nifti_says_so_and_mentions_dicom(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No NIfTI file") as caught:
        propose(tmp_path)
    assert "Choose the folder" in caught.value.todo
    (tmp_path / "IM0001.dcm").write_bytes(b"DICM")
    with pytest.raises(UserError, match="DICOM") as caught:
        propose(tmp_path)
    assert "dcm2niix" in caught.value.todo


@pytest.mark.parametrize("name", ["IM_0001.dcm", "IM_0001", "DICOMDIR"])
def test_dicom_beside_nifti_is_said_to_be_left_out(tmp_path: Path, name: str) -> None:
    folder = brats_2021(tmp_path)
    series = folder / "series"
    series.mkdir()
    (series / name).write_bytes(bytes(128) + b"DICM")
    plan = propose(folder)
    assert len(plan.items) == 5
    (problem,) = plan.problems
    assert "series are left out" in problem
    assert "dcm2niix" in problem


def test_a_chosen_dicom_file_is_named_as_such(tmp_path: Path) -> None:
    file = tmp_path / "IM_0001.dcm"
    file.write_bytes(bytes(128) + b"DICM" + bytes(400))
    (problem,) = propose(file).problems
    assert "is a DICOM file" in problem
    assert "dcm2niix" in problem


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere is not there"):
        propose(tmp_path / "nowhere")


def test_too_many_files_are_refused_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glioma_annotator.workflow.import_files.MOST_FILES", 3)
    with pytest.raises(UserError, match="more than 3 NIfTI files"):
        propose(brats_2021(tmp_path))


def test_progress_grows_to_the_end_and_cancel_stops(tmp_path: Path) -> None:
    folder = longitudinal(tmp_path)
    seen: list[Progress] = []
    propose_import([folder], seen.append, CancelToken())
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    cancel = CancelToken()
    with pytest.raises(Cancelled):
        propose_import([folder], lambda p: cancel.cancel() if p.fraction > 0.6 else None, cancel)


def test_a_compressed_file_of_zeros_that_claims_much_does_not_fill_the_memory(tmp_path: Path) -> None:
    folder = brats_2021(tmp_path)
    raw = bytearray(gzip.decompress((folder / "BraTS2021_00006_t1.nii.gz").read_bytes())[:352])
    raw[40:48] = np.array([3, 900, 900, 900], "<i2").tobytes()
    (folder / "bomb.nii.gz").write_bytes(gzip.compress(bytes(raw) + bytes(2 * 10**6)))
    assert any("bomb.nii.gz" in p for p in propose(folder).problems)


@pytest.mark.realdata
def test_the_real_longitudinal_patient_is_recognised(realdata_root: Path) -> None:
    plan = propose(realdata_root / "longitudinal" / "BraTSReg_002")
    assert [(v.patient, v.key, v.day) for v in plan.visits] == [
        ("BraTSReg_002", "day0000", 0),
        ("BraTSReg_002", "day0262", 262),
    ]
    assert {(i.visit, i.name) for i in plan.items if i.include and not i.warnings} == {
        (visit, name) for visit in ("day0000", "day0262") for name in ("T1", "T1Gd", "T2", "FLAIR")
    }
    assert plan.problems == plan_conflicts(plan) == ()


@pytest.mark.realdata
def test_the_real_tcga_patient_has_its_masks_with_the_registered_images(realdata_root: Path) -> None:
    plan = propose(realdata_root / "raw_clinical" / "TCGA-FG-6692")
    assert [v.key for v in plan.visits] == ["raw_native", "sri24_bet"]
    masks = [i for i in plan.items if i.kind is ImportKind.MASK]
    assert len(masks) == 7
    assert all(i.visit == "sri24_bet" and i.include and i.mapping[4] == 3 for i in masks)
    assert not any(i.warnings for i in plan.items if i.kind is ImportKind.IMAGE)
    assert plan.problems == plan_conflicts(plan) == ()


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["brats_dev/BraTS2021_01480", "unlabelled/BraTS-GLI-00001-000"])
def test_real_brats_cases_give_no_warning(realdata_root: Path, name: str) -> None:
    plan = propose(realdata_root / name)
    assert {i.name for i in plan.items if i.kind is ImportKind.IMAGE} == {"T1", "T1Gd", "T2", "FLAIR"}
    assert not any(i.warnings for i in plan.items)


@pytest.mark.realdata
def test_the_real_post_treatment_masks_keep_their_values(realdata_root: Path) -> None:
    plan = propose(realdata_root / "posttreatment_masks" / "UCSF-ALPTDG_100001")
    assert {(i.visit, tuple(i.mapping.items())) for i in plan.items} == {
        (visit, ((0, 0), (2, 2), (3, 3), (4, 4))) for visit in ("time1", "time2")
    }
    assert len(plan.problems) == 2


def order_of(folder: Path, *visits: str) -> tuple[list[str], str]:
    """The visits of a patient in the order proposed, and what is to be checked."""
    for visit in visits:
        write_visit(folder / "PAT-1" / visit, {T1GD: "t1c.nii.gz"})
    plan = propose(folder)
    return [v.key for v in plan.visits], " ".join(plan.problems)


@pytest.mark.parametrize(
    "visits",
    [
        ("preop", "followup1", "followup2"),
        ("baseline", "month3", "month6"),
        ("preop", "postop", "month3", "month10", "recurrence"),
        ("05.01.2019", "03.04.2019", "02.04.2020"),
        ("day0000", "day0090"),
    ],
)
def test_visits_come_in_the_order_of_the_course(tmp_path: Path, visits: tuple[str, ...]) -> None:
    keys, problems = order_of(tmp_path, *visits)
    assert sorted(range(len(keys)), key=lambda n: visits.index(_name(keys[n], visits))) == list(range(len(visits)))
    assert problems == ""


def _name(key: str, visits: tuple[str, ...]) -> str:
    """The folder that a key comes from; dates are written the other way round in keys."""
    return next(v for v in visits if v in (key, ".".join(reversed(key.split("-")))))


def test_a_doubtful_order_is_told(tmp_path: Path) -> None:
    keys, problems = order_of(tmp_path, "day0000", "day0090", "2020-06-01")
    assert keys == ["day0000", "day0090", "2020-06-01"]
    assert "check their order" in problems


def test_dates_of_which_day_and_month_cannot_be_told_apart_are_named(tmp_path: Path) -> None:
    keys, problems = order_of(tmp_path, "05-01-2020", "03-04-2019")
    assert keys == ["03-04-2019", "05-01-2020"]
    assert "day and month of 03-04-2019, 05-01-2020 cannot be told apart" in problems


def test_the_mask_of_a_second_scan_of_the_day_is_left_out(tmp_path: Path) -> None:
    for scan in ("a", "b"):
        write_visit(tmp_path / "PAT-1" / "2019-01-01" / scan, FOUR, mask="seg.nii.gz")
    plan = propose(tmp_path)
    masks = [(i.path.parent.name, i.include) for i in plan.items if i.kind is ImportKind.MASK]
    assert masks == [("a", True), ("b", False)]
    (warnings,) = (i.warnings for i in plan.items if i.kind is ImportKind.MASK and i.path.parent.name == "b")
    assert "another scan" in " ".join(warnings)


def test_one_number_at_two_sites_is_pointed_out(tmp_path: Path) -> None:
    for site in ("siteA", "siteB"):
        write_visit(tmp_path / site / "PAT-001" / "2019-01-01", {T1GD: "t1c.nii.gz"})
    assert "if these are two patients" in " ".join(propose(tmp_path).problems)


def test_images_in_a_template_s_space_do_not_replace_the_scanner_s(tmp_path: Path) -> None:
    names = {T1: "sub-01_ses-01{}_T1w.nii.gz", FLAIR: "sub-01_ses-01{}_FLAIR.nii.gz"}
    for folder, space in (("derivatives/x/sub-01/ses-01/anat", "_space-MNI152"), ("sub-01/ses-01/anat", "")):
        write_visit(tmp_path / folder, {role: name.format(space) for role, name in names.items()})
    assert {i.path.name for i in propose(tmp_path).items if i.include} == {n.format("") for n in names.values()}


def test_visits_whose_names_tell_no_order_are_pointed_out(tmp_path: Path) -> None:
    _, problems = order_of(tmp_path / "a", "first look", "second look")
    assert "check their order: first look, second look" in problems
    _, problems = order_of(tmp_path / "b", "190114", "180203")
    assert "check their order" in problems
    for series in (("V1", "V2"), ("0", "1", "2"), ("6 months", "12 months", "preop")):
        assert order_of(tmp_path / series[0], *series)[1] == ""


@pytest.mark.parametrize("name", ["t1.mgz", "t1.nrrd", "t1.hdr", "t1.mha"])
def test_images_of_other_formats_are_said_to_be_left_out(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "visit"
    folder.mkdir()
    (folder / name).write_bytes(b"image")
    with pytest.raises(UserError, match=f"Images of another format are there, such as visit/{name}") as caught:
        propose(folder)
    assert "Save them as .nii.gz" in caught.value.todo
    write_visit(folder, FOUR)
    (problem,) = propose(folder).problems
    assert problem.startswith(f"visit/{name} is left out: only NIfTI (.nii, .nii.gz) is read.")


@pytest.mark.parametrize(("scale", "what"), [(0.1, "too little"), (10.0, "too much")])
def test_a_voxel_size_that_no_head_has_is_warned_of(tmp_path: Path, scale: float, what: str) -> None:
    write_nifti(tmp_path / "PAT-1" / "t1.nii.gz", head(T1).astype(np.int16), np.diag([6 * scale] * 3 + [1]))
    (image,) = propose(tmp_path).items
    assert what in " ".join(image.warnings)
    assert "check the voxel size" in " ".join(image.warnings)
    assert image.include


def test_names_that_are_no_utf_8_are_read_as_latin_1(tmp_path: Path) -> None:
    write_visit(tmp_path / "PAT" / "2019-01-14", {T1: "t1.nii.gz"})
    try:
        (tmp_path / "PAT").rename(tmp_path / os.fsdecode(b"M\xfcller"))
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    (image,) = propose(tmp_path).items
    assert image.patient == "Müller"
    assert image.path.exists()


def test_a_workspace_below_the_folder_is_left_out(tmp_path: Path) -> None:
    brats_2021(tmp_path)
    brats_2021(tmp_path / "workspace" / "patients", "PAT-1")
    assert len(propose(tmp_path).items) == 10
    (tmp_path / "workspace" / "glioma.db").write_bytes(b"SQLite")
    plan = propose(tmp_path)
    assert len(plan.items) == 5
    assert "workspace is left out" in plan.problems[0]


def test_dates_of_sessions_are_found_in_a_table_that_a_spreadsheet_saved(tmp_path: Path) -> None:
    write_visit(tmp_path / "sub-01" / "ses-01" / "anat", {T1: "sub-01_ses-01_T1w.nii.gz"})
    table = "session_id\tacq_time\nses-01\t2019-01-14\n"
    (tmp_path / "sub-01" / "sub-01_sessions.tsv").write_text(table, encoding="utf-8-sig")
    for patient in (None, "ANNA"):
        assert [v.date for v in propose(tmp_path, patient=patient).visits] == [dt.date(2019, 1, 14)]


@pytest.mark.parametrize(("visit", "label"), [("postop", 4), ("preop", 3), ("2019-01-14", 3)])
def test_what_a_four_is_follows_from_the_visit_s_phase(tmp_path: Path, visit: str, label: int) -> None:
    write_visit(tmp_path / "PAT-1" / visit, FOUR, mask="seg.nii.gz", values=(2, 2, 4))
    assert item(propose(tmp_path), "seg.nii.gz").mapping[4] == label


def test_the_masks_of_mu_glioma_post_have_the_program_s_values(tmp_path: Path) -> None:
    folder = tmp_path / "PatientID_0003" / "Timepoint_2"
    write_visit(folder, {T1GD: "PatientID_0003_Timepoint_2_brain_t1c.nii.gz"})
    write_nifti(folder / "PatientID_0003_Timepoint_2_tumorMask.nii.gz", tumour_mask(values=(2, 2, 4)))
    plan = propose(tmp_path)
    assert [(v.patient, v.key) for v in plan.visits] == [("PatientID_0003", "timepoint_2")]
    mask = next(i for i in plan.items if i.kind is ImportKind.MASK)
    assert (mask.mapping, mask.warnings) == ({0: 0, 2: 2, 4: 4}, ())


def test_patients_of_one_name_in_several_spellings_are_pointed_out(tmp_path: Path) -> None:
    for patient, date in (("Pat01", "2019-01-14"), ("pat_1", "2019-04-17"), ("Pat02", "2019-04-17")):
        write_visit(tmp_path / patient / date, {T1GD: "t1c.nii.gz"})
    plan = propose(tmp_path)
    assert plan.patients == ("Pat01", "Pat02", "pat_1")
    (doubt,) = plan.problems
    assert doubt.startswith("Pat01 and pat_1 differ in their spelling alone")


def test_a_folder_that_goes_away_while_it_is_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brats_2021(tmp_path / "stays")
    brats_2021(tmp_path / "goes")
    walk = os.walk

    def moved(*args: object, **how: object) -> object:
        for folder, below, names in walk(*args, **how):  # type: ignore[call-overload]
            if Path(folder).name == "goes":
                shutil.rmtree(folder)
            yield folder, below, names

    monkeypatch.setattr(os, "walk", moved)
    plan = propose(tmp_path)
    assert len(plan.items) == 5
    assert "goes cannot be read (No such file or directory)" in plan.problems[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and links")
def test_pipes_and_links_to_nowhere_are_left_out_with_a_reason(tmp_path: Path) -> None:
    folder = brats_2021(tmp_path)
    os.mkfifo(folder / "pipe.nii.gz")
    (folder / "loop.nii.gz").symlink_to(folder / "loop.nii.gz")
    (folder / "gone.nii.gz").symlink_to(folder / "nowhere.nii.gz")
    plan = propose(folder)
    assert len(plan.items) == 5
    problems = " ".join(plan.problems)
    assert "pipe.nii.gz is left out: it is a pipe" in problems
    assert "loop.nii.gz is a link that leads back to itself" in problems
    assert "gone.nii.gz is not there" in problems
