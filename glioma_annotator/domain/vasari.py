"""The VASARI sheet: features of one timepoint, computed from the mask or entered, and confirmed by a reader."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from glioma_annotator.domain.identity import new_id, utc_now


@dataclass(frozen=True, slots=True)
class VasariOption:
    """One allowed value of a feature: its `code` on the sheet and its wording."""

    code: str
    title: str


@dataclass(frozen=True, slots=True)
class VasariFeature:
    """One feature of the lexicon, read from a task profile.

    Attributes
    ----------
    number: "F1" to "F30".
    title: what it is called.
    options: allowed values; empty where the value is a figure or text.
    unit: of a figure, e.g. "mm"; empty otherwise.
    computed: whether masks and geometry can propose it.
    description: how to read it, one sentence.
    """

    number: str
    title: str
    options: tuple[VasariOption, ...] = ()
    unit: str = ""
    computed: bool = False
    description: str = ""

    def option(self, code: str) -> VasariOption | None:
        return next((o for o in self.options if o.code == code), None)


@dataclass(frozen=True, slots=True)
class VasariEntry:
    """The value of one feature at one timepoint.

    Attributes
    ----------
    patient, timepoint: keys.
    feature: number of the feature, e.g. "F5".
    value: code of an option, or the figure or text itself.
    computed: True when the program proposed the value.
    reason: how it was computed, with its figures; empty for an entered one.
    confirmed: False until a reader confirms a computed value; entered values are confirmed.
    revision: number of the segmentation revision it was computed from; None for an entered one.
    """

    patient: str
    timepoint: str
    feature: str
    value: str
    computed: bool = False
    reason: str = ""
    confirmed: bool = False
    revision: int | None = None
    author: str = ""
    created_utc: dt.datetime = field(default_factory=utc_now)
    id: str = field(default_factory=new_id)
