"""Folders of cases in the naming of the BraTS challenges: which file is which sequence, and which the mask.

BraTS 2017 to 2021 end file names in `_t1`, `_t1ce`, `_t2`, `_flair` and `_seg`; 2023 and 2024 in `-t1n`, `-t1c`,
`-t2w`, `-t2f` and `-seg`.
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.nifti_header import composed

_WORDS = {
    "t1ce": SequenceRole.T1GD,
    "t1c": SequenceRole.T1GD,
    "t1gd": SequenceRole.T1GD,
    "t1": SequenceRole.T1,
    "t1n": SequenceRole.T1,
    "t2": SequenceRole.T2,
    "t2w": SequenceRole.T2,
    "flair": SequenceRole.FLAIR,
    "t2f": SequenceRole.FLAIR,
}
_MASKS = ("seg", "mask", "segmentation", "segmentations")
_ENDING = re.compile(r"(?:^|[-_.])([a-z0-9]+)\.nii(?:\.gz)?$")


@dataclass(frozen=True, slots=True)
class CaseFiles:
    """The files of one case.

    Attributes
    ----------
    name: the folder's name, composed; with that of the folder above where cases found together share it.
    images: files by role.
    mask: the expert's mask; None where there is none.
    """

    name: str
    images: Mapping[SequenceRole, Path]
    mask: Path | None


def find_cases(places: Iterable[str | Path]) -> tuple[CaseFiles, ...]:
    """Cases in `places`, by name; each place is a case's folder, a folder of such folders, or a pattern (`*`, `**`).

    Visits of several patients may share a name, as in PATIENT/VISIT: they go by that of the folder above, too.
    Raises `UserError` when a place holds no case, a folder has two files for one sequence, or two cases share a name
    even so.
    """
    found: dict[Path, CaseFiles] = {}
    for place in places:
        named = Path(place).exists()  # a folder's name may hold the signs of a pattern
        matches = [str(place)] if named else sorted(glob.glob(str(place), recursive=True))  # noqa: PTH207 - absolute ones
        folders = [Path(match) for match in matches]
        cases = {
            folder.resolve(): case
            for top in folders
            for folder in (top, *(sorted(f for f in top.iterdir() if f.is_dir()) if top.is_dir() else ()))
            if folder.is_dir() and (case := read_case(folder)) is not None
        }
        if not cases:
            raise UserError(
                f"There are no cases in “{place}”.",
                "Name the folder that holds one folder per case, with files named as in BraTS (…_t1ce.nii.gz, …).",
            )
        found |= cases
    return tuple(sorted(_told_apart(found), key=lambda case: case.name))


def _told_apart(found: Mapping[Path, CaseFiles]) -> list[CaseFiles]:
    """The cases by folder, with the folder above in the names that several share."""
    shared = {name for name, count in Counter(case.name for case in found.values()).items() if count > 1}
    cases = [
        replace(case, name=f"{composed(folder.parent.name)}_{case.name}") if case.name in shared else case
        for folder, case in found.items()
    ]
    for name, count in Counter(case.name for case in cases).items():
        if count > 1:
            raise UserError(f"Two cases are called “{name}”.", "Rename one of the two folders.")
    return cases


def read_case(folder: Path) -> CaseFiles | None:
    """The case in a folder; None when no file in it is named like a sequence or a mask.

    Raises `UserError` when two files claim the same role.
    """
    images: dict[SequenceRole, Path] = {}
    mask: Path | None = None
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):  # what macOS leaves beside each file on other disks
            continue
        match = _ENDING.search(path.name.lower())
        word = match.group(1) if match and path.is_file() else ""
        role = _WORDS.get(word)
        if (role in images) if role else (word in _MASKS and mask is not None):
            raise UserError(
                f"The folder “{folder.name}” has two files for {role.value if role else 'the mask'}.",
                "Leave only one of them in it.",
            )
        if role:
            images[role] = path
        elif word in _MASKS:
            mask = path
    return CaseFiles(composed(folder.name), images, mask) if images or mask else None
