"""`doctor` on broken installations."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from glioma_annotator.cli import doctor
from glioma_annotator.cli.console import ExitCode
from glioma_annotator.cli.main import main
from glioma_annotator.inference import openvino_library


def checks(capsys: pytest.CaptureFixture[str], code: int) -> dict[str, dict[str, str]]:
    assert main(["doctor", "--json"]) == code
    return {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def test_a_package_that_cannot_be_loaded_is_a_problem_and_the_rest_is_told_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loaded(module: str) -> None:
        if module == "torch":
            raise OSError("libcudart.so.12: cannot open shared object file\nand more")

    monkeypatch.setattr(doctor, "import_quietly", loaded)
    monkeypatch.setitem(sys.modules, "glioma_annotator.inference.device", None)
    found = checks(capsys, ExitCode.USER)
    assert found["torch"]["state"] == "problem"
    assert found["torch"]["detail"].endswith(
        "cannot be loaded (libcudart.so.12: cannot open shared object file); run the set-up again"
    )
    assert found["gpu"] == {"name": "gpu", "state": "warning", "detail": "not known: torch cannot be loaded"}
    assert {found[name]["state"] for name in ("nibabel", "model", "disk")} == {"ok"}


def test_what_openvino_computes_in_is_told_and_why_not() -> None:
    found = doctor._openvino()
    assert found.state == "ok"
    assert re.fullmatch(r"\d+\.\d+\.\d+, computes in (8 bits and )?(bfloat16|float32)", found.detail)


@pytest.mark.parametrize(
    ("there", "told"), [(False, "not installed: torch computes"), (True, "cannot be loaded (libtbb.so.12 is missing):")]
)
def test_without_openvino_the_reader_is_warned(there: bool, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ImportError("libtbb.so.12 is missing\nand more")

    monkeypatch.setattr(openvino_library, "available", lambda: there)
    monkeypatch.setattr(openvino_library, "import_openvino", broken)
    found = doctor._openvino()
    assert found.state == "warning" and told in found.detail


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("Traceback (most recent call last):\n  File\nImportError: libEGL.so.1\n", "ImportError: libEGL.so.1"),
        ("could not connect to display :9\nAvailable plugins are: xcb\n", "could not connect to display :9"),
        ("", "CalledProcessError"),
    ],
)
def test_why_there_is_no_opengl_is_told(told: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(*_: Any, **__: Any) -> None:
        raise subprocess.CalledProcessError(1, "python", stderr=told)

    monkeypatch.setenv("DISPLAY", ":9")
    monkeypatch.setattr(subprocess, "run", failed)
    found = doctor._opengl()
    assert (found.state, found.detail) == ("problem", f"no OpenGL context could be made ({why})")


@pytest.mark.parametrize("option", ["--repair", "--verify"])
def test_what_is_asked_of_no_workspace_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", option]) == ExitCode.USER
    assert "about a workspace" in capsys.readouterr().err


def test_an_empty_folder_is_no_workspace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--workspace", str(tmp_path / "none")]) == ExitCode.USER
    assert "There is no workspace" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()


def test_a_task_profile_of_the_user_s_that_is_wrong_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GLIOMA_HOME", str(tmp_path))
    assert doctor._profile().state == "ok"
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "glioma.json").write_text("{")
    found = doctor._profile()
    assert (found.state, "glioma.json cannot be read" in found.detail) == ("problem", True)
