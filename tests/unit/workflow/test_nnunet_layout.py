"""What a dataset.json of nnU-Net tells, and which case a file belongs to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from glioma_annotator.domain.import_plan import ImportKind
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.workflow.recognition.nnunet import DataSet, Layout, patient_of, read_data_set

LABELS = {
    "values by name": ({"background": 0, "edema": 1, "NCR/NET": 2, "enhancing tumor": 3, "cavity": 4}, [2, 1, 3, 4]),
    "names by value": ({"0": "background", "1": "necrosis", "2": "SNFH", "3": "ET"}, [1, 2, 3]),
    "regions": ({"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]}, [2, 1, 3]),
    "a region of one": ({"background": 0, "ignore": 4, "whole_tumour": [1, 2], "ET": 2}, [2, 3]),
}


@pytest.mark.parametrize("labels", LABELS)
def test_labels_mean_what_their_names_say(labels: str) -> None:
    told, meanings = LABELS[labels]
    found = read_data_set(json.dumps({"labels": told})).labels
    assert found == {0: 0} | dict(enumerate(meanings, 1))


@pytest.mark.parametrize(
    "labels", ({"background": 0, "left hippocampus": 1}, {"background": 0, "ET": {"of": 1}}, {"9" * 5000: "ET"})
)
def test_labels_of_which_one_tells_no_tissue_are_left_to_the_reader(labels: dict[str, object]) -> None:
    assert read_data_set(json.dumps({"labels": labels})).labels is None


def test_channels_are_named_in_either_version() -> None:
    for key in ("channel_names", "modality"):
        told = {"0": "FLAIR", "1": "T1w", "9" * 5000: "T2", "first": "T1"}
        assert read_data_set(json.dumps({key: told})).channels == {0: "FLAIR", 1: "T1w"}


def test_only_files_in_its_folders_follow_the_layout() -> None:
    image, mask = Path("/d/imagesTr/anna_0001.nii.gz"), Path("/d/labelsTr/anna.nii.gz")
    layout = Layout([image, mask], {Path("/d/dataset.json"): DataSet({1: "t1gd"}, {0: 0, 1: 3})})
    told, drawn = layout.case_file(image), layout.case_file(mask)
    assert told is not None and drawn is not None
    assert (told.case, told.content.role, drawn.case, drawn.content.kind, drawn.labels) == (
        *("anna", SequenceRole.T1GD),
        *("anna", ImportKind.MASK, {0: 0, 1: 3}),
    )
    for other in ("/d/anna/anna_0001.nii.gz", "/d/imagesTr/anna.nii.gz", "/d/labelsTr/bert.nii.gz"):
        assert layout.case_file(Path(other)) is None


@pytest.mark.parametrize(
    ("case", "patient"),
    (
        ("P01_2021-03-04", "P01"),
        ("glioma-12_time1", "glioma-12"),
        ("Patient-001_week-000-1", "Patient-001"),
        ("BraTS2021_00006", "BraTS2021_00006"),
        ("postop", "postop"),
    ),
)
def test_a_case_s_patient_is_what_its_name_says_beside_the_moment(case: str, patient: str) -> None:
    assert patient_of(case) == patient
