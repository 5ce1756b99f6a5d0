"""The VASARI sheet of a visit as a reader fills it in: what counts, what is confirmed or chosen, compared, as a table.

A computed value is recorded when it is offered, marked as computed, and stays unconfirmed until the reader confirms it
or chooses another. What a reader has confirmed or chosen is never replaced by a computation.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from glioma_annotator.domain.identity import utc_now
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.domain.vasari import VasariEntry, VasariFeature
from glioma_annotator.errors import UserError
from glioma_annotator.imaging.atomic_file import atomic_write
from glioma_annotator.workflow.ports import Store
from glioma_annotator.workflow.tables import plain_cell

Sheet = Mapping[str, VasariEntry]
"""The entry that counts by feature number."""


@dataclass(frozen=True, slots=True)
class FeatureChange:
    """A feature at two visits, in words; `difference` of figures, in the feature's unit."""

    before: str
    after: str
    difference: float | None = None

    @property
    def changed(self) -> bool:
        return bool(self.before) and bool(self.after) and self.before != self.after


def current_sheet(store: Store, patient: str, timepoint: str) -> Sheet:
    """The entries that count: the newest recorded one of each feature."""
    return {entry.feature: entry for entry in store.vasari.of_timepoint(patient, timepoint)}


def merged_sheet(recorded: Sheet, proposed: Iterable[VasariEntry]) -> Sheet:
    """Recorded entries, with proposals where nothing is recorded, or only an unconfirmed proposal of an older mask."""
    fresh = {e.feature: e for e in proposed if e.feature not in recorded or not recorded[e.feature].confirmed}
    return {**recorded, **fresh}


def wants_computing(sheet: Sheet, revision: int | None) -> bool:
    """Whether the mask of this revision has not been computed from yet; None stands for no mask."""
    return revision is not None and not any(e.computed and e.revision == revision for e in sheet.values())


def value_text(profile: TaskProfile, entry: VasariEntry) -> str:
    """An entry's value in words."""
    feature = profile.feature(entry.feature)
    option = feature.option(entry.value) if feature else None
    if option is not None:
        return option.title
    return f"{entry.value} {feature.unit}" if feature and feature.unit else entry.value


def status_text(entry: VasariEntry | None, revision: int | None) -> str:
    """Where a value comes from; `revision` is the mask's that counts now."""
    if entry is None:
        return ""
    who = f" by {entry.author}" if entry.author else ""
    if not entry.computed:
        return f"chosen{who}"
    old = entry.revision != revision
    how = f"computed from revision {entry.revision}, not the present one" if old else "computed"
    return f"{how}, confirmed{who}" if entry.confirmed else how if old else f"{how}, to be confirmed"


# what the reader does


def offer(store: Store, patient: str, timepoint: str, proposed: Iterable[VasariEntry]) -> None:
    """Record computed values as unconfirmed; what a reader has confirmed or chosen stays."""
    recorded = current_sheet(store, patient, timepoint)
    for proposal in proposed:
        known = recorded.get(proposal.feature)
        if known is None:
            store.vasari.add(proposal)
        elif not known.confirmed:
            store.vasari.change(replace(proposal, id=known.id, created_utc=known.created_utc))


def confirm(store: Store, entries: Iterable[VasariEntry], reader: str) -> int:
    """The reader agrees with computed values; how many were not confirmed before."""
    count = 0
    for entry in entries:
        if not entry.confirmed:
            store.vasari.change(replace(entry, confirmed=True, author=reader), by=reader)
            count += 1
    return count


