"""Passes in tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from adaptation_cases import small_model, visit
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_models import tiny_card

from glioma_annotator.adaptation import features
from glioma_annotator.adaptation.cases import prepare
from glioma_annotator.adaptation.features import compute_features, predict_classes
from glioma_annotator.inference.covering import HALO
from glioma_annotator.inference.device import choose_device
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.progress import CancelToken

VOXEL_BYTES = 700


@given(st.integers(2, 40).map(lambda n: 8 * n), st.floats(0.02, 3.0))
@example(280, 1.1875)  # the sixth of seven tiles reaches the end already
def test_tiles_cover_every_slice_once_with_its_surroundings_and_no_more_memory_than_allowed(
    size: int, gib: float
) -> None:
    whole = (size, 152, 144)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "MOST_BYTES", gib * 2**30)
        tiles = list(features._tiles(whole, 0, VOXEL_BYTES, 8))
    assert [start for start, *_ in tiles] == [0, *(stop for _, stop, *_ in tiles[:-1])]
    assert tiles[-1][1] == size
    for start, stop, low, high in tiles:
        assert low <= start < stop <= high and low >= 0 and high <= size
        assert start - low >= HALO or low == 0
        assert high - stop >= HALO or high == size
        assert (high - low) % 8 == 0
    widest = max(high - low for *_, low, high in tiles)
    least = 2 * HALO + 32  # a tile has to hold something
    assert widest <= max(gib * 2**30 / (VOXEL_BYTES * 152 * 144), least) + 8


def test_a_visit_in_tiles_has_the_features_and_classes_of_one_in_one_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, network = load_model(small_model(tmp_path))
    case = prepare(visit(shape=(120, 12, 12), centre=(60, 6, 6), brightness=40), tiny_card(), CancelToken())
    device, found = choose_device("cpu"), []
    for most in (features.MOST_BYTES, 1.0):
        monkeypatch.setattr(features, "MOST_BYTES", most)
        found += [compute_features(network, case, device, CancelToken(), keep).values for keep in (False, True)]
        found.append(predict_classes(network, case, device, CancelToken()))
    for whole, tiled in zip(found[:3], found[3:], strict=True):
        assert np.allclose(whole.astype(np.float32), tiled.astype(np.float32), atol=1e-2)
    assert np.allclose(found[0].astype(np.float32), found[1].astype(np.float32), atol=1e-2)
    assert found[2].any()
