"""One patient in one archive: visits, volumes, masks with their history, and every clinical record."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any, NamedTuple

from glioma_annotator import __version__
from glioma_annotator.db.archive import write_archive
from glioma_annotator.db.audit import json_text
from glioma_annotator.db.connection import Row, fetch
from glioma_annotator.db.failures import explained
from glioma_annotator.db.layout import Layout
from glioma_annotator.db.repositories import Repositories
from glioma_annotator.db.revisions import TIMES
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.patient import Patient
from glioma_annotator.domain.plain import Plain, to_plain
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report, StepProgress

KIND = "patient archive"
PATIENT = "patient.json"

#: Kinds of records in an archive, in an order in which none refers to a later one; attributes of `Repositories`.
RECORDS = ("histology", "findings", "vasari", "events", "measurements", "responses", "notes", "registrations")

#: What the audit table calls an archive that was taken in; the entry is about the patient.
ARCHIVES = "patient_archives"

#: What the audit table calls a mask's status.
STATUS = "revision_status"


class Change(NamedTuple):
    """When a record got its present state, ISO 8601 in UTC, and from whom; empty where nothing is known of it."""

    utc: str = ""
    by: str = ""


class ChangeTimes:
    """When the records of a patient got their present state, in whichever workspace that was.

    What an archive brought counts from its change elsewhere, not from the import. A change made here counts as later
    than what it changed, though the clock there was ahead of ours.
    """

    def __init__(self, database: Database, patient_uid: str) -> None:
        self._database = database
        query = "SELECT id, after FROM audit WHERE record = ? AND kind = ?"
        entries = database.execute(query, [patient_uid, ARCHIVES]).fetchall()
        self._archives = [(number, json.loads(after)) for number, after in entries]

    def of(self, record: str, kind: str) -> Change:
        """By the record's id and kind in the audit table. A mask's status counts once somebody has decided on it."""
        archives = [(number, entry) for number, entry in self._archives if record in entry["changed"]]
        changes = [(number, Change(*entry["changed"][record]), True) for number, entry in archives]
        query = "SELECT id, at_utc, actor FROM audit WHERE record = ? AND kind = ?"
        for number, at_utc, actor in self._database.execute(query, [record, kind]):
            if not any(entry["first"] <= number < last for last, entry in archives):
                changes.append((number, Change(at_utc, actor), False))
        newest = Change()
        for _, change, brought in sorted(changes):
            newest = max(newest, change) if brought else change._replace(utc=_behind(newest.utc, change.utc))
        return newest


def _behind(earlier: str, utc: str) -> str:
    """The second time, or the first possible one after the first."""
    if utc > earlier:
        return utc
    return (dt.datetime.fromisoformat(earlier) + dt.timedelta(microseconds=1)).isoformat(timespec="microseconds")


def mask_record(visit_uid: str, number: int) -> str:
    """What the audit table calls a mask."""
    return f"{visit_uid} mask {number}"


def export_patient_archive(
    repositories: Repositories,
    layout: Layout,
    key: str,
    target: Path,
    report: Report,
    cancel: CancelToken,
    *,
    identities: bool = False,
) -> None:
    """Write the patient of that key to `target`; who the patient is only with `identities`.

    Raises `UserError` for an unknown patient, a damaged volume, a folder in the file's place and a file among those of
    the workspace, `EnvironmentFailure` when disk or database refuse,
    `Cancelled` when asked to stop; nothing stays then. Of a deleted record it holds the id, when and by whom.
    """
    patient = repositories.patients.with_key(key)
    if patient is None:
        raise UserError(f"There is no patient {key} in this workspace.", "Check the key; the start page lists them.")
    _require_place(layout, target)
    with repositories.connections.reading("The patient could not be read from the database") as database:
        facts = _facts(repositories, database, patient)
    if identities:
        known = repositories.identities.get(key)
        facts["identity"] = None if known is None else to_plain(known)
    files = _files(facts)
    progress = StepProgress(report, len(files) + 1, "Exporting")
    with write_archive(target, KIND, {"program": __version__}) as archive:
        for name, (recorded, sha256) in files.items():
            cancel.raise_if_cancelled()
            file = layout.absolute(recorded)
            with explained(f"{recorded} could not be read"):
                if not file.is_file() or archive.add_file(name, file) != sha256:
                    what = f"{recorded} is missing or is not what was saved."
                    raise UserError(what, "Restore it from a copy of the workspace; `doctor` lists what is affected.")
            progress.step()
        archive.add(PATIENT, json_text(facts).encode())
        progress.step()


def _require_place(layout: Layout, target: Path) -> None:
    with explained(f"{target.name} could not be written"):
        if target.is_dir() or not target.name:
            raise UserError(f"{target} is a folder.", "Name a file for the archive, such as patient.zip.")
        above = target.resolve().parents
        new_backup = layout.backups.resolve() in above and not target.exists()
        if layout.root.resolve() in above and not new_backup:
            raise UserError(f"{target} lies within the workspace.", "Write the archive to another folder.")


def _facts(repositories: Repositories, database: Database, patient: Patient) -> Plain:
    uid = repositories.patients.uid(patient.id or 0)
    times = ChangeTimes(database, uid)
    visits = []
    for visit in fetch(database, "SELECT * FROM timepoints WHERE patient_id = ? ORDER BY id", [patient.id]):
        sequences = fetch(database, "SELECT * FROM sequences WHERE timepoint_id = ? ORDER BY id", [visit["id"]])
        revisions = fetch(database, _REVISIONS, [visit["id"]])
        visits.append(
            {
                **_without(visit, "id", "patient_id", "folder"),
                "sequences": [_without(row, "id", "timepoint_id") for row in sequences],
                "revisions": [_revision(database, times, visit["uid"], row) for row in revisions],
            }
        )
    used = {revision["scheme"] for visit in visits for revision in visit["revisions"]}
    schemes = dict(database.execute("SELECT name, definition FROM label_schemes").fetchall())
    return {
        "uid": uid,
        "key": patient.key,
        "visits": visits,
        "schemes": {name: schemes[name] for name in sorted(used & schemes.keys())},
        "records": {kind: _records(repositories, times, kind, patient.key) for kind in RECORDS},
        "deleted": {kind: _deleted(repositories, times, kind, patient.key) for kind in RECORDS},
    }


_REVISIONS = """
SELECT revisions.*, (SELECT number FROM revisions AS p WHERE p.id = revisions.parent_id) AS parent,
    (SELECT status FROM revision_status WHERE revision_id = revisions.id ORDER BY id DESC LIMIT 1) AS status
