"""Volumes per visit, label and region with what they are compared with, and where each label lies."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping

import numpy as np

from glioma_annotator.db.audit import json_text
from glioma_annotator.db.connection import Connections, Row, fetch
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.finding import Point
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, LabelScheme
from glioma_annotator.domain.measurement import region_volumes_ml
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.plain import from_plain, to_plain
from glioma_annotator.domain.visit_measure import VisitMeasure, baseline_position
from glioma_annotator.domain.volume import LabelArray

_UNREADABLE = "The measures could not be read from the database"

#: The visits of a patient with the mask that counts, if any: the newest approved one, else the newest.
_VISITS = """
SELECT timepoints.id AS timepoint_id, date, day, course_order, phase, revisions.id AS revision_id, scheme
FROM timepoints LEFT JOIN revisions ON revisions.id = (
    SELECT id FROM revisions AS r WHERE r.timepoint_id = timepoints.id ORDER BY (
        SELECT status FROM revision_status WHERE revision_id = r.id ORDER BY id DESC LIMIT 1
    ) = 'approved' DESC, number DESC LIMIT 1
) WHERE patient_id = ?
"""


class MeasureRepository:
    """Fulfils `workflow.ports.Measures`."""

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
        database.execute(
            "INSERT INTO label_schemes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
            [scheme.name, json_text(to_plain(scheme))],
        )
        rows = [(revision_id, name, *point) for name, point in places_mm.items()]
        database.conn.executemany("INSERT INTO mask_places VALUES (?, ?, ?, ?, ?)", rows)

    def refresh(self, database: Database, patient_id: int) -> None:
        """Write the patient's measures anew, in the transaction of `database`."""
        course = _in_course_order(fetch(database, _VISITS, [patient_id]))
        visits = [visit for visit in course if visit["revision_id"] is not None]
        volumes = [_volumes(database, visit["revision_id"], visit["scheme"]) for visit in visits]
        baseline = baseline_position([TreatmentPhase(visit["phase"]) for visit in visits])
        rows = []
        for position, visit in enumerate(visits):
            for name, volume_ml in volumes[position].items():
                earlier = [v[name] for v in volumes[baseline:position] if name in v]
                at_baseline = volumes[baseline].get(name) if position >= baseline else None
                previous = volumes[position - 1].get(name) if position else None
                nadir = min(earlier, default=None)
                key = (visit["timepoint_id"], name, visit["revision_id"])
                rows.append((*key, volume_ml, at_baseline, nadir, previous))
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


def _volumes(database: Database, revision_id: int, scheme_name: str) -> dict[str, float]:
    """mL by label and region."""
    query = "SELECT label, volume_ml FROM revision_volumes WHERE revision_id = ?"
    by_label = dict(database.execute(query, [revision_id]).fetchall())
    found = database.execute("SELECT definition FROM label_schemes WHERE name = ?", [scheme_name]).fetchone()
    scheme = from_plain(LabelScheme, json.loads(found[0])) if found else None
    if scheme is None and scheme_name == GLIOMA_POST_TREATMENT.name:
        scheme = GLIOMA_POST_TREATMENT
    return by_label | dict(region_volumes_ml(by_label, scheme)) if scheme else by_label


def _in_course_order(visits: list[Row]) -> list[Row]:
    """As `db.timepoints` orders them."""
    if all(visit["date"] for visit in visits):
        return sorted(visits, key=lambda v: (dt.date.fromisoformat(v["date"]), v["course_order"]))
    if all(visit["day"] is not None for visit in visits):
        return sorted(visits, key=lambda v: (v["day"], v["course_order"]))
    return sorted(visits, key=lambda v: v["course_order"])


def mask_places_mm(labels: LabelArray, grid: Grid, scheme: LabelScheme) -> dict[str, Point]:
    """By label and region of a mask (i, j, k on `grid`), the voxel nearest to its centroid, where there is one."""
    flat = np.flatnonzero(labels)
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
