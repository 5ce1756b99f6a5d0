"""VASARI features that masks and geometry can give, each with how it was computed.

Feature numbers and option codes are those of the sheet in the task profile (`resources/profiles`), after the VASARI MR
feature guide (The Cancer Imaging Archive) as Ruffle et al., "VASARI-auto", NeuroImage: Clinical 2024, code it.
Thresholds that the guide leaves to the eye are marked as our choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.finding import Side
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.imaging.components import components
from glioma_annotator.imaging.lesion_map import LesionMap, find_lesions, lesion_size
from glioma_annotator.imaging.midline import MidPlane

Mask = NDArray[np.bool_]

MIDLINE_MM = 5.0
"""An epicentre this close to the midline counts as central. Our choice."""

CROSSING_ML = 0.1
"""A component crosses the midline when at least this much of it lies on either side. Our choice: above the partial
volumes of a border that merely touches the falx."""

SPREAD = (0.67, 0.33)
"""Share of the FLAIR abnormality that the tumour core takes: from the first on expansive, below the second
infiltrative, between them mixed. Our choice, after the sheet's own classes of proportions."""

#: Upper ends, in per cent, of the sheet's classes of proportions, and their codes; 100 % itself is the last.
_CLASSES = ((0.0, "2"), (5.0, "3"), (33.0, "4"), (67.0, "5"), (95.0, "6"))
_EXACT = 1e-9  # a share of exactly a class's end lies in it, whatever the rounding of the voxels' volume


@dataclass(frozen=True, slots=True)
class TissueMasks:
    """The tissues of a mask, bool (i, j, k) each on `grid`, as the profile's roles name them."""

    grid: Grid
    enhancing: Mask
    core: Mask  # non-enhancing tumour core and necrosis
    oedema: Mask  # or surrounding FLAIR hyperintensity

    @property
    def tumour_core(self) -> Mask:
        return self.enhancing | self.core

    @property
    def whole(self) -> Mask:
        return self.enhancing | self.core | self.oedema


@dataclass(frozen=True, slots=True)
class ComputedFeature:
    """A feature's number, its value (an option's code, or a figure), and how it was computed."""

    feature: str
    value: str
    reason: str


def proportion_class(share: float) -> str:
    """Code of the sheet's class of a share 0..1: none, up to 5, 33, 67, 95, less than 100, all."""
    per_cent = 100 * share
    for upper, code in _CLASSES:
        if per_cent <= upper + _EXACT:
            return code
    return "8" if share >= 1 - _EXACT else "7"


def tissue_masks(labels: NDArray[np.uint8], grid: Grid, values: Mapping[str, int]) -> TissueMasks:
    """Tissues of labels (i, j, k) from the label values of the roles `enhancing`, `core` and `oedema`."""
    enhancing, core, oedema = (labels == values[role] for role in ("enhancing", "core", "oedema"))
    return TissueMasks(grid, enhancing, core, oedema)


def vasari_features(
    tissue: TissueMasks, plane: MidPlane | None = None, before: TissueMasks | None = None
) -> tuple[ComputedFeature, ...]:
    """The features that can be computed, in the sheet's order.

    Parameters
    ----------
    plane: the mid-sagittal plane; None leaves out what depends on it.
    before: tissues of the pre-operative visit; None leaves out the extent of resection.
    """
    whole = tissue.whole
    if not whole.any():
        return () if before is None else _resection(tissue, before)
    found = [*_proportions(tissue)]
    if plane is not None:
        found += [_side(tissue, plane), *_crossings(tissue, plane)]
    found += [*_foci(tissue), _spread(tissue), *_size(tissue)]
    if before is not None:
        found += _resection(tissue, before)
    return tuple(sorted(found, key=lambda f: int(f.feature[1:])))


def side_of(mask: Mask, grid: Grid, plane: MidPlane) -> Side:
    """The side on which the centre of mass of a mask (i, j, k) lies."""
    away = float(plane.right_of_mm(grid.index_to_world(np.argwhere(mask))).mean())
    if abs(away) <= MIDLINE_MM:
        return Side.MIDLINE
    return Side.RIGHT if away > 0 else Side.LEFT


def _ml(mask: Mask, grid: Grid) -> float:
    return float(np.count_nonzero(mask)) * grid.voxel_volume_ml


def _proportions(tissue: TissueMasks) -> list[ComputedFeature]:
    total = _ml(tissue.whole, tissue.grid)
    parts = (
        ("F5", "Enhancing tumour", tissue.enhancing),
        ("F7", "Necrotic and non-enhancing core, which the mask does not tell apart,", tissue.core),
        ("F14", "Oedema", tissue.oedema),
    )
    return [
        ComputedFeature(
            feature,
            proportion_class(_ml(mask, tissue.grid) / total),
            f"{name} is {_ml(mask, tissue.grid):.2f} of {total:.2f} mL ({_ml(mask, tissue.grid) / total:.0%}).",
        )
        for feature, name, mask in parts
    ]


