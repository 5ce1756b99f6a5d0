"""How visits lie in one another: as found while the program runs, else as a reader accepted it earlier."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np

from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.imaging.reslicing import Deformation
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.timepoints_together import (
    VisitRegistration,
    keep_registration,
    kept_registration,
    withdraw_registration,
)


class KnownRegistrations:
    """One registration of any two visits, whichever of them is read, and the deformation of one to the other."""

    def __init__(self) -> None:
        self._found: dict[frozenset[int | None], VisitRegistration] = {}
        self._bent: dict[tuple[int | None, int | None], Deformation] = {}
        self._withdrawn: set[frozenset[int | None]] = set()

    def clear(self) -> None:
        self._found.clear()
        self._bent.clear()
        self._withdrawn.clear()

    def between(self, store: Store, fixed: Timepoint, moving: Timepoint) -> VisitRegistration | None:
        """What is known with `fixed` as the visit that is read; None where the headers say where the visits lie."""
        found = self._found.get(_pair(fixed, moving))
        if found is None:
            return kept_registration(store, fixed, moving)
        return found if found.later == fixed.key else found.seen_from_other()

    def put(self, fixed: Timepoint, moving: Timepoint, found: VisitRegistration) -> None:
        """From now on the visits lie so; what was bent from another place is dropped."""
        self._found[_pair(fixed, moving)] = found
        for one, other in ((fixed, moving), (moving, fixed)):
            self._bent.pop((one.id, other.id), None)

    def replace(self, fixed: Timepoint, moving: Timepoint, found: VisitRegistration) -> None:
        """The same place with other figures."""
        self._found[_pair(fixed, moving)] = found

    def bend(self, fixed: Timepoint, moving: Timepoint, deformation: Deformation) -> None:
        self._bent[fixed.id, moving.id] = deformation

    def deformation(self, fixed: Timepoint, moving: Timepoint) -> Deformation | None:
        return self._bent.get((fixed.id, moving.id))

    # what is kept in the workspace

    def accept(
        self, store: Store, patient: str, visits: tuple[Timepoint, Timepoint], found: VisitRegistration, name: str
    ) -> VisitRegistration:
        """Keep the registration of `visits`, fixed and moving, as accepted by the reader `name`."""
        today = dt.datetime.now(dt.UTC).date().isoformat()
        accepted = replace(found, accepted_by=name, accepted=today)
        keep_registration(store, patient, accepted)
        self._withdrawn.discard(_pair(*visits))
        self.replace(*visits, accepted)
        return accepted

    def withdraw(
        self, store: Store, patient: str, visits: tuple[Timepoint, Timepoint], found: VisitRegistration, name: str
    ) -> VisitRegistration:
        """Take the accepted registration back; the visits lie where they did."""
        withdraw_registration(store, patient, *visits, name)
        self._withdrawn.add(_pair(*visits))
        return self._not_accepted(visits, found)

    def follow(self, store: Store, visits: tuple[Timepoint, Timepoint], found: VisitRegistration) -> VisitRegistration:
        """The same as the workspace holds it now: withdrawn, brought back or changed other than on the screen."""
        kept, pair = kept_registration(store, *visits), _pair(*visits)
        if kept is None:
            return self._not_accepted(visits, found) if found.accepted_by else found
        moved = not np.allclose(kept.placed.matrix, found.placed.matrix, atol=1e-6)
        if pair in self._withdrawn or (found.accepted_by and moved):
            self._withdrawn.discard(pair)
            self.put(*visits, kept)
            return kept
        return found

    def _not_accepted(self, visits: tuple[Timepoint, Timepoint], found: VisitRegistration) -> VisitRegistration:
        again = replace(found, accepted_by="", accepted="")
        self.replace(*visits, again)
        return again


def _pair(one: Timepoint, other: Timepoint) -> frozenset[int | None]:
    return frozenset((one.id, other.id))
