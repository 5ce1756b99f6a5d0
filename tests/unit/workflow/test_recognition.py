"""Names are read as their conventions mean them."""

from __future__ import annotations

import datetime as dt
import unicodedata
from pathlib import Path

import pytest

from glioma_annotator.domain.import_plan import ImportKind
from glioma_annotator.domain.patient import TreatmentPhase as Phase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.workflow.recognition.conventions import HD_GLIO
from glioma_annotator.workflow.recognition.files import Recognised
from glioma_annotator.workflow.recognition.moments import find_moment
from glioma_annotator.workflow.recognition.sessions import session_dates
from glioma_annotator.workflow.recognition.short_dates import read_together
from glioma_annotator.workflow.recognition.tree import recognise
from glioma_annotator.workflow.recognition.words import describe

T1, T1GD, T2, FLAIR, OTHER = SequenceRole
ROOT = Path("/data/study")


def one(name: str, root: Path = ROOT, patient: str | None = None) -> Recognised:
    return recognise([(root / name, root)], patient)[0]


def summary(found: Recognised) -> tuple[str, str, object]:
    content = found.content
    what = "left out" if content.leave_out else "mask" if content.kind is ImportKind.MASK else content.role
    return found.patient, found.moment.key, what


NAMES = {
    # BraTS 2017-2021
    "BraTS2021_00006/BraTS2021_00006_t1ce.nii.gz": ("BraTS2021_00006", "visit-1", T1GD),
    "BraTS2021_00006/BraTS2021_00006_t1.nii.gz": ("BraTS2021_00006", "visit-1", T1),
    "BraTS2021_00006/BraTS2021_00006_t2.nii.gz": ("BraTS2021_00006", "visit-1", T2),
    "BraTS2021_00006/BraTS2021_00006_flair.nii.gz": ("BraTS2021_00006", "visit-1", FLAIR),
    "BraTS2021_00006/BraTS2021_00006_seg.nii.gz": ("BraTS2021_00006", "visit-1", "mask"),
    "HGG/Brats18_CBICA_AAB_1/Brats18_CBICA_AAB_1_t1ce.nii.gz": ("Brats18_CBICA_AAB_1", "visit-1", T1GD),
    "BraTS20_Training_001/BraTS20_Training_001_seg.nii": ("BraTS20_Training_001", "visit-1", "mask"),
    # BraTS 2023-2024
    "BraTS-GLI-00001-000/BraTS-GLI-00001-000-t1c.nii.gz": ("BraTS-GLI-00001", "000", T1GD),
    "BraTS-GLI-00001-000/BraTS-GLI-00001-000-t1n.nii.gz": ("BraTS-GLI-00001", "000", T1),
    "BraTS-GLI-00001-101/BraTS-GLI-00001-101-t2f.nii.gz": ("BraTS-GLI-00001", "101", FLAIR),
    "BraTS-GLI-00001-101/BraTS-GLI-00001-101-t2w.nii.gz": ("BraTS-GLI-00001", "101", T2),
    "BraTS-GLI-00001-101/BraTS-GLI-00001-101-seg.nii.gz": ("BraTS-GLI-00001", "101", "mask"),
    "BraTS-GLI-00001-101/t1c.nii.gz": ("BraTS-GLI-00001", "101", T1GD),
    # BraTS-Reg
    "BraTSReg_002/BraTSReg_002_00_0000_t1ce.nii.gz": ("BraTSReg_002", "day0000", T1GD),
    "BraTSReg_002/BraTSReg_002_01_0262_flair.nii.gz": ("BraTSReg_002", "day0262", FLAIR),
    "BraTSReg_002/tp1_followup_day0262/t2.nii.gz": ("BraTSReg_002", "day0262", T2),
    # BIDS
    "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz": ("sub-01", "ses-01", T1),
    "sub-01/ses-01/anat/sub-01_ses-01_ce-gadolinium_T1w.nii.gz": ("sub-01", "ses-01", T1GD),
    "sub-01/ses-day0262/anat/sub-01_ses-day0262_acq-3D_T2w.nii": ("sub-01", "ses-day0262", T2),
    "sub-01/ses-20190114/anat/sub-01_ses-20190114_FLAIR.nii.gz": ("sub-01", "ses-20190114", FLAIR),
    "sub-02/anat/sub-02_T1w.nii.gz": ("sub-02", "visit-1", T1),
    "derivatives/seg/sub-01/ses-01/anat/sub-01_ses-01_desc-tumor_dseg.nii.gz": ("sub-01", "ses-01", "mask"),
    "derivatives/x/sub-01/ses-01/anat/sub-01_ses-01_space-T1w_desc-brain_mask.nii.gz": ("sub-01", "ses-01", "left out"),
    "derivatives/x/sub-01/ses-01/anat/sub-01_ses-01_label-ET_probseg.nii.gz": ("sub-01", "ses-01", "left out"),
    "sub-01/ses-01/anat/sub-01_ses-01_UNIT1.nii.gz": ("sub-01", "ses-01", T1),
    "sub-01/ses-01/anat/sub-01_ses-01_inv-1_MP2RAGE.nii.gz": ("sub-01", "ses-01", OTHER),
    "derivatives/x/sub-01/ses-01/anat/sub-01_ses-01_desc-aseg_dseg.nii.gz": ("sub-01", "ses-01", "left out"),
    "derivatives/x/sub-01/ses-01/anat/sub-01_ses-01_label-GM_mask.nii.gz": ("sub-01", "ses-01", "left out"),
    "sub-01/ses-01/flair-3d.nii.gz": ("sub-01", "ses-01", FLAIR),
    # a subject's folder alone
    "sub-01/2019-01-14/t1.nii.gz": ("sub-01", "2019-01-14", T1),
    "sub-01/2019-01-14/flair-3d.nii.gz": ("sub-01", "2019-01-14", FLAIR),
    "sub-01/postop/sub-01_T1w.nii.gz": ("sub-01", "postop", T1),
    "2019-01-14/sub-01_T1w.nii.gz": ("sub-01", "2019-01-14", T1),
    "export 2024-05-01/sub-01/anat/sub-01_T1w.nii.gz": ("sub-01", "visit-1", T1),
    # LUMIERE
    "Patient-001/week-000-1/CT1.nii.gz": ("Patient-001", "week-000-1", T1GD),
    "Patient-001/week-000-1/T1.nii.gz": ("Patient-001", "week-000-1", T1),
    "Patient-001/week-000-2/FLAIR.nii.gz": ("Patient-001", "week-000-2", FLAIR),
    "Patient-001/week-044/DeepBraTumIA-segmentation/native/segmentation/ct1_seg_mask.nii.gz": (
        "Patient-001",
        "week-044",
        "mask",
    ),
    "Patient-001/week-044/DeepBraTumIA-segmentation/atlas/skull_strip/brain_mask.nii.gz": (
        "Patient-001",
        "week-044",
        "left out",
    ),
    "Patient-001/week-044/HD-GLIO-AUTO-segmentation/registered/segmentation.nii.gz": (
        "Patient-001",
        "week-044",
        "mask",
    ),
    # UCSF
    "UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_T1c_bias.nii.gz": ("UCSF-PDGM-0004", "day0000", T1GD),
    "UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_FLAIR.nii.gz": ("UCSF-PDGM-0004", "day0000", FLAIR),
    "UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_tumor_segmentation.nii.gz": ("UCSF-PDGM-0004", "day0000", "mask"),
    "UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_brain_segmentation.nii.gz": ("UCSF-PDGM-0004", "day0000", "left out"),
    "UCSF-PDGM-0429_FU003d_nifti/UCSF-PDGM-0429_FU003d_T2.nii.gz": ("UCSF-PDGM-0429", "day0003", T2),
    "UCSF-ALPTDG_100001/100001_time1_t1ce.nii.gz": ("UCSF-ALPTDG_100001", "time1", T1GD),
    "UCSF-ALPTDG_100001/100001_time2_seg.nii.gz": ("UCSF-ALPTDG_100001", "time2", "mask"),
    "UCSF-ALPTDG_100001/100001_flair_subtraction_seg.nii.gz": ("UCSF-ALPTDG_100001", "visit-1", "left out"),
    "UCSF_POSTOP_GLIOMA_v1.0/100001/100001_t1ce_subtraction.nii.gz": ("100001", "visit-1", "left out"),
    # Penn
    "RHUH-0001/0/RHUH-0001_0_t1ce.nii.gz": ("RHUH-0001", "0", T1GD),
    "RHUH-0001/2/RHUH-0001_2_segmentations.nii.gz": ("RHUH-0001", "2", "mask"),
    "UPENN-GBM-00630_11/UPENN-GBM-00630_11_T1GD.nii.gz": ("UPENN-GBM-00630", "11", T1GD),
    "unstripped/UPENN-GBM-00630_21/UPENN-GBM-00630_21_FLAIR_unstripped.nii.gz": ("UPENN-GBM-00630", "21", FLAIR),
    "automated_segm/UPENN-GBM-00003_11_automated_approx_segm.nii.gz": ("UPENN-GBM-00003", "11", "mask"),
    # UCSD
    "UCSD-PTGBM-0002_01/UCSD-PTGBM-0002_01_T1post.nii.gz": ("UCSD-PTGBM-0002", "01", T1GD),
    "UCSD-PTGBM-0002_02/UCSD-PTGBM-0002_02_T1pre.nii.gz": ("UCSD-PTGBM-0002", "02", T1),
    "UCSD-PTGBM-0002_02/UCSD-PTGBM-0002_02_BraTS_tumor_seg.nii.gz": ("UCSD-PTGBM-0002", "02", "mask"),
    "UCSD-PTGBM-0002_02/UCSD-PTGBM-0002_02_total_cellular_tumor_seg.nii.gz": ("UCSD-PTGBM-0002", "02", "left out"),
    # Medical Segmentation Decathlon
    "labelsTr/BRATS_001.nii.gz": ("BRATS_001", "visit-1", "mask"),
    # words
    "PAT-0042/2019-01-14/T1_post_contrast.nii.gz": ("PAT-0042", "2019-01-14", T1GD),
    "PAT-0042/20190114_preop/t1 pre.nii.gz": ("PAT-0042", "2019-01-14", T1),
    "PAT-0042/post-op/ax_T2_FLAIR.nii": ("PAT-0042", "post-op", FLAIR),
    "PAT-0042/recurrence/ax t1 +c.nii.gz": ("PAT-0042", "recurrence", T1GD),
    "PAT-0042/visit-3/t1_postop.nii.gz": ("PAT-0042", "visit-3", T1),
    "PAT-0042_2019-01-14_t1gd.nii.gz": ("PAT-0042", "2019-01-14", T1GD),
    "anna/tumour_mask.nii.gz": ("anna", "visit-1", "mask"),
    "anna/T1_post/im001.nii.gz": ("anna", "visit-1", T1GD),
    "TCGA-FG-6692/raw_native/t1c.nii.gz": ("TCGA-FG-6692", "raw_native", T1GD),
    "TCGA-FG-6692/sri24_bet/t1c.nii.gz": ("TCGA-FG-6692", "sri24_bet", T1GD),
    "TCGA-FG-6692/auto_seg/scan-20.nii.gz": ("TCGA-FG-6692", "visit-1", "mask"),
    "PAT-1/2019-01-14/nnunet_v2/seg.nii.gz": ("PAT-1", "2019-01-14", "mask"),
    "PAT-1/2019-01-14/reader_2/seg.nii.gz": ("PAT-1", "2019-01-14", "mask"),
    "anna/14-Jan-2019/t1.nii.gz": ("anna", "2019-01-14", T1),
    "anna/images/t1.nii.gz": ("anna", "visit-1", T1),
    "anna/labels/t1.nii.gz": ("anna", "visit-1", "mask"),
}


