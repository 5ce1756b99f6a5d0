"""What a view remembers of itself, as JSON values and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from glioma_annotator.ui.viewer.types import Layout

_MOST_ZOOM, _LEAST_ZOOM = 40.0, 0.2


@dataclass(frozen=True, slots=True)
class PaneChoice:
    """What the reader chose for one pane.

    Attributes
    ----------
    sequence: what it shows; empty for what the layout shows there by itself.
    blend: the sequence laid over it; empty for none.
    weight: share of that one, 0..1.
    """

    sequence: str = ""
    blend: str = ""
    weight: float = 0.5


@dataclass(slots=True)
class ViewState:
    """Where the view is and how it is arranged.

    Attributes
    ----------
    layout: how panes are arranged.
    crosshair: voxel (i, j, k) of the visit shown.
    zoom: 1 shows the whole slice in every pane.
    centre_mm: world RAS mm in the middle of the panes; None for the middle of the grid.
    axis: plane of the *sequences* and *timepoints* layouts, as the array axis normal to it.
    sequence: what the *planes* and *timepoints* layouts show; empty for the first at hand.
    choices: what the reader chose for single panes, by layout and slot.
    turn: of the 3D pane: azimuth and elevation in degrees, zoom, shift (x, y, z) in mm; None for the first one.
    maximised: slot that fills the view, by layout.
    active: slot of the active pane.
    """

    layout: Layout = Layout.PLANES
    crosshair: tuple[int, int, int] = (0, 0, 0)
    zoom: float = 1.0
    centre_mm: tuple[float, float, float] | None = None
    axis: int = 2
    sequence: str = ""
    choices: dict[Layout, dict[int, PaneChoice]] = field(default_factory=dict)
    turn: tuple[float, ...] | None = None
    maximised: dict[Layout, int] = field(default_factory=dict)
    active: int = 0

    def set_zoom(self, zoom: float) -> None:
        self.zoom = min(max(zoom, _LEAST_ZOOM), _MOST_ZOOM)

    def choice(self, slot: int) -> PaneChoice:
        """Of a pane of the present layout."""
        return self.choices.get(self.layout, {}).get(slot, PaneChoice())

    def choose(self, slot: int, choice: PaneChoice) -> None:
        self.choices.setdefault(self.layout, {})[slot] = choice

    def to_json(self) -> dict[str, Any]:
        return {
            "layout": self.layout.value,
            "crosshair": list(self.crosshair),
            "zoom": self.zoom,
            "centre_mm": list(self.centre_mm) if self.centre_mm is not None else None,
            "axis": self.axis,
            "sequence": self.sequence,
            "choices": {
                layout.value: {str(slot): [c.sequence, c.blend, c.weight] for slot, c in slots.items()}
                for layout, slots in self.choices.items()
            },
            "turn": list(self.turn) if self.turn is not None else None,
            "maximised": {layout.value: slot for layout, slot in self.maximised.items()},
            "active": self.active,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ViewState:
        """What `to_json` gave; entries that are missing or malformed keep their defaults."""
        state = cls()
        if values.get("layout") in set(Layout):
            state.layout = Layout(values["layout"])
        crosshair, centre = values.get("crosshair", ()), values.get("centre_mm", ())
        if _numbers(crosshair, 3):
            state.crosshair = (int(crosshair[0]), int(crosshair[1]), int(crosshair[2]))
        if _numbers(centre, 3):
            state.centre_mm = (float(centre[0]), float(centre[1]), float(centre[2]))
        if _numbers([values.get("zoom")], 1):
            state.set_zoom(float(values["zoom"]))
        if values.get("axis") in (0, 1, 2):
            state.axis = int(values["axis"])
        if isinstance(values.get("sequence"), str):
            state.sequence = values["sequence"]
        if values.get("active") in (0, 1, 2, 3):
            state.active = int(values["active"])
        for layout, slots in _items(values.get("choices")):
            for slot, choice in _items(slots):
                if layout in set(Layout) and str(slot) in ("0", "1", "2", "3") and _is_choice(choice):
                    kept = PaneChoice(choice[0], choice[1], min(max(float(choice[2]), 0.0), 1.0))
                    state.choices.setdefault(Layout(layout), {})[int(slot)] = kept
        turn = values.get("turn")
        if _numbers(turn, 6) and isinstance(turn, list):
            state.turn = tuple(float(v) for v in turn)
        for layout, slot in _items(values.get("maximised")):
            if layout in set(Layout) and slot in (0, 1, 2, 3):
                state.maximised[Layout(layout)] = int(slot)
        return state


def _numbers(values: object, count: int) -> bool:
    return (
        isinstance(values, list | tuple)
        and len(values) == count
        and all(isinstance(v, int | float) and math.isfinite(v) for v in values)
    )


def is_place(values: object) -> TypeGuard[Sequence[float]]:
    """Whether these are three finite numbers."""
    return _numbers(values, 3)


def _is_choice(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(isinstance(name, str) for name in value[:2])
        and _numbers(value[2:], 1)
    )


def _items(values: object) -> list[tuple[Any, Any]]:
    return list(values.items()) if isinstance(values, Mapping) else []
