"""What is done to a mask after the network, as the model's card says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.mask_rules import Doubtful, Enclosed, Lining, Outside, Paired, PostProcessing, Unenclosed
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.components import components, fill_holes, remove_small
from glioma_annotator.imaging.label_ops.margins import grow
from glioma_annotator.imaging.label_ops.smoothing import closing
from glioma_annotator.imaging.midline import MidPlane
from glioma_annotator.inference.both_sides import middle_of, mirrored_parts, paired_parts
from glioma_annotator.inference.brightness import (
    BLURRED_VOXELS,
    against_brain,
    core_lacking,
    extended,
    outlined,
    without_thin,
)

_LEAST_TOLD_ML = 0.05  # what would be shown as 0.0 mL is not worth a reader's line


def post_processed(
    labels: LabelArray,
    softmax: NDArray[np.uint8],
    brain: NDArray[np.bool_],
    rules: PostProcessing,
    scheme: LabelScheme,
    grid: Grid,
    images: Mapping[SequenceRole, NDArray[np.float32]],
    *,
    operated: bool = False,
) -> tuple[LabelArray, tuple[str, ...]]:
    """The mask (i, j, k) after the card's rules, and what a reader should know about it, one sentence each.

    In this order: islands of tissue that are too small are left out, then what lies on both sides alike and islands
    that the model doubts, small holes in the tissue are filled, after surgery core without a rim becomes cavity or
    oedema, core outside a rim becomes oedema, what a rim encloses becomes core, what the other side shows as well by
    its brightness is left out, labels of which there is too little become others, after surgery thin enhancement along
    a cavity becomes oedema and what the other side shows is left out once more, outlines are moved by brightness,
    labels are extended by brightness, and without surgery some of what does not enhance becomes core.

    Parameters
    ----------
    softmax: uint8 (class, i, j, k) on the mask's voxels, class n the n-th label of `scheme`.
    brain: (i, j, k), whose symmetry gives the mid-sagittal plane.
    grid: gives the voxels' size; their place is taken from the mask's own corner.
    images: (i, j, k) on the mask's voxels, in any unit; a rule that asks for one that is not there does nothing.
    operated: whether the patient is known to have had a resection; some rules count only then, others only if not.
    """
    result = remove_small(labels, rules.min_component_ml, grid) if rules.min_component_ml else labels.copy()
    names = {label.value: label.name for label in scheme.labels} | {0: "background"}
    messages: list[str] = []

    def tell(changed: NDArray[np.bool_], words: str) -> None:
        volume_ml = np.count_nonzero(changed) * grid.voxel_volume_ml
        if volume_ml >= _LEAST_TOLD_ML:
            messages.append(f"{volume_ml:.1f} mL of {words}.")

    middle = functools.cache(lambda: middle_of(brain, grid.spacing_mm))
    for mirrored in rules.mirrored:
        own = (mirrored.label, *(mirrored.also if not operated else ()))
        both_sides = mirrored_parts(result, middle, mirrored, own, grid.spacing_mm)
        found = " and ".join(names[value] for value in own if (result[both_sides] == value).any())
        result[both_sides] = 0
        tell(both_sides, f"{found} that lie on both sides alike were left out as normal anatomy")
    if rules.doubtful:
        islands = _doubted(result, softmax, rules.doubtful, grid.voxel_volume_ml)
        result[islands] = 0
        tell(islands, f"islands, of which the model is less than {rules.doubtful.sure:.0%} sure, were left out")
    if rules.fill_holes_ml:
        _fill_holes(result, softmax, rules.fill_holes_ml, scheme, grid.voxel_volume_ml)
    for unenclosed in rules.unenclosed if operated else ():
        fluid, rest = _unenclosed(result, brain, images, unenclosed, grid)
        rim = " and ".join(names[value] for value in unenclosed.rim)
        for part, value in ((fluid, unenclosed.cavity), (rest, unenclosed.becomes)):
            result[part] = value
            tell(part, f"{names[unenclosed.label]} without a rim of {rim} were taken for {names[value]}, after surgery")
    for outside in rules.outside:
        beyond = _outside(result, outside, grid)
        result[beyond] = outside.becomes
        rim = " and ".join(names[value] for value in outside.rim)
        tell(beyond, f"{names[outside.label]} outside a rim of {rim} were taken for {names[outside.becomes]}")
    for enclosed in rules.enclosed:
        within = _enclosed(result, enclosed, grid.spacing_mm)
        result[within] = enclosed.becomes
        rim = " and ".join(names[value] for value in enclosed.rim)
        tell(within, f"{names[enclosed.label]} within {rim} were taken for {names[enclosed.becomes]}")
    taken = _without_paired(result, brain, middle, images, rules.paired, grid)
    for rule in rules.too_small:
        few = result == rule.label
        volume_ml = np.count_nonzero(few) * grid.voxel_volume_ml
        if 0 < volume_ml < rule.below_ml and not (rule.alone and (result[~few] != 0).any()):
            result[few] = rule.becomes
            lost = f"{volume_ml:.2f}" if volume_ml >= 0.005 else "Under 0.01"
            messages.append(
                f"{lost} mL of {names[rule.label]}, less than {rule.below_ml:g} mL, were taken for "
                f"{names[rule.becomes]}."
            )
    for lining in rules.linings if operated else ():
        thin = _lining(result, lining, grid)
        result[thin] = lining.becomes
        tell(thin, f"{names[lining.label]} in thin lines along {names[lining.cavity]} were left out, after surgery")
    if operated and rules.linings:  # what they had joined to more
        np.maximum(taken, _without_paired(result, brain, middle, images, rules.paired, grid), out=taken)
    for value in np.unique(taken[taken != 0]):
        tell(taken == value, f"{names[int(value)]} that the other side shows as well were left out as normal anatomy")
    for outline in rules.outlines:
        if outline.sequence in images:
            result[outlined(result, images[outline.sequence], outline, grid.spacing_mm)] = outline.label
    for extent in rules.extents:
        if extent.sequence in images:
            more = extended(result, brain, images[extent.sequence], extent, grid)
            result[more] = extent.label
            around = f"brain around {names[extent.label]}, much brighter on {extent.sequence.value} than the rest,"
            tell(more, f"{around} were added to it")
    for least in rules.least_cores if not operated else ():
        lacking = core_lacking(result, brain, images, least, grid)
        result[lacking] = least.label
        taken_for = f"{names[least.taken_from]} were taken for {names[least.label]}"
        tell(lacking, f"{taken_for}, as the tumour does not enhance; where the two meet is a guess")
    return result, tuple(messages)


def _without_paired(
    labels: LabelArray,
    brain: NDArray[np.bool_],
    middle: Callable[[], MidPlane],
    images: Mapping[SequenceRole, NDArray[np.float32]],
    rules: Sequence[Paired],
    grid: Grid,
) -> LabelArray:
    """Leave out, in place, what such rules do, and return its labels, (i, j, k)."""
    taken = np.zeros_like(labels)
    for rule in rules:
        out = paired_parts(labels, brain, middle, images, rule, grid.spacing_mm)
        taken[out], labels[out] = labels[out], 0
    return taken


def _doubted(labels: LabelArray, softmax: NDArray[np.uint8], rule: Doubtful, voxel_ml: float) -> NDArray[np.bool_]:
    """The components, (i, j, k), that the rule leaves out: none that is surer than the largest."""
    tissue = labels != 0
    numbered, count = components(tissue)
    of = numbered[tissue]
    sizes = np.bincount(of, minlength=count + 1)
    sure = np.bincount(of, weights=1 - softmax[0][tissue] / 255, minlength=count + 1) / np.maximum(sizes, 1)
    out = (sizes * voxel_ml < rule.below_ml) & (sure < min(rule.sure, sure[sizes.argmax()]))
    out[0] = False
    return np.asarray(out[numbered])


def _outside(labels: LabelArray, rule: Outside, grid: Grid) -> NDArray[np.bool_]:
    """Voxels of the rule's label, (i, j, k), outside the rim of a lesion whose rim encloses a core of its own."""
    from scipy import ndimage  # here, to keep it off the program's start

    found = np.zeros(labels.shape, dtype=bool)
    every_rim = np.isin(labels, rule.rim)
    lesions, _ = components(labels != 0)
    for number, box in enumerate(ndimage.find_objects(lesions), start=1):
        lesion = lesions[box] == number
        rim, core = _without_islands(lesion & every_rim[box], rule.island), lesion & (labels[box] == rule.label)
        if not rim.any() or not core.any():
            continue
        closed, convex = core & (_planes_around(rim, rule.gap_mm, grid.spacing_mm) >= 2), _within_hull(core, rim)
        if 2 * np.count_nonzero(closed) >= np.count_nonzero(convex):
            within, out = closed, core & (_planes_around(rim, rule.notch_mm, grid.spacing_mm) == 0)
        else:  # the rim is open
            away_mm = ndimage.distance_transform_edt(~(convex | rim), sampling=grid.spacing_mm)
            within, out = convex, core & (away_mm > rule.margin_mm)
        within_ml, rim_ml, out_ml = (np.count_nonzero(part) * grid.voxel_volume_ml for part in (within, rim, out))
        own_ml = within_ml + rim_ml
        if within.any() and within_ml >= rule.least_ml and own_ml >= rule.share * (own_ml + out_ml):
            found[box] |= out
    return found