@pytest.mark.parametrize("name", NAMES)
def test_patient_visit_and_content_of_a_name(name: str) -> None:
    assert summary(one(name)) == NAMES[name]


@pytest.mark.parametrize("name", [n for n in NAMES if n.count("/") == 2 and "derivatives" not in n and "HGG" not in n])
def test_choosing_the_visit_s_own_folder_tells_the_same(name: str) -> None:
    path = ROOT / name
    assert summary(recognise([(path, path.parent)])[0]) == NAMES[name]


@pytest.mark.parametrize(("visit", "phase"), [("11", Phase.PRE_OPERATIVE), ("21", Phase.FOLLOW_UP)])
def test_penn_s_visits_of_a_patient_belong_together_and_say_which_lies_before_surgery(visit: str, phase: Phase) -> None:
    found = one(f"UPENN-GBM-00630_{visit}/UPENN-GBM-00630_{visit}_T2.nii.gz")
    assert (found.patient, found.moment.phase) == ("UPENN-GBM-00630", phase)


@pytest.mark.parametrize(
    ("name", "visit", "phase"),
    [
        ("BraTS2021_00006/BraTS2021_00006_flair.nii.gz", "visit-1", Phase.PRE_OPERATIVE),
        ("BraTS20_Training_001/BraTS20_Training_001_t1.nii", "visit-1", Phase.PRE_OPERATIVE),
        ("2021-07-01 copies/BraTS2021_00006/BraTS2021_00006_t2.nii.gz", "visit-1", Phase.PRE_OPERATIVE),
        ("BraTS2021_00006/followup_day0100/BraTS2021_00006_t2.nii.gz", "day0100", Phase.FOLLOW_UP),
        ("UCSF-PDGM-0004/UCSF-PDGM-0004_T2.nii.gz", "day0000", Phase.PRE_OPERATIVE),
        ("UCSF-PDGM-0181/UCSF-PDGM-0181_FU001d_T2.nii.gz", "day0001", Phase.UNKNOWN),
    ],
)
def test_data_sets_of_scans_before_surgery_say_so(name: str, visit: str, phase: Phase) -> None:
    moment = one(name).moment
    assert (moment.key, moment.phase) == (visit, phase)


