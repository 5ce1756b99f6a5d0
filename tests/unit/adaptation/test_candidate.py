"""Which share of the way from the starting weights to the trained ones a candidate takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import nn

from glioma_annotator.adaptation import candidate
from glioma_annotator.adaptation.budget import Budget
from glioma_annotator.adaptation.candidate import Candidate, best_share, mean_of
from glioma_annotator.adaptation.guard import GuardVerdict
from glioma_annotator.adaptation.methods.context import Context
from glioma_annotator.domain.adaptation import AdaptationMethod, Verdict
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import CancelToken

FULL = AdaptationMethod.FULL


def chosen(
    monkeypatch: pytest.MonkeyPatch,
    after: dict[float, float],
    refused: tuple[float, ...] = (),
    nearer: bool = True,
    **painted: float,
) -> tuple[float, list[float]]:
    """The share taken and the shares judged, where held-out Dice is `after` by share, .5 before; `painted` likewise."""
    judged: list[float] = []

    def measured(network: Any, method: AdaptationMethod, steps: int, _context: Any, share: float) -> Candidate:
        assert float(network.weight.detach()) == pytest.approx(share)
        judged.append(share)
        verdict = Verdict(share not in refused, (), (), 0.5, after[share])
        guard = GuardVerdict({"ET": 0.5}, {"ET": painted.get(f"at_{round(100 * share)}", 0.5)}, ())
        return Candidate(network, verdict, method, steps, [], share, guard)

    monkeypatch.setattr(candidate, "measured", measured)
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(1.0)
    budget = Budget(1e6, CancelToken())
    context = SimpleNamespace(
        budget=budget, start={"weight": torch.zeros(1, 1)}, cancel=budget, seconds_left=lambda: 1e6, nearer=nearer
    )
    found = best_share(cast(SegmentationNetwork, network), FULL, 60, cast(Context, context))
    assert float(next(found.network.parameters()).detach()) == pytest.approx(found.share)
    return found.share, judged


def test_all_of_the_way_is_taken_where_nearer_is_no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, {1.0: 0.8, 0.75: 0.7}) == (1.0, [1.0, 0.75])


def test_nearer_weights_are_not_judged_where_the_mean_is_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, {1.0: 0.6, 0.75: 0.7}, refused=(1.0,), nearer=False) == (1.0, [1.0])


def test_nearer_weights_are_taken_where_the_held_out_part_prefers_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, {1.0: 0.6, 0.75: 0.7, 0.5: 0.65}) == (0.75, [1.0, 0.75, 0.5])


def test_what_painted_lesions_gain_counts_half(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, {1.0: 0.70, 0.75: 0.72}, at_100=0.6, at_75=0.5)[0] == 1.0
    assert chosen(monkeypatch, {1.0: 0.70, 0.75: 0.76, 0.5: 0.5}, at_100=0.6, at_75=0.5)[0] == 0.75


def test_a_refused_share_gives_way_to_an_accepted_one_that_gains_less(monkeypatch: pytest.MonkeyPatch) -> None:
    after = {1.0: 0.9, 0.75: 0.8, 0.5: 0.6, 0.25: 0.55}
    assert chosen(monkeypatch, after, refused=(1.0, 0.75)) == (0.5, [1.0, 0.75, 0.5, 0.25])
    assert chosen(monkeypatch, after, refused=(1.0, 0.75, 0.5, 0.25)) == (1.0, [1.0, 0.75, 0.5, 0.25])


def test_every_weight_of_the_mean_is_that_of_the_methods_that_trained_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(network: Any, method: AdaptationMethod, steps: int, _context: Any, share: float) -> Candidate:
        return Candidate(network, Verdict(True, (), (), 0.5, 0.9 * share), method, steps, [], share, None)

    def trained(**weights: float) -> Candidate:
        network = nn.ModuleDict({name: nn.Linear(1, 1, bias=False) for name in "abc"})
        for name, layer in network.items():
            layer.weight.data.fill_(weights.get(name, 1.0001))  # as rounded to half precision
        verdict = Verdict(True, (), (), 0.5, 0.6)
        return Candidate(cast(SegmentationNetwork, network), verdict, FULL, 10, [], 1.0, None)

    monkeypatch.setattr(candidate, "measured", measured)
    budget = Budget(1e6, CancelToken())
    start = {f"{name}.weight": torch.ones(1, 1) for name in "abc"}
    context = SimpleNamespace(budget=budget, start=start, cancel=budget, seconds_left=lambda: 1e6, nearer=True)
    found = mean_of([trained(a=3.0), trained(a=5.0, b=2.0), trained()], cast(Context, context))
    weights = {name: float(value) for name, value in found.network.state_dict().items()}
    assert weights == {"a.weight": 4.0, "b.weight": 2.0, "c.weight": 1.0}
    assert (found.steps, found.share, len(found.mean_of)) == (30, 1.0, 3)
