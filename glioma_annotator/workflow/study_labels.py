"""The labels of a study: those of its scheme, and those that readers add for what the scheme has no name for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from glioma_annotator.domain.editing import JournalEntry
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT, IGNORE, Label, LabelScheme
from glioma_annotator.domain.volume import LabelArray
from glioma_annotator.errors import UserError
from glioma_annotator.progress import CancelToken, Report, StepProgress
from glioma_annotator.workflow.ports import Store

BUILT_IN = frozenset(GLIOMA_POST_TREATMENT.values)


def study_scheme(store: Store) -> LabelScheme:
    """The built-in labels, as this version of the program has them, with those that were added in the workspace."""
    kept = store.schemes.get(GLIOMA_POST_TREATMENT.name)
    scheme = GLIOMA_POST_TREATMENT
    for label in kept.labels if kept is not None else ():
        if label.value not in BUILT_IN and not scheme.fault(label):
            scheme = scheme.with_label(label)
    return scheme


def own_labels(scheme: LabelScheme) -> tuple[Label, ...]:
    """The labels that were added."""
    return tuple(label for label in scheme.labels if label.value not in BUILT_IN)


def for_models(labels: LabelArray) -> LabelArray:
    """A mask (i, j, k) as models learn from it: voxels of added labels, which no model knows, count as not reviewed."""
    known = np.isin(labels, (0, IGNORE, *BUILT_IN))
    return labels if known.all() else np.where(known, labels, np.uint8(IGNORE))


def with_new_label(store: Store, name: str, title: str, colour: str, by: str) -> tuple[LabelScheme, Label]:
    """Add a label with the smallest free value and keep it. Raises `UserError` for a faulty one."""
    scheme = study_scheme(store)
    value = scheme.free_value
    if value is None:
        raise UserError("The study has as many labels as a mask can hold.", "Delete one that is not used.")
    label = Label(value, name.strip(), title.strip() or name.strip(), colour.upper())
    return _kept(store, scheme, label, by), label


def with_changed_label(store: Store, label: Label, by: str) -> LabelScheme:
    """Change title, colour or, while no revision holds it, the name of an added label, and keep that.

    Raises `UserError` for a faulty label, or one whose name is part of what revisions say.
    """
    scheme = study_scheme(store)
    before = scheme.label(label.value)
    if before is None or label.value in BUILT_IN:
        raise UserError("Only labels that were added can be changed.", "Add a label of your own.")
    if before.name != label.name.strip() and store.schemes.used(before.name):
        raise UserError(
            f"Saved revisions hold {before.name}, and their volumes go by that name.", "Change its title instead."
        )
    title = label.title.strip() or label.name.strip()
    return _kept(store, scheme, replace(label, name=label.name.strip(), title=title, colour=label.colour.upper()), by)


def without_label(
    store: Store, value: int, open_visit: int | None, by: str, report: Report, cancel: CancelToken
) -> LabelScheme:
    """Delete an added label that nothing uses: no revision, and no step of any visit's journal.

    The steps of the visit `open_visit` are the caller's to look at. Safe on a worker thread. Raises `UserError` when
    the label is used or is one of the built-in ones.
    """
    scheme = study_scheme(store)
    label = scheme.label(value)
    if label is None or value in BUILT_IN:
        raise UserError("Only labels that were added can be deleted.")
    if store.schemes.used(label.name):
        raise in_use(label, "saved revisions hold it")
    visits = [v for patient in store.patients() for v in store.timepoints(patient.id or 0)]
    steps = StepProgress(report, len(visits) or 1, f"Looking for {label.name}")
    for visit in visits:
        cancel.raise_if_cancelled()
        if visit.id != open_visit and visit.id is not None and _in_steps(store.journal(visit.id).entries(), value):
            raise in_use(label, f"unsaved or undone steps of {visit.title} hold it")
        steps.step()
    without = scheme.without_label(value)
    store.schemes.keep(without, by)
    return without


def in_use(label: Label, why: str) -> UserError:
    return UserError(f"{label.name} cannot be deleted: {why}.", "A label can be deleted while nothing uses it.")


def _in_steps(entries: tuple[JournalEntry, ...], value: int) -> bool:
    edits = [entry.edit for entry in entries if entry.edit is not None]
    return any(bool((edit.old == value).any() or (edit.new == value).any()) for edit in edits)


def _kept(store: Store, scheme: LabelScheme, label: Label, by: str) -> LabelScheme:
    if fault := scheme.fault(label):
        raise UserError(fault, "Choose another name or colour.")
    changed = scheme.with_label(label)
    store.schemes.keep(changed, by)
    return changed
