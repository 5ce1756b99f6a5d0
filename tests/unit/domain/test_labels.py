"""Label schemes, mappings, volumes."""

from __future__ import annotations

import numpy as np
import pytest

from glioma_annotator.domain.labels import BRATS_2021_TO_PROGRAM, GLIOMA_POST_TREATMENT, map_labels
from glioma_annotator.domain.measurement import label_volumes_ml, region_volumes_ml


def test_brats_2021_values_become_the_programs() -> None:
    labels = np.array([0, 1, 2, 4], np.int16).reshape(1, 2, 2)
    assert map_labels(labels, BRATS_2021_TO_PROGRAM).ravel().tolist() == [0, 1, 2, 3]


def test_values_without_a_meaning_become_background() -> None:
    assert map_labels(np.array([[[7, 1]]]), {1: 2}).ravel().tolist() == [0, 2]


def test_values_beyond_a_byte_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 255"):
        map_labels(np.array([[[300]]]), {})


def test_regions_are_unions_of_labels() -> None:
    labels = np.array([[[0, 1, 2, 3, 4]]], np.uint8)
    regions = {r.name: r.mask(labels).ravel().tolist() for r in GLIOMA_POST_TREATMENT.regions}
    assert regions["TC"] == [False, True, False, True, False]
    assert regions["WT"] == [False, True, True, True, False]
    assert regions["RC"] == [False, False, False, False, True]


def test_volumes_are_in_millilitres() -> None:
    labels = np.zeros((10, 10, 10), np.uint8)
    labels[:5] = 2
    labels[5:7] = 3
    ml = label_volumes_ml(labels, 0.008, GLIOMA_POST_TREATMENT)
    assert ml["SNFH"] == pytest.approx(4.0)
    assert region_volumes_ml(ml, GLIOMA_POST_TREATMENT)["WT"] == pytest.approx(5.6)
