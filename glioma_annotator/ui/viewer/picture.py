"""A picture of a view, taken one pane in a turn of the event loop: each draws its canvas once more, for the picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPoint, QRect, QTimer
from PySide6.QtGui import QImage, QRegion
from PySide6.QtWidgets import QWidget


def take_picture(view: QWidget, panes: Sequence[QWidget], done: Callable[[QImage], None]) -> None:
    """Hand what `panes` of `view` show, each in its place, to `done` once all are taken, unless `view` ends before."""
    scale = view.devicePixelRatioF()
    picture = QImage(view.size() * scale, QImage.Format.Format_RGB32)
    picture.setDevicePixelRatio(scale)
    picture.fill(view.palette().window().color())
    window = view.window()  # which paints what is seen between the panes and behind their headers
    seen = QRect(view.mapTo(window, QPoint()), view.size())
    window.render(picture, QPoint(), QRegion(seen), QWidget.RenderFlag.DrawWindowBackground)
    left = list(panes)

    def take_next() -> None:
        if not left:
            done(picture)
            return
        pane = left.pop(0)
        pane.render(picture, pane.mapTo(view, QPoint()), QRegion(), QWidget.RenderFlag.DrawChildren)
        QTimer.singleShot(0, view, take_next)

    take_next()
