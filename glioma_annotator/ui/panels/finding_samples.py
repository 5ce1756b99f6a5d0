"""The histology samples taken from a finding: links that open them, and a menu that chooses them."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMenu, QVBoxLayout, QWidget

from glioma_annotator.domain.finding import Finding
from glioma_annotator.domain.histology import HistologySample
from glioma_annotator.ui.histology import HistologyController
from glioma_annotator.ui.panels.parts import push_button
from glioma_annotator.workflow.histology_entry import diagnosis_text, sample_title


class FindingSamples(QWidget):
    """Shows and changes which samples were taken from the finding in the form."""

    def __init__(self, histology: HistologyController) -> None:
        super().__init__()
        self._histology = histology
        self._finding: Finding | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self.links = QLabel()
        self.links.setWordWrap(True)
        self.links.setAccessibleName("Histology samples of the finding")
        self.links.setTextInteractionFlags(
            Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard
        )
        self.links.linkActivated.connect(histology.open)
        self.choose = push_button("Samples…", "Choose the samples taken from this finding, or add one", self._menu)
        self.choose.setAccessibleName("Choose histology samples")
        self.choose.setProperty("role", "small")
        column.addWidget(self.links)
        column.addWidget(self.choose)

    def show_finding(self, finding: Finding) -> None:
        self._finding = finding
        own = [_link(sample) for sample in self._histology.samples_of(finding)]
        earlier = [_link(sample) for sample in self._histology.samples_of_lesion(finding)]
        if earlier:
            own.append(f"same lesion, another visit: {'; '.join(earlier)}")
        self.links.setText("<br>".join(own))
        self.links.setVisible(bool(own))
        self.choose.setEnabled(self._histology.editable)

    def _menu(self) -> None:
        finding = self._finding
        if finding is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for sample in self._histology.all():
            action = menu.addAction(f"{sample_title(sample)}: {diagnosis_text(sample)}")
            action.setCheckable(True)
            action.setChecked(sample.id in finding.samples)
            action.triggered.connect(lambda on, chosen=sample.id: self._link(chosen, on))
        if not menu.isEmpty():
            menu.addSeparator()
        menu.addAction("New sample taken from this finding").triggered.connect(lambda _on=False: self._add())
        menu.popup(self.choose.mapToGlobal(self.choose.rect().bottomLeft()))

    def _link(self, sample_id: str, linked: bool) -> None:
        if self._finding is not None:
            self._histology.link(self._finding, sample_id, linked=linked)

    def _add(self) -> None:
        if self._finding is not None:
            self._histology.open(self._histology.add_from(self._finding).id)


def _link(sample: HistologySample) -> str:
    return f'<a href="{sample.id}">{escape(sample_title(sample))}</a>: {escape(diagnosis_text(sample))}'
