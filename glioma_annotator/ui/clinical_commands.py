"""The commands of histology and of the VASARI sheet."""

from __future__ import annotations

from collections.abc import Callable

from glioma_annotator.ui.histology import HistologyController
from glioma_annotator.workflow.commands import Command


def histology_commands(
    histology: HistologyController, show_panel: Callable[[], None], show_sheet: Callable[[], None]
) -> list[Command]:
    """Samples and the sheet.

    Parameters
    ----------
    show_panel: brings the Histology panel up. show_sheet: opens the VASARI sheet.
    """
    study = histology.study

    def has_patient() -> bool:
        return bool(study.patient_key)

    def add() -> None:
        histology.add()
        show_panel()

    def add_here() -> None:
        histology.add_at_crosshair()
        show_panel()

    return [
        Command("study.histology", "Histology", "The patient's samples with markers, grade and diagnosis", show_panel,
                "Study", ("Ctrl+Shift+H",), has_patient),
        Command("histology.add", "New histology sample", "Record a biopsy or resection; its place can follow", add,
                "Study", (), lambda: histology.editable),
        Command("histology.add_here", "New histology sample at the crosshair", "Record a biopsy or resection taken "
                "where the crosshair is", add_here, "Study", ("Ctrl+Shift+B",),
                lambda: histology.editable and study.visit is not None),
        Command("study.vasari", "VASARI sheet…", "The features of a visit: computed from the mask where they can be, "
                "chosen elsewhere", show_sheet, "Study", ("F8",), lambda: study.visit is not None),
    ]  # fmt: skip
