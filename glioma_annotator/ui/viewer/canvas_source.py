"""Where panes get their canvases: napari is imported on a worker, once, when the first one is wanted."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

from glioma_annotator.ui.viewer.drawing import SliceCanvas, SurfaceCanvas
from glioma_annotator.ui.viewer.types import Submit

_MODULE = "glioma_annotator.ui.viewer.canvas"


def _import() -> ModuleType:
    module = importlib.import_module(_MODULE)
    module.warm_up()
    return module


class CanvasSource:
    """Makes canvases on the GUI thread once `load` is done.

    Parameters
    ----------
    submit: runs the import, which takes seconds, off the GUI thread.
    """

    def __init__(self, submit: Submit) -> None:
        self._submit = submit
        self._module: ModuleType | None = None
        self._loading = False
        self._waiting: list[Callable[[], None]] = []

    @property
    def ready(self) -> bool:
        return self._module is not None

    def load(self, then: Callable[[], None] | None = None) -> None:
        """Import what draws; `then` is called on the GUI thread when it is there, at once when it is already."""
        if self._module is not None:
            if then is not None:
                then()
            return
        if then is not None:
            self._waiting.append(then)
        if not self._loading:
            self._loading = True
            self._submit(_import, self._loaded)

    def _loaded(self, module: ModuleType) -> None:
        self._module = module
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then()

    def slice_canvas(self) -> SliceCanvas:
        canvas: SliceCanvas = self._made().NapariSliceCanvas()
        return canvas

    def surface_canvas(self) -> SurfaceCanvas:
        canvas: SurfaceCanvas = self._made().NapariSurfaceCanvas()
        return canvas

    def _made(self) -> ModuleType:
        if self._module is None:
            raise RuntimeError("a canvas was asked for before `load` was done")
        return self._module
