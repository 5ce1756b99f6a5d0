"""Scores of many masks, their summaries, and the report."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from made_cases import write_case, write_cases

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT as SCHEME
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.nifti import read_labels, write_labels
from glioma_annotator.progress import CancelToken, Progress, ignore_progress
from glioma_annotator.workflow.evaluate import evaluate_files
from glioma_annotator.workflow.evaluation import plots
from glioma_annotator.workflow.evaluation.report import write_tables
from glioma_annotator.workflow.evaluation.run import Conventions, EvaluationResult, evaluate_folders
from glioma_annotator.workflow.evaluation.scores import score_case
from glioma_annotator.workflow.evaluation.statistics import presences, summarise

GRID = Grid((12, 12, 12), np.diag([2.0, 2.0, 2.0, 1.0]))


def volume(value: int, *slices: slice) -> Volume:
    labels = np.zeros(GRID.shape, np.uint8)
    labels[slices] = value
    return Volume(labels, GRID)


def saved(path: Path, *values: int) -> Path:
    """A mask file that is not marked as the program's, 3 planes of each value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.zeros((12, 12, 12), np.uint8)
    for number, value in enumerate(values):
        labels[3 * number : 3 * number + 3] = value
    nib.save(nib.Nifti1Image(labels, np.eye(4)), path)
    return path


def evaluated(references: Path, predictions: Path, out: Path | None = None, seed: int = 0) -> EvaluationResult:
    return evaluate_folders(references, predictions, out, SCHEME, Conventions(), seed, ignore_progress, CancelToken())


def test_volume_errors_are_in_millilitres_and_per_cent() -> None:
    scores = {s.region: s for s in score_case("A", volume(3, slice(2, 6)), volume(3, slice(2, 5)), SCHEME)}
    assert scores["ET"].reference_ml == pytest.approx(4 * 144 * 0.008)
    assert scores["ET"].volume_error_percent == pytest.approx(-25)
    assert scores["ET"].volume_error_ml == pytest.approx(-144 * 0.008)
    assert scores["ET"].surface_mm is not None
    rc = scores["RC"]
    assert (rc.dice, rc.surface_mm, rc.volume_error_percent, rc.present) == (1, 0, None, False)


def test_masks_on_other_grids_are_refused_with_the_case_named() -> None:
    other = Volume(np.zeros((12, 12, 12), np.uint8), Grid(GRID.shape, np.eye(4)))
    with pytest.raises(UserError, match="case7"):
        score_case("case7", other, volume(3), SCHEME)


def test_summaries_give_median_beside_mean_and_seeded_intervals() -> None:
    scores = []
    for number, stop in enumerate((3, 4, 5, 6, 10)):
        scores += score_case(f"{number}", volume(3, slice(2, 10)), volume(3, slice(2, stop)), SCHEME)
    dice = next(s for s in summarise(scores) if (s.region, s.figure) == ("ET", "dice"))
    expected = [2 * n / (8 + n) for n in (1, 2, 3, 4, 8)]
    assert dice.median == pytest.approx(np.median(expected))
    assert dice.mean == pytest.approx(np.mean(expected))
    assert dice.mean_interval is not None
    assert dice.mean_interval[0] < dice.mean < dice.mean_interval[1]
    assert summarise(scores, 1) == summarise(scores, 1) != summarise(scores, 2)
    alone = summarise(scores[:4])
    assert all(s.mean_interval is None for s in alone)


def test_regions_that_a_case_lacks_are_counted_beside_their_volume() -> None:
    there = score_case("A", volume(3, slice(2, 6)), volume(3, slice(2, 5)), SCHEME)
    invented = score_case("B", volume(2, slice(2, 6)), volume(3, slice(2, 3)), SCHEME)
    missed = score_case("C", volume(3, slice(2, 6)), volume(0), SCHEME)
    et = next(p for p in presences([*there, *invented, *missed]) if p.region == "ET")
    assert (et.present, et.found, et.absent, et.invented) == (2, 1, 1, 1)
    assert et.invented_ml == pytest.approx(144 * 0.008)
    assert et.mean_dice == pytest.approx((6 / 7 + 0) / 2)
    hd95 = next(s for s in summarise([*there, *invented, *missed]) if (s.region, s.figure) == ("ET", "hd95_mm"))
    assert (hd95.cases, hd95.missing) == (1, 2)


