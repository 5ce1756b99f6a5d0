"""The tool in hand: what it does, its options, and the preview that waits to be applied."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.panels.option_form import OptionForm
from glioma_annotator.ui.panels.parts import follow_action, push_button, quiet
from glioma_annotator.ui.reading_state import ReadingState, ToolName
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.tools.options import OptionInfo, describe
from glioma_annotator.ui.tools.toolbox import Toolbox

#: Name and use of every tool, for the panel.
TOOLS = {
    ToolName.BRUSH: ("Brush", "Paints the active label."),
    ToolName.ERASER: ("Eraser", "Paints background."),
    ToolName.LASSO: ("Lasso", "Draw around it; what is enclosed gets the active label."),
    ToolName.POLYGON: ("Polygon", "Click the corners, double click to close, drag them; Return applies."),
    ToolName.FILL: ("Fill", "Click: what hangs together with the voxel gets the active label."),
    ToolName.PICK: ("Pick label", "Click a voxel: its label becomes the active one."),
    ToolName.REGION: ("Region growing", "Click inside: what is as bright and connected is proposed."),
    ToolName.SNAKE: ("Snake", "Click inside: a contour grows until the tissue changes."),
    ToolName.SEEDS: ("Grow from seeds", "Paint a stroke of every label, then drag a box around them."),
    ToolName.INTERPOLATE: ("Interpolate", "Fills the slices between painted ones of the active label."),
    ToolName.MARGIN: ("Margin", "Grows or shrinks the active label by a distance."),
    ToolName.SMOOTH: ("Smooth", "Smooths the outline of the active label, or of all."),
    ToolName.LOGIC: ("Logic", "Combines the active label with a label of another revision."),
    ToolName.COPY: ("Copy from", "Takes labels over from another revision or visit."),
    ToolName.BOX: ("Edit inside a box", "Drag a box: nothing outside it can be changed."),
    ToolName.ACCEPT_BRUSH: ("Accept with the brush", "Brush over what of the proposal to accept."),
    ToolName.ACCEPT_PIECE: ("Accept a component", "Click a hatched region to accept it."),
}  # fmt: skip


class ToolPanel(QWidget):
    """Heading, help and options of the tool in hand, and Apply, Stop and Discard while it previews."""

    done = Signal()

    def __init__(
        self, reading: ReadingState, study: StudyController, toolbox: Toolbox, actions: CommandActions
    ) -> None:
        super().__init__()
        self._reading = reading
        self._study = study
        self._toolbox = toolbox
        self._tool = ToolName.CROSSHAIR
        self.form: OptionForm | None = None
        self._described: tuple[OptionInfo, ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self.title = QLabel()
        self.title.setProperty("role", "strong")
        self.help = quiet()
        self._place = QVBoxLayout()
        self._column.addWidget(self.title)
        self._column.addWidget(self.help)
        self._column.addLayout(self._place)
        self.preview = QFrame()
        self.preview.setProperty("role", "proposal")
        inside = QVBoxLayout(self.preview)
        inside.setContentsMargins(8, 6, 8, 8)
        inside.setSpacing(6)
        self.note = QLabel()
        self.note.setWordWrap(True)
        inside.addWidget(self.note)
        row = QHBoxLayout()
        row.setSpacing(6)
        previewing = toolbox.previewing
        self.apply = push_button("Apply", "", lambda: None)
        self.apply.setProperty("main", True)
        follow_action(self.apply, actions["edit.apply"])
        self.stop = push_button("Stop", "Stop here; what is hatched can be applied", previewing.stop)
        self.discard = push_button("Discard", "Drop the preview; the mask stays as it is (Esc)", toolbox.escape)
        for button in (self.apply, self.stop, self.discard):
            row.addWidget(button, 1)
        inside.addLayout(row)
        self._column.addWidget(self.preview)
        previewing.changed.connect(self._refresh_preview)
        toolbox.sketch_changed.connect(self._refresh_preview)
        toolbox.options_changed.connect(self._refresh_form)
        reading.tool_changed.connect(self._refresh)
        study.visit_changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        tool = self._reading.tool if self._study.editable else ToolName.CROSSHAIR
        if tool is not self._tool:
            self._tool = tool
            self._make_form()
        title, text = TOOLS.get(tool, ("", ""))
        self.title.setText(title)
        self.help.setText(text)
        self.setVisible(bool(title))
        self._refresh_preview()

    def _make_form(self) -> None:
        if self.form is not None:
            self._place.removeWidget(self.form)
            self.form.hide()
            self.form.deleteLater()
            self.form = None
        options, tool = self._toolbox.options.get(self._tool), self._tool
        if options is not None:
            toolbox = self._toolbox
            self._described = tuple(describe(options))
            self.form = OptionForm(options, toolbox.choices, lambda name, value: toolbox.set_option(tool, name, value))
            self.form.done.connect(self.done)
            self._place.addWidget(self.form)

    def _refresh_form(self) -> None:
        options = self._toolbox.options.get(self._tool)
        if options is not None and tuple(describe(options)) != self._described:
            self._make_form()  # another visit's intensities need more decimals, or fewer
        elif self.form is not None:
            self.form.refresh()

    def _refresh_preview(self) -> None:
        previewing = self._toolbox.previewing
        note = previewing.note or ("Computing…" if previewing.running else "")
        self.preview.setVisible(bool(note or previewing.active) and bool(self.title.text()))
        self.note.setText(note)
        role = "warning" if previewing.failed else ""
        if self.note.property("role") != role:
            self.note.setProperty("role", role)
            self.note.style().polish(self.note)
        self.apply.setVisible(previewing.ready and not previewing.running)
        self.stop.setVisible(previewing.running)
        self.discard.setVisible(previewing.active)
