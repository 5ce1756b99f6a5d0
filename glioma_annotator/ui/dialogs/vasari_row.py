"""One feature of the VASARI sheet: its value, where that comes from, and what it was at another visit."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from PySide6.QtCore import QObject, QSignalBlocker
from PySide6.QtWidgets import QGridLayout, QLabel, QLineEdit

from glioma_annotator.domain.vasari import VasariEntry, VasariFeature
from glioma_annotator.ui import theme
from glioma_annotator.ui.panels.entry_fields import Choice
from glioma_annotator.ui.panels.parts import push_button, quiet
from glioma_annotator.workflow.vasari_entry import FeatureChange, status_text


class VasariRow(QObject):
    """A row of the sheet's grid.

    Parameters
    ----------
    choose: told of the feature's number and the value the reader chose; empty for none.
    confirm: told of the computed entry the reader agrees with.
    """

    def __init__(
        self,
        grid: QGridLayout,
        row: int,
        feature: VasariFeature,
        choose: Callable[[str, str], None],
        confirm: Callable[[VasariEntry], None],
    ) -> None:
        super().__init__(grid)
        self._feature, self._choose, self._confirm = feature, choose, confirm
        self._entry: VasariEntry | None = None
        name = f"{feature.number} {feature.title}"
        self.title = QLabel(name)
        self.title.setToolTip(feature.description)
        self.title.setWordWrap(True)
        self.field: Choice | QLineEdit = self._build_field(name)
        self.title.setBuddy(self.field)
        self.status = quiet()
        self.agree = push_button("Confirm", "Agree with the computed value", self._on_confirm)
        self.agree.setAccessibleName(f"Confirm {name}")
        self.agree.setProperty("role", "small")
        self.agree.setAutoDefault(False)
        policy = self.agree.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.agree.setSizePolicy(policy)
        self.before = QLabel()
        self.before.setWordWrap(True)
        self.before.setAccessibleName(f"{name} at the visit compared with")
        self._parts = (self.title, self.field, self.status, self.agree, self.before)
        for column, part in enumerate(self._parts):
            grid.addWidget(part, row, column)

    def _build_field(self, name: str) -> Choice | QLineEdit:
        if self._feature.options:
            choice = Choice(name)
            choice.add("–", "", "No value")
            for option in self._feature.options:
                choice.add(option.title, option.code)
            choice.setMinimumContentsLength(18)
            choice.chosen.connect(lambda: self._choose(self._feature.number, str(choice.currentData())))
            choice.setToolTip(self._feature.description)
            return choice
        line = QLineEdit()
        line.setAccessibleName(name)
        line.setPlaceholderText(f"figure in {self._feature.unit}" if self._feature.unit else "")
        line.setToolTip(self._feature.description)
        line.editingFinished.connect(self._on_typed)
        return line

    def show_entry(
        self,
        entry: VasariEntry | None,
        revision: int | None,
        change: FeatureChange | None,
        *,
        editable: bool,
        other: bool = False,
    ) -> None:
        """Show what counts; `revision` is the mask's that counts now, `change` compares with the other visit.

        `other` says that another visit was shown before, else a figure that is being typed stays.
        """
        self._entry = entry
        with QSignalBlocker(self.field):
            if isinstance(self.field, Choice):
                self.field.show_value(entry.value if entry is not None else "")
            elif other or not (self.field.hasFocus() and self.field.isModified()):
                self.field.setText(f"{entry.value} {self._feature.unit}".strip() if entry is not None else "")
        self.field.setEnabled(editable)
        waiting = entry is not None and entry.computed and not entry.confirmed
        status = escape(status_text(entry, revision))
        if waiting:
            status = f'<span style="color:{theme.current().warning}">{status}</span>'
        reason = entry.reason if entry is not None and entry.computed else ""
        self._say(f"{status}. {escape(reason)}" if reason else status, "quiet")
        self.agree.setVisible(waiting and editable)
        self._show_change(change)

    def refuse(self, why: str) -> None:
        """Say why what was typed is not kept; it stays in the field."""
        if isinstance(self.field, QLineEdit):
            self.field.setModified(True)
        self._say(escape(why), "danger")

    def set_visible(self, visible: bool) -> None:
        for part in self._parts:
            part.setVisible(visible and (part is not self.agree or self._waiting))

    @property
    def _waiting(self) -> bool:
        return self._entry is not None and self._entry.computed and not self._entry.confirmed and self.field.isEnabled()

    def _show_change(self, change: FeatureChange | None) -> None:
        text = change.before if change is not None else ""
        if change is not None and change.difference is not None:
            text = f"{text} ({change.difference:+.1f} since)"
        self.before.setText(text)
        self.before.setProperty("role", "strong" if change is not None and change.changed else "quiet")
        self._restyle(self.before)

    def _say(self, text: str, role: str) -> None:
        self.status.setText(text)
        self.status.setProperty("role", role)
        self._restyle(self.status)

    @staticmethod
    def _restyle(label: QLabel) -> None:
        """The style sheet looks at properties only once unless told."""
        label.style().unpolish(label)
        label.style().polish(label)

    def _on_typed(self) -> None:
        assert isinstance(self.field, QLineEdit)
        shown = f"{self._entry.value} {self._feature.unit}".strip() if self._entry is not None else ""
        if self.field.text().strip() != shown:
            self.field.setModified(False)  # kept, unless it is refused
            self._choose(self._feature.number, self.field.text())

    def _on_confirm(self) -> None:
        if self._entry is not None:
            self._confirm(self._entry)
