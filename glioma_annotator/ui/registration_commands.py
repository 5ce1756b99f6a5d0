"""The commands for looking at two visits together, and the key that shows one in the other's place."""

from __future__ import annotations

from functools import partial

from glioma_annotator.ui.mask_carrying import can_carry, carry_over
from glioma_annotator.ui.registration import STEP_DEG, STEP_MM, Together
from glioma_annotator.ui.viewer.types import Layout
from glioma_annotator.workflow.commands import Command

#: Heard only while the panes have the keyboard: in a field these keys move the cursor.
VISITS_VIEW_ONLY = frozenset(
    {"visits.left", "visits.right", "visits.up", "visits.down", "visits.clockwise", "visits.anticlockwise"}
)


def visits_commands(together: Together) -> list[Command]:
    """They need the *timepoints* layout with another visit beside."""
    study, view = together.study, together.view

    def beside() -> bool:
        return together.other is not None and view.layout_name == Layout.TIMEPOINTS.value

    def free() -> bool:
        return beside() and not together.running

    def acceptable() -> bool:
        found = together.found
        return beside() and not study.read_only and found is not None and not found.accepted_by

    def accepted() -> bool:
        found = together.found
        return beside() and not study.read_only and found is not None and bool(found.accepted_by)

    def carried() -> bool:
        return beside() and study.editable and can_carry(together)

    nudge = together.nudge
    moves = (
        ("left", "Nudge left", "Ctrl+Left", (-STEP_MM, 0.0, 0.0)),
        ("right", "Nudge right", "Ctrl+Right", (STEP_MM, 0.0, 0.0)),
        ("up", "Nudge up", "Ctrl+Up", (0.0, STEP_MM, 0.0)),
        ("down", "Nudge down", "Ctrl+Down", (0.0, -STEP_MM, 0.0)),
        ("clockwise", "Nudge clockwise", "Ctrl+Shift+Right", (0.0, 0.0, STEP_DEG)),
        ("anticlockwise", "Nudge anticlockwise", "Ctrl+Shift+Left", (0.0, 0.0, -STEP_DEG)),
    )
    return [
        Command("visits.register", "Register the visits", "Find where the visit beside lies in this one, rigidly",
                together.register, "Study", ("Ctrl+Shift+V",), free),
        Command("visits.deform", "Bend the visit beside", "Make it look like this one: for viewing only",
                together.deform, "Study", (), free),
        Command("visits.accept", "Accept the registration", "Keep it with your name; following lesions builds on it",
                together.accept, "Study", (), acceptable),
        Command("visits.withdraw", "Withdraw the registration", "Take an accepted registration back; nothing builds on "
                "it any more", together.withdraw, "Study", (), accepted),
        Command("visits.carry", "Carry the mask over", "Propose the other visit's mask where the registration puts it",
                partial(carry_over, together), "Study", (), carried),
        Command("visits.picture", "Next picture beside", "As scanned, in this visit's slices, checkerboard, flicker, "
                "difference", together.next_picture, "Study", ("Shift+V",), beside),
        Command("visits.swap", "This visit in the other's place", "Tap to switch, hold to look: what differs jumps",
                together.flip_swapped, "Study", ("V",), beside, lambda: view.comparing.swapped),
        Command("visits.changes", "Changes between the masks", "Colour what is in one mask only or in both",
                lambda: together.show_changes(not together.changes_wanted), "Study", ("D",), beside,
                lambda: together.changes_wanted),
        *(
            Command(f"visits.{name}", title, f"{'Turn' if by[2] else 'Move'} the visit beside by half a "
                    f"{'degree' if by[2] else 'millimetre'}, as seen in the active pane", partial(nudge, *by), "Study",
                    (key,), beside)
            for name, title, key, by in moves
        ),
        Command("visits.reset", "Undo the nudge", "Put the visit beside back to where it was found",
                together.reset_nudge, "Study", (), lambda: beside() and together.found is not None
                and together.found.by_hand),
    ]  # fmt: skip
