"""The rule of the post-processing about what is likelier after surgery: which background belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.mask_rules import Likelier
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.imaging.components import largest
from glioma_annotator.imaging.midline import MidPlane

_ACROSS_MM = 1.0  # of the midline, which is not known to the voxel


def likelier_part(
    labels: LabelArray,
    softmax: NDArray[np.uint8],
    brain: NDArray[np.bool_],
    middle: Callable[[], MidPlane],
    images: Mapping[SequenceRole, NDArray[np.float32]],
    rule: Likelier,
    number: int,
    grid: Grid,
) -> NDArray[np.bool_]:
    """Background, (i, j, k), that becomes the rule's label.

    Parameters
    ----------
    softmax: uint8 (class, i, j, k); `number`: the class that is the rule's label.
    middle: finds the mid-sagittal plane, mm from the first voxel; it is asked only where it can matter.
    images: in any unit; without FLAIR or T2 fluid is not compared.
    """
    others = np.delete(softmax, number, axis=0).max(axis=0)
    added = brain & (labels == 0) & (softmax[number] * np.float32(rule.times) > others)
    part = largest(added | (labels == rule.label))
    added &= part
    found = part & ~added
    if not added.any() or np.count_nonzero(found) >= rule.found * np.count_nonzero(part):
        return np.zeros(labels.shape, dtype=bool)
    if found.any():
        if rule.within_mm and np.count_nonzero(found) * grid.voxel_volume_ml >= rule.least_ml:
            added &= _near(found, rule.within_mm, grid)
        if rule.similar and {SequenceRole.FLAIR, SequenceRole.T2} <= images.keys():
            alike, clear = _similar(found, labels, brain, images, rule.similar)
            added &= alike
            if clear and added.any():
                added &= _on_its_side(found, added, middle(), grid)
    return np.asarray(added)


def _near(found: NDArray[np.bool_], within_mm: float, grid: Grid) -> NDArray[np.bool_]:
    """Where what was found lies within a distance, (i, j, k)."""
    from scipy import ndimage  # here, to keep it off the program's start

    around = Box.around(found)
    assert around is not None
    box = around.grown(int(np.ceil(within_mm / min(grid.spacing_mm)))).clipped(found.shape).slices
    near = np.zeros(found.shape, dtype=bool)
    near[box] = ndimage.distance_transform_edt(~found[box], sampling=grid.spacing_mm) <= within_mm
    return near


def _similar(
    found: NDArray[np.bool_],
    labels: LabelArray,
    brain: NDArray[np.bool_],
    images: Mapping[SequenceRole, NDArray[np.float32]],
    share: float,
) -> tuple[NDArray[np.bool_], bool]:
    """Where the fluid that was found may be, (i, j, k), and whether it is as clear as that of the ventricles.

    By T2 less FLAIR, either in standard deviations of the brain, it begins this share of the way from the brain; where
    it is turbid, what is nearer to clear fluid on FLAIR is none of it.
    """
    rest = brain & (labels == 0)
    flair, level = images[SequenceRole.FLAIR], np.zeros(labels.shape, dtype=np.float32)
    for role, sign in ((SequenceRole.T2, 1), (SequenceRole.FLAIR, -1)):
        level += images[role] * np.float32(sign / max(float(images[role][brain].std()), 1e-6))
    usual, own = (float(np.median(level[where])) for where in (rest, found))
    alike = level - usual >= share * (own - usual) if own > usual else np.ones(labels.shape, dtype=bool)
    darkest, bright = (float(value) for value in np.percentile(flair[rest], (2, 50)))
    fluid = float(np.median(flair[found]))
    clear = fluid < (darkest + bright) / 2
    return alike if clear else alike & (flair >= (darkest + fluid) / 2), clear


def _on_its_side(found: NDArray[np.bool_], added: NDArray[np.bool_], plane: MidPlane, grid: Grid) -> NDArray[np.bool_]:
    """Of what would be added, (i, j, k), what lies on the side of the brain where most was found."""
    here = Grid(found.shape, np.diag([*grid.spacing_mm, 1.0]))
    places = np.argwhere(added)
    side = 1 if (plane.right_of_mm(here.index_to_world(np.argwhere(found))) > 0).mean() >= 0.5 else -1
    kept = np.zeros(found.shape, dtype=bool)
    kept[tuple(places[side * plane.right_of_mm(here.index_to_world(places)) >= -_ACROSS_MM].T)] = True
    return kept
