"""What the place beside the visit that is read shows in the *timepoints* layout: another visit, or both together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from glioma_annotator.domain.geometry import FloatArray
from glioma_annotator.domain.sequences import Window
from glioma_annotator.domain.volume import LabelArray, Volume
from glioma_annotator.imaging.reslicing import Checkerboard, Deformation, MatchedDifference, Placement, Resliced
from glioma_annotator.ui.viewer.scene import Scene
from glioma_annotator.ui.viewer.types import Layout
from glioma_annotator.ui.viewer.visit import Visit

if TYPE_CHECKING:
    from glioma_annotator.ui.viewer.study_view import StudyView

#: How long each visit shows while they take turns: slow enough to look, quick enough to see what jumps.
FLICKER_MS = 700
#: Edge of a checkerboard's cubes.
CUBE_MM = 25.0


class Picture(StrEnum):
    """What is shown beside the visit that is read."""

    AS_SCANNED = "as scanned"
    REGISTERED = "in this visit's slices"
    CHECKERBOARD = "checkerboard"
    FLICKER = "flicker"
    DIFFERENCE = "difference"
    DEFORMED = "deformed, for viewing only"


def _short(title: str) -> str:
    """The day of a visit without its phase: a pane's header holds no two titles."""
    words = title.split()
    return " ".join(words[:2] if words[0] == "day" else words[:1])


class _Lazily(Mapping[str, Volume]):
    """Volumes by sequence name, made when first looked at."""

    def __init__(self, names: Iterable[str], make: Callable[[str], Volume]) -> None:
        self._made: dict[str, Volume | None] = dict.fromkeys(names)
        self._make = make

    def __getitem__(self, name: str) -> Volume:
        made = self._made[name]
        if made is None:
            made = self._made[name] = self._make(name)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


