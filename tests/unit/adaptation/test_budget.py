"""The time an adaptation may take binds, its judgements included, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from adaptation_cases import request, small_model, visit

from glioma_annotator.adaptation import candidate, guard, held_out, passes, patches, run, trying
from glioma_annotator.adaptation.budget import Budget, TimeUp, TooSlow
from glioma_annotator.adaptation.methods import by_gradient, full, last_layer
from glioma_annotator.adaptation.methods.context import Context
from glioma_annotator.domain.adaptation import AdaptationMethod, AdaptationOutcome
from glioma_annotator.errors import Cancelled
from glioma_annotator.progress import CancelToken, ignore_progress

LAST, FULL = AdaptationMethod.LAST_LAYER, AdaptationMethod.FULL
#: Seconds that the parts take on the machine of the test, while it is as quick as at the start.
PASS_S, STEP_S, LOOK_S = 20.0, 1.5, 3.0
#: Layers of a pass: the program asks before each whether to go on.
LAYERS = 50


@dataclass
class Machine:
    """A clock that computations move; `pace` says how many times slower the machine is at a time."""

    pace: Callable[[float], float] = lambda _now: 1.0
    time: float = 0.0
    computed: list[str] = field(default_factory=list)

    def spend(self, seconds: float, budget: Budget) -> None:
        for _ in range(LAYERS):
            budget.raise_if_cancelled()
            self.time += seconds / LAYERS * self.pace(self.time)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Small steps, and parts that take their time by the machine's clock."""
    made = Machine()

    def timed(module: Any, name: str, seconds: float, budget_of: Callable[..., Budget]) -> None:
        real = getattr(module, name)

        def slow(*given: Any) -> Any:
            made.spend(seconds, budget_of(*given))
            return real(*given)

        monkeypatch.setattr(module, name, slow)

    timed(passes, "compute_features", PASS_S, lambda *given: given[3])
    timed(candidate, "predict", PASS_S, lambda *given: given[3])
    timed(by_gradient, "forward", STEP_S, lambda *given: given[2].budget)
    timed(by_gradient, "predict_crops", LOOK_S, lambda *given: given[1].budget)
    monkeypatch.setattr(by_gradient, "EDGE", 8)
    monkeypatch.setattr(last_layer, "STEPS", 60)
    monkeypatch.setattr(last_layer, "DRAWN", (600, 600, 600))
    monkeypatch.setattr(patches, "varied", lambda images, _classes, _rng: images)
    monkeypatch.setattr(full, "SCHEDULE", by_gradient.Schedule(60, 10, 1e-3))
    monkeypatch.setattr(run, "METHODS", (LAST, FULL))
    monkeypatch.setitem(trying._PASSES_PER_STEP, FULL, 1.0)  # of tiny visits
    monkeypatch.setattr(held_out, "_MARGIN", 1)
    monkeypatch.setattr(guard, "PLANNED", ())
    return made


def adapt(machine: Machine, tmp_path: Path, budget_s: float, method: AdaptationMethod) -> AdaptationOutcome:
    model = small_model(tmp_path / "models")
    wanted = request(visit(), budget_s=budget_s, method=method)
    folder, token = tmp_path / "new", CancelToken()
    return run.adapt(wanted, model, folder, ignore_progress, lambda _: None, token, now=lambda: machine.time)


def trial_of(outcome: AdaptationOutcome, method: AdaptationMethod) -> tuple[int, str]:
    return next((trial.steps, trial.problem) for trial in outcome.trials if trial.method is method)


def test_where_there_is_time_the_training_takes_all_of_its_steps(machine: Machine, tmp_path: Path) -> None:
    outcome = adapt(machine, tmp_path, 1200, AdaptationMethod.AUTO)
    assert trial_of(outcome, FULL) == (60, "")


@pytest.mark.parametrize("budget_s", [110.0, 150.0])
def test_the_training_is_shortened_so_that_its_judgement_ends_in_time(
    machine: Machine, tmp_path: Path, budget_s: float
) -> None:
    outcome = adapt(machine, tmp_path, budget_s, AdaptationMethod.AUTO)
    steps, problem = trial_of(outcome, FULL)
    assert 10 <= steps < 60 and not problem
    assert machine.time <= budget_s


@pytest.mark.parametrize("method", [AdaptationMethod.AUTO, FULL])
@pytest.mark.parametrize(("from_s", "times"), [(60.0, 5.0), (100.0, 3.0)])
def test_a_machine_that_becomes_slower_still_ends_in_time(
    machine: Machine, tmp_path: Path, method: AdaptationMethod, from_s: float, times: float
) -> None:
    machine.pace = lambda now: times if now > from_s else 1.0
    outcome = adapt(machine, tmp_path, 300, method)
    assert machine.time <= 300 + 2
    assert (tmp_path / "new" / "card.json").is_file()
    assert outcome.seconds <= 302


