"""What the tools compute with, read on a worker while the reader's hand goes to the place."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from glioma_annotator.ui.reading_state import ToolName

#: Modules of the label operations; they bring scipy, scikit-image or SimpleITK, half a second when first asked for.
_NEEDS = {
    ToolName.LASSO: "lasso",
    ToolName.POLYGON: "lasso",
    ToolName.FILL: "fill",
    ToolName.REGION: "growing",
    ToolName.SNAKE: "snake",
    ToolName.SEEDS: "growing",
}


def read_ahead(tool: ToolName, draw: Callable[[Callable[[], Any], Callable[[Any], None]], None]) -> None:
    """Read what a tool needs, by `draw` of the window's workers."""
    if tool in _NEEDS:
        module = f"glioma_annotator.imaging.label_ops.{_NEEDS[tool]}"
        draw(partial(importlib.import_module, module), lambda _module: None)
