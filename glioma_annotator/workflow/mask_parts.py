"""Masks that mark one tissue each, in files or channels of their own: which are parts of one mask, and joining them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.import_plan import ImportItem, ImportKind
from glioma_annotator.domain.labels import BACKGROUND, GLIOMA_POST_TREATMENT
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.label_codec import MEANING_UNSURE
from glioma_annotator.imaging.nifti import read_labels
from glioma_annotator.imaging.nifti_header import composed
from glioma_annotator.workflow.recognition.files import stem_of
from glioma_annotator.workflow.recognition.tissues import (
    ET,
    LAYERS,
    NETC,
    SNFH,
    known_words,
    other_words,
    tells_alone,
    tissue_of,
)

_REGIONS = (SNFH, NETC, ET)  # of whole tumour, core and enhancing tumour, each within the one before


def with_parts(items: Sequence[ImportItem]) -> tuple[ImportItem, ...]:
    """The items with masks of single tissues mapped to them, and those that belong together named so (`part_of`)."""
    result = list(items)
    files: dict[tuple[object, ...], list[int]] = {}
    channels: dict[tuple[object, ...], list[int]] = {}
    for index, item in enumerate(items):
        if item.kind is not ImportKind.MASK or not item.include or len(_values(item)) > 1:
            continue
        if item.channel is None:
            files.setdefault((item.patient, item.visit, item.path.parent), []).append(index)
        else:
            channels.setdefault((item.patient, item.visit, item.path), []).append(index)
    for members in files.values():
        _join_files(result, members)
    for members in channels.values():
        _join_channels(result, members)
    return tuple(result)


def joined(parts: Sequence[LabelArray]) -> LabelArray:
    """One mask (i, j, k) of several on the same voxels: the inner layer counts where regions hold one another."""
    if len(parts) == 1:
        return parts[0]
    whole = np.zeros_like(parts[0])
    for value in (*LAYERS, *_others(parts)):
        for part in parts:
            whole[part == value] = value
    return whole


def _others(parts: Sequence[LabelArray]) -> list[int]:
    found = {int(value) for part in parts for value in np.unique(part)}
    return sorted(found - {BACKGROUND, *LAYERS})


def _values(item: ImportItem) -> list[int]:
    return [value for value in item.voxel_counts if value != BACKGROUND]


def _join_files(items: list[ImportItem], members: Sequence[int]) -> None:
    """Files of one folder whose names tell different tissues; one alone gets its tissue where the name is clear."""
    sets: dict[frozenset[str], dict[int, int]] = {}
    for index in members:
        name = _own_name(items[index])
        if value := tissue_of(name):
            sets.setdefault(other_words(name), {})[index] = value
    for other, named in sets.items():
        parts = [items[index] for index in named]
        told = {(value, known_words(_own_name(items[index]))) for index, value in named.items()}
        twice = len(told) < len(named)  # of a reader and a model: gt_ET, seg_ET
        for index, value in named.items():
            item = items[index]
            if len(set(named.values())) > 1 and not twice:
                group = "/".join((str(item.path.parent), *sorted(other)))
                items[index] = _part(item, value, group, parts)
            elif tells_alone(_own_name(item)) and _values(item) in ([1], [255]):
                items[index] = _as_tissue(item, value, f"Its name says {_name(value)}.")


def _join_channels(items: list[ImportItem], members: Sequence[int]) -> None:
    """Channels of one file that hold one tissue, or one region, each."""
    if not 3 <= len(members) <= 1 + len(LAYERS):
        return
    try:
        inside = [read_labels(items[n].path, items[n].channel).labels > 0 for n in members]
    except UserError:  # told by whoever needs it
        return
    kept = list(members)
    if (beyond := _background(inside)) is not None:
        del inside[beyond]
        index = kept.pop(beyond)
        text = "It marks what its other channels leave: background."
        items[index] = replace(items[index], include=False, warnings=(*_sure(items[index]), text))
    meaning = _meaning(inside)
    if meaning is None:
        return
    parts = [items[n] for n in kept]
    for index, value in zip(kept, meaning[0], strict=True):
        items[index] = _part(items[index], value, str(items[index].path), parts, meaning[1])


def _background(inside: Sequence[NDArray[np.bool_]]) -> int | None:
    """The first or last channel, where it is all that the others leave."""
    total = np.sum(inside, axis=0, dtype=np.uint8)
    if not (total == 1).all():
        return None
    return max((0, len(inside) - 1), key=lambda n: np.count_nonzero(inside[n]))


def _meaning(inside: Sequence[NDArray[np.bool_]]) -> tuple[list[int], str] | None:
    """The program's value of each channel, and how it is known: one lies within the other, or their order tells.

    None where they may be lesions or readers: tissues of one tumour touch each other, and differ.
    """
    found = [n for n, one in enumerate(inside) if one.any()]
    apart = not any((inside[a] & inside[b]).any() for a, b in combinations(found, 2))
    if len(inside) == 3 and not apart:
        sizes = [np.count_nonzero(one) for one in inside]
        order = sorted(range(3), key=lambda n: -sizes[n])
        beyond = any((inside[inner] & ~inside[outer]).any() for outer, inner in pairwise(order))
        if beyond or len(set(sizes)) == 1:
            return None
        return [_REGIONS[order.index(n)] for n in range(3)], " by what lies within what"
    if not apart or len(inside) not in (3, 4) or not _touch([inside[n] for n in found]):
        return None
    return list(GLIOMA_POST_TREATMENT.values[: len(inside)]), " by the order of the channels (check it)"


def _touch(found: Sequence[NDArray[np.bool_]]) -> bool:
    """Whether each of several masks touches another one."""
    from scipy.ndimage import binary_dilation  # here, to keep it off the program's start

    whole = np.logical_or.reduce(found) if len(found) > 1 else None
    return whole is not None and all((binary_dilation(one) & whole & ~one).any() for one in found)


def _part(item: ImportItem, value: int, group: str, members: Sequence[ImportItem], known: str = "") -> ImportItem:
    others = ", ".join(_title(other) for other in members if other is not item)
    text = f"Taken for {_name(value)}{known}, in one mask with {others}."
    return replace(_as_tissue(item, value, text), part_of=group)


def _as_tissue(item: ImportItem, value: int, text: str) -> ImportItem:
    mapping = {found: value if found != BACKGROUND else BACKGROUND for found in item.voxel_counts}
    return replace(item, mapping=mapping, warnings=(*_sure(item), text))


def _sure(item: ImportItem) -> tuple[str, ...]:
    """Its warnings without those on what its values mean, which is known now."""
    return tuple(text for text in item.warnings if not text.startswith(MEANING_UNSURE))


def _own_name(item: ImportItem) -> str:
    """The file's name without the patient's and the visit's."""
    name = stem_of(item.path)
    for key in (item.patient, item.visit):
        if name.lower().startswith(key.lower()):
            name = name[len(key) :].lstrip("-_. ")
    return name


def _title(item: ImportItem) -> str:
    return composed(item.path.name) if item.channel is None else f"channel {item.channel + 1}"


def _name(value: int) -> str:
    label = GLIOMA_POST_TREATMENT.label(value)
    return label.name if label else str(value)
