"""Labels that readers add to a study."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from glioma_annotator import app
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE, Label
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.workflow.difference import Difference
from glioma_annotator.workflow.export_study import export_patient
from glioma_annotator.workflow.proposal import Proposal
from glioma_annotator.workflow.study import OpenTimepoint, StudySession
from glioma_annotator.workflow.study_labels import (
    for_models,
    own_labels,
    study_scheme,
    with_changed_label,
    with_new_label,
    without_label,
)

SHAPE = (8, 8, 6)
GRID = Grid(SHAPE, np.eye(4))


class Study:
    """A real workspace with one visit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session = StudySession(app.open_store(path), app.make_segmenter(path), "Reader")
        if not self.session.patients():
            patient = self.session.store.add_patient("PAT-1")
            sequences = (Sequence("T1Gd", SequenceRole.T1GD, ""),)
            visit = Timepoint(patient.id or 0, "visit", 0, GRID, "T1Gd", sequences=sequences)
            self.session.store.add_timepoint(visit, {"T1Gd": Volume(np.ones(SHAPE, dtype=np.float32), GRID)})
        self.session.select_patient("PAT-1")

    def open(self) -> OpenTimepoint:
        (timepoint,) = self.session.timepoints()
        return self.session.show(self.session.load(timepoint, ignore_progress, CancelToken()))

    def add(self, name: str = "Blood") -> Label:
        scheme, label = with_new_label(self.session.store, name, "Haemorrhage", "#CC79A7", "Reader")
        self.session.use_scheme(scheme)
        return label

    def delete(self, value: int, open_visit: int | None = None) -> None:
        scheme = without_label(self.session.store, value, open_visit, "Reader", ignore_progress, CancelToken())
        self.session.use_scheme(scheme)

    def again(self) -> Study:
        self.session.store.close()
        return Study(self.path)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "workspace")


def paint(visit: OpenTimepoint, value: int) -> None:
    visit.editor.begin_stroke(Brush(2.0, 2), value)
    visit.editor.stroke_to((3, 3, 3))
    visit.editor.end_stroke()


def test_a_mask_in_the_built_in_labels_alone_takes_no_label_from_the_workspace(tmp_path: Path) -> None:
    study = Study(tmp_path / "w")
    blood = study.add()
    store, (visit,) = study.session.store, study.session.timepoints()
    store.add_revision(
        visit, np.ones(SHAPE, np.uint8), GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Reader"
    )
    assert own_labels(study_scheme(store)) == (blood,)


def test_a_label_is_there_after_saving_and_reopening(study: Study) -> None:
    label = study.add()
    assert label.value == 5 and label in study.session.scheme.labels
    visit = study.open()
    paint(visit, label.value)
    assert visit.editor.undo_name == "Brush Blood"
    visit.save()
    again = study.again()
    assert own_labels(again.session.scheme) == (label,)
    visit = again.open()
    assert visit.volumes_ml()["Blood"] > 0
    assert visit.revisions[-1].volumes_ml["Blood"] == pytest.approx(visit.volumes_ml()["Blood"])


def test_an_unused_label_is_there_after_reopening(study: Study) -> None:
    label = study.add()
    assert own_labels(study.again().session.scheme) == (label,)


def test_an_export_says_what_the_values_mean(study: Study, tmp_path: Path) -> None:
    label = study.add()
    paint(study.open(), label.value)
    study.session.open.save()  # type: ignore[union-attr]
    written = export_patient(study.session.store, "PAT-1", None, tmp_path / "out", ignore_progress, CancelToken())
    place = tmp_path / "out" / "PAT-1" / "visit"
    assert place / "labels.csv" in written
    with (place / "labels.csv").open(newline="") as file:
        rows = {row["value"]: row for row in csv.DictReader(file)}
    assert rows["5"] == {"value": "5", "name": "Blood", "title": "Haemorrhage", "colour": "#CC79A7"}
    assert (np.asarray(nib.load(place / "mask.nii.gz").dataobj) == 5).any()
    with (place / "volumes.csv").open(newline="") as file:
        assert {row["name"] for row in csv.DictReader(file)} >= {"ET", "Blood"}


@pytest.mark.parametrize("name", ["", "  ", "et", "WT", "tc", "a" * 17, "a\nb"])
def test_a_name_that_is_empty_taken_or_too_long_is_refused(study: Study, name: str) -> None:
    with pytest.raises(UserError):
        study.add(name)
    assert own_labels(study.session.scheme) == ()


def test_a_colour_that_is_none_is_refused(study: Study) -> None:
    with pytest.raises(UserError, match="#RRGGBB"):
        with_new_label(study.session.store, "Blood", "", "pink", "Reader")


def test_values_are_counted_on_and_a_gap_is_filled(study: Study) -> None:
    values = [study.add(f"L{n}").value for n in range(3)]
    assert values == [5, 6, 7]
    study.delete(6)
    assert study.add("again").value == 6


