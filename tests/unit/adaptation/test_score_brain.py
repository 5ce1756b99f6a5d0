"""How a brain model is measured and its share of brain chosen."""

from __future__ import annotations

import numpy as np

from glioma_annotator.adaptation.score_brain import Found, best_threshold, dice_where
from glioma_annotator.domain.geometry import Grid

SHAPE = (20, 20, 20)


def found(ring: float) -> Found:
    """A cube of brain found surely, and a shell of a voxel around it that the model wrongly gives the share `ring`."""
    share, brain = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.bool_)
    share[5:15, 5:15, 5:15] = ring
    share[6:14, 6:14, 6:14] = 0.99
    brain[6:14, 6:14, 6:14] = True
    return Found(share, brain, scanned=True)


def test_the_share_chosen_is_the_best_on_the_mean_of_all_heads_not_on_most_of_them() -> None:
    assert best_threshold([found(0.52)]) == 0.55
    # To two of three 0.55 is as good as 0.65; the third needs the latter.
    assert best_threshold([found(0.52), found(0.52), found(0.62)]) == 0.65


def test_where_scans_do_not_reach_and_at_their_end_slices_masks_are_not_compared() -> None:
    grid = Grid((10, 10, 30), np.eye(4))
    thick = Grid((10, 10, 5), np.diag([1.0, 1.0, 5.0, 1.0]))  # slices at 0, 5, 10, 15 and 20 mm
    ours = np.ones(grid.shape, np.bool_)
    reference = ours.copy()
    reference[..., :5] = reference[..., 21:] = False  # ends a slice too early below, and with the scan above
    scores = dice_where(ours, reference, grid, [grid, thick])
    assert scores["whole"] == round(2 * 16 / (30 + 16), 4)
    assert scores["covered"] == round(2 * 16 / (21 + 16), 4)
    assert scores["inner"] == 1.0
