"""Takes in a patient's archive: what the workspace has already is recognised by id or content and not added again."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shutil
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from glioma_annotator import __version__
from glioma_annotator.db.archive import ArchiveReader, read_archive
from glioma_annotator.db.failures import explained
from glioma_annotator.db.filing import VOLUME, unused_name
from glioma_annotator.db.label_schemes import merge_scheme
from glioma_annotator.db.layout import Layout
from glioma_annotator.db.names import safe_name
from glioma_annotator.db.patient_export import (
    ARCHIVES,
    KIND,
    PATIENT,
    RECORDS,
    STATUS,
    Change,
    ChangeTimes,
    mask_record,
)
from glioma_annotator.db.repositories import Repositories
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.db.timepoints import timepoint_of
from glioma_annotator.domain.archive import MergeSummary
from glioma_annotator.domain.audit import AuditAction
from glioma_annotator.domain.patient import Patient
from glioma_annotator.domain.patient_identity import PatientIdentity
from glioma_annotator.domain.plain import Plain, from_plain
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report, StepProgress

#: Fields of records that name another visit than their own.
_OF_VISITS = ("other", "baseline", "nadir")

#: Fields of records that name other records.
_OF_RECORDS = ("previous", "samples")

_LARGEST_FACTS = 512 * 2**20


def import_patient_archive(
    repositories: Repositories, layout: Layout, archive: Path, report: Report, cancel: CancelToken, *, key: str = ""
) -> MergeSummary:
    """Add or merge the patient of an archive, all or nothing; under another `key` if given and the patient is new.

    The same patient is one with the same uid, or with the same key and a visit of the same images; the same visit has
    the same uid or images; the same mask the same content and time of making, or content and both came from a file; the
    same record the same id. Of two states of a record, deleted being one, or of a mask's approval the one changed later
    stays, wherever it was changed.

    Raises `UserError` for an archive that is none or was tampered with, and when another patient has the key.
    """
    with read_archive(archive, KIND) as source:
        try:
            facts = json.loads(source.read(PATIENT, _LARGEST_FACTS))
            return _Merge(repositories, layout, source, facts, report, cancel).run(key)
        except (
            KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, sqlite3.IntegrityError,
        ) as error:  # fmt: skip
            # what a well-formed archive of this version never raises: its facts were edited, or it is a newer one's
            what = f"The archive is refused: what it says of the patient cannot be read ({error})."
            raise UserError(what, _advice(source)) from error


def _advice(source: ArchiveReader) -> str:
    made_by = str(source.manifest.get("program", ""))
    if made_by == __version__:
        return "Nothing was changed. Export the patient once more."
    return (
        f"Nothing was changed. It was made by version {made_by or '?'} of the program, this is {__version__}: bring the"
        " older one up to date, then export the patient once more."
    )


class _Merge:
    def __init__(
        self,
        repositories: Repositories,
        layout: Layout,
        source: ArchiveReader,
        facts: Plain,
        report: Report,
        cancel: CancelToken,
    ) -> None:
        self._all, self._layout, self._source, self._facts = repositories, layout, source, facts
        self._cancel = cancel
        self._progress = StepProgress(report, len(source.members), "Importing")
        self._written: list[Path] = []
        self._revision_numbers: dict[tuple[str, int], int] = {}  # visit's key and number in the archive -> here
        self._visit_keys: dict[str, str] = {}
        self._brought: dict[str, Change] = {}  # by what the audit table calls the record
        self._absent: set[str] = set()  # records deleted in the archive and never known here
        self._patient_id = 0
        self._staging = layout.backups / f".import-{uuid.uuid4().hex[:8]}"

    def run(self, key: str) -> MergeSummary:
        try:
            self._stage()
            with self._all.connections.writing("The patient could not be recorded") as db:
                summary = self._merge(db, key or str(self._facts["key"]))
        except BaseException:
            for file in self._written:
                file.unlink(missing_ok=True)
            raise
        finally:
            shutil.rmtree(self._staging, ignore_errors=True)
        return summary

    def _merge(self, database: Database, key: str) -> MergeSummary:
        unknown = sorted(self._facts["records"].keys() - set(RECORDS))
        if unknown:
            what = f"The archive is refused: it holds {unknown[0]}, which this version of the program does not know."
            raise UserError(what, _advice(self._source))
        first = database.execute("SELECT coalesce(max(id), 0) + 1 FROM audit").fetchone()[0]
        patient = self._patient(database, key)
        self._patient_id = patient.id or 0
        uid = self._all.patients.uid(self._patient_id)
        self._times = ChangeTimes(database, uid)
        summary = MergeSummary(patient.key)
        for name, definition in self._facts["schemes"].items():
            merge_scheme(database, name, definition)
        for visit in self._facts["visits"]:
            self._visit(database, patient, visit, summary)
        self._all.measures.refresh(database, self._patient_id)
        deleted = [(kind, item) for kind in RECORDS for item in self._facts.get("deleted", {}).get(kind, ())]
        self._absent = {str(i["id"]) for kind, i in deleted if not self._holds(database, kind, str(i["id"]))}
        for kind in RECORDS:
            for item in self._facts["records"].get(kind, ()):
                self._record(database, kind, item, patient, summary)
        for kind, item in deleted:
            self._deletion(database, kind, item, summary)
        if self._facts.get("identity") and self._all.identities.get(patient.key) is None:
            self._all.identities.set(patient.key, from_plain(PatientIdentity, self._facts["identity"]))
        if self._brought:
            state = {"key": patient.key, "first": first, "changed": self._brought}
            self._all.audit.write(database, AuditAction.ADD, ARCHIVES, uid, None, state)
        return summary

    def _stage(self) -> None:
        """Unpack every volume before the database is held, so that the window need not wait for the disk."""
        with explained("The patient's volumes could not be written"):
            self._source.require_room(self._layout.root)
            self._staging.mkdir(mode=0o700)
            for name in self._source.members:
                self._cancel.raise_if_cancelled()
                if name != PATIENT:
                    self._source.unpack(name, self._staged(name))
                self._progress.step()

    def _staged(self, name: str) -> Path:
        """Named so that `doctor --repair` clears it away after a kill."""
        return self._staging / f".{name.replace('/', '-')}.tmp"

    # patient

    def _patient(self, database: Database, key: str) -> Patient:
        uid = str(self._facts["uid"])
        same = database.execute("SELECT key FROM patients WHERE uid = ?", [uid]).fetchone()
        patient = self._all.patients.with_key(same[0] if same else key)
        if patient is None:
            return self._all.patients.add(key, uid)
        if same or any(self._same_visit(database, patient, visit) for visit in self._facts["visits"]):
            return patient
        raise UserError(
            f"This workspace has another patient {key}.", "Give the archive's patient another key (--patient KEY)."
        )

    # visits

    def _same_visit(self, database: Database, patient: Patient, visit: Plain) -> int | None:
        """The workspace's visit with the uid, or with the very same images unless the archive has that visit too."""
        query = "SELECT id FROM timepoints WHERE patient_id = ? AND uid = ?"
        found = database.execute(query, [patient.id, visit["uid"]]).fetchone()
        if found:
            return int(found[0])
        wanted = sorted(row["file_sha256"] for row in visit["sequences"])
        others = {other["uid"] for other in self._facts["visits"]}
        for timepoint_id, uid in database.execute("SELECT id, uid FROM timepoints WHERE patient_id = ?", [patient.id]):
            query = "SELECT file_sha256 FROM sequences WHERE timepoint_id = ?"
            if (
                uid not in others
                and wanted
                and wanted == sorted(row[0] for row in database.execute(query, [timepoint_id]))
            ):
                return int(timepoint_id)
        return None

    def _visit(self, database: Database, patient: Patient, visit: Plain, summary: MergeSummary) -> None:
        timepoint_id = self._same_visit(database, patient, visit)
        if timepoint_id is None:
            timepoint_id = self._add_visit(patient, visit)
            summary.visits += 1
        else:
            summary.known += 1
        stored = self._all.timepoints.get(timepoint_id)
        assert stored is not None, "it was just found or added"
        self._visit_keys[visit["key"]] = stored.key
        uid = database.execute("SELECT uid FROM timepoints WHERE id = ?", [timepoint_id]).fetchone()[0]
        here = self._all.revisions.of_timepoint(timepoint_id)
        known = _same_masks(here, visit["revisions"])
        ids: dict[int, int] = {}
        for row in visit["revisions"]:
            mask, there = known.get(row["number"]), _change("status", row)
            if mask is None:
                mask = self._add_mask(database, timepoint_id, row, ids.get(row["parent"] or 0))
                self._note(mask_record(uid, mask.number), STATUS, there)
                summary.masks += 1
            elif self._note(mask_record(uid, mask.number), STATUS, there) and mask.status.value != row["status"]:
                self._all.revisions.set_status(mask.id or 0, RevisionStatus(row["status"]), there.by)
                summary.changed += 1
            else:
                summary.known += 1
            ids[row["number"]] = mask.id or 0
            self._revision_numbers[visit["key"], row["number"]] = mask.number
        newest = self._all.revisions.of_timepoint(timepoint_id)[-1:]
        if here and newest[0].number > here[-1].number and newest[0].created_utc < here[-1].created_utc:
            summary.warnings.append(
                f"Visit {stored.key}: mask {newest[0].number} came from the archive and is now the newest, though it"
                f" was made before mask {here[-1].number}; restore that one if it is to be gone on with."
            )

    def _note(self, record: str, kind: str, there: Change) -> bool:
        """Whether the archive's state is newer than the one here; its time is then kept."""
        newer = there.utc > self._times.of(record, kind).utc
        if newer:
            self._brought[record] = there
        return newer

    def _add_visit(self, patient: Patient, visit: Plain) -> int:
        if any(v.key == visit["key"] for v in self._all.timepoints.of_patient(patient.id or 0)):
            raise UserError(
                f"The patient has another visit {visit['key']} with other images.",
                "Import the archive under another key (--patient KEY), then compare the two.",
            )
        parent = self._layout.patients / self._all.patients.folder(patient.id or 0)
        recorded = self._all.timepoints.folders(patient.id or 0)
        folder = parent / unused_name(parent, safe_name(visit["key"], "visit"), "", recorded)
        sequences = []
        for row in visit["sequences"]:
            name = f"{unused_name(folder, safe_name(row['name'], 'sequence'), VOLUME)}{VOLUME}"
            sequences.append(row | {"id": None, "path": self._place(row, folder / name)})
        timepoint = timepoint_of({**visit, "id": None, "patient_id": patient.id}, sequences)
        hashes = {row["name"]: row["file_sha256"] for row in sequences}
        return self._all.timepoints.add(timepoint, folder.name, hashes, str(visit["uid"]))

    def _place(self, row: Plain, target: Path) -> str:
        """Put a volume in its place; its path as the database records it."""
        member = self._source.members.get(row["path"])
        if member is None or member["sha256"] != row["file_sha256"]:
            raise ValueError(f"{row['path']} is not the volume that is recorded")
        with explained("The patient's volumes could not be written"):
            for folder in (target.parent.parent, target.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            self._staged(row["path"]).rename(target)
            self._written.append(target)
        return self._layout.relative(target)

    def _add_mask(
        self, database: Database, timepoint_id: int, row: Plain, parent_id: int | None
    ) -> SegmentationRevision:
        number = max((r.number for r in self._all.revisions.of_timepoint(timepoint_id)), default=0) + 1
        patient = self._all.patients.folder(self._patient_id)
        folder = self._layout.patients / patient / self._all.timepoints.folder(timepoint_id) / "segmentations"
        path = self._place(row, folder / f"{unused_name(folder, f'{number:04d}', VOLUME)}{VOLUME}")
        revision = SegmentationRevision(
            timepoint_id,
            number,
            RevisionOrigin(row["origin"]),
            str(row["author"]),
            dt.datetime.fromisoformat(row["created_utc"]),
            str(row["content_sha256"]),
            path,
            str(row["scheme"]),
            {str(name): float(volume) for name, volume in row["volumes_ml"].items()},
            RevisionStatus(row["status"]),
            parent_id,
            str(row["model"]),
            str(row["note"]),
            {str(tool): float(minutes) for tool, minutes in row.get("minutes", {}).items()},
        )
        revision_id = self._all.revisions.add(revision, str(row["file_sha256"]))
        places = {str(name): (float(x), float(y), float(z)) for name, (x, y, z) in row["places_mm"].items()}
        self._all.measures.add_places(database, revision_id, places)
        return dataclasses.replace(revision, id=revision_id)

    # records

    def _record(self, database: Database, kind: str, item: Plain, patient: Patient, summary: MergeSummary) -> None:
        repository: Any = getattr(self._all, kind)
        record = self._as_here(from_plain(repository.kind, item["record"]), patient)
        there = _change("changed", item)
        here = repository.get(record.id)
        unheard_of = here is None and not self._times.of(record.id, repository.table).utc
        newer = self._note(record.id, repository.table, there)
        if not newer and not unheard_of:
            summary.known += 1
        elif here is None and not self._holds(database, kind, record.id):
            repository.add(record)
            summary.records += 1
        elif here == record:
            summary.known += 1
        else:
            if here is None:
                repository.restore(record.id, there.by)
            repository.change(record, there.by)
            summary.changed += 1

    def _as_here(self, record: Any, patient: Patient) -> Any:
        """A record of the archive with the keys and numbers that patient, visits and masks have here."""
        visit = self._visit_keys.get(record.timepoint, record.timepoint)
        changes: dict[str, Any] = {"patient": patient.key, "timepoint": visit}
        for name in _OF_VISITS:
            if hasattr(record, name):
                key = getattr(record, name)
                changes[name] = self._visit_keys.get(key, key)
        for name in _OF_RECORDS:
            if hasattr(record, name):
                changes[name] = tuple(uid for uid in getattr(record, name) if uid not in self._absent)
        if getattr(record, "revision", None) is not None:
            changes["revision"] = self._revision_numbers.get((record.timepoint, record.revision), record.revision)
        return dataclasses.replace(record, **changes)

    def _deletion(self, database: Database, kind: str, item: Plain, summary: MergeSummary) -> None:
        repository: Any = getattr(self._all, kind)
        uid, there = str(item["id"]), _change("changed", item)
        newer = self._note(uid, repository.table, there)
        if newer and self._holds(database, kind, uid) and repository.get(uid) is not None:
            repository.delete(uid, there.by)
            summary.changed += 1

    def _holds(self, database: Database, kind: str, uid: str) -> bool:
        """Whether the patient has a record of that id here, be it deleted."""
        query = f"SELECT 1 FROM {getattr(self._all, kind).table} WHERE uid = ? AND patient_id = ?"
        return database.execute(query, [uid, self._patient_id]).fetchone() is not None


def _same_masks(here: Sequence[SegmentationRevision], rows: Sequence[Plain]) -> dict[int, SegmentationRevision]:
    """The masks that are here already, by their number in the archive.

    A mask that was restored has the content of an older one and is another mask. Only files that were imported in both
    workspaces are the same though they were imported at other times.
    """
    made = {(mask.created_utc, mask.content_sha256): mask for mask in here}
    keys = {row["number"]: (dt.datetime.fromisoformat(row["created_utc"]), row["content_sha256"]) for row in rows}
    same = {number: made[key] for number, key in keys.items() if key in made}
    taken = {mask.number for mask in same.values()}
    files = {m.content_sha256: m for m in here if m.origin is RevisionOrigin.IMPORTED and m.number not in taken}
    for row in rows:
        if row["number"] not in same and row["origin"] == RevisionOrigin.IMPORTED and row["content_sha256"] in files:
            same[row["number"]] = files.pop(row["content_sha256"])
    return same


def _change(what: str, item: Mapping[str, Any]) -> Change:
    """When and by whom something in the archive was changed. Raises `ValueError` for what is no time."""
    text = item.get(f"{what}_utc", "")
    if not text:
        return Change()
    when = dt.datetime.fromisoformat(text)
    if when.tzinfo is None or when.year == dt.MAXYEAR:  # nothing can be changed after it
        raise ValueError(f"{text} is not when something was changed")
    return Change(when.astimezone(dt.UTC).isoformat(timespec="microseconds"), str(item.get(f"{what}_by", "")))
