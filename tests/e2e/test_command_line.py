"""The program by command: import, segment, export, evaluate, doctor, and what it says when something is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from glioma_annotator import __version__
from glioma_annotator.cli.console import ExitCode
from glioma_annotator.cli.main import main
from glioma_annotator.db.workspace import open_workspace
from glioma_annotator.domain.editing import JournalAction, JournalEntry, edit_from_arrays


def run(*arguments: object) -> int:
    return main([str(a) for a in arguments])


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object, code: int = ExitCode.DONE) -> Any:
    capsys.readouterr()
    assert run(*arguments, "--json") == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def workspace(tmp_path: Path, study: Path) -> Path:
    folder = tmp_path / "workspace"
    assert run("import", study, "--workspace", folder, "--yes") == ExitCode.DONE
    return folder


@pytest.mark.parametrize("command", ["demo", "import", "segment", "export", "evaluate", "doctor"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(command, "--help")
    assert stop.value.code == 0
    assert "exit codes" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--version")
    assert __version__ in capsys.readouterr().out


def test_a_study_is_imported_as_recognised(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = run_json(capsys, "import", study, "--workspace", tmp_path / "w", "--yes")
    assert report["imported"]
    assert report["patients"] == ["BraTSReg_002"]
    assert (report["timepoints"], report["images"]) == (2, 8)
    assert {v["day"] for v in report["plan"]["visits"]} == {0, 262}


def test_without_yes_and_a_terminal_nothing_is_imported(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("import", study, "--workspace", tmp_path / "w") == ExitCode.USAGE
    assert "--yes" in capsys.readouterr().out
    assert not (tmp_path / "w").exists()


def test_a_patient_key_can_be_given(study: Path, tmp_path: Path) -> None:
    assert run("import", study, "--workspace", tmp_path / "w", "--patient", "PAT-7", "--yes") == ExitCode.DONE
    with open_workspace(tmp_path / "w") as store:
        assert [p.key for p in store.patients()] == ["PAT-7"]


def test_segmenting_without_accept_saves_nothing(
    workspace: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("segment", "--workspace", workspace, "--patient", "BraTSReg_002", "--model", model)
    report = run_json(capsys, *arguments)
    assert [v["visit"] for v in report["visits"]] == ["day0262"]
    assert report["visits"][0]["volumes_ml"]["ET"] > 1
    assert report["visits"][0]["revision"] is None
    with open_workspace(workspace) as store:
        patient = store.patients()[0]
        assert patient.id is not None
        assert all(not store.revisions(t.id or 0) for t in store.timepoints(patient.id))


def test_accepted_masks_become_revisions_and_are_exported_on_the_files_own_grid(
    workspace: Path, study: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("segment", "--workspace", workspace, "--patient", "BraTSReg_002", "--model", model)
    report = run_json(capsys, *arguments, "--all", "--accept")
    assert [v["revision"] for v in report["visits"]] == [1, 1]
    out = tmp_path / "out"
    files = run_json(capsys, "export", "--workspace", workspace, "--patient", "BraTSReg_002", "--out", out)["files"]
    masks = [nib.load(f) for f in files if "mask" in Path(f).name or "seg" in Path(f).name]
    assert len(masks) == 2
    source = nib.load(study / "tp0_preop_day0000" / "t1ce.nii.gz")
    for mask in masks:
        assert mask.shape == source.shape
        assert np.allclose(mask.affine, source.affine)
        assert set(np.unique(mask.get_fdata()).tolist()) == {0, 3}


def test_strokes_that_were_not_saved_are_kept_when_a_proposal_is_accepted_by_command(
    workspace: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_workspace(workspace) as store:
        visit = store.timepoints(store.patients()[0].id or 0)[-1]
        drawn = np.zeros(visit.grid.shape, np.uint8)
        drawn[:4] = 4
        edit = edit_from_arrays("Brush RC", np.zeros_like(drawn), drawn)
        store.journal(visit.id or 0).append(JournalEntry(JournalAction.EDIT, edit))
    arguments = ("segment", "--workspace", workspace, "--patient", "BraTSReg_002", "--model", model, "--accept")
    report = run_json(capsys, *arguments)
    assert report["visits"][0]["revision"] == 2
    assert "kept as revision 1" in report["visits"][0]["messages"][-1]
    with open_workspace(workspace, read_only=True) as store:
        first, second = store.revisions(visit.id or 0)
        assert np.array_equal(store.load_labels(first), drawn)
        assert second.parent_id == first.id


def test_a_mistyped_workspace_is_refused_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("segment", "--workspace", tmp_path / "typo", "--patient", "P", "--accept")
    assert run(*arguments) == ExitCode.USER
    assert "no workspace" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_loose_files_are_segmented_without_a_workspace(
    case: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, out = case.name, tmp_path / "mask.nii.gz"
    files = {
        role: case / f"{name}_{word}.nii.gz" for role, word in (("t1gd", "t1ce"), ("t2", "t2"), ("flair", "flair"))
    }
    options = [text for role, path in files.items() for text in (f"--{role}", path)]
    report = run_json(capsys, "segment", *options, "--out", out, "--model", model, "--device", "cpu")
    assert report["volumes_ml"]["ET"] > 1
    assert report["model"].startswith("threshold@")
    scores = run_json(capsys, "evaluate", "--reference", case / f"{name}_seg.nii.gz", "--prediction", out)
    assert scores["labels"] == {"reference": "brats2021", "prediction": "program"}
    assert scores["regions"]["ET"]["dice"] > 0.8
    assert scores["regions"]["RC"]["dice"] == 1


def test_a_missing_sequence_is_named_and_nothing_is_written(
    case: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mask.nii.gz"
    t1gd = case / f"{case.name}_t1ce.nii.gz"
    assert run("segment", "--t1gd", t1gd, "--out", out, "--model", model) == ExitCode.USER
    message = capsys.readouterr().err
    assert "T2" in message
    assert "FLAIR" in message
    assert not out.exists()


def test_a_truncated_file_is_named_and_the_workspace_stays_usable(
    workspace: Path, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(study, broken / "PAT-9")
    victim = broken / "PAT-9" / "tp0_preop_day0000" / "flair.nii.gz"
    victim.write_bytes(victim.read_bytes()[:2000])
    run("import", broken, "--workspace", workspace, "--patient", "PAT-9", "--yes")
    assert "flair.nii.gz" in "".join(capsys.readouterr())
    with open_workspace(workspace) as store:
        assert store.check() == []


def test_importing_the_same_study_twice_duplicates_nothing(workspace: Path, study: Path) -> None:
    assert run("import", study, "--workspace", workspace, "--yes") == ExitCode.DONE
    with open_workspace(workspace) as store:
        patient = store.patients()[0]
        assert patient.id is not None
        assert len(store.timepoints(patient.id)) == 2


def test_masks_on_different_grids_are_not_compared(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((5, 6, 7), np.uint8), np.eye(4)), other)
    reference = case / f"{case.name}_seg.nii.gz"
    assert run("evaluate", "--reference", reference, "--prediction", other) == ExitCode.USER
    assert "grid" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("segment",), "nothing to segment"),
        (("segmnt",), "no command"),
        (("segment", "--workspace", "nowhere", "--patient", "P"), "nowhere"),
        (("import", "nowhere", "--workspace", "w"), "nowhere"),
        (("export", "--workspace", "nowhere", "--patient", "P", "--out", "o"), "nowhere"),
        (("evaluate", "--reference", "r.nii.gz", "--prediction", "p.nii.gz"), "r.nii.gz"),
    ],
)
def test_mistakes_are_answered_with_a_sentence_and_leave_nothing(
    arguments: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == ExitCode.USER
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_doctor_checks_a_workspace(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_json(capsys, "doctor", "--workspace", workspace)["checks"][-1]["state"] == "ok"
    next(workspace.rglob("patients/**/*.nii.gz")).write_bytes(b"damaged")
    report = run_json(capsys, "doctor", "--workspace", workspace, code=ExitCode.USER)
    assert report["checks"][-1]["state"] == "problem"
