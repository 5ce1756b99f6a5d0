"""Pictures: the patient's right on the left, every sequence and mask, volumes over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.image import imread

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import Volume
from glioma_annotator.workflow.pictures import visit_montage, volume_curves


def test_the_montage_shows_the_patients_right_on_the_left_and_front_on_top(tmp_path: Path) -> None:
    data = np.full((20, 24, 5), 10.0, np.float32)
    data[14:18, 16:22, 2] = 100  # right, anterior
    mask = np.zeros(data.shape, np.uint8)
    mask[14:18, 16:22, 2] = 3
    path = tmp_path / "visit.png"
    grid = Grid((20, 24, 5), np.eye(4))
    volume = Volume(data, grid)
    visit_montage(path, "visit", {"T1Gd": volume}, {"T1Gd": Window(0, 100)}, {"mask": mask}, GLIOMA_POST_TREATMENT)
    picture = imread(path)[..., :3]
    first = picture[60:-60, : picture.shape[1] // 2].mean(axis=2)
    bright = np.argwhere(first > 0.95)
    rows, columns = bright.mean(axis=0)
    assert columns < first.shape[1] * 0.45
    assert rows < first.shape[0] * 0.5
    yellow = (picture[..., 0] > 0.7) & (picture[..., 2] < 0.6)
    assert yellow[60:-60, picture.shape[1] // 2 :].any()
    assert not yellow[60:-60, : picture.shape[1] // 2].any()


def test_the_curves_are_drawn_for_every_label(tmp_path: Path) -> None:
    path = tmp_path / "volumes.png"
    curves = {label.name: [0.0, 5.0 * label.value] for label in GLIOMA_POST_TREATMENT.labels}
    volume_curves(path, "PAT-1", ["day 0", "day 262"], [0, 262], curves, GLIOMA_POST_TREATMENT)
    picture = imread(path)[..., :3]
    for label in GLIOMA_POST_TREATMENT.labels:
        colour = [int(label.colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        assert (np.abs(picture - colour).max(axis=2) < 0.03).sum() > 50, label.name
