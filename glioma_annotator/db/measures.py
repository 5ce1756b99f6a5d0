"""Volumes per visit, label and region with what they are compared with, and where each label lies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from glioma_annotator.db.connection import Connections, fetch
from glioma_annotator.db.label_schemes import remember_scheme
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.db.timepoints import visits_of
from glioma_annotator.domain.clinical_event import ClinicalEvent, EventKind
from glioma_annotator.domain.course import CourseClock, radiotherapy_end
from glioma_annotator.domain.finding import Point
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, LabelScheme
from glioma_annotator.domain.measurement import is_seen, region_volumes_ml
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.plain import from_plain
from glioma_annotator.domain.rano_visit import find_baseline
from glioma_annotator.domain.visit_measure import VisitMeasure
from glioma_annotator.domain.volume import LabelArray

_UNREADABLE = "The measures could not be read from the database"

#: The mask that counts at each visit of a patient: the newest approved one, else the newest.
_COUNTING_MASKS = """
SELECT timepoints.id, revisions.id, scheme FROM timepoints JOIN revisions ON revisions.id = (
    SELECT id FROM revisions AS r WHERE r.timepoint_id = timepoints.id ORDER BY (
        SELECT status FROM revision_status WHERE revision_id = r.id ORDER BY id DESC LIMIT 1
    ) = 'approved' DESC, number DESC LIMIT 1
) WHERE patient_id = ?
"""


class MeasureRepository:
    """Fulfils `workflow.record_ports.Measures`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def of_patient(self, patient: str) -> tuple[VisitMeasure, ...]:
        """Every measured visit's volumes by the patient's key."""
        query = """
            SELECT timepoints.key AS timepoint, name, number AS revision, volume_ml, baseline_ml, nadir_ml, previous_ml
            FROM timepoints JOIN measures ON measures.timepoint_id = timepoints.id
            JOIN revisions ON revisions.id = revision_id
            WHERE patient_id = (SELECT id FROM patients WHERE key = ?) ORDER BY timepoints.id, name"""
        with self._connections.reading(_UNREADABLE) as database:
            return tuple(VisitMeasure(**row) for row in fetch(database, query, [patient]))

    def add_mask(
        self, database: Database, revision_id: int, scheme: LabelScheme, places_mm: Mapping[str, Point]
    ) -> None:
        """Remember a new mask's scheme and places, in the transaction of `database`."""
        remember_scheme(database, scheme)
        self.add_places(database, revision_id, places_mm)

    def add_places(self, database: Database, revision_id: int, places_mm: Mapping[str, Point]) -> None:
        """Remember where a new mask's labels lie, in the transaction of `database`."""
        rows = [(revision_id, name, *point) for name, point in places_mm.items()]
        database.conn.executemany("INSERT INTO mask_places VALUES (?, ?, ?, ?, ?)", rows)

    def refresh(self, database: Database, patient_id: int) -> None:
        """Write the patient's measures anew, in the transaction of `database`."""
        visits = visits_of(database, patient_id)
        masks = {visit: mask for visit, *mask in database.execute(_COUNTING_MASKS, [patient_id])}
        volumes = [_seen(v, _volumes(database, *masks[v.id])) if v.id in masks else {} for v in visits]
        baseline = _baseline(database, patient_id, visits) if visits else 0
        rows = []
        for index, visit in enumerate(visits):
            for name, volume_ml in volumes[index].items():
                before = [v[name] for v in volumes[:index] if name in v]
                since = [v[name] for v in volumes[baseline:index] if name in v]
                known = index > baseline and name in volumes[baseline]
                compared = (volumes[baseline][name], min(since)) if known else (None, None)
                rows.append((visit.id, name, masks[visit.id][0], volume_ml, *compared, before[-1] if before else None))
        database.execute(
            "DELETE FROM measures WHERE timepoint_id IN (SELECT id FROM timepoints WHERE patient_id = ?)", [patient_id]
        )
        database.conn.executemany("INSERT INTO measures VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def complete(self) -> None:
        """Make the measures of a workspace that has masks but none, as one of an older version has."""
        with self._connections.writing("The measures could not be recorded") as database:
            query = "SELECT EXISTS (SELECT 1 FROM revisions) AND NOT EXISTS (SELECT 1 FROM measures)"
            if database.execute(query).fetchone()[0]:
                for (patient_id,) in database.execute("SELECT id FROM patients").fetchall():
                    self.refresh(database, patient_id)


def _seen(visit: Timepoint, volumes_ml: dict[str, float]) -> dict[str, float]:
    return {name: ml for name, ml in volumes_ml.items() if is_seen(name, ml, visit.roles)}


def _volumes(database: Database, revision_id: int, scheme_name: str) -> dict[str, float]:
    """mL by label and region."""
    query = "SELECT label, volume_ml FROM revision_volumes WHERE revision_id = ?"
    by_label = dict(database.execute(query, [revision_id]).fetchall())
    found = database.execute("SELECT definition FROM label_schemes WHERE name = ?", [scheme_name]).fetchone()
    scheme = from_plain(LabelScheme, json.loads(found[0])) if found else None
    if scheme is None and scheme_name == GLIOMA_POST_TREATMENT.name:
        scheme = GLIOMA_POST_TREATMENT
    return by_label | dict(region_volumes_ml(by_label, scheme)) if scheme else by_label


def _baseline(database: Database, patient_id: int, visits: Sequence[Timepoint]) -> int:
    """Index of the visit that change is judged against, by the same rule as in response assessment."""
    spans = fetch(
        database,
        """SELECT date, day, end_date, end_day FROM clinical_events
           WHERE patient_id = ? AND kind = ? AND deleted_utc IS NULL""",
        [patient_id, EventKind.RADIOTHERAPY.value],
    )
    plain = {"patient": "", "kind": EventKind.RADIOTHERAPY.value}
    radiotherapy = [from_plain(ClinicalEvent, plain | span) for span in spans]
    clock = CourseClock.of(visits)
    days = [clock.of_visit(visit) for visit in visits]
    ends = [radiotherapy_end(radiotherapy, day, clock) for day in days]
    since = [None if day is None or end is None else day - end for day, end in zip(days, ends, strict=True)]
    return find_baseline([visit.phase for visit in visits], since)[0]


def mask_places_mm(labels: LabelArray, grid: Grid, scheme: LabelScheme) -> dict[str, Point]:
    """By label and region of a mask (i, j, k on `grid`), the voxel nearest to its centroid, where there is one."""
    flat = np.flatnonzero(labels != 0)  # of booleans a fifth of the time
    values = labels.reshape(-1)[flat]
    named = {label.name: (label.value,) for label in scheme.labels} | {r.name: r.values for r in scheme.regions}
    places: dict[str, Point] = {}
    for name, wanted in named.items():
        inside = flat[np.isin(values, wanted)]
        if inside.size:
            voxels = np.stack(np.unravel_index(inside, labels.shape), axis=-1)
            nearest = voxels[np.argmin(((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1))]
            x, y, z = grid.index_to_world(nearest.astype(np.float64))
            places[name] = (float(x), float(y), float(z))
    return places
