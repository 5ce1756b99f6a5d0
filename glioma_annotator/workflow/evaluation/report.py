"""An evaluation as files: tables for programs, a page for readers, pictures."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

from glioma_annotator.imaging.atomic_file import atomic_write
from glioma_annotator.workflow.evaluation.scores import COLUMNS, RULES, CaseScore
from glioma_annotator.workflow.evaluation.statistics import LEVEL, Summary, presences
from glioma_annotator.workflow.tables import plain_cell

CASES, SUMMARY, PAGE, JSON = "cases.csv", "summary.csv", "report.md", "evaluation.json"
_SUMMARY_COLUMNS = (
    "region",
    "figure",
    "cases",
    "missing",
    "median",
    "median_low",
    "median_high",
    "mean",
    "mean_low",
    "mean_high",
    "quartile_low",
    "quartile_high",
)


def write_tables(
    folder: Path,
    title: str,
    scores: Sequence[CaseScore],
    summaries: Sequence[Summary],
    facts: dict[str, Any],
    pictures: Mapping[str, str],
) -> None:
    """Write `cases.csv`, `summary.csv`, `report.md` and `evaluation.json` into an existing folder.

    `facts` may hold `labels` (how either side was read), `failed` and `not_scored` (reasons by name); the page shows
    the `pictures` beside it, captions by file name.
    """
    _write_csv(folder / CASES, COLUMNS, [astuple(score) for score in scores])
    _write_csv(folder / SUMMARY, _SUMMARY_COLUMNS, [_row(summary) for summary in summaries])
    data = {
        **facts,
        "rules": RULES,
        "presence": [asdict(presence) for presence in presences(scores)],
        "cases": [asdict(score) for score in scores],
        "summary": [asdict(summary) for summary in summaries],
    }
    _write(folder / JSON, json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")
    _write(folder / PAGE, _page(title, scores, summaries, facts, pictures))


def summary_table(summaries: Sequence[Summary]) -> list[tuple[object, ...]]:
    """Rows for a terminal: region, then median (interval) and mean of the main figures."""
    rows = []
    for region in dict.fromkeys(s.region for s in summaries):
        of_region = {s.figure: s for s in summaries if s.region == region}
        dice = of_region["dice"]
        others = [of_region.get(name) for name in ("hd95_mm", "surface_mm", "volume_error_ml", "lesion_dice")]
        medians = ["" if s is None else f"{s.median:.2f}" for s in others]
        middle = (f"{dice.median:.3f}", _interval(dice.median_interval), f"{dice.mean:.3f}")
        rows.append((region, dice.cases, *middle, *medians))
    return rows


#: Distances, volume error and lesion-wise Dice are medians too.
TABLE_HEAD = ("REGION", "CASES", "MEDIAN DICE", "95 %", "MEAN DICE", "HD95 MM", "SURFACE MM", "ML OFF", "LESION DICE")


def _page(
    title: str,
    scores: Sequence[CaseScore],
    summaries: Sequence[Summary],
    facts: dict[str, Any],
    pictures: Mapping[str, str],
) -> str:
    lines = [f"# {title}", ""]
    plain = {name: value for name, value in facts.items() if not isinstance(value, dict | list)}
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in plain.items()]
    if "labels" in facts:
        lines.append(f"- {labels_told(facts['labels'])}")
    lines += _left_out(facts)
    lines += ["", RULES, "", "## Is it there at all", ""]
    there = (
        "region",
        "cases with it",
        "found",
        "median Dice",
        "mean Dice",
        "cases without",
        "some invented",
        "mL",
    )
    lines += _table(
        there,
        [
            (
                p.region,
                p.present,
                p.found,
                _shown(p.median_dice),
                _shown(p.mean_dice),
                p.absent,
                p.invented,
                f"{p.invented_ml:.2f}",
            )
            for p in presences(scores)
        ],
    )
    lines += ["", f"## Over all cases (intervals at {LEVEL:.0%}, bootstrap)", ""]
    head = ("region", "figure", "median", "interval", "mean", "interval", "quartiles", "cases", "missing")
    lines += _table(
        head,
        [
            (
                s.region,
                s.figure,
                f"{s.median:.3f}",
                _interval(s.median_interval),
                f"{s.mean:.3f}",
                _interval(s.mean_interval),
                f"{s.low:.3f} to {s.high:.3f}",
                s.cases,
                s.missing,
            )
            for s in summaries
        ],
    )
    lines += ["", "## Case by case", ""]
    columns = ("case", "region", "dice", "hd95_mm", "surface_mm", "reference_ml", "prediction_ml", "lesions")
    lines += _table(
        (*columns, "found", "invented"),
        [(*[_shown(getattr(s, column)) for column in columns], s.lesions_found, s.lesions_invented) for s in scores],
    )
    for picture, caption in pictures.items():
        lines += ["", f"![{caption}]({picture})"]
    return "\n".join([*lines, ""])


def labels_told(labels: Mapping[str, str]) -> str:
    """How the values of either side's masks were read."""
    return f"Labels read as: {', '.join(f'{side} {convention}' for side, convention in labels.items())}."


def _left_out(facts: dict[str, Any]) -> list[str]:
    """Cases that failed, and what else was not scored, each with its reason."""
    reasons = {**facts.get("failed", {}), **facts.get("not_scored", {})}
    return ["", "## Not scored", "", *_table(("what", "why"), list(reasons.items()))] if reasons else []


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    return [
        "| " + " | ".join(map(str, head)) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(" ".join(str(cell).replace("|", "\\|").split()) for cell in row) + " |" for row in rows),
    ]


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _row(summary: Summary) -> tuple[object, ...]:
    s = summary
    nothing = (None, None)
    middle, mean = s.median_interval or nothing, s.mean_interval or nothing
    return (s.region, s.figure, s.cases, s.missing, s.median, *middle, s.mean, *mean, s.low, s.high)


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([[round(c, 5) if isinstance(c, float) else plain_cell(c) for c in row] for row in rows])
    _write(path, text.getvalue())


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())
