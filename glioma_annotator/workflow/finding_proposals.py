"""The findings of a visit, proposed from those of the visit before; the reader confirms each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glioma_annotator.domain.finding import Finding, FindingStatus, LesionChange
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.lesion_map import find_lesions
from glioma_annotator.imaging.normalisation import brain_mask
from glioma_annotator.progress import CancelToken, Report, StepProgress
from glioma_annotator.workflow.alignment import Alignment
from glioma_annotator.workflow.finding_entry import mask_of, side_of
from glioma_annotator.workflow.patient_course import CourseVisit, load_course
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.tracking import REACH_MM, counts, propose_findings

NEW_KIND = "new-enhancement"
"""Kind of a lesion that no earlier one continues, where the profile has it; its first kind else."""


def propose_for_visit(
    store: Store,
    patient: str,
    timepoint: str,
    profile: TaskProfile,
    align: Alignment,
    author: str,
    report: Report,
    cancel: CancelToken,
) -> tuple[Finding, ...]:
    """Propose a visit's findings from the nearest earlier visit that has a mask; nothing is recorded.

    Findings on components come back as unchanged, grown, shrunk, merged, split or gone with their mL, mere points at
    the same place; new lesions of the profile's response region are proposed too. What the visit's findings already
    continue, or already lie on, is left out.

    Raises `UserError` when the visit is unknown, it or every earlier visit has no mask, or the two cannot be aligned;
    `Cancelled`.
    """
    course = load_course(store, patient)
    index = next((i for i, v in enumerate(course.visits) if v.timepoint.key == timepoint), None)
    if index is None:
        raise UserError(f"Patient {patient} has no visit {timepoint}.", "Choose another visit.")
    later = course.visits[index]
    earlier = next((v for v in reversed(course.visits[:index]) if v.revision is not None), None)
    if later.revision is None or earlier is None:
        which = f"{later.timepoint.title} has" if later.revision is None else "The visits before have"
        raise UserError(f"{which} no mask, so lesions cannot be compared.", "Segment the visit first.")
    recorded = store.findings.of_timepoint(patient, timepoint)
    live = [f for f in store.findings.of_timepoint(patient, earlier.timepoint.key) if counts(f)]
    labels = list(dict.fromkeys([profile.response_region, *(f.label for f in live)]))
    steps = StepProgress(report, 1 + len(labels), "Comparing lesions")
    matrix = align(later.timepoint, earlier.timepoint)
    steps.step("Aligned the visits")
    head = brain_mask([store.load_image(later.timepoint, later.timepoint.reference).data])
    masks = tuple(_mask(store, visit) for visit in (earlier, later))
    kinds = [kind.code for kind in profile.finding_kinds]
    kind = NEW_KIND if NEW_KIND in kinds or not kinds else kinds[0]
    proposals: list[Finding] = []
    for label in labels:
        cancel.raise_if_cancelled()
        own = [f for f in live if f.label == label]
        maps = (
            find_lesions(mask_of(masks[0], label, profile), earlier.timepoint.grid),
            find_lesions(mask_of(masks[1], label, profile), later.timepoint.grid),
        )
        template = Finding(
            patient, timepoint, kind, (0.0, 0.0, 0.0), label, revision=later.revision.number, author=author
        )
        made = propose_findings(earlier.timepoint, later.timepoint, own, maps, matrix, template)
        taken = {maps[1].at(f.point_mm, REACH_MM) for f in recorded}
        for proposal in made:
            is_new = proposal.change is LesionChange.NEW
            if is_new and (label != profile.response_region or maps[1].at(proposal.point_mm) in taken):
                continue
            if is_new:
                index = np.rint(later.timepoint.grid.world_to_index(proposal.point_mm)).astype(int).tolist()
                side = side_of((index[0], index[1], index[2]), later.timepoint.grid, head)
                proposal = replace(proposal, side=side)
            proposals.append(proposal)
        steps.step(f"Compared {label or 'points'}")
    continued = {uid for finding in recorded for uid in finding.previous}
    return tuple(p for p in proposals if not continued & set(p.previous))


def confirmed(proposal: Finding, reader: str) -> Finding:
    """A proposal as the reader confirms it: resolved when the lesion is gone, else confirmed."""
    status = FindingStatus.RESOLVED if proposal.change is LesionChange.GONE else FindingStatus.CONFIRMED
    return replace(proposal, status=status, author=reader)


def _mask(store: Store, visit: CourseVisit) -> LabelArray:
    assert visit.revision is not None
    return store.load_labels(visit.revision)
