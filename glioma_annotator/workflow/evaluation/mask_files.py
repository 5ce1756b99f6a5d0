"""Which masks a folder holds, by case, and what in it is none."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from glioma_annotator.errors import UserError
from glioma_annotator.imaging.case_files import CaseFiles, read_case
from glioma_annotator.imaging.nifti_header import composed

_MASK_ENDINGS = (".nii.gz", ".nii")
_MASK_SUFFIXES = ("_seg", "-seg", "_mask", "-mask")
NO_CASE = "no file in this folder is named like a sequence or a mask"


@dataclass(slots=True)
class MaskFolder:
    """Masks by case name, case folders by name where there are such, and the subfolders that hold no case."""

    masks: dict[str, Path] = field(default_factory=dict)
    cases: dict[str, CaseFiles] = field(default_factory=dict)
    skipped: list[Path] = field(default_factory=list)


def read_mask_folder(folder: Path) -> MaskFolder:
    """Masks of a folder that holds either case folders in BraTS naming or mask files; hidden files are no masks.

    Raises `UserError` when there are no masks, both case folders and mask files, two masks for one case, or a case
    without a mask.
    """
    if not folder.is_dir():
        raise UserError(f"There is no folder “{folder}”.", "Check the path.")
    cases, skipped = _subfolders(folder)
    masks = _mask_files(folder)
    if cases and masks:
        raise UserError(
            f"“{folder}” holds both mask files ({_some(masks)}) and case folders ({_some(cases)}).",
            "Keep them in two folders and name one of them.",
        )
    without = [name for name, case in cases.items() if case.mask is None]
    if without:
        raise UserError(f"There is no mask for {', '.join(without)} in “{folder}”.", "Add it, or leave it out.")
    masks |= {name: case.mask for name, case in cases.items() if case.mask is not None}
    if not masks:
        raise UserError(f"There are no masks in “{folder}”.", "Name a folder with case folders or mask files.")
    return MaskFolder(masks, cases, skipped)


def case_name(mask: Path) -> str:
    """The case that a mask file's name begins with."""
    name = composed(mask.name)
    for endings in (_MASK_ENDINGS, *((suffix,) for suffix in _MASK_SUFFIXES)):
        ending = next((e for e in endings if name.lower().endswith(e)), "")
        name = name[: len(name) - len(ending)]
    return name


def folders_without_case(places: Iterable[str | Path], out: Path) -> list[Path]:
    """Folders where `find_cases` looked for cases and found none; `out`, which receives the report, is not told."""
    found: dict[Path, None] = {}
    for place in places:
        named = Path(place).exists()
        for top in [Path(place)] if named else map(Path, sorted(glob.glob(str(place), recursive=True))):  # noqa: PTH207
            if top.is_dir() and read_case(top) is None:
                cases, skipped = _subfolders(top)
                found |= dict.fromkeys(skipped if cases else [top])
    return [folder for folder in found if folder.resolve() != out.resolve()]


def _subfolders(folder: Path) -> tuple[dict[str, CaseFiles], list[Path]]:
    """Case folders below `folder`, and the folders below it that are none."""
    cases, skipped = {}, []
    for child in sorted(folder.iterdir()):
        if not child.is_dir() or child.name.startswith("."):
            continue
        case = read_case(child)
        if case is None:
            skipped.append(child)
        else:
            cases[case.name] = case
    return cases, skipped


def _mask_files(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.name.lower().endswith(_MASK_ENDINGS) or path.is_dir():
            continue
        name = case_name(path)
        if name in found:
            raise UserError(f"There are two masks for “{name}” in “{folder}”.", "Leave only one of them in it.")
        found[name] = path
    return found


def _some(names: Iterable[str], shown: int = 3) -> str:
    every = list(names)
    return ", ".join(every[:shown]) + (", …" if len(every) > shown else "")
