"""The search field at the top right: finds words in findings, reports and notes as they are typed."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenuBar,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from glioma_annotator.domain.cohort import SearchHit
from glioma_annotator.ui.asking import NewestOnly
from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.navigator import Place
from glioma_annotator.ui.panels.parts import count_text, plain_tip, quiet
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.workflow.cohort_words import excerpt

_MOST = 100
_PAUSE_MS = 80  # between the last key and the search: a quick typist's gap
_WIDTH, _LEAST_WIDTH, _HEIGHT = 760, 420, 360
_FRAME, _ROW = 88, 22  # of the list: its head, foot and margins; a line
_CONTROL, _ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
_HIT = Qt.ItemDataRole.UserRole


class SearchBox(QLineEdit):
    """The field, with the list of what it found below it.

    Signals
    -------
    chosen(Place): open this. left: the reader is done; the keyboard belongs elsewhere.
    """

    chosen = Signal(object)
    left = Signal()

    def __init__(self, study: StudyController, window: QWidget) -> None:
        super().__init__()
        self._study, self._window = study, window
        self._asking: NewestOnly[list[tuple[SearchHit, str]]] = NewestOnly(study.workers.searching)
        self.setPlaceholderText("Search findings, reports, notes (Ctrl+F)")
        self.setAccessibleName("Search findings, reports and notes")
        self.setToolTip("Every word must occur; the last may be unfinished; “two words” stand next to each other")
        self.setClearButtonEnabled(True)
        self.setFixedWidth(300)
        self.popup = QFrame(window)
        self.popup.setObjectName("search-results")
        self.popup.setProperty("role", "card")
        self.popup.hide()
        self.list = QTreeWidget()
        self.list.setAccessibleName("What was found")
        self.list.setHeaderLabels(["Patient", "Visit", "Kind", "Text"])
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header = self.list.header()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(3, QHeaderView.ResizeMode.Stretch)
        header.setStretchLastSection(True)
        self.told = quiet(wrap=False)
        self.only_patient = QCheckBox("Only this patient")
        self.only_patient.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.only_patient.toggled.connect(lambda _on: self._ask())
        foot = QHBoxLayout()
        foot.addWidget(self.told, 1)
        foot.addWidget(self.only_patient)
        column = QVBoxLayout(self.popup)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(6)
        column.addWidget(self.list, 1)
        column.addLayout(foot)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._ask)
        self.textChanged.connect(self._on_text)
        self.list.itemClicked.connect(lambda _item, _column: self._open())
        self.list.itemActivated.connect(lambda _item, _column: self._open())
        study.workspace_changed.connect(self.clear)
        study.patient_changed.connect(self._refresh_patient)
        window.installEventFilter(self)
        self._refresh_patient()

    @property
    def searching(self) -> bool:
        """Whether what is typed is still being searched for."""
        return self._pause.isActive() or self._asking.busy

    def start(self) -> None:
        """Take the keyboard, and show again what was found before."""
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.selectAll()
        if self.text().strip():
            self._ask()

    # asking

    def _on_text(self, text: str) -> None:
        if text.strip() and self._study.session is not None:
            self._pause.start()
        else:
            self._close()

    def _ask(self) -> None:
        session, query = self._study.session, self.text()
        if session is None or not query.strip():
            return
        patient = self._study.patient_key if self.only_patient.isChecked() else ""
        store = session.store

        def find() -> list[tuple[SearchHit, str]]:
            return [(hit, _line(hit, query)) for hit in store.search.find(query, patient, _MOST)]

        self._asking.ask(find, self._show, self._fail)

    def _show(self, hits: Sequence[tuple[SearchHit, str]]) -> None:
        """List what was found, each with its line."""
        self.list.clear()
        for hit, text in hits:
            item = QTreeWidgetItem([hit.patient, hit.timepoint, hit.kind, text])
            item.setToolTip(3, plain_tip(f"{hit.title}\n{hit.text}" if hit.text else hit.title))
            item.setData(0, _HIT, hit)
            self.list.addTopLevelItem(item)
        if hits:
            self._select(0)
            many = f"The newest {_MOST}" if len(hits) == _MOST else count_text(len(hits), "record")
            self.told.setText(f"{many}. Return opens the image at the place.")
        else:
            where = " of this patient" if self.only_patient.isChecked() else ""
            self.told.setText(f"No finding, report, note, event or sample{where} holds all of these words.")
        self._place()
        self.popup.setVisible(self.hasFocus())
        self.popup.raise_()

    def _select(self, row: int) -> None:
        item = self.list.topLevelItem(row)
        if item is not None:
            self.list.setCurrentItem(item)

    def _close(self) -> None:
        """Hide the list; what is still being searched for is not wanted any more."""
        self._pause.stop()
        self._asking.drop()
        self.popup.hide()

    def _fail(self, error: BaseException) -> None:
        self.popup.hide()
        self._study.failed.emit(error)

    # choosing

    def _open(self) -> None:
        item = self.list.currentItem()
        hit = item.data(0, _HIT) if item is not None else None
        if isinstance(hit, SearchHit):
            self._close()
            finding = hit.record if hit.kind == "finding" else ""
            self.left.emit()
            place = Place(hit.patient, hit.timepoint, hit.point_mm, finding, hit.kind, hit.record, self.text())
            self.chosen.emit(place)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, count = Qt.Key(event.key()), self.list.topLevelItemCount()
        step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}.get(key, 0)
        if step and count and self.popup.isVisible():
            row = self.list.indexOfTopLevelItem(self.list.currentItem()) + step
            self._select(min(max(row, 0), count - 1))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.popup.isVisible() and not self.searching:  # else the list answers what was typed before
                self._open()
            else:
                self._ask()
        elif key == Qt.Key.Key_Escape:
            self._close()
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        return _kept(event) or super().event(event)

    # the list's place

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._window and event.type() is QEvent.Type.Resize and self.popup.isVisible():
            self._place()
        if event.type() is QEvent.Type.WindowDeactivate and QApplication.activeWindow() is not self._window:
            self.popup.hide()
        return False

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._close()

    def _place(self) -> None:
        """Below the field, its right edge under the field's, within the window."""
        corner = self.mapTo(self._window, QPoint(self.width(), self.height() + 4))
        width = max(min(_WIDTH, corner.x() - 8), _LEAST_WIDTH)
        wanted = min(_HEIGHT, _FRAME + _ROW * max(self.list.topLevelItemCount(), 1))
        height = max(min(wanted, self._window.height() - corner.y() - 8), 120)
        self.popup.setGeometry(max(corner.x() - width, 8), corner.y(), width, height)

    def _refresh_patient(self) -> None:
        self.only_patient.setVisible(bool(self._study.patient_key))
        if not self._study.patient_key:
            self.only_patient.setChecked(False)


