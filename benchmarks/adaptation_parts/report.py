"""What `adaptation.py` measured: rows, their summary with intervals, plots, and the files they are written to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

#: The two kinds of test cases of the reference's protocol, with their colours.
DOMAINS = {"target": "#0B5FCC", "other": "#D55E00"}


@dataclass(frozen=True, slots=True)
class Row:
    """One tested case: mean Dice of the starting model, of what is used after, of the mask carried over.

    `candidate` is the mean Dice of what was trained, taken or not; `learnt` says how the adaptation went: method,
    verdict on its own held-out data, wall and processor seconds.
    """

    protocol: str
    case: str
    cases_learnt: int
    before: float
    after: float
    carried: float | None
    accepted: bool
    seconds: float
    regions: dict[str, Any]
    learnt: dict[str, Any]
    candidate: float | None = None

    @property
    def error_removed(self) -> float:
        return removed_share(self.before, self.after)

    @property
    def as_proposed(self) -> tuple[float, float] | None:
        """As `before` and `after`, of the masks as the program proposes them; None where they show nothing."""
        before, candidate = self.learnt.get("as_proposed") or (None, None)
        if before is None or candidate is None:
            return None
        return before, candidate if self.accepted else before


def removed_share(before: float, after: float) -> float:
    """Share of the error 1 - Dice that is gone."""
    return 1 - (1 - after) / max(1 - before, 1e-6)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    rng = np.random.default_rng(0)
    means = rng.choice(np.asarray(values), (4000, len(values))).mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def summary(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """By protocol and number of cases learnt."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.protocol, row.cases_learnt), []).append(row)
    table = []
    for (protocol, count), found in groups.items():
        removed = [row.error_removed for row in found]
        carried = [row.carried for row in found if row.carried is not None]
        candidates = [row.candidate for row in found if row.candidate is not None]
        proposed = [row.as_proposed for row in found if row.as_proposed is not None]
        table.append({
            "protocol": protocol,
            "learnt": count,
            "n": len(found),
            "before": float(np.mean([r.before for r in found])),
            "after": float(np.mean([r.after for r in found])),
            "after_interval": interval([r.after for r in found]),
            "gain_interval": interval([r.after - r.before for r in found]),
            "candidate": float(np.mean(candidates)) if candidates else None,
            "carried": float(np.mean(carried)) if carried else None,
            "error_removed": float(np.mean(removed)),
            "error_removed_interval": interval(removed),
            "error_removed_of_means": 1 - (1 - float(np.mean([r.after for r in found])))
            / max(1 - float(np.mean([r.before for r in found])), 1e-6),
            "accepted": sum(r.accepted for r in found),
            "made_worse": sum(r.accepted and r.after < r.before for r in found),
            "proposed_removed": float(np.mean([removed_share(*p) for p in proposed])) if proposed else None,
            "proposed_worse": sum(after < before for before, after in proposed),
            "processor_seconds": float(np.mean([r.learnt.get("processor_seconds", 0.0) for r in found])),
            "seconds": float(np.mean([r.seconds for r in found])),
        })  # fmt: skip
    return table


def as_text(table: Sequence[Mapping[str, Any]]) -> str:
    """A line for every row of the summary."""
    return "\n".join(
        f"{r['protocol']:10s} learnt {r['learnt']}  n {r['n']}  before {r['before']:.3f}  after {r['after']:.3f} "
        f"[{r['after_interval'][0]:.3f}, {r['after_interval'][1]:.3f}]  "
        f"gain [{r['gain_interval'][0]:+.3f}, {r['gain_interval'][1]:+.3f}]  "
        f"candidate {_number(r['candidate'])}  carried {_number(r['carried'])}  "
        f"error removed {r['error_removed']:+.1%} (of the means {r['error_removed_of_means']:+.1%})  "
        f"accepted {r['accepted']}  made worse {r['made_worse']}"
        + (
            ""
            if r["proposed_removed"] is None
            else f"  as proposed {r['proposed_removed']:+.1%}, worse {r['proposed_worse']}"
        )
        for r in table
    )


def write(rows: Sequence[Row], figures: Mapping[str, Any], out: Path | None) -> None:
    """Print the summary; with a folder, write adaptation.json, .txt and .png into it."""
    table = summary(rows)
    text = as_text(table)
    print(text, flush=True)
    if out is None:
        return
    out.mkdir(parents=True, exist_ok=True)
    listed = [{**asdict(row), "error_removed": row.error_removed} for row in rows]
    whole = json.dumps({**figures, "summary": table, "rows": listed}, indent=2) + "\n"
    part = out / "adaptation.json.part"
    part.write_text(whole)
    part.replace(out / "adaptation.json")
    (out / "adaptation.txt").write_text(text + "\n")
    if table:
        plot(table, out / "adaptation.png")


def plot(table: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Mean Dice by protocol before, after and carried over; by the cases learnt, where domains were compared."""
    others = [row for row in table if row["protocol"] not in DOMAINS]
    compared = [row for row in table if row["protocol"] in DOMAINS]
    widths = [width for width, shown in ((1.4 + 1.1 * len(others), others), (5.6, compared)) if shown]
    figure = Figure(figsize=(sum(widths), 4.2))
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0])
    if others:
        _protocols(panels.pop(0), others)
    if compared:
        _domains(panels.pop(0), compared)
    figure.tight_layout()
    figure.savefig(file, dpi=110)


def _protocols(axes: Axes, table: Sequence[Mapping[str, Any]]) -> None:
    for place, row in enumerate(table):
        first = not place
        low, high = row["after_interval"]
        axes.plot(place - 0.12, row["before"], "s", color="#888888", label="before" if first else None)
        axes.errorbar(place + 0.12, row["after"], [[row["after"] - low], [high - row["after"]]], fmt="o",
                      color="#0B5FCC", capsize=3, label="after, 95 %" if first else None)  # fmt: skip
        if row["carried"] is not None:
            axes.plot(place, row["carried"], "^", color="#D55E00", label="carried over" if first else None)
    axes.set_xticks(
        range(len(table)), [f"{r['protocol']}\n{r['learnt']} learnt, n = {r['n']}" for r in table], fontsize=8
    )
    axes.set_xlim(-0.6, len(table) - 0.4)
    _finish(axes)


def _domains(axes: Axes, table: Sequence[Mapping[str, Any]]) -> None:
    """Dice against the cases learnt, one line for target-domain and one for other-domain test cases."""
    counts = sorted({int(row["learnt"]) for row in table})
    for shift, (domain, colour) in zip((-0.05, 0.05), DOMAINS.items(), strict=True):
        rows = sorted((row for row in table if row["protocol"] == domain), key=lambda row: row["learnt"])
        if not rows:
            continue
        places = [counts.index(int(row["learnt"])) + shift for row in rows]
        after = np.array([row["after"] for row in rows])
        low, high = np.array([row["after_interval"] for row in rows]).T
        axes.errorbar(places, after, [after - low, high - after], fmt="o-", color=colour, capsize=3,
                      label=f"{domain} domain, n = {rows[0]['n']}, 95 %")  # fmt: skip
    axes.set_xticks(range(len(counts)), [str(count) for count in counts])
    axes.set_xlabel("target-domain cases learnt from")
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.set_ylabel("mean Dice over present regions")
    axes.set_ylim(0, 1)
    axes.grid(axis="y", linewidth=0.4)
    axes.legend(fontsize=8)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
