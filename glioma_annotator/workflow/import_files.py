"""The NIfTI files below the files and folders that the user chose."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from glioma_annotator.errors import UserError
from glioma_annotator.imaging.nifti_header import composed, is_dicom, shown
from glioma_annotator.progress import CancelToken, Progress, Report

MOST_FILES = 20_000
_REPORT_EVERY = 200
_CONVERT = "Convert them to NIfTI first (dcm2niix)."
_OTHER_FORMATS = (".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".mnc", ".hdr", ".gipl", ".gipl.gz")
_DATABASE = "glioma.db"
_EXPORT = "To bring its patients into another one, export them there."
_SAVE_AS = "Save them as .nii.gz first, for example with 3D Slicer or ITK-SNAP."
#: So many files without an ending are opened to see whether they are DICOM, as PACS exports are named.
_MOST_PROBED = 20


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """What lies below the chosen paths.

    Attributes
    ----------
    images: each NIfTI file once, with the folder it was found from, in natural reading order.
    session_tables: BIDS tables of session dates (`*_sessions.tsv`).
    problems: folders that could not be looked into, and DICOM files and images of other formats passed over.
    """

    images: tuple[tuple[Path, Path], ...]
    session_tables: tuple[Path, ...]
    problems: tuple[str, ...]


def find_files(paths: Sequence[Path], report: Report, cancel: CancelToken) -> FoundFiles:
    """Look through `paths`; links are followed, each folder is entered once, hidden files are passed over.

    Raises `UserError` when a path is not there, when there is no NIfTI file, or more than `MOST_FILES`.
    """
    images: dict[Path, Path] = {}
    tables: list[Path] = []
    problems: list[str] = []
    dicom: Path | None = None
    others: list[Path] = []
    probes = _MOST_PROBED
    for chosen in paths:
        path = chosen.absolute()
        try:
            path.stat()
        except OSError as error:
            raise UserError(
                f"{chosen} is not there or cannot be read ({error.strerror}).", "Check the path."
            ) from error
        if path.is_file():
            images.setdefault(path, path.parent)
            continue
        for file in _walk(path, problems, report, cancel):
            if file.name.startswith("."):
                continue
            name = file.name.lower()
            if name.endswith((".nii", ".nii.gz")):
                if _is_special(file):
                    problems.append(f"{shown(file)} is left out: it is a pipe or a device, not a file.")
                else:
                    images.setdefault(file, path)
            elif name.endswith("_sessions.tsv"):
                tables.append(file)
            elif name.endswith(_OTHER_FORMATS):
                others.append(file)
            elif dicom is None and (name.endswith((".dcm", ".ima")) or name == "dicomdir"):
                dicom = file
            elif dicom is None and probes and not file.suffix:
                probes -= 1
                dicom = file if is_dicom(file) else None
            if len(images) > MOST_FILES:
                raise UserError(
                    f"{chosen} holds more than {MOST_FILES:,} NIfTI files.",
                    "Choose the folder of one or a few patients.",
                )
    if not images:
        names = ", ".join(str(p) for p in paths)
        what = " ".join([f"No NIfTI file (.nii, .nii.gz) was found in {names}.", *problems])
        if dicom is not None:
            raise UserError(f"{what} DICOM series are there.", _CONVERT)
        if others:
            raise UserError(f"{what} Images of another format are there, such as {shown(others[0])}.", _SAVE_AS)
        raise UserError(what, "Choose the folder that holds the visit's images.")
    if dicom is not None:
        problems.append(f"The DICOM files in {shown(dicom.parent)} are left out. {_CONVERT}")
    if others:
        problems.append(f"{_listed(others)} left out: only NIfTI (.nii, .nii.gz) is read. {_SAVE_AS}")
    ordered = sorted(images.items(), key=lambda entry: _reading_order(entry[0]))
    return FoundFiles(tuple(ordered), tuple(tables), tuple(problems))


def _is_special(file: Path) -> bool:
    """Whether opening it may wait for ever. What cannot be told is not: reading it says what is wrong."""
    with suppress(OSError):
        return not file.is_file() and file.exists()
    return False


def _listed(files: Sequence[Path]) -> str:
    if len(files) == 1:
        return f"{shown(files[0])} is"
    return f"{len(files)} images of other formats, such as {shown(files[0])}, are"


def _walk(root: Path, problems: list[str], report: Report, cancel: CancelToken) -> list[Path]:
    """All files below a folder; linked folders are followed, but none is entered twice, so loops end."""

    def note(error: OSError) -> None:
        problems.append(f"The folder {error.filename} cannot be read ({error.strerror}); what is in it is left out.")

    entered: set[tuple[int, int]] = set()
    files: list[Path] = []
    for number, (folder, below, names) in enumerate(os.walk(root, onerror=note, followlinks=True)):
        cancel.raise_if_cancelled()
        try:
            state = Path(folder).stat()
        except OSError as error:  # moved away since it was listed
            note(error)
            below.clear()
            continue
        if (state.st_dev, state.st_ino) in entered:
            below.clear()
            continue
        entered.add((state.st_dev, state.st_ino))
        if _DATABASE in names and "patients" in below:
            problems.append(f"The workspace in {composed(folder)} is left out. {_EXPORT}")
            below.clear()
            continue
        below.sort()
        files.extend(Path(folder) / name for name in names)
        if number % _REPORT_EVERY == 0:
            report(Progress(0.0, f"Looking through {Path(folder).name}"))
    return files


def _reading_order(path: Path) -> tuple[tuple[str, ...], int, str]:
    """Files of a folder together, short names first: T1c.nii.gz before T1c_bias.nii.gz."""
    return (path.parent.parts, len(path.name), path.name)
