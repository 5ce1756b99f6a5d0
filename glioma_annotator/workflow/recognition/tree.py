"""Patient, visit and content of every file, from its name and the folders it lies in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from glioma_annotator.domain.import_plan import ImportKind
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.imaging.nifti_header import composed
from glioma_annotator.workflow.recognition import words
from glioma_annotator.workflow.recognition.conventions import hinted_labels, known_tree, match_convention
from glioma_annotator.workflow.recognition.moments import SINGLE_VISIT, Moment, find_moment, merge, without_moment
from glioma_annotator.workflow.recognition.short_dates import with_short_dates

_LEVELS_ABOVE = 4
_PATIENT_KEY = re.compile(
    r"(?:sub|subj|subject|pat|patient|case|id|p|pt)[-_ ]?\w*\d\w*|(?=[^\d]*\d)[a-z][a-z0-9]*(?:[-_][a-z0-9]+)+", re.I
)
#: A patient's for certain, not a data set's.
_SURE_KEY = re.compile(r"(?:sub|subj|subject|pat|patient|case|id|p|pt)[-_ ]?\d", re.I)
#: A number that is a patient's where a visit's folder lies below it.
_NUMBERED = re.compile(r"\d{3,}")
#: A scan's number among those of a visit, and what may follow it.
_COUNT = re.compile(r"([1-9]\d{0,3})(?:[-_. ]+(.+))?")
_VISIT = re.compile(r"[vmdt]\d{1,4}", re.I)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What names tell about one file.

    Attributes
    ----------
    path: the file.
    patient: patient key.
    moment: the visit; its key is unique within the patient.
    content: what the file holds.
    why: where the guess comes from, for the reader.
    labels: meaning of a mask's values, when the names tell.
    channels: roles of a 4D file's channels, when the names tell.
    variant: name of the processing folder the file lies in when its images were moved to another space, else empty.
    loose: True when nothing but the folder tells the visit, so that a mask may belong to another visit's images.
    """

    path: Path
    patient: str
    moment: Moment
    content: words.Content
    why: str
    labels: Mapping[int, int] | None = None
    channels: tuple[SequenceRole, ...] = ()
    variant: str = ""
    loose: bool = False


def stem_of(path: Path) -> str:
    """The file's name without .nii or .nii.gz."""
    return re.sub(r"\.nii(\.gz)?$", "", composed(path.name), flags=re.I)


def recognise(files: Iterable[tuple[Path, Path]], patient: str | None = None) -> tuple[Recognised, ...]:
    """What the names of NIfTI files tell.

    Parameters
    ----------
    files: absolute path of a file and the folder that the user chose, or that holds the file the user chose.
    patient: the patient's key when the user states it; all files are then this patient's.
    """
    listed = list(files)
    if not patient or not listed:
        found = _split_flat_folders([_recognise_one(path, root, _chain(path, root)) for path, root in listed])
        return tuple(with_short_dates(_split_visits(found)))
    # One patient: below what all chosen folders share, folders tell visits.
    drives = {root.anchor for _, root in listed}
    shared = Path(os.path.commonpath([root for _, root in listed])) if len(drives) == 1 else None
    result = []
    for path, root in listed:
        top = shared or root
        folders = tuple(composed(f) for f in (top.name, *path.parent.relative_to(top).parts))
        result.append(_recognise_one(path, root, folders, patient))
    return tuple(with_short_dates(_split_visits(result, stated=True)))


def _recognise_one(path: Path, root: Path, folders: tuple[str, ...], patient: str | None = None) -> Recognised:
    stem = stem_of(path)
    match = match_convention(_chain(path, root), stem)
    if match is None:
        return _by_words(path, folders, stem, patient)
    moment = match.moment or Moment(SINGLE_VISIT, number=0)
    content = match.content
    if content.kind is None and match.why == "BIDS name" and any(words.names_mask(f) for f in folders):
        content = replace(content, kind=ImportKind.MASK)
    key = patient or match.patient
    return Recognised(path, key, moment, content, match.why, match.labels, match.channels, match.variant)


def _chain(path: Path, root: Path) -> tuple[str, ...]:
    """Folders above the file, from the chosen one down; further up while these tell no patient."""
    below = path.parent.relative_to(root).parts if path.is_relative_to(root) else ()
    folders = [root.name, *below]
    above = root.parent
    for _ in range(_LEVELS_ABOVE):
        if not above.name or any(_may_be_patient(f) for f in folders):
            break
        folders.insert(0, above.name)
        above = above.parent
    return tuple(composed(f) for f in folders if f)


def _may_be_patient(folder: str) -> bool:
    return not (
        find_moment(folder)
        or words.processing(folder)
        or words.names_mask(folder)
        or words.names_container(folder)
        or words.names_role(folder)
    )


def _is_person(folders: Sequence[str], index: int) -> bool:
    """Whether a folder has a name beside a date that is no visit's: the next one that tells a date tells another."""
    told = find_moment(folders[index])
    if told is None or told.date is None:
        return False
    rest = words.tokens(without_moment(folders[index]))
    if not any(t.isalpha() and len(t) > 1 and not words.is_word(t) for t in rest):
        return False
    for folder in folders[index + 1 :]:
        if _may_be_patient(folder):
            return False
        if (deeper := find_moment(folder)) and deeper.date not in (None, told.date):
            return True
    return False


