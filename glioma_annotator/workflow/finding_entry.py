"""New findings: at a point the reader chose, or on the component of the mask that lies there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.finding import Finding, FindingSource, Side
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.domain.volume import LabelArray

Index = tuple[int, int, int]

#: Nearer than this to the middle of the head, a point counts as midline. Our choice: half the width of the
#: interhemispheric structures (corpus callosum's middle, third ventricle).
MIDLINE_MM = 5.0


def side_of(index: Index, grid: Grid, head: NDArray[np.bool_] | None) -> Side:
    """The patient's side of a voxel, judged by the middle of the head's bounding box along R-L.

    Parameters
    ----------
    head: bool (i, j, k) of the voxels inside the head; None judges by the middle of the grid.
    """
    along = grid.shape[0] - 1
    low, high = 0, along
    if head is not None and head.any():
        inside = np.flatnonzero(head.any(axis=(1, 2)))
        low, high = int(inside[0]), int(inside[-1])
    middle = (float((low + high) / 2), float(index[1]), float(index[2]))
    offset = float(grid.index_to_world(index)[0] - grid.index_to_world(middle)[0])
    if abs(offset) < MIDLINE_MM:
        return Side.MIDLINE
    return Side.RIGHT if offset > 0 else Side.LEFT  # world x grows towards the patient's right (RAS)


def kind_for(profile: TaskProfile, label: str) -> str:
    """The code of the first term of the vocabulary that components of a label usually are; of any term, else."""
    fitting = [kind.code for kind in profile.finding_kinds if label and label in kind.labels]
    return fitting[0] if fitting else profile.finding_kinds[0].code


def finding_at(
    index: Index,
    timepoint: Timepoint,
    patient: str,
    labels: LabelArray,
    profile: TaskProfile,
    author: str,
    revision: int | None,
    head: NDArray[np.bool_] | None = None,
) -> Finding:
    """A finding at a voxel; of the label's connected component there, with its box and mL, where there is one.

    Parameters
    ----------
    labels: the mask as it is, uint8 (i, j, k), on the timepoint's grid.
    revision: number of the revision that the mask is, None when it has unsaved steps.
    """
    grid = timepoint.grid
    x, y, z = (float(v) for v in grid.index_to_world(index))
    value = int(labels[index])
    label = profile.scheme.label(value)
    name = label.name if label is not None else ""
    made = Finding(
        patient=patient,
        timepoint=timepoint.key,
        kind=kind_for(profile, name),
        point_mm=(x, y, z),
        label=name,
        side=side_of(index, grid, head),
        author=author,
    )
    if label is None:
        return made
    from glioma_annotator.imaging.lesion_map import find_lesions  # scipy: not when the window opens

    lesion = find_lesions(labels == value, grid, smallest_ml=0.0).at(made.point_mm)
    assert lesion is not None, "the voxel has the label"
    return replace(made, source=FindingSource.COMPONENT, box=lesion.box, volume_ml=lesion.volume_ml, revision=revision)
