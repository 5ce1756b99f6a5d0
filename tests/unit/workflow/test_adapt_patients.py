"""Which masks are learnt from, what is handed to the adapter, and what becomes of the candidate."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adaptation_cases import request, visit
from fake_models import FakeAdapter, FakeShelf
from fakes import FakeStore
from phantoms import FLAIR, T1GD, T2, head

from glioma_annotator.domain.adaptation import AdaptationMethod
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE
from glioma_annotator.domain.model_shelf import ModelPlace
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus, SegmentationRevision
from glioma_annotator.domain.sequences import Sequence
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import Cancelled, EnvironmentFailure, UserError
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow import adapt as adapt_module
from glioma_annotator.workflow.adapt import (
    PatientAdaptation,
    adapt_patients,
    adapt_to_folder,
    carry,
    decide,
    divide,
    usable_revisions,
)

GRID = Grid((20, 22, 18), np.diag([8.0, 8.0, 8.0, 1.0]))


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    for key, count in (("A", 3), ("B", 1)):
        patient = made.add_patient(key)
        for order in range(count):
            sequences = tuple(Sequence(r.value, r, "") for r in (T1GD, T2, FLAIR))
            timepoint = Timepoint(patient.id or 0, f"v{order}", order, GRID, "T1Gd", date=dt.date(2020, 1 + order, 1),
                                  sequences=sequences)  # fmt: skip
            made.add_timepoint(timepoint, {r.value: Volume(head(r, GRID), GRID) for r in (T1GD, T2, FLAIR)})
    return made


def save(
    store: FakeStore,
    patient: str,
    order: int,
    *,
    approved: bool = False,
    origin: RevisionOrigin = RevisionOrigin.MANUAL,
    empty: bool = False,
) -> SegmentationRevision:
    found = store.patient(patient)
    assert found is not None and found.id is not None
    labels = np.zeros(GRID.shape, np.uint8)
    labels[8:11, 9:12, 8:11] = 0 if empty else 3
    timepoint = store.timepoints(found.id)[order]
    made = store.add_revision(timepoint, labels, GLIOMA_POST_TREATMENT, origin=origin, author="Dr")
    if approved:
        store.set_status(made.id or 0, RevisionStatus.APPROVED)
    return made


@pytest.fixture
def shelf() -> FakeShelf:
    return FakeShelf()


@pytest.fixture
def adapter(shelf: FakeShelf) -> FakeAdapter:
    made = FakeAdapter(shelf)
    made.gate.set()
    return made


def run(store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf, *patients: str, **more: object) -> PatientAdaptation:
    chosen = {key: [u for u in usable_revisions(store, key) if u.suggested] for key in patients}
    given: dict[str, object] = {
        "method": AdaptationMethod.LAST_LAYER,
        "report": ignore_progress,
        "watch": lambda _point: None,
        "cancel": CancelToken(),
    }
    return adapt_patients(store, adapter, shelf, chosen, **(given | more))  # type: ignore[arg-type]


def test_approved_masks_go_first_and_are_ticked(store: FakeStore) -> None:
    save(store, "A", 0, approved=True)
    save(store, "A", 0)  # a later draft does not take the approved one's place
    save(store, "A", 1)
    found = usable_revisions(store, "A")
    assert [(u.timepoint.key, u.revision.number, u.approved, u.suggested) for u in found] == [
        ("v0", 1, True, True),
        ("v1", 1, False, False),
    ]


def test_without_an_approved_mask_those_that_a_reader_made_are_ticked(store: FakeStore) -> None:
    save(store, "A", 0, origin=RevisionOrigin.AUTOMATIC)
    save(store, "A", 1, origin=RevisionOrigin.SEMI_AUTOMATIC)
    assert [u.suggested for u in usable_revisions(store, "A")] == [False, True]


def test_empty_masks_are_left_out(store: FakeStore) -> None:
    save(store, "A", 0, empty=True)
    assert usable_revisions(store, "A") == ()


def test_the_start_is_the_patients_current_model(store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf) -> None:
    shelf.bring(Path("own"))
    shelf.set_current("A", "own")
    save(store, "A", 0, approved=True)
    run(store, adapter, shelf, "A")
    assert adapter.requests[0].model == "own"
    assert adapter.requests[0].patient == "A"


def test_only_the_slices_that_were_reviewed_are_learnt_from(
    store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf
) -> None:
    save(store, "A", 0, approved=True)
    (usable,) = usable_revisions(store, "A")
    chosen = {"A": [replace(usable, slices=((9, 10),))]}
    method = AdaptationMethod.LAST_LAYER
    adapt_patients(
        store, adapter, shelf, chosen, method=method, report=ignore_progress, watch=lambda _: None, cancel=CancelToken()
    )
    (case,) = adapter.requests[0].cases
    assert case.name == "2020-01-01, slices 9-10"
    whole = store.load_labels(usable.revision)
    assert np.array_equal(case.labels[:, :, 8:10], whole[:, :, 8:10])
    assert (np.delete(case.labels, [8, 9], axis=2) == IGNORE).all()


def test_the_last_visit_comes_with_the_mask_before_it_carried_over(
    store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf
) -> None:
    save(store, "A", 0, approved=True)
    save(store, "A", 2, approved=True)
    run(store, adapter, shelf, "A")
    first, last = adapter.requests[0].cases
    assert first.carried is None
    assert last.carried is not None and np.array_equal(last.carried, last.labels)  # the same head in the same place
    assert [case.name for case in (first, last)] == ["2020-01-01", "2020-03-01"]


def test_a_visit_before_surgery_is_handed_over_as_one(store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf) -> None:
    save(store, "A", 0, approved=True)
    save(store, "A", 1, approved=True)
    (first, second) = usable_revisions(store, "A")
    first = replace(first, timepoint=replace(first.timepoint, phase=TreatmentPhase.PRE_OPERATIVE))
    chosen = {"A": [first, second]}
    method = AdaptationMethod.LAST_LAYER
    adapt_patients(
        store, adapter, shelf, chosen, method=method, report=ignore_progress, watch=lambda _: None, cancel=CancelToken()
    )
    assert [case.operated for case in adapter.requests[0].cases] == [False, None]


def slow(monkeypatch: pytest.MonkeyPatch, seconds: float) -> list[float]:
    """Reading a visit takes so many seconds of the clock that is given back."""
    clock, read = [0.0], adapt_module.read_case

    def taking_long(*given: Any) -> Any:
        clock[0] += seconds
        return read(*given)

    monkeypatch.setattr(adapt_module, "read_case", taking_long)
    return clock


def test_where_reading_takes_long_the_oldest_visits_are_left_out_with_a_note(
    store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for order in range(3):
        save(store, "A", order, approved=True)
    clock = slow(monkeypatch, 20.0)
    done = run(store, adapter, shelf, "A", budget_s=100.0, now=lambda: clock[0])
    assert [case.name for case in adapter.requests[0].cases] == ["2020-02-01", "2020-03-01"]
    assert adapter.requests[0].budget_s == 60.0
    assert any("nothing was learnt from 2020-01-01" in message for message in done.outcome.messages)


def test_where_reading_takes_most_of_the_time_nothing_is_begun(
    store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for order in range(2):
        save(store, "A", order, approved=True)
    clock = slow(monkeypatch, 80.0)
    with pytest.raises(EnvironmentFailure, match="Allow more time"):
        run(store, adapter, shelf, "A", budget_s=100.0, now=lambda: clock[0])
    assert not adapter.requests


def test_scans_that_do_not_register_leave_the_third_column_out_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise UserError("The scans have nothing in common.")

    monkeypatch.setattr("glioma_annotator.imaging.registration.register", refuse)
    volume = Volume(head(T1GD, GRID), GRID)
    carried, note = carry(volume, volume, np.zeros(GRID.shape, np.uint8), GRID, "v0", CancelToken())
    assert carried is None and "nothing in common" in note


def test_several_patients_make_one_model_for_the_workspace(
    store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf
) -> None:
    save(store, "A", 0, approved=True)
    save(store, "B", 0, approved=True)
    done = run(store, adapter, shelf, "A", "B")
    request = adapter.requests[0]
    assert (done.patient, len(request.cases), len(request.holdout)) == ("", 1, 1)
    decide(shelf, done, use=True)
    assert shelf.current("A").model == done.name and not shelf.current("A").own


def test_of_several_patients_one_judges_from_whom_nothing_is_learnt(
    store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf
) -> None:
    save(store, "B", 0, approved=True)
    for order in range(3):
        save(store, "A", order, approved=True)
    done = run(store, adapter, shelf, "B", "A")
    request = adapter.requests[0]
    assert [case.name for case in request.cases] == ["B, 2020-01-01"]
    assert [case.name for case in request.holdout] == ["A, 2020-03-01"]  # A's earlier visits take no part
    assert request.holdout[0].carried is not None
    assert any(message.startswith("Only A judges") for message in done.outcome.messages)


def test_a_third_of_the_patients_judges() -> None:
    learnt, judging = divide({key: [f"{key}0", f"{key}1"] for key in "ABCDEF"} | {"G": []})
    assert learnt == [(key, key + number) for key in "ABCD" for number in "01"]
    assert judging == [("E", "E1"), ("F", "F1")]
    assert divide({"A": ["A0", "A1"], "B": []}) == ([("A", "A0"), ("A", "A1")], [])


def test_where_reading_takes_long_those_who_judge_and_one_visit_to_learn_from_are_read(
    store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for order in range(3):
        save(store, "A", order, approved=True)
    save(store, "B", 0, approved=True)
    clock = slow(monkeypatch, 20.0)
    run(store, adapter, shelf, "A", "B", budget_s=100.0, now=lambda: clock[0])
    request = adapter.requests[0]
    assert [case.name for case in (*request.cases, *request.holdout)] == ["A, 2020-03-01", "B, 2020-01-01"]


def test_full_is_given_approved_cases_of_others(store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf) -> None:
    save(store, "A", 0, approved=True)
    save(store, "B", 0, approved=True)
    run(store, adapter, shelf, "A", method=AdaptationMethod.FULL)
    run(store, adapter, shelf, "A", method=AdaptationMethod.LAST_LAYER)
    assert [len(request.replay) for request in adapter.requests] == [1, 0]


def test_an_accepted_candidate_becomes_current_only_when_it_is_used(
    store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf
) -> None:
    save(store, "A", 0, approved=True)
    done = run(store, adapter, shelf, "A")
    assert shelf.current("A").model == "base"
    assert shelf.find(done.name).place is ModelPlace.CANDIDATE
    decide(shelf, done, use=True)
    assert (shelf.current("A").model, shelf.find(done.name).place) == (done.name, ModelPlace.ADAPTED)


def test_keeping_the_old_model_drops_the_candidate(store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf) -> None:
    save(store, "A", 0, approved=True)
    done = run(store, adapter, shelf, "A")
    decide(shelf, done, use=False)
    assert shelf.current("A").model == "base" and done.name not in shelf.models


def test_a_refused_candidate_cannot_be_used(store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf) -> None:
    save(store, "A", 0, approved=True)
    done = run(store, replace(adapter, accepted=False), shelf, "A")
    with pytest.raises(UserError, match="did not pass: ET loses"):
        decide(shelf, done, use=True)
    assert shelf.current("A").model == "base"


def test_without_a_ticked_mask_nothing_starts(store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf) -> None:
    with pytest.raises(UserError, match="No corrected mask"):
        run(store, adapter, shelf, "A")


def test_cancelling_while_visits_are_read_leaves_everything(
    store: FakeStore, adapter: FakeAdapter, shelf: FakeShelf
) -> None:
    save(store, "A", 0, approved=True)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        run(store, adapter, shelf, "A", cancel=token)
    assert not adapter.requests


class _Writing(FakeAdapter):
    def adapt(self, wanted, folder, report, watch, cancel):  # type: ignore[no-untyped-def]
        folder.mkdir()
        (folder / "card.json").write_text("{}")
        return super().adapt(wanted, folder, report, watch, cancel)


@pytest.mark.parametrize(
    ("accepted", "keep", "there"), [(True, False, True), (False, False, False), (False, True, True)]
)
def test_a_new_model_folder_is_written_when_it_passed_or_is_kept(
    accepted: bool, keep: bool, there: bool, shelf: FakeShelf, tmp_path: Path
) -> None:
    adapter = _Writing(shelf, accepted)
    adapter.gate.set()
    _, written = adapt_to_folder(
        adapter, request(visit()), tmp_path / "new", keep=keep, report=ignore_progress, watch=lambda _: None,
        cancel=CancelToken(),
    )  # fmt: skip
    assert written is there
    assert [p.name for p in tmp_path.iterdir()] == (["new"] if there else [])


def test_a_folder_that_exists_is_never_overwritten(shelf: FakeShelf, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="already"):
        adapt_to_folder(
            FakeAdapter(shelf), request(visit()), tmp_path, keep=True, report=ignore_progress, watch=lambda _: None,
            cancel=CancelToken(),
        )  # fmt: skip


def test_a_failure_leaves_no_half_model(shelf: FakeShelf, tmp_path: Path) -> None:
    adapter = _Writing(shelf, failure=EnvironmentFailure("The disk is full."))
    with pytest.raises(EnvironmentFailure):
        adapt_to_folder(
            adapter, request(visit()), tmp_path / "new", keep=True, report=ignore_progress, watch=lambda _: None,
            cancel=CancelToken(),
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
