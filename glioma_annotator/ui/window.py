"""The main window: puts the parts together, takes drops, and keeps its geometry."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QByteArray, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QApplication,
    QDockWidget,
    QMainWindow,
    QStackedWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.settings import Settings, with_value
from glioma_annotator.ui import theme
from glioma_annotator.ui.adapting import Adapting
from glioma_annotator.ui.banner import Banner
from glioma_annotator.ui.command_layout import ICONS, MENU_BREAKS, MENUS, TOOL_BAR, VIEW_ONLY
from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.course_dock import ClinicalPages, in_hidden_dock, make_dock
from glioma_annotator.ui.diameter_attaching import DiameterAttaching
from glioma_annotator.ui.error_dialog import ErrorReporter
from glioma_annotator.ui.finding_markers import FindingMarkers
from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.held_key import HeldKey
from glioma_annotator.ui.histology import HistologyController
from glioma_annotator.ui.importing import Importing
from glioma_annotator.ui.job_bar import StatusBar
from glioma_annotator.ui.keeping import Keeping
from glioma_annotator.ui.mirror_check import MirrorCheck
from glioma_annotator.ui.model_dock import make_model_dock
from glioma_annotator.ui.navigator import Navigator
from glioma_annotator.ui.panels.clinical import ClinicalPanel
from glioma_annotator.ui.panels.findings import FindingsPanel
from glioma_annotator.ui.panels.histology import HistologyPanel
from glioma_annotator.ui.panels.mask_panel import MaskPanel
from glioma_annotator.ui.panels.notes import NotesPanel
from glioma_annotator.ui.panels.revisions import RevisionList
from glioma_annotator.ui.proposing import Proposing
from glioma_annotator.ui.reading_state import ReadingState, ToolName
from glioma_annotator.ui.registration import Together
from glioma_annotator.ui.registration_bar import VisitsBar
from glioma_annotator.ui.review_dock import ReviewDock
from glioma_annotator.ui.search_box import make_corner
from glioma_annotator.ui.services import Services
from glioma_annotator.ui.shell import Shell
from glioma_annotator.ui.shell_commands import build_registry
from glioma_annotator.ui.start_page import StartPage
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.study_display import StudyDisplay
from glioma_annotator.ui.study_labels import StudyLabels
from glioma_annotator.ui.timeline import Timeline
from glioma_annotator.ui.tool_bar import ToolGrid
from glioma_annotator.ui.tools.libraries import ReadingAhead
from glioma_annotator.ui.tools.previewing import Previewing
from glioma_annotator.ui.tools.toolbox import Toolbox
from glioma_annotator.ui.uncertainty import Uncertainty
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.ui.viewer.types import Convention
from glioma_annotator.ui.viewer_link import ViewerLink
from glioma_annotator.ui.window_dialogs import WindowDialogs
from glioma_annotator.ui.workers import Workers

_log = logging.getLogger(__name__)

MIN_WIDTH, MIN_HEIGHT = 1280, 720
_PANEL_WIDTH = 336
_MOST_RECENT = 8
_MOST_BEHIND = 300  # fields behind the tabs of docks
#: Of the docks: a place kept by a window with other docks would scatter the new ones.
_STATE_VERSION = 2


class MainWindow(QMainWindow):
    """The one window.

    Parameters
    ----------
    services: what the rest of the program provides.
    """

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.setObjectName("main-window")
        self.setWindowTitle("glioma-annotator")
        self.setMinimumSize(MIN_WIDTH, MIN_HEIGHT)
        self.setAcceptDrops(True)
        self.services = services
        self.settings = services.settings
        self.workers = Workers(self)
        self.study = StudyController(services, self.workers, self)
        self.errors = ErrorReporter(self, lambda: self.study.names)
        self.proposing = Proposing(self.study, self)
        self.adapting = Adapting(self.study, self.proposing, self)
        self.importing = Importing(self.study, self)
        self.reading = ReadingState(self.study.scheme.labels[0].value, self)
        self.view = StudyView(self.workers.draw)
        self.revisions = RevisionList(self.study.scheme, self.study)
        self.dialogs = WindowDialogs(self)
        self.previewing = Previewing(self.study, self)
        self.toolbox = Toolbox(self.study, self.reading, self.previewing, lambda: self.view.active_slice, self)
        self.reading_ahead = ReadingAhead(self.workers, self.view.make_ahead, self)
        self.uncertainty = Uncertainty(self.study, self.view.set_heat, self._jump, self)
        self.findings = FindingsController(self.study, lambda: self.view.crosshair_index, self._jump, self)
        self.histology = HistologyController(self.study, lambda: self.view.crosshair_index, self._jump, self)
        self.together = Together(self.study, self.view, self)
        self.navigator = Navigator(self.study, self.findings, self._jump, self)
        self.keeping = Keeping(
            self.study,
            self.findings,
            self.navigator,
            self.dialogs.show,
            lambda: self.settings,
            self.change_settings,
            self,
        )
        self.keeping.warned.connect(self.dialogs.tell)
        self.mirror = MirrorCheck(self.study, self.view, self)
        self.study_labels = StudyLabels(self.study, self.reading, self.dialogs.show, self)
        self.attaching = DiameterAttaching(self.findings, self.view, self)
        acts = self.dialogs.acts()
        shell = Shell(
            self.study, self.proposing, self.reading, self.view, self.revisions, acts, self.toolbox, self.adapting,
            self.uncertainty, lambda page: self.review_dock.bring_up(page), self.study_labels, self.mirror,
            self.findings, self.histology, self.together, self.keeping, self.attaching,
        )  # fmt: skip
        self.registry = build_registry(shell)
        self.commands = CommandActions(self.registry, self, self.view, VIEW_ONLY, ICONS)
        self.markers = FindingMarkers(self.findings, self.histology, self.view, self)
        self.link = ViewerLink(self.view, self.study, self.reading, self.toolbox, self)
        self._held_mask = HeldKey(Qt.Key.Key_H, self.commands["view.mask"], self.reading.flip_mask, self)
        self._held_visit = HeldKey(Qt.Key.Key_V, self.commands["visits.swap"], self.together.flip_swapped, self)
        self._build()
        self.display = StudyDisplay(self)
        self._connect()
        self._apply_settings()
        self._restore_geometry()
        QTimer.singleShot(0, self, self._begin)

    # building

    def _build(self) -> None:
        self.menus = self.commands.fill_menu_bar(self.menuBar(), MENUS, MENU_BREAKS)
        self.search_box = make_corner(self.menuBar(), self.study, self.commands, self)
        self.keeping.search_box = self.search_box
        self.timeline = Timeline()
        self.timeline_bar = self._bar("timeline", "Timeline", Qt.ToolBarArea.TopToolBarArea)
        self.timeline_bar.addWidget(self.timeline)
        self.tool_bar = self._bar("tools", "Tools", Qt.ToolBarArea.LeftToolBarArea)
        self.tool_grid = ToolGrid(self.commands, TOOL_BAR)
        self.tool_bar.addWidget(self.tool_grid)
        self.banner = Banner()
        self.start_page = StartPage(self.commands)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start_page)
        self.pages.addWidget(self.view)
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.banner)
        self.visits_bar = VisitsBar(self.together, self.study, self.view)
        column.addWidget(self.visits_bar)
        column.addWidget(self.pages, 1)
        self.setCentralWidget(centre)
        self.mask_panel = MaskPanel(
            self.study.scheme, self.reading, self.study, self.proposing, self.revisions, self.toolbox, self.commands
        )
        self.mask_dock = QDockWidget("Mask", self)
        self.mask_dock.setObjectName("mask-dock")
        feature = QDockWidget.DockWidgetFeature
        self.mask_dock.setFeatures(feature.DockWidgetMovable | feature.DockWidgetFloatable)
        self.mask_dock.setWidget(self.mask_panel)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.mask_dock)
        self.review_dock = ReviewDock(self.study, self.reading, self.uncertainty, self._jump, self)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.review_dock)
        self.model_dock = make_model_dock(
            self.adapting, self.study, self.dialogs.models_page, self.commands["view.timepoints"].trigger, self
        )
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.model_dock)
        self.findings_panel = FindingsPanel(self.findings, self.histology, self.commands)
        self.findings_dock = make_dock("Findings", "findings-dock", self.findings_panel, self)
        self.histology_panel = HistologyPanel(self.histology, self.findings, self.commands)
        self.histology_dock = make_dock("Histology", "histology-dock", self.histology_panel, self)
        self.clinical_panel = ClinicalPanel(self.study, self.commands)
        self.notes_panel = NotesPanel(self.study)
        self.clinical_pages = ClinicalPages(self.clinical_panel, self.notes_panel, self.histology)
        self.clinical_dock = self.clinical_pages.make_dock(self)
        for dock in (self.findings_dock, self.histology_dock, self.clinical_dock):
            self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
            self.tabifyDockWidget(self.mask_dock, dock)
        self.tabifyDockWidget(self.clinical_dock, self.model_dock)
        self.tabifyDockWidget(self.model_dock, self.review_dock)
        self.mask_dock.raise_()
        self.resizeDocks([self.mask_dock], [_PANEL_WIDTH], Qt.Orientation.Horizontal)
        self.status = StatusBar(self.workers)
        self.setStatusBar(self.status)

    def _add_region(self, outline: NDArray[np.float64], axis: int, number: int) -> None:
        """A region was drawn for a finding: record it and put the pen down."""
        QTimer.singleShot(0, self, lambda: self.reading.set_tool(ToolName.CROSSHAIR))  # not while its stroke ends
        self.findings.add_region(outline, axis, number)
        self.commands["study.findings"].trigger()

    def _jump(self, index: tuple[int, int, int]) -> None:
        """Move the crosshair to a voxel."""
        self.view.crosshair_index = index

    def _bar(self, name: str, title: str, area: Qt.ToolBarArea) -> QToolBar:
        bar = QToolBar(title)
        bar.setObjectName(name)
        bar.setMovable(False)
        bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.addToolBar(area, bar)
        return bar

    def _connect(self) -> None:
        study, refresh = self.study, self.commands.refresh
        study.failed.connect(self.errors.show)
        study.workspace_busy.connect(self.dialogs.workspace_busy)
        study.workspace_changed.connect(self._remember_workspace)
        study.workspace_changed.connect(self._on_first_workspace)
        study.visit_changed.connect(self.reading_ahead.start)
        self.view.crosshair_moved.connect(self.reading_ahead.touched)
        self.reading.tool_changed.connect(self.reading_ahead.touched)
        for signal in (
            study.workspace_changed,
            study.patient_changed,
            study.visit_changed,
            study.edit_state_changed,
            study.scheme_changed,
            study.proposal_changed,
            study.revisions_changed,
            self.revisions.selection_changed,
            self.proposing.changed,
            self.proposing.models_changed,
            self.adapting.changed,
            self.adapting.choices_changed,
            self.findings.changed,
            self.histology.changed,
            self.together.changed,
            self.reading.tool_changed,
            self.reading.mask_display_changed,
            self.link.layout_changed,
            self.previewing.changed,
            self.uncertainty.changed,
            self.mirror.changed,
            self.toolbox.options_changed,
            self.toolbox.sketch_changed,
        ):
            signal.connect(refresh)
        self.mask_panel.options.done.connect(self.view.setFocus)
        self.review_dock.islands.done.connect(self.view.setFocus)
        self.mask_panel.labels.change_asked.connect(self.study_labels.ask_change)
        self.mask_panel.labels.delete_asked.connect(self.study_labels.delete)
        self.proposing.mapping_needed.connect(self.dialogs.prior_mapping)
        self.clinical_panel.changed.connect(self.display.show_events)
        self.histology.changed.connect(self.display.show_events)
        self.histology.panel_wanted.connect(self.commands["study.histology"].trigger)
        self.findings.panel_wanted.connect(self.commands["study.findings"].trigger)
        self.toolbox.region_drawn.connect(self._add_region)
        self.search_box.chosen.connect(self.keeping.go)
        self.navigator.arrived.connect(lambda p: self.clinical_pages.show_record(p, self.dialogs.clinical_dock))
        self.search_box.left.connect(self.view.setFocus)
        self.importing.plan_ready.connect(self.dialogs.confirm_import)
        self.importing.imported.connect(self.dialogs.import_messages)
        self.start_page.workspace_chosen.connect(self.dialogs.open_remembered)

    def _begin(self) -> None:
        """Open the workspace once the window shows."""
        self.start_page.show_opening()
        if self.services.patient:
            self.view.preload()  # the start page will not be looked at
        last, default = self.settings.window.workspace, self.services.default_workspace
        if self.services.workspace is None and last not in ("", str(default)):
            self.dialogs.open_remembered(Path(last))
        else:
            self.study.open_workspace(self.services.workspace or default)

    def _on_first_workspace(self) -> None:
        """The first workspace is open: show what the program was started for."""
        session = self.study.session
        if session is None:
            return
        self.study.workspace_changed.disconnect(self._on_first_workspace)
        if self.services.patient:
            self.study.open_patient(self.services.patient)
        if self.services.import_paths:
            self.importing.look(self.services.import_paths)

    def _remember_workspace(self) -> None:
        session = self.study.session
        if session is None or session.store.read_only:
            return
        path = str(session.store.path)
        recent = (path, *(p for p in self.settings.window.recent_workspaces if p != path))[:_MOST_RECENT]
        self.start_page.show_recent(recent)
        self._keep(workspace=path, recent_workspaces=recent)

    # settings

    def change_settings(self, settings: Settings) -> None:
        """Use and keep other settings. Raises `EnvironmentFailure` when they cannot be kept; they are used anyway."""
        before, self.settings = self.settings, replace(settings, window=self.settings.window)
        settings = self.settings  # what the window remembers may have changed while a page was open
        self.study.services = replace(self.study.services, settings=settings)
        self._apply_settings(before)
        self.services.save_settings(settings)

    def _keep(self, **values: str | tuple[str, ...]) -> None:
        """Keep values that the window itself remembers."""
        for name, value in values.items():
            self.settings = with_value(self.settings, f"window.{name}", value)
        self.services.save_settings(self.settings)

    def _apply_settings(self, before: Settings | None = None) -> None:
        settings = self.settings
        app = QApplication.instance()
        if isinstance(app, QApplication) and app.property("theme") != settings.display.theme:
            theme.apply(app, settings.display.theme)
            self.commands.repaint_icons()
            self.timeline.repaint_icons()
        self.view.set_convention(Convention(settings.display.convention))
        self.reading.use(settings, before)
        self.proposing.set_device(settings.segmentation.device)
        if self.study.session is not None:
            self.study.session.author = settings.author

    # geometry

    def _restore_geometry(self) -> None:
        kept = self.settings.window
        if not kept.geometry or not self.restoreGeometry(_bytes(kept.geometry)):
            self.resize(QSize(1600, 960).boundedTo(self.screen().availableSize()))
        if kept.state:
            self.restoreState(_bytes(kept.state), _STATE_VERSION)
        self.review_was_open = not self.review_dock.isHidden()
        self.review_dock.hide()  # closed until it is asked for, in every run
        self.display.show_page(study=False)

    # the keyboard

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Tab passes over what lies behind the tabs of docks, which Qt takes for visible."""
        for _ in range(_MOST_BEHIND):
            if not super().focusNextPrevChild(forward):
                return False
            if not in_hidden_dock(QApplication.focusWidget()):
                break
        return True

    # drops

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if _local_paths(event) and self.study.session is not None and not self.study.read_only:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = _local_paths(event)
        if paths:
            event.acceptProposedAction()
            self.importing.look(paths)

    # the end

    def closeEvent(self, event: QCloseEvent) -> None:
        """Strokes are in the journal already, so nothing is asked."""
        geometry = bytes(self.saveGeometry().toBase64().data()).decode("ascii")
        state = bytes(self.saveState(_STATE_VERSION).toBase64().data()).decode("ascii")
        try:
            self._keep(geometry=geometry, state=state)
        except EnvironmentFailure as error:  # the window's place is not worth keeping the workspace locked
            _log.warning("the window's place was not kept: %s", error)
        self.hide()  # at once; a job may take a moment to notice that it is cancelled
        self.workers.close()
        self.study.close_workspace()
        self.workers.close_writing()
        self.view.close()
        self.errors.uninstall()
        event.accept()


def _local_paths(event: QDragEnterEvent | QDropEvent) -> tuple[Path, ...]:
    return tuple(Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile())


def _bytes(kept: str) -> QByteArray:
    """What was kept as base64; of a settings file changed by hand, something that Qt refuses."""
    return QByteArray.fromBase64(kept.encode(errors="replace"))
