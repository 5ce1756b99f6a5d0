"""Who a patient is: kept apart from everything else, which knows patients by their pseudonymous key."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PatientIdentity:
    """Identifying fields of a patient, all of them optional.

    Attributes
    ----------
    name: the person's name.
    birth_date: date of birth.
    record_number: the hospital's number of the patient.
    remark: anything else that identifies, such as an address.
    """

    name: str = ""
    birth_date: dt.date | None = None
    record_number: str = ""
    remark: str = ""
