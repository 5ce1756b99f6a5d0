"""The commands of the aids to looking: subtraction, blending, cine, magnifier, measuring, pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog

from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.ui.reading_state import ReadingState
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.viewer.measures import MeasureKind
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.workflow.commands import Command

#: Heard only while the panes have the keyboard.
VIEW_ONLY = frozenset({
    "view.cine", "view.remove_measure", "view.clear_measures", "view.blend_less", "view.blend_more",
    "view.turn_left", "view.turn_right", "view.turn_up", "view.turn_down",
})  # fmt: skip

_STEP_DEG = 15.0


def on_slices(view: StudyView, study: StudyController, act: Callable[[], object]) -> Callable[[], None]:
    """`act` where the active pane shows slices; the 3D pane has no sequence to change, and the reader is told so."""

    def ran() -> None:
        if view.active_axis is None:
            study.notice.emit("The 3D pane shows no sequence. F1 shows the planes: click one of them first.")
        else:
            act()

    return ran


def viewer_commands(view: StudyView, study: StudyController, reading: ReadingState) -> list[Command]:
    """All of the menu View; they need a visit."""
    aids = view.aids

    def has_visit() -> bool:
        return study.visit is not None

    def measured() -> bool:
        return has_visit() and bool(aids.measuring.items)

    def measures(kind: MeasureKind) -> bool:
        return aids.measuring.kind is kind

    def propose() -> None:
        if not aids.propose_diameters(reading.brush.value):
            title = study.require_visit().timepoint.title
            study.notice.emit(f"The slice in the active pane holds no mask of {title} to measure.")

    return [
        Command("view.subtraction", "T1Gd minus T1 in the pane",
                "Show what took up contrast: T1Gd minus T1, matched; once more, what was there before",
                on_slices(view, study, aids.subtract), "View", ("Alt+5",),
                lambda: has_visit() and aids.can_subtract, lambda: aids.subtracting),
        Command("view.same_sequence", "Same sequence in all panes", "Show the active pane's sequence in every pane",
                on_slices(view, study, aids.same_sequence), "View", ("Alt+0",), has_visit),
        Command("view.blend", "Blend with the next sequence", "Lay another sequence over the one in the active pane",
                on_slices(view, study, aids.blend_next), "View", ("Alt+B",), has_visit, lambda: aids.blending),
        Command("view.blend_less", "Less of the blended sequence", "A tenth less of the sequence laid over",
                partial(aids.step_blend, -1), "View", ("Alt+Left",), lambda: has_visit() and aids.blending),
        Command("view.blend_more", "More of the blended sequence", "A tenth more of the sequence laid over",
                partial(aids.step_blend, 1), "View", ("Alt+Right",), lambda: has_visit() and aids.blending),
        Command("view.cine", "Cine", "Run through the slices of the active pane, or stop", aids.toggle_cine, "View",
                ("Space",), has_visit, lambda: aids.cine.running),
        Command("view.magnifier", "Magnifier", "A glass under the pointer, three times as large",
                aids.toggle_magnifier, "View", ("Z",), has_visit, lambda: aids.magnifying),
        Command("view.ruler", "Ruler", "Drag a line to measure it in mm; drag its ends to correct it",
                partial(aids.toggle_measure, MeasureKind.RULER), "View", ("R",), has_visit,
                partial(measures, MeasureKind.RULER)),
        Command("view.diameters", "Diameters", "Drag the longest diameter; the one across stands upright on it",
                partial(aids.toggle_measure, MeasureKind.DIAMETERS), "View", ("Shift+R",), has_visit,
                partial(measures, MeasureKind.DIAMETERS)),
        Command("view.propose_diameters", "Diameters of the mask", "Measure the active label on the active slice",
                propose, "View", ("Ctrl+R",), has_visit),
        Command("view.remove_measure", "Remove measurement", "Take away the measurement in hand, else the last one",
                aids.measuring.remove, "View", ("Delete",), measured),
        Command("view.clear_measures", "Remove all measurements", "Take away every measurement of this visit",
                aids.measuring.clear, "View", ("Shift+Delete",), measured),
        Command("view.head", "Shell of the head", "Show or hide the head around the surfaces in 3D", aids.toggle_head,
                "View", ("Shift+H",), has_visit, lambda: aids.head_shown),
        *(
            Command(f"view.turn_{way}", f"Turn 3D {way}", f"Turn the surfaces in 3D {_STEP_DEG:g} degrees {way}",
                    partial(aids.turn, _STEP_DEG * right, _STEP_DEG * up), "View", (f"Shift+{way.capitalize()}",),
                    has_visit)
            for way, right, up in (("left", -1, 0), ("right", 1, 0), ("up", 0, 1), ("down", 0, -1))
        ),
        Command("view.picture", "Save picture…", "Write what the panes show to a PNG file",
                partial(save_picture, view, study), "View", ("F12",), has_visit),
    ]  # fmt: skip


def save_picture(view: StudyView, study: StudyController) -> None:
    """Ask for a file and write what the view shows now to it."""
    view.take_picture(partial(_save, view, study, study.require_visit().timepoint.key))


def _save(view: StudyView, study: StudyController, name: str, picture: QImage) -> None:
    dialog = QFileDialog(view.window(), "Save picture", str(Path.home() / f"{name}.png"), "PNG (*.png)")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix("png")
    dialog.setModal(True)

    def write() -> None:
        path = Path(dialog.selectedFiles()[0])
        if picture.save(str(path)):
            study.notice.emit(f"Picture saved as {path.name}.")
        else:
            study.failed.emit(
                EnvironmentFailure(f"The picture could not be written to {path}.", "Choose another folder.")
            )

    dialog.accepted.connect(write)
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
