"""Diameters set by hand: checked, recorded for a lesion, found again, attached from a slice they were laid over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from glioma_annotator.domain.finding import Finding, Point
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.response import DiameterLine, LesionMeasurement
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.lesion_map import Lesion, LesionMap, find_lesions
from glioma_annotator.imaging.normalisation import brain_mask
from glioma_annotator.workflow.export_study import best_revision
from glioma_annotator.workflow.finding_entry import kind_for, side_of
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.tracking import REACH_MM, TrackedLesion, counts

SKEW_DEG = 5.0
"""How far two diameters set by hand may be from a right angle. Our choice: what the eye takes for one."""

#: Names that tracking gives; they may go to another lesion when masks change.
AUTOMATIC = re.compile(r"L\d+")

_MOST_NEAR = 6


def adjust_diameters(
    store: Store,
    measured: LesionMeasurement,
    longest: DiameterLine,
    perpendicular: DiameterLine,
    reader: str,
    revision: int | None = None,
) -> LesionMeasurement:
    """Record diameters whose ends a reader moved, in place of what was recorded for the lesion at the visit.

    `revision` is the number of the mask that they were set on, that of `measured` by default. The lengths follow from
    the lines; the longer one becomes the longest diameter. Later assessments use them instead of measuring. Raises
    `UserError` when the lines are not perpendicular within `SKEW_DEG`, or have no length.
    """
    ends = np.array([[line.end_mm, line.start_mm] for line in (longest, perpendicular)], dtype=np.float64)
    along = ends[:, 0] - ends[:, 1]
    lengths = np.linalg.norm(along, axis=1)
    if lengths.min() <= 0:
        raise UserError("A diameter has no length.", "Pull its ends apart.")
    skew = abs(90.0 - float(np.degrees(np.arccos(np.clip(along[0] @ along[1] / lengths.prod(), -1.0, 1.0)))))
    if skew > SKEW_DEG:
        raise UserError(
            f"The two diameters are {skew:.0f}° off a right angle.", "Turn one of them until they are perpendicular."
        )
    lines = (longest, perpendicular) if lengths[0] >= lengths[1] else (perpendicular, longest)
    made = replace(
        measured,
        longest_mm=float(lengths.max()),
        perpendicular_mm=float(lengths.min()),
        longest=lines[0],
        perpendicular=lines[1],
        adjusted=True,
        revision=measured.revision if revision is None else revision,
        author=reader,
    )
    if store.measurements.get(measured.id) is not None:
        store.measurements.change(made, by=reader)
    else:
        store.measurements.add(made, by=reader)
    return made


def reset_diameters(store: Store, measured: LesionMeasurement, reader: str) -> None:
    """Take back diameters that a reader adjusted; later assessments measure from the mask again."""
    if store.measurements.get(measured.id) is not None:
        store.measurements.delete(measured.id, by=reader)


def recorded_diameters(
    recorded: Sequence[LesionMeasurement], own: Sequence[TrackedLesion], lesions: LesionMap
) -> dict[int, LesionMeasurement]:
    """The diameters that a reader set, by the number of the lesion they belong to; others are left out.

    A lesion is known by the name of its finding, else by the place of the diameters, as names of lesions without a
    finding may change with the masks.

    Parameters
    ----------
    recorded: of the visit, oldest first; of two for one lesion the newer counts.
    own: the visit's lesions under their names.
    lesions: the same by number.
    """
    found: dict[int, LesionMeasurement] = {}
    for measurement in reversed(recorded):
        if not measurement.adjusted:
            continue
        free = [t.number for t in own if t.number is not None and t.number not in found]
        named = [t.number for t in own if t.lesion == measurement.lesion and t.number in free]
        there = lesions.at(middle_of(measurement.longest), REACH_MM) if measurement.longest is not None else None
        here = there.number if there is not None and there.number in free else None
        if here is not None and (not named or here in named or AUTOMATIC.fullmatch(measurement.lesion)):
            found[here] = measurement
        elif named and named[0] is not None and _may_be(measurement, lesions, named[0]):
            found[named[0]] = measurement
    return found


def _may_be(measurement: LesionMeasurement, lesions: LesionMap, number: int) -> bool:
    """Whether diameters may be those of the lesion of their name: a name that tracking gave has to lie there, too."""
    lines = [line for line in (measurement.longest, measurement.perpendicular) if line is not None]
    if not lines or not AUTOMATIC.fullmatch(measurement.lesion):
        return True
    ends = (end for line in lines for end in (line.start_mm, line.end_mm))
    return any(found.number == number for end in ends if (found := lesions.at(end, REACH_MM)) is not None)


def middle_of(line: DiameterLine) -> Point:
    """World RAS mm."""
    x, y, z = ((np.asarray(line.start_mm) + np.asarray(line.end_mm)) / 2).tolist()
    return x, y, z


@dataclass(frozen=True, slots=True)
class LesionChoice:
    """A lesion of a visit's saved mask that diameters may belong to.

    Attributes
    ----------
    finding: the finding that it has, or one that is made of it when it is chosen.
    recorded: whether the finding is recorded already.
    volume_ml: of the lesion.
    away_mm: from the middle of the diameters to the lesion; 0 within it.
    revision: number of the mask.
    """

    finding: Finding
    recorded: bool
    volume_ml: float
    away_mm: float
    revision: int


def lesions_near(
    store: Store, patient: str, visit: Timepoint, point_mm: Point, profile: TaskProfile, author: str
) -> tuple[LesionChoice, ...]:
    """The lesions of the mask that counts at a visit, the nearest first; may take seconds.

    Raises `UserError` when no mask is saved or it has no lesion of the response region.
    """
    revision = best_revision(store.revisions(visit.id or 0))
    if revision is None:
        raise UserError(
            f"{visit.title} has no saved mask.", "Save the mask first (Ctrl+S): the response follows its lesions."
        )
    region = next(r for r in profile.scheme.regions if r.name == profile.response_region)
    lesions = find_lesions(region.mask(store.load_labels(revision)), visit.grid)
    if not lesions.lesions:
        raise UserError(
            f"Mask {revision.number} of {visit.title} has no {region.name}.",
            "Draw the lesion and save the mask first: the response follows the lesions of the mask.",
        )
    of_visit = [f for f in store.findings.of_timepoint(patient, visit.key) if counts(f)]
    known: dict[int, Finding] = {}
    for finding in of_visit:
        lesion = lesions.at(finding.point_mm, REACH_MM)
        if lesion is not None:
            known.setdefault(lesion.number, finding)
    head = brain_mask([store.load_image(visit, visit.reference).data])
    template = Finding(patient, visit.key, kind_for(profile, region.name), point_mm, region.name, author=author)
    choices = []
    for lesion in lesions.lesions:
        index = np.rint(visit.grid.world_to_index(lesion.point_mm)).astype(int).tolist()
        made = replace(
            template,
            point_mm=lesion.point_mm,
            side=side_of((index[0], index[1], index[2]), visit.grid, head),
            revision=revision.number,
            box=lesion.box,
            volume_ml=lesion.volume_ml,
        )
        away = _away_mm(lesions, lesion, point_mm)
        present = known.get(lesion.number)
        choices.append(LesionChoice(present or made, present is not None, lesion.volume_ml, away, revision.number))
    return tuple(sorted(choices, key=lambda choice: (choice.away_mm, -choice.volume_ml))[:_MOST_NEAR])


def _away_mm(lesions: LesionMap, lesion: Lesion, point_mm: Point) -> float:
    index = np.argwhere(lesions.numbered[lesion.box.slices] == lesion.number) + np.asarray(lesion.box.start)
    nearest = float(np.linalg.norm(lesions.grid.index_to_world(index) - np.asarray(point_mm), axis=1).min())
    return 0.0 if nearest <= max(lesions.grid.spacing_mm) else nearest


def attach_diameters(
    store: Store, choice: LesionChoice, longest: DiameterLine, perpendicular: DiameterLine, reader: str
) -> LesionMeasurement:
    """Record diameters for a lesion, in place of those recorded before; its finding too where it has none yet.

    Response assessments use them from then on. Raises `UserError` as `adjust_diameters`; nothing is recorded then.
    """
    finding = choice.finding
    earlier = [
        m
        for m in store.measurements.of_timepoint(finding.patient, finding.timepoint)
        if m.adjusted and m.lesion == finding.lesion
    ]
    start = LesionMeasurement(finding.patient, finding.timepoint, finding.lesion, 0.0, 0.0, volume_ml=choice.volume_ml)
    made = adjust_diameters(store, earlier[-1] if earlier else start, longest, perpendicular, reader, choice.revision)
    if not choice.recorded:
        store.findings.add(finding, by=reader)
    return made
