"""What an import would bring in: names recognised, files read, contradictions noted, for the reader to confirm."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

from glioma_annotator.domain.import_plan import ImportItem, ImportKind, ImportPlan, ImportVisit, Preparation
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.sequences import REFERENCE_ORDER, SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.content_check import check_contents, shrink, size_warnings
from glioma_annotator.imaging.label_codec import count_values, propose_mapping
from glioma_annotator.imaging.nifti import read_labels, read_volume
from glioma_annotator.imaging.nifti_header import NiftiHeader, read_header, shown
from glioma_annotator.imaging.resampling import reconcile
from glioma_annotator.progress import CancelToken, Report, StepProgress
from glioma_annotator.workflow.import_doubts import doubts_about
from glioma_annotator.workflow.import_files import FoundFiles, find_files
from glioma_annotator.workflow.mask_parts import with_parts
from glioma_annotator.workflow.preparation import proposed_preparation
from glioma_annotator.workflow.recognition.conventions import POST_TREATMENT
from glioma_annotator.workflow.recognition.files import Recognised, stem_of
from glioma_annotator.workflow.recognition.moments import Moment, merge
from glioma_annotator.workflow.recognition.nnunet import DataSet, descriptions_of, read_data_set
from glioma_annotator.workflow.recognition.sessions import session_dates
from glioma_annotator.workflow.recognition.tree import recognise

_MOST_CHANNELS = 8
_MOST_LABELS = 12
#: Bytes of a data set's description, which lists its cases at most.
_LARGEST_DESCRIPTION = 10_000_000
VisitKey = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A volume on its way into the plan: its item, what its name told, and its header."""

    item: ImportItem
    told: Recognised
    header: NiftiHeader

    @property
    def visit(self) -> VisitKey:
        return self.item.patient, self.item.visit

    @property
    def is_image(self) -> bool:
        return self.item.kind is ImportKind.IMAGE

    def warned(self, *warnings: str, include: bool | None = None) -> Candidate:
        """The candidate with further warnings, and left out or not."""
        keep = self.item.include if include is None else include
        return replace(self, item=replace(self.item, warnings=self.item.warnings + warnings, include=keep))


def propose_import(
    paths: Sequence[Path], report: Report, cancel: CancelToken, patient: str | None = None
) -> ImportPlan:
    """Look through files and folders and propose what to import.

    Headers of all files are read, images are compared with what their names say, values of masks are counted.
    Files that cannot be imported are named in the plan's problems; nothing is written.

    Parameters
    ----------
    paths: NIfTI files and folders.
    patient: the patient's key when the user states it; all visits found are then this patient's.

    Raises `UserError` when nothing is found, `Cancelled`.
    """
    found = find_files(paths, report, cancel)
    problems = list(found.problems)
    told = _with_session_dates(recognise(found.images, patient, _data_sets(found)), found.session_tables)
    steps = StepProgress(report, 2 * len(told), "Reading headers")
    candidates: list[Candidate] = []
    for one in told:
        cancel.raise_if_cancelled()
        candidates.extend(_open(one, problems))
        steps.step()
    visits: dict[VisitKey, list[Candidate]] = {}
    for candidate in _join_masks(candidates):
        visits.setdefault(candidate.visit, []).append(candidate)
    checked: list[Candidate] = []
    preparations: dict[VisitKey, Preparation] = {}
    for members in _in_course_order(visits):
        judged, preparations[members[0].visit] = _check_visit(members, steps, cancel)
        checked.extend(judged)
    moments: dict[str, list[Moment]] = {}
    for members in _in_course_order(visits):
        moments.setdefault(members[0].item.patient, []).append(_moment(members))
    problems += doubts_about(moments, visits)
    return ImportPlan(with_parts(_with_mappings(checked)), _visits(visits, preparations), tuple(problems))


