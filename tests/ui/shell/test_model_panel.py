"""The Model panel and the models page, by clicks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from fake_models import BASE, CHANNELS, FakeAdapter, FakeShelf, outcome_of
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtWidgets import QHeaderView, QLabel, QPushButton
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from glioma_annotator.domain.adaptation import AdaptationMethod, CurvePoint
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.model_shelf import ModelPlace, ShelvedModel
from glioma_annotator.domain.revision import RevisionStatus
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.progress import CancelToken
from glioma_annotator.ui.dialogs.models_page import ModelsPage
from glioma_annotator.ui.panels.adapting import AdaptPanel
from glioma_annotator.ui.panels.curves import TrainingCurve
from glioma_annotator.ui.panels.verdict import CarryAdvice, VerdictView
from glioma_annotator.ui.viewer.types import Layout
from glioma_annotator.ui.window import MainWindow

PATIENT = "PAT-0042"


@dataclass
class Scene:
    window: MainWindow
    shelf: FakeShelf
    adapter: FakeAdapter
    panel: AdaptPanel
    qtbot: QtBot

    def click(self, button: QPushButton) -> None:
        self.qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    def wait(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition)

    def settle(self) -> None:
        self.wait(lambda: not self.window.workers.jobs)

    def finish(self) -> None:
        """Let the running adaptation end."""
        self.adapter.gate.set()
        self.wait(lambda: not self.window.adapting.running)
        self.settle()


@pytest.fixture
def scene(bench, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:  # type: ignore[no-untyped-def]
    shelf = FakeShelf()
    adapter = FakeAdapter(shelf)
    window = bench.open_window(make_shelf=lambda _store: shelf, make_adapter=lambda _shelf: adapter)
    window.study.open_patient(PATIENT)
    qtbot.waitUntil(lambda: window.study.visit is not None and not window.workers.jobs)
    window.commands["model.adapt"].trigger()
    panel = window.model_dock.widget()
    assert isinstance(panel, AdaptPanel)
    yield Scene(window, shelf, adapter, panel, qtbot)
    adapter.gate.set()


def test_approved_masks_are_ticked_and_the_plan_is_in_words(scene: Scene) -> None:
    texts = [scene.panel.visits.item(n).text() for n in range(scene.panel.visits.count())]
    assert len(texts) == 2 and "approved" in texts[0] and "draft" in texts[1]
    assert [scene.panel.visits.item(n).checkState() for n in range(2)] == [
        Qt.CheckState.Checked,
        Qt.CheckState.Unchecked,
    ]
    assert scene.panel.plan.text() == "Plan: auto, 1 visits, about 40 s."
    assert "workspace's default" in scene.panel.current.text()
    assert scene.panel.adapt.isEnabled()


def test_slices_that_were_reviewed_are_written_beside_their_mask(scene: Scene) -> None:
    panel = scene.panel
    panel.visits.setCurrentRow(0)
    panel.slices.setFocus()
    scene.qtbot.keyClicks(panel.slices, "2-4, 6")
    scene.qtbot.keyClick(panel.slices, Qt.Key.Key_Return)
    assert panel.visits.item(0).text().endswith("approved, 2-4, 6")
    assert [u.slices for u in panel.chosen()[PATIENT]] == [((2, 4), (6, 6))]
    panel.visits.setCurrentRow(1)
    assert panel.slices.text() == ""
    panel.visits.setCurrentRow(0)
    assert panel.slices.text() == "2-4, 6"
    panel.slices.setText("9999")
    scene.qtbot.keyClick(panel.slices, Qt.Key.Key_Return)
    assert panel.fault.isVisible() and "There are no slices 9999" in panel.fault.text()
    assert [u.slices for u in panel.chosen()[PATIENT]] == [((2, 4), (6, 6))]


def test_without_a_tick_the_button_is_off_and_says_why(scene: Scene) -> None:
    scene.panel.visits.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert not scene.panel.adapt.isEnabled()
    assert "Tick at least one" in scene.panel.plan.text()


def test_one_click_runs_the_job_and_shows_its_curve_and_progress(scene: Scene) -> None:
    scene.click(scene.panel.adapt)
    scene.wait(lambda: len(scene.window.adapting.curve) == 2)
    assert scene.panel.running.isVisible() and not scene.panel.choices.isVisible()
    scene.wait(lambda: scene.panel.progress.value() > 0)
    assert "last-layer" in scene.panel.stage.text()
    assert scene.panel.left.text().endswith("left")
    scene.finish()
    assert scene.panel.result.isVisible()


def test_a_better_model_is_used_for_this_patient(scene: Scene) -> None:
    scene.click(scene.panel.adapt)
    scene.finish()
    assert scene.panel.use.text() == f"Use for {PATIENT}" and scene.panel.use.isEnabled()
    scene.click(scene.panel.use)
    scene.settle()
    current = scene.shelf.current(PATIENT)
    assert current.own and current.model != "base"
    assert scene.panel.choices.isVisible()
    assert "this patient's own" in scene.panel.current.text()


def test_keeping_the_old_one_drops_the_candidate(scene: Scene) -> None:
    scene.click(scene.panel.adapt)
    scene.finish()
    scene.click(scene.panel.keep)
    scene.settle()
    assert list(scene.shelf.models) == ["base"]
    assert scene.shelf.current(PATIENT).model == "base"


def test_a_model_that_is_no_better_is_not_offered_and_the_panel_says_why(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.adapter.accepted = False
    scene.click(scene.panel.adapt)
    scene.finish()
    assert not scene.panel.use.isEnabled() and not scene.panel.use.isVisible()
    assert scene.panel.keep.isVisible()
    shown = [label.text() for label in scene.panel.verdict.findChildren(type(scene.panel.stage))]
    assert "Not better: not offered" in shown and "ET loses." in shown
    assert "not better: see" in scene.window.status.notice.text()
    assert {"0.700", "0.500", "0.400"} <= set(shown)

    def fail(_name: str) -> None:
        raise EnvironmentFailure("The disk is full.")

    monkeypatch.setattr(scene.shelf, "delete", fail)
    with pytest.raises(EnvironmentFailure):
        scene.window.adapting.keep_old()
    assert scene.panel.choices.isVisible() and not scene.panel.result.isVisible(), "its files may stay, the panel not"


def test_a_model_that_gains_but_forgets_is_called_neither_better_nor_worse(scene: Scene) -> None:
    found = outcome_of(BASE)
    words = "Lesions painted into this brain: ET is found less well, Dice 0.800 before, 0.400 after."
    view = scene.panel.verdict
    view.show_outcome(replace(found, verdict=replace(found.verdict, accepted=False, reasons=(words,))))
    shown = [label.text() for label in view.findChildren(type(scene.panel.stage))]
    assert "Better in part: not offered" in shown and words in shown


def test_a_cancelled_adaptation_leaves_the_panel_at_once_though_what_is_computed_cannot_stop(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while torch is being loaded. What it makes in the end is dropped."""
    monkeypatch.setattr(CancelToken, "raise_if_cancelled", lambda _token: None)
    scene.click(scene.panel.adapt)
    scene.wait(lambda: len(scene.window.adapting.curve) == 2)
    scene.click(scene.panel.cancel)
    assert not scene.window.adapting.running and scene.window.workers.jobs
    assert scene.panel.choices.isVisible() and not scene.panel.curve.isVisible()
    assert "cancelled" in scene.window.status.notice.text()
    scene.adapter.gate.set()
    scene.settle()
    assert scene.adapter.requests and list(scene.shelf.models) == ["base"]
    assert scene.window.adapting.result is None and scene.panel.choices.isVisible()


