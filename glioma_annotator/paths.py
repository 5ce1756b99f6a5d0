"""Where the program finds its own files and the user's."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

_APP = "glioma-annotator"


def resources() -> Path:
    """The folder with the shipped models and icons: beside the package in a checkout, inside it when installed."""
    installed = Path(__file__).parent / "resources"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "resources"


def user_data() -> Path:
    """The user's data folder of this program; `GLIOMA_HOME` overrides it."""
    override = os.environ.get("GLIOMA_HOME")
    return Path(override) if override else Path(platformdirs.user_data_dir(_APP, appauthor=False))


def default_workspace() -> Path:
    return user_data() / "workspace"


def settings_file() -> Path:
    return user_data() / "settings.json"


def log_folder() -> Path:
    return user_data() / "logs"


def demo_cache() -> Path:
    return user_data() / "demo"


def network_cache() -> Path:
    """Where converted networks are kept; they can be made anew at any time. `GLIOMA_CACHE` overrides it."""
    override = os.environ.get("GLIOMA_CACHE")
    return (Path(override) if override else Path(platformdirs.user_cache_dir(_APP, appauthor=False))) / "networks"
