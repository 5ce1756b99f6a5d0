"""`evaluate` on folders and on models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_cases import write_cases
from tiny_models import enhancing_network, tiny_card

from glioma_annotator.cli.console import ExitCode
from glioma_annotator.cli.main import main
from glioma_annotator.inference.model_folder import save_model


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    return write_cases(tmp_path / "cases", 2)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    save_model(tmp_path / "tiny", tiny_card(), enhancing_network())
    return tmp_path / "tiny"


def run(*arguments: object, code: int = ExitCode.DONE) -> None:
    assert main(["evaluate", *[str(a) for a in arguments]]) == code


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    run(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


def test_a_model_segments_every_case_and_is_scored(
    cases: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    report = run_json(capsys, "--model", tiny, "--cases", cases, "--out", out, "--device", "cpu")
    assert report["model"].startswith("tiny@")
    assert {row["case"] for row in report["cases"]} == {"case1", "case2"}
    assert sorted(path.name for path in (out / "masks").iterdir()) == ["case1.nii.gz", "case2.nii.gz"]
    assert {"report.md", "cases.csv", "summary.csv", "boxes.png"} <= {path.name for path in out.iterdir()}
    again = run_json(capsys, "--reference", cases, "--prediction", out / "masks")
    assert again["cases"] == report["cases"]
    both = run_json(capsys, "--model", tiny, "--model", tiny, "--cases", cases, "--out", tmp_path / "both")
    assert [row["dice"] for row in both["cases"]] == [row["dice"] for row in report["cases"]]


def test_folders_are_shown_case_by_case_with_the_rules(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--reference", cases, "--prediction", cases)
    shown = capsys.readouterr().out
    assert "case2" in shown
    assert "MEDIAN DICE" in shown
    assert "BraTS 2023" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--reference", "cases"),
        ("--reference", "cases", "--prediction", "cases/case1/case1_seg.nii.gz"),
        ("--model", "m", "--out", "o"),
        ("--model", "m", "--cases", "cases"),
        ("--cases", "cases", "--out", "o"),
        ("--model", "m", "--cases", "cases", "--out", "o", "--reference", "cases"),
        ("--model", "no-such-model", "--cases", "cases", "--out", "o"),
        ("--model", "glioma", "--cases", "nowhere", "--out", "o"),
    ],
)
def test_what_does_not_make_sense_is_told(
    arguments: tuple[str, ...], cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(*arguments, code=ExitCode.USER)


def test_a_negative_seed_is_refused(cases: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--reference", cases, "--prediction", cases, "--seed", -1, code=ExitCode.USER)
    assert "seed" in capsys.readouterr().err


def test_the_report_of_two_files_is_written(cases: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = cases / "case1" / "case1_seg.nii.gz"
    run("--reference", mask, "--prediction", mask, "--out", tmp_path / "out")
    assert "report.md" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.md").is_file()


def test_a_case_that_fails_is_told_and_the_exit_code_says_so(
    cases: Path, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cases / "case2" / "case2_seg.nii.gz").write_bytes(b"damaged")
    (cases / "notes").mkdir()
    run("--model", tiny, "--cases", cases, "--out", tmp_path / "out", "--device", "cpu", code=ExitCode.USER)
    shown = capsys.readouterr().out
    assert "Not scored: case2: " in shown
    assert "Not scored: 1 (" in shown
    assert "Labels read as: reference brats2021, prediction program." in shown
