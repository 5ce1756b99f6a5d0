"""What options of tools offer, and start from, that depends on what is open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glioma_annotator.domain.sequences import SequenceRole, Window
from glioma_annotator.ui.study_controller import StudyController
from glioma_annotator.ui.tools import options as opt
from glioma_annotator.workflow.other_masks import MaskSource, mask_sources
from glioma_annotator.workflow.study import OpenTimepoint

#: Of sequences.
ALL = "all"


def choices(study: StudyController, kind: str) -> Mapping[str, str]:
    """Texts by value; `kind` is a name from `options`. Nothing while no visit is open."""
    visit, session = study.visit, study.session
    if visit is None or session is None:
        return {}
    if kind in (opt.SEQUENCES, opt.SEQUENCES_OR_ALL):
        every = {ALL: "All sequences"} if kind == opt.SEQUENCES_OR_ALL else {}
        return every | {name: name for name in visit.images}
    if kind == opt.LABELS:
        return {str(label.value): label.name for label in visit.scheme.labels}
    return {s.key: s.title for s in mask_sources(session) if s.same_visit or kind == opt.SOURCES}


def chosen_source(study: StudyController, key: str) -> MaskSource | None:
    """The mask that is chosen under one of the keys of `choices`; None when there is none."""
    found = mask_sources(study.session) if study.session is not None else ()
    return next((s for s in found if s.key == key), None)


def first_sequence(visit: OpenTimepoint) -> str:
    """What tools look at first in a visit, which has images."""
    known = [r.value for r in (SequenceRole.T1GD, SequenceRole.FLAIR) if r.value in visit.images]
    return (known or list(visit.images))[0]


def start_from(visit: OpenTimepoint, options: Any, sequence: str) -> None:
    """Give options that look at images what suits a sequence of the visit: intensities have no unit in common."""
    opt.start_from(options, sequence, visit.windows.get(sequence, Window(-500.0, 500.0)))
