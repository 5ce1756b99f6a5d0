"""Passes in tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from adaptation_cases import small_model, visit
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_models import tiny_card
from torch import nn

from glioma_annotator.adaptation import features
from glioma_annotator.adaptation.cases import PreparedCase, prepare
from glioma_annotator.adaptation.features import CaseFeatures, classes_of, compute_features, marked_of, predict
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
    device = choose_device("cpu")
    cached, marked = [], []
    for most in (features.MOST_BYTES, 1.0):
        monkeypatch.setattr(features, "MOST_BYTES", most)
        cached += [compute_features(network, case, device, CancelToken(), keep) for keep in (False, True)]
        marked.append(predict(network, case, device, CancelToken()))
    first, *others = (found.values.astype(np.float32) for found in cached)
    assert all(np.allclose(first, other, atol=1e-2) for other in others)
    assert np.array_equal(marked[0].classes, marked[1].classes)
    assert np.allclose(marked[0].softmax.astype(int), marked[1].softmax.astype(int), atol=1)
    assert marked[0].classes.any()


def test_a_visit_s_probabilities_go_with_its_classes_and_leave_out_what_it_may_not_have() -> None:
    brain = np.ones((2, 2, 2), dtype=bool)
    brain[1] = False
    logits = np.log([[0.5, 0.2, 0.1, 0.1], [0.25, 0.3, 0.1, 0.8], [0.25, 0.5, 0.8, 0.1]])  # (class, voxel of the brain)
    head = nn.Conv3d(3, 3, 1)
    with torch.no_grad():
        head.weight.copy_(torch.eye(3)[:, :, None, None, None])
        head.bias.zero_()  # type: ignore[union-attr]
    case = PreparedCase("visit", np.zeros((1, 2, 2, 2), np.float32), brain, np.zeros((2, 2, 2), np.uint8), 0.001)
    every = marked_of(CaseFeatures(case, logits.T.astype(np.float16)), head)
    assert every.classes[0].ravel().tolist() == [0, 2, 2, 1]
    assert np.allclose(every.softmax[:, 0].reshape(3, 4) / 255, np.exp(logits), atol=0.003)
    assert not every.classes[1].any() and (every.softmax[:, 1] == np.array([255, 0, 0])[:, None, None]).all()
    some = marked_of(CaseFeatures(replace(case, barred=(2,)), logits.T.astype(np.float16)), head)
    assert some.classes[0].ravel().tolist() == [0, 1, 0, 1]
    assert not some.softmax[2].any()
    assert np.allclose(some.softmax[1, 0].ravel() / 255, [0.333, 0.6, 0.5, 0.889], atol=0.003)
    assert np.array_equal(every.classes, classes_of(CaseFeatures(case, logits.T.astype(np.float16)), head))
