"""What the window needs from the rest of the program; the composition root fills it in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.settings import Settings
from glioma_annotator.workflow.model_ports import Adapter, Shelf
from glioma_annotator.workflow.ports import BrainFinder, DemoBuilder, Segmenter, Store, StoreOpener


@dataclass(frozen=True, slots=True)
class Services:
    """Everything the window is given.

    Attributes
    ----------
    open_store: opens a workspace folder.
    make_segmenter: the models at hand for a workspace; loads its engine when it is first asked to segment.
    settings: as they were at the start.
    save_settings: keeps changed settings.
    default_workspace: the folder used when none is named.
    build_demo: builds the demo study; None where it cannot be built.
    make_shelf: the models of a workspace and which is current; None where models cannot be managed.
    make_adapter: adapts the models of a shelf.
    find_brain: finds brains in raw scans; None where skulls cannot be stripped.
    restore_backup: unpacks an archive into a new folder, or puts a copy of the database back in its workspace; what is
        wrong with the result, one sentence each. None where nothing can be restored.
    describe_engine: what computes a segmentation on a device (auto, cpu, cuda), for a reader; None where unknown.
    workspace: the workspace to open; None for the last one used, or the default.
    import_paths: files or folders to import once the window shows.
    patient: key of the patient to open once the window shows; empty for the start page.
    """

    open_store: StoreOpener
    make_segmenter: Callable[[Path], Segmenter]
    settings: Settings
    save_settings: Callable[[Settings], None]
    default_workspace: Path
    build_demo: DemoBuilder | None = None
    make_shelf: Callable[[Store], Shelf] | None = None
    make_adapter: Callable[[Shelf], Adapter] | None = None
    find_brain: BrainFinder | None = None
    describe_engine: Callable[[str], str] | None = None
    restore_backup: Callable[[Path, Path, Report, CancelToken], list[str]] | None = None
    workspace: Path | None = None
    import_paths: tuple[Path, ...] = ()
    patient: str = ""