WORDS = {
    "t1": T1,
    "T1w": T1,
    "MPRAGE": T1,
    "ax_T1_FLAIR": T1,
    "t1-pre-contrast": T1,
    "T1_non_contrast": T1,
    "T1_no_contrast": T1,
    "AX_T1_W_O_CONTRAST": T1,
    "AX_T1_W_CONTRAST": T1GD,
    "MRI_BRAIN_W_WO_CONTRAST_AX_T1_POST": T1GD,
    "MR_HEAD_WITHOUT_AND_WITH_CONTRAST_T1": T1,
    "T1_POST_W_O_MT": T1GD,
    "T1 wo gd": T1,
    "T1_vor_KM": T1,
    "T1_nach_KM": T1GD,
    "T1 sans gado": T1,
    "T1_sin_contraste": T1,
    "T1_con_contraste": T1GD,
    "T1_C-": T1,
    "T1_C+": T1GD,
    "t1-c-3": T1GD,
    "T1_no_fs_gd": T1GD,
    "t1ce": T1GD,
    "CT1": T1GD,
    "T1Gd": T1GD,
    "T1POST": T1GD,
    "t1-post-gad": T1GD,
    "T1w_ce": T1GD,
    "t1+c": T1GD,
    "T1 KM": T1GD,
    "mprage_gd": T1GD,
    "T2": T2,
    "t2w": T2,
    "t2_tse_tra": T2,
    "FLAIR": FLAIR,
    "t2f": FLAIR,
    "T2_FLAIR": FLAIR,
    "3D_FLAIR_post": FLAIR,
    "TIRM": FLAIR,
    "flair_to_t1": FLAIR,
    "T2_coreg_T1c": T2,
    "T1_to_DWI": T1,
    "FLAIR_coreg_ADC": FLAIR,
    "FLAIR_DWI_space": FLAIR,
    "T1_GRE": T1,
    "FLAIR_in_T1_space": FLAIR,
    "T1_post_to_T2": T1GD,
    "t1_reg_ce": T1GD,
    "reg_t1": T1,
    "registered_t1": T1,
}


