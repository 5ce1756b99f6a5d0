"""One adaptation from visits to a saved candidate, on a tiny network; and the bad days."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from adaptation_cases import request, small_model, visit, with_labels

from glioma_annotator.adaptation import candidate, guard, passes, patches, run, trying
from glioma_annotator.adaptation.adapter import ModelAdapter
from glioma_annotator.adaptation.budget import TimeUp, TooSlow
from glioma_annotator.adaptation.methods import by_gradient, context, decoder, full, last_layer, norm
from glioma_annotator.domain.adaptation import (
    METHODS,
    AdaptationMethod,
    AdaptationOutcome,
    AdaptationRequest,
    CurvePoint,
    Verdict,
)
from glioma_annotator.domain.labels import IGNORE
from glioma_annotator.errors import Cancelled, EnvironmentFailure, UserError
from glioma_annotator.imaging import atomic_file
from glioma_annotator.inference import device as device_module
from glioma_annotator.inference.model_folder import load_model, save_model
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress

LAST, DECODER, NORM, FULL = METHODS
AUTO = AdaptationMethod.AUTO


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patches, steps and augmentation that suit a tiny network."""
    monkeypatch.setattr(by_gradient, "EDGE", 16)
    monkeypatch.setattr(last_layer, "STEPS", 80)
    monkeypatch.setattr(last_layer, "DRAWN", (600, 600, 600))
    monkeypatch.setattr(patches, "varied", lambda images, _classes, _rng: images)
    for module in (norm, decoder, full):
        monkeypatch.setattr(module, "SCHEDULE", by_gradient.Schedule(4, 2, 1e-3))
    monkeypatch.setattr(norm, "_PATCHES", 2)
    monkeypatch.setattr(guard, "PLANNED", ())  # a threshold on one sequence cannot tell one tissue from another


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small_model(tmp_path / "models")


def adapt(
    model: Path,
    wanted: AdaptationRequest,
    folder: Path,
    *,
    watch: Callable[[CurvePoint], None] = lambda _point: None,
    cancel: CancelToken | None = None,
    report: Report = ignore_progress,
) -> AdaptationOutcome:
    return run.adapt(wanted, model, folder, report, watch, cancel or CancelToken())


def test_last_layer_learns_what_the_head_had_not_and_is_accepted(model: Path, tmp_path: Path) -> None:
    points: list[CurvePoint] = []
    outcome = adapt(model, request(visit(), method=LAST), tmp_path / "new", watch=points.append)
    assert outcome.verdict.accepted, outcome.verdict.reasons
    assert (outcome.verdict.before or 0) < 0.5 < 0.65 < (outcome.verdict.after or 0)
    card, network = load_model(tmp_path / "new")
    assert (card.parent, card.default, outcome.method) == ("base", False, LAST)
    assert card.training["seed"] == request(visit()).seed
    assert "statistics" in card.training["normalisation_layers"]
    assert len(points) == 80 and points[-1].dice is not None
    _, start = load_model(model)
    changed = [n for n, p in network.state_dict().items() if not torch.equal(p, start.state_dict()[n])]
    assert set(changed) <= {"head.weight", "head.bias"} and changed


def test_the_same_seed_gives_the_same_weights(model: Path, tmp_path: Path) -> None:
    one, other = (adapt(model, request(visit(), method=LAST), tmp_path / name) for name in ("a", "b"))
    assert one.card.weights_sha256 == other.card.weights_sha256


@pytest.mark.parametrize("method", METHODS)
def test_every_method_leaves_a_model_no_worse_on_the_held_out_data(
    method: AdaptationMethod, model: Path, tmp_path: Path
) -> None:
    outcome = adapt(model, request(visit(), method=method), tmp_path / "new")
    assert outcome.method is method
    assert (outcome.verdict.after or 0) >= (outcome.verdict.before or 0) - 0.02
    assert outcome.trials[0].steps > 0
    assert load_model(tmp_path / "new")[0].training["method"] == method.value