FROM revisions WHERE timepoint_id = ? ORDER BY number
"""


def _revision(database: Database, times: ChangeTimes, visit_uid: str, row: Row) -> Plain:
    volumes = "SELECT label, volume_ml FROM revision_volumes WHERE revision_id = ? ORDER BY rowid"
    places = "SELECT name, x_mm, y_mm, z_mm FROM mask_places WHERE revision_id = ?"
    return {
        **_without(row, "id", "timepoint_id", "parent_id"),
        **_changed("status", times.of(mask_record(visit_uid, row["number"]), STATUS)),
        "volumes_ml": dict(database.execute(volumes, [row["id"]]).fetchall()),
        "minutes": dict(database.execute(TIMES, [row["id"]]).fetchall()),
        "places_mm": {name: point for name, *point in database.execute(places, [row["id"]])},
    }


def _records(repositories: Repositories, times: ChangeTimes, kind: str, key: str) -> list[Plain]:
    """Live records with the time of their newest change, by which a merge decides."""
    repository: Any = getattr(repositories, kind)
    return [
        {**_changed("changed", times.of(record.id, repository.table)), "record": to_plain(record)}
        for record in repository.of_patient(key)
    ]


def _deleted(repositories: Repositories, times: ChangeTimes, kind: str, key: str) -> list[Plain]:
    """Ids of deleted records with the time of their deletion."""
    repository: Any = getattr(repositories, kind)
    return [
        {**_changed("changed", times.of(record.id, repository.table)), "id": record.id}
        for record in repository.deleted(key)
    ]


def _changed(what: str, change: Change) -> Plain:
    return {f"{what}_utc": change.utc, f"{what}_by": change.by}


def _without(row: Row, *names: str) -> Plain:
    return {name: value for name, value in row.items() if name not in names}


def _files(facts: Plain) -> dict[str, tuple[str, str]]:
    """Recorded path and SHA-256 by the name in the archive, which is put in the path's place."""
    files: dict[str, tuple[str, str]] = {}
    for visit in facts["visits"]:
        rows: list[dict[str, Any]] = [*visit["sequences"], *visit["revisions"]]
        for row in rows:
            name = f"volumes/{len(files):05d}.nii.gz"
            files[name] = (row["path"], row["file_sha256"])
            row["path"] = name
    return files
