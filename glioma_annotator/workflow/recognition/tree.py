"""Patient, visit and content of every file, from its name and the folders it lies in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from glioma_annotator.domain.import_plan import ImportKind
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.workflow.recognition import words
from glioma_annotator.workflow.recognition.conventions import hinted_labels, known_tree, match_convention
from glioma_annotator.workflow.recognition.moments import SINGLE_VISIT, Moment, find_moment, merge, without_moment

_LEVELS_ABOVE = 4
_PATIENT_KEY = re.compile(
    r"(?:sub|subj|subject|pat|patient|case|id|p|pt)[-_ ]?\w*\d\w*|(?=[^\d]*\d)[a-z][a-z0-9]*(?:[-_][a-z0-9]+)+", re.I
)


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
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.I)


def recognise(files: Iterable[tuple[Path, Path]], patient: str | None = None) -> tuple[Recognised, ...]:
    """What the names of NIfTI files tell.

    Parameters
    ----------
    files: absolute path of a file and the folder that the user chose, or that holds the file the user chose.
    patient: the patient's key when the user states it; all files are then this patient's.
    """
    listed = list(files)
    if not patient or not listed:
        return tuple(_split_flat_folders([_recognise_one(path, root, _chain(path, root)) for path, root in listed]))
    # One patient: below what all chosen folders share, folders tell visits.
    drives = {root.anchor for _, root in listed}
    shared = Path(os.path.commonpath([root for _, root in listed])) if len(drives) == 1 else None
    result = []
    for path, root in listed:
        top = shared or root
        folders = (top.name, *path.parent.relative_to(top).parts)
        result.append(_recognise_one(path, root, folders, patient))
    return tuple(result)


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
    return tuple(f for f in folders if f)


def _may_be_patient(folder: str) -> bool:
    return not (
        find_moment(folder)
        or words.processing(folder)
        or words.names_mask(folder)
        or words.names_container(folder)
        or words.names_role(folder)
    )


def _by_words(path: Path, folders: tuple[str, ...], stem: str, patient: str | None) -> Recognised:
    prefix, rest = _split_stem(stem)
    content, why = _content(folders, without_moment(rest or stem))
    named = [i for i, f in enumerate(folders) if _may_be_patient(f)]
    keyed = [i for i in named if _PATIENT_KEY.fullmatch(folders[i])]
    at = keyed[-1] if keyed else named[-1] if named else None
    key = patient or (folders[at] if at is not None else "")
    if not patient and not keyed and _PATIENT_KEY.fullmatch(prefix):
        key = prefix
    inner = [folders[i] for i in named if (i > 0 if patient else at is None or i > at)]
    moment = _moment(folders, stem)
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


def _moment(folders: Sequence[str], stem: str) -> Moment | None:
    told: Moment | None = None
    for text in (*folders, stem):
        if found := find_moment(text):
            told = merge(told, found) if told else found
    return told


def _split_flat_folders(found: list[Recognised]) -> list[Recognised]:
    """Patients of a folder in which files of several patients lie side by side (anna_t1, bert_t1, ...)."""
    seen: dict[tuple[Path, str, str], dict[SequenceRole, set[str]]] = {}
    for item in found:
        prefix = _prefix(item)
        if prefix and item.content.role is not SequenceRole.OTHER and item.content.kind is ImportKind.IMAGE:
            roles = seen.setdefault((item.path.parent, item.patient, item.moment.key), {})
            roles.setdefault(item.content.role, set()).add(prefix)
    mixed = {place for place, roles in seen.items() if any(len(prefixes) > 1 for prefixes in roles.values())}
    return [
        replace(i, patient=_prefix(i)) if _prefix(i) and (i.path.parent, i.patient, i.moment.key) in mixed else i
        for i in found
    ]


def _prefix(item: Recognised) -> str:
    prefix, rest = _split_stem(stem_of(item.path))
    return prefix if rest else ""
