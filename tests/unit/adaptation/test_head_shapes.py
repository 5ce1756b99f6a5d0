"""Heads of new shapes, between and a little beyond those that were mapped."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from glioma_annotator.adaptation.synthesis import head_shapes
from glioma_annotator.adaptation.synthesis.head_shapes import HeadShapes, learn_shapes
from glioma_annotator.adaptation.synthesis.heads import HeadMap, draw_head, head_map
from glioma_annotator.adaptation.synthesis.noise import Field

NARROW_MM, WIDE_MM = 24.0, 36.0


def labels(half_width: float) -> NDArray[np.int16]:
    """A small head at 1 mm in FreeSurfer's numbers, its brain of about that half width: ventricle, white, grey, fluid,
    bone, skin.
    """
    x, y, z = np.indices((100, 90, 80)) - np.array([50, 45, 40])[:, None, None, None]
    radius = np.sqrt((x / half_width) ** 2 + (y / 30) ** 2 + (z / 26) ** 2)
    out = np.zeros(radius.shape, np.int16)
    for value, within in ((511, 1.28), (515, 1.16), (24, 1.0), (3, 0.92), (2, 0.75), (4, 0.25)):
        out[radius < within] = value
    return out


@pytest.fixture(scope="module", autouse=True)
def _room_for_small_heads() -> Iterator[None]:
    """Heads of 10 cm are registered in less room than those of people, ten times faster."""
    reach_mm = 60.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head_shapes, "_REACH_MM", reach_mm)
        patch.setattr(head_shapes, "_POINTS", 1 + 2 * round(reach_mm / head_shapes._STEP_MM))
        yield


@pytest.fixture(scope="module")
def maps() -> list[HeadMap]:
    return [head_map("narrow", labels(NARROW_MM)), head_map("wide", labels(WIDE_MM))]


@pytest.fixture(scope="module")
def shapes(maps: list[HeadMap]) -> HeadShapes:
    return learn_shapes(maps)


def half_width(head: HeadMap, place: tuple[Field, Field, Field]) -> float:
    """Of the brain found along the first axis at places in mm from the brain's middle, 1 mm apart."""
    index = tuple(
        np.clip(np.rint(field + middle), 0, size - 1).astype(int)
        for field, middle, size in zip(place, head.middle, head.brain.shape, strict=True)
    )
    return float(np.count_nonzero(head.brain[index] > 127)) / 2


def line() -> tuple[Field, Field, Field]:
    along = np.arange(-48, 49, dtype=np.float32)[:, None, None]
    return along, np.zeros_like(along), np.zeros_like(along)


def test_a_head_alone_keeps_its_shape(maps: list[HeadMap]) -> None:
    alone = learn_shapes(maps[:1])
    place = line()
    for field, same in zip(alone.bent(0, place, np.random.default_rng(0)), place, strict=True):
        assert np.allclose(field, same)


def test_new_shapes_lie_between_those_known_and_a_little_beyond(maps: list[HeadMap], shapes: HeadShapes) -> None:
    narrow, wide = (half_width(head, line()) for head in maps)
    for number, head in enumerate(maps):
        drawn = [half_width(head, shapes.bent(number, line(), np.random.default_rng(n))) for n in range(20)]
        assert min(drawn) > narrow - 0.3 * (wide - narrow)
        assert max(drawn) < wide + 0.3 * (wide - narrow)
        assert max(drawn) - min(drawn) > 0.6 * (wide - narrow)


def test_heads_of_new_shapes_are_what_their_seed_says(maps: list[HeadMap], shapes: HeadShapes) -> None:
    one, same, plain = (draw_head(maps, (40, 40, 32), 3, 1, shapes=known) for known in (shapes, shapes, None))
    assert np.array_equal(one.image, same.image)
    assert not np.array_equal(one.brain, plain.brain)
