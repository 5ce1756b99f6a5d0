"""Two visits together in the window: registered on a worker, checked, nudged, accepted; what changed between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.registration import Method
from glioma_annotator.imaging.reslicing import Deformation, Placement
from glioma_annotator.progress import CancelToken, Report, part
from glioma_annotator.ui.known_registrations import KnownRegistrations
from glioma_annotator.ui.registration_job import Pair, R, RegistrationJob
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.viewer.comparing import Picture
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.ui.visit_beside import OtherVisit
from glioma_annotator.workflow.timepoints_together import (
    Vector,
    VisitRegistration,
    bend,
    by_headers,
    common_sequence,
    keep_registration,
    kept_registration,
    measured,
    register_visits,
)
from glioma_annotator.workflow.visit_changes import ChangeMap, changes_between

STEP_MM, STEP_DEG = 0.5, 0.5
#: What follows from a nudge or a stroke is computed this long after the last one.
_SETTLE_MS = 400


class Together(QObject):
    """The visit that is read and the one beside it.

    Attributes
    ----------
    other: the visit beside; None while none is, or while a mask of the same visit is.
    found: how the two are registered; None where the headers say where they lie.
    recorded: whether lesions are followed by an accepted registration of the two, this one or one before it.
    changes: what changed between their masks, while that is shown.
    note: what the reader should know of the last attempt; `failed` whether it is bad news.

    Signals
    -------
    changed: any of it changed.
    """

    changed = Signal()

    def __init__(self, study: StudyController, view: StudyView, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.study, self.view = study, view
        self._shown: OtherVisit | None = None
        self.other: Timepoint | None = None
        self.found: VisitRegistration | None = None
        self.changes: ChangeMap | None = None
        self.changes_wanted = False
        self.note, self.failed = "", False
        self.recorded = False
        self._known = KnownRegistrations()
        self._job = RegistrationJob(study, self._stopped, self.changed.emit)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(_SETTLE_MS)
        self._settling.timeout.connect(self._settle)
        study.beside.loaded.connect(self._on_other)
        study.visit_changed.connect(self._on_visit)
        study.workspace_changed.connect(self._known.clear)
        study.patient_changed.connect(self._on_records)
        study.mask_changed.connect(self._on_mask)
        view.comparing.changed.connect(self.changed)

    # what is shown

    @property
    def picture(self) -> Picture:
        return self.view.comparing.picture

    @property
    def running(self) -> bool:
        """Whether a registration is being computed, of whichever visits."""
        return self._job.running

    @property
    def running_here(self) -> bool:
        """Whether that of the two visits is."""
        return self.running and self._shows(self._job.visits, turned=True)

    @property
    def settling(self) -> bool:
        """Whether figures of the last nudge or stroke are still to come."""
        return self._settling.isActive()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """What can be shown beside the visit."""
        return tuple(p for p in Picture if p is not Picture.DEFORMED or self.view.comparing.deformation is not None)

    @property
    def _pair(self) -> Pair | None:
        visit = self.study.visit
        return (visit.timepoint, self.other) if visit is not None and self.other is not None else None

    def _shows(self, pair: Pair | None, *, turned: bool = False) -> bool:
        """Whether these are the two visits on the screen; where `turned`, whichever of them is read."""
        shown, asked = ([visit.id for visit in of or ()] for of in (self._pair, pair))
        return bool(shown) and (shown == asked or (turned and shown == asked[::-1]))

    def _on_visit(self) -> None:
        self._shown = self.other = self.found = self.changes = None
        self.note, self.failed = "", False
        self.changed.emit()

    def _on_other(self, shown: OtherVisit | None) -> None:
        visit = self.study.visit
        self._shown, self.changes = shown, None
        self.other = shown.timepoint if shown is not None and not shown.title else None
        self.found = None
        self.note, self.failed = "", False
        if shown is None or visit is None:
            self.view.show_other(None)
        else:
            self.view.show_other(shown.images, shown.labels, shown.title or shown.timepoint.title, shown.windows)
            self._look_up()
        self._place()
        if self.changes_wanted:
            self._settling.start()

    def _look_up(self) -> None:
        """What is known of the two visits: from this session, else what was accepted earlier."""
        session, pair = self.study.session, self._pair
        if session is not None and pair is not None:
            self.found = self._known.between(session.store, *pair)
            self.recorded = kept_registration(session.store, *pair) is not None

    def _place(self) -> None:
        matrix = self.found.placed.matrix if self.found is not None else np.eye(4)
        bent = self._known.deformation(*self._pair) if self._pair is not None else None
        self.view.comparing.place(Placement(matrix, bent))
        self.changed.emit()

    def choose_other(self, timepoint: Timepoint) -> None:
        """Show another visit beside the one that is read."""
        self.study.beside.choose(timepoint)

    def set_picture(self, picture: Picture) -> None:
        """Change what is shown beside the visit; the map of changes needs both on one grid."""
        if picture is Picture.AS_SCANNED and self.changes_wanted:
            self.show_changes(False)
        self.view.comparing.set_picture(picture)

    def next_picture(self) -> None:
        """The next of the pictures in turn."""
        turn = self.pictures
        self.set_picture(turn[(turn.index(self.picture) + 1) % len(turn)] if self.picture in turn else turn[0])

    def flip_swapped(self) -> None:
        """Show the visit that is read in the other one's place, or no longer."""
        self.view.comparing.swap(not self.view.comparing.swapped)

    # registering

    def require_both(self) -> tuple[Timepoint, Timepoint]:
        """The visit that is read and the one beside it. Raises `UserError` when there is none."""
        visit = self.study.require_visit()
        if self.other is None:
            raise UserError("There is no other visit beside this one.", "Choose one in the bar above the pictures.")
        return visit.timepoint, self.other

    def register(self, method: Method = Method.RIGID) -> None:
        """Register the visit beside to the visit that is read, on a worker."""
        session, (fixed, moving) = self.study.require_session(), self.require_both()
        store = session.store

        def work(report: Report, cancel: CancelToken) -> VisitRegistration:
            return register_visits(store, fixed, moving, method, report, cancel)

        self._submit(f"Registering {moving.title}", work, (fixed, moving), self._take)

    def deform(self) -> None:
        """Bend the visit beside until it looks like the visit that is read, for viewing only; rigidly first."""
        session, (fixed, moving) = self.study.require_session(), self.require_both()
        store, found = session.store, self.found

        def work(report: Report, cancel: CancelToken) -> tuple[VisitRegistration, Deformation]:
            known = found
            if known is None:
                known = register_visits(store, fixed, moving, Method.RIGID, part(report, 0.0, 0.6), cancel)
                report = part(report, 0.6, 1.0)
            return known, bend(store, fixed, moving, known, report, cancel)

        def take(pair: Pair, made: tuple[VisitRegistration, Deformation]) -> None:
            self._take_bent(pair, *made)

        self._submit(f"Bending {moving.title}, for viewing only", work, (fixed, moving), take)

    def _submit(
        self, title: str, work: Callable[[Report, CancelToken], R], visits: Pair, take: Callable[[Pair, R], None]
    ) -> None:
        if not self.running and self._comparable(*visits):
            self.note, self.failed = "", False
            self._job.submit(title, work, visits, take)

    def _stopped(self, visits: Pair, error: UserError | None) -> None:
        """The job was refused, or cancelled; other visits may be on the screen by then."""
        if self._shows(visits, turned=True):
            self.note, self.failed = str(error or "Cancelled; the visits lie where they did."), error is not None
        elif error is not None:
            fixed, moving = visits
            self.study.notice.emit(f"{moving.title} is not registered to {fixed.title}: {error}")

    def _comparable(self, fixed: Timepoint, moving: Timepoint) -> bool:
        """Whether the visits have a sequence in common; says so where they have none."""
        try:
            common_sequence(fixed, moving)
        except UserError as error:
            self.note, self.failed = str(error), True
            self.changed.emit()
            return False
        return True

    def _take(self, pair: Pair, found: VisitRegistration) -> None:
        self._known.put(*pair, found)
        if not self._shows(pair, turned=True):
            self.study.notice.emit(f"{found.earlier} is registered to {found.later}: open them to check it.")
            return
        self._look_up()
        self._place()
        if self.picture is Picture.AS_SCANNED:
            self.view.comparing.set_picture(Picture.REGISTERED)
        if self.changes_wanted:
            self._settling.start()

    def _take_bent(self, pair: Pair, found: VisitRegistration, deformation: Deformation) -> None:
        """Visits bent from where `found` puts them, which may have been nudged or accepted since."""
        now = self._known.between(self.study.require_session().store, *pair)
        if now is None:
            self._take(pair, found)
        elif not np.allclose(now.placed.matrix, found.placed.matrix, atol=1e-6):
            self.study.notice.emit(f"{pair[1].title} was moved while it was bent: bend it again.")
            return
        self._known.bend(*pair, deformation)
        if self._shows(pair):
            self._place()
            self.set_picture(Picture.DEFORMED)

    # by hand

    def nudge(self, across: float, up: float, clockwise_deg: float) -> None:
        """Move the visit beside by mm across and up and turn it, as seen in the active pane's plane.

        Without a registration the headers' place is what is nudged.
        """
        axis = self.view.active_axis
        if axis is None or self.other is None or not self._comparable(*self.require_both()):
            return
        found = self.present()
        axes = self.view.comparing.screen_axes(axis)
        self.set_nudge(*found.nudge_seen(axes, across, up, clockwise_deg))

    def set_nudge(self, shift_mm: Vector, rotation_deg: Vector) -> None:
        """Put the visit beside so far from where it was found: mm in RAS, degrees about these axes."""
        if self.other is None or not self._comparable(*self.require_both()):
            return
        self._keep(self.present().nudged(shift_mm, rotation_deg))
        if self.picture is Picture.AS_SCANNED:
            self.view.comparing.set_picture(Picture.REGISTERED)
        self._settling.start()

    def reset_nudge(self) -> None:
        """Back to where it was found."""
        if self.found is not None:
            self.set_nudge((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))

    def present(self) -> VisitRegistration:
        """The registration there is: where the headers put the visits, when there is none yet."""
        if self.found is not None:
            return self.found
        return by_headers(*self.require_both())

    def _keep(self, found: VisitRegistration) -> None:
        self.found, self.note, self.failed = found, "", False
        self._known.put(*self.require_both(), found)
        self._place()

    def accept(self) -> None:
        """Keep the registration in the workspace with the reader's name; findings and response build on it."""
        session, found = self.study.require_session(), self.found
        if found is None or session.store.read_only:
            return
        name = session.author.strip()
        if not name:
            raise UserError("Accepting a registration needs the reader's name.", "Enter it in the preferences.")
        self.found = self._known.accept(session.store, self.study.patient_key, self.require_both(), found, name)
        self.recorded, self.note, self.failed = True, "", False
        self.study.notice.emit("The registration is kept; following lesions from visit to visit builds on it.")
        self.changed.emit()

    def withdraw(self) -> None:
        """Take the accepted registration back; it stays on the screen, to be nudged or accepted again."""
        session, found = self.study.require_session(), self.found
        if found is None or not found.accepted_by or session.store.read_only:
            return
        visits, name = self.require_both(), session.author.strip()
        self.found = self._known.withdraw(session.store, self.study.patient_key, visits, found, name)
        self.recorded, self.note, self.failed = False, "", False
        self.study.notice.emit(
            "The registration is withdrawn; lesions are followed without it. Accept it again here, or restore it "
            "under Deleted items."
        )
        self.changed.emit()

    def _on_records(self) -> None:
        """Records may have been deleted, brought back or taken over from an archive."""
        session, pair, found = self.study.session, self._pair, self.found
        if session is None or pair is None or session.patient is None or session.patient.id != pair[0].patient_id:
            return
        self.recorded = kept_registration(session.store, *pair) is not None
        if found is not None:
            self.found = self._known.follow(session.store, pair, found)
            if self.found is not found:
                self._place()

    # what follows from it

    def _on_mask(self, _box: object) -> None:
        if self.changes_wanted and self._shown is not None:
            self._settling.start()

    def show_changes(self, on: bool) -> None:
        """The map of what changed between the two masks, on or off."""
        self.changes_wanted = on
        if on and self.picture in (Picture.AS_SCANNED, Picture.DEFORMED):
            self.view.comparing.set_picture(Picture.REGISTERED)
        if on:
            self._settle()
        else:
            self.changes = None
            self.view.comparing.set_changes(None)
        self.changed.emit()

    def _settle(self) -> None:
        """Measure the quality anew after a nudge, and what changed between the masks."""
        visit, shown, found, pair = self.study.visit, self._shown, self.found, self._pair
        if visit is None or shown is None or pair is None:
            return
        if found is not None:
            fixed, moving = visit.images.get(found.sequence), shown.images.get(found.sequence)
            stale = found.by_hand or found.quality != found.registration.quality
            if fixed is not None and moving is not None and stale:
                self.study.workers.reading.submit(
                    "Measuring the registration",
                    lambda _report, _cancel: measured(found, fixed, moving),
                    lambda better: self._better(pair, found, better),
                    self.study.failed.emit,
                )
        if not self.changes_wanted:
            return
        present, before, together = visit.editor.labels.copy(), shown.labels, found or self.present()

        def done(made: ChangeMap) -> None:
            if self._shows(pair) and self.changes_wanted:
                self.changes = made
                self.view.comparing.set_changes(made.changes)
                self.changed.emit()

        self.study.workers.reading.submit(
            "Comparing the masks",
            lambda _report, _cancel: changes_between(present, before, *pair, together.placed),
            done,
            self.study.failed.emit,
        )

    def _better(self, pair: Pair, asked: VisitRegistration, now: VisitRegistration) -> None:
        """The quality of `asked` measured anew; one accepted meanwhile is kept with it."""
        found, session = self.found, self.study.session
        if not self._shows(pair) or found is None or session is None or not _same_place(found, asked):
            return
        now = replace(now, accepted_by=found.accepted_by, accepted=found.accepted)
        if now.accepted_by and now.quality != found.quality and not session.store.read_only:
            keep_registration(session.store, self.study.patient_key, now)
        self._known.replace(*pair, now)
        self.found = now
        self.changed.emit()


def _same_place(one: VisitRegistration, other: VisitRegistration) -> bool:
    nudges = ((r.shift_mm, r.rotation_deg) for r in (one, other))
    return one.registration is other.registration and len(set(nudges)) == 1
