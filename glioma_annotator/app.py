"""The composition root: the one place that wires store, engines and window together.

Nothing here imports torch: the segmenter loads it when it is first asked to segment, so the window opens before.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator import paths
from glioma_annotator.inference.brain import ModelBrainFinder
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.settings import SegmentationSettings, Settings, load_settings, save_settings
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.study import StudySession

if TYPE_CHECKING:
    from glioma_annotator.adaptation.adapter import ModelAdapter
    from glioma_annotator.db.models import ModelShelf
    from glioma_annotator.db.workspace import Workspace
    from glioma_annotator.domain.archive import BackupSummary, MergeSummary
    from glioma_annotator.ui.services import Services
    from glioma_annotator.workflow.model_ports import Shelf


def open_store(path: Path, *, read_only: bool = False) -> Store:
    """Open a workspace folder, making it when absent; fulfils `workflow.ports.StoreOpener`."""
    from glioma_annotator.db.workspace import open_workspace

    return open_workspace(path, read_only=read_only, actor=load_settings().author)


def open_for_command(path: Path) -> Workspace:
    """Open a workspace for writing without a window; its database is backed up when that is due."""
    from glioma_annotator.db.workspace import open_workspace

    settings = load_settings()
    workspace = open_workspace(path, actor=settings.author)
    try:
        if workspace.backup_due(settings.backup.every_days):
            workspace.back_up(settings.backup.kept)
    except BaseException:
        workspace.close()
        raise
    return workspace


def workspace_problems(path: Path) -> list[str]:
    """What is wrong with a workspace, one sentence each; opens it for reading only. Raises as `open_store`."""
    from glioma_annotator.db.workspace import open_workspace

    with open_workspace(path, read_only=True) as workspace:
        found = [f"{issue.what} {issue.todo}".strip() for issue in workspace.check()]
        return [*found, *make_shelf(workspace).problems()]


def workspace_tampering(path: Path, report: Report, cancel: CancelToken) -> list[str]:
    """Every sign that records were changed past the program, one sentence each. Raises as `open_store`."""
    from glioma_annotator.db.workspace import open_workspace

    with open_workspace(path, read_only=True) as workspace:
        return workspace.verify(report, cancel)


def back_up_workspace(path: Path, folder: Path | None, report: Report, cancel: CancelToken) -> BackupSummary:
    """Write a workspace as one archive, while it may be open elsewhere. Raises as `open_store`."""
    from glioma_annotator.db.workspace import open_workspace

    with open_workspace(path, read_only=True) as workspace:
        return workspace.back_up_all(folder, report, cancel)


def restore_workspace(archive: Path, path: Path, report: Report, cancel: CancelToken) -> list[str]:
    """Unpack an archive into a new folder, or put a copy of the database back in its workspace, and check what came of
    it; what is wrong, one sentence each."""
    from glioma_annotator.db.put_back import put_back_database
    from glioma_annotator.db.workspace_backup import restore_workspace

    (put_back_database if archive.suffix.lower() == ".db" else restore_workspace)(archive, path, report, cancel)
    open_for_command(path).close()  # brings one of an older version up to date
    return workspace_problems(path)


def export_patient_archive(
    path: Path, patient: str, target: Path, report: Report, cancel: CancelToken, *, identities: bool = False
) -> None:
    """Write one patient of a workspace as an archive. Raises as `open_store`."""
    from glioma_annotator.db.workspace import open_workspace

    with open_workspace(path, read_only=True) as workspace:
        workspace.export_patient(patient, target, report, cancel, identities=identities)


def import_patient_archive(
    path: Path, archive: Path, report: Report, cancel: CancelToken, *, key: str = ""
) -> MergeSummary:
    """Add or merge the patient of an archive. Raises as `open_store`."""
    with open_for_command(path) as workspace:
        return workspace.import_patient(archive, report, cancel, key=key)


def repair_workspace(path: Path) -> list[str]:
    """Remove what interrupted saves and imports left behind; the removed files. Raises as `open_store`."""
    from glioma_annotator.db.workspace import open_workspace

    open_workspace(path, read_only=True).close()  # refuses a folder that is no workspace instead of making one
    with open_workspace(path) as workspace:
        return workspace.remove_left_behind()


def model_folders(workspace: Path | None = None) -> tuple[Path, ...]:
    """Where models are looked for: the workspace's own, the user's, the shipped ones."""
    own = (workspace / "models", workspace / "models" / "adapted") if workspace else ()
    return (*own, paths.user_data() / "models", paths.resources() / "models")


def make_segmenter(
    workspace: Path | None = None, options: Callable[[], SegmentationSettings] | None = None
) -> ModelSegmenter:
    """The models at hand, those of a workspace among them; without `options`, as the user's settings stand."""
    return ModelSegmenter(model_folders(workspace), options or (lambda: load_settings().segmentation))


def describe_engine(device: str) -> str:
    """What would compute a segmentation on `device` as the user's settings stand, for a reader."""
    from glioma_annotator.inference.engine import describe

    return describe(device, load_settings().segmentation)


def make_shelf(store: Store | None) -> ModelShelf:
    """The models of an open workspace, and which is current; fulfils `workflow.model_ports.Shelf`.

    Without a workspace those installed and shipped, to look at.
    """
    from glioma_annotator.db.models import ModelShelf

    installed, shipped = (paths.user_data() / "models",), (paths.resources() / "models",)
    root = store.path if store is not None else paths.default_workspace()
    return ModelShelf(root / "models", installed, shipped, read_only=store is None or store.read_only)


def make_adapter(shelf: Shelf | None = None) -> ModelAdapter:
    """Adapts models at hand, those of a workspace among them; fulfils `workflow.model_ports.Adapter`."""
    from glioma_annotator.adaptation.adapter import ModelAdapter

    folders = lambda: shelf.folders if shelf is not None else model_folders()  # noqa: E731
    return ModelAdapter(folders, pace=paths.network_cache() / "adaptation-pace.json")


def build_demo(report: Report, cancel: CancelToken) -> tuple[Path, ...]:
    """Build the demo study's files once; fulfils `workflow.ports.DemoBuilder`."""
    from glioma_annotator.adaptation.synthesis.demo_study import build_demo_study

    return (build_demo_study(paths.demo_cache(), report, cancel),)


def make_session(
    workspace: Path,
    *,
    read_only: bool = False,
    settings: Settings | None = None,
    options: Callable[[], SegmentationSettings] | None = None,
) -> StudySession:
    """A session on a workspace for commands that need no window; close its `store` at the end.

    `options` say how to segment; without them, the user's settings do.
    """
    chosen = settings or load_settings()
    store = open_store(workspace, read_only=True) if read_only else open_for_command(workspace)
    return StudySession(store, make_segmenter(workspace, options), chosen.author)


def make_brain_finder(workspace: Path | None = None) -> ModelBrainFinder:
    """Finds brains in raw scans, with the brain model at hand; fulfils `workflow.ports.BrainFinder`."""
    return ModelBrainFinder(model_folders(workspace))


def make_services(workspace: Path | None, *, patient: str = "") -> Services:
    """Everything the window needs."""
    from glioma_annotator.ui.services import Services

    return Services(
        open_store=open_store,
        make_segmenter=make_segmenter,
        describe_engine=describe_engine,
        restore_backup=restore_workspace,
        settings=load_settings(),
        save_settings=save_settings,
        build_demo=build_demo,
        make_shelf=make_shelf,
        make_adapter=make_adapter,
        find_brain=make_brain_finder(workspace),
        default_workspace=paths.default_workspace(),
        workspace=workspace,
        patient=patient,
    )
