"""Lesions painted into the patient's own brain, and what they make of a candidate that forgot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from adaptation_cases import request, small_model, visit, with_labels
from tiny_models import tiny_card

from glioma_annotator.adaptation import candidate, guard, run, trying
from glioma_annotator.adaptation.cases import PreparedCase, prepare
from glioma_annotator.adaptation.guard import MOST_LOST, Guard, GuardVerdict, judge_lesions, paint_lesions
from glioma_annotator.adaptation.holdout import Part
from glioma_annotator.adaptation.methods import by_gradient
from glioma_annotator.adaptation.methods.context import Context
from glioma_annotator.adaptation.synthesis.tumour import TumourKind
from glioma_annotator.domain.adaptation import (
    AdaptationCase,
    AdaptationMethod,
    AdaptationOutcome,
    RegionVerdict,
    Verdict,
)
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.networks import SegmentationNetwork
from glioma_annotator.progress import CancelToken, Progress, Report, ignore_progress

LAST = AdaptationMethod.LAST_LAYER
SNFH, ET, RC = 2, 3, 4
EDGE = 16


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_gradient, "EDGE", EDGE)
    monkeypatch.setattr(guard, "LEAST_ML", 0.01)


def oedema_visit(*, half: bool = False) -> Part:
    """A visit whose mask shows oedema alone, in its middle; with `half`, only one half of it counts."""
    case = visit(shape=(44, 40, 36), centre=(22, 20, 18))
    case = with_labels(case, np.where(case.labels == ET, SNFH, 0).astype(np.uint8))
    ready = prepare(case, tiny_card(), CancelToken())
    mask = ready.classes != IGNORE
    if half:
        mask[:, :, 16:] = False
    return Part(ready, mask)


def lesions(part: Part, *, judged: bool, seed: int = 0) -> list[Part]:
    return paint_lesions([part], tiny_card(), np.random.default_rng(seed), EDGE, judged)


# painting


def test_tissues_that_no_visit_shows_are_painted_into_the_brain() -> None:
    found = lesions(oedema_visit(), judged=False)
    assert len(found) == len(guard.PLANNED)
    shown = set().union(*(np.unique(part.case.classes[part.mask]).tolist() for part in found))
    assert {0, 1, SNFH, ET, RC} <= shown
    for part in found:
        assert part.case.shape == (EDGE, EDGE, EDGE)
        assert np.isfinite(part.case.images).all()
        assert not part.case.images[:, ~part.case.brain].any()
        assert (part.case.classes[~part.case.brain] == IGNORE).all()


def test_painted_enhancement_is_brighter_on_t1gd_than_the_brain_around_it() -> None:
    part = oedema_visit()
    shown = [p.case.images[0][p.case.classes == ET] for p in lesions(part, judged=False)]
    assert np.median(np.concatenate(shown)) > np.median(part.case.images[0][part.case.brain]) + 1


def test_what_is_held_out_does_not_teach_beside_a_painted_lesion() -> None:
    part = oedema_visit(half=True)
    before = part.case.images.copy()
    real = np.count_nonzero(part.case.classes == SNFH)
    for found in lesions(part, judged=False):
        painted = np.isin(found.case.classes, (1, ET, RC)) | (found.case.classes == SNFH)
        assert np.count_nonzero(found.mask & ~painted) <= np.count_nonzero(part.mask)
    assert np.array_equal(part.case.images, before) and np.count_nonzero(part.case.classes == SNFH) == real


def test_real_tumour_does_not_count_where_painted_lesions_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "PLANNED", ((TumourKind.SOLID, True),) * 4)
    part = oedema_visit()
    for found in lesions(part, judged=True):
        assert not (found.case.classes[found.mask] == SNFH).any()  # all of the oedema is real
        assert (found.case.classes == ET).any()


def test_the_same_seed_paints_the_same_lesions() -> None:
    one, same, other = (lesions(oedema_visit(), judged=True, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a.case.images, b.case.images) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a.case.images, b.case.images) for a, b in zip(one, other, strict=True))


def test_a_sequence_that_the_visit_lacks_stays_empty() -> None:
    case = visit(shape=(44, 40, 36), centre=(22, 20, 18))
    images = {role: volume for role, volume in case.images.items() if role is not SequenceRole.T2}
    card = tiny_card(optional=(SequenceRole.T2,))
    ready = prepare(type(case)(case.name, images, case.labels, case.grid), card, CancelToken())
    for part in lesions(Part(ready, ready.classes != IGNORE), judged=False):
        assert not part.case.images[1].any() and part.case.images[0].any()


def test_a_visit_without_room_gets_fewer_lesions_and_no_failure() -> None:
    shape = (12, 12, 12)
    brain = np.ones(shape, bool)
    classes = np.full(shape, SNFH, np.uint8)
    images = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    crowded = PreparedCase("crowded", images, brain, classes, 0.001, zero=(-3.0, -3.0, -3.0))
    assert len(lesions(Part(crowded, brain), judged=True)) < len(guard.PLANNED)


# judging


def made_parts() -> tuple[list[Part], list[np.ndarray]]:
    """Two parts of 1 mL of ET each, and their truth."""
    parts, truths = [], []
    for start in (2, 4):
        classes = np.zeros((20, 20, 20), np.uint8)
        classes[start : start + 10, 5:15, 5:15] = ET
        case = PreparedCase("lesion", np.zeros((3, 20, 20, 20), np.float32), classes >= 0, classes, 0.001)
        parts.append(Part(case, classes != IGNORE))
        truths.append(classes)
    return parts, truths


def test_a_candidate_that_finds_painted_lesions_as_before_has_no_fault() -> None:
    parts, truths = made_parts()
    found = judge_lesions(parts, truths, truths, GLIOMA_POST_TREATMENT, (ET,), {})
    assert found.faults == () and found.after["ET"] == 1.0


def test_a_loss_beyond_the_bound_is_a_fault_that_names_the_tissue() -> None:
    parts, truths = made_parts()
    worse = [truth.copy() for truth in truths]
    worse[0][2:6] = 0
    found = judge_lesions(parts, truths, worse, GLIOMA_POST_TREATMENT, (ET,), {})
    assert found.before["ET"] - found.after["ET"] > MOST_LOST
    assert any("ET, which no corrected visit shows, is found less well" in fault for fault in found.faults)
    again = judge_lesions(parts, truths, worse, GLIOMA_POST_TREATMENT, (), {})
    assert any(": ET is found less well" in fault for fault in again.faults)


def test_a_loss_is_no_fault_where_the_held_out_data_show_as_much_of_a_gain() -> None:
    parts, truths = made_parts()
    worse = [truth.copy() for truth in truths]
    worse[0][2:6] = 0
    found = judge_lesions(parts, truths, worse, GLIOMA_POST_TREATMENT, (), {})
    lost = {name: found.before[name] - found.after[name] for name in found.before}
    excused = judge_lesions(parts, truths, worse, GLIOMA_POST_TREATMENT, (), {n: v + 0.001 for n, v in lost.items()})
    assert found.faults and excused.faults == () and excused.after == found.after
    less = judge_lesions(parts, truths, worse, GLIOMA_POST_TREATMENT, (), {n: v - 0.02 for n, v in lost.items()})
    assert less.faults == found.faults


def test_only_what_the_held_out_data_show_enough_of_counts_as_gained() -> None:
    def region(name: str, before: float | None, after: float | None, ml: float) -> RegionVerdict:
        return RegionVerdict(name, "tiny", before, after, None, ml, 0.0, 0.0, None)

    regions = (region("ET", 0.5, 0.75, 0.2), region("TC", 0.5, 0.9, 0.05), region("RC", None, None, 0.0))
    assert candidate.gains(Verdict(True, (), regions, 0.5, 0.8)) == {"ET": 0.25}


def test_a_loss_within_the_bound_is_no_fault() -> None:
    parts, truths = made_parts()
    worse = [truth.copy() for truth in truths]
    worse[0][2, 5:7, 5:15] = 0  # 20 of 1000 voxels in one of two lesions
    assert judge_lesions(parts, truths, worse, GLIOMA_POST_TREATMENT, (), {}).faults == ()


@pytest.mark.parametrize(("lost", "accepted"), [(0.02, True), (0.05, False)])
def test_more_lost_on_painted_lesions_than_gained_is_refused_with_the_figures(lost: float, accepted: bool) -> None:
    verdict = Verdict(True, ("better",), (), 0.70, 0.74)
    found = candidate.guarded(verdict, GuardVerdict({"ET": 0.8, "RC": 0.6}, {"ET": 0.8 - 2 * lost, "RC": 0.6}, ()))
    assert found.accepted is accepted
    if not accepted:
        assert found.reasons == (
            "Less is gained (mean Dice +0.040) than is lost on lesions painted into this brain (-0.050).",
        )


def test_without_lesions_nothing_speaks_against_a_candidate() -> None:
    assert Guard([], [], GLIOMA_POST_TREATMENT, ()).verdict([], {}).faults == ()


# the candidate


def oedema_learner(network: SegmentationNetwork, _context: Context) -> int:
    """What is a little brighter on T1Gd becomes oedema, and nothing is ET any more."""
    with torch.no_grad():
        network.head.weight[SNFH, 0] = 5.0
        assert network.head.bias is not None
        network.head.bias[SNFH] = -6.5
        network.head.bias[ET] = -50.0
    return 1


def adapted(tmp_path: Path, method: AdaptationMethod = LAST, report: Report = ignore_progress) -> AdaptationOutcome:
    """The model adapted to a visit with a ball of oedema that is fainter on T1Gd than what the model calls ET."""
    case = visit(shape=(44, 40, 36), centre=(26, 20, 18))
    gadolinium = case.images[SequenceRole.T1GD]
    ball = case.labels == ET
    values = np.where(np.arange(44)[:, None, None] < 22, 90, 110) + 0.1 * (gadolinium.data - 100) + 6 * ball
    images = {**case.images, SequenceRole.T1GD: Volume(np.where(gadolinium.data > 0, values, 0), case.grid)}
    case = AdaptationCase(case.name, images, np.where(ball, SNFH, 0).astype(np.uint8), case.grid)
    model = small_model(tmp_path / "models")
    wanted = request(case, method=method)
    return run.adapt(wanted, model, tmp_path / "new", report, lambda _: None, CancelToken())


def test_a_candidate_that_unlearns_a_tissue_no_visit_shows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(trying.TRAIN, LAST, oedema_learner)
    outcome = adapted(tmp_path)
    assert (outcome.verdict.after or 0) > (outcome.verdict.before or 0) + 0.2  # the held-out slabs do not tell
    assert not outcome.verdict.accepted
    assert any("ET, which no corrected visit shows" in reason for reason in outcome.verdict.reasons)
    scores = outcome.card.scores["painted_lesions"]
    assert scores["after"]["ET"] < scores["before"]["ET"]
    monkeypatch.setattr(guard, "PLANNED", ())
    unguarded = adapted(tmp_path / "again")
    assert unguarded.verdict.accepted
    assert any("No lesions could be painted" in message for message in unguarded.messages)


@pytest.mark.parametrize("method", [LAST, AdaptationMethod.FULL])
def test_what_is_forgotten_far_from_the_start_is_kept_nearer_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: AdaptationMethod
) -> None:
    monkeypatch.setitem(trying.TRAIN, method, oedema_learner)
    seen: list[float] = []
    measured = candidate.measured

    def forgetful_beyond_half(
        network: SegmentationNetwork, method: AdaptationMethod, steps: int, context: Context, share: float
    ) -> candidate.Candidate:
        found = measured(network, method, steps, context, share)
        seen.append(share)
        found.verdict = Verdict(share <= 0.5, ("",), found.verdict.regions, 0.4, 0.4 + share / 4)
        return found

    monkeypatch.setattr(candidate, "measured", forgetful_beyond_half)
    told: list[Progress] = []
    outcome = adapted(tmp_path, method, told.append)
    assert seen == [1.0, 0.75, 0.5, 0.25] and outcome.verdict.accepted
    places = [progress.fraction for progress in told]
    assert places == sorted(places), "the progress never goes back"
    for stage in ("lesions painted", "Judging"):
        assert len({p.fraction for p in told if stage in p.message}) > 6, "it goes on within a stage"
    assert outcome.card.training["share_of_the_way"] == 0.5
    _, start = load_model(tmp_path / "models" / "base")
    _, saved = load_model(tmp_path / "new")
    assert start.head.bias is not None and saved.head.bias is not None
    assert saved.head.bias[ET].item() == pytest.approx((start.head.bias[ET].item() - 50) / 2, rel=1e-2)


def test_a_training_that_kept_the_starting_weights_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(trying.TRAIN, LAST, lambda _network, _context: 1)
    outcome = adapted(tmp_path)
    assert not outcome.verdict.accepted
    assert outcome.card.training["share_of_the_way"] == 1.0


def test_what_loses_all_the_way_is_still_tried_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trying.TRAIN, LAST, oedema_learner)
    measured = candidate.measured

    def better_half_way(
        network: SegmentationNetwork, method: AdaptationMethod, steps: int, context: Context, share: float
    ) -> candidate.Candidate:
        found = measured(network, method, steps, context, share)
        after = 0.6 if share == 0.5 else 0.3
        found.verdict = Verdict(after > 0.4, ("",), found.verdict.regions, 0.4, after)
        return found

    monkeypatch.setattr(candidate, "measured", better_half_way)
    outcome = adapted(tmp_path)
    assert outcome.verdict.accepted and outcome.card.training["share_of_the_way"] == 0.5
