"""The meaning of a mask's values: what was found, how much of it, which label it is here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.labels import BRATS_2021_TO_PROGRAM, LabelScheme
from glioma_annotator.imaging.label_codec import propose_mapping
from glioma_annotator.ui.panels.entry_fields import CalmList
from glioma_annotator.ui.panels.parts import ml_text, push_button, quiet, swatch

LEAVE_OUT = 0
_TALLEST = 320


class MappingTable(QWidget):
    """One row per value found, with a choice of label; background (0) is not shown.

    Parameters
    ----------
    counts: voxels by value found.
    mapping: proposed label by value; values it does not name are left out.
    voxel_ml: volume of a voxel in mL; None while the grid is not known, then only voxels are shown.
    """

    def __init__(
        self,
        counts: Mapping[int, int],
        mapping: Mapping[int, int],
        scheme: LabelScheme,
        voxel_ml: float | None = None,
    ) -> None:
        super().__init__()
        self._scheme = scheme
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(3, 1)
        heads = ("Value found", "Voxels", "mL" if voxel_ml is not None else "", "Is here")
        for column, text in enumerate(heads):
            grid.addWidget(quiet(text, wrap=False), 0, column)
        self.choices: dict[int, QComboBox] = {}
        for row, value in enumerate(sorted(v for v in counts if v != 0), start=1):
            choice = CalmList()
            choice.addItem("leave out", LEAVE_OUT)
            for label in scheme.labels:
                choice.addItem(swatch(label.colour, 12), f"{label.name}  {label.title}", label.value)
            choice.setCurrentIndex(max(choice.findData(mapping.get(value, LEAVE_OUT)), 0))
            choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            choice.setMinimumContentsLength(14)
            choice.setAccessibleName(f"Label for value {value}")
            choice.setToolTip(f"What the value {value} means in this program")
            ml = "" if voxel_ml is None else ml_text(counts[value] * voxel_ml)
            for column, text in enumerate((str(value), f"{counts[value]:,}", ml)):
                figure = QLabel(text)
                figure.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                grid.addWidget(figure, row, column)
            grid.addWidget(choice, row, 3)
            self.choices[value] = choice

    @property
    def mapping(self) -> dict[int, int]:
        """Label by value found, background included."""
        return {0: 0, **{value: int(choice.currentData()) for value, choice in self.choices.items()}}

    def show_mapping(self, mapping: Mapping[int, int]) -> None:
        """Choose these labels; values that are not named are left out."""
        for value, choice in self.choices.items():
            choice.setCurrentIndex(max(choice.findData(mapping.get(value, LEAVE_OUT)), 0))


class MappingDialog(QDialog):
    """Asks for the meaning of the values of one mask file.

    Parameters
    ----------
    title: the file's name.
    counts: voxels by value found in it.
    mapping: what to start from; by default what the values suggest.
    voxel_ml: volume of a voxel in mL, for the preview.
    """

    def __init__(
        self,
        title: str,
        counts: Mapping[int, int],
        scheme: LabelScheme,
        parent: QWidget,
        *,
        mapping: Mapping[int, int] | None = None,
        voxel_ml: float | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Meaning of the mask's values")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        suggested, warnings = propose_mapping(counts)
        self.table = MappingTable(counts, suggested if mapping is None else mapping, scheme, voxel_ml)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(12)
        name = QLabel(title)
        name.setProperty("role", "strong")
        layout.addWidget(name)
        layout.addWidget(quiet("Say which label each value is. Values that are left out become background."))
        for text in warnings:
            warning = QLabel(text)
            warning.setProperty("role", "warning")
            warning.setWordWrap(True)
            layout.addWidget(warning)
        layout.addWidget(_scrolled(self.table), 1)
        presets = QHBoxLayout()
        presets.addWidget(quiet("Fill in:", wrap=False))
        same = {value: value for value in scheme.values}
        for text, tip, values in (
            ("BraTS 2024", "1 NETC, 2 SNFH, 3 ET, 4 RC", same),
            ("BraTS 2017 to 2021", "1 NCR, 2 ED, 4 ET", BRATS_2021_TO_PROGRAM),
            ("None", "Leave every value out", {}),
        ):
            presets.addWidget(push_button(text, tip, partial(self.table.show_mapping, values)))
        presets.addStretch(1)
        layout.addLayout(presets)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.ok = buttons.button(QDialogButtonBox.StandardButton.Ok)
        self.ok.setText("Use these labels")
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
        self.setMinimumWidth(520)
        for choice in self.table.choices.values():
            choice.currentIndexChanged.connect(self._refresh)
        self._refresh()

    @property
    def mapping(self) -> dict[int, int]:
        return self.table.mapping

    def _refresh(self) -> None:
        some = any(label != LEAVE_OUT for label in self.mapping.values())
        self.ok.setEnabled(some)
        self.ok.setToolTip("" if some else "Every value is left out: nothing would remain")


def _scrolled(table: MappingTable) -> QScrollArea:
    """The table at its full height, or in part: a map of the brain's regions has more values than a screen has room."""
    area = QScrollArea()
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(table)
    area.setMinimumHeight(min(table.sizeHint().height(), _TALLEST))
    area.setMinimumWidth(table.sizeHint().width() + area.verticalScrollBar().sizeHint().width())
    return area
