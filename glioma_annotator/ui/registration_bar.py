"""The bar above the panes of the *timepoints* layout: which visit stands beside, how, and how well it is registered."""

from __future__ import annotations

from functools import partial
from html import escape

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.imaging.registration import Method
from glioma_annotator.ui.mask_carrying import can_carry, carry_over
from glioma_annotator.ui.panels.parts import DecimalField, ml_text, push_button, quiet
from glioma_annotator.ui.registration import STEP_DEG, STEP_MM, Together
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.viewer.comparing import Picture
from glioma_annotator.ui.viewer.mask_slice import CHANGE_COLOURS
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.ui.viewer.types import Layout
from glioma_annotator.workflow.visit_changes import TOLD_ML, Change

_METHODS: tuple[tuple[str, str], ...] = (
    ("Rigid", Method.RIGID.value),
    ("Affine", Method.AFFINE.value),
    ("Deformable, for viewing only", "deformable"),
)
_SHIFTS = (
    ("right", "Right (+) or left (−), mm"),
    ("front", "Front (+) or back (−), mm"),
    ("up", "Up (+) or down (−), mm"),
)
_TURNS = (("nod", "Nod about the left-right axis, degrees"), ("tilt", "Tilt about the front-back axis, degrees"),
          ("turn", "Turn about the up-down axis, degrees"))  # fmt: skip
_MOST_MM, _MOST_DEG = 60.0, 45.0


