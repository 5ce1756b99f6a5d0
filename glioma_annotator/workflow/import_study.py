"""Bringing a confirmed import plan into the workspace, one visit at a time, each wholly or not at all."""

from __future__ import annotations

from collections.abc import Sequence as Listing
from dataclasses import dataclass

import numpy as np

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.import_plan import (
    ImportItem,
    ImportKind,
    ImportPlan,
    ImportSummary,
    ImportVisit,
    Preparation,
)
from glioma_annotator.domain.labels import map_labels
from glioma_annotator.domain.patient import Patient, Timepoint
from glioma_annotator.domain.revision import ImportedMask
from glioma_annotator.domain.sequences import REFERENCE_ORDER, Sequence
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.nifti import LoadedVolume, read_labels, read_volume
from glioma_annotator.imaging.nifti_header import composed, shown
from glioma_annotator.imaging.resampling import reconcile, resample_to
from glioma_annotator.progress import CancelToken, Report, StepProgress
from glioma_annotator.workflow.import_editing import (
    as_mask,
    has_visit,
    known_visits,
    plan_conflicts,
    rename_patient,
    rename_visit,
    stay_as_they_are,
    with_include,
    with_mapping,
    with_patient,
    with_preparation,
    with_role,
    with_time,
    with_visit,
)
from glioma_annotator.workflow.import_proposal import propose_import
from glioma_annotator.workflow.mask_parts import joined
from glioma_annotator.workflow.ports import BrainFinder, Store
from glioma_annotator.workflow.preparation import Prepared, place_mask, places_of, prepare, steps_of
from glioma_annotator.workflow.study_labels import study_scheme

__all__ = [
    "as_mask",
    "known_visits",
    "plan_conflicts",
    "propose_import",
    "rename_patient",
    "rename_visit",
    "run_import",
    "stay_as_they_are",
    "with_include",
    "with_mapping",
    "with_patient",
    "with_preparation",
    "with_role",
    "with_time",
    "with_visit",
]


#: A mask that keeps less of its volume on other voxels is told of.
_LEAST_KEPT = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class _LoadedVisit:
    """A visit read and brought onto one grid, ready to be stored."""

    grid: Grid
    reference: str
    source_axes: str
    sequences: tuple[Sequence, ...]
    images: dict[str, Volume]
    masks: tuple[tuple[str, LabelArray], ...]
    notes: tuple[str, ...]


def run_import(
    plan: ImportPlan,
    store: Store,
    author: str,
    report: Report,
    cancel: CancelToken,
    brain: BrainFinder | None = None,
) -> ImportSummary:
    """Store the included items of a plan; masks become imported revisions by `author`.

    Sequences are resampled onto the reference sequence's grid, masks carried there by the nearest voxel; where the
    visit's preparation says so, sequences are registered to the reference first and the skull is stripped with
    `brain`. A visit is read and reconciled completely before anything of it is stored. A visit that the workspace
    already has, or whose files cannot be read or reconciled, is passed over with a message.

    Raises `UserError` when no visit could be imported and at least one was refused, `EnvironmentFailure` when the
    disk fails, `Cancelled` between files; visits stored before stay.
    """
    by_visit = {(v.patient, v.key): v for v in plan.visits}
    included = [i for i in plan.items if i.include]
    images_of = [by_visit[i.patient, i.visit].preparation for i in included if i.kind is ImportKind.IMAGE]
    steps = StepProgress(report, len(included) + sum(steps_of(p) for p in images_of), "Importing")
    ids: list[int] = []
    patients: list[str] = []
    messages: list[str] = list(plan.problems)
    refused: list[str] = []
    there: list[ImportVisit] = []
    images = masks = 0
    for visit in plan.visits:
        members = [i for i in plan.items if i.include and (i.patient, i.visit) == (visit.patient, visit.key)]
        if not members:
            continue
        if has_visit(store, visit.patient, visit.key):
            there.append(visit)
            continue
        try:
            loaded = _load_visit(members, visit.preparation, brain, steps, cancel)
        except UserError as error:
            refused.append(f"Visit {visit.key} of {visit.patient} was not imported. {error}")
            continue
        cancel.raise_if_cancelled()
        ids.append(_store_visit(visit, loaded, store, author))
        patients.append(visit.patient)
        images += len(loaded.images)
        masks += len(loaded.masks)
        messages += loaded.notes
    if there:
        messages.append(f"{stay_as_they_are(there)} Give another scan a visit name of its own.")
    if refused and not ids:
        raise UserError(" ".join(refused))
    return ImportSummary(tuple(dict.fromkeys(patients)), tuple(ids), images, masks, tuple(messages + refused))


