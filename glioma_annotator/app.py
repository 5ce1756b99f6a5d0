"""The composition root: the one place that wires store, engines and window together.

Engines are imported when they are first used, so that the window opens before torch is loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator import paths
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.settings import Settings, load_settings, save_settings
from glioma_annotator.workflow.ports import Segmenter, Store
from glioma_annotator.workflow.study import StudySession

if TYPE_CHECKING:
    from glioma_annotator.ui.services import Services


def open_store(path: Path, *, read_only: bool = False) -> Store:
    """Open a workspace folder, making it when absent; fulfils `workflow.ports.StoreOpener`."""
    from glioma_annotator.db.workspace import open_workspace

    return open_workspace(path, read_only=read_only)


def workspace_problems(path: Path) -> list[str]:
    """What is wrong with a workspace, one sentence each; opens it for reading only. Raises as `open_store`."""
    from glioma_annotator.db.workspace import open_workspace

    with open_workspace(path, read_only=True) as workspace:
        return [f"{issue.what} {issue.todo}".strip() for issue in workspace.check()]


def repair_workspace(path: Path) -> list[str]:
    """Remove what interrupted saves and imports left behind; the removed files. Raises as `open_store`."""
    from glioma_annotator.db.workspace import open_workspace

    with open_workspace(path) as workspace:
        return workspace.remove_left_behind()


def model_folders(workspace: Path | None = None) -> tuple[Path, ...]:
    """Where models are looked for: the workspace's own, the user's, the shipped ones."""
    own = (workspace / "models",) if workspace else ()
    return (*own, paths.user_data() / "models", paths.resources() / "models")


class LazySegmenter:
    """A `Segmenter` that loads torch at the first question that needs it."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders
        self._loaded: Segmenter | None = None

    def _engine(self) -> Segmenter:
        if self._loaded is None:
            from glioma_annotator.inference.segmenter import ModelSegmenter

            self._loaded = ModelSegmenter(self._folders)
        return self._loaded

    def models(self) -> tuple[ModelCard, ...]:
        from glioma_annotator.inference.cards import find_cards

        return find_cards(self._folders)

    def check(self, model: str, roles: Collection[SequenceRole], scheme: LabelScheme) -> None:
        self._engine().check(model, roles, scheme)

    def segment(
        self, images: Mapping[SequenceRole, Volume], model: str, device: str, report: Report, cancel: CancelToken
    ) -> SegmentationOutcome:
        return self._engine().segment(images, model, device, report, cancel)


def build_demo(report: Report, cancel: CancelToken) -> tuple[Path, ...]:
    """Build the demo study's files once; fulfils `workflow.ports.DemoBuilder`."""
    from glioma_annotator.adaptation.synthesis.demo_study import build_demo_study

    return (build_demo_study(paths.demo_cache(), report, cancel),)


def make_session(workspace: Path, *, read_only: bool = False, settings: Settings | None = None) -> StudySession:
    """A session on a workspace for commands that need no window; close its `store` at the end."""
    chosen = settings or load_settings()
    store = open_store(workspace, read_only=read_only)
    return StudySession(store, LazySegmenter(model_folders(workspace)), chosen.author)


def make_services(workspace: Path | None, *, patient: str = "") -> Services:
    """Everything the window needs."""
    from glioma_annotator.ui.services import Services

    return Services(
        open_store=open_store,
        make_segmenter=lambda path: LazySegmenter(model_folders(path)),
        settings=load_settings(),
        save_settings=save_settings,
        build_demo=build_demo,
        default_workspace=paths.default_workspace(),
        workspace=workspace,
        patient=patient,
    )
