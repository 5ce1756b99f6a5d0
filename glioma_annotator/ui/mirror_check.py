"""The mirror check of the open visit: finds its midline on a worker, then shows the sides against each other."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.imaging.midline import MidPlane
from glioma_annotator.imaging.mirror import find_mirror_plane
from glioma_annotator.progress import CancelToken, Progress, Report
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.viewer.mirroring import Mirror, MirrorMode
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.workflow.commands import Command
from glioma_annotator.workflow.jobs import Job
from glioma_annotator.workflow.study import OpenTimepoint
from glioma_annotator.workflow.vasari_sheet import DOUBTFUL_SYMMETRY

#: Whose symmetry is looked at, best first: T1 shows neither oedema nor enhancement.
_SYMMETRIC = (SequenceRole.T1.value, SequenceRole.T1GD.value, SequenceRole.T2.value, SequenceRole.FLAIR.value)
_TURN = (None, MirrorMode.DIFFERENCE, MirrorMode.OPPOSITE)


class MirrorCheck(QObject):
    """Off, the difference from the other side, or the other side in place of this one.

    Signals
    -------
    changed(): it was switched.
    """

    changed = Signal()

    def __init__(self, study: StudyController, view: StudyView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._study = study
        self._view = view
        self._plane: MidPlane | None = None
        self._job: Job | None = None
        self._mirror: Mirror | None = None
        self.mode: MirrorMode | None = None
        study.visit_changed.connect(self._forget)
        study.mask_changed.connect(self._on_mask)

    def flip(self) -> None:
        """On to the difference, the mirror image, off."""
        self.show(_TURN[(_TURN.index(self.mode) + 1) % len(_TURN)])

    def show(self, mode: MirrorMode | None) -> None:
        """Show the sides against each other, as soon as the midline is known; None for no more."""
        self.mode = mode
        visit = self._study.visit
        if mode is None or visit is None:
            self._use(None)
        elif self._plane is not None:
            self._use(Mirror(visit.timepoint.grid, self._plane, mode))
        elif self._job is None:
            self._find(visit)
        self.changed.emit()

    def _use(self, mirror: Mirror | None) -> None:
        self._mirror = mirror
        self._view.aids.set_mirror(mirror)

    def _find(self, visit: OpenTimepoint) -> None:
        """Look for the midline, without what the mask holds: a tumour lies on one side."""
        name = next((n for n in _SYMMETRIC if n in visit.images), next(iter(visit.images)))
        image, tumour = visit.images[name], visit.editor.labels > 0

        def work(report: Report, cancel: CancelToken) -> MidPlane:
            report(Progress(0.1, f"Looking for the midline in {name}"))
            return find_mirror_plane(image, tumour, cancel)

        def done(plane: MidPlane) -> None:
            if self._study.visit is visit:
                self._job, self._plane = None, plane
                if plane.symmetry < DOUBTFUL_SYMMETRY:
                    self._study.notice.emit(f"The midline is doubtful: symmetry {plane.symmetry:.2f} of 1.")
                self.show(self.mode)

        def stopped() -> None:
            if self._study.visit is visit:
                self._job = None
                self.show(None)

        def fail(error: BaseException) -> None:
            stopped()
            self._study.failed.emit(error)

        self._job = self._study.workers.editing.submit("Finding the midline", work, done, fail, stopped)

    def _forget(self) -> None:
        """Another visit has another midline."""
        if self._job is not None:
            self._job.cancel()
        self._plane = self._job = None
        self.show(None)

    def _on_mask(self) -> None:
        if self._mirror is not None:  # the mirror image of a stroke lies elsewhere in the panes
            self._mirror.forget_outlines()
            self._view.schedule()


def mirror_commands(study: StudyController, mirror: MirrorCheck) -> list[Command]:
    """One command; each use goes a step on."""
    return [
        Command("view.mirror", "Mirror check", "Compare the sides across the midline: difference, mirror image, off",
                mirror.flip, "View", ("Ctrl+M",), lambda: study.visit is not None, lambda: mirror.mode is not None),
    ]  # fmt: skip