def _unenclosed(
    labels: LabelArray,
    brain: NDArray[np.bool_],
    images: Mapping[SequenceRole, NDArray[np.float32]],
    rule: Unenclosed,
    grid: Grid,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Voxels of the rule's label, (i, j, k), in parts without a rim: those that are fluid, and the others."""
    from scipy import ndimage  # here, to keep it off the program's start

    found = np.zeros((2, *labels.shape), dtype=bool)
    if not {SequenceRole.FLAIR, SequenceRole.T2} <= images.keys():
        return found[0], found[1]
    rim = np.isin(labels, rule.rim)
    if rule.thinner_mm and rim.any():
        rim &= _thick(rim, rule.thinner_mm, grid)
    numbered, _ = components(labels == rule.label)
    touching = ndimage.generate_binary_structure(3, 3)
    for number, place in enumerate(ndimage.find_objects(numbered), start=1):
        box = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in place)
        core = numbered[box] == number
        around = rim[box][ndimage.binary_dilation(core, touching) & ~core & brain[box]]
        if around.size == 0 or around.mean() < rule.covered:
            found[1][box] |= core
    where = Box.around(found[1])
    if where is None:
        return found[0], found[1]
    box = where.grown(BLURRED_VOXELS).clipped(labels.shape).slices
    flair, t2 = (against_brain(images[role], brain, box, grid) for role in (SequenceRole.FLAIR, SequenceRole.T2))
    looks = flair - t2 / 2 < rule.level
    if SequenceRole.T1GD in images:
        looks |= flair - t2 / 2 + against_brain(images[SequenceRole.T1GD], brain, box, grid) < rule.dark_level
    fluid = found[1][box] & looks
    found[0][box] = remove_small(fluid.astype(np.uint8), rule.least_ml, grid) > 0
    found[1] &= ~found[0]
    return found[0], found[1]