def choose(
    store: Store, profile: TaskProfile, patient: str, timepoint: str, feature: str, value: str, reader: str
) -> None:
    """The reader's own value of a feature: an option's code, a figure, or empty to take the value off the sheet.

    The value that stands there already is confirmed. Raises `UserError` for what the feature cannot have.
    """
    known = current_sheet(store, patient, timepoint).get(feature)
    if not value.strip():
        for entry in store.vasari.of_timepoint(patient, timepoint):
            if entry.feature == feature:
                store.vasari.delete(entry.id, by=reader)
        return
    kept = _checked(profile.feature(feature), value)
    if known is not None and known.value == kept:
        confirm(store, [known], reader)
        return
    made = VasariEntry(patient, timepoint, feature, kept, confirmed=True, author=reader)
    if known is None:
        store.vasari.add(made)
    else:
        store.vasari.change(replace(made, id=known.id, created_utc=utc_now()), by=reader)


def _checked(feature: VasariFeature | None, value: str) -> str:
    """A value as it is recorded."""
    if feature is None:
        raise UserError("The profile's sheet has no such feature.", "Choose another profile.")
    if feature.options:
        if feature.option(value) is None:
            raise UserError(f"{feature.title} cannot be “{value}”.", "Choose one of the list.")
        return value
    if not feature.unit:
        return value.strip()
    text = value.strip().removesuffix(feature.unit).strip().replace(",", ".")
    figure = _figure(text)
    if not math.isfinite(figure) or figure < 0:
        raise UserError(f"“{value.strip()}” is no {feature.title.lower()}.", f"Write a figure in {feature.unit}.")
    return f"{figure:.1f}"


# comparing and tables


def compare(profile: TaskProfile, before: Sheet, after: Sheet) -> dict[str, FeatureChange]:
    """Every feature of the lexicon at two visits, by its number; empty words where a sheet has no value."""
    return {feature.number: _change(profile, feature, before, after) for feature in profile.vasari}


def _change(profile: TaskProfile, feature: VasariFeature, before: Sheet, after: Sheet) -> FeatureChange:
    one, other = before.get(feature.number), after.get(feature.number)
    words = tuple(value_text(profile, entry) if entry is not None else "" for entry in (one, other))
    figures = [_figure(entry.value) if feature.unit and entry is not None else math.nan for entry in (one, other)]
    difference = figures[1] - figures[0]
    return FeatureChange(words[0], words[1], difference if math.isfinite(difference) else None)


def _figure(text: str) -> float:
    """A figure as recorded; not a number for any other text."""
    try:
        return float(text)
    except ValueError:
        return math.nan


VASARI_COLUMNS = (
    "patient", "timepoint", "date", "day", "phase", "feature", "title", "value", "text", "unit", "computed",
    "confirmed", "reason", "revision", "author", "created_utc",
)  # fmt: skip


def sheet_rows(
    store: Store, profile: TaskProfile, patient: str, visits: Iterable[Timepoint]
) -> list[tuple[object, ...]]:
    """One row per feature with a value, in order of the visits and the lexicon, with `VASARI_COLUMNS`."""
    rows: list[tuple[object, ...]] = []
    for visit in visits:
        sheet = current_sheet(store, patient, visit.key)
        date = visit.date.isoformat() if visit.date else ""
        head = (patient, visit.key, date, "" if visit.day is None else visit.day, visit.phase.value)
        for feature in profile.vasari:
            entry = sheet.get(feature.number)
            if entry is not None:
                rows.append((*head, *_cells(profile, feature, entry)))
    return rows


def _cells(profile: TaskProfile, feature: VasariFeature, entry: VasariEntry) -> tuple[object, ...]:
    return (
        feature.number,
        feature.title,
        entry.value,
        value_text(profile, entry),
        feature.unit,
        int(entry.computed),
        int(entry.confirmed),
        entry.reason,
        "" if entry.revision is None else entry.revision,
        entry.author,
        entry.created_utc.isoformat(),
    )


def write_sheets(store: Store, profile: TaskProfile, patient: str, visits: Iterable[Timepoint], path: Path) -> int:
    """Write the sheets of visits as one CSV; how many values. Raises `EnvironmentFailure` when the disk refuses."""
    rows = sheet_rows(store, profile, patient, visits)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([plain_cell(cell) for cell in row] for row in [VASARI_COLUMNS, *rows])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode("utf-8"))
    return len(rows)
