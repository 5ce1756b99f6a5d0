"""The scripted reader of `benchmarks/correction_effort.py` on a phantom."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.volume import LabelArray, Volume

SHAPE = (28, 26, 12)
GRID = Grid(SHAPE, np.diag([1.0, 1.0, 2.0, 1.0]))


@pytest.fixture(scope="module")
def effort() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).resolve().parents[2] / "benchmarks")
        yield importlib.import_module("correction_effort")


def ball(centre: tuple[int, int, int], radius_mm: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    i, j, k = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    ci, cj, ck = centre
    return np.asarray((i - ci) ** 2 + (j - cj) ** 2 + (2 * (k - ck)) ** 2 <= radius_mm**2)


def masks() -> tuple[LabelArray, LabelArray]:
    """An expert's tumour; a proposal that is shifted, calls the core by another name and finds a second tumour."""
    expert = np.zeros(SHAPE, dtype=np.uint8)
    expert[ball((13, 12, 6), 8)] = 2
    expert[ball((13, 12, 6), 5)] = 3
    proposal = np.zeros(SHAPE, dtype=np.uint8)
    proposal[ball((14, 12, 6), 8)] = 2
    proposal[ball((14, 12, 6), 5)] = 1
    proposal[ball((23, 21, 3), 3)] = 2
    return expert, proposal


def test_assistant_tools_need_fewer_interactions_and_both_readers_get_there(effort: ModuleType) -> None:
    expert, proposal = masks()
    image = np.where(expert == 3, 200, np.where(expert == 2, 120, 50)).astype(np.float32)
    image += np.random.default_rng(0).normal(0, 5, SHAPE).astype(np.float32)
    case = effort.Case("phantom", {"T1Gd": Volume(image, GRID)}, expert, proposal, GRID)
    found = effort.measure(case, 0.95)
    assert all(found[name]["reached"] for name in ("by hand", "plain", "assisted"))
    assert found["assisted"]["interactions"] < found["plain"]["interactions"]
    assert set(found["plain"]["by_tool"]) <= {"accept", "brush", "eraser"}
    assert found["by hand"]["dice_at_start"] == 0


def test_a_stroke_stays_within_the_label_that_it_paints(effort: ModuleType) -> None:
    expert, _ = masks()
    case = effort.Case("phantom", {}, expert, np.zeros_like(expert), GRID)
    reader = effort.Reader(case, np.zeros_like(expert), 0)
    steps = 0
    for _ in reader.work(1.0):
        steps += 1
        painted = reader.editor.labels > 0
        assert np.array_equal(reader.editor.labels[painted], expert[painted])
    assert reader.dice == 1.0 and reader.interactions == steps
    assert len(reader.editor.undo_names) == steps  # each one step of the editor


def test_a_perfect_proposal_needs_one_click(effort: ModuleType) -> None:
    expert, _ = masks()
    case = effort.Case("phantom", {}, expert, expert, GRID)
    found = effort.measure(case, 0.95)
    assert found["plain"]["interactions"] == found["assisted"]["interactions"] == 1
    assert "| 1 | 1 | 1.00 |" in effort.table([found])
