"""The visit shown beside the open one in the *timepoints* layout, or another mask of the open one in its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.workflow.editing import Editor

if TYPE_CHECKING:
    from glioma_annotator.ui.study_controller import StudyController


@dataclass(frozen=True, slots=True, eq=False)
class OtherVisit:
    """A visit shown beside the open one; its mask with the unsaved steps, as it would open.

    Or the open visit with another of its masks, of which `title` says what it is.
    """

    timepoint: Timepoint
    images: Mapping[str, Volume]
    windows: Mapping[str, Window]
    labels: LabelArray
    title: str = ""


class VisitBeside(QObject):
    """Chooses the visit beside and reads it on a worker.

    Signals
    -------
    loaded(OtherVisit | None): it is there, or there is none.
    told(str): why none is there.
    """

    loaded = Signal(object)
    told = Signal(str)

    def __init__(self, study: StudyController) -> None:
        super().__init__(study)
        self._study = study
        self._chosen: Timepoint | None = None
        self._mask: OtherVisit | None = None  # of the open visit, shown in place of another visit

    @property
    def visit(self) -> Timepoint | None:
        """The one chosen, else the one before the open visit, else the one after it."""
        visit = self._study.visit
        if visit is None:
            return None
        visits = self._study.timepoints()
        if self._chosen is not None and self._chosen.id != visit.id and any(v.id == self._chosen.id for v in visits):
            return self._chosen
        keys = [v.id for v in visits]
        if visit.id not in keys or len(keys) < 2:
            return None
        position = keys.index(visit.id)
        return visits[position - 1] if position else visits[1]

    def choose(self, timepoint: Timepoint) -> None:
        self._chosen, self._mask = timepoint, None
        self.load()

    def show_mask(self, labels: LabelArray, title: str) -> None:
        """Show another mask of the open visit beside it, in place of another visit."""
        visit = self._study.require_visit()
        self._mask = OtherVisit(visit.timepoint, visit.images, visit.windows, labels, title)
        self.loaded.emit(self._mask)

    def forget_mask(self) -> None:
        """Another visit is to be opened."""
        self._mask = None

    def load(self) -> None:
        """Read the visit beside on a worker; `loaded` follows."""
        study, session, other = self._study, self._study.session, self.visit
        if self._mask is not None:
            self.loaded.emit(self._mask)
            return
        if session is None or other is None:
            self.told.emit("No other visit to compare with.")
            self.loaded.emit(None)
            return
        self.told.emit(f"Opening {other.title}…")

        def work(report: Report, cancel: CancelToken) -> OtherVisit:
            loaded = session.load(study.fresh(session, other), report, cancel)
            editor = Editor(loaded.labels.copy(), other.grid, session.scheme, None)
            editor.replay(loaded.steps)
            return OtherVisit(other, loaded.images, loaded.windows, editor.labels)

        def done(shown: OtherVisit) -> None:
            wanted = self.visit if self._mask is None else None
            if study.session is session and wanted is not None and wanted.id == other.id:
                self.loaded.emit(shown)

        def failed(error: BaseException) -> None:
            stopped()
            study.failed.emit(error)

        def stopped() -> None:
            wanted = self.visit
            if wanted is not None and wanted.id == other.id:
                self.told.emit(f"{other.title} was not opened. Choose it above to try again.")

        study.workers.reading.submit(f"Opening {other.title}", work, done, failed, stopped)
