"""The commands on files, the study, the mask's steps and labels, and proposals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.shell import Shell
from glioma_annotator.workflow.commands import Command


def file_commands(shell: Shell) -> list[Command]:
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


def study_commands(shell: Shell) -> list[Command]:
    study, revisions, acts = shell.study, shell.revisions, shell.acts

    def has_visit() -> bool:
        return study.visit is not None

    def several() -> bool:
        return study.several_visits

    def selected() -> bool:
        return revisions.selected is not None

    def approve() -> None:
        if revisions.selected is not None:
            study.approve(revisions.selected)

    def can_approve() -> bool:
        chosen, visit = revisions.selected, study.visit
        # While a revision is being written the list does not hold yet the one that the reader means.
        busy = visit is not None and study.saving.saving(visit)
        return study.editable and not busy and chosen is not None and chosen.status.value != "approved"

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


def edit_commands(shell: Shell) -> list[Command]:
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


def labels_commands(shell: Shell) -> list[Command]:
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


def segment_commands(shell: Shell) -> list[Command]:
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
