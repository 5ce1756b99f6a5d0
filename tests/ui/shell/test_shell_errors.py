"""One hook and one dialog for every error."""

from __future__ import annotations

from typing import Any

import pytest
from psygnal import EmitLoopError, Signal
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.ui.error_dialog import BUG_LOGGED, BUG_TITLE, details, unwrap


def shown(qtbot: QtBot, window: Any) -> Any:
    qtbot.waitUntil(lambda: window.errors.dialog is not None)
    return window.errors.dialog


def close(qtbot: QtBot, window: Any) -> None:
    window.errors.dialog.close()
    qtbot.waitUntil(lambda: window.errors.dialog is None)


def test_a_bug_in_a_slot_is_called_a_bug_and_names_no_patient(
    qtbot: QtBot, bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    window = bench.open_patient(qtbot)

    def fail() -> None:
        raise KeyError(f"PAT-0042 in {window.study.session.store.path}/volumes/t1.nii.gz")

    QTimer.singleShot(0, fail)
    dialog = shown(qtbot, window)
    assert dialog.what.text() == BUG_TITLE
    text = dialog.details.toPlainText()
    assert "KeyError" in text
    assert "PAT-0042" not in text and "volumes" not in text
    assert "PAT-0042" not in caplog.text
    close(qtbot, window)


def test_a_bug_in_a_worker_comes_to_the_same_dialog(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    bench.segmenter.refusal = ZeroDivisionError("division by zero")
    window.commands["segment.run"].trigger()
    assert shown(qtbot, window).what.text() == BUG_TITLE
    close(qtbot, window)


def test_what_the_machine_did_is_told_with_what_to_do(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_patient(qtbot)
    bench.store.failures["add_revision"] = EnvironmentFailure("The disk is full.", "Make room, then save again.")
    window.study.visit.editor.apply("Brush ET", bench.segmenter.labels)
    window.commands["study.save"].trigger()
    dialog = shown(qtbot, window)
    assert (dialog.what.text(), dialog.todo.text()) == ("The disk is full.", "Make room, then save again.")
    assert window.study.visit.editor.unsaved
    close(qtbot, window)


def test_many_errors_open_one_dialog(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_window()
    for _ in range(5):
        window.errors.show(UserError("No.", "Yes."))
    first = window.errors.dialog
    window.errors.show(UserError("Another.", ""))
    assert window.errors.dialog is first
    close(qtbot, window)


def test_what_else_goes_wrong_is_told_in_the_open_dialog_once_each(qtbot: QtBot, bench: Any) -> None:
    window = bench.open_window()
    window.errors.show(UserError("The settings could not be saved.", "Make room."))
    for _ in range(3):
        window.errors.show(EnvironmentFailure("The workspace could not be opened.", "Copy it to another disk."))
    window.errors.show(ValueError("a bug"))
    dialog = shown(qtbot, window)
    told = [label.text() for label in dialog.findChildren(QLabel) if label.text() and label.isVisible()]
    assert told.count("The workspace could not be opened.") == told.count("Copy it to another disk.") == 1
    assert told.count(BUG_TITLE) == told.count(BUG_LOGGED) == 1
    for label in dialog.findChildren(QLabel):
        assert label.height() >= label.heightForWidth(label.width())
    close(qtbot, window)


def test_an_error_in_a_signals_listener_is_unwrapped() -> None:
    class Sender:
        sent = Signal()

    def refuse() -> None:
        raise UserError("The file is gone.", "Choose another.")

    sender = Sender()
    sender.sent.connect(refuse)
    with pytest.raises(EmitLoopError) as caught:
        sender.sent.emit()
    assert isinstance(unwrap(caught.value), UserError)


def test_details_keep_the_programs_modules_and_blank_other_paths() -> None:
    try:
        open("/scans/Smith^John/t1.nii.gz")  # noqa: PTH123, SIM115
    except FileNotFoundError as error:
        text = details(error)
    assert "Smith" not in text
    assert "FileNotFoundError" in text