def _lining(labels: LabelArray, rule: Lining, grid: Grid) -> NDArray[np.bool_]:
    """Voxels of the rule's label, (i, j, k), in thin parts beside a cavity."""
    enhancing, cavity = labels == rule.label, labels == rule.cavity
    if not enhancing.any() or not cavity.any():
        return np.zeros(labels.shape, dtype=bool)
    here = Grid(labels.shape, np.diag([*grid.spacing_mm, 1.0]))
    return np.asarray(enhancing & ~_thick(enhancing, rule.thinner_mm, grid) & grow(cavity, rule.within_mm, here))


def _thick(mask: NDArray[np.bool_], thinner_mm: float, grid: Grid) -> NDArray[np.bool_]:
    """What lies in or beside the mask's parts (i, j, k) that a ball of this diameter fits into."""
    here = Grid(mask.shape, np.diag([*grid.spacing_mm, 1.0]))
    return grow(without_thin(mask, thinner_mm, here), thinner_mm, here)


def _without_islands(mask: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    """The components of a mask (i, j, k) with at least this share of its largest one's voxels."""
    numbered, count = components(mask)
    sizes = np.bincount(numbered[mask], minlength=count + 1)
    return np.asarray(mask & (sizes >= share * sizes.max())[numbered])


def _within_hull(mask: NDArray[np.bool_], rim: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask's voxels (i, j, k) within the convex hull of the rim's; none where the rim's lie in a plane."""
    from scipy.spatial import ConvexHull, Delaunay, QhullError  # here, to keep it off the program's start

    corners, places = np.argwhere(rim), np.argwhere(mask)
    within = np.zeros(mask.shape, dtype=bool)
    if len(corners) < 4:
        return within
    try:
        hull = Delaunay(corners[ConvexHull(corners).vertices])
    except QhullError:  # they lie in a plane or on a line
        return within
    within[tuple(places[hull.find_simplex(places) >= 0].T)] = True
    return within


def _enclosed(labels: LabelArray, rule: Enclosed, spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Voxels of the rule's label, (i, j, k), that its rim surrounds in at least two of the three planes."""
    rim = np.isin(labels, rule.rim)
    return np.asarray((labels == rule.label) & (_planes_around(rim, rule.gap_mm, spacing_mm) >= 2))


def _planes_around(rim: NDArray[np.bool_], gap_mm: float, spacing_mm: tuple[float, float, float]) -> NDArray[np.uint8]:
    """In how many of the three planes the rim (i, j, k), its gaps closed, surrounds or holds each voxel."""
    planes = np.zeros(rim.shape, dtype=np.uint8)
    box = Box.around(rim)
    if box is not None:
        closed = closing(rim, gap_mm / 2, Grid(rim.shape, np.diag([*spacing_mm, 1.0])))[box.slices]
        planes[box.slices] = sum(_filled_in_plane(closed, axis).astype(np.uint8) for axis in range(3))
    return planes


def _filled_in_plane(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    """The mask (i, j, k) with the holes of every slice across `axis` filled."""
    from scipy import ndimage  # here, to keep it off the program's start

    neighbours = ndimage.generate_binary_structure(3, 1)
    neighbours[tuple(slice(None, None, 2) if n == axis else 1 for n in range(3))] = False
    edge = [(0, 0) if n == axis else (1, 1) for n in range(3)]
    numbered, count = ndimage.label(np.pad(~mask, edge, constant_values=True), neighbours)
    outside = np.zeros(count + 1, dtype=bool)
    outside[numbered.take(0, axis - 1)] = True  # of every slice, the line that was put before the first
    return np.asarray(~outside[numbered][tuple(slice(low, -low or None) for low, _ in edge)])


def _fill_holes(
    labels: LabelArray, softmax: NDArray[np.uint8], largest_ml: float, scheme: LabelScheme, voxel_ml: float
) -> None:
    """Give background enclosed in tissue, up to `largest_ml` per hole, its most probable tissue, in place."""
    tissue = labels != 0
    numbered, count = components(fill_holes(tissue) & ~tissue)
    if not count:
        return
    small = np.bincount(numbered.reshape(-1), minlength=count + 1) * voxel_ml <= largest_ml
    small[0] = False
    holes = small[numbered]
    best = softmax[1:, holes].argmax(axis=0)
    labels[holes] = np.asarray(scheme.values, dtype=np.uint8)[best]
