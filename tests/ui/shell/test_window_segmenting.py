"""Segment, watch, accept or reject; and a prior mask in place of a model."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.labels import BRATS_2021_TO_PROGRAM
from glioma_annotator.domain.measurement import label_volumes_ml
from glioma_annotator.errors import UserError
from glioma_annotator.ui.dialogs.mapping import MappingDialog
from glioma_annotator.workflow.proposal import Proposal
from glioma_annotator.workflow.study_labels import with_new_label

NETC, SNFH, ET, RC = 1, 2, 3, 4


def click(qtbot: QtBot, button: Any) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def segmented(qtbot: QtBot, bench: Any, visit: int = -1) -> Any:
    bench.segmenter.gate.set()
    window = bench.open_patient(qtbot, visit)
    click(qtbot, window.mask_panel.segment.segment)
    qtbot.waitUntil(lambda: window.study.visit.proposal is not None)
    return window


def test_a_running_segmentation_shows_progress_and_time_left(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    click(qtbot, window.mask_panel.segment.segment)
    bar = window.status.job_bar
    qtbot.waitUntil(lambda: bar.progress.value() == 50)
    assert bar.isVisible()
    assert bar.message.text() == "Segmenting 2019-10-21 follow-up: Patch 2 of 4"
    assert bar.time_left.text() == "7 s left"
    assert not window.mask_panel.segment.segment.isEnabled()
    bench.segmenter.gate.set()
    qtbot.waitUntil(lambda: window.study.visit.proposal is not None)
    assert not bar.isVisible()


def test_many_notes_on_a_proposal_are_folded_until_they_are_asked_for(qtbot: QtBot, bench: Any) -> None:
    bench.segmenter.messages = tuple(f"{number}.0 mL of SNFH were left out." for number in (5, 4, 3, 2, 1))
    box = segmented(qtbot, bench).mask_panel.proposal
    first = "5.0 mL of SNFH were left out.\n4.0 mL of SNFH were left out.\n3.0 mL of SNFH were left out."
    assert box.messages.text() == first
    assert box.more.isVisible() and box.more.text() == "2 more notes"
    click(qtbot, box.more)
    assert box.messages.text().splitlines() == list(bench.segmenter.messages)
    assert box.more.text() == "Fewer notes"
    click(qtbot, box.more)
    assert box.messages.text() == first


@pytest.mark.parametrize("count", [1, 4])
def test_few_notes_on_a_proposal_are_all_shown(qtbot: QtBot, bench: Any, count: int) -> None:
    bench.segmenter.messages = tuple(f"Note {number}." for number in range(count))
    box = segmented(qtbot, bench).mask_panel.proposal
    assert box.messages.text().splitlines() == list(bench.segmenter.messages)
    assert not box.more.isVisible()


def test_the_proposal_is_shown_beside_what_is_there(qtbot: QtBot, bench: Any) -> None:
    window = segmented(qtbot, bench)
    box = window.mask_panel.proposal
    assert box.isVisible() and not window.mask_panel.segment.isVisible()
    assert box.source.text() == "Base model on CPU, 1 s"
    assert box.messages.text() == "T1 is not used."
    assert box._figures[ET][1].text() == f"{56 * 0.216:.1f}"
    assert np.array_equal(window.view.proposal, window.study.visit.proposal.labels)  # on an empty mask


def test_accepting_all_is_one_undoable_step(qtbot: QtBot, bench: Any) -> None:
    window = segmented(qtbot, bench)
    click(qtbot, window.mask_panel.proposal.accept_all)
    labels = window.study.visit.editor.labels
    assert np.array_equal(labels, bench.segmenter.labels)
    assert window.view.proposal is None
    assert window.mask_panel.segment.isVisible()
    window.commands["edit.undo"].trigger()
    assert not labels.any()


def test_accepting_selected_labels_leaves_the_others(qtbot: QtBot, bench: Any) -> None:
    window = segmented(qtbot, bench)
    box = window.mask_panel.proposal
    for value in (SNFH, ET, RC):
        box.ticks[value].setChecked(False)
    click(qtbot, box.accept_some)
    assert set(np.unique(window.study.visit.editor.labels)) == {0, NETC}
    assert box.isVisible() and not box.accept_some.isEnabled(), "the others are still proposed, none is ticked"
    assert "still proposed" in window.status.notice.text()
    for value in (SNFH, ET, RC):
        box.ticks[value].setChecked(True)
    click(qtbot, box.accept_some)
    assert set(np.unique(window.study.visit.editor.labels)) > {0, NETC} and not box.isVisible()


def test_accepting_all_under_a_lock_says_what_stays_proposed(qtbot: QtBot, bench: Any) -> None:
    window = segmented(qtbot, bench)
    editor = window.study.visit.editor
    editor.set_locked(ET, True)
    click(qtbot, window.mask_panel.proposal.accept_all)
    assert set(np.unique(editor.labels)) == {0, NETC}
    kept = f"Locks or edit rules kept {56 * 0.216:.2f} mL as they were; they stay proposed."
    assert window.status.notice.text() == kept
    assert window.mask_panel.proposal.isVisible()
    editor.set_locked(ET, False)
    click(qtbot, window.mask_panel.proposal.accept_all)
    assert np.array_equal(editor.labels, bench.segmenter.labels)
    assert "undo takes it back" in window.status.notice.text() and not window.mask_panel.proposal.isVisible()


def test_a_label_that_was_added_has_its_row_in_a_proposal(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    session, visit, box = window.study.session, window.study.require_visit(), window.mask_panel.proposal
    scheme, label = with_new_label(session.store, "Blood", "Blood in the cavity", "#B04080", "Dr New")
    session.use_scheme(scheme)
    labels = np.where(bench.segmenter.labels > 0, np.uint8(label.value), np.uint8(ET))
    volumes = label_volumes_ml(labels, visit.timepoint.grid.voxel_volume_ml, scheme)
    visit.show_proposal(Proposal(visit.id, labels, "prior.nii.gz", "", volumes))
    assert [tick.text() for tick in box.ticks.values()] == [known.name for known in scheme.labels]
    assert all(tick.isVisible() for tick in box.ticks.values())
    for value, tick in box.ticks.items():
        tick.setChecked(value == label.value)
    click(qtbot, box.accept_some)
    assert np.array_equal(visit.editor.labels == label.value, labels == label.value)
    assert not (visit.editor.labels == ET).any()
    assert [tick.isChecked() for tick in box.ticks.values()].count(True) == 0
    visit.show_proposal(Proposal(visit.id, np.zeros_like(labels), "Model", "base@1", {}))
    assert not box.ticks[label.value].isVisible(), "a model that has no name for it leaves it alone"
    for value in (NETC, SNFH, ET, RC):
        box.ticks[value].setChecked(False)
    assert not box.accept_some.isEnabled()


def test_nothing_selected_cannot_be_accepted(qtbot: QtBot, bench: Any) -> None:
    box = segmented(qtbot, bench).mask_panel.proposal
    for tick in box.ticks.values():
        tick.setChecked(False)
    assert not box.accept_some.isEnabled()


def test_rejecting_changes_nothing(qtbot: QtBot, bench: Any) -> None:
    window = segmented(qtbot, bench)
    click(qtbot, window.mask_panel.proposal.reject)
    assert not window.study.visit.editor.labels.any()
    assert window.view.proposal is None


def test_cancelling_takes_less_than_a_second_and_changes_nothing(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    click(qtbot, window.mask_panel.segment.segment)
    qtbot.waitUntil(lambda: window.status.job_bar.progress.value() == 50)
    began = time.monotonic()
    click(qtbot, window.status.job_bar.cancel)
    qtbot.waitUntil(lambda: not window.workers.jobs)
    assert time.monotonic() - began < 1.0
    assert window.study.visit.proposal is None
    assert "cancelled" in window.status.notice.text()
    assert window.mask_panel.segment.segment.isEnabled()


def test_a_refusal_says_what_is_wrong_and_what_to_do(qtbot: QtBot, bench: Any) -> None:
    bench.segmenter.refusal = UserError("The model needs FLAIR, which this visit lacks.", "Choose another model.")
    window = bench.open_patient(qtbot)
    click(qtbot, window.mask_panel.segment.segment)
    qtbot.waitUntil(lambda: window.errors.dialog is not None)
    dialog = window.errors.dialog
    assert dialog.what.text() == "The model needs FLAIR, which this visit lacks."
    assert dialog.todo.text() == "Choose another model."
    assert not hasattr(dialog, "details")
    dialog.close()
    qtbot.waitUntil(lambda: window.errors.dialog is None)


def test_a_proposal_for_a_visit_that_was_left_waits_there(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    click(qtbot, window.mask_panel.segment.segment)
    click(qtbot, window.timeline.buttons[0])
    qtbot.waitUntil(lambda: window.study.visit.timepoint.key == "2019-01-14")
    bench.segmenter.gate.set()
    qtbot.waitUntil(lambda: "is ready" in window.status.notice.text())
    assert window.study.visit.proposal is None
    click(qtbot, window.timeline.buttons[2])
    qtbot.waitUntil(lambda: window.study.visit.timepoint.key == "2019-10-21")
    assert window.study.visit.proposal is not None


def test_a_proposal_that_is_not_decided_on_is_there_again_on_coming_back(qtbot: QtBot, bench: Any) -> None:
    window = segmented(qtbot, bench)
    proposal = window.study.visit.proposal
    last, other = window.study.timepoints()[-1], window.study.timepoints()[0]
    window.study.open_visit(other)
    qtbot.waitUntil(lambda: window.study.visit.id == other.id)
    assert window.study.visit.proposal is None
    window.study.open_visit(last)
    qtbot.waitUntil(lambda: window.study.visit.id == last.id)
    assert window.study.visit.proposal is proposal


def test_a_proposal_waits_though_its_patient_was_closed_meanwhile(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    own = window.study.visit.timepoint.key
    click(qtbot, window.mask_panel.segment.segment)
    window.study.open_patient("PAT-0043")
    qtbot.waitUntil(lambda: window.study.visit is not None)
    bench.segmenter.gate.set()
    qtbot.waitUntil(lambda: "is ready" in window.status.notice.text())
    assert window.status.notice.text().startswith("The proposal for PAT-0042, 2019-10-21 follow-up is ready")
    assert window.study.visit.proposal is None
    window.study.open_patient("PAT-0042", own)
    qtbot.waitUntil(lambda: window.study.visit is not None)
    assert np.array_equal(window.study.visit.proposal.labels, bench.segmenter.labels)


def test_opening_a_visit_does_not_wait_for_a_segmentation(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    click(qtbot, window.mask_panel.segment.segment)
    click(qtbot, window.timeline.buttons[1])
    qtbot.waitUntil(lambda: window.study.visit.timepoint.key == "2019-04-02")
    assert window.workers.computing.active


def write_mask(path: Path, labels: np.ndarray, grid: Any) -> Path:
    nib.Nifti1Image(labels.astype(np.uint8), grid.affine).to_filename(path)
    return path


def test_a_prior_mask_becomes_a_proposal(qtbot: QtBot, bench: Any, tmp_path: Path) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.visit
    labels = bench.segmenter.labels.copy()
    labels[20:22, 20:22, 20:22] = RC
    window.proposing.open_prior_mask(write_mask(tmp_path / "prior.nii.gz", labels, visit.timepoint.grid))
    qtbot.waitUntil(lambda: visit.proposal is not None)
    assert np.array_equal(visit.proposal.labels, labels)
    assert window.mask_panel.proposal.source.text() == "prior.nii.gz"


def test_a_prior_mask_with_the_values_of_brats_2021_is_asked_about(qtbot: QtBot, bench: Any, tmp_path: Path) -> None:
    window = bench.open_patient(qtbot)
    visit = window.study.visit
    labels = np.where(bench.segmenter.labels == ET, 4, bench.segmenter.labels)
    window.proposing.open_prior_mask(write_mask(tmp_path / "prior.nii.gz", labels, visit.timepoint.grid))
    qtbot.waitUntil(lambda: isinstance(window.dialogs.open, MappingDialog))
    dialog = window.dialogs.open
    assert dialog.mapping == {0: 0, 1: BRATS_2021_TO_PROGRAM[1], 4: BRATS_2021_TO_PROGRAM[4]}
    click(qtbot, dialog.ok)
    qtbot.waitUntil(lambda: visit.proposal is not None)
    assert np.array_equal(visit.proposal.labels, bench.segmenter.labels)


def test_a_proposal_in_other_slices_is_brought_into_view(qtbot: QtBot, bench: Any) -> None:
    bench.segmenter.gate.set()
    window = bench.open_patient(qtbot)
    proposed = bench.segmenter.labels > 0
    window.view.crosshair_index = (0, 0, 0)
    click(qtbot, window.mask_panel.segment.segment)
    qtbot.waitUntil(lambda: window.view.crosshair_index != (0, 0, 0))
    place = window.view.crosshair_index
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        assert place[axis] == int(np.count_nonzero(proposed, axis=other).argmax())


def test_a_proposal_that_is_seen_already_leaves_the_slices_where_they_are(qtbot: QtBot, bench: Any) -> None:
    bench.segmenter.gate.set()
    window = bench.open_patient(qtbot)
    here = tuple(int(v[0]) for v in np.nonzero(bench.segmenter.labels))
    window.view.crosshair_index = here
    click(qtbot, window.mask_panel.segment.segment)
    qtbot.waitUntil(lambda: window.study.visit.proposal is not None)
    QApplication.processEvents()
    assert window.view.crosshair_index == here
    window.view.crosshair_index = (0, 0, 0)  # the reader looks elsewhere
    click(qtbot, window.mask_panel.proposal.accept_all)
    window.study.undo()
    QApplication.processEvents()
    assert window.view.crosshair_index == (0, 0, 0)


def test_a_proposal_to_decide_on_does_not_lie_behind_another_panel(qtbot: QtBot, bench: Any) -> None:
    bench.segmenter.gate.set()
    window = bench.open_patient(qtbot)
    window.findings_dock.raise_()
    qtbot.waitUntil(lambda: window.mask_panel.visibleRegion().isEmpty())
    window.commands["segment.run"].trigger()
    qtbot.waitUntil(lambda: not window.mask_panel.proposal.visibleRegion().isEmpty())


def test_the_buttons_of_a_proposal_are_seen_on_the_smallest_screen(qtbot: QtBot, bench: Any) -> None:
    bench.segmenter.gate.set()
    window = bench.open_patient(qtbot)
    window.resize(1280, 720)
    window.commands["segment.run"].trigger()
    box = window.mask_panel.proposal
    buttons = (box.accept_all, box.accept_some, box.reject)
    qtbot.waitUntil(lambda: all(b.visibleRegion().boundingRect() == b.rect() for b in buttons))
