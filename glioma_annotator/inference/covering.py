"""How a brain is covered by a network: in one pass, in tiles with margins, or in averaged patches.

One pass and tiles use that the network is fully convolutional: every voxel is computed once (tiles: margins twice),
with all the context there is. Patches are the reference: what networks are trained on, each voxel seen several times.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, Shape
from glioma_annotator.inference.runner import Block
from glioma_annotator.progress import CancelToken, Report, StepProgress

Run = Callable[[NDArray[np.float32]], Block]

#: Least share of its edge that a patch has in common with the next.
OVERLAP = 0.25
#: Standard deviation of a patch's Gaussian weights as a share of its edge (as nnU-Net and MONAI have it).
SIGMA = 0.125
#: Least weight of a voxel: a corner that only one patch covers still counts.
LEAST_WEIGHT = 1e-3
#: Voxels of context on every inner side of a tile.
HALO = 24
#: Tiles are not made shorter than this: the margins would be most of them.
LEAST_TILE = 4 * HALO


def whole(run: Run, images: NDArray[np.float32], multiple: int) -> Block:
    """Predict images (channel, i, j, k) in one pass; 0 is added at the far ends up to a multiple of `multiple`."""
    i, j, k = images.shape[1:]
    block = run(padded_to_multiple(images, multiple))
    features = block.features[:, :i, :j, :k] if block.features is not None else None
    return Block(block.softmax[:, :i, :j, :k], features)


def padded_to_multiple(images: NDArray[np.float32], multiple: int) -> NDArray[np.float32]:
    """Images (channel, i, j, k) with zeros at the far ends so that every axis is a multiple of `multiple`."""
    shape = _shape(images)
    return np.pad(images, [(0, 0), *[(0, m - n) for n, m in zip(shape, rounded_up(shape, multiple), strict=True)]])


def in_tiles(
    run: Run, images: NDArray[np.float32], tile: Shape, multiple: int, report: Report, cancel: CancelToken
) -> tuple[Block, int]:
    """Predict images (channel, i, j, k) in tiles of `tile` voxels, and the number of tiles.

    Neighbouring tiles share at least `2 * HALO` voxels, of which each gives the half that lies farther from its end.
    They begin at multiples of `multiple`, so that the network's coarser levels are the same as in one pass.
    """
    shape = _shape(images)
    padded = padded_to_multiple(images, multiple)
    axes = [_spans(n, t, multiple) for n, t in zip(padded.shape[1:], tile, strict=True)]
    tiles = list(itertools.product(*axes))
    progress = StepProgress(report, len(tiles), "Segmenting")
    softmax: NDArray[np.float32] | None = None
    features: NDArray[np.float16] | None = None
    for number, spans in enumerate(tiles, start=1):
        cancel.raise_if_cancelled()
        i, j, k = (slice(start, start + length) for (start, _, _), length in zip(spans, tile, strict=True))
        block = run(padded[:, i, j, k])
        if softmax is None:
            softmax = np.zeros((block.softmax.shape[0], *padded.shape[1:]), np.float32)
            if block.features is not None:
                features = np.zeros((block.features.shape[0], *padded.shape[1:]), np.float16)
        target = (slice(None), *[slice(first, stop) for _, first, stop in spans])
        source = (slice(None), *[slice(first - start, stop - start) for start, first, stop in spans])
        softmax[target] = block.softmax[source]
        if features is not None and block.features is not None:
            features[target] = block.features[source]
        progress.step(f"Segmenting: {number} of {len(tiles)} tiles")
    assert softmax is not None  # there is at least one tile
    i, j, k = (slice(n) for n in shape)
    return Block(softmax[:, i, j, k], features[:, i, j, k] if features is not None else None), len(tiles)


def in_patches(
    run: Run,
    images: NDArray[np.float32],
    brain: NDArray[np.bool_],
    patch: Shape,
    report: Report,
    cancel: CancelToken,
) -> tuple[Block, int]:
    """Predict images (channel, i, j, k), 0 outside `brain` (i, j, k), in patches, and the number of patches.

    Softmax outputs (and features) of overlapping patches are averaged, each voxel weighted by a Gaussian around its
    patch's centre: predictions near a patch's border, where context is missing, count less. Patches without brain are
    skipped; what no patch covers is 0 for every class.
    """
    shape = _shape(images)
    pads = [((p - n) // 2, p - n - (p - n) // 2) if n < p else (0, 0) for n, p in zip(shape, patch, strict=True)]
    padded = np.pad(images, [(0, 0), *pads])
    boxes = plan(np.pad(brain, pads), patch)
    if not boxes:
        raise ValueError("there is no brain to predict")
    weights = gaussian_weights(patch)
    total = np.zeros(padded.shape[1:], dtype=np.float32)
    sums: list[NDArray[np.float32]] = []
    progress = StepProgress(report, len(boxes), "Segmenting")
    for number, box in enumerate(boxes, start=1):
        cancel.raise_if_cancelled()
        i, j, k = box.slices
        block = run(padded[:, i, j, k])
        parts: list[NDArray[Any]] = [block.softmax] if block.features is None else [block.softmax, block.features]
        if not sums:
            sums = [np.zeros((part.shape[0], *padded.shape[1:]), dtype=np.float32) for part in parts]
        for whole_sum, values in zip(sums, parts, strict=True):
            whole_sum[:, i, j, k] += values * weights
        total[i, j, k] += weights
        progress.step(f"Segmenting: {number} of {len(boxes)} patches")
    i, j, k = (slice(before, before + n) for (before, _), n in zip(pads, shape, strict=True))
    for one in sums:
        one /= np.maximum(total, LEAST_WEIGHT)
    softmax, *features = (one[:, i, j, k] for one in sums)
    return Block(softmax, features[0].astype(np.float16) if features else None), len(boxes)


def plan(brain: NDArray[np.bool_], patch: Shape) -> list[Box]:
    """Boxes of `patch` voxels that cover every brain voxel (i, j, k), evenly spread over the brain's box.

    Neighbours share at least `OVERLAP` of their edge. Boxes without brain are left out. No axis of `brain` may be
    shorter than the patch.
    """
    around = Box.around(brain)
    if around is None:
        return []
    starts = [_starts(*axis) for axis in zip(around.start, around.stop, brain.shape, patch, strict=True)]
    boxes = [Box((i, j, k), (i + patch[0], j + patch[1], k + patch[2])) for i, j, k in itertools.product(*starts)]
    return [box for box in boxes if brain[box.slices].any()]


def gaussian_weights(patch: Shape) -> NDArray[np.float32]:
    """Weight (i, j, k) of each voxel of a patch: 1 at its centre, at least `LEAST_WEIGHT`."""
    i, j, k = (np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (SIGMA * n)) ** 2) for n in patch)
    product = i[:, None, None] * j[:, None] * k
    return np.asarray(np.maximum(product, LEAST_WEIGHT), dtype=np.float32)


def tile_shape(shape: Shape, multiple: int, fits: Callable[[Shape], bool]) -> Shape | None:
    """The largest tile for a volume of `shape` that `fits`: its longest axis is cut into more and more pieces.

    Returns None when none fits that is longer than its margins. All sizes are multiples of `multiple`.
    """
    cuts = [1, 1, 1]
    while True:
        tile = _cut(shape, cuts, multiple)
        if fits(tile):
            return tile
        lengths = [n if n > LEAST_TILE else 0 for n in tile]
        if not any(lengths):
            return None
        cuts[int(np.argmax(lengths))] += 1


def rounded_up(shape: Shape, multiple: int) -> Shape:
    """The least multiples of `multiple` that are not smaller than `shape`."""
    i, j, k = (n + -n % multiple for n in shape)
    return i, j, k


def _cut(shape: Shape, cuts: list[int], multiple: int) -> Shape:
    """Tile sizes when each axis is covered by that many tiles that share `2 * HALO` voxels."""
    i, j, k = (
        math.ceil(math.ceil((n + (c - 1) * 2 * HALO) / c) / multiple) * multiple
        for n, c in zip(shape, cuts, strict=True)
    )
    return i, j, k


def _spans(size: int, tile: int, multiple: int) -> list[tuple[int, int, int]]:
    """Along one axis: where each tile begins, and the voxels (first, stop) that it gives."""
    if size <= tile:
        return [(0, 0, size)]
    count = math.ceil((size - 2 * HALO) / (tile - 2 * HALO))
    starts = [round(start / multiple) * multiple for start in np.linspace(0, size - tile, count)]
    borders = [0, *[(b + a + tile) // 2 for a, b in itertools.pairwise(starts)], size]
    return [(start, first, stop) for start, (first, stop) in zip(starts, itertools.pairwise(borders), strict=True)]


def _starts(first: int, stop: int, size: int, patch: int) -> list[int]:
    """Where patches begin along one axis to cover `first` to `stop` of `size` voxels."""
    extent = stop - first
    if extent <= patch:
        return [min(max(first - (patch - extent) // 2, 0), size - patch)]
    count = math.ceil((extent - patch) / (patch * (1 - OVERLAP))) + 1
    return [round(start) for start in np.linspace(first, stop - patch, count)]


def _shape(images: NDArray[np.float32]) -> Shape:
    _, i, j, k = images.shape
    return i, j, k
