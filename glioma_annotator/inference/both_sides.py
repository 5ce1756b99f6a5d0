"""Rules of the post-processing that compare the two sides of the brain: what both show alike is normal anatomy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.mask_rules import Mirrored, Paired
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.imaging.components import components
from glioma_annotator.imaging.midline import MidPlane, find_midplane
from glioma_annotator.inference.brightness import without_thin

_COARSE_MM = 3.0
_BLUR_MM = 0.6  # of noise, where one side's brightness is looked for on the other
_MOST_VOXELS = 2000  # of a component that are looked for on the other side, evenly drawn


def mirrored_parts(
    labels: LabelArray,
    middle: Callable[[], MidPlane],
    rule: Mirrored,
    own: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.bool_]:
    """The components, (i, j, k), that the rule leaves out; `own` are the values that they may consist of.

    `middle` finds the mid-sagittal plane, mm from the first voxel; it is asked only where it can matter.
    """
    tissue = labels == rule.label if rule.alone else labels != 0
    numbered, count = components(tissue)
    nothing = np.zeros(labels.shape, dtype=bool)
    of = numbered[tissue]
    sizes = np.maximum(np.bincount(of, minlength=count + 1), 1)
    other = np.bincount(of, weights=~np.isin(labels[tissue], own), minlength=count + 1) / sizes
    candidates = other <= rule.most_other
    candidates[0] = False
    if not candidates.any() or (count < 2 and not rule.alone):
        return nothing
    grid = Grid(labels.shape, np.diag([*spacing_mm, 1.0]))
    world = grid.index_to_world(np.argwhere(tissue))
    plane = middle()
    aside_mm = plane.right_of_mm(world)
    if rule.alone:  # a cavity across the midline is its own mirror image
        on_right = np.bincount(of, weights=aside_mm > 0, minlength=count + 1) / sizes
        candidates &= np.minimum(on_right, 1 - on_right) <= rule.most_other
    mirrored = world - 2 * aside_mm[:, None] * np.asarray(plane.normal)
    place = np.rint(grid.world_to_index(mirrored)).astype(int)
    inside = np.all((place >= 0) & (place < labels.shape), axis=1)
    has_image = np.zeros(len(world), dtype=bool)
    has_image[inside] = _near(tissue, rule.within_mm, spacing_mm)[tuple(place[inside].T)]
    share = np.bincount(of, weights=has_image, minlength=count + 1) / sizes
    out = candidates & (share >= rule.share)
    taken = int(np.bincount(of, minlength=count + 1)[out].sum())
    left = len(of) - taken
    return out[numbered] if rule.alone or (left and left >= rule.least_left * taken) else nothing


def paired_parts(
    labels: LabelArray,
    brain: NDArray[np.bool_],
    middle: Callable[[], MidPlane],
    images: Mapping[SequenceRole, NDArray[np.float32]],
    rule: Paired,
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.bool_]:
    """What the rule leaves out of its label, (i, j, k); nothing where a sequence is absent.

    `middle` finds the mid-sagittal plane, mm from the first voxel; it is asked only where it can matter. `images` are
    in any unit.
    """
    from scipy import ndimage  # here, to keep it off the program's start

    found = np.zeros(labels.shape, dtype=bool)
    numbered, count = components(labels == rule.label)
    if not count or not {*rule.as_bright, *rule.alike} <= images.keys():
        return found
    grid = Grid(labels.shape, np.diag([*spacing_mm, 1.0]))
    seen: dict[SequenceRole, NDArray[np.float32]] = {}
    for number, place in enumerate(ndimage.find_objects(numbered), start=1):
        box = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in place)
        part = numbered[box] == number
        around = labels[box][ndimage.binary_dilation(part, np.ones((3, 3, 3), dtype=bool)) & ~part]
        if around.size == 0 or (around == 0).mean() < rule.bordering:
            continue
        if rule.thinner_mm and without_thin(part, rule.thinner_mm, Grid(part.shape, grid.affine)).any():
            continue
        if not seen:
            seen = {role: _standardised(images[role], brain, spacing_mm) for role in (*rule.as_bright, *rule.alike)}
        inner = np.argwhere(part)
        inner = inner if rule.around_mm else inner[:: len(inner) // _MOST_VOXELS + 1]
        voxels = inner + [side.start for side in box]
        like = _have_counterparts(voxels, numbered, brain, seen, middle(), rule, grid)
        if rule.around_mm:
            alike = np.zeros(part.shape, dtype=np.float32)
            alike[tuple(inner.T)] = like
            sigma = [rule.around_mm / mm for mm in spacing_mm]
            nearby, whole = (ndimage.gaussian_filter(of, sigma) for of in (alike, part.astype(np.float32)))
            found[box] |= part & (nearby >= rule.share * whole)
        elif like.mean() >= rule.share:
            found[box] |= part
    return found


def _have_counterparts(
    voxels: NDArray[np.intp],
    numbered: NDArray[np.int32],
    brain: NDArray[np.bool_],
    seen: Mapping[SequenceRole, NDArray[np.float32]],
    plane: MidPlane,
    rule: Paired,
    grid: Grid,
) -> NDArray[np.bool_]:
    """Which of a component's voxels (n, 3) the other side shows as well, bool (n,).

    `numbered` (i, j, k): the components; `seen`: the rule's sequences, (i, j, k), standardised.
    """
    number = numbered[tuple(voxels[0])]
    world = grid.index_to_world(voxels)
    aside_mm = plane.right_of_mm(world)
    there = np.rint(grid.world_to_index(world - 2 * aside_mm[:, None] * np.asarray(plane.normal))).astype(int)
    # What reaches across the plane is not its own counterpart, as the falx is.
    far = 2 * np.abs(aside_mm) > rule.within_mm
    here = {role: image[tuple(voxels.T)] for role, image in seen.items()}
    least = {role: here[role].mean() - rule.slack for role in rule.as_bright}
    like = np.zeros(len(voxels), dtype=bool)
    for offset in _ball(rule.within_mm, grid.spacing_mm):
        at = there + offset
        inside = np.flatnonzero(~like & np.all((at >= 0) & (at < numbered.shape), axis=1))
        spot = tuple(at[inside].T)
        good = brain[spot] & ~(far[inside] & (numbered[spot] == number))
        for role, brightness in least.items():
            good &= seen[role][spot] >= brightness
        for role in rule.alike:
            good &= np.abs(seen[role][spot] - here[role][inside]) <= rule.slack
        like[inside] = good
    return like


def _standardised(
    image: NDArray[np.float32], brain: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.float32]:
    """An image (i, j, k) without its noise, its standard deviation in the brain 1."""
    from scipy import ndimage  # here, to keep it off the program's start

    sigma = [_BLUR_MM / mm for mm in spacing_mm]
    blurred = ndimage.gaussian_filter(image.astype(np.float32), sigma, truncate=2.0)
    return np.asarray(blurred / max(float(blurred[brain].std()), 1e-6))


def _ball(radius_mm: float, spacing_mm: tuple[float, float, float]) -> NDArray[np.intp]:
    """Offsets in voxels, (n, 3), of a ball."""
    reach = [int(radius_mm / mm) for mm in spacing_mm]
    offsets = np.argwhere(np.ones([2 * n + 1 for n in reach], dtype=bool)) - reach
    return np.asarray(offsets[((offsets * spacing_mm) ** 2).sum(axis=1) <= radius_mm**2 + 1e-6])


def middle_of(brain: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> MidPlane:
    """The mid-sagittal plane of a brain (i, j, k) in mm from its first voxel, found on voxels of about 3 mm."""
    steps = [max(1, round(_COARSE_MM / spacing)) for spacing in spacing_mm]
    coarse = brain[:: steps[0], :: steps[1], :: steps[2]].astype(np.float32)
    scale = np.diag([*(n * mm for n, mm in zip(steps, spacing_mm, strict=True)), 1.0])
    return find_midplane(Volume(coarse, Grid(coarse.shape, scale)))


def _near(tissue: NDArray[np.bool_], within_mm: float, spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Where tissue lies within a distance, bool (i, j, k)."""
    from scipy import ndimage  # here, to keep it off the program's start

    box = Box.around(tissue)
    assert box is not None
    box = box.grown(int(np.ceil(within_mm / min(spacing_mm))) + 1).clipped(tissue.shape)
    near = np.zeros(tissue.shape, dtype=bool)
    near[box.slices] = ndimage.distance_transform_edt(~tissue[box.slices], sampling=spacing_mm) <= within_mm
    return near
