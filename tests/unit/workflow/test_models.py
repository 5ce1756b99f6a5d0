"""Choosing and removing models, with the masks made with them in mind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_models import BASE, FakeShelf
from fakes import FakeStore
from phantoms import T1GD, head

from glioma_annotator.domain.editing import JournalAction, JournalEntry, edit_from_indices
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.sequences import Sequence
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.workflow.models import delete_model, masks_made_with, model_rows, titles_of, use_model

GRID = Grid((20, 22, 18), np.diag([8.0, 8.0, 8.0, 1.0]))


@pytest.fixture
def shelf() -> FakeShelf:
    made = FakeShelf()
    made.bring(Path("own"))
    return made


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    patient = made.add_patient("A")
    visit = Timepoint(patient.id or 0, "v0", 0, GRID, "T1Gd", sequences=(Sequence("T1Gd", T1GD, ""),))
    made.add_timepoint(visit, {"T1Gd": Volume(head(T1GD, GRID), GRID)})
    return made


def segment_with(store: FakeStore, shelf: FakeShelf, name: str) -> None:
    labels = np.zeros(GRID.shape, np.uint8)
    identity = shelf.find(name).card.identity
    store.add_revision(
        store.timepoints(1)[0],
        labels,
        GLIOMA_POST_TREATMENT,
        origin=RevisionOrigin.AUTOMATIC,
        author="x",
        model=identity,
    )


def test_rows_say_for_whom_a_model_is_current(shelf: FakeShelf, store: FakeStore) -> None:
    use_model(shelf, store, "own", "A")
    rows = {row.model.card.name: row.current_for for row in model_rows(shelf, store)}
    assert rows == {"base": ("",), "own": ("A",)}


def test_rows_tell_method_and_scores_from_the_card(shelf: FakeShelf, store: FakeStore) -> None:
    model = shelf.find("own")
    training = {"method": "norm", "visits": ["a", "b"], "created_utc": "2026-11-20T10:00:00+00:00"}
    scores = {"held_out": {"mean_dice": 0.8, "mean_dice_before": 0.7}}
    shelf.models["own"] = replace(model, card=replace(model.card, training=training, scores=scores))
    row = model_rows(shelf, store)[1]
    assert (row.method, row.data, row.created[:10], row.before, row.dice) == ("norm", "a, b", "2026-11-20", 0.7, 0.8)


@pytest.mark.parametrize(
    "held", ["good", ["0.8"], {"mean_dice": "0.8", "mean_dice_before": [0.7]}, {"mean_dice": 10**400}, None]
)
def test_scores_that_are_no_numbers_are_no_scores(held: object, shelf: FakeShelf, store: FakeStore) -> None:
    model = shelf.find("own")
    shelf.models["own"] = replace(model, card=replace(model.card, scores={"held_out": held}))
    row = model_rows(shelf, store)[1]
    assert (row.dice, row.before, row.advice) == (None, None, "")


def test_rows_tell_whom_a_model_was_made_for_though_it_is_current_for_nobody(
    shelf: FakeShelf, store: FakeStore
) -> None:
    model = shelf.find("own")
    shelf.models["own"] = replace(model, card=replace(model.card, parent="base", patient="A"))
    shelf.models["site"] = replace(model, card=replace(model.card, name="site", parent="base"))
    assert [row.made_for for row in model_rows(shelf, store)] == ["", "A", "several patients"]


def test_a_model_that_made_a_mask_is_not_deleted(shelf: FakeShelf, store: FakeStore) -> None:
    segment_with(store, shelf, "own")
    assert masks_made_with(store, shelf.find("own")) == 1
    with pytest.raises(UserError, match="1 mask was made with the model “own”"):
        delete_model(shelf, store, "own")
    assert "own" in shelf.models


def test_a_model_that_made_no_mask_can_be_deleted(shelf: FakeShelf, store: FakeStore) -> None:
    delete_model(shelf, store, "own")
    assert "own" not in shelf.models


def test_a_model_is_not_made_current_for_an_unknown_patient(shelf: FakeShelf, store: FakeStore) -> None:
    with pytest.raises(UserError, match="no patient Z"):
        use_model(shelf, store, "own", "Z")


def test_a_model_whose_proposal_is_in_unsaved_steps_is_not_deleted(shelf: FakeShelf, store: FakeStore) -> None:
    identity, journal = shelf.find("own").card.identity, store.journal(1)
    edit = edit_from_indices("Accept", GRID.shape, np.array([5]), np.array([0], np.uint8), np.array([3], np.uint8))
    assert edit is not None
    journal.append(JournalEntry(JournalAction.EDIT, replace(edit, model=identity)))
    with pytest.raises(UserError, match="The mask of A, v0 has unsaved steps that the model “own” proposed"):
        delete_model(shelf, store, "own")
    assert "own" in shelf.models
    journal.restart(None)
    delete_model(shelf, store, "own")
    assert "own" not in shelf.models


def test_models_that_share_a_title_are_told_apart_by_name() -> None:
    cards = [
        replace(BASE, name="a", title="Same"),
        replace(BASE, name="b", title=""),
        replace(BASE, name="c", title="Same"),
    ]
    assert titles_of(cards) == ["Same (a)", "b", "Same (c)"]