@pytest.mark.parametrize("text", WORDS)
def test_words_tell_the_contrast(text: str) -> None:
    content = describe(text)
    assert (content.kind, content.role) == (ImportKind.IMAGE, WORDS[text])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ADC", "ADC"),
        ("ep2d_diff_DWI", "DWI"),
        ("DTI_eddy_FA", "FA"),
        ("rCBV", "RCBV"),
        ("t2_star", ""),
        ("ADC_in_T1ce", "ADC"),
        ("rCBV_reg_t1c", "RCBV"),
        ("T1_DCE_ktrans", "KTRANS"),
        ("ep2d_diff_t2_adc", "ADC"),
        ("adc_t1gd_reg", "ADC"),
        ("T1Gd_minus_T1", "T1Gd subtraction"),
        ("t1_tra_km_SUB", "T1Gd subtraction"),
        ("T1_mapping", "T1 map"),
    ],
)
def test_other_images_keep_a_free_name(text: str, name: str) -> None:
    assert describe(text).role is OTHER
    assert describe(text).name == name


@pytest.mark.parametrize("text", ["seg", "t1ce_seg", "tumor_mask", "lesion_gold", "labelmap", "GlistrBoost", "dseg"])
def test_words_tell_a_mask(text: str) -> None:
    assert describe(text).kind is ImportKind.MASK
    assert not describe(text).leave_out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("brain_mask", "brain"),
        ("flair_subtraction_seg", "changed"),
        ("tumor_probability_mask", "probabilities"),
        ("brain_parenchyma_segmentation", "brain"),
    ],
)
def test_masks_of_something_else_are_left_out_with_a_reason(text: str, why: str) -> None:
    assert why in describe(text).leave_out


def test_an_unknown_name_leaves_the_content_open() -> None:
    assert describe("IM-0001").kind is None


MOMENTS = {
    "2019-01-14": (dt.date(2019, 1, 14), None, Phase.UNKNOWN),
    "20190114_preop": (dt.date(2019, 1, 14), None, Phase.PRE_OPERATIVE),
    "2019_04_02 post-RT baseline": (dt.date(2019, 4, 2), None, Phase.POST_RT_BASELINE),
    "AX_T1_20190114103000_5": (dt.date(2019, 1, 14), None, Phase.UNKNOWN),
    "21-10-2019": (dt.date(2019, 10, 21), None, Phase.UNKNOWN),
    "14-Jan-2019": (dt.date(2019, 1, 14), None, Phase.UNKNOWN),
    "MR 14MAR2019": (dt.date(2019, 3, 14), None, Phase.UNKNOWN),
    "2019 Dez 3": (dt.date(2019, 12, 3), None, Phase.UNKNOWN),
    "March 3, 2019": (dt.date(2019, 3, 3), None, Phase.UNKNOWN),
    "3 agosto 2019": (dt.date(2019, 8, 3), None, Phase.UNKNOWN),
    "4 mars 2021": (dt.date(2021, 3, 4), None, Phase.UNKNOWN),
    "12-août-2021": (dt.date(2021, 8, 12), None, Phase.UNKNOWN),
    "3_févr_2020": (dt.date(2020, 2, 3), None, Phase.UNKNOWN),
    "21 décembre 2020": (dt.date(2020, 12, 21), None, Phase.UNKNOWN),
    "2020 juillet 14": (dt.date(2020, 7, 14), None, Phase.UNKNOWN),
    "8 gennaio 2022": (dt.date(2022, 1, 8), None, Phase.UNKNOWN),
    "5-maggio-2022": (dt.date(2022, 5, 5), None, Phase.UNKNOWN),
    "30 settembre 2022": (dt.date(2022, 9, 30), None, Phase.UNKNOWN),
    "2019 01 14": (dt.date(2019, 1, 14), None, Phase.UNKNOWN),
    "2019-1-4": (dt.date(2019, 1, 4), None, Phase.UNKNOWN),
    "3.4.2019": (dt.date(2019, 4, 3), None, Phase.UNKNOWN),
    "14_01_2019": (dt.date(2019, 1, 14), None, Phase.UNKNOWN),
    "14.01.19": (dt.date(2019, 1, 14), None, Phase.UNKNOWN),
    "Jan 2020": (None, None, Phase.UNKNOWN),
    "day0262": (None, 262, Phase.UNKNOWN),
    "ses-day0262": (None, 262, Phase.UNKNOWN),
    "tp1_followup_day0262": (None, 262, Phase.FOLLOW_UP),
    "week-040": (None, 280, Phase.UNKNOWN),
    "week-000-2": (None, 0, Phase.UNKNOWN),
    "early_postop": (None, None, Phase.EARLY_POST_OPERATIVE),
    "Pre-Operative": (None, None, Phase.PRE_OPERATIVE),
    "recurrence": (None, None, Phase.PROGRESSION),
    "progression2": (None, None, Phase.PROGRESSION),
    "FU2": (None, None, Phase.FOLLOW_UP),
}


@pytest.mark.parametrize("text", MOMENTS)
def test_dates_days_and_phases_are_found(text: str) -> None:
    moment = find_moment(text)
    assert moment is not None
    assert (moment.date, moment.day, moment.phase) == MOMENTS[text]


@pytest.mark.parametrize(
    "text",
    (
        *("anna", "PAT-0042", "t1ce", "99999999", "20191399", "sunday", "epoch12", "PAT-2019-03", "marker 2020"),
        *("T1_Mar2020", "2019 Mar 1mm", "1.2.840.2019.1.4.5"),
        *("Martin_1985", "Jan_1961", "April 1985", "v1.02.10", "1.2.840.10"),
    ),
)
def test_other_words_and_numbers_are_no_moment(text: str) -> None:
    assert find_moment(text) is None


def test_a_date_whose_month_is_unclear_is_a_visit_without_a_date() -> None:
    moment = find_moment("03-04-2019")
    assert moment is not None
    assert moment.key == "03-04-2019"
    assert moment.date is None


