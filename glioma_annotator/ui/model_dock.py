"""The Model panel in the window, and the commands that go with it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QDockWidget, QMainWindow

from glioma_annotator.ui.adapting import Adapting
from glioma_annotator.ui.panels.adapting import AdaptPanel
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.commands import Command


def make_model_dock(
    adapting: Adapting,
    study: StudyController,
    show_page: Callable[[], None],
    show_visits: Callable[[], None],
    window: QMainWindow,
) -> QDockWidget:
    """The panel in a dock of its own, to be tabbed with the others.

    Parameters
    ----------
    show_page: opens the models page. show_visits: puts another visit beside the open one.
    """
    dock = QDockWidget("Model", window)
    dock.setObjectName("model-dock")
    feature = QDockWidget.DockWidgetFeature
    dock.setFeatures(feature.DockWidgetMovable | feature.DockWidgetFloatable)
    panel = AdaptPanel(adapting, study)
    panel.manage.clicked.connect(lambda _on=False: show_page())
    panel.carry_wanted.connect(show_visits)
    dock.setWidget(panel)
    return dock


def model_commands(
    adapting: Adapting, study: StudyController, show_panel: Callable[[], None], show_page: Callable[[], None]
) -> list[Command]:
    """The commands of the menu Model."""

    def decidable() -> bool:
        return adapting.result is not None

    def usable() -> bool:
        return adapting.result is not None and adapting.result.outcome.verdict.accepted

    return [
        Command("model.adapt", "Adapt to this patient…", "Make the model this patient's own", show_panel, "Model",
                ("Ctrl+Shift+A",), lambda: adapting.available and bool(study.patient_key)),
        Command("model.cancel", "Cancel the adaptation", "Stop; the current model stays as it is", adapting.cancel,
                "Model", (), lambda: adapting.running),
        Command("model.use", "Use the adapted model", "Make the adapted model current", adapting.use_new, "Model", (),
                usable),
        Command("model.keep", "Keep the old model", "Drop the adapted model", adapting.keep_old, "Model", (),
                decidable),
        Command("model.page", "Models…", "Compare, rename, archive, export and import models", show_page, "Model", (),
                lambda: adapting.shelf is not None and bool(study.patient_key)),
    ]  # fmt: skip
