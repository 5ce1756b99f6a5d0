"""How much of the visits there is time to pass through the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from adaptation_cases import small_model, visit
from tiny_models import tiny_card

from glioma_annotator.adaptation import passes
from glioma_annotator.adaptation.budget import Budget
from glioma_annotator.adaptation.cases import PreparedCase, prepare
from glioma_annotator.adaptation.features import CaseFeatures, compute_features
from glioma_annotator.adaptation.holdout import Split, split
from glioma_annotator.adaptation.passes import Passed, pass_visits
from glioma_annotator.inference.device import choose_device
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.progress import CancelToken, ignore_progress

#: Seconds of a pass over a voxel, and at most of one over a visit.
PACE = 1e-3
SHAPE = (44, 40, 36)
WHOLE_S = PACE * 44 * 40 * 36


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "_MARGIN", 2)


def prepared(name: str, *, tumour: bool = True) -> PreparedCase:
    return prepare(visit(name, shape=SHAPE, centre=(22, 20, 18), tumour=tumour), tiny_card(), CancelToken())


def passed(
    names: Sequence[str], budget_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, empty: str = ""
) -> tuple[Split, Passed, list[tuple[str, float]]]:
    """Visits with tumour but for `empty`; what was asked for, what was passed, and each pass with its seconds."""
    clock, order = [0.0], []

    def timed(network: object, case: PreparedCase, *given: object) -> CaseFeatures:
        took = PACE * float(np.prod(case.shape))
        clock[0] += took
        order.append((case.name, took))
        return compute_features(network, case, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(passes, "compute_features", timed)
    parts = split([prepared(name, tumour=name != empty) for name in names], [])
    _, network = load_model(small_model(tmp_path / "models"))
    budget = Budget(budget_s, CancelToken(), lambda: clock[0])
    return parts, pass_visits(network, parts, choose_device("cpu"), False, ignore_progress, budget), order


def test_with_time_every_visit_is_passed_whole_and_what_is_judged_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, done, order = passed(["a", "b", "c"], 100 * WHOLE_S, tmp_path, monkeypatch)
    assert [name for name, _ in order] == ["c", "a", "b"]
    assert done.parts.train == parts.train and not done.messages
    assert len(done.of(done.parts.train)) == 2 and len(done.seconds) == 1


def test_with_less_time_earlier_visits_are_passed_around_their_tumour_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, done, order = passed(["a", "b", "c"], 4 * WHOLE_S, tmp_path, monkeypatch)
    assert [part.case.name for part in done.parts.train] == ["a", "b"]
    assert "surroundings of the tumour" in done.messages[0]
    for whole, cut in zip(parts.train, done.parts.train, strict=True):
        assert np.prod(cut.case.shape) < 0.5 * np.prod(whole.case.shape)
        assert np.count_nonzero(cut.case.tumour & cut.mask) == np.count_nonzero(whole.case.tumour & whole.mask)
    assert done.parts.held_out == parts.held_out  # judged whole
    assert done.of(done.parts.train)[0].values.shape[0] == np.count_nonzero(done.parts.train[0].case.brain)
    assert sum(took for _, took in order) < 4 * WHOLE_S


def test_with_little_time_the_oldest_visits_are_left_out_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, done, _ = passed(["a", "b", "c"], WHOLE_S, tmp_path, monkeypatch)
    assert [part.case.name for part in done.parts.train] == ["b"]
    assert any("learnt from a" in message for message in done.messages)


def test_the_newest_visit_with_tumour_is_what_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, done, _ = passed(["a", "b", "c"], WHOLE_S, tmp_path, monkeypatch, empty="b")
    assert [part.case.name for part in done.parts.train] == ["a"]


def test_a_single_visit_is_passed_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, done, order = passed(["a"], WHOLE_S, tmp_path, monkeypatch)
    assert len(order) == 1
    assert done.parts.train == parts.train and not done.messages