def test_folders_are_matched_by_case_and_reported(tmp_path: Path) -> None:
    references = write_cases(tmp_path / "cases", 3)
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for number in (1, 2, 3):
        mask = read_labels(references / f"case{number}" / f"case{number}_seg.nii.gz")
        labels = np.where(mask.labels == 4, 3, mask.labels).astype(np.uint8)
        labels[:, :, : 8 + number] = 0
        write_labels(predictions / f"case{number}.nii.gz", labels, mask.grid)
    reports: list[Progress] = []
    result = evaluate_folders(
        references, predictions, tmp_path / "out", SCHEME, Conventions(), 3, reports.append, CancelToken()
    )
    assert len(result.scores) == 3 * len(SCHEME.regions)
    assert all(0 < s.dice < 1 for s in result.scores if s.region == "WT")
    assert reports[-1].fraction == 1
    with (tmp_path / "out" / "cases.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows[:: len(SCHEME.regions)]] == ["case1", "case2", "case3"]
    assert float(rows[0]["dice"]) == pytest.approx(result.scores[0].dice, abs=1e-5)
    for name in ("summary.csv", "evaluation.json", "boxes.png", "boxes.svg", "worst.png"):
        assert (tmp_path / "out" / name).stat().st_size > 200
    page = (tmp_path / "out" / "report.md").read_text()
    assert "median" in page
    assert "BraTS 2023" in page


def test_equal_masks_have_no_worst_slice_nor_that_of_an_earlier_evaluation(tmp_path: Path) -> None:
    references = write_cases(tmp_path / "cases", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "worst.png").write_bytes(b"earlier")
    result = evaluated(references, references, tmp_path / "out")
    assert all(score.dice == 1 for score in result.scores)
    assert not (tmp_path / "out" / "worst.png").exists()
    assert "worst.png" not in (tmp_path / "out" / "report.md").read_text()


def test_worst_slices_are_in_order_of_what_differs_in_ml_not_of_what_nobody_reviewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, wrong, spacing, reviewed in (("a", 20, 1.0, 12), ("b", 4, 3.0, 12), ("c", 1, 1.0, 4)):
        truth, found = np.zeros(GRID.shape, np.uint8), np.zeros(GRID.shape, np.uint8)
        found.reshape(-1)[np.arange(wrong) * 12] = 3
        truth[reviewed:] = 255
        grid = Grid(GRID.shape, np.diag([spacing, spacing, spacing, 1.0]))
        for side, labels in (("R", truth), ("P", found)):
            (tmp_path / side).mkdir(exist_ok=True)
            write_labels(tmp_path / side / f"{name}.nii.gz", labels, grid)
    drawn: list[str] = []
    monkeypatch.setattr(plots, "draw_worst", lambda _folder, slices, _scheme: drawn.extend(s.case for s in slices))
    evaluated(tmp_path / "R", tmp_path / "P", tmp_path / "out")
    assert drawn == ["b", "a", "c"]


def test_a_reference_without_a_prediction_is_refused(tmp_path: Path) -> None:
    references = write_cases(tmp_path / "cases", 2)
    one = tmp_path / "one"
    write_case(one / "case1")
    with pytest.raises(UserError, match="no prediction for case2"):
        evaluated(references, one)
    assert {score.case for score in evaluated(one, references).scores} == {"case1"}


def test_folders_without_masks_are_refused(tmp_path: Path) -> None:
    references = write_cases(tmp_path / "cases", 1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no masks"):
        evaluated(references, tmp_path / "empty")
    with pytest.raises(UserError, match="no folder"):
        evaluated(references, tmp_path / "missing")
    for name in ("a.nii.gz", "a_seg.nii.gz"):
        nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.uint8), np.eye(4)), tmp_path / "empty" / name)
    with pytest.raises(UserError, match="two masks for “a”"):
        evaluated(references, tmp_path / "empty")


def dice(result: EvaluationResult, case: str) -> dict[str, float]:
    return {s.region: s.dice for s in result.scores if s.case == case}


def test_references_in_the_program_s_labels_count_for_predictions(tmp_path: Path) -> None:
    saved(tmp_path / "r" / "a.nii.gz", 1, 2, 3)
    saved(tmp_path / "p" / "a.nii.gz", 1, 2, 4)
    result = evaluated(tmp_path / "r", tmp_path / "p")
    assert (dice(result, "a")["ET"], dice(result, "a")["RC"]) == (0, 0)
    assert result.facts["labels"] == {"reference": "program", "prediction": "program"}


