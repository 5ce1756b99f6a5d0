"""What names alone would make one, told apart by the files around them: patients, and visits of one patient."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from glioma_annotator.domain.import_plan import ImportKind
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.imaging.nifti_header import composed
from glioma_annotator.workflow.recognition import words
from glioma_annotator.workflow.recognition.files import PATIENT_KEY, SURE_KEY, Recognised, split_stem, stem_of
from glioma_annotator.workflow.recognition.moments import find_moment, take_date

#: A scan's number among those of a visit.
_COUNT = re.compile(r"([1-9]\d{0,3})(?![^-_. ])")

#: What follows a date in the name of a visit's folder, with the space that the date has left.
_COUNT_OF_DAY = re.compile(r" [-_. #]*(\d{1,2})")


def split_flat_folders(found: list[Recognised]) -> list[Recognised]:
    """Patients of a folder in which files of several patients lie side by side (anna_t1, bert_t1, ...)."""
    seen: dict[tuple[Path, str, str], dict[SequenceRole, set[str]]] = {}
    images: dict[Path, list[Recognised]] = {}
    for item in found:
        if item.content.kind is not ImportKind.IMAGE:
            continue
        images.setdefault(item.path.parent, []).append(item)
        if (prefix := _prefix(item)) and item.content.role is not SequenceRole.OTHER:
            roles = seen.setdefault((item.path.parent, item.patient, item.moment.key), {})
            roles.setdefault(item.content.role, set()).add(prefix)
    mixed = {
        place
        for place, roles in seen.items()
        if any(len(prefixes) > 1 for prefixes in roles.values())
        and not all(words.names_scan(prefix) for prefixes in roles.values() for prefix in prefixes)
        and not _numbered(images[place[0]])
        and not _one_patient_s(place[0], place[1], roles.values())
    }
    return [
        replace(i, patient=_prefix(i)) if _prefix(i) and (i.path.parent, i.patient, i.moment.key) in mixed else i
        for i in found
    ]


def split_sequence_folders(found: Sequence[Recognised]) -> list[Recognised]:
    """Patients of folders that are named after sequences and hold a file of each (T1/001, FLAIR/001, T1/002, ...)."""
    folders: dict[tuple[Path, str], set[Path]] = {}
    for item in found:
        if _named_by_folder(item):
            folders.setdefault((item.path.parent.parent, stem_of(item.path)), set()).add(item.path.parent)
    shared = {entry for entry, several in folders.items() if len(several) > 1}
    held = Counter(place for place, _ in shared)
    apart = {(place, stem) for place, stem in shared if held[place] > 1}
    return [
        replace(i, patient=stem_of(i.path))
        if (i.path.parent.parent, stem_of(i.path)) in apart and _named_by_folder(i)
        else i
        for i in found
    ]


def _named_by_folder(item: Recognised) -> bool:
    """Whether nothing but its folder tells what a file holds, and neither a patient's key nor a date lies above it."""
    folder, stem = composed(item.path.parent.name), stem_of(item.path)
    keyed = PATIENT_KEY.fullmatch(item.patient) and _below_patient(item.path.parent, item.patient) is not None
    told = find_moment(stem) or words.describe(stem).kind is not None or words.names_series(stem)
    told = told or all(map(words.is_word, words.tokens(stem)))  # T1/raw, T1/brain
    return not (told or keyed or item.moment.date) and (words.names_role(folder) or words.names_mask(folder))


def _below_patient(folder: Path, patient: str) -> tuple[str, ...] | None:
    """The names from below the folder that gave the patient's key down to `folder`; None where none gave it."""
    above = next((place for place in (folder, *folder.parents) if composed(place.name) == patient), None)
    return folder.relative_to(above).parts if above is not None else None


def _one_patient_s(folder: Path, patient: str, prefixes: Iterable[Collection[str]]) -> bool:
    """Whether a folder is one patient's: named by a patient's key, or a visit's below one that is.

    Words in front of the contrast (Stealth_T1, AX_T1) are then a series', but for those of whole sets of contrasts.
    `prefixes` has those of each contrast.
    """
    below = _below_patient(folder, patient)
    if below is None or not PATIENT_KEY.fullmatch(patient) or words.names_collection(patient):
        return False
    told = Counter(prefix for several in prefixes for prefix in several if not words.names_scan(prefix))
    sets = sum(count > 1 for count in told.values())
    return sets < 2 and (SURE_KEY.match(patient) is not None or any(find_moment(composed(name)) for name in below))


