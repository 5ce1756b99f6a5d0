"""The tools: what is in the reader's hand, its options, and what it does to the mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal

from glioma_annotator.domain.edit_rules import EditArea
from glioma_annotator.domain.geometry import Box
from glioma_annotator.ui.reading_state import ReadingState, ToolName
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.tools import options as opt
from glioma_annotator.ui.tools.base import PointerEvent, Tool
from glioma_annotator.ui.tools.brush import BrushTool
from glioma_annotator.ui.tools.choices import ALL, choices, chosen_source, first_sequence, start_from
from glioma_annotator.ui.tools.libraries import read_ahead
from glioma_annotator.ui.tools.outlines import LassoTool, OutlineTool, PolygonTool
from glioma_annotator.ui.tools.painting import Painting
from glioma_annotator.ui.tools.pointing import BoxTool, ClickTool
from glioma_annotator.ui.tools.previewing import Previewing
from glioma_annotator.workflow import seeded_operations as seeded
from glioma_annotator.workflow.operations import (
    CombineWith,
    CopyFrom,
    Interpolate,
    Margin,
    Operation,
    Smooth,
    name_of,
)
from glioma_annotator.workflow.other_masks import MaskSource, WithOtherMask, load_source
from glioma_annotator.workflow.study import OpenTimepoint

#: Dragging a spin box changes it many times a second; the preview follows this long after the last change.
_PREVIEW_DELAY_MS = 200

#: Tools that act on the whole mask: chosen, they show at once what they would do.
WHOLE_MASK = frozenset({ToolName.INTERPOLATE, ToolName.MARGIN, ToolName.SMOOTH, ToolName.LOGIC, ToolName.COPY})


class Toolbox(QObject):
    """Makes the tools and keeps their options.

    Parameters
    ----------
    active_slice: array axis normal to the active pane's plane, and the slice it shows; None while it shows none.

    Signals
    -------
    options_changed: option values or choices changed other than by the panel.
    sketch_changed: the outline in hand changed other than by the pointer.
    region_drawn(points, axis, slice): a region was drawn for a finding; fractional array indices (n, 3).
    """

    options_changed = Signal()
    sketch_changed = Signal()
    region_drawn = Signal(object, int, int)

    def __init__(
        self,
        study: StudyController,
        reading: ReadingState,
        previewing: Previewing,
        active_slice: Callable[[], tuple[int, int] | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._study = study
        self._reading = reading
        self.previewing = previewing
        self._active_slice = active_slice
        self._previewed_slice: tuple[int, int] | None = None
        self._tool: Tool | None = None
        self._shown_for: tuple[ToolName, int, OpenTimepoint | None] = (ToolName.CROSSHAIR, 0, None)
        self._again: Callable[[], Operation] | None = None
        self._brush_size = (reading.brush.diameter_mm, reading.brush.ball)
        self.brush = opt.BrushOptions()
        self._painting = Painting(study, self.brush, self.options_changed.emit)
        self.options: dict[ToolName, Any] = {
            ToolName.BRUSH: self.brush,
            ToolName.ERASER: self.brush,
            ToolName.LASSO: opt.LassoOptions(),
            ToolName.POLYGON: opt.PolygonOptions(),
            ToolName.FILL: opt.FillOptions(),
            ToolName.REGION: opt.RegionOptions(),
            ToolName.SNAKE: opt.SnakeOptions(),
            ToolName.SEEDS: opt.SeedsOptions(),
            ToolName.INTERPOLATE: opt.InterpolateOptions(),
            ToolName.MARGIN: opt.MarginOptions(),
            ToolName.SMOOTH: opt.SmoothOptions(),
            ToolName.LOGIC: opt.LogicOptions(),
            ToolName.COPY: opt.CopyOptions(),
            ToolName.BOX: opt.BoxOptions(),
        }
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PREVIEW_DELAY_MS)
        self._timer.timeout.connect(self.preview)
        study.visit_changed.connect(self._on_visit)
        study.mask_changed.connect(self._on_mask)
        study.revisions_changed.connect(self._on_revisions)
        study.proposal_changed.connect(self._on_proposal)
        reading.tool_changed.connect(self._on_hand)

    # options

    def choices(self, kind: str) -> Mapping[str, str]:
        """Texts by value of the choices that depend on what is open."""
        return choices(self._study, kind)

    def set_option(self, tool: ToolName, name: str, value: object) -> None:
        """The panel changed an option; a preview follows."""
        options = self.options[tool]
        other_images = name == "sequence" and value != options.sequence
        setattr(options, name, value)
        if other_images:
            start_from(self._study.require_visit(), options, str(value))
            self.options_changed.emit()
        if tool is self._reading.tool and (tool in WHOLE_MASK or self._again is not None):
            self._timer.start()

    def _on_visit(self) -> None:
        """Options that are measured in a visit's images start from that visit's images."""
        self._again = None
        visit = self._study.visit
        self._shown_for = (*self._shown_for[:2], None)
        if visit is None or not visit.images:
            return
        for options in {id(o): o for o in self.options.values()}.values():
            start_from(visit, options, first_sequence(visit))
        self.options[ToolName.SEEDS].sequence = ALL
        self.options[ToolName.LOGIC].other = str(self._reading.brush.value)
        self.options[ToolName.LOGIC].source = self.options[ToolName.COPY].source = ""
        self._choose_sources()

    def _choose_sources(self) -> None:
        """Take masks from the newest revision where none that is there is chosen."""
        for tool, kind in ((ToolName.LOGIC, opt.REVISIONS), (ToolName.COPY, opt.SOURCES)):
            given = self.choices(kind)
            if self.options[tool].source not in given:
                self.options[tool].source = next(iter(given), "")
        self.options_changed.emit()

    def _on_revisions(self) -> None:
        """What was refused for want of another mask may have one now."""
        refused = self.previewing.failed and self._reading.tool in (ToolName.LOGIC, ToolName.COPY)
        self._choose_sources()
        if refused:
            self._timer.start()

    def _on_proposal(self) -> None:
        """A tool that accepts a proposal is of no use without one."""
        visit = self._study.visit
        accepts = self._reading.tool in (ToolName.ACCEPT_BRUSH, ToolName.ACCEPT_PIECE)
        if accepts and (visit is None or visit.proposal is None):
            self._reading.set_tool(ToolName.CROSSHAIR)

    def flip_brush(self, mode: str) -> None:
        """Threshold or adaptive painting on, or back to plain."""
        self.brush.mode = "plain" if self.brush.mode == mode else mode
        self.options_changed.emit()
        if self._reading.tool not in (ToolName.BRUSH, ToolName.ERASER) and self.brush.mode == mode:
            self._reading.set_tool(ToolName.BRUSH)
        else:
            self._reading.tool_changed.emit()

    def _on_mask(self) -> None:
        """What was previewed of the mask as it was must not be applied to this one."""
        repeats = self._reading.tool in WHOLE_MASK or self._again is not None
        if repeats and (self.previewing.active or self.previewing.note):
            self.previewing.discard()
            self._timer.start()

    # what is in hand

    def make(self, name: ToolName) -> Tool | None:
        """The tool for the left button in the open visit; None for the crosshair and tools without a place."""
        visit = self._study.visit
        read_ahead(name, self._study.workers.draw)
        self._tool = None if visit is None else self._made(name, visit)
        return self._tool

    def _made(self, name: ToolName, visit: OpenTimepoint) -> Tool | None:
        editor, grid = visit.editor, visit.timepoint.grid
        options: Any = self.options.get(name)
        if name in (ToolName.BRUSH, ToolName.ERASER):
            erases = name is ToolName.ERASER
            return BrushTool(editor, self._reading.brush, erases, self._painting.paint, self._painting.sample)
        if name is ToolName.ACCEPT_BRUSH:
            return BrushTool(editor, self._reading.brush, paint=self._painting.paint_proposal)
        tell, changed = self._study.notice.emit, self.sketch_changed.emit
        if name is ToolName.LASSO:
            return LassoTool(grid, self._fill_outline, tell, changed, lambda: bool(options.edit_first))
        if name is ToolName.POLYGON:
            return PolygonTool(grid, self._fill_outline, tell, changed)
        if name is ToolName.FINDING_REGION:
            return LassoTool(grid, self.region_drawn.emit, tell, changed, lambda: False)
        if name in (ToolName.SEEDS, ToolName.BOX):
            act = self._grow_from_seeds if name is ToolName.SEEDS else self._edit_inside
            return BoxTool(grid, lambda: float(options.depth_mm), act)
        clicks = {
            ToolName.FILL: self._fill,
            ToolName.PICK: self._pick,
            ToolName.REGION: self._grow_region,
            ToolName.SNAKE: self._start_snake,
            ToolName.ACCEPT_PIECE: self._accept_piece,
        }
        return ClickTool(grid, clicks[name]) if name in clicks else None

    def _on_hand(self) -> None:
        """Another tool, or another label: a preview made with the one before goes."""
        tool, brush = self._reading.tool, self._reading.brush
        now = (tool, brush.value, self._study.visit)
        before, self._brush_size = self._brush_size, (brush.diameter_mm, brush.ball)
        taken_again = tool in WHOLE_MASK and not self.previewing.active and self._brush_size == before
        if now == self._shown_for and not taken_again:
            return
        changed_tool = self._shown_for[0] is not tool
        self._shown_for = now
        if changed_tool:
            self._again = None
            self._timer.stop()
            if not self.previewing.applying:
                self.previewing.discard()
        if self._study.editable and (tool in WHOLE_MASK or (self._again is not None and not changed_tool)):
            self.preview()

    @property
    def outline(self) -> OutlineTool | None:
        """The outline that waits to be applied; None when there is none."""
        return self._tool if isinstance(self._tool, OutlineTool) and self._tool.pending else None

    @property
    def can_apply(self) -> bool:
        return self.previewing.ready or self.outline is not None

    def apply(self) -> None:
        """Apply the preview, or fill the outline."""
        if self.previewing.ready:
            self._again = None
            self.previewing.apply()
        elif self.outline is not None:
            self.outline.apply()
            self.sketch_changed.emit()

    def escape(self) -> None:
        """Discard the preview or the outline; with neither, put the tool down."""
        if self.previewing.active or self.previewing.note:
            self._again = None
            self.previewing.discard()
        elif self.outline is not None:
            self.outline.discard()
            self.sketch_changed.emit()
        else:
            self._reading.set_tool(ToolName.CROSSHAIR)

    def take_back(self) -> None:
        """Forget the last vertex of the outline."""
        if self.outline is not None:
            self.outline.take_back()
            self.sketch_changed.emit()

    # places

    def _fill_outline(self, points: NDArray[np.float64], axis: int, number: int) -> None:
        from glioma_annotator.imaging.label_ops.lasso import enclosed

        visit = self._study.require_visit()
        options = self.options[self._reading.tool]
        slices = int(options.depth_mm / visit.timepoint.grid.spacing_mm[axis] + 1e-9)
        index = enclosed(points, axis, number, visit.timepoint.grid.shape, slices)
        value = 0 if options.erases else self._reading.brush.value
        tool = "Polygon" if self._reading.tool is ToolName.POLYGON else "Lasso"
        name = f"{tool} {name_of(visit.scheme, value)}" if value else f"{tool} erase"
        visit.editor.set_voxels(name, index, value)

    def _fill(self, event: PointerEvent) -> None:
        o = self.options[ToolName.FILL]
        value = 0 if o.erases else self._reading.brush.value
        fill = seeded.Fill(event.voxel, value, o.by, o.extent, event.axis, o.sequence, o.tolerance)
        self.previewing.start(fill, apply_at_once=True)

    def _pick(self, event: PointerEvent) -> None:
        visit = self._study.require_visit()
        label = visit.scheme.label(int(visit.editor.labels[event.voxel]))
        if label is None:
            self._study.notice.emit("There is no label at this voxel.")
        else:
            self._reading.set_label(label.value)
            self._study.notice.emit(f"{label.name} is the active label.")

    def _grow_region(self, event: PointerEvent) -> None:
        def operation() -> Operation:
            o = self.options[ToolName.REGION]
            axis = None if o.volume else event.axis
            value = self._reading.brush.value
            return seeded.GrowRegion(event.voxel, value, o.sequence, o.tolerance, o.reach_mm, axis, o.over_labels)

        self._preview(operation)

    def _start_snake(self, event: PointerEvent) -> None:
        def operation() -> Operation:
            o = self.options[ToolName.SNAKE]
            return seeded.Snake(
                event.voxel, self._reading.brush.value, o.sequence, o.tolerance, o.radius_mm, o.smoothness, o.reach_mm,
                o.over_labels,
            )  # fmt: skip

        self._preview(operation)

    def _grow_from_seeds(self, box: Box) -> None:
        def operation() -> Operation:
            chosen = self.options[ToolName.SEEDS].sequence
            every = tuple(self._study.require_visit().images)
            return seeded.GrowFromSeeds(box, every if chosen == ALL else (chosen,))

        self._preview(operation)

    def _edit_inside(self, box: Box) -> None:
        visit = self._study.require_visit()
        visit.editor.set_inside(EditArea.of_box(box, visit.timepoint.grid.shape))
        ml = float(np.prod(box.shape)) * visit.timepoint.grid.voxel_volume_ml
        self._study.notice.emit(f"Only the box of {ml:.{0 if ml >= 10 else 2}f} mL can be edited now.")

    def _accept_piece(self, event: PointerEvent) -> None:
        visit, difference = self._study.require_visit(), self.previewing.difference
        proposal = visit.proposal
        index = difference.component(event.voxel) if difference is not None else np.zeros(0, dtype=np.int64)
        if proposal is None or not index.size:
            self._study.notice.emit("The proposal changes nothing at this voxel.")
            return
        values = proposal.labels.reshape(-1)[index]
        visit.editor.set_voxels("Accept proposal (component)", index, values, proposal.model, visit.spared)

    # tools on the whole mask

    def _preview(self, operation: Callable[[], Operation]) -> None:
        """Preview an operation, and again with the options as they are whenever they change."""
        self._again = operation
        self.previewing.start(operation())

    def preview(self) -> None:
        """Show now what the tool in hand would do to the mask as it stands."""
        if not self._study.editable:
            return
        tool, again = self._reading.tool, self._again
        operation = self._whole_mask(tool) if tool in WHOLE_MASK else again() if again is not None else None
        if operation is not None:
            self.previewing.start(operation)

    def look_elsewhere(self) -> None:
        """Another slice is looked at: what keeps to the slice, or to its plane, is previewed there."""
        tool, here, before = self._reading.tool, self._active_slice(), self._previewed_slice
        if tool not in WHOLE_MASK or here is None or here == before:
            return
        turned = tool is ToolName.INTERPOLATE and self.previewing.active and here[0] != (before or (2,))[0]
        if turned or getattr(self.options[tool], "in_slice", False):
            self.previewing.discard()  # at once: Return must not apply what is no longer seen
            self._previewed_slice = here
            self._timer.start()

    def _whole_mask(self, tool: ToolName) -> Operation | None:
        value, options = self._reading.brush.value, self.options[tool]
        visit = self._study.require_visit()
        here = self._previewed_slice = self._active_slice()
        if tool is ToolName.INTERPOLATE:
            axis = (here or (2,))[0] if options.plane == "active" else int(options.plane)
            return Interpolate(value, axis, options.over_labels)
        only = here if options.in_slice else None
        if options.in_slice and only is None:
            self.previewing.refuse("The active pane shows no slice: click the slice that is meant.")
            return None
        if tool is ToolName.MARGIN:
            if abs(options.mm) < 0.01:
                self.previewing.discard()
                return None
            return Margin(value, options.mm, options.over_labels, only)
        if tool is ToolName.SMOOTH:
            return Smooth(value, options.method, options.radius_mm, options.over_labels, visit.editor.locked, only)
        source = chosen_source(self._study, options.source)
        if source is None:
            self.previewing.refuse("There is no other mask yet: save a revision first.")
            return None
        if tool is ToolName.LOGIC:
            other = int(options.other or value)
            logic, over = options.logic, options.over_labels
            return self._loaded(
                source, lambda labels: CombineWith(value, labels, other, logic, source.title, over, only)
            )
        values = tuple(v for v in visit.scheme.values if v not in visit.editor.locked) if options.every else (value,)
        replace = options.replace
        return self._loaded(source, lambda labels: CopyFrom(labels, values, source.title, replace, only))

    def _loaded(self, source: MaskSource, make: Callable[[NDArray[np.uint8]], Operation]) -> Operation:
        session, timepoint = self._study.require_session(), self._study.require_visit().timepoint
        return WithOtherMask(lambda: load_source(session, source, timepoint), make)
