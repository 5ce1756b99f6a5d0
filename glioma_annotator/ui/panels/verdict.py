"""What came of an adaptation: the figures before and after, and the slice on which the candidate errs most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QImage, QPixmap
from PySide6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from glioma_annotator.domain.adaptation import AdaptationOutcome, RegionVerdict, WorstSlice
from glioma_annotator.domain.labels import IGNORE, LabelScheme
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.ui.panels.parts import ml_text, push_button, quiet

#: Widest picture in pixels, three beside each other and two.
_NARROW, _WIDE = 86, 128
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class VerdictView(QWidget):
    """Table and picture of an outcome.

    Parameters
    ----------
    decision: shown between the two, where it is seen without scrolling past the pictures.

    Signals
    -------
    carry_wanted: the reader wants to carry the earlier mask over, which fits better.
    """

    carry_wanted = Signal()

    def __init__(self, scheme: LabelScheme, decision: QWidget | None = None) -> None:
        super().__init__()
        self._scheme = scheme
        self._decision = decision
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self._inside: QWidget | None = None

    def show_outcome(self, outcome: AdaptationOutcome | None) -> None:
        if self._inside is not None:
            if self._decision is not None:
                self._decision.setParent(self)
                self._decision.hide()
            self._column.removeWidget(self._inside)
            self._inside.deleteLater()
            self._inside = None
        if outcome is None:
            return
        self._inside = QWidget()
        column = QVBoxLayout(self._inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        verdict = outcome.verdict
        title = QLabel(f"{verdict.words.capitalize()}: {'ready to be used' if verdict.accepted else 'not offered'}")
        title.setProperty("role", "strong" if verdict.accepted else "warning")
        column.addWidget(title)
        for reason in verdict.reasons:
            column.addWidget(quiet(reason))
        column.addLayout(self._table(outcome))
        column.addWidget(quiet(f"Dice, judged on {outcome.held_out}. Method: {outcome.way}, {outcome.seconds:.0f} s."))
        if verdict.advice:
            advice = CarryAdvice(self.carry_wanted.emit)
            advice.tell(verdict.advice)
            column.addWidget(advice)
        if self._decision is not None:
            column.addWidget(self._decision)
            self._decision.show()
        if outcome.worst is not None:
            column.addWidget(self._pictures(outcome.worst))
        for message in outcome.messages:
            column.addWidget(quiet(message))
        self._column.addWidget(self._inside)

    def _table(self, outcome: AdaptationOutcome) -> QGridLayout:
        verdict = outcome.verdict
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(0, 1)
        carried = verdict.carried is not None or any(r.carried is not None for r in verdict.regions)
        heads = ["Region", "Before", "After"] + (["Carried"] if carried else [])
        for place, text in enumerate(heads):
            head = quiet(text, wrap=False)
            if place:
                head.setAlignment(_RIGHT)
            grid.addWidget(head, 0, place)
        for row, region in enumerate(verdict.regions, start=1):
            name = QLabel(region.region)
            name.setToolTip(_region_tip(region))
            grid.addWidget(name, row, 0)
            for place, text in enumerate(_figures(region, carried), start=1):
                figure = QLabel(text)
                figure.setAlignment(_RIGHT)
                if place == 2 and region.fault:
                    figure.setProperty("role", "danger")
                figure.setToolTip(region.fault or _region_tip(region))
                grid.addWidget(figure, row, place)
        last = [verdict.before, verdict.after] + ([verdict.carried] if carried else [])
        mean = QLabel("Mean")
        mean.setProperty("role", "strong")
        grid.addWidget(mean, len(verdict.regions) + 1, 0)
        for place, value in enumerate(last, start=1):
            figure = QLabel("–" if value is None else f"{value:.3f}")
            figure.setProperty("role", "strong")
            figure.setAlignment(_RIGHT)
            grid.addWidget(figure, len(verdict.regions) + 1, place)
        return grid

    def _pictures(self, worst: WorstSlice) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(quiet(f"Where it errs most, {worst.sequence}:"))
        shown = [("Your mask", worst.reference), ("Before", worst.before), ("After", worst.after)]
        if worst.carried is not None:
            shown.append(("Carried over", worst.carried))
        across, side = (3, _NARROW) if len(shown) == 3 else (2, _WIDE)
        grid = QGridLayout()
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(1)
        for number, (name, labels) in enumerate(shown):
            picture = QLabel()
            picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
            picture.setPixmap(self._drawn(worst.image, labels, side))
            picture.setAccessibleName(f"Where it errs most: {name}")
            caption = quiet(name, wrap=False)
            caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
            grid.addWidget(picture, 2 * (number // across), number % across)
            grid.addWidget(caption, 2 * (number // across) + 1, number % across)
        column.addLayout(grid)
        return box

    def _drawn(self, image: NDArray[np.float32], labels: LabelArray, side: int) -> QPixmap:
        """A slice (i, j) with its mask, at most `side` pixels wide: the patient's right on the left, anterior up."""
        low, high = np.percentile(image[image != 0], (1, 99.5)) if (image != 0).any() else (0.0, 1.0)
        grey = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1) * 255
        grey[image == 0] = 0
        rgb = np.repeat(grey[..., None], 3, axis=2)
        for label in self._scheme.labels:
            colour = QColor(label.colour)
            here = labels == label.value
            rgb[here] = 0.4 * rgb[here] + 0.6 * np.array([colour.red(), colour.green(), colour.blue()])
        rgb[labels == IGNORE] *= 0.45
        picture = np.ascontiguousarray(rgb[::-1, ::-1].transpose(1, 0, 2).astype(np.uint8))
        height, width = picture.shape[:2]
        made = QImage(picture.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        ratio = 2
        scaled = made.scaled(
            side * ratio,
            int(side * ratio * 1.3),
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        scaled.setDevicePixelRatio(ratio)
        return QPixmap.fromImage(scaled)


class CarryAdvice(QWidget):
    """That the mask of the visit before, carried over, fits better; and the way to carry it over.

    Parameters
    ----------
    act: run by the button.
    """

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 2)
        column.setSpacing(6)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setProperty("role", "warning")
        self.button = push_button(
            "Carry a mask over…", "Shows the visit before beside this one: register them, then “Carry mask over”", act
        )
        column.addWidget(self.text)
        column.addWidget(self.button)
        self.tell("")

    def tell(self, advice: str) -> None:
        """Show the advice; hide where there is none."""
        self.text.setText(advice)
        self.setVisible(bool(advice))


def _figures(region: RegionVerdict, carried: bool) -> list[str]:
    """Before, after and carried over: Dice where the region is there, mL where it is tiny or absent."""
    if region.kind == "present":
        values = [region.before, region.after] + ([region.carried] if carried else [])
        return ["–" if value is None else f"{value:.3f}" for value in values]
    volumes = [region.before_ml, region.after_ml] + ([region.carried_ml] if carried else [])
    return [f"{ml_text(ml)} mL" if ml is not None else "–" for ml in volumes]


def _region_tip(region: RegionVerdict) -> str:
    rows = [f"{region.region}: {ml_text(region.reference_ml)} mL in your mask"]
    rows.append(f"{ml_text(region.before_ml)} mL before, {ml_text(region.after_ml)} mL after")
    if region.kind != "present":
        rows.append(f"It is {region.kind} in the held-out part and judged by its volume.")
    return "\n".join(rows)
