"""Label schemes: what the values of masks mean, with the labels that the workspace added."""

from __future__ import annotations

import json

from glioma_annotator.db.audit import AuditTrail, json_text
from glioma_annotator.db.connection import Connections
from glioma_annotator.db.sqlite_library import Database
from glioma_annotator.domain.audit import AuditAction
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.plain import from_plain, to_plain
from glioma_annotator.errors import UserError


class LabelSchemeRepository:
    """Fulfils `workflow.record_ports.LabelSchemes`."""

    table = "label_schemes"

    def __init__(self, connections: Connections, audit: AuditTrail) -> None:
        self._connections = connections
        self._audit = audit

    def get(self, name: str) -> LabelScheme | None:
        """The scheme as it was kept last, with the workspace's own labels; None before it is first used."""
        with self._connections.reading("The labels could not be read from the database") as database:
            return _kept(database, name)

    def keep(self, scheme: LabelScheme, by: str = "") -> None:
        """Keep a scheme in place of the one of its name."""
        with self._connections.writing("The labels could not be recorded") as database:
            before = _kept(database, scheme.name)
            if before == scheme:
                return
            _write(database, scheme)
            action = AuditAction.ADD if before is None else AuditAction.CHANGE
            old = None if before is None else to_plain(before)
            self._audit.write(database, action, self.table, scheme.name, old, to_plain(scheme), by)

    def used(self, name: str) -> bool:
        """Whether any revision of any visit holds voxels of the label."""
        query = "SELECT EXISTS (SELECT 1 FROM revision_volumes WHERE label = ? AND volume_ml > 0)"
        with self._connections.reading("The masks could not be read from the database") as database:
            return bool(database.execute(query, [name]).fetchone()[0])


def remember_scheme(database: Database, scheme: LabelScheme) -> None:
    """Keep the scheme of a new mask, in the transaction of `database`; labels that it does not name stay kept."""
    here = _kept(database, scheme.name)
    for label in here.labels if here is not None else ():
        if scheme.label(label.value) is None and not scheme.fault(label):
            scheme = scheme.with_label(label)
    if scheme != here:
        _write(database, scheme)


def merge_scheme(database: Database, name: str, definition: str) -> None:
    """Take in the labels of a scheme from another workspace, in the transaction of `database`.

    Raises `UserError` when a value or a name means something else here, `ValueError` for what is no scheme.
    """
    there = from_plain(LabelScheme, json.loads(definition))
    here = _kept(database, name) or there
    for label in there.labels:
        known = here.label(label.value)
        if known is None and not here.fault(label):
            here = here.with_label(label)
        elif known is None or known.name != label.name:
            means = known.name if known else "another label's name"
            raise UserError(
                f"The archive's label {label.name} has the value {label.value}, which is {means} in this workspace.",
                "Nothing was changed. Give the label another name in one of the two workspaces, before it is used.",
            )
    _write(database, here)


def _kept(database: Database, name: str) -> LabelScheme | None:
    found = database.execute("SELECT definition FROM label_schemes WHERE name = ?", [name]).fetchone()
    return from_plain(LabelScheme, json.loads(found[0])) if found else None


def _write(database: Database, scheme: LabelScheme) -> None:
    database.execute(
        "INSERT INTO label_schemes VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
        [scheme.name, json_text(to_plain(scheme))],
    )