def _side(tissue: TissueMasks, plane: MidPlane) -> ComputedFeature:
    core = tissue.tumour_core if tissue.tumour_core.any() else tissue.whole
    side = side_of(core, tissue.grid, plane)
    away = float(plane.right_of_mm(tissue.grid.index_to_world(np.argwhere(core))).mean())
    code = {Side.RIGHT: "1", Side.MIDLINE: "2", Side.LEFT: "3"}[side]
    where = f"{abs(away):.0f} mm to the {'right' if away > 0 else 'left'} of the midline"
    return ComputedFeature("F2", code, f"The centre of the tumour lies {where}.")


def _crossings(tissue: TissueMasks, plane: MidPlane) -> list[ComputedFeature]:
    parts = (("F15", "oedema", tissue.oedema), ("F22", "core", tissue.core), ("F23", "enhancement", tissue.enhancing))
    return [_crossing(feature, name, mask, tissue.grid, plane) for feature, name, mask in parts]


def _crossing(feature: str, name: str, mask: Mask, grid: Grid, plane: MidPlane) -> ComputedFeature:
    """Whether one component of the tissue lies on both sides."""
    if not mask.any():
        return ComputedFeature(feature, "1", f"There is no {name}.")
    numbered, count = components(mask)
    index = np.argwhere(mask)
    number = numbered[tuple(index.T)]
    right = plane.right_of_mm(grid.index_to_world(index)) > 0
    sides = [np.bincount(number[chosen], minlength=count + 1) * grid.voxel_volume_ml for chosen in (right, ~right)]
    least = float(np.minimum(*sides).max())
    text = f"{least:.2f} mL of one component of {name} lie on the smaller side of the midline."
    return ComputedFeature(feature, "3" if least >= CROSSING_ML - _EXACT else "2", text)


def _foci(tissue: TissueMasks) -> list[ComputedFeature]:
    """Multifocal: core outside the dominant lesion's signal abnormality. Satellite: enhancement apart but within it."""
    core = find_lesions(tissue.tumour_core, tissue.grid)
    if not core.lesions:
        return []
    around, _ = components(tissue.whole)
    dominant = _number_at(around, core, 1)
    apart = [n for n in core.lesions[1:] if _number_at(around, core, n.number) != dominant]
    text = f"{_count(len(apart), 'focus', 'foci')} of tumour outside the abnormality around the dominant lesion."
    found = [ComputedFeature("F9", "2" if apart else "1", text)]
    enhancing = find_lesions(tissue.enhancing & (around == dominant), tissue.grid)
    inside = [n for n in enhancing.lesions if core.numbered[tuple(np.argwhere(enhancing.numbered == n.number)[0])] != 1]
    text = (
        f"{_count(len(inside), 'enhancing focus', 'enhancing foci')} apart from the dominant lesion, within its oedema."
    )
    return [*found, ComputedFeature("F24", "2" if inside else "1", text)]


def _number_at(numbered: NDArray[np.int32], lesions: LesionMap, number: int) -> int:
    """The value of `numbered` where a lesion lies; the lesion lies within one of its components."""
    first = np.argwhere(lesions.numbered == number)[0]
    return int(numbered[tuple(first)])


def _spread(tissue: TissueMasks) -> ComputedFeature:
    core, whole = _ml(tissue.tumour_core, tissue.grid), _ml(tissue.whole, tissue.grid)
    share = core / whole
    code = "1" if share >= SPREAD[0] - _EXACT else "3" if share < SPREAD[1] - _EXACT else "2"
    return ComputedFeature(
        "F10", code, f"Tumour core {core:.2f} mL of {whole:.2f} mL of FLAIR abnormality ({share:.0%})."
    )


def _size(tissue: TissueMasks) -> list[ComputedFeature]:
    lesions = find_lesions(tissue.whole, tissue.grid, 0.0)
    size = lesion_size(lesions, 1)
    text = f"Largest lesion of FLAIR abnormality on axial slice {size.k + 1}, where its area is largest."
    return [
        ComputedFeature("F29", f"{size.longest_mm:.1f}", text),
        ComputedFeature("F30", f"{size.perpendicular_mm:.1f}", text),
    ]


def _resection(tissue: TissueMasks, before: TissueMasks) -> tuple[ComputedFeature, ...]:
    """Share of each tissue of the pre-operative mask that is gone."""
    parts = (("F26", "Enhancing tumour", "enhancing"), ("F27", "Core", "core"), ("F28", "Oedema", "oedema"))
    found = []
    for feature, name, role in parts:
        was, left = _ml(getattr(before, role), before.grid), _ml(getattr(tissue, role), tissue.grid)
        if was == 0:
            found.append(ComputedFeature(feature, "1", f"{name}: none before the operation."))
            continue
        share = max(0.0, (was - left) / was)
        text = f"{name}: {left:.2f} of {was:.2f} mL left, {share:.0%} resected."
        found.append(ComputedFeature(feature, proportion_class(share), text))
    return tuple(found)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