def test_a_date_that_no_calendar_has_is_passed_over() -> None:
    moment = find_moment("2019-02-31")
    assert moment is None or moment.date is None


def test_visits_are_ordered_by_what_is_known() -> None:
    keys = ["recurrence", "followup", "postop", "preop"]
    moments = [m for m in map(find_moment, keys) if m is not None]
    assert [m.key for m in sorted(moments, key=lambda m: m.sort_key)] == ["preop", "postop", "followup", "recurrence"]
    weeks = [m for m in map(find_moment, ("week-100", "week-000-2", "week-013", "week-000-1")) if m is not None]
    assert [m.key for m in sorted(weeks, key=lambda m: m.sort_key)] == [
        "week-000-1",
        "week-000-2",
        "week-013",
        "week-100",
    ]


def test_months_of_a_year_are_ordered_by_the_calendar() -> None:
    months = [m for m in map(find_moment, ("Mar 2020", "Jan 2021", "Dez 2019", "August 2020")) if m is not None]
    keys = [m.key for m in sorted(months, key=lambda m: m.sort_key)]
    assert keys == ["dez 2019", "mar 2020", "august 2020", "jan 2021"]


@pytest.mark.parametrize("top", ["export_2024-05-01", "POSTOP study", "recurrence cohort 2020", "2024-05-01"])
def test_what_a_folder_above_the_patient_tells_does_not_replace_what_the_visit_s_tells(top: str) -> None:
    moment = one(f"{top}/PAT-1/2019-01-14/t1.nii.gz").moment
    assert (moment.key, moment.date, moment.phase) == ("2019-01-14", dt.date(2019, 1, 14), Phase.UNKNOWN)
    assert one(f"{top}/PAT-1/preop/t1.nii.gz").moment.phase is Phase.PRE_OPERATIVE


def test_a_tree_by_phase_keeps_the_phase_beside_the_visit_s_date() -> None:
    moment = one("preop/PAT-1/2019-01-14/t1.nii.gz").moment
    assert (moment.key, moment.phase) == ("2019-01-14", Phase.PRE_OPERATIVE)
    assert one("postop/PAT-1/t1.nii.gz").moment.phase is Phase.EARLY_POST_OPERATIVE


@pytest.mark.parametrize("person", ["Meier_19850312", "1985-03-12 Meier", "MEIER^HANS_12.03.1985"])
def test_a_name_with_a_birthday_is_the_patient_not_the_visit(person: str) -> None:
    root = Path("/home/anna/export")
    for visit in ("20190114", "2020-02-01 MR"):
        moment = one(f"{person}/{visit}/t1.nii.gz", root).moment
        assert one(f"{person}/{visit}/t1.nii.gz", root).patient == person
        assert moment.date is not None
        assert moment.date.year > 2000


@pytest.mark.parametrize("top", ["GBM_2023", "glioma_cohort1", "gbm_study_v2", "BraTS2021_Training_Data", "disk_2"])
def test_a_data_set_s_name_is_not_taken_for_the_patient_s(top: str) -> None:
    names = [f"{patient}/{visit}/t1.nii.gz" for patient in ("0012", "anna") for visit in ("2019-01-14", "preop")]
    root = Path("/data") / top
    assert [f.patient for f in recognise([(root / name, root) for name in names])] == ["0012", "0012", "anna", "anna"]


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("Madrid_3/0012/2019-01-14/t1.nii.gz", "0012"),
        ("TCGA-FG-6692/Kopf/2019-01-14/t1.nii.gz", "TCGA-FG-6692"),
        ("RHUH-0001/0/RHUH-0001_0_t1ce.nii.gz", "RHUH-0001"),
        ("PAT-1/0012/2019-01-14/t1.nii.gz", "PAT-1"),
        ("patient_2020/first look/t1.nii.gz", "patient_2020"),
        ("12/V1/t1.nii.gz", "12"),
        ("anna/M06/t1.nii.gz", "anna"),
        ("W1/W1_1996.08.24/W1_1996.08.24_t1gd.nii.gz", "W1"),
    ],
)
def test_the_patient_s_folder_is_told_from_those_around_it(name: str, patient: str) -> None:
    assert one(name).patient == patient


def test_names_that_differ_in_how_accents_are_written_are_one_patient() -> None:
    names = [unicodedata.normalize(form, "Müller/2019-01-14/t1.nii.gz") for form in ("NFC", "NFD")]
    assert len({one(name).patient for name in names}) == 1


@pytest.mark.parametrize(
    ("folders", "keys"),
    [
        (("MRI_1", "MRI_2"), ["MRI_1", "MRI_2"]),
        (("T0", "T1", "T2"), ["T0", "T1", "T2"]),
        (("3_followup", "4_followup"), ["3_followup", "4_followup"]),
        (("3 months post RT", "6 months post RT"), ["3 months post RT", "6 months post RT"]),
        (("series_1", "series_2"), ["visit-1", "visit-1"]),
        (("raw_native", "images"), ["raw_native", "visit-1"]),
    ],
)
def test_folders_that_a_number_tells_apart_are_visits_where_a_contrast_is_in_each(
    folders: tuple[str, ...], keys: list[str]
) -> None:
    files = [f"PAT-1/{folder}/{name}.nii.gz" for folder in folders for name in ("t1ce", "seg")]
    for patient in (None, "P7"):
        root = ROOT / "PAT-1" if patient else ROOT
        found = recognise([(ROOT / name, root) for name in files], patient)
        assert [f.moment.key for f in found] == [key for key in keys for _ in range(2)]


