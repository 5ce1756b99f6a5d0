"""Every command of the window: titles, keys, when they can run. What they do lives in the objects they are given."""

from __future__ import annotations

from dataclasses import replace

from glioma_annotator.ui.clinical_commands import histology_commands
from glioma_annotator.ui.course_dock import course_commands
from glioma_annotator.ui.diameter_attaching import attaching_commands
from glioma_annotator.ui.edit_areas import area_commands
from glioma_annotator.ui.keeping import archive_commands, finding_commands, keeping_commands
from glioma_annotator.ui.mirror_check import mirror_commands
from glioma_annotator.ui.model_dock import model_commands
from glioma_annotator.ui.pane_commands import mask_view_commands, panes_commands
from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.registration_commands import visits_commands
from glioma_annotator.ui.review_dock import review_commands
from glioma_annotator.ui.shell import Shell
from glioma_annotator.ui.study_commands import (
    edit_commands,
    file_commands,
    labels_commands,
    segment_commands,
    study_commands,
)
from glioma_annotator.ui.study_labels import label_commands
from glioma_annotator.ui.tool_commands import tool_commands
from glioma_annotator.ui.viewer_commands import viewer_commands
from glioma_annotator.workflow.commands import Command, CommandRegistry

#: Without a visit, letters typed in the list of patients would change unseen how the next one is shown or painted.
_OF_A_VISIT = frozenset({"view.mask", "view.outline", "view.crosshair", "view.fainter", "view.stronger", "edit.smaller",
                         "edit.larger"})  # fmt: skip
_OF_LABELS = ("edit.label", "view.label")


def build_registry(shell: Shell) -> CommandRegistry:
    """All commands. Raises `ValueError` when two share an id or a key."""
    registry = CommandRegistry()
    for make in (
        _file,
        study_commands,
        _visits,
        _course,
        _histology,
        edit_commands,
        labels_commands,
        _added_labels,
        _tools,
        mask_view_commands,
        _review,
        panes_commands,
        _aids,
        segment_commands,
        _model,
        _finding,
        _keeping,
        _help,
    ):
        for command in make(shell):
            registry.add(_with_visit(command, shell))
    return registry


def _with_visit(command: Command, shell: Shell) -> Command:
    """The command, to be run only while a visit is open where it is about one."""
    if command.id not in _OF_A_VISIT and not command.id.startswith(_OF_LABELS):
        return command
    return replace(command, enabled=lambda: shell.study.visit is not None and command.enabled())


def _course(shell: Shell) -> list[Command]:
    acts = shell.acts

    def draw_region() -> None:
        shell.reading.set_tool(ToolName.FINDING_REGION)
        shell.study.notice.emit("Draw around the finding in one slice; Esc puts the pen down.")

    return course_commands(
        shell.findings,
        acts.findings_panel,
        acts.clinical_panel,
        acts.notes_panel,
        acts.write_note,
        acts.course_page,
        draw_region,
    )


def _histology(shell: Shell) -> list[Command]:
    return histology_commands(shell.histology, shell.acts.histology_panel, shell.acts.vasari_page)


def _file(shell: Shell) -> list[Command]:
    """Archives and backups come before the workspace."""
    commands = file_commands(shell)
    at = next(n for n, command in enumerate(commands) if command.id == "file.workspace")
    return [*commands[:at], *archive_commands(shell.keeping, shell.study), *commands[at:]]


def _keeping(shell: Shell) -> list[Command]:
    return keeping_commands(shell.keeping, shell.study, shell.findings)


def _finding(shell: Shell) -> list[Command]:
    return finding_commands(shell.keeping, shell.study)


def _visits(shell: Shell) -> list[Command]:
    return visits_commands(shell.together)


def _review(shell: Shell) -> list[Command]:
    return review_commands(shell.study, shell.uncertainty, shell.review)


def _added_labels(shell: Shell) -> list[Command]:
    return label_commands(shell.study, shell.reading, shell.labels)


def _aids(shell: Shell) -> list[Command]:
    aids = viewer_commands(shell.view, shell.study, shell.reading)
    at = next(n for n, command in enumerate(aids) if command.id == "view.remove_measure")
    return [*aids[:at], *attaching_commands(shell.attaching), *aids[at:], *mirror_commands(shell.study, shell.mirror)]


def _tools(shell: Shell) -> list[Command]:
    return [
        *tool_commands(shell.study, shell.reading, shell.toolbox),
        *area_commands(shell.study, shell.reading),
    ]


def _model(shell: Shell) -> list[Command]:
    return model_commands(shell.adapting, shell.study, shell.acts.model_panel, shell.acts.models_page)


def _help(shell: Shell) -> list[Command]:
    acts = shell.acts
    return [
        Command("help.palette", "Command palette…", "Find and run any command", acts.palette, "Help", ("Ctrl+K",)),
        Command("help.shortcuts", "Keyboard shortcuts", "All keys on one page", acts.shortcuts, "Help", ("?",)),
        Command("help.about", "About", "Version, licence and intended use", acts.about, "Help"),
    ]
