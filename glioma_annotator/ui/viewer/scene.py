"""What the panes have in common, free of widgets: visits, place, and what each pane of a layout shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import BACKGROUND
from glioma_annotator.domain.sequences import SequenceRole, Window
from glioma_annotator.ui.viewer.mirroring import Mirror
from glioma_annotator.ui.viewer.planes import SlicePlane
from glioma_annotator.ui.viewer.types import Convention, CrosshairPlace, HoverInfo, Layout
from glioma_annotator.ui.viewer.view_state import ViewState, is_place
from glioma_annotator.ui.viewer.visit import Index, Visit

#: Sequences of the *sequences* layout, in reading order.
CONVENTIONAL = (SequenceRole.T1.value, SequenceRole.T1GD.value, SequenceRole.T2.value, SequenceRole.FLAIR.value)
#: What the *planes* layout shows first, best first.
PREFERRED = (SequenceRole.T1GD.value, SequenceRole.FLAIR.value, SequenceRole.T2.value, SequenceRole.T1.value)
#: Dragging this many pixels to the right doubles a default window's width.
WINDOW_DRAG_PX = 300.0


@dataclass(frozen=True, slots=True)
class Content:
    """What a slice pane shows: a sequence of a visit in a plane, or a note on why there is nothing.

    Attributes
    ----------
    visit: None with a note.
    sequence: sequence name; with a note, what the header says instead.
    axis: array axis normal to the plane.
    note: for the middle of an empty pane.
    choices: sequences the header offers.
    planes: whether the header offers planes.
    blend, weight: a sequence laid over it and its share 0..1; empty for none.
    """

    visit: Visit | None
    sequence: str
    axis: int
    note: str = ""
    choices: tuple[str, ...] = ()
    planes: bool = False
    blend: str = ""
    weight: float = 0.5


class Scene:
    """The visits shown, the place in them, and the arrangement."""

    def __init__(self) -> None:
        self.visit: Visit | None = None
        self.other: Visit | None = None
        self.without_other = "No other visit to compare with."  # what the pane beside says while there is none
        self.state = ViewState()
        self.mirror: Mirror | None = None
        self.head_shown = True  # the shell of the head in the 3D pane
        self.convention = Convention.RADIOLOGICAL
        self._came_to: tuple[Grid | None, Index, Sequence[float]] = (None, (0, 0, 0), ())

    # --- place ------------------------------------------------------------------------------------------------------

    def plane(self, visit: Visit, axis: int) -> SlicePlane:
        return SlicePlane(visit.grid, axis, self.convention)

    def place(self) -> CrosshairPlace | None:
        """The crosshair; None when nothing is shown."""
        if self.visit is None:
            return None
        world = self.visit.grid.index_to_world(self.state.crosshair)
        return CrosshairPlace(self.state.crosshair, (float(world[0]), float(world[1]), float(world[2])))

    def crosshair_in(self, visit: Visit) -> Index:
        """The crosshair's voxel in a visit's own grid, the nearest one where it lies outside."""
        if visit is self.visit or self.visit is None:
            return visit.clip(self.state.crosshair)
        return visit.clip(visit.from_read(self.visit.grid.index_to_world(self.state.crosshair)))

    def set_crosshair(self, visit: Visit, index: tuple[float, float, float]) -> bool:
        """Move the crosshair to a fractional index of a visit's grid; whether it moved."""
        if self.visit is None:
            return False
        if visit is not self.visit:
            i, j, k = self.visit.grid.world_to_index(visit.to_read(index))
            index = (float(i), float(j), float(k))
        before, self.state.crosshair = self.state.crosshair, self.visit.clip(index)
        return before != self.state.crosshair

    def place_to_json(self) -> dict[str, Any]:
        """The crosshair in mm, from which `go_back` finds it in a visit of another grid.

        While it stands where `go_back` put it, that place itself: going to and fro between visits moves nothing.
        """
        place, visit = self.place(), self.visit
        if place is None or visit is None:
            return {}
        grid, index, world = self._came_to
        unmoved = grid is visit.grid and index == place.index
        return {"crosshair_mm": list(world if unmoved else place.world_mm)}

    def go_back(self, values: Mapping[str, Any]) -> None:
        """Put crosshair and centre where they were by `place_to_json`: in the middle if that is outside the visit."""
        visit, state, world = self.visit, self.state, values.get("crosshair_mm")
        if visit is None:
            return
        if state.centre_mm is not None and not visit.grid.contains(visit.grid.world_to_index(state.centre_mm)):
            state.centre_mm, state.zoom = None, 1.0
        if is_place(world):
            i, j, k = visit.grid.world_to_index(world).tolist()
            outside = not visit.grid.contains((i, j, k))
            state.crosshair = visit.clip(self.centre_in(visit) if outside else (i, j, k))
            self._came_to = (visit.grid, state.crosshair, world)
        else:
            state.crosshair = visit.clip(state.crosshair)

    def step(self, axis: int, delta: int) -> bool:
        """Move the crosshair by slices; whether it moved."""
        if self.visit is None:
            return False
        index = [float(v) for v in self.state.crosshair]
        index[axis] += delta
        return self.set_crosshair(self.visit, (index[0], index[1], index[2]))

    def centre_in(self, visit: Visit) -> tuple[float, float, float]:
        """The fractional index of a visit's grid in the middle of the panes."""
        if self.state.centre_mm is None:
            box = (self.visit or visit).extent
            middle = tuple((a + b - 1) / 2 for a, b in zip(box.start, box.stop, strict=True))
            if visit is self.visit or self.visit is None:
                return middle[0], middle[1], middle[2]
            world = self.visit.grid.index_to_world(middle)
        else:
            world = np.asarray(self.state.centre_mm)
        return visit.from_read(world)

    def set_centre(self, visit: Visit, index: tuple[float, float, float]) -> None:
        x, y, z = visit.to_read(index)
        self.state.centre_mm = (float(x), float(y), float(z))

    def slice_with_label(self, axis: int, value: int | None, direction: int) -> int | None:
        """The next slice along `axis` from the crosshair that holds label `value` (None is any); None when none does.

        `direction` is +1 or -1.
        """
        if self.visit is None or self.visit.labels is None:
            return None
        labels = np.moveaxis(self.visit.labels, axis, 0)
        numbers = range(self.state.crosshair[axis] + direction, len(labels) if direction > 0 else -1, direction)
        for number in numbers:
            found = labels[number] != BACKGROUND if value is None else labels[number] == value
            if found.any():
                return number
        return None

    def look(self, visit: Visit, index: tuple[float, float, float]) -> HoverInfo | None:
        """What lies at a fractional index of a visit's grid; None outside."""
        if not visit.grid.contains(index):
            return None
        voxel = visit.clip(index)
        x, y, z = visit.grid.index_to_world(index)
        values = {name: float(volume.data[voxel]) for name, volume in visit.images.items()}
        label = int(visit.labels[voxel]) if visit.labels is not None else BACKGROUND
        return HoverInfo(voxel, (float(x), float(y), float(z)), values, label)

    # --- contents ---------------------------------------------------------------------------------------------------

    def sequence(self, visit: Visit) -> str:
        """What the *planes* and *timepoints* layouts show of a visit; empty when another visit lacks it.

        The chosen sequence, or the best at hand in the visit being read when that has no such sequence.
        """
        read = self.visit or visit
        name = self.state.sequence
        if name not in read.sequences:
            name = next((n for n in PREFERRED if n in read.images), next(iter(read.images)))
        return name if name in visit.sequences else ""

    def contents(self) -> Sequence[Content]:
        """What the slice panes of the layout show, in reading order."""
        visit, state = self.visit, self.state
        if visit is None:
            return [Content(None, "", 2)] * 4
        if state.layout is Layout.SEQUENCES:
            return [self._sequence_pane(visit, slot) for slot in range(4)]
        if state.layout is Layout.TIMEPOINTS:
            if self.other is None:
                beside = Content(None, "", state.axis, self.without_other)
            else:
                beside = self._single(self.other, state.axis, planes=True, slot=0)
            return [self._single(visit, state.axis, planes=True, slot=0), beside]
        return [self._single(visit, axis, slot=slot) for slot, axis in enumerate((2, 1, 0))]

    def _single(self, visit: Visit, axis: int, slot: int, planes: bool = False) -> Content:
        wanted = self.state.choice(slot).sequence
        name = wanted if wanted in visit.sequences else self.sequence(visit)
        if not name:
            return self._absent(self.sequence(self.visit or visit), axis)
        return self._content(visit, name, axis, slot, planes)

    def _content(self, visit: Visit, name: str, axis: int, slot: int, planes: bool) -> Content:
        choice = self.state.choice(slot)
        blend = choice.blend if choice.blend in visit.sequences and choice.blend != name else ""
        return Content(visit, name, axis, "", visit.sequences, planes, blend, choice.weight)

    def _sequence_pane(self, visit: Visit, slot: int) -> Content:
        name = self.state.choice(slot).sequence or CONVENTIONAL[slot]
        if name not in visit.sequences:
            return self._absent(name, self.state.axis, visit.sequences)
        return self._content(visit, name, self.state.axis, slot, planes=True)

    @staticmethod
    def _absent(name: str, axis: int, choices: tuple[str, ...] = ()) -> Content:
        return Content(None, f"no {name}", axis, f"This visit has no {name}.", choices)

    def choose_sequence(self, slot: int, name: str) -> None:
        """Show a sequence in one pane; in both panes of the *timepoints* layout, which compares like with like."""
        if self.state.layout is Layout.TIMEPOINTS:
            self.state.sequence = name
            slot = 0
            name = ""
        self.state.choose(slot, replace(self.state.choice(slot), sequence=name))

    def choose_everywhere(self, name: str) -> None:
        """Show a sequence in every pane of the layout."""
        self.state.sequence = name
        for slot in range(4):
            choice = name if self.state.layout is Layout.SEQUENCES else ""
            self.state.choose(slot, replace(self.state.choice(slot), sequence=choice))

    def choose_blend(self, slot: int, name: str, weight: float | None = None) -> None:
        """Lay a sequence over what a pane shows, empty for none; the share stays unless given."""
        slot = 0 if self.state.layout is Layout.TIMEPOINTS else slot
        choice = replace(self.state.choice(slot), blend=name)
        self.state.choose(slot, choice if weight is None else replace(choice, weight=min(max(weight, 0.0), 1.0)))

    # --- windows ----------------------------------------------------------------------------------------------------

    @staticmethod
    def dragged_window(visit: Visit, sequence: str, start: Window, dx: float, dy: float) -> Window:
        """The window after a drag of (dx, dy) pixels from `start`: right is wider, up is a lower level (brighter)."""
        base = visit.default_window(sequence).width
        width = max(start.width + dx * base / WINDOW_DRAG_PX, base / 100)
        level = start.level + dy * base / WINDOW_DRAG_PX
        window = Window(level - width / 2, level + width / 2)
        visit.windows[sequence] = window
        return window
