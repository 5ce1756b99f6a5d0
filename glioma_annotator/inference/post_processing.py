"""What is done to a mask after the network, as the model's card says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.mask_rules import Doubtful, Paired, PostProcessing
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.components import components, fill_holes, remove_small
from glioma_annotator.imaging.midline import MidPlane
from glioma_annotator.inference.both_sides import middle_of, mirrored_parts, paired_parts
from glioma_annotator.inference.brightness import core_lacking, extended, outlined
from glioma_annotator.inference.likelier import likelier_part
from glioma_annotator.inference.rims import outside_rim, thin_lining, within_rim, without_rim

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
    """The mask (i, j, k) after the card's rules, and what a reader should know about it, one sentence each, most first.

    In this order: after surgery background that may be cavity becomes cavity, islands of tissue that are too small are
    left out, then what lies on both sides alike and islands that the model doubts, small holes in the tissue are
    filled, after surgery core without a rim becomes cavity or oedema, core outside a rim becomes oedema, what a rim
    encloses becomes core, what the other side shows as well by its brightness is left out, labels of which there is too
    little become others, after surgery thin enhancement along a cavity becomes oedema and what the other side shows is
    left out once more, outlines are moved by brightness, labels are extended by brightness, and without surgery some of
    what does not enhance becomes core.

    Parameters
    ----------
    softmax: uint8 (class, i, j, k) on the mask's voxels, class n the n-th label of `scheme`.
    brain: (i, j, k), whose symmetry gives the mid-sagittal plane.
    grid: gives the voxels' size; their place is taken from the mask's own corner.
    images: (i, j, k) on the mask's voxels, in any unit; a rule that asks for one that is not there does nothing.
    operated: whether the patient is known to have had a resection; some rules count only then, others only if not.
    """
    result = labels.copy()
    names = {label.value: label.name for label in scheme.labels} | {0: "background"}
    messages: list[tuple[float, str]] = []
    middle = functools.cache(lambda: middle_of(brain, grid.spacing_mm))
    added = np.zeros(labels.shape, dtype=bool)  # by the first rule; what the others do to that is not told
    for likelier in rules.likelier if operated and len(softmax) else ():
        number = 1 + scheme.values.index(likelier.label)
        more = likelier_part(result, softmax, brain, middle, images, likelier, number, grid)
        if more.any():
            softmax = _with_odds(softmax, more, number, likelier.times)
            result[more] = likelier.label
            added |= more

    def tell(changed: NDArray[np.bool_], words: str) -> None:
        volume_ml = np.count_nonzero(changed) * grid.voxel_volume_ml
        if volume_ml >= _LEAST_TOLD_ML:
            messages.append((volume_ml, f"{volume_ml:.1f} mL of {words}."))

    if rules.min_component_ml:
        result = remove_small(result, rules.min_component_ml, grid)
    for mirrored in rules.mirrored:
        own = (mirrored.label, *(mirrored.also if not operated else ()))
        both_sides = mirrored_parts(result, middle, mirrored, own, grid.spacing_mm)
        told = both_sides & ~added
        found = " and ".join(names[value] for value in own if (result[told] == value).any())
        result[both_sides] = 0
        tell(told, f"{found} that lie on both sides alike were left out as normal anatomy")
    if rules.doubtful:
        islands = _doubted(result, softmax, rules.doubtful, grid.voxel_volume_ml)
        result[islands] = 0
        unsure = f"islands, of which the model is less than {rules.doubtful.sure:.0%} sure,"
        tell(islands & ~added, f"{unsure} were left out")
    if rules.fill_holes_ml:
        _fill_holes(result, softmax, rules.fill_holes_ml, scheme, grid.voxel_volume_ml)
    for unenclosed in rules.unenclosed if operated else ():
        likely = softmax[1 + scheme.values.index(unenclosed.label)] if len(softmax) else None
        fluid, rest = without_rim(result, likely, brain, images, unenclosed, grid)
        rim = " and ".join(names[value] for value in unenclosed.rim)
        for part, value in ((fluid, unenclosed.cavity), (rest, unenclosed.becomes)):
            result[part] = value
            tell(part, f"{names[unenclosed.label]} without a rim of {rim} were taken for {names[value]}, after surgery")
    for outside in rules.outside:
        beyond = outside_rim(result, outside, grid)
        result[beyond] = outside.becomes
        rim = " and ".join(names[value] for value in outside.rim)
        tell(beyond, f"{names[outside.label]} outside a rim of {rim} were taken for {names[outside.becomes]}")
    for enclosed in rules.enclosed:
        within = within_rim(result, enclosed, grid.spacing_mm)
        result[within] = enclosed.becomes
        rim = " and ".join(names[value] for value in enclosed.rim)
        tell(within, f"{names[enclosed.label]} within {rim} were taken for {names[enclosed.becomes]}")
    taken = _without_paired(result, brain, middle, images, rules.paired, grid)
    for rule in rules.too_small:
        if rule.operated not in (None, operated):
            continue
        few = result == rule.label
        volume_ml = np.count_nonzero(few) * grid.voxel_volume_ml
        if 0 < volume_ml < rule.below_ml and not (rule.alone and (result[~few] != 0).any()):
            result[few] = rule.becomes
            lost = f"{volume_ml:.2f}" if volume_ml >= 0.005 else "Under 0.01"
            few_words = f"{lost} mL of {names[rule.label]}, less than {rule.below_ml:g} mL,"
            messages.append((volume_ml, f"{few_words} were taken for {names[rule.becomes]}."))
    for lining in rules.linings if operated else ():
        thin = thin_lining(result, lining, grid)
        result[thin] = lining.becomes
        tell(thin, f"{names[lining.label]} in thin lines along {names[lining.cavity]} were left out, after surgery")
    if operated and rules.linings:  # what they had joined to more
        np.maximum(taken, _without_paired(result, brain, middle, images, rules.paired, grid), out=taken)
    for value in np.unique(taken[taken != 0]):
        name = names[int(value)]
        tell((taken == value) & ~added, f"{name} that the other side shows as well were left out as normal anatomy")
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
    for likelier in rules.likelier:
        words = f"background that the model thought might be {names[likelier.label]} were taken for it, after surgery"
        tell(added & (result == likelier.label), words)
    return result, tuple(words for _volume_ml, words in sorted(messages, key=lambda told: -told[0]))


def _with_odds(softmax: NDArray[np.uint8], where: NDArray[np.bool_], number: int, times: float) -> NDArray[np.uint8]:
    """The probabilities (class, i, j, k) with the odds of class `number` that many times as high there."""
    shares = softmax[:, where].astype(np.float32)
    shares[number] *= times
    changed = softmax.copy()
    changed[:, where] = np.rint(shares * (255 / shares.sum(axis=0)))
    return changed


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