class VisitsBar(QWidget):
    """Shown while the layout has another visit beside the one that is read."""

    def __init__(self, together: Together, study: StudyController, view: StudyView) -> None:
        super().__init__()
        self._together, self._study, self._view = together, study, view
        self.setObjectName("visits-bar")
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 4)
        column.setSpacing(4)
        column.addLayout(self._first_row())
        column.addLayout(self._second_row())
        self.legend = QLabel()
        self.legend.setWordWrap(True)
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setAccessibleName("Volumes of the changes")
        column.addWidget(self.legend)
        self.nudging = self._nudge_row()
        column.addWidget(self.nudging)
        self.nudging.hide()
        together.changed.connect(self.refresh)
        view.layout_changed.connect(self.refresh)
        for signal in (study.patient_changed, study.visit_changed, study.revisions_changed):
            signal.connect(self.refresh)
        self.refresh()

    # building

    def _first_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.other = QComboBox()
        self.other.setAccessibleName("Visit beside")
        self.other.setToolTip("The visit to compare with")
        self.other.setMinimumContentsLength(20)
        self.other.activated.connect(self._choose)
        self.picture = QComboBox()
        self.picture.setAccessibleName("Picture beside")
        self.picture.setToolTip("What stands beside (Shift+V: the next one; hold V: this visit in its place)")
        self.picture.activated.connect(lambda _i: self._together.set_picture(Picture(self.picture.currentData())))
        self.changes = QCheckBox("Changes")
        self.changes.setAccessibleName("Changes between the masks")
        self.changes.setToolTip("Colour what is in one mask only, in both, or under another label (D)")
        self.changes.clicked.connect(self._together.show_changes)
        self.method = QComboBox()
        self.method.setAccessibleName("Kind of registration")
        for title, value in _METHODS:
            self.method.addItem(title, value)
        self.method.setItemData(2, "Bends the other visit to look like this one. Nothing is measured with it.",
                                Qt.ItemDataRole.ToolTipRole)  # fmt: skip
        self.register = push_button("Register", "Find where the other visit lies in this one (Ctrl+Shift+V)", self._run)
        row.addWidget(quiet("Beside", wrap=False))
        row.addWidget(self.other, 4)
        row.addWidget(quiet("shown", wrap=False))
        row.addWidget(self.picture, 1)
        row.addWidget(self.changes)
        row.addStretch(1)
        row.addWidget(self.method)
        row.addWidget(self.register)
        for combo in (self.other, self.picture, self.method):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.picture.setMinimumContentsLength(15)
        self.method.setMinimumContentsLength(10)
        self.changes.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return row

    def _second_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.told.setTextFormat(Qt.TextFormat.RichText)
        self.told.setAccessibleName("State of the registration")
        self.nudge = push_button("Nudge", "Move and turn the other visit by hand", lambda: None)
        self.nudge.setCheckable(True)
        self.nudge.toggled.connect(self._on_nudge)
        self.accept = push_button("Accept", "", self._accept_or_withdraw)
        self.carry = push_button("Carry mask over", "Propose the other visit's mask here, where the registration puts "
                                 "it", partial(carry_over, self._together))  # fmt: skip
        row.addWidget(self.told, 1)
        for button in (self.nudge, self.accept, self.carry):
            row.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def _nudge_row(self) -> QWidget:
        widget = QWidget()
        row = QHBoxLayout(widget)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self.spins: list[DecimalField] = []
        for kinds, most, step, unit in ((_SHIFTS, _MOST_MM, STEP_MM, " mm"), (_TURNS, _MOST_DEG, STEP_DEG, "°")):
            for title, tip in kinds:
                spin = DecimalField()
                spin.setRange(-most, most)
                spin.setSingleStep(step)
                spin.setDecimals(1)
                spin.setSuffix(unit)
                spin.setKeyboardTracking(False)
                spin.setAccessibleName(tip)
                spin.setToolTip(f"{tip}. Ctrl+arrows move and Ctrl+Shift+left or right turn in the active pane")
                spin.valueChanged.connect(partial(self._set_nudge, len(self.spins)))
                self.spins.append(spin)
                row.addWidget(quiet(title, wrap=False))
                row.addWidget(spin)
        self.reset = push_button("Reset", "Back to where it was found", self._together.reset_nudge)
        row.addWidget(self.reset)
        row.addStretch(1)
        return widget

    # acting

    def _choose(self, row: int) -> None:
        self._together.choose_other(self.other.itemData(row))

    def _run(self) -> None:
        chosen = str(self.method.currentData())
        if chosen == "deformable":
            self._together.deform()
        else:
            self._together.register(Method(chosen))

    def _on_nudge(self, on: bool) -> None:
        self.nudging.setVisible(on)

    def _accept_or_withdraw(self) -> None:
        found = self._together.found
        if found is not None and found.accepted_by:
            self._together.withdraw()
        else:
            self._together.accept()

    def _set_nudge(self, changed: int, value: float) -> None:
        """One field was changed: the others show less than is known."""
        found = self._together.present()
        nudge = [*found.shift_mm, *found.rotation_deg]
        nudge[changed] = value
        x, y, z, nod, tilt, turn = nudge
        self._together.set_nudge((x, y, z), (nod, tilt, turn))

    # showing

    def refresh(self) -> None:
        """Show how things stand."""
        visit, together = self._study.visit, self._together
        self.setVisible(visit is not None and self._view.layout_name == Layout.TIMEPOINTS.value)
        if self.isHidden():
            return
        self._show_choices()
        beside, editable = together.other is not None, not self._study.read_only
        self.changes.setChecked(together.changes_wanted)
        self.changes.setEnabled(beside)
        self.picture.setEnabled(beside)
        self.method.setEnabled(beside and not together.running)
        self.register.setEnabled(beside and not together.running)
        self.nudge.setEnabled(beside)
        found = together.found
        accepted = found is not None and bool(found.accepted_by)
        self.accept.setEnabled(editable and found is not None)
        self.accept.setText("Withdraw" if accepted else "Accept")
        self.accept.setAccessibleName(self.accept.text())
        self.accept.setToolTip(
            "Take the accepted registration back: nothing builds on it any more; it can be accepted again, or restored "
            "under Deleted items"
            if accepted
            else "Keep this registration in the workspace with your name"
        )
        self.carry.setEnabled(beside and editable and can_carry(together))
        shift, turn = (found.shift_mm, found.rotation_deg) if found is not None else ((0.0,) * 3, (0.0,) * 3)
        for spin, value in zip(self.spins, (*shift, *turn), strict=True):
            with QSignalBlocker(spin):
                spin.setValue(value)
        self.reset.setEnabled(found is not None and found.by_hand)
        elsewhere = together.running and not together.running_here
        self.told.setText(self._state() + (" Other visits are being registered." if elsewhere else ""))
        legend = self._legend()
        self.legend.setText(legend)
        self.legend.setVisible(bool(legend))

    def _show_choices(self) -> None:
        visit, together = self._study.visit, self._together
        others = [t for t in self._study.timepoints() if visit is None or t.id != visit.id]
        with QSignalBlocker(self.other):
            listed = [(self.other.itemText(n), self.other.itemData(n).id) for n in range(self.other.count())]
            if listed != [(t.title, t.id) for t in others]:
                self.other.clear()
                for timepoint in others:
                    self.other.addItem(timepoint.title, timepoint)
            here = next(
                (n for n, t in enumerate(others) if together.other is not None and t.id == together.other.id), -1
            )
            self.other.setCurrentIndex(here)
        self.other.setEnabled(bool(others))
        with QSignalBlocker(self.picture):
            names = [p.value for p in together.pictures]
            if [self.picture.itemText(n) for n in range(self.picture.count())] != names:
                self.picture.clear()
                for picture in together.pictures:
                    self.picture.addItem(picture.value, picture.value)
            self.picture.setCurrentIndex(max(0, self.picture.findText(together.picture.value)))

    def _state(self) -> str:
        """How the visits lie, in plain words."""
        together, found = self._together, self._together.found
        if not self._study.several_visits:
            return "This patient has one visit. Import another to compare with."
        if together.running_here:
            return "Registering; the bar at the bottom shows how far it is."
        if together.note:
            note = escape(together.note)
            return f"<b>{note}</b>" if together.failed else note
        if together.other is None:
            return ""
        if found is None:
            return "Not registered: both visits lie where their headers say."
        before, now = found.registration.quality_before, found.quality
        what = f"Registered by {escape(found.sequence)} ({found.registration.method.value})"
        if found.registration.method is Method.IDENTITY:
            what = "Placed by the headers"
        hand = ", nudged by hand" if found.by_hand else ""
        agreement = f"agreement {now:.2f} of 1, {before:.2f} by the headers: {found.verdict}"
        if found.doubtful:
            agreement = f"<b>{agreement}</b>"
        moved = f"moved {found.moved_mm:.1f} mm, turned {found.placed.rotation_deg:.1f}°"
        name = escape(found.accepted_by)
        kept = f" Accepted by {name} on {found.accepted}." if name else " Not accepted yet."
        if together.recorded and not name:
            kept = " Not accepted yet: lesions are followed by the registration that was accepted before."
        return f"{what}{hand}: {agreement}; {moved}.{kept}"

    def _legend(self) -> str:
        made = self._together.changes
        if made is None:
            comparing = self._together.changes_wanted and self._together.other is not None
            return "Comparing the masks …" if comparing else ""
        words = {Change.GAINED: "only here", Change.LOST: "only beside", Change.KEPT: "both",
                 Change.RELABELLED: "another label"}  # fmt: skip
        parts = [
            f'<span style="color:{CHANGE_COLOURS[int(c)]}">■</span>&nbsp;{text}&nbsp;'
            f"{ml_text(made.volumes_ml[c.name.lower()])}&nbsp;mL"
            for c, text in words.items()
        ]
        only = {c for c in words if made.volumes_ml[c.name.lower()]}
        if only == {Change.GAINED}:
            parts.append("nothing is marked beside" if made.outside_ml < TOLD_ML else "nothing beside lies here")
        elif only == {Change.LOST}:
            parts.append("nothing is marked here")
        if made.outside_ml >= TOLD_ML:
            parts.append(f"beside, beyond these images&nbsp;{ml_text(made.outside_ml)}&nbsp;mL")
        return " &nbsp; ".join(parts)
