"""New findings: at a point the reader chose, on the component of the mask that lies there, or in a drawn region."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.finding import Finding, FindingSource, Side
from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError

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


def mask_of(labels: LabelArray, name: str, profile: TaskProfile) -> NDArray[np.bool_]:
    """The voxels of a region or label by its name; none for a name that the scheme does not have."""
    region = next((r for r in profile.scheme.regions if r.name == name), None)
    if region is not None:
        return region.mask(labels)
    label = profile.scheme.named(name)
    return np.asarray(labels == label.value) if label is not None else np.zeros(labels.shape, dtype=np.bool_)


def finding_moved(
    finding: Finding,
    index: Index,
    timepoint: Timepoint,
    labels: LabelArray,
    profile: TaskProfile,
    revision: int | None,
    head: NDArray[np.bool_] | None = None,
) -> Finding:
    """A finding whose place is another voxel.

    One on a component has box and mL of the component that is there, of its own label first; a point beside any has
    none. A drawn region keeps its figures while the place lies in its box. A mere point stays one.

    Parameters
    ----------
    labels, revision: as `finding_at` takes them.
    """
    from glioma_annotator.imaging.lesion_map import find_lesions  # scipy: not when the window opens
    from glioma_annotator.workflow.tracking import REACH_MM

    grid, box = timepoint.grid, finding.box
    x, y, z = (float(v) for v in grid.index_to_world(index))
    made = replace(finding, point_mm=(x, y, z), side=side_of(index, grid, head))
    if box is None:
        return made
    inside = all(low <= at < high for low, at, high in zip(box.start, index, box.stop, strict=True))
    if finding.source is FindingSource.REGION and inside:
        return made
    here = profile.scheme.label(int(labels[index]))
    for name in dict.fromkeys((finding.label, here.name if here is not None else "")):
        lesion = find_lesions(mask_of(labels, name, profile), grid, smallest_ml=0.0).at(made.point_mm, REACH_MM)
        if lesion is not None:
            source = FindingSource.COMPONENT if finding.source is FindingSource.REGION else finding.source
            return replace(
                made, label=name, source=source, revision=revision, box=lesion.box, volume_ml=lesion.volume_ml
            )
    return replace(made, label="", source=FindingSource.CROSSHAIR, revision=None, box=None, volume_ml=None)


def finding_of_region(
    outline: NDArray[np.float64],
    axis: int,
    number: int,
    timepoint: Timepoint,
    patient: str,
    labels: LabelArray,
    profile: TaskProfile,
    author: str,
    head: NDArray[np.bool_] | None = None,
) -> Finding:
    """A finding in a region that the reader drew around in one slice, with its box and the mL of that slice.

    Its point is the voxel of the region nearest to the region's middle; its kind is proposed by the label that most of
    the region has. It stays a finding of the region, not of the mask.

    Parameters
    ----------
    outline: fractional array indices (n, 3) of the closed outline, drawn in slice `number` normal to `axis`.
    labels: the mask as it is, uint8 (i, j, k), on the timepoint's grid.

    Raises `UserError` when the outline encloses no voxel.
    """
    from glioma_annotator.imaging.label_ops.lasso import enclosed  # scikit-image: not when the window opens

    grid = timepoint.grid
    flat = enclosed(outline, axis, number, grid.shape)
    if not flat.size:
        raise UserError("The outline encloses no voxel.", "Draw around what you mean in one stroke.")
    voxels = np.stack(np.unravel_index(flat, grid.shape), axis=1)
    away = np.linalg.norm((voxels - voxels.mean(axis=0)) * grid.spacing_mm, axis=1)
    i, j, k = (int(v) for v in voxels[int(away.argmin())])
    x, y, z = (float(v) for v in grid.index_to_world((i, j, k)))
    most = int(np.bincount(labels.reshape(-1)[flat]).argmax())
    label = profile.scheme.label(most)
    low, high = voxels.min(axis=0).tolist(), (voxels.max(axis=0) + 1).tolist()
    return Finding(
        patient=patient,
        timepoint=timepoint.key,
        kind=kind_for(profile, label.name if label is not None else ""),
        point_mm=(x, y, z),
        side=side_of((i, j, k), grid, head),
        source=FindingSource.REGION,
        box=Box((low[0], low[1], low[2]), (high[0], high[1], high[2])),
        volume_ml=flat.size * grid.voxel_volume_ml,
        author=author,
    )