def test_series_folders_of_one_visit_stay_one_visit() -> None:
    names = ["PAT-1/T1/T1.nii.gz", "PAT-1/T2/T2.nii.gz", "PAT-1/2019-01-14/1/t1.nii.gz", "PAT-1/2019-01-14/2/t1.nii.gz"]
    found = recognise([(ROOT / name, ROOT) for name in names])
    assert [f.moment.key for f in found] == ["visit-1", "visit-1", "2019-01-14", "2019-01-14"]


def test_several_patients_below_one_folder_stay_apart() -> None:
    names = ["anna/t1.nii.gz", "anna/flair.nii.gz", "bert/t1.nii.gz", "bert/flair.nii.gz"]
    found = recognise([(ROOT / n, ROOT) for n in names])
    assert [f.patient for f in found] == ["anna", "anna", "bert", "bert"]


def test_several_patients_within_one_folder_stay_apart() -> None:
    names = ["anna_t1.nii.gz", "anna_flair.nii.gz", "bert_t1.nii.gz", "bert_seg.nii.gz"]
    found = recognise([(ROOT / n, ROOT) for n in names])
    assert [f.patient for f in found] == ["anna", "anna", "bert", "bert"]


def test_a_stated_patient_makes_every_folder_a_visit() -> None:
    names = ["first/t1.nii.gz", "second/t1.nii.gz", "2019-01-14/t1.nii.gz"]
    found = recognise([(ROOT / n, ROOT) for n in names], patient="P7")
    assert {f.patient for f in found} == {"P7"}
    assert [f.moment.key for f in found] == ["first", "second", "2019-01-14"]


def test_a_stated_patient_keeps_the_visit_of_the_chosen_folder() -> None:
    for folder, key in (("anna/day0262", "day0262"), ("anna", "visit-1"), ("anna/raw_native", "raw_native")):
        path = ROOT / folder / "t1.nii.gz"
        assert summary(recognise([(path, path.parent)], "P7")[0]) == ("P7", key, T1)


def test_two_chosen_folders_of_a_stated_patient_are_two_visits() -> None:
    files = [(ROOT / name / "t1.nii.gz", ROOT / name) for name in ("first", "second")]
    assert [f.moment.key for f in recognise(files, "P7")] == ["first", "second"]


def test_a_single_file_takes_the_patient_from_the_folders_above_it() -> None:
    path = Path("/data/BraTSReg_002/tp0_preop_day0000/t1ce.nii.gz")
    assert summary(recognise([(path, path.parent)])[0]) == ("BraTSReg_002", "day0000", T1GD)


def test_masks_of_hd_glio_have_its_meaning() -> None:
    found = one("Patient-001/week-044/HD-GLIO-AUTO-segmentation/native/segmentation_CT1_origspace.nii.gz")
    assert found.labels == HD_GLIO
    assert found.content.role is T1GD


def test_the_reason_names_the_convention() -> None:
    assert one("BraTS-GLI-00001-000/BraTS-GLI-00001-000-t1c.nii.gz").why == "BraTS 2023 name"
    assert one("sub-01/anat/sub-01_T1w.nii.gz").why == "BIDS name"
    assert one("Patient-001/week-044/T1.nii.gz").why.startswith("LUMIERE")
    assert one("anna/t1.nii.gz").why == "words in the file's name"


def test_session_tables_give_dates() -> None:
    table = "session_id\tacq_time\tnote\nses-01\t2019-01-14T10:00:00\tpre\n02\t2019-04-02\t\nses-03\tn/a\t\n"
    assert session_dates(table) == {"ses-01": dt.date(2019, 1, 14), "ses-02": dt.date(2019, 4, 2)}
    assert session_dates("") == {}
    assert session_dates("session_id\tacq_time\nses-01\t" + "9" * 200_000) == {}


def test_six_digits_are_a_date_where_they_can_be_read_in_one_way_alone() -> None:
    today = dt.date(2026, 11, 23)
    assert read_together(["190131", "190417"], today) == {
        "190131": dt.date(2019, 1, 31),
        "190417": dt.date(2019, 4, 17),
    }
    assert read_together(["310119"], today) == {"310119": dt.date(2019, 1, 31)}
    assert read_together(["012819", "020619"], today) == {
        "012819": dt.date(2019, 1, 28),
        "020619": dt.date(2019, 2, 6),
    }
    assert read_together(["190114"], today) == {}, "2019 or 2014"
    assert read_together(["190114", "190417"], today) == {}, "by chance on the 19th"
    assert len(read_together(["190114", "190417", "190722"], today)) == 3, "three times on the 19th in three years"
    assert read_together(["195131"], today) == {}, "no month"
    assert read_together(["270131"], today) == {}, "to come, or 2031"
    assert read_together(["190131", "310119"], today) == {}, "written in two ways"


SHORT_DATES = {
    "P012/190131/T1.nii.gz": ("P012", "190131", dt.date(2019, 1, 31)),
    "P012/190131_MR/T1.nii.gz": ("P012", "visit-1", dt.date(2019, 1, 31)),
    "P012_190131_T1.nii.gz": ("P012", "190131", dt.date(2019, 1, 31)),
    "190131/P012_T1.nii.gz": ("P012", "visit-1", dt.date(2019, 1, 31)),
    "P012/190131_preop/T1.nii.gz": ("P012", "preop", dt.date(2019, 1, 31)),
    "sub-01/ses-190131/anat/sub-01_ses-190131_T1w.nii.gz": ("sub-01", "ses-190131", dt.date(2019, 1, 31)),
    "P012/190114/T1.nii.gz": ("P012", "190114", None),
    "P012_190114_T1.nii.gz": ("P012_190114", "visit-1", None),
    "P190131/T1.nii.gz": ("P190131", "visit-1", None),
    "190131/T1.nii.gz": ("190131", "visit-1", None),
    "GBM_190131/T1.nii.gz": ("GBM_190131", "visit-1", None),
    "P012/T1_190131.nii.gz": ("P012", "visit-1", None),
    "P012/20190417/T1_190131.nii.gz": ("P012", "2019-04-17", dt.date(2019, 4, 17)),
    "export_190131/P012/T1.nii.gz": ("P012", "visit-1", None),
}


