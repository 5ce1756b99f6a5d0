"""Patient, visit and content of every file, from its name and the folders it lies in."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from glioma_annotator.domain.import_plan import ImportKind
from glioma_annotator.imaging.nifti_header import composed
from glioma_annotator.workflow.recognition import words
from glioma_annotator.workflow.recognition.conventions import hinted_labels, known_tree, match_convention
from glioma_annotator.workflow.recognition.files import PATIENT_KEY, SURE_KEY, Recognised, split_stem, stem_of
from glioma_annotator.workflow.recognition.moments import (
    SINGLE_VISIT,
    Moment,
    find_moment,
    merge,
    take_date,
    without_moment,
)
from glioma_annotator.workflow.recognition.nnunet import CaseFile, DataSet, Layout, patient_of
from glioma_annotator.workflow.recognition.short_dates import with_short_dates
from glioma_annotator.workflow.recognition.splitting import (
    split_days,
    split_flat_folders,
    split_sequence_folders,
    split_visits,
)

_LEVELS_ABOVE = 4
#: A number that is a patient's where a visit's folder lies below it.
_NUMBERED = re.compile(r"\d{3,}")
_VISIT = re.compile(r"[vmdt]\d{1,4}", re.I)


def recognise(
    files: Iterable[tuple[Path, Path]], patient: str | None = None, data_sets: Mapping[Path, DataSet] | None = None
) -> tuple[Recognised, ...]:
    """What the names of NIfTI files tell.

    Parameters
    ----------
    files: absolute path of a file and the folder that the user chose, or that holds the file the user chose.
    patient: the patient's key when the user states it; all files are then this patient's.
    data_sets: what the descriptions of data sets in nnU-Net's layout tell, by where they lie.
    """
    listed = list(files)
    layout = Layout([path for path, _ in listed], data_sets or {})
    if not patient or not listed:
        found = split_flat_folders([_recognise_one(path, root, _chain(path, root), layout) for path, root in listed])
        return tuple(split_days(with_short_dates(split_visits(split_sequence_folders(found)))))
    # One patient: below what all chosen folders share, folders tell visits.
    drives = {root.anchor for _, root in listed}
    shared = Path(os.path.commonpath([root for _, root in listed])) if len(drives) == 1 else None
    result = []
    for path, root in listed:
        top = shared or root
        folders = tuple(composed(f) for f in (top.name, *path.parent.relative_to(top).parts))
        result.append(_recognise_one(path, root, folders, layout, patient))
    return tuple(split_days(with_short_dates(split_visits(result, stated=True))))


def _recognise_one(
    path: Path, root: Path, folders: tuple[str, ...], layout: Layout, patient: str | None = None
) -> Recognised:
    if (file := layout.case_file(path)) is not None:
        return _of_case(path, file, patient)
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


def _of_case(path: Path, file: CaseFile, patient: str | None) -> Recognised:
    """A file of a data set in nnU-Net's layout, whose cases may be called anything."""
    match = match_convention((), file.case)
    key = patient or (match.patient if match else patient_of(file.case))
    moment = (match.moment if match else find_moment(file.case)) or Moment(SINGLE_VISIT, number=0)
    return Recognised(path, key, moment, file.content, "nnU-Net data set", file.labels)


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
    keyed = [i for i in named if PATIENT_KEY.fullmatch(folders[i])]
    if visits:  # what looks like a key below a visit's folder (reader_1) is one only where none lies above
        keyed = [i for i in keyed if i < visits[-1]] or keyed
    keyed = [i for i in keyed if not any(j < i and _carries(folders[i], folders[j]) for j in keyed)]
    return [
        i
        for i in keyed
        if not any(
            words.names_collection(folders[i]) or (visits and j < visits[-1] and _NUMBERED.fullmatch(folders[j]))
            for j in named
            if j > i and not SURE_KEY.match(folders[i])
        )
    ]


def _carries(folder: str, patient: str) -> bool:
    """Whether a folder below a patient's begins with the patient's key, as P001/P001_MR2 does: it is a visit's."""
    sure = SURE_KEY.match(patient) and not words.names_collection(patient)
    return bool(sure and re.fullmatch(rf"{re.escape(patient)}[-_. ].+", folder, re.I))


def _unkeyed(folders: Sequence[str], named: Sequence[int]) -> int | None:
    """The patient's folder where no name looks like a key: the innermost, but for V1 or M3 below another one."""
    if len(named) > 1 and named[-2] > 0 and _VISIT.fullmatch(folders[named[-1]]):
        deeper = any(find_moment(f) for f in folders[named[-1] + 1 :])
        return named[-1] if deeper else named[-2]
    return named[-1] if named else None


def _by_words(path: Path, folders: tuple[str, ...], stem: str, patient: str | None) -> Recognised:
    prefix, rest = split_stem(stem)
    content, why = _content(folders, without_moment(rest or stem))
    named = [i for i, f in enumerate(folders) if _may_be_patient(f) or _is_person(folders, i)]
    keyed = _keyed(folders, named)
    at = keyed[-1] if keyed else _unkeyed(folders, named)
    key = patient or (folders[at] if at is not None else "")
    if not patient and not keyed and PATIENT_KEY.fullmatch(prefix) and not words.names_scan(prefix):
        key = prefix
    inner = [folders[i] for i in named if (i > 0 if patient else at is None or i > at)]
    moment = _moment(folders, stem, 0 if at is None else at + 1)
    variant = next((f for f in reversed(folders) if words.other_space(f)), "")
    loose = moment is None
    if moment is None:
        state = next((f for f in reversed(folders) if words.processing(f)), "")
        told = "-".join(dict.fromkeys((*inner, state) if state else inner))
        moment = Moment(told) if told and told != key else Moment(SINGLE_VISIT, number=0)
        _, date = take_date(told)  # year, month and day in folders of their own
        moment = replace(moment, date=date)
    labels = hinted_labels(folders, stem)
    why = f"{tree}, {why}" if (tree := known_tree(folders)) else why
    return Recognised(path, key or "patient-1", moment, content, why, labels, (), variant, loose)


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