def test_a_judgement_that_takes_ten_times_as_long_as_expected_is_given_up_for_the_candidate_at_hand(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = candidate.predict

    def crowded(*given: Any) -> Any:
        machine.pace = lambda _now: 10.0
        return judge(*given)

    monkeypatch.setattr(candidate, "predict", crowded)
    outcome = adapt(machine, tmp_path, 200, AdaptationMethod.AUTO)
    assert "Given up" in trial_of(outcome, FULL)[1]
    assert outcome.method is LAST and outcome.verdict.accepted
    assert machine.time <= 200 + 10 * PASS_S / LAYERS  # one layer


@pytest.mark.parametrize("method", [AdaptationMethod.AUTO, FULL])
@pytest.mark.parametrize("budget_s", [15.0, 30.0])
def test_passes_that_take_longer_than_allowed_end_with_advice_and_leave_nothing(
    machine: Machine, tmp_path: Path, budget_s: float, method: AdaptationMethod
) -> None:
    if budget_s > PASS_S:  # the pass fits, and the machine is then taken by other work
        machine.pace = lambda now: 50.0 if now > PASS_S else 1.0
    with pytest.raises(TooSlow, match="Allow about") as caught:
        adapt(machine, tmp_path, budget_s, FULL if budget_s > PASS_S else method)
    assert machine.time <= budget_s + 50 * LOOK_S / LAYERS
    assert caught.value.needed_s >= 1.4 * budget_s
    assert not (tmp_path / "new").exists()


def test_a_second_share_that_time_does_not_suffice_for_leaves_the_first(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, judged = candidate.predict, []

    def crowded(*given: Any) -> Any:
        judged.append(machine.time)
        if len(judged) > 1:
            machine.pace = lambda _now: 50.0
        return judge(*given)

    monkeypatch.setattr(candidate, "predict", crowded)
    monkeypatch.setattr(full, "SCHEDULE", by_gradient.Schedule(3, 3, 0.0))  # learns nothing: refused at every share
    monkeypatch.setattr(candidate.torch, "allclose", lambda *_, **__: False)
    outcome = adapt(machine, tmp_path, 120, FULL)
    assert len(judged) == 2
    assert outcome.card.training["share_of_the_way"] == candidate.SHARES[0]
    assert machine.time <= 120 + 50 * PASS_S / LAYERS


def test_no_second_share_is_judged_without_time_for_it(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[float] = []
    judge = candidate.predict

    def counted(*given: Any) -> Any:
        judged.append(machine.time)
        return judge(*given)

    monkeypatch.setattr(candidate, "predict", counted)
    monkeypatch.setattr(full, "SCHEDULE", by_gradient.Schedule(3, 3, 0.0))  # learns nothing: refused at every share
    monkeypatch.setattr(candidate.torch, "allclose", lambda *_, **__: False)
    adapt(machine, tmp_path, 75, FULL)
    assert len(judged) == 1
    assert machine.time <= 75


def test_the_budget_passes_a_request_to_stop_on_and_binds_until_a_candidate_is_saved() -> None:
    token, time = CancelToken(), [0.0]
    budget = Budget(10, token, lambda: time[0])
    time[0] = 11
    with pytest.raises(TimeUp):
        budget.raise_if_cancelled()
    budget.binding = False
    budget.raise_if_cancelled()
    budget.cancel()
    assert token.cancelled and budget.cancelled
    with pytest.raises(Cancelled):
        budget.raise_if_cancelled()


def test_what_steps_took_says_what_those_of_other_methods_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_gradient, "EDGE", 10)
    budget = Budget(100, CancelToken(), lambda: 0.0)
    cases = SimpleNamespace(held_cases=lambda: [SimpleNamespace(shape=(20, 20, 20))], budget=budget)
    context = cast(Context, SimpleNamespace(**vars(cases), held_out=SimpleNamespace(crops=[])))
    first = trying.estimate(FULL, 60, 0, context, 8.0)
    assert first == pytest.approx(60 * 2.6 * by_gradient.PATCHES)  # a patch is an eighth of the visit: 1 s
    budget.steps_s[AdaptationMethod.DECODER] = 2 * 1.3 * by_gradient.PATCHES
    assert trying.estimate(FULL, 60, 0, context, 8.0) == pytest.approx(2 * first)
    budget.judgings_s.append(7.0)
    assert trying.estimate(FULL, 60, 3, context, 8.0) == pytest.approx(2 * first + 21)
