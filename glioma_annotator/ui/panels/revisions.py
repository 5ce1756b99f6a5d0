"""The revisions of the open visit's mask: save, approve, compare, restore."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.measurement import region_volumes_ml
from glioma_annotator.domain.revision import RevisionStatus, SegmentationRevision
from glioma_annotator.ui import theme
from glioma_annotator.ui.command_ui import CommandActions
from glioma_annotator.ui.panels.parts import follow_action, ml_text, quiet
from glioma_annotator.ui.study_controller import StudyController

_REVISION = Qt.ItemDataRole.UserRole


class RevisionList(QWidget):
    """Newest first; the buttons act on the selected revision."""

    selection_changed = Signal()

    def __init__(self, scheme: LabelScheme, study: StudyController) -> None:
        super().__init__()
        self._scheme = scheme
        self._study = study
        self._listed: frozenset[int | None] = frozenset()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(6)
        self.list = QListWidget()
        self.list.setAccessibleName("Revisions of the mask, newest first")
        self.list.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.list.setMinimumHeight(46)
        self.list.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.empty = quiet("No revision yet. Paint or segment, then save.")
        self._column.addWidget(self.empty, 0, Qt.AlignmentFlag.AlignTop)
        self._column.addWidget(self.list, 1)
        self.list.currentItemChanged.connect(self.selection_changed)
        study.revisions_changed.connect(self._refresh)
        study.visit_changed.connect(self._refresh)
        self._refresh()

    def add_buttons(self, actions: CommandActions) -> None:
        """Save, Approve, Compare and Restore above the list, where a low window does not cut them off."""
        row = QHBoxLayout()
        row.setSpacing(4)
        wanted = (
            ("Save", "study.save"),
            ("Approve", "study.approve"),
            ("Compare", "study.compare"),
            ("Restore", "study.restore"),
        )
        for text, command in wanted:
            row.addWidget(_button(text, actions[command]), 1)
        self._column.insertLayout(0, row)

    @property
    def selected(self) -> SegmentationRevision | None:
        item = self.list.currentItem()
        held = item.data(_REVISION) if item is not None else None
        return held if isinstance(held, SegmentationRevision) else None

    def _refresh(self) -> None:
        visit = self._study.visit
        revisions = visit.revisions if visit is not None else ()
        kept = self.selected
        listed, self._listed = self._listed, frozenset(r.id for r in revisions)
        newest = max(revisions, key=lambda r: r.number, default=None)
        if kept is None or kept.id not in self._listed or (newest is not None and newest.id not in listed):
            chosen = newest.id if newest is not None else None  # another visit, or one more revision
        else:
            chosen = kept.id
        self.list.blockSignals(True)
        self.list.clear()
        for revision in sorted(revisions, key=lambda r: -r.number):
            item = QListWidgetItem(self._text(revision))
            item.setData(_REVISION, revision)
            item.setToolTip(self._tip(revision))
            approved = revision.status is RevisionStatus.APPROVED
            item.setIcon(theme.icon("circle" if approved else "circle-outline"))
            self.list.addItem(item)
            if revision.id == chosen:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        self.list.setVisible(bool(revisions))
        self.empty.setVisible(not revisions)
        self.selection_changed.emit()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() is QEvent.Type.PaletteChange:
            self._refresh()  # with icons in the palette's colours
        super().changeEvent(event)

    def _text(self, revision: SegmentationRevision) -> str:
        when = f"{revision.created_utc.astimezone():%Y-%m-%d %H:%M}"
        whole = region_volumes_ml(revision.volumes_ml, self._scheme).get("WT", 0.0)
        first = f"{revision.number}   {when}   {revision.status.value}"
        return f"{first}\n{revision.origin.value}, {revision.author}, WT {ml_text(whole)} mL"

    def _tip(self, revision: SegmentationRevision) -> str:
        rows = [f"Revision {revision.number}, {revision.origin.value}, by {revision.author}"]
        rows += [f"{name} {ml_text(ml)} mL" for name, ml in revision.volumes_ml.items()]
        rows += [f"Model {revision.model}"] if revision.model else []
        rows += [revision.note] if revision.note else []
        rows += [minutes_text(revision.minutes)] if revision.minutes else []
        return "\n".join(rows)


def minutes_text(minutes: Mapping[str, float]) -> str:
    """Active minutes by tool, e.g. "Active 12.5 min: brush 8.1, crosshair 4.4"."""
    parts = ", ".join(f"{tool} {m:.1f}" for tool, m in minutes.items() if m >= 0.05)
    return f"Active {sum(minutes.values()):.1f} min: {parts}"


def _button(text: str, action: QAction) -> QPushButton:
    button = QPushButton(text)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setProperty("role", "narrow")
    button.setAccessibleName(action.text())
    follow_action(button, action)
    return button
