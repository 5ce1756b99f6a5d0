"""Segmenting loose files, without a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.segmentation import SegmentationOutcome
from glioma_annotator.domain.sequences import REFERENCE_ORDER, SequenceRole
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.content_check import check_contents, shrink
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
    resection, None where that is not known.
    Raises `UserError` for unreadable files, grids that cannot be reconciled or a model that does not fit, and
    `EnvironmentFailure` when the machine fails; the mask file then stays as it was.
    """
    if not out.name.lower().endswith((".nii", ".nii.gz")):
        raise UserError(f"{out.name} is no NIfTI file name.", "End it in .nii.gz or .nii.")
    segmenter.check(model, files.keys(), GLIOMA_POST_TREATMENT)
    report(Progress(0.0, "Reading"))
    loaded = {role: read_volume(path) for role, path in files.items()}
    reference = next(role for role in REFERENCE_ORDER if role in loaded)
    cancel.raise_if_cancelled()
    grid = loaded[reference].volume.grid
    reconcile({shown(files[role]): v.volume.grid for role, v in loaded.items()}, shown(files[reference]))
    images = {role: resample_to(v.volume, grid) for role, v in loaded.items()}
    notes = [note for one in loaded.values() for note in one.notes]
    doubts = check_contents({role: shrink(volume) for role, volume in images.items()})
    notes += [f"{shown(files[role])}: {doubt}" for role, found in doubts.items() for doubt in found]
    outcome = segmenter.segment(images, model, device, part(report, 0.1, 0.95), cancel, operated=operated)
    outcome = replace(outcome, messages=(*notes, *outcome.messages))
    report(Progress(0.97, "Writing the mask"))
    write_labels(out, outcome.labels, grid, loaded[reference].source_axes)
    report(Progress(1.0, "Done"))
    return outcome, grid
