"""The commands on the panes: how the mask is drawn, layouts, slices, sequences."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from glioma_annotator.ui.shell import Shell
from glioma_annotator.ui.viewer.types import Layout, MaskStyle
from glioma_annotator.ui.viewer_commands import on_slices
from glioma_annotator.workflow.commands import Command

_SEQUENCES = ("T1Gd", "FLAIR", "T2", "T1")


def mask_view_commands(shell: Shell) -> list[Command]:
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


def panes_commands(shell: Shell) -> list[Command]:
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
                on_slices(view, study, partial(view.set_pane_sequence, name)), "View", (f"Alt+{n}",), shows(name))
        for n, name in enumerate(_SEQUENCES, start=1)
    ]  # fmt: skip
    commands.append(
        Command("view.full_screen", "Full screen", "Use the whole screen, or go back", acts.full_screen, "View",
                ("F11",))
    )  # fmt: skip
    return commands
