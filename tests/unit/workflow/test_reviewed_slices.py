from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.errors import UserError
from glioma_annotator.workflow.reviewed_slices import only_reviewed, read_slices, slices_text


@pytest.mark.parametrize(
    ("text", "slices"),
    [("", ()), (" All ", ()), ("7", ((7, 7),)), ("95, 30 - 80", ((30, 80), (95, 95))), ("1–100", ((1, 100),))],
)
def test_slices_are_read_as_they_are_written(text: str, slices: tuple[tuple[int, int], ...]) -> None:
    assert read_slices(text, 100) == slices
    assert read_slices(slices_text(slices), 100) == slices


@pytest.mark.parametrize("text", ["x", "3-", "-3", "0", "101", "9-3", "1,,2", "90-101"])
def test_slices_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UserError):
        read_slices(text, 100)


def test_only_reviewed_slices_are_left_and_the_mask_itself_stays() -> None:
    labels = np.full((2, 3, 5), 3, np.uint8)
    found = only_reviewed(labels, ((2, 3), (5, 5)))
    assert [int(found[0, 0, k]) for k in range(5)] == [IGNORE, 3, 3, IGNORE, 3]
    assert (labels == 3).all()
    assert only_reviewed(labels, ()) is labels
