"""Every command of the window: titles, keys, when they can run. What they do lives in the objects they are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from glioma_annotator.ui.adapting import Adapting
from glioma_annotator.ui.course_dock import course_commands
from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.model_dock import model_commands
from glioma_annotator.ui.panels.revisions import RevisionList
from glioma_annotator.ui.proposing import Proposing
from glioma_annotator.ui.reading_state import ReadingState, ToolName
from glioma_annotator.ui.review_dock import review_commands
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.tool_commands import TOOL_ICONS, TOOL_VIEW_ONLY, tool_commands
from glioma_annotator.ui.tools.toolbox import Toolbox
from glioma_annotator.ui.uncertainty import Uncertainty
from glioma_annotator.ui.viewer.study_view import StudyView
from glioma_annotator.ui.viewer.types import Layout, MaskStyle
from glioma_annotator.ui.viewer_commands import VIEW_ONLY as AID_VIEW_ONLY
from glioma_annotator.ui.viewer_commands import viewer_commands
from glioma_annotator.workflow.commands import Command, CommandRegistry

MENUS = ("File", "Study", "Edit", "Tools", "View", "Segment", "Model", "Help")

#: A divider comes before each of these in the menus.
MENU_BREAKS = (
    "file.start",
    "file.workspace",
    "file.preferences",
    "file.quit",
    "study.next",
    "study.compare",
    "finding.add",
    "edit.crosshair",
    "edit.label1",
    "edit.smaller",
    "edit.lasso",
    "edit.region",
    "edit.accept_brush",
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
    "help.about",
)

#: Heard only while the panes have the keyboard: these keys mean something else in lists and dialogs.
VIEW_ONLY = (
    frozenset({"view.slice_up", "view.slice_down", "view.next_pane", "edit.crosshair"}) | TOOL_VIEW_ONLY | AID_VIEW_ONLY
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
    "view.diameters": "arrow-expand-all",
    "view.magnifier": "magnify",
    "view.cine": "play-outline",
    "segment.run": "auto-fix",
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
)

_SEQUENCES = ("T1Gd", "FLAIR", "T2", "T1")


@dataclass(frozen=True, slots=True)
class WindowActs:
    """What only the window can do: open dialogs, show its pages, close."""

    open_folder: Callable[[], None]
    open_files: Callable[[], None]
    open_workspace: Callable[[], None]
    open_demo: Callable[[], None]
    show_start: Callable[[], None]
    export: Callable[[], None]
    preferences: Callable[[], None]
    quit: Callable[[], None]
    prior_mask: Callable[[], None]
    compare: Callable[[], None]
    next_area: Callable[[], None]
    full_screen: Callable[[], None]
    palette: Callable[[], None]
    shortcuts: Callable[[], None]
    about: Callable[[], None]
    model_panel: Callable[[], None]
    models_page: Callable[[], None]
    findings_panel: Callable[[], None]
    clinical_panel: Callable[[], None]
    course_page: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Shell:
    """The objects that the commands act on."""

    study: StudyController
    proposing: Proposing
    reading: ReadingState
    view: StudyView
    revisions: RevisionList
    acts: WindowActs
    toolbox: Toolbox
    adapting: Adapting
    uncertainty: Uncertainty
    review: Callable[[int], None]
    findings: FindingsController


def build_registry(shell: Shell) -> CommandRegistry:
    """All commands. Raises `ValueError` when two share an id or a key."""
    registry = CommandRegistry()
    for make in (
        _file,
        _study,
        _course,
        _edit,
        _labels,
        _tools,
        _mask_view,
        _review,
        _panes,
        _aids,
        _segment,
        _model,
        _help,
    ):
        for command in make(shell):
            registry.add(command)
    return registry


def _course(shell: Shell) -> list[Command]:
    acts = shell.acts
    return course_commands(shell.findings, acts.findings_panel, acts.clinical_panel, acts.course_page)


def _review(shell: Shell) -> list[Command]:
    return review_commands(shell.study, shell.uncertainty, shell.review)


def _aids(shell: Shell) -> list[Command]:
    return viewer_commands(shell.view, shell.study, shell.reading)


def _tools(shell: Shell) -> list[Command]:
    return tool_commands(shell.study, shell.reading, shell.toolbox)


def _file(shell: Shell) -> list[Command]:
    study, acts = shell.study, shell.acts

    def writable() -> bool:
        return study.session is not None and not study.read_only

    def demo() -> bool:
        return writable() and study.services.build_demo is not None

    return [
        Command("file.open_folder", "Open folder…", "Import the visits found in a folder", acts.open_folder, "File",
                ("Ctrl+O",), writable),
        Command("file.open_files", "Open files…", "Import NIfTI files", acts.open_files, "File", (), writable),
        Command("file.demo", "Demo study", "Open a synthetic patient with three visits", acts.open_demo, "File", (),
                demo),
        Command("file.start", "Start page", "Show the patients of this workspace", acts.show_start, "File",
                ("Ctrl+Home",), lambda: bool(study.patient_key)),
        Command("file.export", "Export…", "Write the patient's images, masks and volumes to a folder", acts.export,
                "File", ("Ctrl+E",), lambda: bool(study.patient_key)),
        Command("file.workspace", "Open workspace…", "Work in another workspace folder", acts.open_workspace, "File"),
        Command("file.preferences", "Preferences…", "Change the program's settings", acts.preferences, "File",
                ("Ctrl+,",)),
        Command("file.quit", "Quit", "Close the program; unsaved strokes are kept", acts.quit, "File", ("Ctrl+Q",)),
    ]  # fmt: skip


def _study(shell: Shell) -> list[Command]:
    study, revisions, acts = shell.study, shell.revisions, shell.acts

    def has_visit() -> bool:
        return study.visit is not None

    def several() -> bool:
        return len(study.timepoints()) > 1

    def selected() -> bool:
        return revisions.selected is not None

    def approve() -> None:
        if revisions.selected is not None:
            study.approve(revisions.selected)

    def can_approve() -> bool:
        chosen = revisions.selected
        return study.editable and chosen is not None and chosen.status.value != "approved"

    def restore() -> None:
        if revisions.selected is not None:
            study.restore(revisions.selected)

    return [
        Command("study.save", "Save revision", "Keep the mask as a new revision", study.save, "Study", ("Ctrl+S",),
                lambda: study.editable),
        Command("study.approve", "Approve revision", "Mark the selected revision as approved", approve, "Study",
                ("Ctrl+Shift+S",), can_approve),
        Command("study.compare", "Compare with revision", "Volume added and removed since the selected revision",
                acts.compare, "Study", ("F7",), lambda: has_visit() and selected()),
        Command("study.restore", "Restore revision", "Bring the selected revision's mask back as one undoable step",
                restore, "Study", (), lambda: study.editable and selected()),
        Command("study.next", "Next visit", "Open the next visit", partial(study.step_visit, 1), "Study", (".",),
                several),
        Command("study.previous", "Previous visit", "Open the previous visit", partial(study.step_visit, -1), "Study",
                (",",), several),
    ]  # fmt: skip


def _edit(shell: Shell) -> list[Command]:
    study, reading = shell.study, shell.reading

    def editor_has(name: str) -> bool:
        return study.editable and study.visit is not None and getattr(study.visit.editor, name) is not None

    def tool(name: ToolName) -> Callable[[], None]:
        return partial(reading.set_tool, name)

    def is_tool(name: ToolName) -> Callable[[], bool]:
        return lambda: reading.tool is name

    return [
        Command("edit.undo", "Undo", "Take the last step back", study.undo, "Edit", ("Ctrl+Z",),
                lambda: editor_has("undo_name")),
        Command("edit.redo", "Redo", "Do the step that was undone again", study.redo, "Edit",
                ("Ctrl+Shift+Z", "Ctrl+Y"), lambda: editor_has("redo_name")),
        Command("edit.crosshair", "Crosshair tool", "Put the tool down; first discards a preview or outline",
                shell.toolbox.escape, "Edit", ("Esc",), checked=is_tool(ToolName.CROSSHAIR)),
        Command("edit.brush", "Brush", "Paint the active label", tool(ToolName.BRUSH), "Edit", ("B",),
                lambda: study.editable, is_tool(ToolName.BRUSH)),
        Command("edit.eraser", "Eraser", "Paint background", tool(ToolName.ERASER), "Edit", ("E",),
                lambda: study.editable, is_tool(ToolName.ERASER)),
        Command("edit.ball", "3D brush", "Paint a ball through the slices instead of a disc in one",
                lambda: reading.set_ball(not reading.brush.ball), "Edit", ("Shift+B",), lambda: study.editable,
                lambda: reading.brush.ball),
        Command("edit.smaller", "Smaller brush", "Make brush and eraser smaller", partial(reading.step_diameter, -1),
                "Edit", ("[",)),
        Command("edit.larger", "Larger brush", "Make brush and eraser larger", partial(reading.step_diameter, 1),
                "Edit", ("]",)),
    ]  # fmt: skip


def _labels(shell: Shell) -> list[Command]:
    study, reading = shell.study, shell.reading
    commands = []

    def is_label(value: int) -> Callable[[], bool]:
        return lambda: reading.brush.value == value

    def is_visible(value: int) -> Callable[[], bool]:
        return lambda: value not in reading.hidden

    def flip_visible(value: int) -> None:
        reading.set_label_visible(value, value in reading.hidden)

    def flip_lock() -> None:
        editor = study.require_visit().editor
        editor.set_locked(reading.brush.value, reading.brush.value not in editor.locked)

    for label in study.scheme.labels:
        n = label.value
        commands.append(
            Command(f"edit.label{n}", f"Label {label.name}", f"Paint {label.title}", partial(reading.set_label, n),
                    "Edit", (str(n),), checked=is_label(n))
        )  # fmt: skip
    for label in study.scheme.labels:
        n = label.value
        commands.append(
            Command(f"view.label{n}", f"Show {label.name}", f"Show or hide {label.title}", partial(flip_visible, n),
                    "View", (f"Ctrl+{n}",), checked=is_visible(n))
        )  # fmt: skip
    commands.append(
        Command("edit.lock", "Lock active label", "No tool and no proposal changes the active label", flip_lock,
                "Edit", ("Ctrl+L",), lambda: study.editable)
    )  # fmt: skip
    return commands


def _mask_view(shell: Shell) -> list[Command]:
    reading = shell.reading

    def flip_outline() -> None:
        reading.set_style(MaskStyle.BOTH if reading.style is MaskStyle.OUTLINE else MaskStyle.OUTLINE)

    return [
        Command("view.mask", "Show mask", "Mask on or off; off only while the key is held",
                reading.flip_mask, "View", ("H",),
                checked=lambda: reading.mask_visible),
        Command("view.outline", "Mask as outline", "Draw the mask as an outline only", flip_outline, "View", ("O",),
                checked=lambda: reading.style is MaskStyle.OUTLINE),
        Command("view.crosshair", "Show crosshair", "Crosshair lines on or off",
                lambda: reading.set_crosshair_visible(not reading.crosshair_visible), "View", ("X",),
                checked=lambda: reading.crosshair_visible),
        Command("view.fainter", "Fainter mask", "Lower the mask's opacity",
                lambda: reading.set_opacity(reading.opacity - 0.1), "View", ("Ctrl+[",)),
        Command("view.stronger", "Stronger mask", "Raise the mask's opacity",
                lambda: reading.set_opacity(reading.opacity + 0.1), "View", ("Ctrl+]",)),
    ]  # fmt: skip


def _panes(shell: Shell) -> list[Command]:
    study, view, acts = shell.study, shell.view, shell.acts

    def has_visit() -> bool:
        return study.visit is not None

    def is_layout(layout: Layout) -> Callable[[], bool]:
        return lambda: view.layout_name == layout.value

    def shows(name: str) -> Callable[[], bool]:
        return lambda: study.visit is not None and name in study.visit.images

    layouts = (
        (Layout.PLANES, "Planes", "Axial, coronal, sagittal and 3D", "F1"),
        (Layout.SEQUENCES, "Sequences", "T1, T1Gd, T2 and FLAIR in one plane", "F2"),
        (Layout.TIMEPOINTS, "Visits", "This visit beside another", "F3"),
        (Layout.THREE_D, "3D", "The mask's surfaces", "F4"),
    )
    commands = [
        Command(f"view.{layout.value}", title, text, partial(view.set_layout, layout), "View", (key,), has_visit,
                is_layout(layout))
        for layout, title, text, key in layouts
    ]  # fmt: skip
    step = view.next_slice_with_label
    commands += [
        Command("view.next_slice", "Next slice with label", "Go to the next slice with the active label",
                lambda: step(shell.reading.brush.value, 1), "View", ("N",), has_visit),
        Command("view.previous_slice", "Previous slice with label", "Go to the previous slice with the active label",
                lambda: step(shell.reading.brush.value, -1), "View", ("Shift+N",), has_visit),
        Command("view.slice_up", "Slice up", "One slice up in the active pane", partial(view.step_slice, 1), "View",
                ("Up",), has_visit),
        Command("view.slice_down", "Slice down", "One slice down in the active pane", partial(view.step_slice, -1),
                "View", ("Down",), has_visit),
        Command("view.next_pane", "Next pane", "Make the next pane the active one", view.focus_next_pane, "View",
                ("Tab",), has_visit),
        Command("view.maximise", "Maximise pane", "Fill the view with the active pane, or go back (double click)",
                view.toggle_maximised, "View", ("F5",), has_visit),
        Command("view.reset", "Whole image", "Show the whole image in every pane", view.reset_view, "View",
                ("Ctrl+0",), has_visit),
        Command("view.next_area", "Next area", "Move the keyboard between panes, panel and timeline", acts.next_area,
                "View", ("F6",)),
    ]  # fmt: skip
    commands += [
        Command(f"view.sequence{n}", f"{name} in the pane", f"Show {name} in the active pane",
                partial(view.set_pane_sequence, name), "View", (f"Alt+{n}",), shows(name))
        for n, name in enumerate(_SEQUENCES, start=1)
    ]  # fmt: skip
    commands.append(
        Command("view.full_screen", "Full screen", "Use the whole screen, or go back", acts.full_screen, "View",
                ("F11",))
    )  # fmt: skip
    return commands


def _segment(shell: Shell) -> list[Command]:
    study, proposing, acts = shell.study, shell.proposing, shell.acts

    def pending() -> bool:
        return study.editable and study.visit is not None and study.visit.proposal is not None

    def can_segment() -> bool:
        return study.editable and bool(proposing.models) and not proposing.running_here

    def can_reject() -> bool:
        return study.visit is not None and study.visit.proposal is not None

    return [
        Command("segment.run", "Segment visit", "Let the chosen model propose a mask", proposing.segment, "Segment",
                ("Ctrl+Return",), can_segment),
        Command("segment.prior", "Open a prior mask…", "Take the proposal from a NIfTI mask file", acts.prior_mask,
                "Segment", ("Ctrl+Shift+O",), lambda: study.editable),
        Command("segment.accept", "Accept proposal", "Write the whole proposal into the mask as one undoable step",
                proposing.accept, "Segment", ("Shift+Return",), pending),
        Command("segment.reject", "Reject proposal", "Drop the proposal; the mask stays as it is", proposing.reject,
                "Segment", ("Shift+Backspace",), can_reject),
    ]  # fmt: skip


def _model(shell: Shell) -> list[Command]:
    return model_commands(shell.adapting, shell.study, shell.acts.model_panel, shell.acts.models_page)


def _help(shell: Shell) -> list[Command]:
    acts = shell.acts
    return [
        Command("help.palette", "Command palette…", "Find and run any command", acts.palette, "Help", ("Ctrl+K",)),
        Command("help.shortcuts", "Keyboard shortcuts", "All keys on one page", acts.shortcuts, "Help", ("?",)),
        Command("help.about", "About", "Version, licence and intended use", acts.about, "Help"),
    ]
