"""Counting the voxels of a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.measurement import label_counts, label_volumes_ml


def test_voxels_are_counted_by_value_in_pieces_small_enough_not_to_keep_the_window_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.random.default_rng(0).integers(0, 256, (50, 60, 70)).astype(np.uint8)
    expected = np.bincount(labels.reshape(-1), minlength=256)
    sizes: list[int] = []
    bincount = np.bincount

    def counted(values: Any, **options: Any) -> Any:
        sizes.append(values.size)
        return bincount(values, **options)

    monkeypatch.setattr(np, "bincount", counted)  # holds the interpreter while it runs
    assert np.array_equal(label_counts(labels), expected)
    assert max(sizes) <= 2**16 and sum(sizes) == labels.size


def test_volumes_are_voxels_by_label() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0], labels[1, 0] = 2, 3
    assert label_volumes_ml(labels, 0.5, GLIOMA_POST_TREATMENT) == {"NETC": 0.0, "SNFH": 8.0, "ET": 2.0, "RC": 0.0}
