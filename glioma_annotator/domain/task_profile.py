"""Task profiles: what a task's channels, labels, finding terms and measured regions are; described by data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from glioma_annotator.domain.finding import FindingKind
from glioma_annotator.domain.labels import LabelScheme
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.vasari import VasariFeature


@dataclass(frozen=True, slots=True)
class TaskProfile:
    """A task, read from `resources/profiles/NAME.json` or a file of the user's.

    Attributes
    ----------
    name, title: key and what the reader sees.
    channels: sequences the task uses, reference first.
    scheme: labels of its masks, each with the value and name it has in every mask, and regions of them.
    response_region: region whose components are measured for response (RANO: enhancing tumour).
    roles: which label plays which part in computed features: `enhancing`, `core`, `oedema`, `cavity` to label names.
    finding_kinds: the controlled vocabulary, in the order shown.
    vasari: features of the sheet; empty for a task without one.
    """

    name: str
    title: str
    channels: tuple[SequenceRole, ...]
    scheme: LabelScheme
    response_region: str
    roles: Mapping[str, str] = field(default_factory=dict)
    finding_kinds: tuple[FindingKind, ...] = ()
    vasari: tuple[VasariFeature, ...] = ()

    def finding_kind(self, code: str) -> FindingKind | None:
        return next((k for k in self.finding_kinds if k.code == code), None)

    def feature(self, number: str) -> VasariFeature | None:
        return next((f for f in self.vasari if f.number == number), None)
