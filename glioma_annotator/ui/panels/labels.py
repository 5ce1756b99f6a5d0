"""The list of labels: colour, name, volume, visibility, lock; a click makes a label the active one."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.labels import Label, LabelScheme
from glioma_annotator.domain.measurement import region_volumes_ml
from glioma_annotator.ui.panels.parts import (
    IconButton,
    SmallButton,
    SwitchButton,
    follow_action,
    ml_text,
    plain_tip,
    quiet,
    swatch,
    without_keys,
)
from glioma_annotator.ui.reading_state import ReadingState
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.study_labels import own_labels

_SWATCH_PX = 14
_AROUND_PX = 24  # a name's button around the colour and the words


class _Name(QToolButton):
    """A label's name with its colour, shortened to the room that volume and switches leave."""

    def __init__(self, label: Label) -> None:
        super().__init__()
        self._name = label.name
        self.setIcon(swatch(label.colour))
        self.setIconSize(QSize(_SWATCH_PX, _SWATCH_PX))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(64)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._tip = f"{label.title}: paint with this label ({label.value})"
        self.setAccessibleName(f"Active label {label.name}, {label.title}")
        self._shorten()

    def _shorten(self) -> None:
        room = self.width() - _SWATCH_PX - _AROUND_PX
        short = self.fontMetrics().elidedText(self._name, Qt.TextElideMode.ElideMiddle, room)
        self.setText(f" {without_keys(short)}")
        self.setToolTip(plain_tip(self._tip if short == self._name else f"{self._name}: {self._tip}"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._shorten()


class LabelList(QWidget):
    """One row per label of the scheme; volumes follow the mask.

    Signals
    -------
    change_asked(Label), delete_asked(Label): from the menu of a label that was added.
    """

    change_asked = Signal(object)
    delete_asked = Signal(object)

    def __init__(self, scheme: LabelScheme, reading: ReadingState, study: StudyController, new: QAction) -> None:
        super().__init__()
        self._scheme = scheme
        self._reading = reading
        self._study = study
        self.names: dict[int, QToolButton] = {}
        self.volumes: dict[int, QLabel] = {}
        self.eyes: dict[int, QToolButton] = {}
        self.locks: dict[int, QToolButton] = {}
        self.menus: dict[int, QToolButton] = {}
        self._choice = QButtonGroup(self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self._volumes_ml: Mapping[str, float] | None = None
        self._rows: QWidget | None = None
        self._place = QVBoxLayout()
        column.addLayout(self._place)
        self.new = IconButton("New", "plus")
        self.new.setProperty("role", "narrow")
        self.new.setAccessibleName("New label")
        self.new.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        follow_action(self.new, new)
        self.regions = quiet()
        self.regions.setToolTip(
            "Reported regions: TC, tumour core, is NETC and ET; WT, whole tumour, is NETC, SNFH and ET"
        )
        foot = QHBoxLayout()
        foot.addWidget(self.regions, 1)
        foot.addWidget(self.new)
        column.addLayout(foot)
        self._build()
        study.scheme_changed.connect(self._on_scheme)
        reading.tool_changed.connect(self._refresh)
        reading.mask_display_changed.connect(self._refresh)
        study.edit_state_changed.connect(self._refresh)
        study.visit_changed.connect(self._refresh)
        self._refresh()
        self.show_volumes(None)

    def _on_scheme(self) -> None:
        if self._scheme != self._study.scheme:
            self._scheme = self._study.scheme
            self._build()
            self._refresh()
            self.show_volumes(self._volumes_ml)

    def _build(self) -> None:
        """Make the rows anew."""
        for button in self._choice.buttons():
            self._choice.removeButton(button)
        if self._rows is not None:
            self._place.removeWidget(self._rows)
            self._rows.hide()
            self._rows.deleteLater()
        for fields in (self.names, self.volumes, self.eyes, self.locks, self.menus):
            fields.clear()
        self._rows = QWidget()
        grid = QGridLayout(self._rows)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(0)
        grid.setColumnStretch(0, 1)
        grid.setSizeConstraint(QGridLayout.SizeConstraint.SetMinimumSize)  # never squeezed until the panel has grown
        own = own_labels(self._scheme)
        for row, label in enumerate(self._scheme.labels):
            self._add_row(grid, row, label)
            if label in own:
                self._add_menu(grid, row, label)
        self._place.addWidget(self._rows)

    def _add_menu(self, grid: QGridLayout, row: int, label: Label) -> None:
        """What can be done to a label that was added."""
        more = SmallButton("dots-vertical", f"Change or delete {label.name}")
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(more)
        menu.addAction("Change…").triggered.connect(lambda: self.change_asked.emit(label))
        menu.addAction("Delete").triggered.connect(lambda: self.delete_asked.emit(label))
        more.setMenu(menu)
        grid.addWidget(more, row, 4)
        self.menus[label.value] = more

    def _add_row(self, grid: QGridLayout, row: int, label: Label) -> None:
        reading = self._reading
        name = _Name(label)
        value = label.value
        name.clicked.connect(lambda _on: reading.set_label(value))
        self._choice.addButton(name)
        volume = QLabel()
        volume.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        volume.setMinimumWidth(72)
        volume.setToolTip(plain_tip(f"Volume of {label.name} in the mask as it stands"))
        eye = SwitchButton("eye-off-outline", "eye-outline", f"Show {label.name}", f"Show or hide {label.name}")
        eye.clicked.connect(lambda on: reading.set_label_visible(value, on))
        lock = SwitchButton(
            "lock-open-variant-outline",
            "lock",
            f"Lock {label.name}",
            f"Lock {label.name}: no tool and no proposal changes it",
        )
        lock.clicked.connect(lambda on: self._set_locked(value, on))
        for place, widget in enumerate((name, volume, eye, lock)):
            grid.addWidget(widget, row, place)
        self.names[label.value], self.volumes[label.value] = name, volume
        self.eyes[label.value], self.locks[label.value] = eye, lock

    def _set_locked(self, value: int, locked: bool) -> None:
        if self._study.visit is not None:
            self._study.visit.editor.set_locked(value, locked)

    def _refresh(self) -> None:
        visit = self._study.visit
        locked = visit.editor.locked if visit is not None else frozenset()
        for value, name in self.names.items():
            name.setChecked(value == self._reading.brush.value)
            self.eyes[value].setChecked(value not in self._reading.hidden)
            self.locks[value].setChecked(value in locked)
            self.locks[value].setEnabled(self._study.editable)
        for more in self.menus.values():
            more.setEnabled(not self._study.read_only)

    def show_volumes(self, volumes_ml: Mapping[str, float] | None) -> None:
        """Volumes in mL by label name; None while no visit is open."""
        self._volumes_ml = volumes_ml
        for label in self._scheme.labels:
            ml = None if volumes_ml is None else volumes_ml.get(label.name, 0.0)
            self.volumes[label.value].setText("" if ml is None else f"{ml_text(ml)} mL")
        if volumes_ml is None:
            self.regions.setText("")
            return
        regions = region_volumes_ml(volumes_ml, self._scheme)
        shown = [r for r in self._scheme.regions if len(r.values) > 1]
        self.regions.setText("   ".join(f"{r.name} {ml_text(regions[r.name])} mL" for r in shown))
