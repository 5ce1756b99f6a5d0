"""Every dialog that the window opens, and the acts behind the commands that need one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QApplication, QDialog, QDockWidget, QFileDialog, QWidget
from shiboken6 import isValid

from glioma_annotator.domain.import_plan import ImportPlan, ImportSummary
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError, WorkspaceBusy
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.ui.dialogs.command_palette import CommandPalette
from glioma_annotator.ui.dialogs.compare_revisions import CompareDialog, ComparedMask
from glioma_annotator.ui.dialogs.course_page import CoursePage
from glioma_annotator.ui.dialogs.import_dialog import ImportDialog
from glioma_annotator.ui.dialogs.mapping import MappingDialog
from glioma_annotator.ui.dialogs.models_page import ModelsPage
from glioma_annotator.ui.dialogs.preferences import PreferencesDialog
from glioma_annotator.ui.dialogs.shortcuts import ShortcutPage
from glioma_annotator.ui.dialogs.small import AboutDialog, BusyDialog
from glioma_annotator.ui.dialogs.vasari_page import VasariPage
from glioma_annotator.ui.proposing import PriorMask
from glioma_annotator.ui.shell import WindowActs
from glioma_annotator.ui.viewer.types import Layout
from glioma_annotator.workflow.difference import LabelChange
from glioma_annotator.workflow.export_study import export_patient

if TYPE_CHECKING:
    from glioma_annotator.ui.window import MainWindow

_MOST_MESSAGES = 4
_NIFTI = "NIfTI (*.nii *.nii.gz);;All files (*)"


class WindowDialogs(QObject):
    """Opens dialogs over the window; none of them blocks.

    Attributes
    ----------
    open: the dialog opened last, while it is open.
    """

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self.open: QDialog | None = None

    def acts(self) -> WindowActs:
        """What the commands can ask for."""
        window = self._window
        return WindowActs(
            open_folder=self.ask_folder,
            open_files=self.ask_files,
            open_workspace=self.ask_workspace,
            open_demo=window.importing.open_demo,
            show_start=window.study.close_patient,
            export=self.ask_export_folder,
            preferences=self.preferences,
            quit=lambda: (window.close(), None)[1],
            prior_mask=self.ask_prior_mask,
            compare=self.compare,
            next_area=self.next_area,
            full_screen=self.full_screen,
            palette=lambda: self.show(CommandPalette(window.registry, window)),
            shortcuts=lambda: self.show(ShortcutPage(window.registry, window)),
            about=lambda: self.show(AboutDialog(window)),
            model_panel=self.model_panel,
            models_page=self.models_page,
            findings_panel=lambda: self._bring_up(window.findings_dock),
            clinical_panel=lambda: window.clinical_pages.show_events(self.clinical_dock),
            notes_panel=lambda: window.clinical_pages.show_notes(self.clinical_dock),
            write_note=self.write_note,
            course_page=self.course_page,
            histology_panel=lambda: self._bring_up(window.histology_dock),
            vasari_page=self.vasari_page,
        )

    def show(self, dialog: QDialog) -> None:
        """Open a dialog over the window; modal ones do not block either."""
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.destroyed.connect(partial(self._forget, dialog))
        self.open = dialog
        if dialog.isModal():
            dialog.open()
        else:
            dialog.show()

    def _forget(self, dialog: QDialog, _destroyed: QObject | None = None) -> None:
        if self.open is dialog:
            self.open = None

    def clinical_dock(self) -> None:
        """Bring the Clinical dock up at the page it was left at."""
        self._bring_up(self._window.clinical_dock)

    def write_note(self) -> None:
        """An empty form for a note or report of the open visit."""
        self._window.clinical_pages.show_notes(self.clinical_dock)
        self._window.clinical_pages.notes.start_new()

    # files and folders

    def _ask_path(self, title: str, mode: QFileDialog.FileMode, chosen: Callable[[list[Path]], None]) -> None:
        dialog = QFileDialog(self._window, title)
        dialog.setModal(True)
        dialog.setFileMode(mode)
        if mode is QFileDialog.FileMode.Directory:
            dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        else:
            dialog.setNameFilter(_NIFTI)
        dialog.accepted.connect(lambda: chosen([Path(p) for p in dialog.selectedFiles()]))
        self.show(dialog)

    def ask_folder(self, patient: str = "") -> None:
        """A folder to import; `patient` is whose visits it holds, where that is known."""
        title = f"Folder with another visit of {patient}" if patient else "Folder with a patient's visits"
        self._ask_path(
            title, QFileDialog.FileMode.Directory, lambda paths: self._window.importing.look(paths, patient or None)
        )

    def ask_files(self) -> None:
        self._ask_path("NIfTI files to import", QFileDialog.FileMode.ExistingFiles, self._window.importing.look)

    def ask_workspace(self) -> None:
        self._ask_path(
            "Workspace folder",
            QFileDialog.FileMode.Directory,
            lambda paths: self._window.study.open_workspace(paths[0]),
        )

    def open_remembered(self, path: Path) -> None:
        """Open a workspace that was opened before; where it is gone, no empty one is made in its place."""
        study = self._window.study

        def look(_report: Report, _cancel: CancelToken) -> bool:
            try:
                return path.is_dir() and any(path.iterdir())
            except OSError:
                return True  # opening it says what is wrong

        def found(there: bool) -> None:
            if there:
                study.open_workspace(path)
                return
            study.failed.emit(
                UserError(
                    f"The workspace {path} is not there.",
                    "Connect the disk or network folder that it lies on and open it again, or choose another one with "
                    "File, Open workspace.",
                )
            )

        self._window.workers.reading.submit("Looking for the workspace", look, found, study.failed.emit)

    def ask_prior_mask(self) -> None:
        self._ask_path(
            "Prior mask of this visit",
            QFileDialog.FileMode.ExistingFile,
            lambda paths: self._window.proposing.open_prior_mask(paths[0]),
        )

    def ask_export_folder(self) -> None:
        self._ask_path("Folder to export into", QFileDialog.FileMode.Directory, lambda paths: self._export(paths[0]))

    def _export(self, folder: Path) -> None:
        study = self._window.study
        store, key = study.require_session().store, study.patient_key

        def work(report: Report, cancel: CancelToken) -> tuple[Path, ...]:
            return export_patient(store, key, None, folder, report, cancel)

        def done(files: tuple[Path, ...]) -> None:
            unsaved = study.visit is not None and study.patient_key == key and study.visit.editor.unsaved
            without = " Unsaved steps are not among them: save a revision, then export again." if unsaved else ""
            study.notice.emit(f"Exported {len(files)} files to {folder}.{without}")

        self._window.workers.computing.submit(f"Exporting {key}", work, done, study.failed.emit)

    # import

    def confirm_import(self, plan: ImportPlan) -> None:
        """Show what was found; the reader corrects it and starts the import."""
        window = self._window
        session = window.study.session
        if session is None:
            return
        dialog = ImportDialog(plan, session.store, session.scheme, window)
        dialog.accepted.connect(lambda: window.importing.run(dialog.plan))
        dialog.failed.connect(window.errors.show)
        self.show(dialog)

    def import_messages(self, summary: ImportSummary) -> None:
        """What the reader should know about an import that has ended."""
        self.tell(summary.messages)

    def tell(self, messages: Sequence[str]) -> None:
        """Sentences that stay until they are read; of many the first ones, all in the tooltip."""
        shown = list(messages)
        if len(shown) > _MOST_MESSAGES:
            shown[_MOST_MESSAGES - 1 :] = [f"and {len(shown) - _MOST_MESSAGES + 1} more"]
        if shown:
            self._window.banner.tell("\n".join(shown), details="\n".join(messages))

    # masks

    def prior_mapping(self, mask: PriorMask) -> None:
        """Ask what the values of a prior mask mean, then propose it."""
        window = self._window
        dialog = MappingDialog(mask.path.name, mask.counts, window.study.scheme, window, voxel_ml=mask.voxel_ml)
        dialog.accepted.connect(lambda: window.proposing.propose_prior_mask(mask.path, dialog.mapping))
        self.show(dialog)

    def compare(self) -> None:
        """Compare two masks of the open visit, at first the selected revision with the mask as it stands.

        Where that is the selected one, with the revision before it.
        """
        window = self._window
        visit, selected = window.study.require_visit(), window.revisions.selected
        revisions = {r.id: r for r in sorted(visit.revisions, key=lambda r: -r.number)}
        masks = [ComparedMask(None, "Mask as it stands")]
        masks += [
            ComparedMask(key, f"Revision {r.number}, {r.status.value}, {r.author}") for key, r in revisions.items()
        ]

        def compare(before: int | None, after: int | None, show: Callable[[Sequence[LabelChange]], None]) -> None:
            def work(_report: Report, _cancel: CancelToken) -> tuple[LabelChange, ...]:
                return visit.compare(revisions.get(before), revisions.get(after))

            def done(rows: tuple[LabelChange, ...]) -> None:
                if isValid(dialog) and dialog.isVisible():
                    show(rows)

            window.workers.reading.submit("Comparing", work, done, window.study.failed.emit)

        def side_by_side(key: int | None) -> None:
            title = next(mask.title for mask in masks if mask.key == key)

            def work(_report: Report, _cancel: CancelToken) -> LabelArray:
                return visit.labels_of(revisions.get(key))

            def done(labels: LabelArray) -> None:
                if window.study.visit is visit:
                    window.view.set_layout(Layout.TIMEPOINTS)
                    window.study.beside.show_mask(labels, title)

            window.workers.reading.submit(f"Reading {title}", work, done, window.study.failed.emit)

        key = selected.id if selected is not None else None
        if key == visit.parent_id and not visit.editor.unsaved:
            key = next((r.id for r in revisions.values() if selected is not None and r.number < selected.number), key)
        dialog = CompareDialog(masks, key, None, compare, side_by_side, window)
        window.study.leaving_visit.connect(dialog.close)
        self.show(dialog)

    # models

    def model_panel(self) -> None:
        """Bring the Model panel to the front."""
        self._window.model_dock.show()
        self._window.model_dock.raise_()

    def models_page(self) -> None:
        page = ModelsPage(self._window.adapting, self._window.study, self._window)
        page.failed.connect(self._window.errors.show)
        self.show(page)

    # course

    @staticmethod
    def _bring_up(dock: QDockWidget) -> None:
        dock.show()
        dock.raise_()

    def course_page(self) -> None:
        """Open the course page, or bring up the one that is open."""
        if shown := next((page for page in self._window.findChildren(CoursePage) if page.isVisible()), None):
            shown.raise_()
            shown.activateWindow()
            return
        page = CoursePage(self._window.study, self._window)
        self._window.attaching.attached.connect(page.measure)
        self.show(page)

    def vasari_page(self) -> None:
        self.show(VasariPage(self._window.study, self._window))

    # workspace

    def workspace_busy(self, path: Path, busy: WorkspaceBusy) -> None:
        window = self._window
        dialog = BusyDialog(path, busy, window)
        dialog.read_only_chosen.connect(lambda chosen: window.study.open_workspace(chosen, read_only=True))
        dialog.other_chosen.connect(self.ask_workspace)
        self.show(dialog)
        window.start_page.show_closed()

    # window

    def preferences(self) -> None:
        dialog = PreferencesDialog(self._window.settings, self._window)
        dialog.changed.connect(self._window.change_settings)
        self.show(dialog)

    def full_screen(self) -> None:
        self._window.setWindowState(self._window.windowState() ^ Qt.WindowState.WindowFullScreen)

    def next_area(self) -> None:
        """Move the keyboard from the panes or the start page to the panels in sight, to the timeline, then back."""
        window = self._window
        docks = [dock for dock in window.findChildren(QDockWidget) if not dock.visibleRegion().isEmpty()]
        areas: list[QWidget] = [window.pages.currentWidget(), *docks, window.timeline]
        focus = QApplication.focusWidget()
        held = [i for i, area in enumerate(areas) if focus is area or (focus is not None and area.isAncestorOf(focus))]
        first = held[0] + 1 if held else 0
        targets = (self._reached_first(area) for area in (*areas[first:], *areas[:first]))
        target = next(filter(None, targets), None)
        if target is not None:
            target.window().activateWindow()  # a panel may have been torn off
            target.setFocus(Qt.FocusReason.TabFocusReason)

    def _reached_first(self, area: QWidget) -> QWidget | None:
        """What takes the keyboard of an area; None where nothing does."""
        if area is self._window.view:
            return area
        reachable = (w for w in area.findChildren(QWidget) if w.focusPolicy() & Qt.FocusPolicy.TabFocus)
        return next((w for w in reachable if w.isEnabled() and not w.visibleRegion().isEmpty()), None)
