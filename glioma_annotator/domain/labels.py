"""Label schemes: what the values of a mask mean, how they look, and which regions they make up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.colours import is_colour
from glioma_annotator.domain.volume import LabelArray

BACKGROUND = 0
LEFT_BY_SURGERY = ("RC",)  # names of labels that nobody has who was not operated on
IGNORE = 255  # voxels the reader has not reviewed; never a tissue
LONGEST_NAME = 16  # of a label, so that lists and tables need not cut it


@dataclass(frozen=True, slots=True)
class Label:
    """One tissue class: `value` in the mask (1..254), short `name`, full `title`, `colour` as #RRGGBB."""

    value: int
    name: str
    title: str
    colour: str


@dataclass(frozen=True, slots=True)
class Region:
    """A reported region: the union of label `values`."""

    name: str
    title: str
    values: tuple[int, ...]

    def mask(self, labels: LabelArray) -> NDArray[np.bool_]:
        """Boolean array of `labels`' shape."""
        inside = np.zeros(labels.shape, dtype=np.bool_)
        for value in self.values:  # a fifth of the time of `isin`
            inside |= labels == value
        return inside


@dataclass(frozen=True, slots=True)
class LabelScheme:
    """The labels of a mask and the regions reported from it."""

    name: str
    labels: tuple[Label, ...]
    regions: tuple[Region, ...]

    def label(self, value: int) -> Label | None:
        return next((label for label in self.labels if label.value == value), None)

    def named(self, name: str) -> Label | None:
        return next((label for label in self.labels if label.name == name), None)

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(label.value for label in self.labels)

    @property
    def free_value(self) -> int | None:
        """The smallest value that no label has; None when there is none."""
        return next((value for value in range(1, IGNORE) if value not in self.values), None)

    def fault(self, label: Label) -> str:
        """Why a label cannot be put in, for a reader; empty when it can. One of the same value is not looked at."""
        others = [other.name.casefold() for other in self.labels if other.value != label.value]
        of_label = [region for region in self.regions if region.values == (label.value,)]
        others += [region.name.casefold() for region in self.regions if region not in of_label]
        if not label.name.strip() or label.name != label.name.strip() or not label.name.isprintable():
            return "A label needs a name."
        if len(label.name) > LONGEST_NAME:
            return f"A label's name has at most {LONGEST_NAME} letters."
        if label.name.casefold() in others:
            return f"There is a label or region {label.name} already."
        if not BACKGROUND < label.value < IGNORE:
            return f"A label's value lies between 1 and {IGNORE - 1}."
        return "" if is_colour(label.colour) else "A colour is written as #RRGGBB."

    def with_label(self, label: Label) -> LabelScheme:
        """The scheme with a label put in, in place of one of the same value. Raises `ValueError` for a faulty one."""
        if fault := self.fault(label):
            raise ValueError(fault)
        labels = {known.value: known for known in self.labels} | {label.value: label}
        return replace(self, labels=tuple(labels[value] for value in sorted(labels)))

    def without_label(self, value: int) -> LabelScheme:
        """The scheme without a label. Raises `ValueError` for one that a region is made of."""
        if any(value in region.values for region in self.regions):
            raise ValueError("a label that a region is made of stays")
        return replace(self, labels=tuple(label for label in self.labels if label.value != value))


GLIOMA_POST_TREATMENT = LabelScheme(
    name="glioma-post-treatment",
    labels=(
        Label(1, "NETC", "Non-enhancing tumour core", "#D55E00"),
        Label(2, "SNFH", "Surrounding non-enhancing FLAIR hyperintensity", "#009E73"),
        Label(3, "ET", "Enhancing tumour", "#F0E442"),
        Label(4, "RC", "Resection cavity", "#56B4E9"),
    ),
    regions=(
        Region("ET", "Enhancing tumour", (3,)),
        Region("TC", "Tumour core", (1, 3)),
        Region("WT", "Whole tumour", (1, 2, 3)),
        Region("RC", "Resection cavity", (4,)),
    ),
)
"""BraTS 2024 post-treatment values; colours from the Okabe-Ito palette, distinct for colour-blind readers."""

#: BraTS 2017-2021 values (1 NCR, 2 ED, 4 ET) to ours.
BRATS_2021_TO_PROGRAM: Mapping[int, int] = {0: 0, 1: 1, 2: 2, 4: 3}


def map_labels(labels: NDArray[np.generic], mapping: Mapping[int, int]) -> LabelArray:
    """Labels (i, j, k) of any integer type with values 0..255 replaced by `mapping`; others become background.

    Raises ValueError when a value lies outside 0..255.
    """
    if labels.size and (labels.min() < 0 or labels.max() > 255):
        raise ValueError("label values must lie between 0 and 255")
    table = np.zeros(256, dtype=np.uint8)
    for old, new in mapping.items():
        table[old] = new
    return np.asarray(table[labels.astype(np.uint8)])