def _data_sets(found: FoundFiles) -> Mapping[Path, DataSet]:
    """What the descriptions of data sets in nnU-Net's layout tell, by where they lie."""
    told = {}
    for place in descriptions_of(file for file, _ in found.images):
        with contextlib.suppress(OSError):  # names are a help, not a need
            if place.is_file() and place.stat().st_size <= _LARGEST_DESCRIPTION:
                told[place] = read_data_set(place.read_text(encoding="utf-8-sig", errors="replace"))
    return told


def _with_session_dates(found: Sequence[Recognised], tables: Iterable[Path]) -> tuple[Recognised, ...]:
    dates = {}
    for table in tables:
        subject = table.name.split("_")[0]
        try:
            text = table.read_text(encoding="utf-8-sig", errors="replace")
        except OSError:  # dates are a help, not a need
            continue
        dates.update({(subject, session): date for session, date in session_dates(text).items()})
    return tuple(replace(f, moment=replace(f.moment, date=_date_of(f, dates) or f.moment.date)) for f in found)


def _date_of(told: Recognised, dates: Mapping[tuple[str, str], dt.date]) -> dt.date | None:
    """By subject and session; the subject is the patient unless the user states another key."""
    subjects = (told.patient, told.path.name.split("_")[0], *told.path.parts)
    return next((date for subject in subjects if (date := dates.get((subject, told.moment.key)))), None)


def _open(told: Recognised, problems: list[str]) -> list[Candidate]:
    """Candidates of one file: one per channel; none, with a problem noted, when it cannot be imported."""
    if told.content.leave_out:
        problems.append(f"{shown(told.path)} is left out: {told.content.leave_out}.")
        return []
    try:
        header = read_header(told.path)
        kind = told.content.kind or _kind_by_content(header)
    except UserError as error:
        problems.append(str(error))
        return []
    if header.channels > _MOST_CHANNELS:
        problems.append(f"{shown(told.path)} is left out: it is a series of {header.channels} volumes.")
        return []
    item = ImportItem(told.path, kind, told.patient, told.moment.key, why=told.why)
    if told.content.kind is None and kind is ImportKind.MASK:
        item = replace(item, why="few whole-number values")
    if kind is ImportKind.MASK:
        item = replace(item, name=stem_of(told.path))
    else:
        role = told.content.role
        item = replace(item, role=role, name=role.value if role is not SequenceRole.OTHER else _free_name(told))
    if header.channels == 1:
        return [Candidate(item, told, header)]
    return [Candidate(_channel(item, told, header.channels, n), told, header) for n in range(header.channels)]


def _free_name(told: Recognised) -> str:
    return told.content.name or stem_of(told.path)


def _channel(item: ImportItem, told: Recognised, count: int, channel: int) -> ImportItem:
    if item.kind is ImportKind.IMAGE and len(told.channels) == count:
        role = told.channels[channel]
        return replace(item, channel=channel, role=role, name=role.value)
    base = item.name or stem_of(item.path)
    return replace(item, channel=channel, role=SequenceRole.OTHER, name=f"{base} {channel + 1}")


def _kind_by_content(header: NiftiHeader) -> ImportKind:
    """Mask when a file has few whole-number values between 0 and 255, else image."""
    if header.channels > 1:
        return ImportKind.IMAGE
    try:
        values = count_values(read_labels(header.path).labels)
    except UserError:
        return ImportKind.IMAGE
    return ImportKind.MASK if len(values) <= _MOST_LABELS else ImportKind.IMAGE


