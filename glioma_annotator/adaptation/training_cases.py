"""Real cases for training: prepared once, then read from disk patch by patch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.adaptation.cases import prepare
from glioma_annotator.domain.adaptation import AdaptationCase
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.atomic_file import atomic_write, make_folder
from glioma_annotator.imaging.case_files import CaseFiles
from glioma_annotator.imaging.label_conventions import LabelConvention, convention_of_set, read_mask
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.progress import CancelToken, Report, StepProgress

_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class TrainingCase:
    """A case as the network reads it, on disk until it is needed.

    Attributes
    ----------
    name: the case's folder name.
    stored_images, stored_classes: the arrays, or their files.
    sha256: over names and contents of the case's files.
    """

    name: str
    stored_images: NDArray[np.float16] | Path
    stored_classes: NDArray[np.uint8] | Path
    sha256: str = ""

    @property
    def images(self) -> NDArray[np.float16]:
        """float16 (channel, i, j, k), z-scored, 0 outside the brain and for absent channels."""
        return _mapped(self.stored_images)

    @property
    def classes(self) -> NDArray[np.uint8]:
        """uint8 (i, j, k): 0 background, n the n-th label; 255 not reviewed or outside the brain."""
        return _mapped(self.stored_classes)

    @classmethod
    def opened(cls, folder: Path, name: str, sha256: str) -> TrainingCase:
        """A case that `prepare_cases` left in `folder`."""
        return cls(name, folder / f"{name}.images.npy", folder / f"{name}.classes.npy", sha256)


def _mapped(stored: NDArray[Any] | Path) -> NDArray[Any]:
    """An array as it is, or from its file, which stays open only while the array is used: cases may be many."""
    if not isinstance(stored, Path):
        return stored
    try:
        array: NDArray[Any] = np.load(stored, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise EnvironmentFailure(
            f"The prepared case “{stored}” cannot be read: {error or 'it is empty'}.",
            "Go on with the training by --resume: what is damaged is made again.",
        ) from error
    return array


def prepare_cases(
    files: Sequence[CaseFiles],
    card: ModelCard,
    labels: LabelConvention,
    folder: Path,
    report: Report,
    cancel: CancelToken,
) -> tuple[TrainingCase, ...]:
    """Cases on the model's voxels, cropped to the brain; kept in `folder` and taken from there the next time.

    Raises `UserError` for a case without mask or without a sequence the network needs, and whatever reading raises;
    `EnvironmentFailure` when the folder cannot be written.
    """
    make_folder(folder)
    progress = StepProgress(report, len(files), "Preparing cases")
    labels = convention_of_set([case.mask for case in files if case.mask is not None], labels)
    for case in files:
        _check_files(case, card)
    cases = []
    for case in files:
        cancel.raise_if_cancelled()
        key = _key(case, card, labels)
        known = _note(folder, case)
        if known.get("key") != key or not _readable(TrainingCase.opened(folder, case.name, "")):
            _prepare(case, card, labels, folder, cancel)
            known = {"key": key, "sha256": _fingerprint(case)}
            with atomic_write(folder / f"{case.name}.json") as file:
                file.write(json.dumps(known).encode())
        cases.append(TrainingCase.opened(folder, case.name, known["sha256"]))
        progress.step(f"Prepared {case.name}")
    return tuple(cases)


def fingerprints(files: Sequence[CaseFiles], folder: Path, cancel: CancelToken) -> dict[str, str]:
    """SHA-256 of every case by name, as `prepare_cases` gives it; nothing is written.

    Files that have not changed since they were prepared in `folder` are not read again.
    """
    found = {}
    for case in files:
        cancel.raise_if_cancelled()
        known = _note(folder, case)
        same = bool(known) and known["key"][-1] == _stats(case)
        found[case.name] = known["sha256"] if same else _fingerprint(case)
    return found


def _note(folder: Path, case: CaseFiles) -> dict[str, Any]:
    """What is recorded of a prepared case; empty where there is nothing, or it is damaged."""
    try:
        note = json.loads((folder / f"{case.name}.json").read_bytes())
    except (OSError, ValueError):
        return {}
    whole = isinstance(note, dict) and isinstance(note.get("key"), list) and isinstance(note.get("sha256"), str)
    return note if whole and note["key"] else {}


def _readable(case: TrainingCase) -> bool:
    try:
        return case.images.shape[1:] == case.classes.shape
    except EnvironmentFailure:
        return False


def _fingerprint(case: CaseFiles) -> str:
    digest = hashlib.sha256()
    for path in (*case.images.values(), *([case.mask] if case.mask else [])):
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _prepare(case: CaseFiles, card: ModelCard, labels: LabelConvention, folder: Path, cancel: CancelToken) -> None:
    assert case.mask is not None  # checked before
    mask, _ = read_mask(case.mask, GLIOMA_POST_TREATMENT, labels)
    images = {role: read_volume(case.images[role]).volume for role in card.channels if role in case.images}
    ready = prepare(AdaptationCase(case.name, images, mask.data, mask.grid), card, cancel)
    if (ready.classes == IGNORE).all():
        raise UserError(
            f"In the mask of the case “{case.name}” no voxel of the brain is reviewed (all are 255).",
            "Review it, or leave the case out.",
        )
    for name, array in (("images", ready.images.astype(np.float16)), ("classes", ready.classes)):
        with atomic_write(folder / f"{case.name}.{name}.npy") as file:
            np.save(file, array)


def _check_files(case: CaseFiles, card: ModelCard) -> None:
    """Raise `UserError` for a case without a mask or a sequence that the model needs."""
    if case.mask is None:
        raise UserError(
            f"The case “{case.name}” has no mask (…_seg.nii.gz).", "Add it, or name the case in data.exclude."
        )
    missing = [role.value for role in card.channels if role not in case.images and role not in card.optional]
    if missing:
        raise UserError(
            f"The case “{case.name}” has no {', '.join(missing)}.",
            "Add the file, make the channel optional, or name the case in data.exclude.",
        )
    if card.one_of and not set(card.one_of) & case.images.keys():
        raise UserError(
            f"The case “{case.name}” has none of {', '.join(role.value for role in card.one_of)} (data.one_of).",
            "Add one of the files, or name the case in data.exclude.",
        )


def _key(case: CaseFiles, card: ModelCard, labels: LabelConvention) -> list[object]:
    """What a prepared case depends on, as JSON gives it back."""
    return [
        _FORMAT,
        labels.value,
        [role.value for role in card.channels],
        list(card.spacing_mm),
        _stats(case),
    ]


def _stats(case: CaseFiles) -> list[object]:
    """Name, size and time of a case's files, as JSON gives them back."""
    paths = [*case.images.values(), *([case.mask] if case.mask else [])]
    stats = [(path.name, path.stat()) for path in paths]
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]
