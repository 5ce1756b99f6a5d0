"""What the values of a mask mean."""

from __future__ import annotations

import numpy as np

from glioma_annotator.domain.labels import BRATS_2021_TO_PROGRAM
from glioma_annotator.imaging.label_codec import count_values, propose_mapping
from glioma_annotator.workflow.recognition.conventions import POST_TREATMENT


def counts(*values: int) -> dict[int, int]:
    return dict.fromkeys((0, *values), 10)


def test_values_are_counted_with_background() -> None:
    assert count_values(np.array([[[0, 0, 4, 2, 4]]], np.uint8)) == {0: 2, 2: 1, 4: 2}


def test_a_four_without_a_three_is_enhancing_tumour_of_brats_2021() -> None:
    mapping, warnings = propose_mapping(counts(1, 2, 4))
    assert mapping == {0: 0, 1: 1, 2: 2, 4: 3}
    assert "BraTS 2017-2021" in warnings[0]


def test_a_four_beside_a_three_is_a_resection_cavity() -> None:
    assert propose_mapping(counts(1, 2, 3, 4)) == ({0: 0, 1: 1, 2: 2, 3: 3, 4: 4}, ())


def test_a_three_in_the_patient_s_other_masks_makes_a_four_a_cavity() -> None:
    assert propose_mapping(counts(2, 4), siblings={1, 2, 3})[0] == {0: 0, 2: 2, 4: 4}


def test_a_four_alone_after_surgery_is_a_cavity() -> None:
    mapping, warnings = propose_mapping(counts(2, 4), operated=True)
    assert mapping == {0: 0, 2: 2, 4: 4}
    assert "resection cavity" in warnings[0]
    assert propose_mapping(counts(2, 4))[0][4] == 3
    assert propose_mapping(counts(1, 2, 4), operated=True)[0][4] == 3
    assert propose_mapping(counts(2, 4), siblings={1, 2, 4}, operated=True)[0][4] == 3


def test_the_name_decides_where_values_are_ambiguous() -> None:
    assert propose_mapping(counts(2, 4), POST_TREATMENT) == ({0: 0, 2: 2, 4: 4}, ())
    assert propose_mapping(counts(1, 2, 4), BRATS_2021_TO_PROGRAM) == ({0: 0, 1: 1, 2: 2, 4: 3}, ())


def test_values_that_contradict_the_name_are_read_as_the_program_s_with_a_warning() -> None:
    mapping, warnings = propose_mapping(counts(1, 2, 3), BRATS_2021_TO_PROGRAM)
    assert mapping == {0: 0, 1: 1, 2: 2, 3: 3}
    assert len(warnings) == 1


def test_unknown_values_are_left_out_and_named() -> None:
    mapping, warnings = propose_mapping(counts(1, 2, 3, 7, 255))
    assert mapping == {0: 0, 1: 1, 2: 2, 3: 3, 7: 0, 255: 0}
    assert "7, 255 (20 voxels)" in warnings[0]


def test_a_single_value_is_to_be_checked_by_the_reader() -> None:
    mapping, warnings = propose_mapping(counts(1))
    assert mapping == {0: 0, 1: 1}
    assert "check which tissue" in warnings[0]


def test_an_empty_mask_is_said_to_be_empty() -> None:
    assert propose_mapping({0: 100}) == ({0: 0}, ("The mask is empty.",))