def _join_masks(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Masks in a folder of their own go to the visit of the patient whose images have the same grid."""
    images = [c for c in candidates if c.is_image]
    with_images = {c.visit for c in images}
    joined = []
    for candidate in candidates:
        if candidate.is_image or not candidate.told.loose or candidate.visit in with_images:
            joined.append(candidate)
            continue
        same_patient = [c for c in images if c.item.patient == candidate.item.patient]
        fitting = dict.fromkeys(c.visit for c in same_patient if c.header.grid.matches(candidate.header.grid))
        visits = list(fitting or dict.fromkeys(c.visit for c in same_patient))
        if not fitting and len(visits) != 1:
            joined.append(candidate)
            continue
        moved = replace(candidate, item=replace(candidate.item, visit=visits[0][1]))
        many = len(visits) > 1
        joined.append(moved.warned("Its grid fits several visits: check which it belongs to.") if many else moved)
    return joined


def _in_course_order(visits: Mapping[VisitKey, list[Candidate]]) -> list[list[Candidate]]:
    patients = list(dict.fromkeys(patient for patient, _ in visits))
    return [visits[key] for key in sorted(visits, key=lambda k: (patients.index(k[0]), _moment(visits[k]).sort_key))]


def _moment(members: Sequence[Candidate]) -> Moment:
    """What all names of a visit's files tell together; masks that joined from elsewhere have no say."""
    return reduce(merge, (c.told.moment for c in members if c.told.moment.key == c.item.visit))


def _check_visit(
    members: list[Candidate], steps: StepProgress, cancel: CancelToken
) -> tuple[list[Candidate], Preparation]:
    """The visit's candidates with one image per role included, contents checked and masks counted; what it needs."""
    ordered = sorted(members, key=lambda c: (not c.is_image, bool(c.told.variant)))
    images = _one_per_name([c for c in ordered if c.is_image])
    thumbnails: dict[int, Volume] = {}
    for index, image in enumerate(images):
        cancel.raise_if_cancelled()
        images[index], thumbnail = _look(image)
        if thumbnail is not None and images[index].item.include:
            thumbnails[index] = thumbnail
        steps.step(f"Looking at {shown(image.item.path)}")
    reference = _reference(images)
    preparation = proposed_preparation(list(thumbnails.values()))
    if reference is not None:
        registered = preparation is not Preparation.NONE
        placed = images if registered else [_warn_on_place(image, reference) for image in images]
        apart = [index for index, image in enumerate(images) if placed[index] is not image]
        images = _warn_on_contents(placed, {i: t for i, t in thumbnails.items() if i not in apart})
    masks = []
    for mask in (c for c in ordered if not c.is_image):
        cancel.raise_if_cancelled()
        masks.append(_count(mask))
        steps.step(f"Looking at {shown(mask.item.path)}")
    return images + _masks_to_include(masks, images, reference), preparation


def _one_per_name(images: Sequence[Candidate]) -> list[Candidate]:
    """Later images of a role that is taken are left out; later free names get a number."""
    taken: dict[str, Candidate] = {}
    result = []
    for image in images:
        name = image.item.name
        if name in taken and image.item.role is not SequenceRole.OTHER:
            image = image.warned(f"{shown(taken[name].item.path)} is already the {name} of this visit.", include=False)
        else:
            number = 2
            while image.item.name in taken:
                image = replace(image, item=replace(image.item, name=f"{name} {number}"))
                number += 1
            taken[image.item.name] = image
        result.append(image)
    return result


def _look(image: Candidate) -> tuple[Candidate, Volume | None]:
    """The image with the notes of its reader, and a coarse copy of it; left out when it cannot be read."""
    if not image.item.include:
        return image, None
    try:
        loaded = read_volume(image.item.path, image.item.channel)
    except UserError as error:
        return image.warned(str(error), include=False), None
    if loaded.volume.data.min() == loaded.volume.data.max():
        return image.warned("It shows nothing: all its voxels have the same value.", include=False), None
    return image.warned(*loaded.notes, *size_warnings(loaded.volume.grid)), shrink(loaded.volume)


def _reference(images: Sequence[Candidate]) -> Candidate | None:
    """The image whose grid will carry the masks."""
    included = [c for c in images if c.item.include]
    return min(included, key=lambda c: REFERENCE_ORDER.index(c.item.role), default=None)


def _warn_on_contents(images: list[Candidate], thumbnails: Mapping[int, Volume]) -> list[Candidate]:
    by_role = {images[i].item.role: (i, thumbnail) for i, thumbnail in thumbnails.items()}
    by_role.pop(SequenceRole.OTHER, None)
    warnings = check_contents({role: thumbnail for role, (_, thumbnail) in by_role.items()})
    for role, (index, _) in by_role.items():
        images[index] = images[index].warned(*warnings.get(role, ()))
    return images


def _warn_on_place(image: Candidate, reference: Candidate) -> Candidate:
    """Warn of what would make the import refuse the visit: images that cannot be brought onto one grid."""
    if not image.item.include or image is reference:
        return image
    names = [f"{shown(c.item.path)} ({c.item.name})" for c in (image, reference)]
    try:
        reconcile({names[0]: image.header.grid, names[1]: reference.header.grid}, names[1])
    except UserError as error:
        return image.warned(str(error))
    return image


def _count(mask: Candidate) -> Candidate:
    try:
        loaded = read_labels(mask.item.path, mask.item.channel)
    except UserError as error:
        return mask.warned(str(error), include=False)
    counted = replace(mask.warned(*loaded.notes), item=replace(mask.item, voxel_counts=count_values(loaded.labels)))
    return replace(counted, told=replace(mask.told, labels=POST_TREATMENT)) if loaded.by_program else counted


def _masks_to_include(
    masks: Sequence[Candidate], images: Sequence[Candidate], reference: Candidate | None
) -> list[Candidate]:
    beside: dict[Path, list[Candidate]] = {}
    for image in images:
        beside.setdefault(image.item.path.parent, []).append(image)
    on_t1gd = {m.item.path.parent for m in masks if m.told.content.role is SequenceRole.T1GD}
    result = []
    for mask in masks:
        drawn_on = mask.told.content.role
        if not mask.item.include:
            pass
        elif reference is None:
            mask = mask.warned("No image of this visit was found; a mask needs one.", include=False)
        elif mask.told.variant and not mask.header.grid.matches(reference.header.grid):
            mask = mask.warned(f"It lies in another space ({mask.told.variant}).", include=False)
        elif _of_another_scan(mask, beside.get(mask.item.path.parent, [])):
            mask = mask.warned("The images beside it are left out: it may belong to another scan.", include=False)
        elif drawn_on not in (SequenceRole.OTHER, SequenceRole.T1GD) and mask.item.path.parent in on_t1gd:
            mask = mask.warned(f"The same segmentation on {drawn_on.value}; the one on T1Gd is taken.", include=False)
        result.append(mask)
    return result


def _of_another_scan(mask: Candidate, beside: Sequence[Candidate]) -> bool:
    """Whether all images in the mask's folder are left out for others of the same day, not as copies of them."""
    copies = mask.told.variant or any(image.told.variant for image in beside)
    return bool(beside) and not copies and not any(image.item.include for image in beside)


def _with_mappings(candidates: Sequence[Candidate]) -> tuple[ImportItem, ...]:
    """The items with the meaning of their masks' values, judged with the patient's other masks in view."""
    values: dict[str, set[int]] = {}
    for candidate in candidates:
        values.setdefault(candidate.item.patient, set()).update(candidate.item.voxel_counts)
    result = []
    for candidate in candidates:
        item = candidate.item
        if item.voxel_counts:
            told, siblings = candidate.told.labels, values[item.patient]
            operated = candidate.told.moment.phase is TreatmentPhase.EARLY_POST_OPERATIVE
            mapping, warnings = propose_mapping(item.voxel_counts, told, siblings, operated=operated)
            item = replace(item, mapping=mapping, warnings=item.warnings + warnings)
        result.append(item)
    return tuple(result)


def _visits(
    visits: Mapping[VisitKey, list[Candidate]], preparations: Mapping[VisitKey, Preparation]
) -> tuple[ImportVisit, ...]:
    result: list[ImportVisit] = []
    for members in _in_course_order(visits):
        patient, key = members[0].visit
        moment = _moment(members)
        order = sum(v.patient == patient for v in result)
        phase = moment.phase
        if moment.baseline and order > 0:
            phase = TreatmentPhase.POST_RT_BASELINE
        preparation = preparations[patient, key]
        result.append(ImportVisit(patient, key, order, moment.date, moment.day, phase, preparation))
    return tuple(result)
