"""Findings, questions, backups and patients by command."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from glioma_annotator.cli.console import ExitCode
from glioma_annotator.cli.main import main
from glioma_annotator.db.workspace import open_workspace
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import Volume

GRID = Grid((6, 4, 3), np.diag([10.0, 10.0, 10.0, 1.0]))


def run(*arguments: object) -> int:
    return main([str(a) for a in arguments])


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    with open_workspace(tmp_path / "w") as store:
        patient = store.add_patient("P1")
        for number in range(2):
            sequences = (Sequence("T1Gd", SequenceRole.T1GD, ""),)
            visit = Timepoint(patient.id or 0, f"v{number}", number, GRID, "T1Gd", day=90 * number, sequences=sequences)
            stored = store.add_timepoint(visit, {"T1Gd": Volume(np.ones(GRID.shape, np.float32), GRID)})
            labels = np.zeros(GRID.shape, np.uint8)
            labels[: 2 + 2 * number, 1, 1] = 3
            store.add_revision(stored, labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="reader")
    return tmp_path / "w"


def add(workspace: Path, *more: object) -> int:
    place = ("--patient", "P1", "--timepoint", "v1", "--kind", "satellite", "--point", "1.5", "-2", "3")
    return run("findings", "add", "--workspace", workspace, *place, *more)


def test_a_finding_is_added_listed_and_exported(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(workspace, "--side", "left", "--text", 'small, "ring"', "--json") == ExitCode.DONE
    added = json.loads(capsys.readouterr().out)
    assert (added["kind"], added["x_mm"], added["y_mm"]) == ("satellite", 1.5, -2.0)
    assert run("findings", "list", "--workspace", workspace, "--json") == ExitCode.DONE
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == [added["id"]]
    assert run("findings", "list", "--workspace", workspace, "--patient", "P1", "--timepoint", "v0") == ExitCode.DONE
    assert "satellite" not in capsys.readouterr().out
    assert run("findings", "export", "--workspace", workspace) == ExitCode.DONE
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["text"], row["side"]) == ('small, "ring"', "left")
    assert add(workspace, "--text", "first line\nsecond line") == ExitCode.DONE
    capsys.readouterr()
    assert run("findings", "list", "--workspace", workspace) == ExitCode.DONE
    assert "first line second line" in capsys.readouterr().out
    file = tmp_path / "f.parquet"
    assert run("findings", "export", "--workspace", workspace, "--format", "parquet", "--out", file) == ExitCode.DONE
    assert pyarrow.parquet.read_table(file).to_pylist()[0]["z_mm"] == 3.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--kind", "spaceship"), "has no term spaceship"),
        (("--patient", "P9"), "no patient P9"),
        (("--timepoint", "v9"), "has no visit v9"),
        (("--label", "XY"), "no label XY"),
        (("--workspace", "nowhere"), "no workspace"),
        (("--point", "99999", "0", "0"), "lies outside the images"),
        (("--point", "nan", "0", "0"), "lies outside the images"),
        (("--text", "gr\udcf6sser"), "not in UTF-8"),
    ],
)
def test_a_finding_that_cannot_be_is_explained(
    workspace: Path, wrong: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(workspace, *wrong) == ExitCode.USER
    assert message in capsys.readouterr().err


def note(workspace: Path, *more: object) -> int:
    return run("notes", "add", "--workspace", workspace, "--patient", "P1", *more)


def test_a_report_is_added_from_a_file_listed_found_and_exported(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.txt"
    report.write_text("Kein Rezidiv.\nStabile Größe.", "utf-8-sig")  # as some editors begin a text
    kind = ("--kind", "radiology report", "--when", "day 91", "--title", "MRI of the head", "--author", "Dr Far")
    assert note(workspace, "--file", report, "--timepoint", "v1", *kind, "--json") == ExitCode.DONE
    added = json.loads(capsys.readouterr().out)
    assert (added["text"], added["day"], added["author"]) == ("Kein Rezidiv.\nStabile Größe.", 91, "Dr Far")
    assert note(workspace, "--text", "asked for a second reading") == ExitCode.DONE
    capsys.readouterr()
    assert run("notes", "list", "--workspace", workspace, "--patient", "P1") == ExitCode.DONE
    listed = capsys.readouterr().out.splitlines()
    assert "radiology report: MRI of the head" in listed[1]
    assert "note: asked for a second reading" in listed[2]
    where = ("--workspace", workspace, "--patient", "P1", "--timepoint", "v1")
    assert run("notes", "export", *where, "--json") == ExitCode.DONE
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == [added["id"]]
    with open_workspace(workspace, read_only=True) as store:
        assert [hit.record for hit in store.search.find("stabile gro")] == [added["id"]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("--text", "  "), "no text"),
        (("--text", "x", "--when", "soon"), "no date and no day"),
        (("--text", "x", "--timepoint", "v9"), "has no visit v9"),
        (("--text", "gr\udcf6sser"), "not in UTF-8"),  # as Python hands over a byte of another encoding
        (("--text", "x", "--workspace", "nowhere"), "no workspace"),
        (("--file", "nothing.txt"), "no file nothing.txt"),
    ],
)
def test_a_note_that_cannot_be_is_explained(
    workspace: Path, wrong: tuple[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert note(workspace, *wrong) == ExitCode.USER
    assert message in capsys.readouterr().err


def test_a_question_is_answered_in_every_format(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = ("cohort", "ET volume up 40 % from nadir", "--workspace", workspace)
    assert run(*question) == ExitCode.DONE
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["patient"], row["timepoint"], round(float(row["ET_ml"]), 9)) == ("P1", "v1", 4.0)
    assert run(*question, "--json") == ExitCode.DONE
    (hit,) = json.loads(capsys.readouterr().out)
    assert hit["y_mm"] == 10.0
    assert run(*question, "--format", "parquet") == ExitCode.USER
    assert "--out" in capsys.readouterr().err
    assert run(*question, "--format", "parquet", "--out", tmp_path / "c.parquet") == ExitCode.DONE
    assert pyarrow.parquet.read_table(tmp_path / "c.parquet").num_rows == 1
    assert run(*question, "--out", tmp_path) == ExitCode.USER
    assert f"{tmp_path} is a folder" in capsys.readouterr().err


def test_a_question_that_cannot_be_read_is_pointed_at(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("cohort", "ET volume up 40 parsecs", "--workspace", workspace) == ExitCode.USER
    message = capsys.readouterr().err
    assert "“parsecs” (character 17)" in message
    assert message.splitlines()[2].index("^") == message.splitlines()[1].index("parsecs")


def test_nothing_found_is_no_error(workspace: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("cohort", "idh mutant", "--workspace", workspace) == ExitCode.DONE
    assert "No visit" in capsys.readouterr().err
    assert run("cohort", "idh mutant", "--workspace", workspace, "--json") == ExitCode.DONE
    assert json.loads(capsys.readouterr().out) == []
    assert run("cohort", "idh mutant", "--workspace", workspace, "--out", tmp_path / "none.csv") == ExitCode.DONE
    assert (tmp_path / "none.csv").read_text().startswith("patient,timepoint,date,day,phase")


def test_a_workspace_is_backed_up_restored_and_verified(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(workspace)
    capsys.readouterr()
    assert run("backup", "--workspace", workspace, "--to", tmp_path / "b", "--json") == ExitCode.DONE
    made = json.loads(capsys.readouterr().out)
    assert made["problems"] == []
    assert run("restore", made["path"], "--to", tmp_path / "r") == ExitCode.DONE
    assert run("restore", made["path"], "--to", tmp_path / "r") == ExitCode.USER
    assert run("restore", tmp_path / "b" / "none.zip", "--to", tmp_path / "r2") == ExitCode.USER
    capsys.readouterr()
    run("doctor", "--workspace", tmp_path / "r", "--verify", "--json")
    checks: dict[str, Any] = {c["name"]: c for c in json.loads(capsys.readouterr().out)["checks"]}
    assert (checks["audit"]["state"], checks["workspace"]["state"]) == ("ok", "ok")


def test_a_patient_goes_from_workspace_to_workspace(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(workspace)
    file, other = tmp_path / "p.zip", tmp_path / "other"
    assert run("patient", "export", "--workspace", workspace, "--patient", "P1", "--out", file) == ExitCode.DONE
    assert run("patient", "export", "--workspace", workspace, "--patient", "P9", "--out", file) == ExitCode.USER
    capsys.readouterr()
    assert run("patient", "import", file, "--workspace", other, "--json") == ExitCode.DONE
    first = json.loads(capsys.readouterr().out)
    assert (first["visits"], first["masks"], first["records"]) == (2, 2, 1)
    assert run("patient", "import", file, "--workspace", other, "--json") == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["known"] == 5
    assert run("patient", "import", tmp_path / "none.zip", "--workspace", tmp_path / "new") == ExitCode.USER
    assert not (tmp_path / "new").exists()
