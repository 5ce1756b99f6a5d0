"""The course in pictures: volume curves above the treatments, and what became of each lesion; as SVG, PNG and CSV.

Figures are made with matplotlib's objects, never pyplot, so that they can be drawn on any thread and in the window.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from glioma_annotator.domain.clinical_event import SPANS, ClinicalEvent, EventKind
from glioma_annotator.domain.course import steroid_dose_mg
from glioma_annotator.domain.finding import LesionChange
from glioma_annotator.domain.task_profile import TaskProfile
from glioma_annotator.imaging.atomic_file import atomic_write, make_folder
from glioma_annotator.workflow.lesion_names import readable
from glioma_annotator.workflow.measure import MeasuredVisit
from glioma_annotator.workflow.patient_course import PatientCourse
from glioma_annotator.workflow.response import MeasuredCourse
from glioma_annotator.workflow.tables import plain_cell
from glioma_annotator.workflow.tracking import merged_since

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BACKGROUND, _PANEL, _GRID = "#1E1F22", "#26282C", "#3A3D42"
_TEXT, _QUIET = "#E6E6E6", "#A0A4AB"
_SPAN_COLOUR = "#8C9BB3"
_SURGERY_COLOUR = "#CC79A7"
_CHANGE_COLOURS = {"grown": "#D55E00", "new": "#F0E442", "shrunk": "#56B4E9", "gone": "#A0A4AB", "unchanged": "#009E73"}
_LEAST_CHANGE_ML = 0.005  # of a bar that can be seen as one: half of the last digit shown
_NAME_WIDTH = 14  # characters of a lesion's name in a line below its bar
_LEAST_BARS, _MOST_BARS = 6, 14  # beside one another
_LEAST_DAYS = 7  # of the time axis
_WORD_SHARE = 0.06  # of the time axis that a word takes
_MOST_LETTERS = 130  # of all visits' names below the plot that fit in a line
_ONGOING_DAYS = 14  # how far beyond the last visit an unfinished treatment is drawn
_THERAPIES = tuple(kind for kind in EventKind if kind in SPANS and kind is not EventKind.STEROIDS)


@dataclass(frozen=True, slots=True)
class LesionBalance:
    """A lesion between the baseline and the last masked visit: volumes in mL and what the difference amounts to.

    `merged` are the lesions of the baseline that went up in it; their volumes are part of its baseline.
    """

    lesion: str
    baseline_ml: float
    last_ml: float
    merged: tuple[str, ...] = ()

    @property
    def change_ml(self) -> float:
        return self.last_ml - self.baseline_ml

    @property
    def kind(self) -> str:
        if self.baseline_ml == 0:
            return "new"
        if self.last_ml == 0:
            return "gone"
        return "grown" if self.change_ml > 0 else "shrunk" if self.change_ml < 0 else "unchanged"


def write_plots(
    folder: Path, visits: Sequence[MeasuredVisit], lesions: MeasuredCourse, profile: TaskProfile
) -> tuple[Path, ...]:
    """Write `volumes` and `components`, each as .svg, .png and .csv, to a folder, which is made; returns the files.

    Files of these names are replaced. Raises `EnvironmentFailure` when the disk refuses.
    """
    make_folder(folder)
    pictures = {"volumes": volume_figure(lesions.course, visits, profile), "components": waterfall_figure(lesions)}
    tables = {"volumes": volume_rows(visits), "components": component_rows(lesions)}
    written = []
    for name, figure in pictures.items():
        for kind in ("svg", "png"):
            written.append(folder / f"{name}.{kind}")
            with atomic_write(written[-1]) as file:
                file.write(rendered(figure, kind))
        written.append(folder / f"{name}.csv")
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([[plain_cell(cell) for cell in row] for row in tables[name]])
        with atomic_write(written[-1]) as file:
            file.write(text.getvalue().encode("utf-8"))
    return tuple(written)


def rendered(figure: Figure, kind: str) -> bytes:
    """A figure as `svg` or `png`; the same figure gives the same bytes, text in an SVG stays text."""
    import matplotlib  # here, to keep it off the program's start

    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "glioma-annotator"}):
        figure.savefig(buffer, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return buffer.getvalue()


def volume_figure(course: PatientCourse, visits: Sequence[MeasuredVisit], profile: TaskProfile) -> Figure:
    """Volumes of the labels over time; below them treatments, steroids as a step curve and performance status.

    The time axis is days since the first visit; the order of the visits when a day is unknown, without treatments then.
    """
    from matplotlib.ticker import MaxNLocator  # here, to keep it off the program's start

    masked = [v for v in visits if v.labels]
    days = [v.visit.day for v in masked]
    dated = [day for day in days if day is not None]
    by_day = len(dated) == len(days)
    x: list[float] = [float(d) for d in dated] if by_day else [float(n) for n in range(len(days))]
    rows = _rows(course) if by_day else []
    figure = _figure(11.0, 4.0 + 0.75 * len(rows))
    heights = [4.0, *(1.0 for _ in rows)]
    axes = figure.subplots(1 + len(rows), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    top: Axes = axes[0]
    for label in profile.scheme.labels:
        ml = [v.labels[label.name].volume_ml if label.name in v.labels else math.nan for v in masked]
        name = f"{label.name}  {label.title}"
        # Not clipped: markers at zero stand on the axis.
        top.plot(x, ml, "o-", color=label.colour, label=name, linewidth=1.8, markersize=5, clip_on=False, zorder=3)
    for v, place in zip(masked, x, strict=True):
        if v.visit is course.visits[course.baseline]:
            top.axvline(place, color=_QUIET, linestyle=":", linewidth=1)
            top.annotate("baseline", (place, 1), xycoords=("data", "axes fraction"), xytext=(3, -10),
                         textcoords="offset points", color=_QUIET, fontsize=9)  # fmt: skip
    top.margins(y=0.1)
    if not any(change.volume_ml for v in masked for change in v.labels.values()):
        top.set_ylim(top=1.0)  # nothing to see is not to fill the picture with hundredths
    top.set_ylim(bottom=0)
    top.set_ylabel("mL", color=_TEXT)
    figure.suptitle(f"Volumes of {course.patient}", color=_TEXT, fontsize=12)
    # Above the curves, where it hides none of them.
    top.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, labelcolor=_TEXT, fontsize=9)
    last = max(x, default=0.0) + _ONGOING_DAYS
    for row, name in zip(axes[1:], rows, strict=True):
        _draw_row(row, name, course, last)
    if by_day:
        _mark_surgery(list(axes), course)
        _mark_samples(top, course)
        axes[-1].set_xlabel("days since the first visit", color=_TEXT)
        axes[-1].xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        low, high = axes[-1].get_xlim()
        if high - low < _LEAST_DAYS:
            axes[-1].set_xlim((low + high - _LEAST_DAYS) / 2, (low + high + _LEAST_DAYS) / 2)
    else:
        names = [v.visit.timepoint.key for v in masked]
        axes[-1].set_xticks(x, names, color=_TEXT)
        if sum(map(len, names)) > _MOST_LETTERS:
            for name in axes[-1].get_xticklabels():
                name.set(rotation=40, ha="right", rotation_mode="anchor")
    for one in axes:
        _style(one)
    return _laid_out(figure)


def waterfall_figure(lesions: MeasuredCourse) -> Figure:
    """One bar per lesion: its volume at the last masked visit less that at the baseline, largest growth first.

    Many lesions stand in several rows of one scale.
    """
    from matplotlib.patches import Patch  # here, to keep it off the program's start

    balance = lesion_balance(lesions)
    rows = [balance[i : i + _MOST_BARS] for i in range(0, len(balance), _MOST_BARS)] or [balance]
    figure = _figure(max(8.0, 2.5 + 1.0 * len(rows[0])), 4.2 if len(rows) == 1 else 2.8 * len(rows))
    every = figure.subplots(len(rows), 1, sharey=True, squeeze=False)[:, 0]
    for axes, row in zip(every, rows, strict=True):
        axes.margins(y=0.25 if len(rows) == 1 else 0.35)
        _draw_bars(axes, row, lesions.titles)
        room = max(0.0, (_LEAST_BARS - len(rows[0])) / 2)  # few bars would be as wide as the picture
        axes.set_xlim(-0.5 - room, max(len(rows[0]), 1) - 0.5 + room)
        axes.set_ylabel("change since the baseline, mL" if len(rows) == 1 else "change, mL", color=_TEXT)
        _style(axes)
    if all(abs(b.change_ml) < _LEAST_CHANGE_ML for b in balance):
        every[0].set_ylim(-1, 1)  # rounding is not to fill the picture
    kinds = [kind for kind in _CHANGE_COLOURS if any(b.kind == kind for b in balance)]
    handles = [Patch(color=_CHANGE_COLOURS[kind], label=kind) for kind in kinds]
    if handles:
        every[0].legend(handles=handles, loc="upper right", frameon=False, labelcolor=_TEXT, fontsize=9)
    if _last_compared(lesions) is None:
        title = "No visit after the baseline has a mask: nothing to compare yet"
    else:
        title = "Lesions since the baseline" if balance else "No lesion since the baseline"
    every[0].set_title(f"{title}, {lesions.course.patient}", color=_TEXT, fontsize=12)
    return _laid_out(figure)


def _draw_bars(axes: Axes, balance: Sequence[LesionBalance], titles: Mapping[str, str]) -> None:
    places = range(len(balance))
    axes.bar(places, [b.change_ml for b in balance], color=[_CHANGE_COLOURS[b.kind] for b in balance], width=0.7)
    for place, b in zip(places, balance, strict=True):
        share = f"{b.change_ml / b.baseline_ml:+.0%}" if b.kind in ("grown", "shrunk") else b.kind
        up = b.change_ml >= 0
        axes.annotate(
            f"{b.change_ml:+.2f}\n{share}",
            (place, b.change_ml),
            xytext=(0, 3 if up else -3),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            color=_TEXT,
            fontsize=9,
        )
    axes.axhline(0, color=_QUIET, linewidth=1)
    names = [" and ".join(readable(name, titles) for name in (b.lesion, *b.merged)) for b in balance]
    axes.set_xticks(list(places), [fill(name, _NAME_WIDTH) for name in names])


def _last_compared(lesions: MeasuredCourse) -> int | None:
    """The last masked visit after the baseline; None where there is none."""
    later = [i for i, found in enumerate(lesions.maps) if found is not None and i > lesions.course.baseline]
    return later[-1] if later else None


def lesion_balance(lesions: MeasuredCourse) -> tuple[LesionBalance, ...]:
    """Every lesion of the baseline and of the last masked visit, largest growth first.

    Parts of a lesion are added up, and what merged later at the baseline. Empty where no visit after the baseline has a
    mask.
    """
    first = lesions.course.baseline
    last = _last_compared(lesions)
    if last is None:
        return ()
    start, end = (_volumes(lesions, index) for index in (first, last))
    merged = {
        name: tuple(sorted(gone & start.keys()))
        for name, gone in merged_since(lesions.lesions[first : last + 1]).items()
        if name in end
    }
    balance = []
    for name in (start | end).keys() - {gone for names in merged.values() for gone in names}:
        together = merged.get(name, ())
        before = sum(start.get(part, 0.0) for part in (name, *together))
        balance.append(LesionBalance(name, before, end.get(name, 0.0), together))
    return tuple(sorted(balance, key=lambda b: (-b.change_ml, b.lesion)))


def volume_rows(visits: Iterable[MeasuredVisit]) -> list[tuple[object, ...]]:
    """The volumes as a table with a header; empty cells where nothing is known."""
    compared = ("volume_ml", "baseline_ml", "nadir_ml", "from_baseline", "from_nadir", "doubling_days")
    rows: list[tuple[object, ...]] = [("timepoint", "date", "day", "phase", "revision", "kind", "name", *compared)]
    for v in visits:
        timepoint, revision = v.visit.timepoint, v.visit.revision
        head = (
            timepoint.key,
            timepoint.date,
            v.visit.day,
            timepoint.phase.value,
            revision.number if revision else None,
        )
        for kind, volumes in (("label", v.labels), ("region", v.regions)):
            rows += [(*head, kind, name, *(getattr(c, field) for field in compared)) for name, c in volumes.items()]
    return rows


def component_rows(lesions: MeasuredCourse) -> list[tuple[object, ...]]:
    """Every lesion at every visit as a table with a header; `name` is what the pictures call it."""
    header = (
        "timepoint",
        "lesion",
        "name",
        "change",
        "earlier_ml",
        "volume_ml",
        "longest_mm",
        "perpendicular_mm",
        "measurable",
    )
    rows: list[tuple[object, ...]] = [header]
    for visit, tracked, seen in zip(lesions.course.visits, lesions.lesions, lesions.visits, strict=True):
        sizes = iter(seen.lesions)  # in the order of the tracked lesions, those that are gone left out
        for t in tracked:
            size = next(sizes) if t.number is not None else None
            rows.append(
                (
                    visit.timepoint.key,
                    t.lesion,
                    readable(t.lesion, lesions.titles),
                    t.change.value if t.change is not None else None,
                    t.earlier_ml if t.change not in (None, LesionChange.NEW) else None,
                    t.volume_ml,
                    size.longest_mm if size else None,
                    size.perpendicular_mm if size else None,
                    int(seen.measures(size)) if size else None,
                )
            )
    return rows


def _volumes(lesions: MeasuredCourse, index: int) -> dict[str, float]:
    volumes: dict[str, float] = {}
    for t in lesions.lesions[index]:
        if t.number is not None:
            volumes[t.lesion] = volumes.get(t.lesion, 0.0) + t.volume_ml
    return volumes


def _rows(course: PatientCourse) -> list[str]:
    """Which rows the events below the curves need, top to bottom."""
    kinds = {event.kind for event in course.events if course.clock.start(event) is not None}
    rows = ["treatment"] if kinds & set(_THERAPIES) else []
    rows += ["steroids"] if EventKind.STEROIDS in kinds else []
    return rows + (["KPS"] if EventKind.KPS in kinds else [])


def _dated(course: PatientCourse, *kinds: EventKind) -> list[tuple[int, ClinicalEvent]]:
    """Events of these kinds with their first day, in order of time."""
    found = [(day, e) for e in course.events if e.kind in kinds and (day := course.clock.start(e)) is not None]
    return sorted(found, key=lambda pair: (pair[0], pair[1].created_utc))


def _draw_row(axes: Axes, name: str, course: PatientCourse, last: float) -> None:
    if name == "treatment":
        events = _dated(course, *_THERAPIES)
        kinds = list(dict.fromkeys(event.kind for _, event in events))
        for day, event in events:
            end = course.clock.end(event)
            width = max(1.0, (end if end is not None else max(last, day)) - day)
            alpha = 0.9 if end is not None else 0.5  # an unfinished one fades
            axes.barh(kinds.index(event.kind), width, left=day, height=0.6, color=_SPAN_COLOUR, alpha=alpha)
        axes.set_yticks(range(len(kinds)), [kind.value for kind in kinds])
        axes.set_ylim(len(kinds) - 0.4, -0.6)
    elif name == "steroids":
        given = _dated(course, EventKind.STEROIDS)
        ends = [end + 1 for _, event in given if (end := course.clock.end(event)) is not None]
        days = sorted({*(day for day, _ in given), *ends})  # when the dose may change
        steps: list[tuple[float, float]] = [
            (day, steroid_dose_mg(course.events, day, course.clock) or 0.0) for day in days
        ]
        steps.append((max(last, steps[-1][0]), steps[-1][1]))
        axes.step([d for d, _ in steps], [mg for _, mg in steps], where="post", color="#E69F00")
        axes.fill_between([d for d, _ in steps], [mg for _, mg in steps], step="post", color="#E69F00", alpha=0.25)
        axes.set_ylabel("steroids\nmg a day", color=_TEXT, fontsize=9)
        axes.set_ylim(0, 1.15 * max(1.0, *(mg for _, mg in steps)))
    else:
        scores = _dated(course, EventKind.KPS)
        axes.plot([d for d, _ in scores], [e.score or 0 for _, e in scores], "s-", color=_TEXT, markersize=4)
        axes.set_ylabel("KPS", color=_TEXT, fontsize=9)
        axes.set_ylim(0, 105)


def _mark_surgery(axes: Sequence[Axes], course: PatientCourse) -> None:
    """A line through all rows for every surgery; of those close together the last one is named."""
    days = [float(day) for day, _ in _dated(course, EventKind.SURGERY)]
    for day in days:
        for one in axes:
            one.axvline(day, color=_SURGERY_COLOUR, linewidth=1.2)
    low, high = axes[0].get_xlim()
    for day, after in zip(days, [*days[1:], float("inf")], strict=False):
        if after - day >= _WORD_SHARE * (high - low):
            axes[0].annotate("surgery", (day, 1), xycoords=("data", "axes fraction"), xytext=(3, -20),
                             textcoords="offset points", color=_SURGERY_COLOUR, fontsize=9)  # fmt: skip


def _mark_samples(axes: Axes, course: PatientCourse) -> None:
    """A diamond at the foot of the curves for every sample, the first one named."""
    days = [day for s in course.samples if (day := course.clock.day(s.date, s.day)) is not None]
    if days:
        axes.plot(days, [0.0] * len(days), "D", color=_SURGERY_COLOUR, markersize=7, clip_on=False, zorder=5)
        axes.annotate("histology", (days[0], 0), xytext=(6, 4), textcoords="offset points", color=_SURGERY_COLOUR,
                      fontsize=9)  # fmt: skip


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure as NewFigure  # here, to keep it off the program's start

    return NewFigure(figsize=(width, height), facecolor=_BACKGROUND)


def _laid_out(figure: Figure) -> Figure:
    from matplotlib.text import Text  # here, to keep it off the program's start

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    figure.tight_layout()
    return figure


def _style(axes: Axes) -> None:
    axes.set_facecolor(_PANEL)
    axes.tick_params(colors=_QUIET, labelcolor=_TEXT, labelsize=9)
    axes.grid(color=_GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(_GRID)
