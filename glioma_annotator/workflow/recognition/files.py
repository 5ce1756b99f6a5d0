"""A file as its name tells it: what was recognised, and what the parts of names are taken for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.imaging.nifti_header import composed
from glioma_annotator.workflow.recognition import words
from glioma_annotator.workflow.recognition.moments import Moment, find_moment

PATIENT_KEY = re.compile(
    r"(?:sub|subj|subject|pat|patient|case|id|p|pt)[-_ ]?\w*\d\w*|(?=[^\d]*\d)[a-z][a-z0-9]*(?:[-_][a-z0-9]+)+", re.I
)
#: A patient's for certain, not a data set's.
SURE_KEY = re.compile(r"(?:sub|subj|subject|pat|patient|case|id|p|pt)[-_ ]?\d", re.I)


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


def split_stem(stem: str) -> tuple[str, str]:
    """The part of a file's name in front of the first word about content or time, and the part from there on."""
    start = 0
    for piece in re.finditer(r"[^-_. ]+", stem):
        if words.is_word(piece.group().lower()) or find_moment(stem[piece.start() :].split("_")[0]):
            return stem[:start].strip("-_. "), stem[piece.start() :]
        start = piece.end()
    return stem, ""
