"""Machines without a screen, or with a home that cannot be written."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from glioma_annotator.cli import doctor, home
from glioma_annotator.cli.main import main
from glioma_annotator.cli.screen import has_screen

linux = pytest.mark.skipif(sys.platform != "linux", reason="displays and folders as on Linux")


@linux
@pytest.mark.parametrize("display", ["", ":4711"])
def test_without_a_screen_that_answers_the_window_is_refused_in_words(
    display: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    assert not has_screen()
    assert main([str(tmp_path)]) == 3
    assert "There is no screen" in capsys.readouterr().err


@pytest.fixture
def writable(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The folders that can be written; all others are as on a read-only disk."""
    folders: set[Path] = set()

    def access(path: Path, mode: int) -> bool:
        return mode & os.W_OK == 0 or any(Path(path).is_relative_to(folder) for folder in folders)

    monkeypatch.setattr(os, "access", access)
    for name in ("XDG_CACHE_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "as before")
    return folders


@linux
def test_caches_stay_where_they_can_be_written(
    writable: set[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writable.add(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    home.find_room_for_caches()
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "cache")


@linux
def test_a_user_without_a_home_has_caches_in_the_programs_folder(
    writable: set[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    writable.add(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("GLIOMA_HOME", str(tmp_path))
    monkeypatch.setattr(Path, "expanduser", homeless)
    home.find_room_for_caches()
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "cache")


@linux
def test_a_user_without_any_home_is_lent_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(*_: object, **__: object) -> str:
        raise RuntimeError("could not determine the home directory")

    lent: list[Path] = []
    monkeypatch.setattr(home.paths.platformdirs, "user_data_dir", homeless)
    monkeypatch.setattr(home.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    monkeypatch.setattr(home.atexit, "register", lambda _remove, place, **_: lent.append(place))
    monkeypatch.setenv("GLIOMA_HOME", "as it was")
    home.lend_home()
    assert (os.environ["GLIOMA_HOME"], lent) == ("as it was", [])
    monkeypatch.setenv("GLIOMA_HOME", "")
    home.lend_home()
    assert (os.environ["GLIOMA_HOME"], lent) == (str(tmp_path), [tmp_path])


@linux
def test_caches_of_a_read_only_home_go_to_the_programs_folder_else_to_one_that_does_not_last(
    writable: set[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GLIOMA_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.delenv("MPLCONFIGDIR")
    (tmp_path / "elsewhere").mkdir()
    writable.add(tmp_path / "elsewhere")
    home.find_room_for_caches()
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "elsewhere" / "cache")
    assert os.environ["MPLCONFIGDIR"] == str(tmp_path / "elsewhere" / "cache" / "matplotlib")
    writable.clear()
    lent: list[Path] = []
    monkeypatch.setattr(home.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    monkeypatch.setattr(home.atexit, "register", lambda _remove, place, **_: lent.append(place))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    home.find_room_for_caches()
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path)
    assert lent == [tmp_path]


@linux
def test_doctor_tells_of_a_home_that_cannot_be_written(writable: set[Path]) -> None:
    found = doctor._disk()
    assert (found.state, "set GLIOMA_HOME" in found.detail) == ("warning", True)
