"""What was deleted and can come back, and who changed what: the audit table in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glioma_annotator.domain.audit import AuditAction, AuditEntry
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.record_ports import Records

#: Kinds of clinical records: the store's attribute, the table, a word for a reader.
_KINDS = (
    ("findings", "findings", "finding"),
    ("histology", "histology_samples", "histology sample"),
    ("events", "clinical_events", "clinical event"),
    ("notes", "notes", "note or report"),
    ("registrations", "visit_registrations", "registration of two visits"),
    ("vasari", "vasari_entries", "VASARI value"),
    ("measurements", "lesion_measurements", "measurement"),
    ("responses", "response_assessments", "response"),
)
_WORDS = {table: word for _, table, word in _KINDS} | {
    "patients": "patient",
    "timepoints": "visit",
    "revisions": "mask",
    "revision_status": "mask's status",
    "patient_archives": "archive",
    "patient_identities": "identity",
    "saved_questions": "saved question",
}
_DONE = {
    AuditAction.ADD: "added",
    AuditAction.CHANGE: "changed",
    AuditAction.DELETE: "deleted",
    AuditAction.RESTORE: "restored",
}
#: Say nothing to a reader: they name the record itself, or who and when, which the entry says better.
_UNSAID = frozenset({"id", "uid", "patient", "author", "created_utc", "created_by"})
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class DeletedItem:
    """A record that can be restored.

    Attributes
    ----------
    store: the store's attribute that restores it.
    record: its id.
    kind, title: in words.
    timepoint: key of the visit; empty for records of the patient.
    deleted_utc, by: when and by whom; None and empty where the audit table does not say.
    """

    store: str
    record: str
    kind: str
    title: str
    timepoint: str
    deleted_utc: dt.datetime | None
    by: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after, in words; empty for what was not there."""

    field: str
    before: str
    after: str


def deleted_items(store: Store, patient: str) -> tuple[DeletedItem, ...]:
    """Deleted records of a patient, the latest first."""
    found = []
    for attribute, table, word in _KINDS:
        records: Records[Any] = getattr(store, attribute)
        for record in records.deleted(patient):
            last = next((e for e in reversed(store.audit.of(record.id)) if e.action is AuditAction.DELETE), None)
            title = _title(last.before if last is not None else None) or word
            when, by = (last.at_utc, last.actor) if last is not None else (None, "")
            found.append(DeletedItem(attribute, record.id, _WORDS[table], title, record.timepoint, when, by))
    latest = dt.datetime.min.replace(tzinfo=dt.UTC)
    return tuple(sorted(found, key=lambda item: item.deleted_utc or latest, reverse=True))


def restore_item(store: Store, item: DeletedItem, by: str) -> None:
    """Bring a deleted record back. Raises `KeyError` when it was restored meanwhile."""
    records: Records[Any] = getattr(store, item.store)
    records.restore(item.record, by=by)


def kind_text(entry: AuditEntry) -> str:
    """What kind of record an entry is about."""
    return _WORDS.get(entry.kind, entry.kind.replace("_", " "))


def action_text(entry: AuditEntry) -> str:
    """What was done."""
    return _DONE[entry.action]


def record_title(entry: AuditEntry) -> str:
    """One line that tells the record from others of its kind."""
    return _title(entry.after if entry.after is not None else entry.before)


def differences(entry: AuditEntry) -> tuple[FieldChange, ...]:
    """The fields that an entry changed; all of them for one that added or deleted a record."""
    if entry.kind == "patient_identities":
        return (FieldChange("identity", "", "kept apart: the audit table holds only a seal of it"),)
    before, after = entry.before or {}, entry.after or {}
    if entry.kind == "patient_archives":
        return (FieldChange("taken over", "", f"{len(after.get('changed', ()))} records or masks"),)
    names = dict.fromkeys([*before, *after])
    rows = [
        FieldChange(name.replace("_", " "), _said(before.get(name)), _said(after.get(name)))
        for name in names
        if name not in _UNSAID and before.get(name) != after.get(name)
    ]
    return tuple(row for row in rows if row.before or row.after)


def _title(state: Mapping[str, Any] | None) -> str:
    if state is None:
        return ""
    if "matrix" in state:
        return f"{state.get('other', '')} in {state.get('timepoint', '')}"
    names = ("name", "key", "title", "feature", "kind", "value", "side", "location")
    parts = {name: state.get(name) for name in names}
    line = ", ".join(
        part.replace("-", " ") if name == "kind" else part  # a code; of all else a hyphen is part of it
        for name, part in parts.items()
        if isinstance(part, str) and part not in ("", "unknown")
    )
    text = " ".join(str(state.get("text") or state.get("microscopy") or "").split())
    line = f"{line}: {text}" if line and text else line or text
    number = state.get("number")
    if not line and number is not None:
        line = f"mask {number}"
    if not line:
        line = str(state.get("status") or state.get("proposed") or "")
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1].rstrip()}…"


def _said(value: Any) -> str:
    if value is None or value == "" or value == []:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(inner)}".strip() for key, inner in value.items() if _said(inner))
    if isinstance(value, list | tuple):
        return "; ".join(_said(inner) for inner in value)
    return str(value)
