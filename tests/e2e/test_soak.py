"""A short soak; `benchmarks/soak.py` runs a long one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.mark.parametrize("seed", [1, 2])
def test_random_use_loses_nothing_but_the_stroke_in_flight(tmp_path: Path, seed: int) -> None:
    file = Path(__file__).resolve().parents[2] / "benchmarks" / "soak.py"
    spec = importlib.util.spec_from_file_location("soak", file)
    assert spec is not None and spec.loader is not None
    soak = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(soak)
    hand = soak.Soak(tmp_path, seed)
    hand.run(80)
    hand.close()
    assert sum(hand.uses.values()) == 80
