"""The open study: proposals, revisions, recovery."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping

import numpy as np
import pytest
from fakes import FakeStore
from phantoms import FLAIR, T1GD, T2, grid_of, head

from glioma_annotator.domain.edit_rules import EditArea
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, LabelScheme
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.patient import Timepoint, TreatmentPhase
from glioma_annotator.domain.revision import RevisionOrigin
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import Sequence, SequenceRole, Window
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.brush import Brush
from glioma_annotator.progress import CancelToken, Report, ignore_progress
from glioma_annotator.workflow.proposal import Proposal, merged
from glioma_annotator.workflow.study import OpenTimepoint, StudySession

GRID: Grid = grid_of(affine=np.diag([6.0, 6.0, 6.0, 1.0]))
CARD = ModelCard(
    name="glioma",
    title="A model",
    architecture="none",
    parameters={},
    channels=(T1GD, T2, FLAIR),
    scheme=GLIOMA_POST_TREATMENT,
    spacing_mm=(1.0, 1.0, 1.0),
    normalisation="z-score-brain",
    weights_sha256="0123456789abcdef",
)


class CubeSegmenter:
    """Proposes an oedema cube with an enhancing voxel; refuses without T1Gd.

    Attributes
    ----------
    operated: what it was last told.
    """

    operated: bool | None = None

    def models(self) -> tuple[ModelCard, ...]:
        return (CARD,)

    def check(self, model: str, roles: Collection[SequenceRole], scheme: LabelScheme) -> None:
        if T1GD not in roles:
            raise UserError("T1Gd is missing.", "Import it.")

    def segment(
        self,
        images: Mapping[SequenceRole, Volume],
        model: str,
        device: str,
        report: Report,
        cancel: CancelToken,
        *,
        operated: bool | None = None,
    ) -> SegmentationOutcome:
        self.operated = operated
        labels = np.zeros(GRID.shape, np.uint8)
        labels[10:14, 10:14, 10:14] = 2
        labels[12, 12, 12] = 3
        return SegmentationOutcome(labels, CARD, "CPU", 0.1, 1)


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore()
    patient = store.add_patient("PAT-1")
    assert patient.id is not None
    roles = (T1GD, T2, FLAIR)
    for order, key in enumerate(("day0000", "day0262")):
        sequences = tuple(Sequence(role.value, role, "") for role in roles)
        visit = Timepoint(patient.id, key, order, GRID, "T1Gd", day=order * 262, sequences=sequences)
        store.add_timepoint(visit, {role.value: Volume(head(role, GRID), GRID) for role in roles})
    return store


@pytest.fixture
def session(store: FakeStore) -> StudySession:
    return a_session(store)


def a_session(store: FakeStore) -> StudySession:
    session = StudySession(store, CubeSegmenter(), "reader")
    session.select_patient("PAT-1")
    return session


def open_visit(session: StudySession, key: str = "day0000") -> OpenTimepoint:
    return session.show(session.load(session.find_timepoint(key), ignore_progress, CancelToken()))


def propose(session: StudySession, visit: OpenTimepoint) -> Proposal:
    return session.propose(visit.timepoint, visit.images, "", "auto", ignore_progress, CancelToken())


def paint(visit: OpenTimepoint, value: int, point: tuple[float, float, float] = (5, 5, 5)) -> None:
    visit.editor.begin_stroke(Brush(13.0), value)
    visit.editor.stroke_to(point)
    visit.editor.end_stroke()


def test_a_proposal_changes_nothing_until_it_is_accepted(session: StudySession) -> None:
    visit = open_visit(session)
    visit.show_proposal(propose(session, visit))
    assert not visit.editor.labels.any()
    assert visit.accept_proposal()
    assert visit.volumes_ml()["ET"] == pytest.approx(0.216)
    assert visit.proposal is None
    visit.editor.undo()
    assert not visit.editor.labels.any()


@pytest.mark.parametrize("phase", list(TreatmentPhase))
def test_the_segmenter_is_told_what_the_phase_says_about_surgery(store: FakeStore, phase: TreatmentPhase) -> None:
    segmenter = CubeSegmenter()
    session = StudySession(store, segmenter, "reader")
    session.select_patient("PAT-1")
    visit = open_visit(session)
    timepoint = dataclasses.replace(visit.timepoint, phase=phase)
    session.propose(timepoint, visit.images, "", "auto", ignore_progress, CancelToken())
    known = {TreatmentPhase.PRE_OPERATIVE: False, TreatmentPhase.EARLY_POST_OPERATIVE: True}
    assert segmenter.operated is known.get(phase)


def test_a_rejected_proposal_leaves_the_mask(session: StudySession) -> None:
    visit = open_visit(session)
    paint(visit, 1)
    before = visit.editor.labels.copy()
    visit.show_proposal(propose(session, visit))
    visit.reject_proposal()
    assert np.array_equal(visit.editor.labels, before)


def test_accepting_one_label_leaves_the_others(session: StudySession) -> None:
    visit = open_visit(session)
    paint(visit, 1, (12, 12, 12))
    visit.show_proposal(propose(session, visit))
    visit.accept_proposal({3})
    values, counts = np.unique(visit.editor.labels, return_counts=True)
    assert set(values.tolist()) == {0, 1, 3}
    assert counts[values.tolist().index(3)] == 1
    assert visit.editor.undo_name == "Accept proposal (ET)"
    assert visit.proposal is not None, "the other labels are still to be decided on"
    visit.accept_proposal({1, 2})
    assert visit.proposal is None


def test_merging_replaces_a_label_where_the_proposal_moved_it() -> None:
    present = np.array([[[3, 3, 1, 0]]], np.uint8)
    proposal = np.array([[[0, 3, 3, 2]]], np.uint8)
    assert merged(present, proposal, {3}).ravel().tolist() == [0, 3, 3, 0]
    assert merged(present, proposal, None).ravel().tolist() == [0, 3, 3, 2]


def test_a_proposal_for_another_visit_is_refused(session: StudySession) -> None:
    visit = open_visit(session)
    proposal = propose(session, visit)
    other = open_visit(session, "day0262")
    with pytest.raises(UserError, match="another visit"):
        other.show_proposal(proposal)


def test_a_saved_revision_says_how_it_was_made(session: StudySession) -> None:
    visit = open_visit(session)
    visit.show_proposal(propose(session, visit))
    visit.accept_proposal()
    automatic = visit.save()
    assert automatic.origin is RevisionOrigin.AUTOMATIC
    assert automatic.model == CARD.identity
    paint(visit, 1)
    corrected = visit.save()
    assert corrected.origin is RevisionOrigin.SEMI_AUTOMATIC
    assert corrected.model == CARD.identity
    assert corrected.parent_id == automatic.id


def test_a_mask_painted_by_hand_is_manual(session: StudySession) -> None:
    visit = open_visit(session)
    paint(visit, 3)
    revision = visit.save()
    assert (revision.origin, revision.model, revision.author) == (RevisionOrigin.MANUAL, "", "reader")


def test_a_saved_mask_is_found_on_reopening(session: StudySession) -> None:
    visit = open_visit(session)
    paint(visit, 3)
    visit.save()
    again = open_visit(session)
    assert np.array_equal(again.editor.labels, visit.editor.labels)
    assert again.recovered_steps == 0
    assert not again.editor.unsaved


def test_unsaved_strokes_are_recovered_on_reopening(session: StudySession, store: FakeStore) -> None:
    visit = open_visit(session)
    paint(visit, 3)
    visit.save()
    paint(visit, 1, (15, 15, 15))
    paint(visit, 2, (20, 20, 20))
    visit.editor.undo()
    again = open_visit(a_session(store))
    assert again.recovered_steps == 3
    assert np.array_equal(again.editor.labels, visit.editor.labels)
    assert again.editor.unsaved
    assert again.editor.undo_name == "Brush NETC"


def test_steps_that_the_newest_revision_holds_already_are_dropped(session: StudySession, store: FakeStore) -> None:
    visit = open_visit(session)
    paint(visit, 3)
    store.add_revision(  # killed before the journal was restarted
        visit.timepoint, visit.editor.labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="reader"
    )
    again = open_visit(a_session(store))
    assert again.recovered_steps == 0
    assert again.parent_id is not None
    assert not again.editor.unsaved


def test_restoring_an_earlier_revision_is_one_undoable_step(session: StudySession) -> None:
    visit = open_visit(session)
    paint(visit, 3)
    first = visit.save()
    first_mask = visit.editor.labels.copy()
    paint(visit, 0, (5, 5, 5))
    visit.save()
    assert visit.restore(first)
    assert np.array_equal(visit.editor.labels, first_mask)
    visit.editor.undo()
    assert not visit.editor.labels.any()


def test_comparing_gives_added_and_removed_volume_per_label(session: StudySession) -> None:
    visit = open_visit(session)
    visit.show_proposal(propose(session, visit))
    visit.accept_proposal()
    revision = visit.save()
    labels = visit.editor.labels.copy()
    labels[12, 12, 12] = 1
    visit.editor.apply("relabel", labels)
    changes = {change.name: change for change in visit.compare(revision)}
    rows = {name: (change.added_ml, change.removed_ml) for name, change in changes.items()}
    assert rows["NETC"] == pytest.approx((0.216, 0))
    assert rows["ET"] == pytest.approx((0, 0.216))
    assert rows["SNFH"] == rows["WT"] == (0, 0)
    assert changes["WT"].dice == changes["SNFH"].dice == 1
    assert changes["ET"].dice == pytest.approx(2 * changes["ET"].after_ml / (2 * changes["ET"].after_ml + 0.216))
    assert all(change.dice == 1 for change in visit.compare(revision, revision))


def test_windows_are_remembered_per_sequence(session: StudySession) -> None:
    for sequence_id, window in open_visit(session).sequence_windows({"FLAIR": Window(5, 50)}).items():
        session.store.set_window(sequence_id, window)
    assert open_visit(session).windows["FLAIR"] == Window(5, 50)


def test_a_read_only_workspace_takes_no_edit_and_no_save() -> None:
    writable = FakeStore()
    patient = writable.add_patient("PAT-1")
    assert patient.id is not None
    sequence = Sequence("T1Gd", T1GD, "")
    writable.add_timepoint(
        Timepoint(patient.id, "day0000", 0, GRID, "T1Gd", sequences=(sequence,)),
        {"T1Gd": Volume(head(T1GD, GRID), GRID)},
    )
    writable._read_only = True
    visit = open_visit(a_session(writable))
    paint(visit, 3)
    assert not visit.editor.labels.any()
    with pytest.raises(UserError, match="reading only"):
        visit.save()


def test_an_unknown_patient_or_visit_is_named(session: StudySession) -> None:
    with pytest.raises(UserError, match="no patient PAT-9"):
        session.select_patient("PAT-9")
    with pytest.raises(UserError, match="no visit day0001"):
        session.find_timepoint("day0001")


def test_a_proposal_accepted_after_undoing_past_a_revision_is_recorded_as_the_models(session: StudySession) -> None:
    visit = open_visit(session)
    paint(visit, 3)
    visit.save()
    visit.editor.undo()
    visit.show_proposal(propose(session, visit))
    visit.accept_proposal()
    revision = visit.save()
    assert revision.model == CARD.identity
    assert revision.origin is RevisionOrigin.SEMI_AUTOMATIC


def test_undo_reaches_back_beyond_a_save_when_the_visit_is_opened_again(session: StudySession) -> None:
    visit = open_visit(session)
    paint(visit, 3)
    visit.save()
    again = open_visit(session)
    assert not again.editor.unsaved and again.recovered_steps == 0
    again.editor.undo()
    assert not again.editor.labels.any()
    assert again.editor.unsaved


def test_a_revision_made_elsewhere_is_opened_although_older_steps_could_be_undone(session: StudySession) -> None:
    visit = open_visit(session)
    paint(visit, 3)
    visit.save()
    other = np.full_like(visit.editor.labels, 2)
    session.store.add_revision(
        visit.timepoint, other, session.scheme, origin=RevisionOrigin.AUTOMATIC, author="model", parent_id=None
    )
    again = open_visit(session)
    assert np.array_equal(again.editor.labels, other)
    assert again.editor.undo_name is None


def killed_while_saving(store: FakeStore, visit: OpenTimepoint, work: Callable[[], None]) -> OpenTimepoint:
    """A revision is written while `work` goes on; the program ends before the journal starts from it; opened again."""
    saving = visit.begin_save()
    work()
    store.add_revision(
        visit.timepoint, saving.labels, saving.scheme, origin=saving.origin, author="reader", parent_id=saving.parent_id
    )
    return open_visit(a_session(store))


def test_steps_made_while_a_revision_was_written_open_on_that_revision(session: StudySession, store: FakeStore) -> None:
    visit = open_visit(session)
    paint(visit, 3)
    again = killed_while_saving(store, visit, lambda: paint(visit, 1, (15, 15, 15)))
    assert np.array_equal(again.editor.labels, visit.editor.labels)
    assert again.parent_id == again.revisions[-1].id
    assert again.recovered_steps == 1 and len(again.editor.unsaved_edits) == 1
    again.editor.undo()
    assert not again.editor.unsaved
    again.editor.undo()  # beyond the revision
    assert not again.editor.labels.any() and again.editor.unsaved
    third = open_visit(a_session(store))
    assert np.array_equal(third.editor.labels, again.editor.labels)


def test_undoing_beyond_a_revision_while_it_is_written_is_recovered(session: StudySession, store: FakeStore) -> None:
    visit = open_visit(session)
    paint(visit, 3)
    paint(visit, 1, (15, 15, 15))

    def undo_both() -> None:
        visit.editor.undo()
        visit.editor.undo()

    again = killed_while_saving(store, visit, undo_both)
    assert not again.editor.labels.any()
    assert again.parent_id == again.revisions[-1].id and again.editor.unsaved


@pytest.mark.parametrize("seed", range(12))
def test_any_course_of_steps_around_an_interrupted_save_is_recovered(
    seed: int, session: StudySession, store: FakeStore
) -> None:
    random = np.random.default_rng(seed)

    def work(visit: OpenTimepoint, steps: int) -> None:
        for _ in range(steps):
            what = random.integers(0, 4)
            if what < 2:
                voxels = np.unique(random.integers(0, visit.editor.labels.size, 9))
                visit.editor.set_voxels("Brush", voxels, int(random.integers(0, 5)))
            else:
                visit.editor.undo() if what == 2 else visit.editor.redo()

    visit = open_visit(session)
    for _ in range(3):
        work(visit, int(random.integers(1, 8)))
        open_before = visit
        visit = killed_while_saving(store, visit, lambda v=visit: work(v, int(random.integers(0, 8))))  # type: ignore[misc]
        assert np.array_equal(visit.editor.labels, open_before.editor.labels)
        assert visit.parent_id == visit.revisions[-1].id
        work(visit, 3)
        again = open_visit(a_session(store))
        assert np.array_equal(again.editor.labels, visit.editor.labels)
        visit = again
        if random.random() < 0.5:
            visit.save()
            assert not open_visit(a_session(store)).editor.unsaved


def test_a_mask_painted_in_place_of_an_automatic_one_is_not_automatic_after_a_restart(
    session: StudySession, store: FakeStore
) -> None:
    visit = open_visit(session)
    visit.show_proposal(propose(session, visit))
    visit.accept_proposal()
    visit.save()
    visit.editor.undo()
    paint(visit, 1)
    again = open_visit(a_session(store))
    assert again.save().origin is RevisionOrigin.SEMI_AUTOMATIC


def test_what_a_lock_keeps_from_a_proposal_stays_proposed(session: StudySession) -> None:
    visit = open_visit(session)
    visit.editor.set_locked(3, True)
    visit.show_proposal(propose(session, visit))
    assert visit.accept_proposal()
    assert visit.proposal is not None
    assert visit.still_proposed_ml() == visit.still_proposed_ml({3}) == pytest.approx(0.216)
    assert visit.still_proposed_ml({2}) == 0
    visit.editor.set_locked(3, False)
    assert visit.accept_proposal()
    assert visit.proposal is None and visit.still_proposed_ml() == 0


def test_a_proposal_that_lies_outside_the_area_stays(session: StudySession) -> None:
    visit = open_visit(session)
    visit.editor.set_inside(EditArea("the box", np.zeros(GRID.shape, dtype=np.bool_)))
    visit.show_proposal(propose(session, visit))
    assert not visit.accept_proposal()
    assert visit.proposal is not None
