"""Data sets in the layout of nnU-Net: imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz, and a dataset.json beside them.

Every channel of a case is a file of its own whose name ends in the channel's number. What channels and labels are, and
what a mask's values mean, dataset.json tells. Source: nnU-Net's documentation, `dataset_format.md`, versions 1 and 2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from glioma_annotator.domain.import_plan import ImportKind
from glioma_annotator.workflow.recognition.files import stem_of
from glioma_annotator.workflow.recognition.moments import find_moment
from glioma_annotator.workflow.recognition.tissues import tissue_of
from glioma_annotator.workflow.recognition.words import Content, describe

_IMAGES = re.compile(r"images(?:tr|ts|val)", re.I)
_LABELS = re.compile(r"labels(?:tr|ts|val)", re.I)
_NUMBER = re.compile(r"\d{1,4}")
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


@dataclass(frozen=True, slots=True)
class DataSet:
    """What a dataset.json tells.

    Attributes
    ----------
    channels: names by number.
    labels: the program's value for each value of a mask; None where the names of some labels tell no tissue.
    """

    channels: Mapping[int, str] = field(default_factory=dict)
    labels: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A file of such a data set: its case, what it holds, and what a mask's values mean where that is told."""

    case: str
    content: Content
    labels: Mapping[int, int] | None = None


class Layout:
    """Which of some files lie in such a data set.

    Parameters
    ----------
    files: all of the files.
    data_sets: what each dataset.json tells, by where it lies; some data sets may have none.
    """

    def __init__(self, files: Iterable[Path], data_sets: Mapping[Path, DataSet]) -> None:
        self._data_sets = data_sets
        channels = ((file, _channel(file)) for file in files)
        self._cases = {(_description(file), channel["case"]) for file, channel in channels if channel}

    def case_file(self, file: Path) -> CaseFile | None:
        """What a file's place and name tell; None where it lies in no such data set."""
        data_set = self._data_sets.get(_description(file), DataSet())
        if channel := _channel(file):
            number = int(channel["channel"])
            name = data_set.channels.get(number, "")
            content = describe(name)
            if content.kind is not ImportKind.IMAGE:
                content = Content(ImportKind.IMAGE, name=name or f"channel {number}")
            return CaseFile(channel["case"], content)
        stem = stem_of(file)
        if _LABELS.fullmatch(file.parent.name) and (_description(file), stem) in self._cases:
            return CaseFile(stem, Content(ImportKind.MASK), data_set.labels)
        return None


def _description(file: Path) -> Path:
    return file.parent.parent / "dataset.json"


def _channel(file: Path) -> re.Match[str] | None:
    return _CHANNEL.fullmatch(stem_of(file)) if _IMAGES.fullmatch(file.parent.name) else None


def read_data_set(text: str) -> DataSet:
    """What the text of a dataset.json tells; nothing where it is none."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):  # names are a help, not a need
        return DataSet()
    if not isinstance(told, dict):
        return DataSet()
    names, labels = told.get("channel_names", told.get("modality")), told.get("labels")
    numbered = names.items() if isinstance(names, dict) else ()
    channels = {int(number): str(name) for number, name in numbered if _NUMBER.fullmatch(number)}
    return DataSet(channels, _meanings(labels) if isinstance(labels, dict) else None)


def descriptions_of(files: Iterable[Path]) -> list[Path]:
    """Where each dataset.json lies that tells of some of the files, if there is one."""
    return list(dict.fromkeys(_description(file) for file in files if _channel(file)))


def patient_of(case: str) -> str:
    """A case's name without the moment that it ends in: P01 of P01_2021-03-04."""
    moment = find_moment(case)
    ends = [s.start() for s in re.finditer(r"[-_. ]+", case) if moment and find_moment(case[s.end() :]) == moment]
    return case[: ends[-1]] if ends else case


def _meanings(labels: Mapping[str, object]) -> Mapping[int, int] | None:
    """The program's value for each value: by names (version 2) or by values (version 1), regions by the innermost."""
    regions: list[tuple[frozenset[int], str]] = []
    for key, told in labels.items():
        if _NUMBER.fullmatch(key) and isinstance(told, str):
            name, values = told, frozenset({int(key)})
        elif isinstance(told, int):
            name, values = key, frozenset({told})
        elif isinstance(told, list) and all(isinstance(value, int) for value in told):
            name, values = key, frozenset(told)
        else:
            return None
        if name.lower() not in ("background", "ignore"):
            regions.append((values, name))
    meanings = {0: 0}
    for values, name in sorted(regions, key=lambda region: -len(region[0])):
        tissue = tissue_of(name)
        if tissue is None:
            return None
        meanings |= dict.fromkeys(values, tissue)
    return meanings
