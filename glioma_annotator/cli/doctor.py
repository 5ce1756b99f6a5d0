"""`doctor`: is everything there that the program needs, and is a workspace sound?"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator import __version__, app, paths
from glioma_annotator.cli.console import ExitCode, print_json, print_table, progress_bar
from glioma_annotator.cli.home import can_be_written
from glioma_annotator.errors import GliomaError, UserError
from glioma_annotator.imports import import_quietly
from glioma_annotator.inference.cards import CARD, load_card, read_weights
from glioma_annotator.workflow.profiles import load_profile

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

#: Packages as they are installed, and as they are imported.
PACKAGES = {
    "PySide6-Essentials": "PySide6",
    "napari": "napari",
    "torch": "torch",
    "monai": "monai",
    "torchio": "torchio",
    "nibabel": "nibabel",
    "SimpleITK": "SimpleITK",
    "sqlite-utils": "sqlite_utils",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report; `state` is ok, warning or problem."""

    name: str
    state: str
    detail: str


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser("doctor", help="check Python, OpenGL, GPU, packages, models and a workspace")
    parser.add_argument("--workspace", type=Path, help="check this workspace too, every file of it")
    parser.add_argument(
        "--repair", action="store_true", help="with --workspace: remove what interrupted saves and imports left behind"
    )
    parser.add_argument(
        "--verify", action="store_true", help="with --workspace: was anything changed past the program?"
    )
    parser.add_argument("--json", action="store_true", help="report as JSON")
    parser.set_defaults(run=run_doctor)


def run_doctor(args: argparse.Namespace) -> int:
    if (args.repair or args.verify) and not args.workspace:
        raise UserError("--repair and --verify are about a workspace.", "Name it with --workspace DIR.")
    checks = [_python(), _opengl(), _gpu(), *_packages(), _openvino(), *_models(args.workspace), _profile(), _disk()]
    if args.workspace:
        if args.repair:
            checks += [Check("removed", "ok", name) for name in app.repair_workspace(args.workspace)]
        checks += _workspace(args.workspace)
        if args.verify:
            checks += _audit(args.workspace)
    if args.json:
        print_json({"version": __version__, "checks": [asdict(check) for check in checks]})
    else:
        print_table(("CHECK", "STATE", "DETAIL"), [(c.name, c.state, c.detail) for c in checks])
    return ExitCode.USER if any(c.state == "problem" for c in checks) else ExitCode.DONE


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return Check("python", "ok" if good else "problem", where)


def _opengl() -> Check:
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return Check("opengl", "warning", "no screen; the window needs one (commands do not)")
    # A broken driver can take the whole process with it, so the question is asked in another one.
    command = [sys.executable, "-m", "glioma_annotator.ui.opengl"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        facts = json.loads(answer.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        told = str(getattr(error, "stderr", None) or "").strip().splitlines()
        raised = told[:1] == ["Traceback (most recent call last):"]
        why = told[-1 if raised else 0] if told else type(error).__name__
        return Check("opengl", "problem", f"no OpenGL context could be made ({why})")
    return Check("opengl", "ok", f"{facts['version']}, {facts['renderer']}")


def _gpu() -> Check:
    try:
        from glioma_annotator.inference.device import describe_devices
    except Exception:  # noqa: BLE001 - a broken installation raises anything; its line says what
        return Check("gpu", "warning", "not known: torch cannot be loaded")

    found = describe_devices()
    return Check("gpu", "ok", found if found else "none; the CPU is used")


def _packages() -> list[Check]:
    checks = []
    for name, module in PACKAGES.items():
        try:
            version = importlib.metadata.version(name)
            import_quietly(module)
            checks.append(Check(name, "ok", version))
        except importlib.metadata.PackageNotFoundError:
            checks.append(Check(name, "problem", "not installed; run the set-up again"))
        except Exception as error:  # noqa: BLE001 - a broken installation raises anything
            why = (str(error).splitlines() or [""])[0] or type(error).__name__
            checks.append(Check(name, "problem", f"{version} cannot be loaded ({why}); run the set-up again"))
    return checks


def _openvino() -> Check:
    """Without it everything works, but masks on the processor take several times as long."""
    from glioma_annotator.inference import openvino_library

    try:
        found = openvino_library.describe()
    except Exception as error:  # noqa: BLE001 - a broken installation raises anything
        why = (str(error).splitlines() or [""])[0] or type(error).__name__
        return Check("openvino", "warning", f"cannot be loaded ({why}): torch computes, slower; run the set-up again")
    slower = "not installed: torch computes, slower; run the set-up again"
    return Check("openvino", "ok" if found else "warning", found or slower)


def _models(workspace: Path | None) -> list[Check]:
    """Every model with its weights read; of a workspace also whether the models chosen in it are there."""
    if not app.make_segmenter(workspace).models():
        return [Check("models", "problem", "no segmentation model found")]
    files = [file for place in app.model_folders(workspace) for file in sorted(place.glob(f"*/{CARD}"))]
    return [_model(file.parent) for file in files]


def _model(folder: Path) -> Check:
    try:
        card = load_card(folder)
        read_weights(folder, card)
    except GliomaError as error:
        return Check("model", "problem", str(error))
    return Check("model", "ok", f"{card.identity}: {card.title}")


def _profile() -> Check:
    try:
        profile = load_profile()
    except GliomaError as error:
        return Check("profile", "problem", str(error))
    return Check("profile", "ok", f"{profile.name}: {profile.title}")


def _disk() -> Check:
    folder = paths.user_data()
    if not can_be_written(folder):
        return Check("disk", "warning", f"“{folder}” cannot be written; set GLIOMA_HOME to a folder that can")
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    return Check("disk", "ok" if free > 5 else "warning", f"{free:.0f} GiB free for workspaces")


def _audit(folder: Path) -> list[Check]:
    with progress_bar("Checking the audit table") as (report, cancel):
        try:
            signs = app.workspace_tampering(folder, report, cancel)
        except GliomaError as error:
            return [Check("audit", "problem", str(error))]
    if not signs:
        return [Check("audit", "ok", "every record is what the audit table says, and its chain is unbroken")]
    return [Check("audit", "problem", sign) for sign in signs]


def _workspace(folder: Path) -> list[Check]:
    try:
        problems = app.workspace_problems(folder)
    except GliomaError as error:
        return [Check("workspace", "problem", str(error))]
    if not problems:
        return [Check("workspace", "ok", "database and every recorded file are sound")]
    return [Check("workspace", "problem", problem) for problem in problems]