def test_an_adaptation_begun_after_a_cancelled_one_keeps_its_own_curve_and_result(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.click(scene.panel.adapt)
    scene.wait(lambda: len(scene.window.adapting.curve) == 2)
    scene.click(scene.panel.cancel)
    scene.click(scene.panel.adapt)
    assert scene.window.adapting.running
    scene.wait(lambda: len(scene.window.adapting.curve) == 2)
    scene.finish()
    assert len(scene.adapter.requests) == 2 and scene.panel.result.isVisible()
    assert len(scene.shelf.models) == 2


def test_an_adaptation_that_fails_after_it_was_cancelled_opens_no_error(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[BaseException] = []
    scene.window.study.failed.connect(told.append)
    began, go = threading.Event(), threading.Event()

    def fail(*_arguments: object) -> None:
        began.set()
        go.wait()
        raise EnvironmentFailure("The disk is full.")

    monkeypatch.setattr(scene.adapter, "adapt", fail)
    for cancel in (scene.panel.cancel, scene.window.status.job_bar.cancel):
        began.clear()
        go.clear()
        scene.click(scene.panel.adapt)
        assert began.wait(20)
        scene.wait(lambda cancel=cancel: cancel.isEnabled() and cancel.isVisible())
        scene.click(cancel)
        go.set()
        scene.settle()
        assert told == [] and not scene.window.adapting.running and scene.panel.choices.isVisible()


def test_cancelling_leaves_the_current_model(scene: Scene) -> None:
    scene.click(scene.panel.adapt)
    scene.wait(lambda: scene.window.adapting.running)
    scene.click(scene.panel.cancel)
    scene.wait(lambda: not scene.window.adapting.running)
    assert scene.panel.choices.isVisible() and list(scene.shelf.models) == ["base"]
    assert "cancelled" in scene.window.status.notice.text()


def test_a_failure_is_told_and_the_current_model_stays(scene: Scene) -> None:
    scene.adapter.failure = EnvironmentFailure("The disk is full.", "Make room.")
    scene.click(scene.panel.adapt)
    scene.wait(lambda: scene.window.errors.dialog is not None)
    dialog = scene.window.errors.dialog
    assert dialog is not None and "The disk is full." in dialog.what.text()
    dialog.close()
    scene.wait(lambda: scene.window.errors.dialog is None)
    assert scene.panel.choices.isVisible()
    assert scene.shelf.current(PATIENT).model == "base"


def test_a_result_waits_while_another_patient_is_open_and_names_its_own(scene: Scene) -> None:
    scene.click(scene.panel.adapt)
    scene.wait(lambda: scene.window.adapting.running)
    scene.window.study.open_patient("PAT-0043")
    scene.finish()
    assert scene.panel.use.text() == f"Use for {PATIENT}"
    scene.click(scene.panel.use)
    scene.settle()
    assert scene.shelf.current(PATIENT).own and not scene.shelf.current("PAT-0043").own


def test_a_model_for_every_patient_becomes_the_workspaces(scene: Scene) -> None:
    scene.panel.whom.setCurrentIndex(1)
    scene.panel.whom.activated.emit(1)
    scene.settle()
    assert scene.panel.adapt.text() == "Adapt to these patients"
    scene.click(scene.panel.adapt)
    scene.finish()
    scene.click(scene.panel.use)
    scene.settle()
    assert scene.shelf.current(PATIENT).model != "base" or scene.shelf.choices


def test_approving_a_mask_ticks_it(scene: Scene) -> None:
    visit = scene.window.study.timepoints()[1]
    store = scene.window.study.require_session().store
    store.set_status(store.revisions(visit.id or 0)[0].id or 0, RevisionStatus.APPROVED)
    scene.window.study.patient_changed.emit()
    scene.settle()
    assert scene.panel.visits.item(1).checkState() is Qt.CheckState.Checked


def test_a_choice_that_needs_mending_is_told(scene: Scene) -> None:
    scene.shelf.told = ("The model “x” is not there.",)
    scene.window.adapting.read()
    scene.settle()
    assert scene.panel.problem.isVisible() and "“x”" in scene.panel.problem.text()


# the models page


@pytest.fixture
def page(scene: Scene) -> ModelsPage:
    scene.shelf.bring(Path("other"))
    scene.window.adapting.models_changed()
    scene.settle()
    scene.window.commands["model.page"].trigger()
    opened = scene.window.dialogs.open
    assert isinstance(opened, ModelsPage)
    return opened


def pick(page: ModelsPage, *names: str) -> None:
    page.table.clearSelection()
    page.table.setSelectionMode(page.table.SelectionMode.MultiSelection)
    for place, row in enumerate(page._adapting.models.rows):
        if row.model.card.name in names:
            page.table.selectRow(place)


def test_the_page_lists_models_and_what_can_be_done(scene: Scene, page: ModelsPage) -> None:
    assert [page.table.item(n, 0).text() for n in range(2)] == ["Base model", "other"]
    modes = [page.table.horizontalHeader().sectionResizeMode(n) for n in range(page.table.columnCount())]
    assert QHeaderView.ResizeMode.ResizeToContents not in modes  # measured for every cell: seconds with sixty models
    pick(page, "base")
    assert page.buttons["use"].isEnabled() and page.buttons["export"].isEnabled()
    assert not page.buttons["delete"].isEnabled()  # shipped
    pick(page, "other")
    assert page.buttons["delete"].isEnabled() and page.buttons["rename"].isEnabled()


def test_using_and_rolling_back_from_the_page(scene: Scene, page: ModelsPage) -> None:
    pick(page, "other")
    scene.click(page.buttons["use"])
    scene.settle()
    assert scene.shelf.current(PATIENT).model == "other"
    assert scene.window.proposing.model != ""
    scene.shelf.choices[PATIENT].append("base")
    scene.click(page.buttons["rollback"])
    scene.settle()
    assert scene.shelf.current(PATIENT).model == "base"


def test_the_page_is_about_the_open_patient_while_a_model_is_made_for_all(scene: Scene, page: ModelsPage) -> None:
    pick(page, "other")
    scene.click(page.buttons["use"])
    scene.settle()
    scene.panel.whom.setCurrentIndex(1)
    scene.panel.whom.activated.emit(1)
    scene.settle()
    assert scene.panel.current.text().endswith("the workspace's default")
    assert page.told.text() == f"{PATIENT} uses “other”, its own model."
    assert page.buttons["rollback"].isEnabled()


def test_archiving_takes_a_model_out_of_the_choices(scene: Scene, page: ModelsPage) -> None:
    pick(page, "other")
    scene.click(page.buttons["archive"])
    scene.settle()
    offered = [scene.panel.model.itemData(n) for n in range(scene.panel.model.count())]
    assert offered == ["base"]


def test_exporting_and_importing_run_on_a_worker(scene: Scene, page: ModelsPage, tmp_path: Path) -> None:
    page.export_to("other", tmp_path / "other.zip")
    scene.wait(lambda: (tmp_path / "other.zip").exists())
    page.import_from(tmp_path / "third.zip")
    scene.wait(lambda: "third" in scene.shelf.models)
    scene.settle()
    assert page.table.rowCount() == 3


def test_two_models_are_compared_on_the_open_visit(
    scene: Scene,
    page: ModelsPage,
    bench,
    qtbot: QtBot,  # type: ignore[no-untyped-def]
) -> None:
    bench.segmenter.gate.set()
    pick(page, "base", "other")
    assert page.buttons["compare"].isEnabled()
    scene.click(page.buttons["compare"])
    from glioma_annotator.ui.dialogs.models_page import ModelComparison

    qtbot.waitUntil(lambda: bool(page.findChildren(ModelComparison)))
    dialog = page.findChildren(ModelComparison)[0]
    assert dialog.cells["ET", "A with B"] == "1.000"
    dialog.close()


def test_a_comparison_is_shown_though_the_page_was_closed_meanwhile(
    scene: Scene,
    page: ModelsPage,
    bench,
    qtbot: QtBot,  # type: ignore[no-untyped-def]
) -> None:
    from glioma_annotator.ui.dialogs.models_page import ModelComparison

    bench.segmenter.gate.clear()
    pick(page, "base", "other")
    scene.click(page.buttons["compare"])
    page.close()
    qtbot.waitUntil(lambda: not isValid(page))
    bench.segmenter.gate.set()
    qtbot.waitUntil(lambda: bool(scene.window.findChildren(ModelComparison)))
    scene.window.findChildren(ModelComparison)[0].close()


def test_an_earlier_mask_carried_over_is_a_third_column_and_a_picture(qtbot: QtBot) -> None:
    view = VerdictView(GLIOMA_POST_TREATMENT)
    qtbot.addWidget(view)
    outcome = outcome_of(BASE)
    assert outcome.worst is not None

    def pictures() -> list[str]:
        return [label.accessibleName().partition(": ")[2] for label in view.findChildren(QLabel) if label.pixmap()]

    view.show_outcome(outcome)
    assert pictures() == ["Your mask", "Before", "After"]
    view.show_outcome(None)
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    view.show_outcome(replace(outcome, worst=replace(outcome.worst, carried=outcome.worst.before)))
    assert pictures() == ["Your mask", "Before", "After", "Carried over"]
    assert {"Carried", "0.400"} <= {label.text() for label in view.findChildren(QLabel)}


def test_the_advice_to_carry_the_mask_over_shows_the_visit_before_beside_this_one(scene: Scene) -> None:
    panel, found = scene.panel, outcome_of(BASE)
    panel.verdict.show_outcome(found)
    assert not panel.verdict.findChildren(CarryAdvice)
    panel.verdict.show_outcome(replace(found, verdict=replace(found.verdict, carried=0.95)))
    (advice,) = panel.verdict.findChildren(CarryAdvice)
    assert "Better: ready to be used" in [label.text() for label in panel.verdict.findChildren(QLabel)]
    assert "0.950 against 0.900" in advice.text.text()
    scene.click(advice.button)
    assert scene.window.view.layout_name == Layout.TIMEPOINTS.value
    scene.wait(lambda: scene.window.visits_bar.carry.isVisible())


def test_the_patient_s_current_model_tells_where_the_mask_carried_over_fitted_better(scene: Scene) -> None:
    assert not scene.panel.carry.isVisible()
    scores = {"held_out": {"mean_dice": 0.44, "mean_dice_carried": 0.6}}
    own = replace(BASE, name="own", scores=scores, parent="base", patient=PATIENT)
    scene.shelf.models["own"] = ShelvedModel(own, Path("own"), ModelPlace.ADAPTED, 1000)
    scene.shelf.set_current(PATIENT, "own")
    scene.window.adapting.models_changed()
    scene.settle()
    assert scene.panel.carry.isVisible() and "0.600 against 0.440" in scene.panel.carry.text.text()
    scene.shelf.set_current(PATIENT, "base")
    scene.window.adapting.models_changed()
    scene.settle()
    assert not scene.panel.carry.isVisible()


def test_the_curve_draws_every_method_beside_the_others(qtbot: QtBot) -> None:
    curve = TrainingCurve()
    qtbot.addWidget(curve)
    curve.resize(300, 130)
    first = [CurvePoint(AdaptationMethod.LAST_LAYER, n, 1.0, 0.5 if n % 5 == 0 else None) for n in range(30)]
    curve.show_points(first)
    one = curve.grab().toImage()
    curve.add(CurvePoint(AdaptationMethod.FULL, 1, 0.4, 0.9))
    assert curve.grab().toImage() != one
    curve.show_points([])
    assert curve.grab().toImage() != one


def test_slices_count_though_only_the_button_was_clicked_after_them(scene: Scene) -> None:
    panel = scene.panel
    panel.visits.setCurrentRow(0)
    panel.slices.setFocus()
    scene.qtbot.keyClicks(panel.slices, "2-4")
    scene.click(panel.adapt)
    scene.finish()
    assert scene.adapter.requests[0].cases[0].name.endswith("slices 2-4")


def test_slices_that_cannot_be_read_start_nothing(scene: Scene) -> None:
    panel = scene.panel
    panel.visits.setCurrentRow(0)
    panel.slices.setFocus()
    scene.qtbot.keyClicks(panel.slices, "9999")
    scene.click(panel.adapt)
    assert not scene.window.adapting.running
    assert panel.fault.isVisible() and "There are no slices 9999" in panel.fault.text()


def test_slices_count_though_another_mask_is_selected_right_after_them(scene: Scene) -> None:
    panel = scene.panel
    panel.visits.setCurrentRow(0)
    panel.slices.setFocus()
    scene.qtbot.keyClicks(panel.slices, "2-4")
    panel.visits.setCurrentRow(1)
    assert panel.slices.text() == ""
    assert [u.slices for u in panel.chosen()[PATIENT]] == [((2, 4),)]
    scene.qtbot.keyClicks(panel.slices, "9999")
    panel.visits.setCurrentRow(0)
    assert panel.slices.text() == "2-4"
    assert panel.fault.isVisible() and "There are no slices 9999" in panel.fault.text()


def test_ticks_stay_as_they_were_set_after_a_candidate_was_dropped(scene: Scene) -> None:
    panel = scene.panel
    panel.visits.item(0).setCheckState(Qt.CheckState.Unchecked)
    panel.visits.item(1).setCheckState(Qt.CheckState.Checked)
    scene.click(panel.adapt)
    scene.finish()
    scene.click(panel.keep)
    scene.settle()
    assert [panel.visits.item(n).checkState() for n in range(2)] == [Qt.CheckState.Unchecked, Qt.CheckState.Checked]


def test_slices_of_one_workspace_say_nothing_about_another(scene: Scene) -> None:
    panel = scene.panel
    panel.visits.setCurrentRow(0)
    scene.qtbot.keyClicks(panel.slices, "2-4")
    scene.qtbot.keyClick(panel.slices, Qt.Key.Key_Return)
    scene.window.study.workspace_changed.emit()
    assert panel.visits.count() == 0 and not panel.adapt.isEnabled()
    scene.window.adapting.shelf, scene.window.adapting._adapter = scene.shelf, scene.adapter
    scene.window.adapting.read()
    scene.settle()
    assert [u.slices for u in panel.chosen()[PATIENT]] == [()]


@pytest.mark.parametrize("wanted", ["keep", "use"])
def test_a_candidate_that_was_removed_elsewhere_leaves_the_choices(scene: Scene, wanted: str) -> None:
    scene.click(scene.panel.adapt)
    scene.finish()
    assert scene.window.adapting.result is not None
    del scene.shelf.models[scene.window.adapting.result.name]
    scene.click(getattr(scene.panel, wanted))
    scene.settle()
    assert scene.panel.choices.isVisible() and not scene.panel.result.isVisible()
    assert scene.shelf.current(PATIENT).model == "base"


def test_the_model_to_start_from_stays_chosen_until_another_one_is_current(scene: Scene) -> None:
    other = replace(BASE, name="other", title="Another model")
    scene.shelf.models["other"] = ShelvedModel(other, Path("other"), ModelPlace.WORKSPACE, 1000)
    scene.window.adapting.read()
    scene.settle()
    box = scene.panel.model
    box.setCurrentIndex(box.findData("other"))
    box.activated.emit(box.currentIndex())
    scene.click(scene.panel.adapt)
    scene.finish()
    scene.click(scene.panel.keep)
    scene.settle()
    assert box.currentData() == "other"
    scene.click(scene.panel.adapt)
    scene.finish()
    assert [request.model for request in scene.adapter.requests] == ["other", "other"]
    scene.click(scene.panel.use)
    scene.settle()
    assert box.currentData() == scene.shelf.current(PATIENT).model != "other"


def test_a_visit_that_lacks_a_sequence_of_the_model_is_told_before_anything_begins(scene: Scene) -> None:
    panel, store = scene.panel, scene.window.study.require_session().store
    second = scene.window.study.timepoints()[1]
    kept = tuple(s for s in second.sequences if s.name != "FLAIR")
    store._timepoints[second.id] = replace(second, sequences=kept)  # type: ignore[attr-defined,index]
    scene.window.adapting.read()
    scene.settle()
    assert not panel.lack.isVisible() and panel.adapt.isEnabled()
    panel.visits.item(1).setCheckState(Qt.CheckState.Checked)
    assert panel.lack.isVisible() and not panel.adapt.isEnabled()
    assert f"{second.title} lacks FLAIR, which “Base model” needs. Leave it out" in panel.lack.text()
    optional = replace(BASE, optional=(CHANNELS[-1],))
    scene.shelf.models["base"] = ShelvedModel(optional, Path("base"), ModelPlace.SHIPPED, 1000)
    scene.window.adapting.read()
    scene.settle()
    assert not panel.lack.isVisible() and panel.adapt.isEnabled()


def test_unsaved_steps_of_a_chosen_visit_are_told_to_teach_nothing(scene: Scene) -> None:
    panel, study = scene.panel, scene.window.study
    assert not panel.unsaved.isVisible()
    first = study.timepoints()[0]
    study.open_visit(first)
    scene.wait(lambda: study.visit is not None and study.visit.id == first.id)
    scene.settle()
    study.require_visit().editor.set_voxels("Brush ET", np.array([5]), 3)
    assert panel.unsaved.isVisible() and panel.unsaved.text().startswith(f"{first.title} has unsaved steps.")
    assert panel.adapt.isEnabled()
    panel.visits.item(0).setCheckState(Qt.CheckState.Unchecked)
    assert not panel.unsaved.isVisible()
    panel.visits.item(0).setCheckState(Qt.CheckState.Checked)
    assert panel.unsaved.isVisible()
    study.undo()
    assert not panel.unsaved.isVisible()
