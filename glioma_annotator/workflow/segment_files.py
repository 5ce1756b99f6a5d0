"""Segmenting loose files, without a workspace."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import REFERENCE_ORDER, SequenceRole
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.imaging.atomic_file import make_folder, new_file
from glioma_annotator.imaging.content_check import check_contents, shrink, size_warnings
from glioma_annotator.imaging.nifti import read_volume, write_labels
from glioma_annotator.imaging.nifti_header import shown
from glioma_annotator.imaging.resampling import reconcile, resample_to
from glioma_annotator.progress import CancelToken, Progress, Report, part
from glioma_annotator.workflow.ports import Segmenter


def segment_files(
    segmenter: Segmenter,
    files: Mapping[SequenceRole, Path],
    out: Path,
    *,
    model: str,
    device: str,
    operated: bool | None,
    report: Report,
    cancel: CancelToken,
) -> tuple[SegmentationOutcome, Grid]:
    """Segment one visit given as files by role and write the mask on the reference (T1Gd) file's grid.

    `operated` is False for a scan before any surgery, in which no resection cavity is looked for, True for one after a
    resection, None where that is not known. The mask's folder is made where it is missing.
    Raises `UserError` for unreadable files, grids that cannot be reconciled, a model that does not fit or a mask file
    that is an image or a folder, and `EnvironmentFailure` when the machine fails; the mask file then stays as it was.
    """
    _check_target(out, files.values())
    segmenter.check(model, files.keys(), GLIOMA_POST_TREATMENT)
    report(Progress(0.0, "Reading"))
    loaded = {role: read_volume(path) for role, path in files.items()}
    reference = next(role for role in REFERENCE_ORDER if role in loaded)
    cancel.raise_if_cancelled()
    grid = loaded[reference].volume.grid
    reconcile({shown(files[role]): v.volume.grid for role, v in loaded.items()}, shown(files[reference]))
    notes = [note for one in loaded.values() for note in one.notes]
    empty = [role for role, one in loaded.items() if one.volume.data.min() == one.volume.data.max()]
    notes += _done_without(segmenter, model, files, empty, reference)
    images = {role: resample_to(v.volume, grid) for role, v in loaded.items() if role not in empty}
    notes += [f"{shown(files[reference])}: {doubt}" for doubt in size_warnings(grid)]
    doubts = check_contents({role: shrink(volume) for role, volume in images.items()})
    notes += [f"{shown(files[role])}: {doubt}" for role, found in doubts.items() for doubt in found]
    outcome = segmenter.segment(images, model, device, part(report, 0.1, 0.95), cancel, operated=operated)
    outcome = replace(outcome, messages=(*notes, *outcome.messages))
    report(Progress(0.97, "Writing the mask"))
    make_folder(out.parent)
    write_labels(out, outcome.labels, grid, loaded[reference].source_axes)
    report(Progress(1.0, "Done"))
    return outcome, grid


def _done_without(
    segmenter: Segmenter,
    model: str,
    files: Mapping[SequenceRole, Path],
    empty: Collection[SequenceRole],
    reference: SequenceRole,
) -> list[str]:
    """What to tell of images that show nothing. Raises `UserError` where the model needs one or it is the reference."""
    told = [f"{shown(files[role])} shows nothing: all its voxels have the same value." for role in empty]
    if reference in empty:
        raise UserError(" ".join(told), "Check the file, or leave it out if the model can do without it.")
    if told:
        try:
            segmenter.check(model, files.keys() - set(empty), GLIOMA_POST_TREATMENT)
        except UserError as error:
            raise UserError(" ".join((*told, error.what)), error.todo) from error
    return [f"{text} The mask was found without it." for text in told]


def check_writable(folder: Path) -> None:
    """See whether a file can be written to a folder or, while it is missing, to the nearest one above it.

    Raises `UserError` for what is no folder, `EnvironmentFailure` for one that cannot be written.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise UserError(f"“{there}” is a file, not a folder.", "Choose another place for what is written.")
    try:
        with new_file(there / "written"):
            pass
    except OSError as error:
        raise EnvironmentFailure(
            f"Nothing can be written to “{there}” ({error.strerror or error}).", "Choose a folder you may write to."
        ) from error


def _check_target(out: Path, inputs: Iterable[Path]) -> None:
    """Refuse, before anything is computed, a mask file that cannot be written or would take an image's place."""
    if not out.name.lower().endswith((".nii", ".nii.gz")):
        raise UserError(f"{out.name} is no NIfTI file name.", "End it in .nii.gz or .nii.")
    if out.is_dir():
        raise UserError(f"“{out}” is a folder.", "Name a file for the mask.")
    if out.exists() and any(path.exists() and out.samefile(path) for path in inputs):
        raise UserError(f"The mask would take the place of the image “{out}”.", "Choose another name for the mask.")
    check_writable(out.parent)
