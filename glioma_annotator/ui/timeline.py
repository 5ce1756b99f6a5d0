"""The patient's visits over time: to scale where dates or days are known, else evenly spaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QColor,
    QContextMenuEvent,
    QFontMetrics,
    QHelpEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QMenu, QSizePolicy, QToolButton, QToolTip, QWidget

from glioma_annotator.domain.clinical_event import SPANS, ClinicalEvent, EventKind
from glioma_annotator.domain.course import CourseClock
from glioma_annotator.domain.histology import HistologySample
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.ui import theme
from glioma_annotator.ui.panels.parts import plain_tip, without_keys
from glioma_annotator.workflow.event_entry import details_text
from glioma_annotator.workflow.event_entry import when_text as event_when
from glioma_annotator.workflow.histology_entry import diagnosis_text, sample_title

_DOT = 10
_PAD = 6
_ROW = 30
_AXIS = 22
_GAP = 6
_PATIENT_PX = 240  # the longest name beside the visits

SHORT_PHASE = {
    TreatmentPhase.PRE_OPERATIVE: "pre-op",
    TreatmentPhase.EARLY_POST_OPERATIVE: "post-op",
    TreatmentPhase.POST_RT_BASELINE: "baseline",
    TreatmentPhase.FOLLOW_UP: "follow-up",
    TreatmentPhase.PROGRESSION: "progression",
    TreatmentPhase.UNKNOWN: "",
}
MASK_WORDS = {"approved": "approved mask", "draft": "draft mask", "": "no mask yet"}


def when_text(visit: Timepoint) -> str:
    """The date, the day, or the visit's key."""
    if visit.date is not None:
        return visit.date.isoformat()
    return f"day {visit.day}" if visit.day is not None else visit.key


def positions(visits: Sequence[Timepoint]) -> tuple[tuple[float, ...], bool]:
    """Place of each visit between 0 and 1, and whether the places are to scale.

    To scale when every visit has a date, or every visit a day; evenly spaced otherwise.
    """
    dated = [v.date.toordinal() for v in visits if v.date is not None]
    days = dated if len(dated) == len(visits) else [v.day for v in visits if v.day is not None]
    if len(days) == len(visits) and len(set(days)) > 1:
        low, high = min(days), max(days)
        return tuple((d - low) / (high - low) for d in days), True
    count = len(visits)
    return tuple(i / (count - 1) if count > 1 else 0.0 for i in range(count)), False


def spread(ideal: Sequence[float], widths: Sequence[float], room: float) -> list[float]:
    """Left edges of labels of `widths` px, as near as possible to `ideal` px, in order, none overlapping.

    Returns edges from 0 to `room`; where labels do not fit at all, each overlaps the next by as much.
    """
    gap = min(float(_GAP), (room - sum(widths)) / max(len(widths) - 1, 1))
    edges: list[float] = []
    at = 0.0
    for x, width in zip(ideal, widths, strict=True):
        at = max(x, at)
        edges.append(at)
        at += width + gap
    limit = room
    for i in reversed(range(len(edges))):
        edges[i] = max(min(edges[i], limit - widths[i]), 0.0)
        limit = edges[i] - gap
    return edges


@dataclass(frozen=True, slots=True)
class EventMark:
    """A clinical event on the axis: places between 0 and 1, the letters drawn, the tooltip; a span has two places."""

    start: float
    end: float
    letters: str
    tip: str


#: What stands on the axis for each kind that is shown there.
_LETTERS = {
    EventKind.SURGERY: "S",
    EventKind.RADIOTHERAPY: "RT",
    EventKind.TEMOZOLOMIDE: "TMZ",
    EventKind.BEVACIZUMAB: "BEV",
    EventKind.TTFIELDS: "TTF",
    EventKind.OTHER_THERAPY: "Rx",
}

#: What stands on the axis for a histology sample.
SAMPLE_SIGN = "\N{BLACK DIAMOND}"


def event_marks(
    visits: Sequence[Timepoint], events: Sequence[ClinicalEvent], samples: Sequence[HistologySample] = ()
) -> tuple[EventMark, ...]:
    """Surgery, treatments and samples where they lie between the visits; none where the visits are not to scale.

    A span that goes on ends at the last visit; what lies outside the first and the last visit is cut there.
    """
    clock = CourseClock.of(visits)
    days = [day for visit in visits if (day := clock.of_visit(visit)) is not None]
    if len(days) < len(visits) or len(days) < 2 or max(days) == min(days):
        return ()
    first, last = min(days), max(days)
    marks = []
    for event in events:
        start = clock.start(event)
        if event.kind not in _LETTERS or start is None:
            continue
        end = clock.end(event) if event.kind in SPANS else start
        places = [
            (min(max(day, first), last) - first) / (last - first) for day in (start, last if end is None else end)
        ]
        tip = " ".join(filter(None, (event.kind.value, event_when(event), details_text(event))))
        marks.append(EventMark(places[0], places[1], _LETTERS[event.kind], tip))
    for sample in samples:
        day = clock.day(sample.date, sample.day)
        if day is not None:
            place = (min(max(day, first), last) - first) / (last - first)
            marks.append(EventMark(place, place, SAMPLE_SIGN, f"{sample_title(sample)}: {diagnosis_text(sample)}"))
    return tuple(marks)


