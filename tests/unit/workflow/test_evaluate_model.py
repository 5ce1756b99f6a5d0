"""A model scored on cases of which some cannot be."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest
from fake_models import BASE, CHANNELS
from made_cases import write_case, write_cases

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT as SCHEME
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.evaluation.run import Conventions, EvaluationResult, evaluate_model


class BrightSegmenter:
    """Calls what is bright on FLAIR oedema, and refuses one on which no brain is bright."""

    def check(self, _model: str, roles: Collection[SequenceRole], _scheme: object) -> None:
        if missing := set(CHANNELS) - set(roles):
            raise UserError(f"The model needs {missing.pop().value}.", "Add it.")

    def segment(
        self, images: dict[SequenceRole, Volume], *_: object, operated: bool | None = None
    ) -> SegmentationOutcome:
        flair = images[SequenceRole.FLAIR].data
        if flair.max() < 10:
            raise UserError("The FLAIR image is empty.", "Choose another one.")
        return SegmentationOutcome((2 * (flair > 170)).astype(np.uint8), BASE, "CPU", 0.1, 1)


def evaluated(cases: Path, out: Path) -> EvaluationResult:
    segmenter = BrightSegmenter()
    return evaluate_model(
        segmenter,  # type: ignore[arg-type]
        "base", [str(cases)], out, SCHEME, Conventions(), "cpu", 0, ignore_progress, CancelToken(),
    )  # fmt: skip


def spoil(case: Path) -> None:
    """Give a case a FLAIR without a brain."""
    empty = write_case(case.parent.parent / "empty" / case.name)
    image = empty / f"{case.name}_seg.nii.gz"
    image.replace(case / f"{case.name}_flair.nii.gz")


def test_a_bad_case_is_named_and_the_others_are_scored(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / "cases", 4)
    spoil(cases / "case2")
    (cases / "case3" / "case3_t2.nii.gz").unlink()
    (cases / "case4" / "case4_seg.nii.gz").write_bytes(b"damaged")
    (cases / "notes").mkdir()
    result = evaluated(cases, tmp_path / "out")
    assert {s.case for s in result.scores} == {"case1"}
    assert result.failed["case2"] == "The FLAIR image is empty. Choose another one."
    assert "needs T2" in result.failed["case3"]
    assert "case4_seg" in result.failed["case4"]
    assert [Path(name).name for name in result.not_scored] == ["notes"]
    page = (tmp_path / "out" / "report.md").read_text()
    assert "on 1 of 4 cases" in page
    assert "| case2 | The FLAIR image is empty." in page
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["failed"] == result.failed


def test_where_every_case_fails_the_reasons_are_told(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / "cases", 2)
    spoil(cases / "case1")
    (cases / "case2" / "case2_t2.nii.gz").unlink()
    with pytest.raises(UserError, match=r"No case could be scored.*case1: The FLAIR") as told:
        evaluated(cases, tmp_path / "out")
    assert "case2: The model needs T2" in told.value.what
