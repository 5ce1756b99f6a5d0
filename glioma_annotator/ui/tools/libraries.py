"""What the tools compute with, read on a worker before it is asked for, so that no first use holds the window up.

So are the panes of layouts that are not shown yet, made by whoever shows them. Everything is read while the reader's
hands rest, a step at a time; a tool that is taken in hand before has its own libraries read at once. Reading holds the
interpreter's lock for up to 20 ms at a time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QPoint, QTimer
from PySide6.QtGui import QCursor, QGuiApplication

from glioma_annotator.imports import import_quietly, open_library
from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.workers import Workers

_OPERATIONS = "glioma_annotator.imaging.label_ops."
_SNAKE = f"{_OPERATIONS}snake"

#: In the order in which they are read; what stands before `scipy.signal` is read by it, a tenth of a second each.
STEPS = (
    "scipy.ndimage", "scipy.special", "scipy.linalg", "scipy.spatial", "scipy.sparse.csgraph", "scipy.optimize",
    "scipy.interpolate", "scipy.stats", "scipy.signal", "skimage.measure._find_contours",
    "skimage.measure._marching_cubes_lewiner", f"{_OPERATIONS}lasso", f"{_OPERATIONS}growing", _SNAKE,
    f"{_OPERATIONS}adaptive", f"{_OPERATIONS}combining", f"{_OPERATIONS}fill", f"{_OPERATIONS}interpolation",
    f"{_OPERATIONS}islands", f"{_OPERATIONS}margins", f"{_OPERATIONS}smoothing", f"{_OPERATIONS}uncertainty",
    "scipy.spatial.distance", "glioma_annotator.imaging.diameters", "glioma_annotator.imaging.midline",
    "glioma_annotator.imaging.mirror",
)  # fmt: skip

_NEEDS = {
    ToolName.LASSO: "lasso",
    ToolName.POLYGON: "lasso",
    ToolName.FILL: "fill",
    ToolName.REGION: "growing",
    ToolName.SNAKE: "snake",
    ToolName.SEEDS: "growing",
}

#: The reader's hands rest when nothing was touched for this long.
_REST_S = 0.5
_POLL_MS = 100


def read(module: str) -> None:
    """Import a module on a worker, keeping the interpreter's lock from the window for as short as can be."""
    if module in sys.modules:
        return
    if module == _SNAKE:
        open_library("SimpleITK")
    import_quietly(module)


def read_ahead(tool: ToolName, draw: Callable[[Callable[[], Any], Callable[[Any], None]], None]) -> None:
    """Read what a tool needs now, by `draw` of the window's workers."""
    module = f"{_OPERATIONS}{_NEEDS.get(tool, '')}"
    if tool in _NEEDS and module not in sys.modules:
        draw(partial(read, module), lambda _nothing: None)


class ReadingAhead(QObject):
    """Reads every step while the reader's hands rest and no job runs; `start` it once a visit is shown.

    The pointer is looked at ten times a second until all is read; what else tells of hands calls `touched`.

    Parameters
    ----------
    make: makes one thing that only the window's thread can make; False when nothing is left. Asked before all reading.
    clock: seconds.
    """

    def __init__(
        self,
        workers: Workers,
        make: Callable[[], bool],
        parent: QObject | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._workers = workers
        self._make = make
        self._made = False  # all that there is to make
        self._clock = clock
        self._last_touch = 0.0
        self._pointer = QPoint()
        self._left = list(STEPS)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._step)

    @property
    def done(self) -> bool:
        return self._made and not self._left

    def start(self) -> None:
        if not self.done and not self._timer.isActive():
            self.touched()
            self._timer.start()

    def touched(self) -> None:
        """The reader is at work."""
        self._last_touch = self._clock()

    def _step(self) -> None:
        pointer = QCursor.pos()
        if pointer != self._pointer or QGuiApplication.mouseButtons():
            self._pointer = pointer
            self.touched()
        while self._left and self._left[0] in sys.modules:
            self._left.pop(0)
        if self.done:
            self._timer.stop()
        elif self._clock() - self._last_touch < _REST_S or self._workers.jobs or self._workers.drawing.active:
            return
        elif not self._made:
            self._made = not self._make()
        else:
            self._workers.draw(partial(read, self._left.pop(0)), lambda _nothing: None)
