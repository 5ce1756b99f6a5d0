"""Case folders in BraTS naming."""

from __future__ import annotations

from pathlib import Path

import pytest

from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.case_files import find_cases, read_case


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_both_generations_of_names_are_read(tmp_path: Path) -> None:
    old = [f"BraTS2021_1_{end}.nii.gz" for end in ("t1", "t1ce", "t2", "flair", "seg")]
    new = [f"BraTS-GLI-2-{end}.nii.gz" for end in ("t1n", "t1c", "t2w", "t2f", "seg")]
    for folder, names in ((tmp_path / "a", old), (tmp_path / "b", new)):
        case = read_case(touch(folder, *names, "readme.txt"))
        assert case is not None
        images = {role: path.name for role, path in case.images.items()}
        roles = (SequenceRole.T1, SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)
        assert images == dict(zip(roles, names[:4], strict=True))
        assert case.mask == folder / names[4]


def test_cases_are_found_in_a_folder_by_pattern_or_alone(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        touch(tmp_path / "set" / name, "t1ce.nii", "seg.nii")
    touch(tmp_path / "set" / "notes", "readme.txt")
    assert [case.name for case in find_cases([tmp_path / "set"])] == ["a", "b", "c"]
    assert [case.name for case in find_cases([str(tmp_path / "set" / "[ab]")])] == ["a", "b"]
    assert [case.name for case in find_cases([tmp_path / "set" / "b", tmp_path / "set"])] == ["a", "b", "c"]


def test_a_folder_may_be_named_like_a_pattern(tmp_path: Path) -> None:
    folder = touch(tmp_path / "set [1]" / "a", "t1ce.nii").parent
    assert [case.name for case in find_cases([folder])] == ["a"]


def test_a_case_without_a_mask_is_found(tmp_path: Path) -> None:
    (case,) = find_cases([touch(tmp_path / "x", "x_flair.nii.gz")])
    assert case.mask is None


def test_a_place_without_cases_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no cases"):
        find_cases([touch(tmp_path / "x", "picture.png")])
    with pytest.raises(UserError, match="no cases"):
        find_cases([tmp_path / "missing"])


def test_two_files_for_one_sequence_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two files for T2"):
        read_case(touch(tmp_path / "x", "a_t2.nii.gz", "b-t2w.nii.gz"))
    with pytest.raises(UserError, match="two files for the mask"):
        read_case(touch(tmp_path / "y", "a_seg.nii.gz", "a_mask.nii.gz"))
    with pytest.raises(UserError, match="two files for the mask"):
        read_case(touch(tmp_path / "z", "a_segmentations.nii.gz", "a_seg.nii.gz"))


def test_visits_of_several_patients_are_told_apart_by_the_folder_above(tmp_path: Path) -> None:
    for visit in ("PAT-1/preop", "PAT-1/recurrence", "PAT-2/preop"):
        touch(tmp_path / visit, "T1Gd.nii.gz", "mask.nii.gz")
    found = find_cases([str(tmp_path / "PAT-*")])
    assert [case.name for case in found] == ["PAT-1_preop", "PAT-2_preop", "recurrence"]
    assert [case.mask for case in found][:2] == [tmp_path / f"PAT-{n}" / "preop" / "mask.nii.gz" for n in (1, 2)]
    assert [case.name for case in find_cases([tmp_path / "PAT-1"])] == ["preop", "recurrence"]
    again = find_cases([tmp_path / "PAT-1", tmp_path / "PAT-1" / "preop"])
    assert [case.name for case in again] == ["preop", "recurrence"]  # one folder, named twice


def test_two_cases_of_one_name_are_refused(tmp_path: Path) -> None:
    for side in ("left", "right"):
        touch(tmp_path / side / "set" / "x", "t2.nii")
    with pytest.raises(UserError, match="called “set_x”"):
        find_cases([tmp_path / "left" / "set", tmp_path / "right" / "set"])


def test_hidden_files_that_macos_leaves_beside_others_are_passed_over(tmp_path: Path) -> None:
    names = ("a_t1.nii.gz", "a_seg.nii.gz")
    case = read_case(touch(tmp_path / "a", *names, *(f"._{name}" for name in names)))
    assert case is not None
    assert list(case.images) == [SequenceRole.T1]
    assert case.mask == tmp_path / "a" / "a_seg.nii.gz"
