"""The brain model run on scans of any grid."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from phantoms import T1GD, head

from glioma_annotator.adaptation.score_brain import brain_card
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.inference import brain
from glioma_annotator.inference.brain import ModelBrainFinder, own_statistics
from glioma_annotator.inference.model_folder import save_model
from glioma_annotator.inference.networks import RESIDUAL_INCEPTION_UNET, build_network
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, Progress, ignore_progress

GRID = Grid((45, 51, 14), np.array([[4.0, 0, 0, -88], [0, 4, 0, -100], [0, 0, 11, -70], [0, 0, 0, 1]]))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained, small brain model."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    parameters = {"filters": [2, 4], "branch_fraction": 0.5}
    card = replace(brain_card({}), parameters=parameters, spacing_mm=(8.0, 8.0, 8.0))
    save_model(folder / "brain", card, build_network(RESIDUAL_INCEPTION_UNET, parameters, 1, 2))
    return folder


def scan() -> Volume:
    return Volume(head(T1GD, GRID), GRID)


def test_a_scan_of_any_grid_gets_a_share_for_every_voxel(models: Path) -> None:
    finder, seen = ModelBrainFinder((models,)), list[Progress]()
    assert finder.available
    share = finder.share(scan(), seen.append, CancelToken())
    assert share.shape == GRID.shape
    assert share.dtype == np.float32
    assert 0 <= share.min() < share.max() <= 1
    assert seen[-1].fraction == 1
    assert np.array_equal(share, finder.share(scan(), ignore_progress, CancelToken()))


def test_the_unit_of_the_intensities_does_not_matter(models: Path) -> None:
    finder = ModelBrainFinder((models,))
    one = finder.share(scan(), ignore_progress, CancelToken())
    other = finder.share(Volume(scan().data * 0.01, GRID), ignore_progress, CancelToken())
    assert np.allclose(one, other, atol=0.02)


def test_the_network_takes_the_statistics_of_the_scan_itself() -> None:
    torch.manual_seed(0)
    network = build_network(RESIDUAL_INCEPTION_UNET, {"filters": [2, 4]}, 1, 2)
    images = torch.rand(1, 1, 8, 8, 8)
    expected = network.train()(images)
    own_statistics(network)
    assert torch.allclose(network.eval()(images), expected, atol=1e-5)


def test_no_model_and_a_request_to_stop_are_said(models: Path, tmp_path: Path) -> None:
    absent = ModelBrainFinder((tmp_path,))
    assert not absent.available
    with pytest.raises(UserError, match="No model for finding the brain"):
        absent.share(scan(), ignore_progress, CancelToken())
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        ModelBrainFinder((models,)).share(scan(), ignore_progress, token)


def test_a_brain_model_is_not_offered_for_segmenting(models: Path) -> None:
    assert ModelSegmenter((models,)).models() == ()


def test_a_request_to_stop_is_answered_while_the_model_is_loaded(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loading, release, cancel = threading.Event(), threading.Event(), CancelToken()
    load = brain._load

    def slowly(folder: Path) -> brain.Network:
        loading.set()
        release.wait(30)
        return load(folder)

    monkeypatch.setattr(brain, "_load", slowly)
    finder = ModelBrainFinder((models,))
    threading.Thread(target=lambda: (loading.wait(30), cancel.cancel())).start()
    began = time.monotonic()
    try:
        with pytest.raises(Cancelled):
            finder.share(scan(), ignore_progress, cancel)
        assert time.monotonic() - began < 10
    finally:
        release.set()
    assert finder.share(scan(), ignore_progress, CancelToken()).any(), "the next scan loads it again"
