"""Where in a real case a patch is taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.adaptation.config import Strategy
from glioma_annotator.domain.geometry import Shape
from glioma_annotator.domain.labels import IGNORE

Corner = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class ClassVoxels:
    """Where the classes of a case are.

    Attributes
    ----------
    shape: of the case.
    tissues: class and its voxels as flat indices, for every class but the background that the case has.
    """

    shape: Shape
    tissues: tuple[tuple[int, NDArray[np.int32]], ...]

    @classmethod
    def of(cls, classes: NDArray[np.uint8]) -> ClassVoxels:
        """From class numbers (i, j, k); 255 is none."""
        i, j, k = classes.shape
        flat = classes.reshape(-1)
        values = [int(v) for v in np.unique(flat) if v not in (0, IGNORE)]
        return cls((i, j, k), tuple((v, np.flatnonzero(flat == v).astype(np.int32)) for v in values))


def patch_corner(
    strategy: Strategy, voxels: ClassVoxels, patch: Shape, rng: np.random.Generator, number: int
) -> Corner:
    """The voxel at which a patch of a case begins; below 0 along an axis that is shorter than the patch.

    Parameters
    ----------
    number: how many patches of this case were taken before; only SEQUENTIAL counts.
    """
    if strategy is Strategy.SEQUENTIAL:
        return _tile(voxels.shape, patch, number)
    if strategy is Strategy.BALANCED:
        chosen = int(rng.integers(len(voxels.tissues) + 1))
        if chosen > 0:
            return _around(voxels.tissues[chosen - 1][1], voxels.shape, patch, rng)
    if strategy is Strategy.LABELLED and voxels.tissues:
        sizes = np.array([len(indices) for _, indices in voxels.tissues])
        chosen = int(rng.choice(len(sizes), p=sizes / sizes.sum()))
        return _around(voxels.tissues[chosen][1], voxels.shape, patch, rng)
    if strategy is Strategy.WHOLE:
        return _corner(-((p - n) // 2) if n < p else 0 for n, p in zip(voxels.shape, patch, strict=True))
    return _corner(_start(n, p, rng.random()) for n, p in zip(voxels.shape, patch, strict=True))


def whole_shape(shape: Shape, multiple: int) -> Shape:
    """The patch that holds a whole case, in multiples that the network takes."""
    return _corner(-(-n // multiple) * multiple for n in shape)


def cut(array: NDArray[np.generic], corner: Corner, patch: Shape, beyond: int = 0) -> NDArray[np.generic]:
    """The patch (..., i, j, k) at `corner`; `beyond` outside the array."""
    result = np.full((*array.shape[:-3], *patch), beyond, dtype=array.dtype)
    source, target = [], []
    for start, size, length in zip(corner, patch, array.shape[-3:], strict=True):
        low, high = max(start, 0), min(start + size, length)
        source.append(slice(low, high))
        target.append(slice(low - start, high - start))
    i, j, k = source
    a, b, c = target
    result[..., a, b, c] = array[..., i, j, k]
    return result


def _around(indices: NDArray[np.int32], shape: Shape, patch: Shape, rng: np.random.Generator) -> Corner:
    """A patch around one of these voxels, within the case where it is large enough."""
    centre = np.unravel_index(int(indices[int(rng.integers(len(indices)))]), shape)
    starts = []
    for c, n, p in zip(centre, shape, patch, strict=True):
        starts.append(int(np.clip(int(c) - p // 2, 0, n - p)) if n > p else -((p - n) // 2))
    return _corner(starts)


def _tile(shape: Shape, patch: Shape, number: int) -> Corner:
    """Patch `number` of those that cover a case side by side, over and over; the last of an axis is moved inside."""
    counts = [max(-(-n // p), 1) for n, p in zip(shape, patch, strict=True)]
    place = np.unravel_index(number % int(np.prod(counts)), counts)
    starts = []
    for t, n, p in zip(place, shape, patch, strict=True):
        starts.append(min(int(t) * p, n - p) if n > p else -((p - n) // 2))
    return _corner(starts)


def _start(n: int, p: int, share: float) -> int:
    return int(share * (n - p + 1)) if n > p else -((p - n) // 2)


def _corner(values: Iterable[int]) -> Corner:
    i, j, k = values
    return int(i), int(j), int(k)
