"""What `benchmarks/adaptation.py` makes of its rows."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def report() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
        yield importlib.import_module("adaptation_parts.report")


def rows(report: ModuleType) -> list[object]:
    """Two test cases of either domain after 0 and 1 cases, and a patient whose candidate was refused."""
    made = [
        report.Row(
            domain,
            f"{domain} {n}",
            learnt,
            0.5,
            0.5 + 0.2 * learnt + 0.02 * n * learnt,
            None,
            bool(learnt),
            1.0,
            {},
            {},
        )
        for learnt in (0, 1)
        for domain in ("target", "other")
        for n in range(2)
    ]
    return [*made, report.Row("patients", "p", 1, 0.6, 0.6, 0.7, False, 1.0, {}, {}, 0.4)]


def test_error_removed_is_the_share_of_what_was_missing(report: ModuleType) -> None:
    table = {(r["protocol"], r["learnt"]): r for r in report.summary(rows(report))}
    assert table["target", 0]["error_removed"] == 0 and table["target", 0]["accepted"] == 0
    after = table["target", 1]
    assert after["error_removed"] == pytest.approx(0.42)
    low, high = after["gain_interval"]
    assert low == pytest.approx(0.2) and high == pytest.approx(0.22)
    refused = table["patients", 1]
    assert (refused["accepted"], refused["made_worse"], refused["error_removed"]) == (0, 0, 0)
    assert refused["candidate"] == 0.4  # what was refused is told, and counts for nothing


def test_a_run_leaves_table_plot_and_figures_that_hold_every_row(report: ModuleType, tmp_path: Path) -> None:
    report.write(rows(report), {"seed": 3}, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "adaptation.json").read_text())
    assert found["seed"] == 3 and len(found["rows"]) == 9 and len(found["summary"]) == 5
    assert len((tmp_path / "out" / "adaptation.txt").read_text().splitlines()) == 5
    assert (tmp_path / "out" / "adaptation.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.suffix for p in (tmp_path / "out").iterdir()) == [".json", ".png", ".txt"]


def test_masks_as_proposed_are_told_beside_those_of_the_network(report: ModuleType) -> None:
    learnt = {"as_proposed": [0.8, 0.7]}
    worse, refused = (report.Row("patients", n, 1, 0.5, 0.6, None, n == "a", 1.0, {}, learnt, 0.6) for n in "ab")
    (found,) = report.summary([worse, refused])
    assert found["proposed_removed"] == pytest.approx(-0.25)  # one loses half of its error more, the other nothing
    assert (found["proposed_worse"], found["made_worse"]) == (1, 0)
    assert "as proposed -25.0%, worse 1" in report.as_text([found])