@pytest.mark.parametrize(("name", "expected"), SHORT_DATES.items())
def test_dates_of_six_digits_in_names(name: str, expected: tuple[str, str, dt.date | None]) -> None:
    found = one(name)
    assert (found.patient, found.moment.key, found.moment.date) == expected


def test_files_of_one_folder_with_dates_of_six_digits_are_visits_of_their_own() -> None:
    names = [f"P012/{role}_{date}.nii.gz" for role in ("T1", "FLAIR") for date in ("190131", "190417")]
    found = recognise([(ROOT / name, ROOT) for name in names])
    assert [f.moment.key for f in found] == ["190131", "190417", "190131", "190417"]
    times = recognise([(ROOT / f"P012/{name}.nii.gz", ROOT) for name in ("T1_090531", "FLAIR_091031")])
    assert {f.moment.key for f in times} == {"visit-1"}, "a time of day, or a number of the scan"


def test_numbers_of_examinations_are_no_dates_for_any_patient() -> None:
    for names in (["P01/120831", "P02/482913"], ["P01_120831", "P02_482913"]):
        found = recognise([(ROOT / f"out/{name}/T1.nii.gz", ROOT / "out") for name in names])
        assert [f.moment.date for f in found] == [None, None]


def test_one_patients_folders_by_date_are_not_one_visit() -> None:
    found = recognise([(ROOT / f"{date}/P012_T1.nii.gz", ROOT) for date in ("190131", "190417")])
    assert [(f.patient, f.moment.key) for f in found] == [("P012", "190131"), ("P012", "190417")]


SCAN_NAMES = {
    "Mueller/Ax_3D_T1_Post.nii.gz": ("Mueller", "visit-1", T1GD),
    "Mueller/Sag_3D_FLAIR.nii.gz": ("Mueller", "visit-1", FLAIR),
    "Mueller/t2_space_dark-fluid_sag_p2_iso.nii.gz": ("Mueller", "visit-1", FLAIR),
    "Mueller/t2_spc_da-fl_sag.nii.gz": ("Mueller", "visit-1", FLAIR),
    "Mueller/Ax_T2_GRE.nii.gz": ("Mueller", "visit-1", OTHER),
    "Mueller/t2_fl2d_tra_hemo.nii.gz": ("Mueller", "visit-1", OTHER),
    "Mueller/t1_fl2d_tra.nii.gz": ("Mueller", "visit-1", T1),
    "sub-01/ses-01/anat/sub-01_ses-01_acq-post_T1w.nii.gz": ("sub-01", "ses-01", T1GD),
    "sub-01/ses-01/anat/sub-01_ses-01_acq-pre_T1w.nii.gz": ("sub-01", "ses-01", T1),
}


@pytest.mark.parametrize(("name", "expected"), SCAN_NAMES.items())
def test_words_on_how_a_scan_was_taken_are_no_patient(name: str, expected: tuple[str, str, object]) -> None:
    assert summary(one(name)) == expected


def test_numbers_of_scans_are_no_patients() -> None:
    names = ["3_t1_mprage_sag", "5_t2_tse_tra", "6_t2_tse_cor", "12_t1_mprage_sag_post_gd"]
    assert {f.patient for f in recognise([(ROOT / f"out/{n}.nii.gz", ROOT) for n in names])} == {"out"}
    names = ["3_Ax_T1_SE", "4_t1_mprage", "5_Sag_FLAIR"]
    assert {f.patient for f in recognise([(ROOT / f"out/{n}.nii.gz", ROOT) for n in names])} == {"out"}
    exam = ("3_t1_mprage", "4_t2_tse", "6_ep2d_diff_b1000", "7_ep2d_diff_ADC", "8_t2_swi", "8_Mag_Images")
    exam += ("9_Neuronav_T1_KM", "10_t1_mprage_KM", "10_t1_dixon_KM", "11_t1_KM_SUB")
    found = recognise([(ROOT / f"Mueller_Anna/MR_20210304/{n}.nii.gz", ROOT) for n in exam])
    assert {(f.patient, f.moment.key) for f in found} == {("Mueller_Anna", "2021-03-04")}
    for patients in (["001_t1", "001_t2", "002_t1", "002_t2"], ["1_t1", "2_t1", "3_t1"], ["01_t1", "02_t1", "03_t2"]):
        found = recognise([(ROOT / f"out/{n}.nii.gz", ROOT) for n in patients])
        assert {f.patient for f in found} == {n.split("_")[0] for n in patients}


def test_planes_of_one_contrast_are_no_patients() -> None:
    found = recognise([(ROOT / f"out/{n}.nii.gz", ROOT) for n in ("Ax_T2", "Sag_T2", "Cor_T2", "Ax_T1")])
    assert {f.patient for f in found} == {"out"}


