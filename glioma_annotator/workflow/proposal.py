"""Proposals: a mask that a model or a file suggests, shown beside the present one until accepted or rejected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from glioma_annotator.domain.labels import LabelScheme, map_labels
from glioma_annotator.domain.measurement import label_volumes_ml
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.segmentation import Softmax
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.nifti import read_labels
from glioma_annotator.imaging.resampling import reconcile, resample_labels
from glioma_annotator.progress import CancelToken, Report
from glioma_annotator.workflow.ports import Segmenter


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A suggested mask.

    Attributes
    ----------
    timepoint_id: the visit it was made for; a proposal for another visit is stale.
    labels: uint8 (i, j, k) on the visit's reference grid.
    source: where it comes from, for the reader.
    model: identity of the model; empty for a file.
    volumes_ml: volume in mL by label name.
    messages: what the reader should know about it.
    softmax: the model's class probabilities, for uncertainty; None for a file.
    unknown: values of labels that the model has no name for.
    """

    timepoint_id: int
    labels: LabelArray
    source: str
    model: str
    volumes_ml: Mapping[str, float]
    messages: tuple[str, ...] = ()
    softmax: Softmax | None = None
    unknown: frozenset[int] = frozenset()

    def same_as(self, other: Proposal) -> bool:
        """Whether it is the same mask from the same model or file."""
        if self.model != other.model or (not self.model and self.source != other.source):
            return False
        return np.array_equal(self.labels, other.labels)


def propose_by_model(
    segmenter: Segmenter,
    timepoint: Timepoint,
    images: Mapping[str, Volume],
    scheme: LabelScheme,
    *,
    model: str,
    device: str,
    operated: bool | None,
    report: Report,
    cancel: CancelToken,
) -> Proposal:
    """Run a model on a visit's images (by sequence name). Raises what `Segmenter.segment` raises."""
    by_role: dict[SequenceRole, Volume] = {
        s.role: images[s.name] for s in timepoint.sequences if s.role is not SequenceRole.OTHER
    }
    segmenter.check(model, by_role.keys(), scheme)
    outcome = segmenter.segment(by_role, model, device, report, cancel, operated=operated)
    how = ", ".join(part for part in (outcome.device, outcome.mode, f"{outcome.seconds:.0f} s") if part)
    ran = f"{outcome.card.title or outcome.card.name} on {how}"
    return Proposal(
        timepoint_id=_id(timepoint),
        labels=outcome.labels,
        source=ran,
        model=outcome.card.identity,
        volumes_ml=label_volumes_ml(outcome.labels, timepoint.grid.voxel_volume_ml, scheme),
        messages=outcome.messages,
        softmax=outcome.softmax,
        unknown=frozenset(scheme.values) - frozenset(outcome.card.scheme.values),
    )


def propose_from_file(path: Path, timepoint: Timepoint, scheme: LabelScheme, mapping: Mapping[int, int]) -> Proposal:
    """A prior mask from a NIfTI file, its values mapped by `mapping`, brought to the visit's grid.

    Raises `UserError` for a file that is no mask, values without a label, or one that does not overlap the visit.
    """
    loaded = read_labels(path)
    unknown = sorted(set(np.unique(loaded.labels).tolist()) - set(mapping) - {0})
    if unknown:
        raise UserError(
            f"{path.name} holds the label values {', '.join(map(str, unknown))}, which have no meaning here.",
            "Say which label each of them is, or leave them out.",
        )
    labels = map_labels(loaded.labels, mapping)
    if not loaded.grid.matches(timepoint.grid):
        reconcile({path.name: loaded.grid, timepoint.reference: timepoint.grid}, timepoint.reference)
        labels = resample_labels(labels, loaded.grid, timepoint.grid)
    return Proposal(
        timepoint_id=_id(timepoint),
        labels=labels,
        source=path.name,
        model="",
        volumes_ml=label_volumes_ml(labels, timepoint.grid.voxel_volume_ml, scheme),
        messages=loaded.notes,
    )


def merged(present: LabelArray, proposal: LabelArray, values: Collection[int] | None) -> LabelArray:
    """The mask after accepting a proposal, all of it or only the labels `values`; arrays of any one shape.

    Accepting a label replaces that label: its present voxels are cleared where the proposal does not have it, its
    proposed voxels are written; everything else stays.
    """
    if values is None:
        return proposal
    chosen = sorted(values)
    result = np.where(np.isin(present, chosen), 0, present).astype(np.uint8)
    taken = np.isin(proposal, chosen)
    result[taken] = proposal[taken]
    return result


def _id(timepoint: Timepoint) -> int:
    if timepoint.id is None:
        raise ValueError("the timepoint has not been stored")
    return timepoint.id
