"""Fixtures shared by every test."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# How long an example takes says more about the machine than about the program.
hypothesis.settings.register_profile("glioma-annotator", deadline=None)
hypothesis.settings.load_profile("glioma-annotator")


@pytest.fixture(scope="session")
def realdata_root() -> Path:
    """The folder of real MRI; tests that ask for it are skipped where it is absent."""
    named = os.environ.get("GLIOMA_TEST_DATA")
    root = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not root.is_dir():
        pytest.skip("real MRI is absent: set GLIOMA_TEST_DATA to its folder")
    return root


@pytest.fixture(scope="session")
def network_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted networks, shared by all tests: converting takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, network_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, logs, caches and workspaces of a test never touch the user's."""
    monkeypatch.setenv("GLIOMA_CACHE", str(network_cache))
    monkeypatch.setenv("GLIOMA_HOME", str(tmp_path_factory.mktemp("home")))
