"""Corrections of an import plan by the reader; every function returns a new plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

from glioma_annotator.domain.import_plan import ImportItem, ImportKind, ImportPlan, ImportVisit, Preparation
from glioma_annotator.domain.labels import BACKGROUND, GLIOMA_POST_TREATMENT, LabelScheme
from glioma_annotator.domain.patient import TreatmentPhase
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.imaging.label_codec import count_values, propose_mapping
from glioma_annotator.imaging.nifti import read_labels
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.recognition.conventions import POST_TREATMENT
from glioma_annotator.workflow.recognition.files import stem_of
from glioma_annotator.workflow.recognition.moments import find_moment
from glioma_annotator.workflow.study_labels import study_scheme

_MOST_NAMED = 5


def with_role(plan: ImportPlan, index: int, role: SequenceRole, name: str = "") -> ImportPlan:
    """Item `index` as an image of `role`; `name` is the free name of an OTHER one, its file's stem by default."""
    item = plan.items[index]
    free = name or (item.name if item.role is SequenceRole.OTHER and item.name else stem_of(item.path))
    chosen = role.value if role is not SequenceRole.OTHER else free
    image = replace(item, kind=ImportKind.IMAGE, role=role, name=chosen, mapping={}, voxel_counts={}, part_of="")
    return _with_item(plan, index, image)


def as_mask(plan: ImportPlan, index: int) -> ImportPlan:
    """Item `index` as a mask, its values counted and a mapping proposed. Raises `UserError` when it is none."""
    item = plan.items[index]
    loaded = read_labels(item.path, item.channel)
    counts = count_values(loaded.labels)
    mapping, warnings = propose_mapping(counts, POST_TREATMENT if loaded.by_program else None)
    mask = replace(
        item,
        kind=ImportKind.MASK,
        role=SequenceRole.OTHER,
        name=stem_of(item.path),
        mapping=mapping,
        voxel_counts=counts,
        warnings=warnings,
    )
    return _with_item(plan, index, mask)


def with_include(plan: ImportPlan, index: int, include: bool) -> ImportPlan:
    """Item `index` taken in or left out."""
    return _with_item(plan, index, replace(plan.items[index], include=include))


def with_mapping(plan: ImportPlan, index: int, mapping: Mapping[int, int]) -> ImportPlan:
    """Mask `index` with another meaning of its values; values that `mapping` does not name become background."""
    item = plan.items[index]
    full = {value: mapping.get(value, BACKGROUND) for value in item.voxel_counts}
    return _with_item(plan, index, replace(item, mapping=full))


def with_visit(plan: ImportPlan, index: int, visit: str) -> ImportPlan:
    """Item `index` in the visit of key `visit` of its patient; a new key makes a new visit like the one it leaves."""
    return _with_item(plan, index, replace(plan.items[index], visit=visit))


def with_patient(plan: ImportPlan, index: int, patient: str) -> ImportPlan:
    """Item `index` in the visit of the same key of another patient."""
    return _with_item(plan, index, replace(plan.items[index], patient=patient))


def rename_patient(plan: ImportPlan, old: str, new: str) -> ImportPlan:
    """All visits of patient `old` under the key `new`."""
    items = tuple(replace(i, patient=new) if i.patient == old else i for i in plan.items)
    visits = tuple(replace(v, patient=new) if v.patient == old else v for v in plan.visits)
    return _with_visits_of_items(replace(plan, items=items, visits=visits))


def rename_visit(plan: ImportPlan, patient: str, old: str, new: str) -> ImportPlan:
    """The patient's visit `old` under the key `new`."""
    items = tuple(replace(i, visit=new) if (i.patient, i.visit) == (patient, old) else i for i in plan.items)
    visits = tuple(replace(v, key=new) if (v.patient, v.key) == (patient, old) else v for v in plan.visits)
    return _with_visits_of_items(replace(plan, items=items, visits=visits))


def with_time(
    plan: ImportPlan, patient: str, visit: str, *, date: dt.date | None, day: int | None, phase: TreatmentPhase
) -> ImportPlan:
    """A visit with another date, day and phase."""
    visits = tuple(
        replace(v, date=date, day=day, phase=phase) if (v.patient, v.key) == (patient, visit) else v
        for v in plan.visits
    )
    return replace(plan, visits=visits)


def with_preparation(plan: ImportPlan, patient: str, visit: str, preparation: Preparation) -> ImportPlan:
    """A visit whose images are prepared in another way, or stored as they are."""
    visits = tuple(
        replace(v, preparation=preparation) if (v.patient, v.key) == (patient, visit) else v for v in plan.visits
    )
    return replace(plan, visits=visits)


