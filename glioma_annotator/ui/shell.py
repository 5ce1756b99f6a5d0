"""The objects of the window that its commands act on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glioma_annotator.ui.adapting import Adapting
from glioma_annotator.ui.diameter_attaching import DiameterAttaching
from glioma_annotator.ui.findings import FindingsController
from glioma_annotator.ui.histology import HistologyController
from glioma_annotator.ui.keeping import Keeping
from glioma_annotator.ui.mirror_check import MirrorCheck
from glioma_annotator.ui.panels.revisions import RevisionList
from glioma_annotator.ui.proposing import Proposing
from glioma_annotator.ui.reading_state import ReadingState
from glioma_annotator.ui.registration import Together
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.study_labels import StudyLabels
from glioma_annotator.ui.tools.toolbox import Toolbox
from glioma_annotator.ui.uncertainty import Uncertainty
from glioma_annotator.ui.viewer.study_view import StudyView


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
    notes_panel: Callable[[], None]
    write_note: Callable[[], None]
    course_page: Callable[[], None]
    histology_panel: Callable[[], None]
    vasari_page: Callable[[], None]


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
    labels: StudyLabels
    mirror: MirrorCheck
    findings: FindingsController
    histology: HistologyController
    together: Together
    keeping: Keeping
    attaching: DiameterAttaching