def _keyed(folders: Sequence[str], named: Sequence[int]) -> list[int]:
    """Those of the folders that may be the patient's whose names look like a patient's key."""
    visits = [i for i, f in enumerate(folders) if find_moment(f)]
    keyed = [i for i in named if _PATIENT_KEY.fullmatch(folders[i])]
    if visits:  # what looks like a key below a visit's folder (reader_1) is one only where none lies above
        keyed = [i for i in keyed if i < visits[-1]] or keyed
    return [
        i
        for i in keyed
        if not any(
            words.names_collection(folders[i]) or (visits and j < visits[-1] and _NUMBERED.fullmatch(folders[j]))
            for j in named
            if j > i and not _SURE_KEY.match(folders[i])
        )
    ]


def _unkeyed(folders: Sequence[str], named: Sequence[int]) -> int | None:
    """The patient's folder where no name looks like a key: the innermost, but for V1 or M3 below another one."""
    if len(named) > 1 and named[-2] > 0 and _VISIT.fullmatch(folders[named[-1]]):
        deeper = any(find_moment(f) for f in folders[named[-1] + 1 :])
        return named[-1] if deeper else named[-2]
    return named[-1] if named else None


def _by_words(path: Path, folders: tuple[str, ...], stem: str, patient: str | None) -> Recognised:
    prefix, rest = _split_stem(stem)
    content, why = _content(folders, without_moment(rest or stem))
    named = [i for i, f in enumerate(folders) if _may_be_patient(f) or _is_person(folders, i)]
    keyed = _keyed(folders, named)
    at = keyed[-1] if keyed else _unkeyed(folders, named)
    key = patient or (folders[at] if at is not None else "")
    if not patient and not keyed and _PATIENT_KEY.fullmatch(prefix) and not words.names_scan(prefix):
        key = prefix
    inner = [folders[i] for i in named if (i > 0 if patient else at is None or i > at)]
    moment = _moment(folders, stem, 0 if at is None else at + 1)
    variant = next((f for f in reversed(folders) if words.other_space(f)), "")
    loose = moment is None
    if moment is None:
        state = next((f for f in reversed(folders) if words.processing(f)), "")
        told = "-".join(dict.fromkeys((*inner, state) if state else inner))
        moment = Moment(told) if told and told != key else Moment(SINGLE_VISIT, number=0)
    labels = hinted_labels(folders, stem)
    why = f"{tree}, {why}" if (tree := known_tree(folders)) else why
    return Recognised(path, key or "patient-1", moment, content, why, labels, (), variant, loose)


def _split_stem(stem: str) -> tuple[str, str]:
    """The part of a file's name in front of the first word about content or time, and the part from there on."""
    start = 0
    for piece in re.finditer(r"[^-_. ]+", stem):
        if words.is_word(piece.group().lower()) or find_moment(stem[piece.start() :].split("_")[0]):
            return stem[:start].strip("-_. "), stem[piece.start() :]
        start = piece.end()
    return stem, ""


def _content(folders: tuple[str, ...], text: str) -> tuple[words.Content, str]:
    """What a file holds by its own words, else by those of its folders."""
    content = words.describe(text)
    nearest = folders[-1] if folders else ""
    if content.kind is ImportKind.IMAGE and words.names_mask(nearest) and not content.leave_out:
        return words.Content(ImportKind.MASK, content.role), "folder of masks"
    if content.kind is not None:
        return content, "words in the file's name"
    for folder in reversed(folders[1:]):
        told = words.describe(without_moment(folder))
        if told.kind is not None:
            return told, "words in the folder's name"
    return content, "no known word in the name"


def _moment(folders: Sequence[str], stem: str, below: int) -> Moment | None:
    """What the patient's folders (from `below` on) and the file tell; what they leave open, the folders above fill.

    A date or phase among other words there is a data set's or an export's, and counts only where nothing else tells.
    """
    told = _told((*folders[below:], stem))
    above = folders[:below]
    if told is None:
        return _told(above)
    plain = _told([f for f in above if not words.tokens(without_moment(f))])
    return merge(told, plain) if plain else told


def _told(texts: Iterable[str]) -> Moment | None:
    told: Moment | None = None
    for text in texts:
        if found := find_moment(text):
            told = merge(told, found) if told else found
    return told


def _split_flat_folders(found: list[Recognised]) -> list[Recognised]:
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
    }
    return [
        replace(i, patient=_prefix(i)) if _prefix(i) and (i.path.parent, i.patient, i.moment.key) in mixed else i
        for i in found
    ]


def _numbered(images: Sequence[Recognised]) -> bool:
    """Whether the images of a folder begin with numbers, each of which occurs once, as scans of one visit are counted.

    Numbers with zeros in front are patients'.
    """
    counts = [match for i in images if (match := _COUNT.fullmatch(_prefix(i)))]
    numbers = {match[1] for match in counts if not match[2] or words.names_scan(match[2])}
    return len(numbers) == len(images) and len({i.content.role for i in images}) > 1


def _prefix(item: Recognised) -> str:
    """The part of a file's name that may be a patient's."""
    prefix, rest = _split_stem(stem_of(item.path))
    return prefix if rest else ""


def _split_visits(found: Sequence[Recognised], stated: bool = False) -> list[Recognised]:
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