class Comparing(QObject):
    """Builds the visit beside from the visit that is read, another one, and where that lies.

    Attributes
    ----------
    picture: what is shown.
    swapped: whether the visit that is read stands in the other one's place, as while a key is held.

    Signals
    -------
    changed: what is shown changed.
    """

    changed = Signal()

    def __init__(self, scene: Scene, view: StudyView) -> None:
        super().__init__(view)
        self._scene, self._view = scene, view
        self._other: Visit | None = None
        self._placement = Placement(np.eye(4))
        self._changes: LabelArray | None = None
        self.picture = Picture.AS_SCANNED
        self.swapped = False
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.take_turn)
        view.layout_changed.connect(self.rebuild)
        view.window_changed.connect(self._on_window)

    # what is compared

    def show(self, other: Visit | None) -> None:
        """Another visit on its own grid, or None; it lies where the headers say until `place` is called."""
        self._other, self._changes = other, None
        self._placement = Placement(np.eye(4))
        self.rebuild()

    def place(self, placement: Placement) -> None:
        """Where the points of the visit that is read lie in the other one."""
        self._placement = placement
        if placement.deformation is None and self.picture is Picture.DEFORMED:
            self.picture = Picture.REGISTERED
        self.rebuild()

    @property
    def deformation(self) -> Deformation | None:
        return self._placement.deformation

    def set_picture(self, picture: Picture) -> None:
        self.picture, self.swapped = picture, False
        self.rebuild()

    def set_changes(self, changes: LabelArray | None) -> None:
        """What changed between the masks, on the grid of the visit that is read; None for none."""
        self._changes = changes
        self.rebuild()

    def swap(self, on: bool) -> None:
        """Show the visit that is read in the other one's place, or no longer."""
        if on != self.swapped:
            self.swapped = on
            self.rebuild()

    def screen_axes(self, axis: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Unit vectors in world RAS of the visit that is read: to the right, up, and towards the reader, in a plane."""
        read = self._scene.visit
        assert read is not None, "a plane needs a visit"
        plane = self._scene.plane(read, axis)
        right = read.grid.affine[:3, plane.column_axis] / plane.column_mm * (-1 if plane.flip_columns else 1)
        up = read.grid.affine[:3, plane.row_axis] / plane.row_mm
        return right, up, np.asarray(np.cross(right, up))

    @property
    def taking_turns(self) -> bool:
        """Whether the two visits stand in one place in turn."""
        return self._timer.isActive()

    def take_turn(self) -> None:
        """The other one's turn."""
        self.swap(not self.swapped)

    # the visit beside

    def rebuild(self) -> None:
        """Show what is asked for now."""
        read, other = self._scene.visit, self._other
        flickers = self.picture is Picture.FLICKER and self._scene.state.layout is Layout.TIMEPOINTS
        if flickers and read is not None and other is not None:
            if not self._timer.isActive():
                self._timer.start(FLICKER_MS)
        else:
            self._timer.stop()
            self.swapped = self.swapped and self.picture is not Picture.FLICKER
        self._scene.other = None if other is None else self._beside(read, other)
        self._view.schedule()
        self.changed.emit()

    def _beside(self, read: Visit | None, other: Visit) -> Visit:
        if read is None:
            return other
        if self.swapped:
            return self._on_read_grid(read, read.images, read.title, read.windows, read.labels)
        if self.picture is Picture.AS_SCANNED and self._changes is None:
            other.place = self._placement.matrix
            return other
        if self.picture in (Picture.CHECKERBOARD, Picture.DIFFERENCE):
            return self._both(read, other)
        bent = self.picture is Picture.DEFORMED
        placement = self._placement if bent else Placement(self._placement.matrix)
        labels = None
        if other.labels is not None and not bent:
            mask = Resliced(Volume(other.labels, other.grid), read.grid, placement, nearest=True)
            labels = mask.as_volume(read.grid).data
        for name in other.images:
            other.window(name)  # found on the scan itself: the slices here are computed one by one
        note = "deformed, for viewing only" if bent else "in these slices"
        images = {name: self._resliced(image, read, placement) for name, image in other.images.items()}
        return self._on_read_grid(read, images, f"{_short(other.title)} {note}", other.windows, labels)

    def _both(self, read: Visit, other: Visit) -> Visit:
        """The checkerboard or the difference of every sequence that both have."""
        names = [name for name in read.images if name in other.images]
        if not names:
            return other
        windows: dict[str, Window] = {}
        placement = Placement(self._placement.matrix)

        def make(name: str) -> Volume:
            one, two = read.images[name].data, Resliced(other.images[name], read.grid, placement)
            if self.picture is Picture.DIFFERENCE:
                difference = MatchedDifference(one, two)
                windows.setdefault(name, difference.window)
                return difference.as_volume(read.grid)
            windows.setdefault(name, Window(0.0, 1.0))
            shown = partial(read.window, name), partial(other.window, name)
            i, j, k = (max(1, round(CUBE_MM / mm)) for mm in read.grid.spacing_mm)
            return Checkerboard(one, two, shown, (i, j, k)).as_volume(read.grid)

        sign = "and" if self.picture is Picture.CHECKERBOARD else "less"
        return self._on_read_grid(
            read, _Lazily(names, make), f"{_short(read.title)} {sign} {_short(other.title)}", windows, None
        )

    def _on_read_grid(
        self,
        read: Visit,
        images: Mapping[str, Volume],
        title: str,
        windows: dict[str, Window],
        labels: LabelArray | None,
    ) -> Visit:
        changes = self._changes if self._changes is None or self._changes.shape == read.grid.shape else None
        return Visit(
            images,
            None if changes is not None else labels,
            title,
            windows,
            changes=changes,
            fitted=read.extent,
            whole=False,
        )

    @staticmethod
    def _resliced(image: Volume, read: Visit, placement: Placement) -> Volume:
        return Resliced(image, read.grid, placement).as_volume(read.grid)

    def _on_window(self) -> None:
        if self.picture is Picture.CHECKERBOARD and self._scene.other is not None:
            self.rebuild()

    def close(self) -> None:
        self._timer.stop()
