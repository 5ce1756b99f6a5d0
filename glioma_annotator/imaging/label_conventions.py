"""What the values of a mask file mean: the program's own, or those of BraTS 2017 to 2021."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import numpy as np

from glioma_annotator.domain.labels import BRATS_2021_TO_PROGRAM, IGNORE, LabelScheme, map_labels
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.nifti import LoadedLabels, read_labels


class LabelConvention(StrEnum):
    """What the values of a mask file mean.

    PROGRAM is 1 NETC, 2 SNFH, 3 ET, 4 RC (BraTS 2023 and 2024 too), BRATS_2021 is 1 NCR, 2 ED, 4 ET. AUTO decides: a
    mask that this program wrote says so in its header; else a 3 means PROGRAM, 1 and 4 without a 3 BRATS_2021 (core
    without enhancement beside a cavity is rare), and without a 4 both say the same. What a 4 with neither 1 nor 3 is,
    ET or a cavity, the masks that come with it say (`ambiguous_as`); by default it is ET. Where all masks of a set are
    known to follow one convention, `convention_of_set` decides for all of them.
    """

    AUTO = "auto"
    PROGRAM = "program"
    BRATS_2021 = "brats2021"


def ambiguous_as(
    paths: Iterable[Path], convention: LabelConvention = LabelConvention.AUTO, operated: bool | None = None
) -> LabelConvention:
    """How to read a mask with a 4 and neither 1 nor 3 among these masks: as the first of them that tells.

    A stated `convention` decides. After a resection it is PROGRAM: the older labels are for scans before surgery. Where
    no mask tells, BRATS_2021.
    Raises `UserError` for unreadable files.
    """
    if convention is not LabelConvention.AUTO:
        return convention
    if operated:
        return LabelConvention.PROGRAM
    for path in paths:
        told = _told(read_labels(path))
        if told is not None:
            return told
    return LabelConvention.BRATS_2021


def convention_of_set(
    paths: Iterable[Path], convention: LabelConvention = LabelConvention.AUTO, operated: bool | None = None
) -> LabelConvention:
    """How to read every one of these masks, which follow one convention: as stated, PROGRAM, or AUTO.

    A stated `convention` decides. It is PROGRAM after a resection, and where one mask holds a 3 or is this program's
    own; then masks with 1 and 4, too, have a cavity. Else it is AUTO: nothing speaks against 4 being ET.
    Files that cannot be read tell nothing here; `read_mask` says what is wrong with them.
    """
    if convention is not LabelConvention.AUTO:
        return convention
    if operated or any(_is_program(path) for path in paths):
        return LabelConvention.PROGRAM
    return LabelConvention.AUTO


def conventions_of_sides(
    references: Iterable[Path],
    predictions: Iterable[Path],
    reference_labels: LabelConvention = LabelConvention.AUTO,
    prediction_labels: LabelConvention = LabelConvention.AUTO,
) -> tuple[LabelConvention, LabelConvention]:
    """How to read reference masks and the masks compared with them, each side a set (`convention_of_set`).

    References in the program's labels count for predictions that nothing was stated about. The reverse does not hold:
    the program's masks are compared with references of BraTS 2021.
    """
    reference = convention_of_set(references, reference_labels)
    if reference is LabelConvention.PROGRAM and prediction_labels is LabelConvention.AUTO:
        return reference, reference
    return reference, convention_of_set(predictions, prediction_labels)


def read_mask(
    path: Path,
    scheme: LabelScheme,
    convention: LabelConvention = LabelConvention.AUTO,
    ambiguous: LabelConvention = LabelConvention.BRATS_2021,
) -> tuple[Volume, LabelConvention]:
    """A mask file in the scheme's values (255 stays "not reviewed"), and how its values were read (never AUTO).

    In a mask that this program wrote, values beyond the scheme are labels that readers added: not reviewed, as far as
    the scheme goes.

    `ambiguous` is how AUTO reads a mask with a 4 and neither 1 nor 3 (`ambiguous_as`). Raises `UserError` for
    unreadable files and values without a meaning.
    """
    mask = read_labels(path)
    decided = _decided(mask, convention, ambiguous)
    identity = {value: value for value in scheme.values}
    mapping = BRATS_2021_TO_PROGRAM if decided is LabelConvention.BRATS_2021 else identity
    found = set(np.unique(mask.labels).tolist()) - {0, IGNORE}
    unknown = sorted(found - set(mapping))
    if mask.by_program and decided is LabelConvention.PROGRAM:
        mapping = {**mapping, **dict.fromkeys(unknown, IGNORE)}
    elif unknown:
        one = len(unknown) == 1
        values = f"value{'' if one else 's'} {', '.join(map(str, unknown))}"
        raise UserError(
            f"{path.name} holds the {values}, which mean{'s' if one else ''} nothing in the {decided.value} labels.",
            "Say which convention it follows, or map its values first by importing it.",
        )
    return Volume(map_labels(mask.labels, {**mapping, IGNORE: IGNORE}), mask.grid), decided


def _decided(mask: LoadedLabels, convention: LabelConvention, ambiguous: LabelConvention) -> LabelConvention:
    if convention is not LabelConvention.AUTO:
        return convention
    return _told(mask) or (ambiguous if 4 in mask.labels else LabelConvention.PROGRAM)


def _is_program(path: Path) -> bool:
    """Whether a mask alone tells that it is in the program's labels; False for a file that cannot be read."""
    with contextlib.suppress(UserError):
        return _told(read_labels(path)) is LabelConvention.PROGRAM
    return False


def _told(mask: LoadedLabels) -> LabelConvention | None:
    """The convention that a mask alone tells; None where it may be either."""
    found = set(np.unique(mask.labels).tolist())
    if mask.by_program or 3 in found:
        return LabelConvention.PROGRAM
    return LabelConvention.BRATS_2021 if {1, 4} <= found else None
