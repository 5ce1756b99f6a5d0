"""`measure` and `rano` on a workspace on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from courses import ET, GRID, SNFH, Box, Course

from glioma_annotator.cli.console import ExitCode
from glioma_annotator.cli.main import main
from glioma_annotator.db.workspace import open_workspace
from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.histology import HistologySample, Marker, MarkerResult, MarkerStatus, SampleKind
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.response import ResponseCategory, ResponseMethod
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.alignment import SameWorld
from glioma_annotator.workflow.patient_course import load_course
from glioma_annotator.workflow.profiles import load_profile
from glioma_annotator.workflow.response import assess_response, decide, measure_lesions

SMALL: Box = (ET, (28, 20, 8), (4, 4, 4))
LARGE: Box = (ET, (28, 20, 8), (6, 6, 5))
OEDEMA: Box = (SNFH, (26, 18, 7), (9, 9, 8))


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    capsys.readouterr()
    assert main([str(a) for a in (*arguments, "--json")]) == ExitCode.DONE
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A patient with three visits: before surgery, after radiotherapy, and grown, decided to be progression."""
    folder = tmp_path / "workspace"
    with open_workspace(folder) as store:
        course = Course(store)
        course.visit(0, OEDEMA, LARGE, phase=TreatmentPhase.PRE_OPERATIVE)
        course.visit(90, OEDEMA, SMALL, phase=TreatmentPhase.POST_RT_BASELINE)
        course.visit(200, OEDEMA, LARGE)
        store.events.add(ClinicalEvent("P", EventKind.STEROIDS, day=100, dose_mg=2))
        ki67 = MarkerResult(Marker.KI67, MarkerStatus.RESULT, percent=25.0)
        points = ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
        sample = HistologySample("P", SampleKind.RESECTION, day=4, timepoint="V0", sites_mm=points, markers=(ki67,))
        store.histology.add(sample)
        loaded, token = load_course(store, "P"), CancelToken()
        measured = measure_lesions(store, loaded, load_profile(), SameWorld(), ignore_progress, token)
        proposal = assess_response(store, measured).proposals[-1]
        decide(store, "P", ResponseMethod.BIDIMENSIONAL, proposal, ResponseCategory.PD, "Dr Reader", "as proposed")
    return folder


def test_measure_reports_volumes_change_features_and_files(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plots = tmp_path / "plots"
    found = run_json(capsys, "measure", "--workspace", workspace, "--patient", "P", "--vasari", "--plots", plots)
    assert (found["patient"], found["baseline"]) == ("P", "V1")
    before, baseline, grown = found["timepoints"]
    assert grown["day"] == 200
    assert abs(grown["regions"]["ET"]["volume_ml"] - 180 * GRID.voxel_volume_ml) < 1e-9
    assert grown["regions"]["ET"]["from_baseline"] == pytest.approx(180 / 64 - 1)
    assert before["labels"]["ET"]["from_baseline"] is None
    assert {f["feature"]: f["text"] for f in baseline["vasari"]}["F26"] == "34 to 67 %"
    (sample,) = found["histology"]
    assert (sample["kind"], sample["day"], sample["ki67"], sample["idh1"]) == ("resection", 4, "25 %", "")
    assert sample["sites_mm"] == [[1, 2, 3], [4, 5, 6]]
    assert "histology" in (plots / "volumes.svg").read_text(encoding="utf-8")
    assert sorted(found["files"]) == sorted(str(p) for p in plots.iterdir())


def test_rano_reports_proposals_reasons_inputs_and_the_decision(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run_json(capsys, "rano", "--workspace", workspace, "--patient", "P")
    assert set(found["methods"]) == {"bidimensional", "volumetric"}
    baseline, grown = found["methods"]["bidimensional"]["assessments"]
    assert (baseline["proposed"], grown["proposed"]) == ("baseline", "PD")
    assert any("at least 25% more" in reason for reason in grown["reasons"])
    assert grown["inputs"]["steroid_mg"] == 2
    assert (grown["decided"]["category"], grown["decided"]["reader"]) == ("PD", "Dr Reader")
    assert found["methods"]["volumetric"]["assessments"][1]["decided"] is None
    assert [lesion["change"] for lesion in found["lesions"]["V2"]] == ["grown"]


@pytest.mark.parametrize("command", ["measure", "rano"])
def test_on_a_terminal_both_print_tables(command: str, workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--workspace", str(workspace), "--patient", "P"]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert ("FROM NADIR" if command == "measure" else "PROPOSED") in out
    assert ("+181%" if command == "measure" else "PD (Dr Reader)") in out


@pytest.mark.parametrize("command", ["measure", "rano"])
def test_an_unknown_patient_is_refused_by_name(
    command: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--workspace", str(workspace), "--patient", "Q"]) == ExitCode.USER
    assert "no patient Q" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["measure", "rano"])
def test_a_workspace_that_is_not_there_is_refused_and_not_made(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--workspace", str(tmp_path / "none"), "--patient", "P"]) == ExitCode.USER
    assert not (tmp_path / "none").exists()
