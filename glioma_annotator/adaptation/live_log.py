"""What a training tells while it runs: a row per step, the validations, and pictures of both."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glioma_annotator.adaptation.validation import CaseDice
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.imaging.atomic_file import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = "log.csv"
VALIDATION = "validation.csv"
_STEP_COLUMNS = ("step", "seconds", "patch", "learning_rate", "loss", "mean_of_100")
_VALIDATION_COLUMNS = ("step", "case", "region", "dice", "present")
#: Colours of the Okabe-Ito palette, distinct for colour-blind readers.
_COLOURS = {"ET": "#E69F00", "TC": "#D55E00", "WT": "#009E73", "RC": "#56B4E9"}
#: Pictures are drawn anew at most this often.
SECONDS_BETWEEN_PICTURES = 30.0


class LiveLog:
    """The log of a run folder: `log.csv`, `validation.csv`, and `loss` and `dice` as .png and .svg.

    Parameters
    ----------
    folder: exists.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._drawn = 0.0

    def step(self, step: int, seconds: float, patch: int, rate: float, loss: float, mean: float) -> None:
        """Add a step's row."""
        row = (step, f"{seconds:.1f}", patch, f"{rate:.2e}", f"{loss:.4f}", f"{mean:.4f}")
        self._append(STEPS, _STEP_COLUMNS, [row])

    def validation(self, step: int, scores: Sequence[CaseDice]) -> None:
        """Add a validation's rows."""
        rows = [(step, s.case, s.region, f"{s.dice:.4f}", int(s.present)) for s in scores]
        self._append(VALIDATION, _VALIDATION_COLUMNS, rows)

    def cut_after(self, step: int, names: Sequence[str] = (STEPS, VALIDATION)) -> None:
        """Forget what lies after a step: it will be done again."""
        for name in names:
            path = self._folder / name
            if not path.exists():
                continue
            with path.open(newline="", encoding="utf-8") as file:
                header, *rows = list(csv.reader(file)) or [[]]
            kept = [row for row in rows if len(row) == len(header) and int(row[0]) <= step]
            text = io.StringIO(newline="")
            csv.writer(text).writerows([header, *kept])
            with atomic_write(path) as binary:
                binary.write(text.getvalue().encode())

    def draw(self, always: bool = False) -> None:
        """Draw the pictures anew unless that was done less than `SECONDS_BETWEEN_PICTURES` ago."""
        if not always and time.monotonic() - self._drawn < SECONDS_BETWEEN_PICTURES:
            return
        self._drawn = time.monotonic()
        steps, scores = self._read(STEPS), self._read(VALIDATION)
        if steps:
            self._save("loss", _loss_figure(steps))
        if scores:
            self._save("dice", _dice_figure(scores))

    def _append(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        path = self._folder / name
        fresh = not path.exists()
        try:
            with path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                if fresh:
                    writer.writerow(columns)
                writer.writerows(rows)
        except OSError as error:
            raise EnvironmentFailure(
                f"{name} could not be written to {path.parent} ({error.strerror or error}).",
                "Make room on the disk or check that the folder can be written, then go on by --resume.",
            ) from error

    def _read(self, name: str) -> list[dict[str, str]]:
        path = self._folder / name
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _save(self, name: str, figure: Figure) -> None:
        for ending in ("png", "svg"):
            with atomic_write(self._folder / f"{name}.{ending}") as file:
                figure.savefig(file, format=ending, dpi=110)


def _loss_figure(rows: Sequence[dict[str, str]]) -> Figure:
    """Loss and its running mean over the steps, and the learning rate beneath."""
    from matplotlib.figure import Figure

    steps = [int(row["step"]) for row in rows]
    figure = Figure(figsize=(8, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot(steps, [float(row["loss"]) for row in rows], color="#BBBBBB", linewidth=0.6, label="step")
    above.plot(steps, [float(row["mean_of_100"]) for row in rows], color="#0072B2", label="mean of 100 steps")
    above.set_ylabel("loss")
    above.legend(frameon=False)
    below.plot(steps, [float(row["learning_rate"]) for row in rows], color="#555555")
    below.set(xlabel="step", ylabel="learning rate")
    return figure


def _dice_figure(rows: Sequence[dict[str, str]]) -> Figure:
    """Mean Dice per region over the validations, of the cases that have the region; the cases thin behind."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    present = [row for row in rows if row["present"] == "1"]
    for region in dict.fromkeys(row["region"] for row in rows):
        of_region = [row for row in present if row["region"] == region]
        colour = _COLOURS.get(region, "#555555")
        for case in dict.fromkeys(row["case"] for row in of_region):
            points = [(int(r["step"]), float(r["dice"])) for r in of_region if r["case"] == case]
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=0.5, alpha=0.4)
        by_step: dict[int, list[float]] = {}
        for row in of_region:
            by_step.setdefault(int(row["step"]), []).append(float(row["dice"]))
        if by_step:
            means = [sum(values) / len(values) for values in by_step.values()]
            axes.plot(list(by_step), means, color=colour, linewidth=2, marker="o", markersize=3, label=region)
    axes.set(xlabel="step", ylabel="Dice", ylim=(0, 1), title="Validation: mean of the cases that have the region")
    if present:
        axes.legend(frameon=False)
    return figure