def plan_conflicts(plan: ImportPlan, store: Store | None = None) -> tuple[str, ...]:
    """What stands in the way of carrying the plan out, one sentence each; empty when nothing does.

    Visits that `store` already has stand in the way only when there is no other (`known_visits`).
    """
    included: dict[tuple[str, str], list[ImportItem]] = {}
    for item in plan.items:
        if item.include:
            included.setdefault((item.patient, item.visit), []).append(item)
    if not included:
        return ("Nothing is left to import.",)
    known = known_visits(plan, store) if store is not None else ()
    new = included.keys() - {(v.patient, v.key) for v in known}
    if not new:
        return tuple(f"The workspace already has visit {v.key} of {v.patient}." for v in known)
    scheme = study_scheme(store) if store is not None else GLIOMA_POST_TREATMENT
    conflicts: list[str] = []
    for visit in plan.visits:
        if (visit.patient, visit.key) in new:
            members = included[visit.patient, visit.key]
            conflicts += _visit_conflicts(f"Visit {visit.key} of {visit.patient}", members, scheme)
    return tuple(conflicts)


def known_visits(plan: ImportPlan, store: Store) -> tuple[ImportVisit, ...]:
    """The visits with included items that the workspace has already; an import leaves them as they are."""
    included = {(i.patient, i.visit) for i in plan.items if i.include}
    visits = [v for v in plan.visits if (v.patient, v.key) in included]
    return tuple(v for v in visits if has_visit(store, v.patient, v.key))


def stay_as_they_are(visits: Sequence[ImportVisit]) -> str:
    """A sentence on visits that the workspace has already."""
    names = [f"{v.key} of {v.patient}" for v in visits]
    if len(names) == 1:
        return f"Visit {names[0]} is in the workspace already and stays as it is."
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    told = ", ".join(names[:_MOST_NAMED]) + more
    return f"{len(names)} visits are in the workspace already and stay as they are: {told}."


def has_visit(store: Store, patient: str, visit: str) -> bool:
    """Whether the workspace has a visit of that key."""
    known = store.patient(patient)
    return known is not None and known.id is not None and any(t.key == visit for t in store.timepoints(known.id))


def _visit_conflicts(title: str, members: list[ImportItem], scheme: LabelScheme) -> list[str]:
    conflicts = []
    names = [i.name for i in members if i.kind is ImportKind.IMAGE]
    if not names:
        conflicts.append(f"{title} has masks but no image.")
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            files = " and ".join(i.path.name for i in members if i.kind is ImportKind.IMAGE and i.name == name)
            conflicts.append(f"{title} has more than one {name}: {files}.")
    allowed = {BACKGROUND, *scheme.values}
    odd = [i for i in members if not set(i.mapping.values()) <= allowed]
    conflicts += [f"{title}: {i.path.name} is mapped to values that are no labels of the program." for i in odd]
    if not members[0].patient.strip() or not members[0].visit.strip():
        conflicts.append(f"{title}: patient and visit need a name.")
    return conflicts


def _with_item(plan: ImportPlan, index: int, item: ImportItem) -> ImportPlan:
    before = plan.items[index]
    left = next((v for v in plan.visits if (v.patient, v.key) == (before.patient, before.visit)), None)
    items = (*plan.items[:index], item, *plan.items[index + 1 :])
    return _with_visits_of_items(replace(plan, items=items), left)


def _with_visits_of_items(plan: ImportPlan, left: ImportVisit | None = None) -> ImportPlan:
    """The plan with exactly the visits that its items name, each once, numbered within the patient.

    A new visit is like `left`, the one that its first item was moved from.
    """
    named = dict.fromkeys((i.patient, i.visit) for i in plan.items)
    known: dict[tuple[str, str], ImportVisit] = {}
    for visit in plan.visits:
        known.setdefault((visit.patient, visit.key), visit)
    kept = [v for key, v in known.items() if key in named]
    kept += [_new_visit(*key, left) for key in named if key not in known]
    patients = list(dict.fromkeys(v.patient for v in kept))
    kept.sort(key=lambda v: patients.index(v.patient))
    order = dict.fromkeys(patients, 0)
    visits = []
    for visit in kept:
        visits.append(replace(visit, order=order[visit.patient]))
        order[visit.patient] += 1
    return replace(plan, visits=tuple(visits))


def _new_visit(patient: str, key: str, left: ImportVisit | None) -> ImportVisit:
    visit = replace(left, patient=patient, key=key) if left else ImportVisit(patient, key, 0)
    told = find_moment(key) if left is None or key != left.key else None
    return replace(visit, date=told.date, day=told.day, phase=told.phase) if told else visit
