"""What the window is measured at beside the tools' pictures: decisions about whole masks, and looking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import tool_pictures
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from tool_pictures import ET, NETC, SNFH, Hands, ToolName, bright, proposed

Use = Callable[[Hands], None]


def _do(h: Hands, command: str) -> None:
    """As its key would."""
    h.act(h.window.commands[command].trigger)
    h.settle()


def save_revision(h: Hands) -> None:
    """A stroke, and a further one while the first is being saved."""
    h.take(ToolName.BRUSH)
    h.drag(h.here(-12, 8), h.here(12, -8))
    h.act(h.window.study.save)
    h.drag(h.here(-12, -8), h.here(12, 8))
    h.wait(lambda: not h.window.workers.writing.active)


def accept_all(h: Hands) -> None:
    proposed(h)
    _do(h, "segment.accept")
    _do(h, "edit.undo")
    _do(h, "edit.redo")


def accept_label(h: Hands) -> None:
    proposed(h)
    h.act(lambda: h.window.proposing.accept([SNFH]))
    h.settle()


def accept_component(h: Hands) -> None:
    proposed(h)
    h.take(ToolName.ACCEPT_PIECE)
    added = h.window.previewing.difference.added[:, :, h.centre[2]]  # type: ignore[union-attr]
    i, j = np.unravel_index(int((added == ET).argmax()), added.shape)
    h.drag((float(i), float(j), float(h.centre[2])))


def reject(h: Hands) -> None:
    proposed(h)
    _do(h, "segment.reject")


def clear_and_undo(h: Hands) -> None:
    """Every voxel of the mask at once, and back."""
    h.act(lambda: h.editor.apply("Clear", np.zeros_like(h.editor.labels)))
    h.settle()
    _do(h, "edit.undo")
    h.act(lambda: h.editor.go_to(0))
    h.settle()


def restore(h: Hands) -> None:
    h.act(lambda: h.editor.apply("Clear", np.zeros_like(h.editor.labels)))
    h.settle()
    panel = h.window.mask_panel.revisions
    panel.list.setCurrentRow(panel.list.count() - 1)
    _do(h, "study.restore")


def approve(h: Hands) -> None:
    panel = h.window.mask_panel.revisions
    panel.list.setCurrentRow(panel.list.count() - 1)
    _do(h, "study.approve")


def compare(h: Hands) -> None:
    panel = h.window.mask_panel.revisions
    panel.list.setCurrentRow(0)
    _do(h, "study.compare")
    dialog = h.window.dialogs.open
    assert dialog is not None
    h.act(dialog.beside.click)  # type: ignore[attr-defined]
    h.settle()
    h.act(dialog.close)
    h.act(partial(h.window.view.set_layout, "planes"))
    h.settle()


def islands_deleted(h: Hands) -> None:
    mask = tool_pictures.LABELS.copy()
    random = np.random.default_rng(1)
    for _ in range(200):
        i, j, k = (int(h.centre[a] + random.integers(-40, 40)) for a in range(3))
        mask[i : i + 3, j : j + 3, k] = ET
    h.editor.apply("Specks", mask)
    _do(h, "view.islands")
    panel = h.window.review_dock.islands
    h.act(panel.delete_small.click)
    h.settle()
    panel.table.selectRow(0)
    h.act(panel.keep.click)
    h.settle()
    h.act(h.window.review_dock.close)


def areas(h: Hands) -> None:
    for command in ("edit.in_tumour", "edit.in_brain", "edit.only_background"):
        _do(h, command)
    h.take(ToolName.BRUSH)
    h.drag(h.here(-20, 0), h.here(20, 0))
    for command in ("edit.only_background", "edit.everywhere"):
        _do(h, command)


def _previewed(h: Hands, tool: ToolName, label: int, use: Callable[[Any], None]) -> None:
    """A tool on the whole mask, previewed and applied."""
    use(h.take(tool, label))
    h.tell_options()
    h.act(h.window.toolbox.preview)
    h.settle()
    _do(h, "edit.apply")
    _do(h, "edit.undo")


def margin_applied(h: Hands) -> None:
    _previewed(h, ToolName.MARGIN, SNFH, lambda options: setattr(options, "mm", 5.0))


def smooth_applied(h: Hands) -> None:
    _previewed(h, ToolName.SMOOTH, NETC, lambda options: setattr(options, "method", "joint"))


def fill_everywhere(h: Hands) -> None:
    options = h.take(ToolName.FILL, NETC)
    options.extent = "everywhere"
    h.tell_options()
    h.click(*bright(h))


def scroll(h: Hands) -> None:
    for _ in range(12):
        _wheel(h, 120)
    h.settle()


def zoom(h: Hands) -> None:
    for _ in range(6):
        _wheel(h, 120, Qt.KeyboardModifier.ControlModifier)
    _do(h, "view.reset")


def _wheel(h: Hands, by: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    surface = h.pane.surface
    at = QPointF(surface.width() / 2, surface.height() / 2)
    everywhere = QPointF(surface.mapToGlobal(at.toPoint()))
    none = Qt.MouseButton.NoButton
    event = QWheelEvent(at, everywhere, QPoint(), QPoint(0, by), none, modifiers, Qt.ScrollPhase.NoScrollPhase, False)
    QApplication.sendEvent(surface, event)
    h.rest(30)


def next_slices(h: Hands) -> None:
    for _ in range(6):
        h.act(h.window.commands["view.next_slice"].trigger)
    h.settle()


def turn_surfaces(h: Hands) -> None:
    pane = h.window.view.panes[-1]
    middle = QPointF(pane.surface.width() / 2, pane.surface.height() / 2)
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    steps = [(QEvent.Type.MouseButtonPress, 0.0, left)]
    steps += [(QEvent.Type.MouseMove, 8.0 * n, none) for n in range(1, 12)]
    steps += [(QEvent.Type.MouseButtonRelease, 96.0, left)]
    for kind, right, button in steps:
        at = middle + QPointF(right, right / 3)
        held = none if kind is QEvent.Type.MouseButtonRelease else left
        h.mouse_on(pane.surface, kind, at, button, held)
        h.rest(30)
    h.settle()


def windowing(h: Hands) -> None:
    right, none = Qt.MouseButton.RightButton, Qt.MouseButton.NoButton
    middle = h.at(h.here(0, 0))
    h.mouse(QEvent.Type.MouseButtonPress, middle, right, right)
    for n in range(10):
        h.mouse(QEvent.Type.MouseMove, middle + QPointF(4 * n, 2 * n), none, right)
        h.rest(30)
    h.mouse(QEvent.Type.MouseButtonRelease, middle, right, none)
    h.settle()


def hide_and_style(h: Hands) -> None:
    for command in ("view.mask", "view.mask", "view.outline", "view.outline", "view.stronger", "view.fainter"):
        _do(h, command)


def layouts(h: Hands) -> None:
    for name in ("sequences", "planes", "timepoints", "3d", "planes"):
        h.act(partial(h.window.view.set_layout, name))
        h.settle()
    for _ in range(2):
        _do(h, "view.maximise")


def propose_diameters(h: Hands) -> None:
    h.act(partial(h.window.reading.set_label, ET))
    _do(h, "view.propose_diameters")
    h.window.view.aids.measuring.clear()


def save_picture(h: Hands) -> None:
    taken: list[object] = []
    h.act(partial(h.window.view.take_picture, taken.append))
    h.wait(lambda: bool(taken))


USES: Sequence[Use] = (
    save_revision, accept_all, accept_label, accept_component, reject, clear_and_undo, restore, approve, compare,
    islands_deleted, areas, margin_applied, smooth_applied, fill_everywhere, scroll, zoom, next_slices, turn_surfaces,
    windowing, hide_and_style, layouts, propose_diameters, save_picture,
)  # fmt: skip