def test_auto_tries_from_cheap_to_dear_and_keeps_the_mean_of_what_they_learnt(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[torch.Tensor] = []
    best_share = trying.best_share

    def noted(
        network: SegmentationNetwork, method: AdaptationMethod, steps: int, given: context.Context
    ) -> candidate.Candidate:
        found = best_share(network, method, steps, given)
        heads.append(found.network.head.weight.detach().clone())
        return found

    monkeypatch.setattr(trying, "best_share", noted)
    outcome = adapt(model, request(visit()), tmp_path / "new")
    assert [trial.method for trial in outcome.trials] == [*METHODS, AUTO]
    assert (outcome.method, outcome.mean_of) == (AUTO, (LAST, DECODER, FULL))
    assert (outcome.verdict.after, outcome.verdict.accepted) == (outcome.trials[-1].dice, outcome.trials[-1].accepted)
    card, network = load_model(tmp_path / "new")
    assert card.training["method"] == outcome.way == "mean of last-layer, decoder and full"
    assert card.training["steps"] == sum(trial.steps for trial in outcome.trials if trial.method is not NORM)
    start, share = load_model(model)[1].head.weight, card.training["share_of_the_way"]
    taking_part = [heads[0], heads[1], heads[3]]
    learnt = [head for head in taking_part if not torch.allclose(head, start, rtol=1e-3)]
    assert 0 < len(learnt) < 3  # four steps on so little lead some back to the head as it was
    mean, of_all = (torch.lerp(start, torch.stack(taken).mean(0), share) for taken in (learnt, taking_part))
    assert torch.allclose(network.head.weight, mean, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(of_all, mean, rtol=1e-3, atol=1e-4)


def test_auto_goes_as_much_of_the_way_to_the_mean_as_is_accepted(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = candidate.measured

    def half_alone(
        network: SegmentationNetwork, method: AdaptationMethod, steps: int, given: context.Context, share: float
    ) -> candidate.Candidate:
        found = measured(network, method, steps, given, share)
        return replace(found, verdict=replace(found.verdict, accepted=(method, share) == (AUTO, 0.5)))

    monkeypatch.setattr(candidate, "measured", half_alone)
    outcome = adapt(model, request(visit()), tmp_path / "new")
    assert outcome.verdict.accepted and outcome.way == "mean of last-layer, decoder and full"
    assert load_model(tmp_path / "new")[0].training["share_of_the_way"] == 0.5


def test_where_norm_is_one_of_two_it_is_in_the_mean(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    least = {DECODER: 1e6, NORM: 1.0, FULL: 1e6}
    monkeypatch.setattr(trying, "estimate", lambda method, *_: least[method])
    monkeypatch.setattr(trying, "_set_aside", lambda *_: 0.0)
    assert adapt(model, request(visit()), tmp_path / "new").mean_of == (LAST, NORM)


def test_cached_features_are_let_go_of_before_passes_judge_a_candidate(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached: dict[AdaptationMethod, bool] = {}
    best_share = trying.best_share

    def noted(network: SegmentationNetwork, method: AdaptationMethod, *rest: Any) -> candidate.Candidate:
        cached[method] = bool(rest[-1].train_features)
        return best_share(network, method, *rest)

    monkeypatch.setattr(trying, "best_share", noted)
    adapt(model, request(visit()), tmp_path / "new")
    assert cached == {LAST: True, DECODER: False, NORM: False, FULL: False}


@pytest.mark.parametrize(
    ("method", "lost", "alone"),
    [(DECODER, 0.04, True), (DECODER, 0.06, False), (DECODER, None, False), (LAST, 0.04, False)],
)
def test_where_the_mean_is_refused_a_method_alone_must_lose_hardly_anything_painted(
    method: AdaptationMethod,
    lost: float | None,
    alone: bool,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mean_of, best_share = trying.mean_of, trying.best_share

    def refused(found: Sequence[candidate.Candidate], given: context.Context) -> candidate.Candidate:
        mean = mean_of(found, given)
        return replace(mean, verdict=replace(mean.verdict, accepted=False, reasons=("Lost.",)))

    def painted(*given: Any) -> candidate.Candidate:
        found = best_share(*given)
        judged = guard.GuardVerdict({"ET": 0.5, "WT": 0.5}, {"ET": 0.5 - (lost or 0), "WT": 0.6}, ())
        verdict = replace(found.verdict, accepted=found.method is method)
        return replace(found, verdict=verdict, guard=None if lost is None else judged)

    monkeypatch.setattr(trying, "mean_of", refused)
    monkeypatch.setattr(trying, "best_share", painted)
    outcome = adapt(model, request(visit()), tmp_path / "new")
    assert outcome.verdict.accepted == alone
    assert outcome.method is (method if alone else AUTO)
    if not alone:
        first, second = outcome.verdict.reasons
        assert first == "Lost." and second.startswith(f"Accepted alone: {method.value}.")


@pytest.fixture
def no_time_for_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_late(_found: object, _context: object) -> candidate.Candidate:
        raise TimeUp

    monkeypatch.setattr(trying, "mean_of", too_late)


@pytest.mark.usefixtures("no_time_for_the_mean")
def test_without_time_to_judge_the_mean_the_best_method_is_kept(model: Path, tmp_path: Path) -> None:
    outcome = adapt(model, request(visit()), tmp_path / "new")
    best = max(trial.dice or 0 for trial in outcome.trials if trial.accepted)
    assert outcome.verdict.accepted and outcome.verdict.after == best and outcome.way == outcome.method.value
    assert outcome.trials[-1].problem.startswith("Given up")


@pytest.mark.usefixtures("no_time_for_the_mean")
def test_without_time_for_the_mean_a_method_that_loses_hardly_anything_painted_comes_before_the_head(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, best_share = {LAST: 0.0, DECODER: 0.06, FULL: 0.04}, trying.best_share

    def painted(*given: Any) -> candidate.Candidate:
        found = best_share(*given)
        judged = guard.GuardVerdict({"ET": 0.5}, {"ET": 0.5 - lost.get(found.method, 0.5)}, ())
        return replace(found, verdict=replace(found.verdict, accepted=found.method is not NORM), guard=judged)

    monkeypatch.setattr(trying, "best_share", painted)
    outcome = adapt(model, request(visit()), tmp_path / "new")
    assert outcome.verdict.accepted and outcome.method is FULL


def test_where_there_is_time_for_last_layer_alone_it_is_judged_nearer_too(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = candidate.measured

    def half_alone(*given: Any) -> candidate.Candidate:
        found = measured(*given)
        return replace(found, verdict=replace(found.verdict, accepted=found.share == 0.5))

    monkeypatch.setattr(trying, "estimate", lambda *_: 1e6)
    monkeypatch.setattr(candidate, "measured", half_alone)
    told: list[Progress] = []
    outcome = adapt(model, request(visit()), tmp_path / "new", report=told.append)
    assert (outcome.method, outcome.verdict.accepted, outcome.trials[0].accepted) == (LAST, True, True)
    places = [progress.fraction for progress in told]
    assert places == sorted(places)
    assert len({p.fraction for p in told if p.message.endswith("nearer to the starting model")}) > 2
    assert load_model(tmp_path / "new")[0].training["share_of_the_way"] == 0.5
    assert outcome.trials[0].dice == outcome.verdict.after


def test_auto_leaves_methods_out_for_which_there_is_no_time(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "estimate", lambda *_: 1e6)
    outcome = adapt(model, request(visit()), tmp_path / "new")
    assert outcome.method is LAST
    assert [trial.problem.startswith("Left out") for trial in outcome.trials] == [False, True, True, True]


def test_auto_sets_the_time_that_full_needs_aside(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {DECODER: 4e5, NORM: 4e5, FULL: 8e5}
    monkeypatch.setattr(trying, "estimate", lambda method, *_: seconds[method])
    outcome = adapt(model, request(visit(), budget_s=1e6), tmp_path / "new")
    assert [trial.steps > 0 for trial in outcome.trials[:4]] == [True, False, False, True]
    assert "kept for “full”" in outcome.trials[1].problem


def test_the_progress_never_runs_backwards_and_reaches_the_end(model: Path, tmp_path: Path) -> None:
    told: list[float] = []
    wanted = request(visit())
    run.adapt(wanted, model, tmp_path / "new", lambda p: told.append(p.fraction), lambda _: None, CancelToken())
    assert told == sorted(told) and told[-1] == 1.0


@pytest.mark.parametrize("budget_s", [1e-3, -5.0])
def test_a_time_that_suffices_for_nothing_is_refused_with_what_would_do(
    budget_s: float, model: Path, tmp_path: Path
) -> None:
    adapter = ModelAdapter(lambda: [tmp_path / "models"], pace=tmp_path / "pace.json")
    wanted = request(visit(), budget_s=budget_s)
    with pytest.raises(TooSlow, match="used up before there was an adapted model, while: Reading the visits") as caught:
        adapter.adapt(wanted, tmp_path / "new", ignore_progress, lambda _: None, CancelToken())
    assert "Allow about" in caught.value.todo
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".new*"))


def test_an_adapted_model_can_be_adapted_again(model: Path, tmp_path: Path) -> None:
    first = adapt(model, request(visit(), method=LAST), tmp_path / "first")
    second = adapt(tmp_path / "first", request(visit(brightness=8), method=LAST), tmp_path / "second")
    assert second.card.parent == first.card.name
    assert second.card.training["history"] == [load_model(model)[0].identity, first.card.identity]
    assert len(set(second.card.limits)) == len(second.card.limits)


def test_of_two_visits_on_different_grids_the_last_is_judged(model: Path, tmp_path: Path) -> None:
    other = visit("later", seed=4, shape=(30, 24, 22), centre=(16, 12, 11))
    outcome = adapt(model, request(visit("earlier"), other, method=LAST), tmp_path / "new")
    assert outcome.held_out == "the visit later"
    assert outcome.verdict.accepted


def test_a_mask_carried_over_is_a_third_column(model: Path, tmp_path: Path) -> None:
    case = visit()
    outcome = adapt(model, request(replace(case, carried=case.labels), method=LAST), tmp_path / "new")
    assert outcome.verdict.carried == 1.0
    assert outcome.verdict.accepted and "carried over" in outcome.verdict.advice


def test_voxels_that_nobody_reviewed_do_not_teach(model: Path, tmp_path: Path) -> None:
    case = visit()
    wrong = np.where(case.labels == 0, 3, 0).astype(np.uint8)
    wrong[5:24, 5:22, :] = case.labels[5:24, 5:22, :]
    hidden = wrong.copy()
    hidden[wrong != case.labels] = IGNORE
    outcome = adapt(model, request(with_labels(case, hidden), method=LAST), tmp_path / "new")
    assert outcome.verdict.accepted


def test_what_a_mask_does_not_show_is_said(model: Path, tmp_path: Path) -> None:
    outcome = adapt(model, request(visit(), method=LAST), tmp_path / "new")
    assert any("no NETC, SNFH, RC" in message for message in outcome.messages)


@pytest.mark.parametrize("method", [FULL, DECODER])
def test_what_a_training_keeps_is_what_was_looked_at(
    method: AdaptationMethod, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    offered: list[torch.Tensor] = []
    module = decoder if method is DECODER else by_gradient
    name = "_predict_crops" if method is DECODER else "predict_crops"
    look, offer = getattr(module, name), context.Best.offer

    def looking(network: SegmentationNetwork, *given: Any) -> Any:
        seen.append(network.head.weight.detach().clone())
        return look(network, *given)

    def offering(best: context.Best, step: int, verdict: Verdict) -> None:
        offered.append(next(v for k, v in best.parameters.items() if v.shape == seen[0].shape).clone())
        offer(best, step, verdict)

    monkeypatch.setattr(module, name, looking)
    monkeypatch.setattr(context.Best, "offer", offering)
    adapt(model, request(visit(), method=method), tmp_path / "new")
    start = load_model(model)[1].head.weight
    assert torch.allclose(seen[0], start) and len(offered) > 1
    for looked, kept in zip(seen[1:], offered, strict=True):
        assert not torch.equal(kept, start)
        assert torch.equal(looked, kept)


def test_what_is_falsely_called_a_cavity_does_not_count_before_surgery(model: Path, tmp_path: Path) -> None:
    card, network = load_model(model)
    with torch.no_grad():  # calls what it is surest of a cavity
        network.head.weight[4] = 2 * network.head.weight[3]
        assert network.head.bias is not None
        network.head.bias[4] = network.head.bias[3] - 3.0
    save_model(tmp_path / "cavities", replace(card, name="cavities"), network)
    case = visit(brightness=40)
    after, before = (
        adapt(tmp_path / "cavities", request(replace(case, operated=operated), method=LAST), tmp_path / f"{operated}")
        for operated in (True, False)
    )
    false_ml = [next(r.before_ml for r in found.verdict.regions if r.region == "RC") for found in (after, before)]
    assert false_ml[0] > 0 and false_ml[1] == 0


def test_full_is_shown_cases_of_others(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(full, "REPLAY_EVERY", 2)

    def replay(edge: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        drawn.append(step)
        return np.zeros((3, edge, edge, edge), np.float32), np.zeros((edge, edge, edge), np.uint8)

    wanted = request(visit(), method=FULL)
    run.adapt(wanted, model, tmp_path / "new", ignore_progress, lambda _: None, CancelToken(), replay)
    assert drawn == [1, 3]


@pytest.mark.usefixtures("no_time_for_the_mean")
@pytest.mark.parametrize(("gains", "kept"), [((0.3, 0.2, 0.1), "decoder"), ((0.3, 0.1, 0.1), "last-layer")])
def test_auto_prefers_a_method_that_keeps_what_was_known_where_it_gains_more_than_half(
    gains: tuple[float, ...], kept: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = dict(zip((LAST, DECODER, FULL), gains, strict=True))
    monkeypatch.setattr(candidate.Candidate, "rank", property(lambda found: (True, left.get(found.method, 0.0))))
    assert adapt(model, request(visit()), tmp_path / "new").method.value == kept


def test_under_auto_every_method_begins_with_the_starting_model(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, begun = load_model(model)[1].head.weight, []

    def training(method: AdaptationMethod) -> Callable[[SegmentationNetwork, context.Context], int]:
        train = trying.TRAIN[method]

        def begins(network: SegmentationNetwork, context: context.Context) -> int:
            begun.append(torch.allclose(network.head.weight, first))
            return train(network, context)

        return begins

    monkeypatch.setattr(trying, "TRAIN", {method: training(method) for method in METHODS})
    outcome = adapt(model, request(visit()), tmp_path / "new")
    assert begun == [True] * 4 and outcome.trials[0].dice  # `last-layer` had learnt something by then


# bad days


@pytest.mark.parametrize("moment", ["passing", "training", "saving"])
def test_cancelling_leaves_nothing_behind(moment: str, model: Path, tmp_path: Path) -> None:
    token = CancelToken()
    words = {"passing": "Passing", "training": "step 3,", "saving": "Saving"}

    def report(progress: Progress) -> None:
        if words[moment] in progress.message:
            token.cancel()

    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Cancelled):
        run.adapt(request(visit(), method=LAST), model, tmp_path / "new", report, lambda _: None, token)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_said_and_leaves_nothing(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_file.os, "fsync", no_space)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(EnvironmentFailure, match="No space left"):
        adapt(model, request(visit(), method=LAST), tmp_path / "new")
    assert sorted(tmp_path.rglob("*")) == before


def test_corrupt_weights_are_refused_before_anything_is_trained(model: Path, tmp_path: Path) -> None:
    weights = model / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 0xFF
    weights.write_bytes(bytes(content))
    with pytest.raises(UserError, match="SHA-256 differs"):
        adapt(model, request(visit(), method=LAST), tmp_path / "new")


def test_weights_that_are_no_numbers_are_named(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card, network = load_model(model)
    with torch.no_grad():
        network.head.weight[0, 0] = float("nan")
    monkeypatch.setattr(run, "load_model", lambda _folder: (card, network))
    with pytest.raises(UserError, match="output is no number"):
        adapt(model, request(visit(), method=LAST), tmp_path / "new")


def test_a_loss_that_is_no_number_stops_the_method(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> torch.Tensor:
        return torch.tensor(float("nan"), requires_grad=True)

    monkeypatch.setattr(last_layer, "weighted_dice_cross_entropy", broken)
    with pytest.raises(UserError, match="no number"):
        adapt(model, request(visit(), method=LAST), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_auto_goes_on_with_the_other_methods_after_a_loss_that_is_no_number(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_gradient, "patch_loss", lambda logits, *_: logits.sum() * float("nan"))
    outcome = adapt(model, request(visit()), tmp_path / "new")
    assert outcome.method is LAST and outcome.verdict.accepted
    assert sum("no number" in message for message in outcome.messages) == 3


def test_a_gpu_without_memory_is_exchanged_for_the_processor_with_a_message(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = device_module.choose_device("cpu")
    gpu = replace(cpu, name="GPU of the test")
    monkeypatch.setattr(run, "choose_device", lambda choice: cpu if choice == "cpu" else gpu)
    compute = run.compute_features

    def crowded(network: object, case: object, device: object, *rest: object) -> object:
        if device is gpu:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(network, case, device, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(passes, "compute_features", crowded)
    outcome = adapt(model, request(visit(), method=LAST, device="auto"), tmp_path / "new")
    assert outcome.messages[0] == "The memory of the GPU of the test did not suffice; the CPU was used."
    with pytest.raises(EnvironmentFailure, match="GPU of the test does not suffice"):
        adapt(model, request(visit(), method=LAST, device="cuda"), tmp_path / "other")


def test_too_little_main_memory_is_said(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crowded(*_: object) -> object:
        raise MemoryError

    monkeypatch.setattr(passes, "compute_features", crowded)
    with pytest.raises(EnvironmentFailure, match="computer's memory"):
        adapt(model, request(visit(), method=LAST), tmp_path / "new")


def test_a_mask_of_one_tissue_and_an_empty_held_out_visit_follow_the_rules(model: Path, tmp_path: Path) -> None:
    outcome = adapt(model, request(visit("a"), visit("b", tumour=False), method=LAST), tmp_path / "new")
    assert outcome.verdict.before is None
    assert not outcome.verdict.accepted
    assert "marks no less" in outcome.verdict.reasons[-1]


def test_masks_without_tumour_are_refused_in_words(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to learn"):
        adapt(model, request(visit(tumour=False), method=LAST), tmp_path / "new")


_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from adaptation_cases import request, visit
from glioma_annotator.adaptation import run
from glioma_annotator.adaptation.methods import last_layer
from glioma_annotator.domain.adaptation import AdaptationMethod
from glioma_annotator.progress import CancelToken
last_layer.STEPS = 30
wanted = request(visit(), method=AdaptationMethod.LAST_LAYER)
for word in {words!r}:
    def report(progress):
        if word in progress.message:
            os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if not child:
        run.adapt(wanted, Path({model!r}), Path({new!r}), report, lambda _: None, CancelToken())
        os._exit(1)  # it was not killed
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.timeout(900)  # a process of its own imports torch: minutes where every core is taken
def test_kill_9_in_any_stage_leaves_no_model_that_is_believed(model: Path, tmp_path: Path) -> None:
    tests, words = Path(__file__).parents[2], ["Reading", "Passing", "step 3,", "Judging", "Saving"]
    script = _KILLED.format(tests=str(tests), words=words, model=str(model), new=str(tmp_path / "c" / "new"))
    (tmp_path / "c").mkdir()
    weights = (model / "weights.safetensors").read_bytes()
    child = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    assert child.stdout.split() == [str(-signal.SIGKILL)] * len(words)
    assert not list((tmp_path / "c").iterdir())
    assert (model / "weights.safetensors").read_bytes() == weights
    assert load_model(model)[0].name == "base"


def test_a_candidate_appears_whole_or_not_at_all(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kill during the save would leave: a hidden folder that no one takes for a model."""
    seen: list[str] = []
    save = candidate.save_model

    def watched(folder: Path, *rest: object) -> object:
        seen.append(folder.name)
        return save(folder, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(candidate, "save_model", watched)
    adapt(model, request(visit(), method=LAST), tmp_path / "new")
    assert seen[0].startswith(".new.") and sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "card.json",
        "weights.safetensors",
    ]


# the adapter


def test_the_plan_says_method_visits_and_time(model: Path) -> None:
    adapter = ModelAdapter(lambda: [model.parent])
    words = adapter.plan("", 2, LAST, 300).words
    assert "last layer, 2 visits" in words and "about" in words and words.endswith(" s")
    assert "the last one is held out" in words
    assert "(one only judges, of a patient not learnt from)" in adapter.plan("", 3, LAST, 300, judges=1).words
    assert "(2 only judge, of patients not learnt from)" in adapter.plan("", 7, LAST, 300, judges=2).words
    assert "at most 15 min" in adapter.plan("", 2, AdaptationMethod.AUTO, 900).words
    short = adapter.plan("", 9, AdaptationMethod.AUTO, 30)
    assert short.words.endswith("about 30 s") and short.seconds == 30


def test_the_plan_learns_from_what_adaptations_took(model: Path, tmp_path: Path) -> None:
    adapter = ModelAdapter(lambda: [model.parent], pace=tmp_path / "pace.json")
    before = adapter.plan("", 1, LAST, 300).seconds
    adapter.adapt(request(visit(), method=LAST), tmp_path / "new", ignore_progress, lambda _: None, CancelToken())
    again = ModelAdapter(lambda: [model.parent], pace=tmp_path / "pace.json")
    after = adapter.plan("", 1, LAST, 300).seconds
    assert after != before and again.plan("", 1, LAST, 300).seconds == pytest.approx(after, rel=0.01)


def test_an_unknown_model_is_refused_with_those_at_hand(model: Path) -> None:
    with pytest.raises(UserError, match="“base”"):
        ModelAdapter(lambda: [model.parent]).find("nothing")


def test_the_adapter_is_cancelled_within_a_second(model: Path, tmp_path: Path) -> None:
    token = CancelToken()
    token.cancel()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        ModelAdapter(lambda: [model.parent]).adapt(
            request(visit(), method=LAST), tmp_path / "new", ignore_progress, lambda _: None, token
        )
    assert time.monotonic() - began < 1
    assert json.loads((model / "card.json").read_text())["name"] == "base"


def test_weights_of_tissues_that_no_mask_shows_stay_as_they_are(model: Path, tmp_path: Path) -> None:
    adapt(model, request(visit(), method=LAST), tmp_path / "new")
    before, after = (load_model(folder)[1].head for folder in (model, tmp_path / "new"))
    for absent in (1, 2, 4):
        assert torch.allclose(before.weight[absent], after.weight[absent], atol=1e-3)
    assert not torch.allclose(before.weight[3], after.weight[3], atol=1e-3)
