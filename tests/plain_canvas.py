"""Canvases that draw no picture: panes, overlays and the pointer over them are the real ones, napari and OpenGL absent.

A stand-in for `glioma_annotator.ui.viewer.canvas` where tests are about tools, not about pictures.
"""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QWidget


class _PlainCanvas:
    """Fulfils `drawing.SliceCanvas` and `drawing.SurfaceCanvas`."""

    def __init__(self) -> None:
        self.widget = self.surface = QWidget()

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *_args, **_kwargs: None


NapariSliceCanvas = NapariSurfaceCanvas = _PlainCanvas


def warm_up() -> None:
    """Nothing to import ahead."""
