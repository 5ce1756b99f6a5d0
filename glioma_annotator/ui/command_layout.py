"""Where commands appear: menus and their dividers, the tool bar, icons, and which keys only the panes hear."""

from __future__ import annotations

from glioma_annotator.ui.registration_commands import VISITS_VIEW_ONLY
from glioma_annotator.ui.tool_commands import TOOL_ICONS, TOOL_VIEW_ONLY
from glioma_annotator.ui.viewer_commands import VIEW_ONLY as AID_VIEW_ONLY

MENUS = ("File", "Study", "Edit", "Tools", "View", "Segment", "Model", "Records", "Help")

#: A divider comes before each of these in the menus.
MENU_BREAKS = (
    "file.start",
    "file.workspace",
    "file.preferences",
    "file.quit",
    "study.next",
    "study.compare",
    "visits.register",
    "finding.add",
    "study.histology",
    "study.clinical",
    "edit.crosshair",
    "edit.label1",
    "edit.new_label",
    "edit.smaller",
    "edit.lasso",
    "edit.region",
    "edit.accept_brush",
    "edit.box",
    "view.mask",
    "view.islands",
    "view.planes",
    "view.next_slice",
    "view.maximise",
    "view.sequence1",
    "view.full_screen",
    "view.subtraction",
    "view.cine",
    "view.ruler",
    "view.head",
    "segment.accept",
    "model.use",
    "model.page",
    "file.export_patient",
    "find.next",
    "study.deleted",
    "study.identity",
    "help.about",
)

#: Heard only while the panes have the keyboard: these keys mean something else in lists and dialogs.
VIEW_ONLY = (
    frozenset({"view.slice_up", "view.slice_down", "view.next_pane", "edit.crosshair"})
    | TOOL_VIEW_ONLY
    | AID_VIEW_ONLY
    | VISITS_VIEW_ONLY
)

ICONS = {
    "file.open_folder": "folder-open-outline",
    "edit.crosshair": "crosshairs",
    "edit.brush": "brush",
    "edit.eraser": "eraser",
    "edit.ball": "sphere",
    "edit.undo": "undo",
    "edit.redo": "redo",
    "study.save": "content-save-outline",
    "view.planes": "view-grid-outline",
    "view.sequences": "image-multiple-outline",
    "view.timepoints": "compare",
    "view.3d": "cube-outline",
    "view.mask": "layers-outline",
    "view.outline": "vector-polygon",
    "view.crosshair": "border-inside",
    "view.ruler": "ruler",
    "view.diameters": "diameter-variant",
    "view.magnifier": "magnify",
    "view.mirror": "flip-horizontal",
    "view.cine": "play-outline",
    "view.blend": "blender-outline",
    "view.subtraction": "vector-difference-ba",
    "view.propose_diameters": "diameter-outline",
    "view.picture": "camera-outline",
    "view.islands": "shape-outline",
    "view.history": "history",
    "view.uncertainty": "gradient-vertical",
    "view.places": "map-marker-question-outline",
    "view.head": "head-outline",
    "study.compare": "file-compare",
    "study.approve": "check-decagram-outline",
    "edit.new_label": "tag-plus-outline",
    "edit.lock": "lock-outline",
    "segment.run": "auto-fix",
    "find.search": "magnify-scan",
    "find.cohort": "account-search-outline",
    **TOOL_ICONS,
}

#: The tool bar in reading order, two in a row; an empty name is a divider.
TOOL_BAR = (
    "edit.crosshair",
    "edit.pick",
    "",
    "edit.brush",
    "edit.eraser",
    "edit.ball",
    "edit.threshold",
    "edit.adaptive",
    "edit.fill",
    "edit.lasso",
    "edit.polygon",
    "",
    "edit.region",
    "edit.snake",
    "edit.seeds",
    "edit.interpolate",
    "edit.margin",
    "edit.smooth",
    "edit.logic",
    "edit.copy",
    "",
    "edit.undo",
    "edit.redo",
    "study.save",
    "",
    "view.planes",
    "view.sequences",
    "view.timepoints",
    "view.3d",
    "",
    "view.mask",
    "view.outline",
    "view.crosshair",
    "",
    "view.ruler",
    "view.diameters",
    "view.magnifier",
    "view.cine",
    "view.mirror",
)