def test_a_label_can_be_renamed_until_a_revision_holds_it(study: Study) -> None:
    label = study.add()
    renamed = replace(label, name="Bleed", colour="#0072b2")
    study.session.use_scheme(with_changed_label(study.session.store, renamed, "Reader"))
    assert own_labels(study.again().session.scheme)[0] == replace(renamed, colour="#0072B2")


def test_the_name_stays_once_a_revision_holds_it_and_the_colour_can_be_changed(study: Study) -> None:
    label = study.add()
    paint(study.open(), label.value)
    study.session.open.save()  # type: ignore[union-attr]
    with pytest.raises(UserError, match="go by that name"):
        with_changed_label(study.session.store, replace(label, name="Bleed"), "Reader")
    changed = with_changed_label(study.session.store, replace(label, colour="#0072B2"), "Reader")
    assert changed.label(5) == replace(label, colour="#0072B2")


def test_a_label_that_a_revision_holds_is_not_deleted(study: Study) -> None:
    label = study.add()
    paint(study.open(), label.value)
    study.session.open.save()  # type: ignore[union-attr]
    with pytest.raises(UserError, match="saved revisions"):
        study.delete(label.value)


def test_a_label_in_an_unsaved_step_of_another_visit_is_not_deleted(study: Study) -> None:
    label = study.add()
    visit = study.open()
    paint(visit, label.value)
    visit.editor.undo()
    with pytest.raises(UserError, match="unsaved or undone"):
        study.delete(label.value)
    assert visit.editor.holds(label.value)  # it can be redone: what the window asks for the open visit


def test_a_built_in_label_is_neither_changed_nor_deleted(study: Study) -> None:
    with pytest.raises(UserError):
        study.delete(3)
    with pytest.raises(UserError):
        with_changed_label(study.session.store, GLIOMA_POST_TREATMENT.labels[0], "Reader")


def test_a_label_nobody_uses_is_deleted(study: Study) -> None:
    label = study.add()
    study.delete(label.value)
    assert own_labels(study.again().session.scheme) == ()


def test_a_stored_scheme_never_changes_the_built_in_labels(study: Study) -> None:
    odd = replace(GLIOMA_POST_TREATMENT, labels=(Label(3, "Odd", "Odd", "#000000"), Label(9, "ET", "x", "#000000")))
    study.session.store.schemes.keep(odd)
    assert study_scheme(study.session.store) == GLIOMA_POST_TREATMENT


def test_a_proposal_takes_nothing_from_a_label_that_its_model_has_no_name_for(study: Study) -> None:
    label = study.add()
    visit = study.open()
    paint(visit, label.value)
    painted = visit.editor.labels == label.value
    proposal = np.zeros(SHAPE, dtype=np.uint8)
    proposal[0, 0, 0] = proposal[3, 3, 3] = 3
    for values in (None, {3}, {3, label.value}):
        visit.show_proposal(Proposal(visit.id, proposal, "Model", "base@1", {"ET": 2.0, label.name: 0.0}))
        assert visit.spared == {label.value}
        difference = Difference(visit.editor.labels, proposal, visit.spared)
        assert not difference.removed.any() and not difference.added[3, 3, 3] and difference.added[0, 0, 0] == 3
        visit.accept_proposal(values)
        assert np.array_equal(visit.editor.labels == label.value, painted)
        assert visit.editor.labels[0, 0, 0] == 3
        visit.editor.undo()


def test_a_model_without_a_cavity_takes_none_from_the_reader(study: Study) -> None:
    visit = study.open()
    paint(visit, 4)
    painted = visit.editor.labels == 4
    proposal = np.full(SHAPE, 2, dtype=np.uint8)
    visit.show_proposal(Proposal(visit.id, proposal, "Bundle", "base@1", {"SNFH": 64.0}, unknown=frozenset({4})))
    visit.accept_proposal()
    assert np.array_equal(visit.editor.labels == 4, painted)
    assert (visit.editor.labels[~painted] == 2).all()


def test_a_prior_mask_that_knows_the_label_may_clear_it(study: Study) -> None:
    label = study.add()
    visit = study.open()
    paint(visit, label.value)
    proposal = np.zeros(SHAPE, dtype=np.uint8)
    proposal[0, 0, 0] = label.value
    visit.show_proposal(Proposal(visit.id, proposal, "mask.nii.gz", "", {label.name: 0.001}))
    assert not visit.spared
    visit.accept_proposal()
    assert np.array_equal(visit.editor.labels, proposal)


def test_models_learn_nothing_from_labels_they_do_not_know() -> None:
    labels = np.array([[[0, 1, 5, 255]]], dtype=np.uint8)
    assert for_models(labels).tolist() == [[[0, 1, IGNORE, IGNORE]]]
    known = np.array([[[0, 4]]], dtype=np.uint8)
    assert for_models(known) is known


def test_the_minutes_are_kept_with_the_revision(study: Study) -> None:
    visit = study.open()
    paint(visit, 3)
    visit.save(minutes={"brush": 2.5, "eraser": 0.25})
    (revision,) = study.again().open().revisions
    assert dict(revision.minutes) == {"brush": 2.5, "eraser": 0.25}
    assert revision.note == ""
