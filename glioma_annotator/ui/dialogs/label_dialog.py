"""A label of the reader's own: its name, what it means, its colour."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import (
    QButtonGroup,
    QColorDialog,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.colours import difference, suggested
from glioma_annotator.domain.labels import LONGEST_NAME, Label, LabelScheme
from glioma_annotator.ui.panels.parts import quiet, swatch

_Button = QDialogButtonBox.StandardButton
_OFFERED = 6
#: Colours nearer than this (delta E, to the reader who sees the least difference) are hard to tell apart in a mask.
_ALIKE = 12.0
_MOST_NAMED = 4


class LabelDialog(QDialog):
    """Asks for a label; `label` is what was entered once the dialog is accepted.

    Parameters
    ----------
    scheme: the study's labels.
    label: the one to be changed; None for a new one.
    """

    def __init__(self, scheme: LabelScheme, label: Label | None, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("New label" if label is None else f"Label {label.name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.setMinimumWidth(440)
        self._scheme = scheme
        self._value = label.value if label is not None else scheme.free_value or 0
        others = [other.colour for other in scheme.labels if other.value != self._value]
        offered = suggested(others)[:_OFFERED] or (_another(others),)
        self.colour = label.colour if label is not None else offered[0]
        self.name = QLineEdit(label.name if label is not None else "")
        self.name.setMaxLength(LONGEST_NAME)
        self.name.setPlaceholderText("e.g. Blood")
        self.name.setAccessibleName("Name of the label")
        self.name.setToolTip("Short: it stands in lists, tables and exports")
        self.title = QLineEdit(label.title if label is not None else "")
        self.title.setPlaceholderText("e.g. Haemorrhage within the cavity")
        self.title.setAccessibleName("What the label means")
        self.title.setToolTip("Shown when the pointer rests on the label")
        self._colours = QButtonGroup(self)
        self._chosen: QToolButton | None = None  # the colour that is none of those offered
        row = QHBoxLayout()
        row.setSpacing(4)
        shown = offered if self.colour in offered else (self.colour, *offered[: _OFFERED - 1])
        for colour in shown:
            row.addWidget(self._swatch(colour, self._praise(colour)))
        self.other = QToolButton()
        self.other.setText("Other…")
        self.other.setProperty("boxed", True)
        self.other.setAccessibleName("Another colour")
        self.other.setToolTip("Choose any colour")
        self.other.clicked.connect(self._ask_colour)
        row.addWidget(self.other)
        row.addStretch(1)
        form = QFormLayout()
        form.setHorizontalSpacing(16)
        form.setVerticalSpacing(8)
        form.addRow("Name", self.name)
        form.addRow("Meaning", self.title)
        form.addRow("Colour", row)
        self.note = quiet()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self._compared = self._alike = ""
        self.buttons = QDialogButtonBox(_Button.Ok | _Button.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 16)
        column.setSpacing(12)
        column.addLayout(form)
        column.addWidget(self.note)
        column.addWidget(self.buttons)
        self._row = row
        self.name.textChanged.connect(self._refresh)
        self._refresh()

    def _near(self, colour: str) -> list[str]:
        """Names of the other labels whose colours some readers can hardly tell from this one."""
        others = [other for other in self._scheme.labels if other.value != self._value]
        return [other.name for other in others if difference(other.colour, colour) < _ALIKE]

    def _praise(self, colour: str) -> str:
        easy = ": easy to tell from the other labels, also for colour-blind readers"
        return colour if self._near(colour) else colour + easy

    def _swatch(self, colour: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setIcon(swatch(colour, 18))
        button.setIconSize(QSize(18, 18))
        button.setCheckable(True)
        button.setChecked(colour == self.colour)
        button.setAccessibleName(f"Colour {colour}")
        button.setToolTip(tip)
        button.clicked.connect(lambda: self.choose_colour(colour))
        self._colours.addButton(button)
        return button

    def choose_colour(self, colour: str) -> None:
        """Take a colour, #RRGGBB."""
        self.colour = colour
        self._refresh()

    def _ask_colour(self) -> None:
        dialog = QColorDialog(QColor(self.colour), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def chosen(colour: QColor) -> None:
            name = colour.name().upper()
            if self._chosen is not None:  # it gives way to the new one, or the row would grow past the dialog
                self._chosen.deleteLater()
            self._chosen = self._swatch(name, self._praise(name))
            self._row.insertWidget(0, self._chosen)
            self._chosen.setChecked(True)
            self.choose_colour(name)

        dialog.colorSelected.connect(chosen)
        dialog.open()

    @property
    def label(self) -> Label:
        """As it is entered."""
        name = self.name.text().strip()
        return Label(self._value, name, self.title.text().strip() or name, self.colour)

    def _refresh(self) -> None:
        label = self.label
        fault = self._scheme.fault(label)
        self.buttons.button(_Button.Ok).setEnabled(not fault)
        if self._compared != label.colour:
            self._compared, near = label.colour, self._near(label.colour)
            many = [*near[:_MOST_NAMED], f"{len(near) - _MOST_NAMED} more"] if len(near) > _MOST_NAMED else near
            self._alike = f"Some readers can hardly tell this colour from that of {', '.join(many)}." if near else ""
        self.note.setText((fault if label.name else "") or self._alike or f"Its value in the mask is {label.value}.")


def _another(taken: Sequence[str]) -> str:
    """A light colour that no label has, once all that are easy to tell apart are taken."""
    hues = (QColor.fromHsvF(n * 0.618 % 1, 0.55, 1.0).name().upper() for n in range(len(taken) + 1))
    return next(colour for colour in hues if colour not in {known.upper() for known in taken})
