"""One visit as the viewer shows it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Box, FloatArray, Grid
from glioma_annotator.domain.sequences import SequenceRole, Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.imaging.normalisation import robust_window
from glioma_annotator.imaging.reslicing import Enhancement

Index = tuple[int, int, int]

#: The name under which the difference of its two parts is shown.
SUBTRACTION = "T1Gd − T1"
_MINUEND, _SUBTRAHEND = SequenceRole.T1GD.value, SequenceRole.T1.value

_COARSE_MM = 3.0  # samples this far apart tell where the head is
_SAMPLED = 1_200_000  # voxels are enough for a window
_FAINT = 0.1  # share of the window's top from which a voxel is more than background


@dataclass(slots=True, eq=False)
class Visit:
    """Images and mask of a visit on one grid.

    Attributes
    ----------
    images: intensities by sequence name.
    labels: uint8 (i, j, k), shared with whoever edits it; None for none.
    title: what the reader knows the visit by.
    windows: display window in use by sequence name.
    defaults: display window that a reset goes back to.
    proposal: a proposed mask, or what a proposal adds, uint8 (i, j, k).
    removed: what a proposal takes away, uint8 (i, j, k).
    heat: uint8 (i, j, k), 0 to 255, drawn as colours under the mask, such as uncertainty.
    changes: uint8 (i, j, k), values of `workflow.visit_changes.Change`, drawn as colours; None for none.
    place: (4, 4) world RAS mm of the visit that is read to this one's; None where both lie in one world.
    fitted: what a view is fitted to; None for the head, which is looked for.
    whole: whether the images are arrays in memory, so that two of them can be subtracted.
    """

    images: Mapping[str, Volume]
    labels: LabelArray | None
    title: str
    windows: dict[str, Window] = field(default_factory=dict)
    defaults: dict[str, Window] = field(default_factory=dict)
    proposal: LabelArray | None = None
    removed: LabelArray | None = None
    heat: LabelArray | None = None
    changes: LabelArray | None = None
    place: FloatArray | None = None
    fitted: Box | None = None
    whole: bool = True
    _subtraction: Volume | None = None
    _head: NDArray[np.bool_] | None = None
    _extent: Box | None = None

    def __post_init__(self) -> None:
        if not self.images:
            raise ValueError("a visit needs at least one image")

    @property
    def grid(self) -> Grid:
        return next(iter(self.images.values())).grid

    @property
    def sequences(self) -> tuple[str, ...]:
        """Everything that can be shown: the images, and their subtraction where there are both parts of it."""
        both = self.whole and _MINUEND in self.images and _SUBTRAHEND in self.images
        return (*self.images, *((SUBTRACTION,) if both else ()))

    def volume(self, sequence: str) -> Volume:
        """An image by name; the subtraction is computed where it is looked at."""
        if sequence in self.images:
            return self.images[sequence]
        if sequence not in self.sequences:
            raise KeyError(sequence)
        if self._subtraction is None:
            difference = Enhancement(self.images[_MINUEND].data, self.images[_SUBTRAHEND].data)
            self._subtraction = difference.as_volume(self.grid)
            self.defaults.setdefault(SUBTRACTION, difference.window)
        return self._subtraction

    @property
    def head_steps(self) -> Index:
        """Of how many voxels `head` takes one, along each axis."""
        i, j, k = (max(1, round(_COARSE_MM / mm)) for mm in self.grid.spacing_mm)
        return i, j, k

    @property
    def head(self) -> NDArray[np.bool_]:
        """Whether a voxel is more than empty background, for every n-th voxel (i, j, k), n by `head_steps`."""
        if self._head is None:
            name, volume = next(iter(self.images.items()))
            background = float(np.median(volume.data[np.ix_(*[(0, n - 1) for n in volume.data.shape])]))
            reach = _FAINT * abs(self.default_window(name).high - background)
            i, j, k = self.head_steps
            self._head = np.abs(volume.data[::i, ::j, ::k] - background) > reach
        return self._head

    @property
    def extent(self) -> Box:
        """The box of the head, to a few voxels; what a view is fitted to."""
        if self.fitted is not None:
            return self.fitted
        if self._extent is None:
            box = Box.around(self.head) or Box.whole((self.head.shape[0], self.head.shape[1], self.head.shape[2]))
            start, stop = ([v * n for v, n in zip(c, self.head_steps, strict=True)] for c in (box.start, box.stop))
            self._extent = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])).clipped(self.grid.shape)
        return self._extent

    def window(self, sequence: str) -> Window:
        """The window in use; the default, else the robust one, where none was given."""
        if sequence not in self.windows:
            self.windows[sequence] = self.default_window(sequence)
        return self.windows[sequence]

    def default_window(self, sequence: str) -> Window:
        """What a reset goes back to, computed once where none was given."""
        if sequence not in self.defaults:
            # Every other voxel along each axis, or fewer, gives nearly the same percentiles in an eighth of the time.
            volume = self.volume(sequence)  # the subtraction brings a window of its own
            if sequence not in self.defaults:
                step = max(2, math.ceil((volume.data.size / _SAMPLED) ** (1 / 3)))
                self.defaults[sequence] = robust_window(volume.data[::step, ::step, ::step])
        return self.defaults[sequence]

    def from_read(self, world: FloatArray) -> tuple[float, float, float]:
        """The fractional index of this visit at world RAS mm (3,) of the visit that is read."""
        there = world if self.place is None else self.place[:3, :3] @ world + self.place[:3, 3]
        i, j, k = self.grid.world_to_index(there).tolist()
        return i, j, k

    def to_read(self, index: tuple[float, float, float]) -> FloatArray:
        """World RAS mm (3,) of the visit that is read at a fractional index of this visit."""
        there = self.grid.index_to_world(index)
        if self.place is None:
            return there
        back = np.linalg.inv(self.place)
        return np.asarray(back[:3, :3] @ there + back[:3, 3])

    def clip(self, index: tuple[float, float, float]) -> Index:
        """The voxel of the grid nearest to a fractional index."""
        i, j, k = (int(np.clip(np.rint(v), 0, n - 1)) for v, n in zip(index, self.grid.shape, strict=True))
        return i, j, k