def _load_visit(
    members: Listing[ImportItem],
    preparation: Preparation,
    brain: BrainFinder | None,
    steps: StepProgress,
    cancel: CancelToken,
) -> _LoadedVisit:
    """Raises `UserError`, naming the files, when the visit has no image or its files cannot be brought together."""
    items = [i for i in members if i.kind is ImportKind.IMAGE]
    if not items:
        raise UserError("It has masks but no image.", "Import it together with its images.")
    names = [i.name for i in items]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise UserError(f"It has more than one {twice}.", "Leave all but one out.")
    loaded: dict[str, LoadedVolume] = {}
    for item in items:
        cancel.raise_if_cancelled()
        steps.step(f"Reading {shown(item.path)}")
        loaded[item.name] = read_volume(item.path, item.channel)
    notes = [note for one in loaded.values() for note in one.notes]
    reference = min(items, key=lambda i: REFERENCE_ORDER.index(i.role))
    target = loaded[reference.name].volume.grid
    titles = {i.name: f"{shown(i.path)} ({i.name})" for i in items}
    if preparation is Preparation.NONE:
        prepared = _as_they_are(loaded, titles, reference.name, cancel)
    else:
        volumes = {name: one.volume for name, one in loaded.items()}
        prepared = prepare(volumes, reference.name, preparation, brain, steps, cancel)
    notes += prepared.notes
    resampled = prepared.resampled
    sequences = [Sequence(i.name, i.role, "", composed(i.path.name), resampled=i.name in resampled) for i in items]
    masks = []
    for item in (i for i in members if i.kind is ImportKind.MASK):
        cancel.raise_if_cancelled()
        steps.step(f"Reading {shown(item.path)}")
        mask = read_labels(item.path, item.channel)
        title = shown(item.path)
        places = places_of(mask.grid, prepared)
        if not places:
            reconcile({title: mask.grid, titles[reference.name]: target}, titles[reference.name])
        labels = map_labels(place_mask(mask.labels, mask.grid, prepared, target), item.mapping)
        notes += mask.notes
        if not mask.grid.matches(target):
            notes.append(f"{title} was carried to the voxels of {shown(reference.path)} by the nearest voxel.")
            if any(not place.matches(places[0]) for place in places):
                notes.append(f"{title} fits sequences that were moved differently: check where it lies.")
            notes += _lost(title, map_labels(mask.labels, item.mapping), mask.grid, labels, target)
        masks.append((item, labels))
    together = _together(masks)
    axes = loaded[reference.name].source_axes
    return _LoadedVisit(target, reference.name, axes, tuple(sequences), prepared.images, together, tuple(notes))


def _together(masks: Listing[tuple[ImportItem, LabelArray]]) -> tuple[tuple[str, LabelArray], ...]:
    """Each mask with the names of its files; parts are joined into one."""
    groups: dict[object, list[tuple[ImportItem, LabelArray]]] = {}
    for number, (item, labels) in enumerate(masks):
        groups.setdefault(item.part_of or number, []).append((item, labels))
    result = []
    for parts in groups.values():
        names = dict.fromkeys(composed(item.path.name) for item, _ in parts)
        result.append((", ".join(names), joined([labels for _, labels in parts])))
    return tuple(result)


def _lost(title: str, before: LabelArray, grid: Grid, after: LabelArray, target: Grid) -> list[str]:
    """What to tell of a mask of which a part lies beyond the images. Raises `UserError` where all of it does."""
    was, stays = (np.count_nonzero(labels) * on.voxel_volume_ml for labels, on in ((before, grid), (after, target)))
    if was and not stays:
        raise UserError(f"No voxel of {title} lies within the images.", "Leave it out, or check its header.")
    if stays >= _LEAST_KEPT * was:
        return []
    return [f"{title}: {was - stays:.1f} of {was:.1f} mL lie beyond the images and were lost."]


def _as_they_are(
    loaded: dict[str, LoadedVolume], titles: dict[str, str], reference: str, cancel: CancelToken
) -> Prepared:
    """The images on the reference's grid where their headers put them; what was read is given up on the way."""
    target = loaded[reference].volume.grid
    elsewhere = reconcile({titles[n]: one.volume.grid for n, one in loaded.items()}, titles[reference])
    images = {}
    for name in list(loaded):
        cancel.raise_if_cancelled()
        volume = loaded[name] if name == reference else loaded.pop(name)
        images[name] = resample_to(volume.volume, target)
    return Prepared(images, frozenset(n for n in titles if titles[n] in elsewhere))


def _store_visit(visit: ImportVisit, loaded: _LoadedVisit, store: Store, author: str) -> int:
    scheme = study_scheme(store)
    patient = store.patient(visit.patient) or store.add_patient(visit.patient)
    patient_id = _id_of(patient)
    timepoint = store.add_timepoint(
        Timepoint(
            patient_id=patient_id,
            key=visit.key,
            order=1 + max((t.order for t in store.timepoints(patient_id)), default=-1),
            grid=loaded.grid,
            reference=loaded.reference,
            source_axes=loaded.source_axes,
            date=visit.date,
            day=visit.day,
            phase=visit.phase,
            sequences=loaded.sequences,
        ),
        loaded.images,
        [ImportedMask(labels, scheme, author, f"Imported from {source}") for source, labels in loaded.masks],
    )
    return _id_of(timepoint)


def _id_of(stored: Patient | Timepoint) -> int:
    if stored.id is None:
        raise ValueError("a stored patient or visit has an id")
    return stored.id