def test_words_in_front_of_contrasts_are_no_patients_in_a_folder_that_is_a_patient_s() -> None:
    for folder in ("P012", "P012/2021-03-04", "GBM-012/2021-03-04", "GBM-012/MR 4.3.2021/nifti"):
        found = recognise([(ROOT / f"{folder}/{n}_T1_post.nii.gz", ROOT) for n in ("Stealth", "AX", "MIP")])
        assert {f.patient for f in found} == {folder.split("/")[0]}
    sets = [f"{p}_{role}" for p in ("anna", "bert") for role in ("T1", "FLAIR")]
    for folder, names in (("cohort_1/2021-03-04", ("anna_T1", "bert_T1")), ("group-1/preop", sets), ("p1_data", sets)):
        found = recognise([(ROOT / f"{folder}/{n}.nii.gz", ROOT) for n in names])
        assert {f.patient for f in found} == {"anna", "bert"}


def test_year_month_and_day_in_folders_of_their_own_are_a_date() -> None:
    assert one("PAT-1/2021/03/04/t1.nii.gz").moment.date == dt.date(2021, 3, 4)
    assert one("PAT-1/2021/03/t1.nii.gz").moment.date is None


def test_scans_before_and_after_surgery_of_one_day_are_two_visits() -> None:
    names = ["2021-03-04_preop/t1", "2021-03-04_postop/t1", "2021-03-04_postop/seg", "2021-03-07_postop/t1"]
    found = recognise([(ROOT / f"PAT-1/{name}.nii.gz", ROOT) for name in names])
    before, after, mask, later = (f.moment for f in found)
    assert before.key != after.key == mask.key
    assert (before.date, before.phase) == (dt.date(2021, 3, 4), Phase.PRE_OPERATIVE)
    assert before.sort_key < after.sort_key
    assert later.key == "2021-03-07"
    told = recognise([(ROOT / f"PAT-1/2021-03-04/{n}.nii.gz", ROOT) for n in ("preop_t1", "postop_seg", "flair")])
    assert {f.moment.key for f in told} == {"2021-03-04"}


def test_two_scans_of_one_day_that_a_number_tells_apart_are_two_visits() -> None:
    names = ["2021-03-04_1/t1", "2021-03-04_1/seg", "2021-03-04_2/t1", "2021-03-04_10/t1", "2021-03-07_1/t1"]
    first, mask, second, tenth, later = (
        f.moment for f in recognise([(ROOT / f"PAT-1/{name}.nii.gz", ROOT) for name in names])
    )
    assert first.key == mask.key
    assert first.sort_key < second.sort_key < tenth.sort_key < later.sort_key
    assert {m.date for m in (first, second, tenth)} == {dt.date(2021, 3, 4)}
    assert later.key == "2021-03-07"  # alone on its day
    parts = recognise([(ROOT / f"PAT-1/2021-03-04_{n}/{role}.nii.gz", ROOT) for n, role in ((1, "t1"), (2, "flair"))])
    assert {f.moment.key for f in parts} == {"2021-03-04"}  # one scan in two parts


def test_the_visits_of_rhuh_have_their_phases() -> None:
    found = [one(f"RHUH-0001/{n}/RHUH-0001_{n}_flair.nii.gz") for n in range(3)]
    assert [f.moment.phase for f in found] == [Phase.PRE_OPERATIVE, Phase.EARLY_POST_OPERATIVE, Phase.PROGRESSION]
    assert [f.patient for f in found] == ["RHUH-0001"] * 3


def test_folders_of_sequences_with_a_file_per_patient_hold_several_patients() -> None:
    for top, patients in (("mydata", ("001", "002")), ("study", ("anna", "bert"))):
        names = [f"{top}/{folder}/{p}" for folder in ("T1", "t1ce", "FLAIR", "seg") for p in patients]
        found = recognise([(ROOT / f"{name}.nii.gz", ROOT / top) for name in names])
        assert [f.patient for f in found] == list(patients) * 4
        assert [f.content.role for f in found[::2]] == [T1, T1GD, FLAIR, OTHER]
    for folder in ("PAT-1/T1", "PAT-1/FLAIR", "anna/T1"):
        assert {one(f"{folder}/{n}.nii.gz").patient for n in (1, 2)} == {folder.split("/")[0]}
    for names in (("2019-01-14", "2019-04-17"), ("raw", "brain"), ("series_3", "series_4")):
        files = [f"anna/{folder}/{name}.nii.gz" for folder in ("T1", "FLAIR") for name in names]
        assert {f.patient for f in recognise([(ROOT / name, ROOT) for name in files])} == {"anna"}
    files = [f"anna/2021-03-04/{folder}/{n}.nii.gz" for folder in ("T1", "FLAIR") for n in ("001", "002")]
    assert {f.patient for f in recognise([(ROOT / name, ROOT) for name in files])} == {"anna"}


def test_folders_that_repeat_a_patient_s_key_are_visits() -> None:
    names = ("P001/P001_1/t1", "P001/P001_MR2/t1", "P001/P001_2021-03-04/t1", "P0012/P0012-1/t1", "P002/P0021_1/t1")
    found = [one(f"{name}.nii.gz") for name in (*names, "id-2020/id-2020-001/t1")]
    assert [f.patient for f in found] == ["P001", "P001", "P001", "P0012", "P0021_1", "id-2020-001"]
    assert [f.moment.key for f in found[:3]] == ["P001_1", "P001_MR2", "2021-03-04"]


def test_initials_that_could_tell_how_a_scan_was_taken_are_patients_among_others() -> None:
    for patients in (("AB", "IR"), ("p2", "p3"), ("p1", "p2")):
        found = recognise([(ROOT / f"out/{p}_{role}.nii.gz", ROOT) for p in patients for role in ("t1", "flair")])
        assert {f.patient for f in found} == set(patients)
