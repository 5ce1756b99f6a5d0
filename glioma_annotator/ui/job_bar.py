"""The status bar: the running job with its progress and Cancel, and what lies under the pointer."""

from __future__ import annotations

import datetime as dt

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QStatusBar, QWidget

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.ui.viewer.types import CrosshairPlace, HoverInfo
from glioma_annotator.ui.workers import Workers
from glioma_annotator.workflow.jobs import Job

_NOTICE_MS = 12_000


class ElidedLabel(QLabel):
    """A label that shortens its text to the room it has; the whole text is its tooltip."""

    def __init__(self, mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._mode = mode
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def minimumSizeHint(self) -> QSize:
        return QSize(24, super().minimumSizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        text = QFontMetrics(self.font()).elidedText(self.text(), self._mode, self.contentsRect().width())
        painter.setPen(self.palette().windowText().color())
        painter.drawText(self.contentsRect(), Qt.AlignmentFlag.AlignVCenter | self.alignment(), text)
        painter.end()


def seconds_text(seconds: float | None) -> str:
    """A remaining time for a reader: "6 s left", "2 min left"; empty while unknown."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s left"
    return f"{round(seconds / 60)} min left"


class JobBar(QWidget):
    """The job that runs now: message, percent, time left, Cancel; never a dialog."""

    def __init__(self, workers: Workers, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workers = workers
        self._job: Job | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 0, 8, 0)
        row.setSpacing(8)
        self.message = ElidedLabel()
        self.progress = QProgressBar()
        self.progress.setRange(0, 100)
        self.progress.setFixedWidth(80)
        self.progress.setAccessibleName("Progress of the job")
        self.time_left = QLabel()
        self.time_left.setMinimumWidth(64)
        self.time_left.setProperty("role", "quiet")
        self.cancel = QPushButton("Cancel")
        self.cancel.setToolTip("Stop the job; what it has finished is kept")
        self.cancel.setAccessibleName("Cancel the job")
        self.cancel.setProperty("role", "small")
        self.cancel.clicked.connect(self._on_cancel)
        row.addWidget(self.message, 1)
        for widget in (self.progress, self.time_left, self.cancel):
            row.addWidget(widget)
        workers.changed.connect(self._refresh)
        self._refresh()

    @property
    def job(self) -> Job | None:
        """The job that is shown."""
        return self._job

    def _refresh(self) -> None:
        jobs = self._workers.jobs
        self._job = jobs[0] if jobs else None
        self.setVisible(self._job is not None)
        if self._job is None:
            return
        job, progress = self._job, self._job.progress
        more = f"   (+{len(jobs) - 1} more)" if len(jobs) > 1 else ""
        step = progress.message if progress.message not in ("", "Starting", job.title) else ""
        stopping = job.cancel_token.cancelled
        text = f"Stopping: {job.title}" if stopping else f"{job.title}: {step}" if step else job.title
        self.message.setText(text + more)
        self.message.setToolTip(text)
        self.progress.setValue(round(100 * progress.fraction))
        self.time_left.setText("" if stopping else seconds_text(job.seconds_left))
        self.cancel.setEnabled(not stopping)

    def _on_cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._refresh()


class StatusBar(QStatusBar):
    """Job or last notice on the left; place, values, label, saved state and the read-only mark on the right."""

    def __init__(self, workers: Workers, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.setContentsMargins(0, 0, 8, 0)
        self.job_bar = JobBar(workers)
        self.notice = ElidedLabel()
        self.notice.setContentsMargins(8, 0, 0, 0)
        self.position = self._figure("Position of the crosshair in mm: right-left, anterior, superior", 172)
        self.values = ElidedLabel()
        self.values.setToolTip("Value of each sequence under the pointer")
        self.values.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.label = self._figure("Label under the pointer", 44)
        self.saved = self._figure("Whether the mask is kept as a revision", 0)
        self.read_only = QLabel("Read-only")
        self.read_only.setProperty("role", "mark")
        self.read_only.setToolTip("This workspace is open elsewhere; here it can only be looked at")
        self.read_only.hide()
        self.addWidget(self.job_bar, 4)
        self.addWidget(self.notice, 3)
        self.addPermanentWidget(self.position)
        self.addPermanentWidget(self.values, 3)
        for widget in (self.label, self.saved, self.read_only):
            self.addPermanentWidget(widget)
        self._notice_timer = QTimer(self)
        self._notice_timer.setSingleShot(True)
        self._notice_timer.setInterval(_NOTICE_MS)
        self._notice_timer.timeout.connect(self._end_notice)
        workers.changed.connect(self._share_room)
        self._share_room()

    def _figure(self, tip: str, width: int) -> QLabel:
        label = QLabel()
        label.setToolTip(tip)
        label.setMinimumWidth(width)
        return label

    def _share_room(self) -> None:
        """A notice has its place beside a job, too: that may run for minutes."""
        self.notice.setVisible(self.job_bar.isHidden() or bool(self.notice.text()))

    def _end_notice(self) -> None:
        self.notice.setText("")
        self._share_room()

    def show_notice(self, text: str) -> None:
        """A sentence that stays a while; the next one takes its place."""
        self.notice.setText(text)
        self.notice.setToolTip(text)
        self._notice_timer.start()
        self._share_room()

    def show_place(self, place: CrosshairPlace | None) -> None:
        if place is None:
            self.position.setText("")
            return
        x, y, z = place.world_mm
        self.position.setText(f"x {x:.1f}  y {y:.1f}  z {z:.1f} mm")

    def show_hover(self, info: HoverInfo | None, scheme: LabelScheme) -> None:
        if info is None:
            self.values.setText("")
            self.label.setText("")
            return
        text = "   ".join(f"{name} {_figure_text(value)}" for name, value in info.values.items())
        self.values.setText(text)
        label = scheme.label(info.label)
        self.label.setText(label.name if label else "")

    def show_figures(self, shown: bool) -> None:
        """Whether there is a study for the figures on the right to speak of."""
        for widget in (self.position, self.values, self.label, self.saved):
            widget.setVisible(shown)

    def show_saved(self, text: str) -> None:
        self.saved.setText(text)


def _figure_text(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def saved_text(unsaved_steps: int, saved_utc: dt.datetime | None) -> str:
    """The saved state for the status bar; `saved_utc` is when the last revision was made."""
    if unsaved_steps:
        return f"{unsaved_steps} unsaved step{'s' if unsaved_steps > 1 else ''}"
    if saved_utc is None:
        return "no mask yet"
    local = saved_utc.astimezone()
    today = local.date() == dt.datetime.now(local.tzinfo).date()
    return f"saved {local:%H:%M}" if today else f"saved {local:%Y-%m-%d}"
