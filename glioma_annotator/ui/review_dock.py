"""The Review dock: islands, history, places to check; and the commands that bring them up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QWidget

from glioma_annotator.ui.panels.history import HistoryPanel
from glioma_annotator.ui.panels.islands import IslandsPanel
from glioma_annotator.ui.panels.places import PlacesPanel
from glioma_annotator.ui.reading_state import ReadingState
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.uncertainty import Uncertainty
from glioma_annotator.workflow.commands import Command

ISLANDS, HISTORY, PLACES = range(3)


class ReviewDock(QDockWidget):
    """Lists about the mask, one beside the other; closed until it is asked for."""

    def __init__(
        self,
        study: StudyController,
        reading: ReadingState,
        uncertainty: Uncertainty,
        jump: Callable[[tuple[int, int, int]], None],
        window: QMainWindow,
    ) -> None:
        super().__init__("Review", window)
        self.setObjectName("review-dock")
        feature = QDockWidget.DockWidgetFeature
        self.setFeatures(feature.DockWidgetMovable | feature.DockWidgetFloatable | feature.DockWidgetClosable)
        self.islands = IslandsPanel(study, reading, jump)
        self.history = HistoryPanel(study)
        self.places = PlacesPanel(uncertainty)
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.tabs.tabBar().setAccessibleName("Pages of the review")
        pages: tuple[tuple[str, QWidget], ...] = (
            ("Islands", self.islands),
            ("History", self.history),
            ("To check", self.places),
        )
        for title, page in pages:
            self.tabs.addTab(page, title)
        self.setWidget(self.tabs)
        self._before: QDockWidget | None = None
        self.hide()

    def bring_up(self, page: int) -> None:
        """Show a page; a second time puts the dock away."""
        in_front = self.isVisible() and not self.tabs.visibleRegion().isEmpty()
        if in_front and self.tabs.currentIndex() == page:
            self.close()
            return
        window = self.parent()
        if not in_front and isinstance(window, QMainWindow):
            # Qt knows no tabs of a dock that is hidden.
            docks = (dock for dock in window.findChildren(QDockWidget) if dock is not self and not dock.isFloating())
            self._before = next((dock for dock in docks if not dock.visibleRegion().isEmpty()), None)
        self.tabs.setCurrentIndex(page)
        self.show()
        self.raise_()

    def closeEvent(self, event: QCloseEvent) -> None:
        """The panel that stood in this one's place comes back."""
        super().closeEvent(event)
        if self._before is not None:
            QTimer.singleShot(0, self._before, self._before.raise_)  # once the window has arranged its tabs


def review_commands(study: StudyController, uncertainty: Uncertainty, bring_up: Callable[[int], None]) -> list[Command]:
    """Islands, history, uncertainty."""

    def has_visit() -> bool:
        return study.visit is not None

    def has_places() -> bool:
        return bool(uncertainty.places)

    return [
        Command("view.islands", "Islands", "List the connected components of the mask", partial(bring_up, ISLANDS),
                "View", ("Shift+I",), has_visit),
        Command("view.history", "History", "Every step by name; go to any of them", partial(bring_up, HISTORY), "View",
                ("Ctrl+H",), has_visit),
        Command("view.places", "Places to check", "Where the model was unsure, the largest expected error first",
                partial(bring_up, PLACES), "View", ("Ctrl+U",), has_visit),
        Command("view.uncertainty", "Show uncertainty", "Entropy of the model's class probabilities, as colours",
                uncertainty.flip, "View", ("U",), lambda: uncertainty.available, lambda: uncertainty.shown),
        Command("view.next_place", "Next place to check", "Go to where most of the mask may be wrong",
                uncertainty.next_place, "View", ("Shift+U",), has_places),
    ]  # fmt: skip