def _numbered(images: Sequence[Recognised]) -> bool:
    """Whether the images of a folder begin with numbers, as scans of one visit are counted: no two of the contrasts
    have the same one. Numbers with zeros in front are patients'.
    """
    known = [i for i in images if i.content.role is not SequenceRole.OTHER]
    counts = [match[1] if (match := _COUNT.match(_prefix(i))) else "" for i in known]
    pairs = {(count, i.content.role) for count, i in zip(counts, known, strict=True)}
    return all(counts) and len(pairs) == len(set(counts)) and len({i.content.role for i in known}) > 1


def _prefix(item: Recognised) -> str:
    """The part of a file's name that may be a patient's."""
    prefix, rest = split_stem(stem_of(item.path))
    return prefix if rest else ""


def split_visits(found: Sequence[Recognised], stated: bool = False) -> list[Recognised]:
    """A visit for each of the folders that only a number tells apart (MRI_1, MRI_2; 3_followup, 4_followup) when one
    contrast lies in several of them; what their names tell would make them one visit.
    """
    places: dict[tuple[str, str], set[tuple[Path, str]]] = {}
    first: dict[tuple[str, str, SequenceRole], Path] = {}
    for item in found:
        one = item.path.parent
        role = item.content.role
        if not _weak(item) or role is SequenceRole.OTHER or item.content.kind is not ImportKind.IMAGE:
            continue
        other = first.setdefault((item.patient, item.moment.key, role), one)
        shared = Path(os.path.commonpath((one, other))) if one.anchor == other.anchor else one
        if shared in (one, other) or not (stated or item.patient in map(composed, shared.parts)):
            continue
        form = _form(_below(one, shared))
        if form == _form(_below(other, shared)) and not words.names_series(form):
            places.setdefault((item.patient, item.moment.key), set()).add((shared, form))
    return [_at_its_place(item, places.get((item.patient, item.moment.key), ())) for item in found]


def split_days(found: Sequence[Recognised]) -> list[Recognised]:
    """Visits of one day told apart, where one contrast was taken in several: by phase, as before an operation and after
    it, or by the number that follows the date in the names of their folders (2021-03-04_1, 2021-03-04_2).
    """
    told = [_within_day(item) for item in found]
    taken: dict[tuple[str, str, SequenceRole], set[str]] = {}
    for item, which in zip(found, told, strict=True):
        if which and _shows_contrast(item):
            taken.setdefault((item.patient, item.moment.key, item.content.role), set()).add(which)
    apart = {(patient, key) for (patient, key, _), several in taken.items() if len(several) > 1}
    return [
        replace(i, moment=replace(i.moment, key=f"{i.moment.key} {which}"))
        if which and (i.patient, i.moment.key) in apart
        else i
        for i, which in zip(found, told, strict=True)
    ]


def _within_day(item: Recognised) -> str:
    """What tells an item's visit apart from others of its day; empty where nothing does."""
    if item.moment.date is None:
        return ""
    if item.moment.phase is not TreatmentPhase.UNKNOWN:
        return item.moment.phase.value
    for folder in item.path.parents:
        rest, date = take_date(composed(folder.name))
        if date == item.moment.date:
            return count[1] if (count := _COUNT_OF_DAY.fullmatch(rest)) else ""
    return ""


def _shows_contrast(item: Recognised) -> bool:
    return item.content.kind is ImportKind.IMAGE and item.content.role is not SequenceRole.OTHER


def _weak(item: Recognised) -> bool:
    """Whether neither a date nor a day or number tells the visit."""
    return item.loose or not item.moment.kind


def _at_its_place(item: Recognised, places: Iterable[tuple[Path, str]]) -> Recognised:
    for shared, form in places:
        if _weak(item) and shared in item.path.parents[1:] and _form(name := _below(item.path, shared)) == form:
            return replace(item, moment=replace(item.moment, key=composed(name), number=None))
    return item


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).parts[0]


def _form(name: str) -> str:
    return re.sub(r"\d+", "#", name.lower())
