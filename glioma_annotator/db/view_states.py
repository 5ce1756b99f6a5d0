"""What the window last looked like, per patient."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping

from glioma_annotator.db.clock import utc_text
from glioma_annotator.db.connection import Connections


class ViewStateRepository:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def get(self, patient_id: int) -> Mapping[str, object]:
        """JSON values by name; empty at first."""
        with self._connections.reading("The view's state could not be read from the database") as database:
            for row in database.query("SELECT state FROM view_states WHERE patient_id = ?", [patient_id]):
                return dict(json.loads(row["state"]))
        return {}

    def changed(self) -> Mapping[int, dt.datetime]:
        """When each patient's state was last recorded, UTC, by the patient's id."""
        with self._connections.reading("The view's state could not be read from the database") as database:
            rows = database.query("SELECT patient_id, changed_utc FROM view_states")
            return {row["patient_id"]: dt.datetime.fromisoformat(row["changed_utc"]) for row in rows}

    def put(self, patient_id: int, state: Mapping[str, object]) -> None:
        """Replace the state. Raises `TypeError` or `ValueError` for values that JSON cannot express."""
        text = json.dumps(dict(state), allow_nan=False)
        with self._connections.writing("The view's state could not be recorded") as database:
            database.execute(
                """INSERT INTO view_states (patient_id, state, changed_utc) VALUES (?, ?, ?)
                   ON CONFLICT (patient_id) DO UPDATE SET state = excluded.state, changed_utc = excluded.changed_utc""",
                [patient_id, text, utc_text()],
            )