class VisitButton(QAbstractButton):
    """A visit: a filled dot for an approved mask, a ring for a draft, a faint ring without a mask."""

    show_beside = Signal()

    def __init__(self, visit: Timepoint, mask: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.visit = visit
        self.mask_state = mask
        self.long_text = " ".join(filter(None, (when_text(visit), SHORT_PHASE[visit.phase])))
        self.short_text = when_text(visit)
        self.setText(self.long_text)
        self.setCheckable(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        names = ", ".join(s.name for s in visit.sequences)
        self.setToolTip(plain_tip(f"{visit.title}\n{MASK_WORDS[mask]}\n{names}\nClick opens the visit (, and . step)"))
        self.setAccessibleName(f"Visit {visit.title}, {MASK_WORDS[mask]}")

    def width_for(self, text: str) -> int:
        bold = self.font()
        bold.setBold(True)
        words = QFontMetrics(bold).horizontalAdvance(text) + _PAD if text else 0
        return _DOT + 2 * _PAD + words

    def sizeHint(self) -> QSize:
        return QSize(self.width_for(self.text()), _ROW - 4)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = QMenu(self)
        opening, beside = QAction("Open this visit", menu), QAction("Show beside the open visit", menu)
        opening.triggered.connect(self.click)
        beside.triggered.connect(self.show_beside)
        menu.addActions([opening, beside])
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(event.globalPos())

    def paintEvent(self, _event: QPaintEvent) -> None:
        palette = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self.rect().adjusted(0, 0, -1, -1)
        if self.isChecked() or self.underMouse() or self.hasFocus():
            painter.setPen(QPen(QColor(palette.accent if self.isChecked() or self.hasFocus() else palette.line)))
            painter.setBrush(QColor(palette.panel))
            painter.drawRoundedRect(area, 4, 4)
        centre = QPoint(_PAD + _DOT // 2, self.height() // 2)
        colour = QColor(palette.text if self.mask_state else palette.quiet)
        painter.setPen(
            QPen(colour, 2 if self.mask_state else 1, Qt.PenStyle.SolidLine if self.mask_state else Qt.PenStyle.DotLine)
        )
        painter.setBrush(colour if self.mask_state == "approved" else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, _DOT // 2 - 1, _DOT // 2 - 1)
        font = self.font()
        font.setBold(self.isChecked())
        painter.setFont(font)
        painter.setPen(QColor(palette.text if self.isChecked() else palette.quiet))
        words = self.rect().adjusted(_DOT + 2 * _PAD, 0, 0, 0)
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, self.text())
        painter.end()


class _Scale(QWidget):
    """Buttons of the visits above a time axis."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.buttons: list[VisitButton] = []
        self._places: tuple[float, ...] = ()
        self._to_scale = False
        self.marks: tuple[EventMark, ...] = ()
        self.setMinimumHeight(_ROW + _AXIS)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(400, _ROW + _AXIS)

    def set_buttons(self, buttons: list[VisitButton], places: tuple[float, ...], to_scale: bool) -> None:
        for old in self.buttons:
            old.hide()
            old.deleteLater()
        self.buttons, self._places, self._to_scale = buttons, places, to_scale
        self.arrange()
        for button in buttons:
            button.show()
        self.update()

    def _x(self, place: float) -> float:
        margin = _PAD + _DOT / 2
        return margin + place * (self.width() - 2 * margin - 60)

    def arrange(self) -> None:
        """Place the buttons; texts get shorter until all fit, the open visit keeps the longest."""
        if not self.buttons:
            return
        texts = [b.long_text for b in self.buttons]
        for shorten in (lambda b: b.short_text, lambda _b: ""):
            if self._needed(texts) <= self.width():
                break
            texts = [b.long_text if b.isChecked() else shorten(b) for b in self.buttons]
        for button, text in zip(self.buttons, texts, strict=True):
            button.setText(text)
        widths = [float(b.sizeHint().width()) for b in self.buttons]
        ideal = [self._x(p) - _PAD - _DOT / 2 for p in self._places]
        for button, x, width in zip(self.buttons, spread(ideal, widths, self.width()), widths, strict=True):
            button.setGeometry(round(x), 2, round(width), _ROW - 4)
            if button.isChecked():
                button.raise_()  # others may overlap it

    def _needed(self, texts: list[str]) -> float:
        return sum(b.width_for(t) + _GAP for b, t in zip(self.buttons, texts, strict=True))

    def resizeEvent(self, _event: QResizeEvent) -> None:
        self.arrange()

    def paintEvent(self, _event: QPaintEvent) -> None:
        if not self.buttons:
            return
        palette = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        y = _ROW + 5
        pen = QPen(QColor(palette.line), 1, Qt.PenStyle.SolidLine if self._to_scale else Qt.PenStyle.DotLine)
        painter.setPen(pen)
        painter.drawLine(round(self._x(0)), y, round(self._x(1)), y)
        self._paint_marks(painter, y)
        for button, place in zip(self.buttons, self._places, strict=True):
            x = round(self._x(place))
            painter.setPen(QPen(QColor(palette.accent if button.isChecked() else palette.quiet), 1.5))
            painter.drawLine(x, y - 3, x, y + 3)
            painter.drawLine(button.x() + _PAD + _DOT // 2, _ROW - 3, x, y - 3)
        painter.end()

    def _paint_marks(self, painter: QPainter, y: int) -> None:
        """Spans as bars on the axis, surgery as a tick, each with its letters where there is room."""
        palette = theme.current()
        small = self.font()
        small.setPixelSize(10)
        painter.save()
        painter.setFont(small)
        letters = QFontMetrics(small)
        free_from = -1.0
        for mark in sorted(self.marks, key=lambda m: m.start):
            left, right = self._x(mark.start), self._x(mark.end)
            colour = QColor(palette.warning if mark.letters == "S" else palette.accent)
            painter.setPen(QPen(colour, 2))
            if right - left < 2:
                painter.drawLine(round(left), y - 4, round(left), y + 4)
            else:
                colour.setAlpha(150)
                painter.fillRect(round(left), y - 2, round(right - left), 5, colour)
            if left >= free_from:
                painter.setPen(QColor(palette.quiet))
                painter.drawText(QPoint(round(left) + 3, y + 4 + letters.ascent()), mark.letters)
                free_from = left + 6 + letters.horizontalAdvance(mark.letters)
        painter.restore()

    def event(self, event: QEvent) -> bool:
        """Tell what a mark stands for."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            x = event.pos().x()
            told = [m.tip for m in self.marks if self._x(m.start) - 4 <= x <= self._x(m.end) + 4]
            QToolTip.showText(event.globalPos(), plain_tip("\n".join(told)), self)  # hides it where there is none
            return True
        return super().event(event)


@dataclass(frozen=True, slots=True, eq=False)
class TimelineVisit:
    """A visit as the timeline shows it; `mask` is "approved", "draft" or ""."""

    visit: Timepoint
    mask: str


class Timeline(QWidget):
    """Patient, visits and the button that adds one.

    Signals
    -------
    visit_chosen(Timepoint), beside_chosen(Timepoint), add_visit(), patient_chosen(str key).
    """

    visit_chosen = Signal(object)
    beside_chosen = Signal(object)
    add_visit = Signal()
    patient_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.setSpacing(16)
        self.patient = QToolButton()
        self.patient.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.patient.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._menu = QMenu(self.patient)
        self.patient.setMenu(self._menu)
        self.add = QToolButton()
        self.add.setText("visit")
        self.add.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.add.setToolTip("Import another visit of this patient")
        self.add.setAccessibleName("Add a visit")
        self.add.clicked.connect(self.add_visit)
        self._scale = _Scale(self)
        row.addWidget(self.patient)
        row.addWidget(self._scale, 1)
        row.addWidget(self.add)
        self.repaint_icons()

    def repaint_icons(self) -> None:
        self.patient.setIcon(theme.icon("account-outline"))
        self.add.setIcon(theme.icon("plus"))

    @property
    def buttons(self) -> tuple[VisitButton, ...]:
        return tuple(self._scale.buttons)

    def show_patient(self, key: str, others: Sequence[str], visits: Sequence[TimelineVisit]) -> None:
        """Show a patient's visits; `others` are the keys of all patients of the workspace."""
        short = QFontMetrics(self.patient.font()).elidedText(key, Qt.TextElideMode.ElideMiddle, _PATIENT_PX)
        self.patient.setText(f"{without_keys(short)} \N{BLACK DOWN-POINTING SMALL TRIANGLE}")
        self.patient.setAccessibleName(f"Patient {key}; choose another")
        self.patient.setToolTip(plain_tip(f"{'' if short == key else f'{key}: '}Another patient of this workspace"))
        self._menu.clear()
        for other in others:
            action = self._menu.addAction(without_keys(other))
            action.setCheckable(True)
            action.setChecked(other == key)
            action.triggered.connect(lambda _on=False, chosen=other: self.patient_chosen.emit(chosen))
        buttons, times = [], [when_text(shown.visit) for shown in visits]
        for shown in visits:
            button = VisitButton(shown.visit, shown.mask, self._scale)
            if times.count(button.short_text) > 1:  # before and after surgery of that day
                button.short_text = SHORT_PHASE[shown.visit.phase] or shown.visit.key
            button.clicked.connect(lambda _on=False, visit=shown.visit: self.visit_chosen.emit(visit))
            button.show_beside.connect(lambda visit=shown.visit: self.beside_chosen.emit(visit))
            buttons.append(button)
        places, to_scale = positions([shown.visit for shown in visits])
        self._scale.set_buttons(buttons, places, to_scale)

    def show_events(self, marks: Sequence[EventMark]) -> None:
        """Mark surgery and treatments on the axis."""
        self._scale.marks = tuple(marks)
        self._scale.update()

    def mark(self, timepoint_id: int | None) -> None:
        """Mark the open visit."""
        for button in self.buttons:
            button.setChecked(button.visit.id == timepoint_id)
        self._scale.arrange()
        self._scale.update()