def test_one_mask_with_a_three_tells_for_all_of_its_folder(tmp_path: Path) -> None:
    saved(tmp_path / "r" / "a.nii.gz", 1, 2, 4)
    saved(tmp_path / "r" / "b.nii.gz", 1, 2, 3)
    write_labels(tmp_path / "r" / "own.nii.gz", np.full((12, 12, 12), 3, np.uint8), Grid((12, 12, 12), np.eye(4)))
    result = evaluated(tmp_path / "r", tmp_path / "r")
    a = next(s for s in result.scores if (s.case, s.region) == ("a", "RC"))
    assert a.present


def test_masks_of_the_program_are_compared_with_references_of_brats_2021(tmp_path: Path) -> None:
    reference = saved(tmp_path / "r" / "a.nii.gz", 1, 2, 4)
    mask = read_labels(reference)
    (tmp_path / "p").mkdir()
    write_labels(tmp_path / "p" / "a.nii.gz", np.where(mask.labels == 4, 3, mask.labels).astype(np.uint8), mask.grid)
    result = evaluated(tmp_path / "r", tmp_path / "p")
    assert set(dice(result, "a").values()) == {1}
    assert result.facts["labels"] == {"reference": "brats2021", "prediction": "program"}


def test_mask_files_beside_case_folders_are_refused(tmp_path: Path) -> None:
    mixed = saved(tmp_path / "r" / "a.nii.gz", 2).parent
    saved(mixed / "old" / "b_seg.nii.gz", 2)
    with pytest.raises(UserError, match="both mask files"):
        evaluated(mixed, mixed)


def test_what_is_not_scored_is_listed(tmp_path: Path) -> None:
    for place in ("r/a/a_seg", "r/odd/odd_gt", "p/a", "p/z"):
        saved(tmp_path / f"{place}.nii.gz", 2)
    (tmp_path / "r" / "out").mkdir()
    result = evaluated(tmp_path / "r", tmp_path / "p", tmp_path / "r" / "out")
    assert {Path(name).name for name in result.not_scored} == {"odd", "z"}
    assert "odd" in (tmp_path / "r" / "out" / "report.md").read_text()


def test_one_case_s_name_may_be_written_in_two_ways(tmp_path: Path) -> None:
    saved(tmp_path / "r" / "Mu\u0308ller_SEG.nii.gz", 2)
    saved(tmp_path / "p" / "M\u00fcller.nii.gz", 2)
    saved(tmp_path / "c" / "Mu\u0308ller" / "mask.nii.gz", 2)
    for references in ("r", "c"):
        assert {s.case for s in evaluated(tmp_path / references, tmp_path / "p").scores} == {"M\u00fcller"}


def test_two_files_can_have_a_report(tmp_path: Path) -> None:
    reference, prediction = saved(tmp_path / "r$1_$_seg.nii.gz", 1, 2), saved(tmp_path / "p.nii.gz", 2, 1)
    assert {s.case for s in evaluated(reference, prediction, tmp_path / "out").scores} == {"r$1_$"}
    assert "Labels read as: reference program, prediction program." in (tmp_path / "out" / "report.md").read_text()


def test_names_and_reasons_stay_in_their_cells_of_the_page(tmp_path: Path) -> None:
    scores = score_case("a|b", volume(3, slice(2, 6)), volume(3, slice(2, 5)), SCHEME)
    facts = {"failed": {"c|d": "One line.\nAnother."}}
    write_tables(tmp_path, "Title", scores, summarise(scores), facts, {})
    page = (tmp_path / "report.md").read_text()
    assert "| c\\|d | One line. Another. |" in page
    assert "| a\\|b | ET |" in page


def test_a_case_named_like_a_formula_is_none_in_the_table(tmp_path: Path) -> None:
    scores = score_case("=A1+B1", volume(3, slice(2, 6)), volume(3, slice(2, 5)), SCHEME)
    write_tables(tmp_path, "Title", scores, summarise(scores), {}, {})
    with (tmp_path / "cases.csv").open(newline="") as file:
        assert {row["case"] for row in csv.DictReader(file)} == {"'=A1+B1"}


def test_a_reference_of_which_nothing_was_reviewed_scores_nothing(tmp_path: Path) -> None:
    everywhere = (slice(None),) * 3
    with pytest.raises(UserError, match="case7: nothing in the reference was reviewed"):
        score_case("case7", volume(255, *everywhere), volume(3), SCHEME)
    reference, prediction = saved(tmp_path / "r.nii.gz", 255, 255, 255, 255), saved(tmp_path / "p.nii.gz", 3)
    with pytest.raises(UserError, match="nothing in the reference was reviewed"):
        evaluate_files(reference, prediction, SCHEME)