def _line(hit: SearchHit, query: str) -> str:
    words = excerpt(hit.text, query)
    return ": ".join(filter(None, (hit.title, words)))


def _kept(event: QEvent) -> bool:
    """Keep keys without Ctrl or Alt from being commands, function keys apart.

    The corner lies in the menu bar, and to Qt a key of a menu's command that only the panes hear is heard there too.
    """
    if not isinstance(event, QKeyEvent) or event.type() is not QEvent.Type.ShortcutOverride:
        return False
    function = Qt.Key.Key_F1 <= event.key() <= Qt.Key.Key_F35
    if function or event.modifiers() & (_CONTROL | _ALT):
        return False
    event.accept()
    return True


class _Corner(QWidget):
    """What stands in the menu bar; Tab and Space work in it as anywhere else."""

    def event(self, event: QEvent) -> bool:
        return _kept(event) or super().event(event)


def make_corner(bar: QMenuBar, study: StudyController, commands: CommandActions, window: QWidget) -> SearchBox:
    """Put the search field and the button of the command palette at the right end of the menu bar; the field."""
    corner = _Corner(bar)
    row = QHBoxLayout(corner)
    row.setContentsMargins(0, 2, 4, 2)
    row.setSpacing(6)
    box = SearchBox(study, window)
    button = QToolButton()
    button.setText("Commands (Ctrl+K)")
    button.setToolTip(commands["help.palette"].toolTip())
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.clicked.connect(commands["help.palette"].trigger)
    row.addWidget(box)
    row.addWidget(button)
    bar.setCornerWidget(corner)
    return box
