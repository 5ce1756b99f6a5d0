"""What the reader should check of a proposed import: the order of visits, patients that may be one or two."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator.imaging.nifti_header import composed, shown
from glioma_annotator.workflow.recognition.moments import Moment
from glioma_annotator.workflow.recognition.words import names_container, processing

if TYPE_CHECKING:
    from glioma_annotator.workflow.import_proposal import Candidate


def doubts_about(
    moments: Mapping[str, Sequence[Moment]], visits: Mapping[tuple[str, str], Sequence[Candidate]]
) -> list[str]:
    """What to check of the order of visits, and of patients that may be two; one sentence each.

    Parameters
    ----------
    moments: when each patient's visits were, in the order of the course.
    visits: the candidates of each patient's visits.
    """
    doubts = []
    for patient, told in moments.items():
        unclear = ", ".join(moment.key for moment in told if moment.unclear)
        if unclear:
            doubts.append(f"{patient}: day and month of {unclear} cannot be told apart; enter the date.")
        kinds = {moment.kind for moment in told if moment.kind or not moment.tells_its_place}
        if len(kinds) > 1:
            order = ", ".join(moment.key for moment in told)
            doubts.append(f"{patient}: not all visits tell a date or a day; check their order: {order}.")
        else:
            doubts += _unordered(patient, told)
    return doubts + _two_spellings(moments) + _two_places(visits)


def _two_spellings(patients: Iterable[str]) -> list[str]:
    """Patients whose keys differ in nothing but capitals, separators and zeros in front of numbers."""
    alike: dict[str, list[str]] = {}
    for patient in patients:
        parts = re.findall(r"[^\W\d_]+|\d+", patient.casefold())
        alike.setdefault("|".join(part.lstrip("0") or "0" for part in parts), []).append(patient)
    return [
        f"{' and '.join(spellings)} differ in their spelling alone: if they are one patient, give them one name."
        for spellings in alike.values()
        if len(spellings) > 1
    ]


def _unordered(patient: str, told: Sequence[Moment]) -> list[str]:
    """Whether nothing but the alphabet orders a patient's visits: no date, phase or number in their names does."""
    keys = [m.key for m in told if not m.kind and not m.tells_its_place and not processing(m.key)]
    forms = {re.sub(r"\d+", "#", key.lower()) for key in keys}
    counted = len(forms) == 1 and all(re.fullmatch(r"\D*\d{1,4}\D*", key) for key in keys)
    if len(keys) < 2 or counted:
        return []
    return [f"{patient}: the names of the visits do not tell when they were; check their order: {', '.join(keys)}."]


def _two_places(visits: Mapping[tuple[str, str], Sequence[Candidate]]) -> list[str]:
    """Patients whose folder lies in several places, as the same number at two sites does."""
    places: dict[str, set[Path]] = {}
    for (patient, _), members in visits.items():
        for one in members:
            above = next((folder.parent for folder in one.item.path.parents if composed(folder.name) == patient), None)
            if above is None or names_container(above.name) or processing(above.name):
                continue
            if one.is_image and not one.told.variant and "derivatives" not in one.item.path.parts:
                places.setdefault(patient, set()).add(above)
    return [
        f"{patient} lies in {' and in '.join(shown(place) for place in sorted(found))}: if these are two patients, "
        "rename one."
        for patient, found in places.items()
        if len(found) > 1
    ]
