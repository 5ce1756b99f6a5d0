"""Findings and samples marked in the panes."""

from __future__ import annotations

from stage import Stage

from glioma_annotator.ui.viewer.surface_pane import SurfacePane
from glioma_annotator.ui.viewer.types import Marker

HERE = (20.0, 24.0, 8.0)
FINDING, SAMPLE = Marker(HERE, "1", False), Marker(HERE, "B1", True, sample=True)


def test_markers_stand_in_every_pane_that_shows_their_place(stage: Stage) -> None:
    stage.view.set_markers((FINDING, SAMPLE))
    stage.settle()
    for slot in range(3):
        pane = stage.pane(slot)
        assert [m for _, m in pane.overlay.marks.markers] == [FINDING, SAMPLE]
        place, _ = pane.overlay.marks.markers[0]
        assert pane.overlay.to_pixels(place) == stage.pixel(slot, HERE)
    surface = next(p for p in stage.view.panes if isinstance(p, SurfacePane))
    assert [m for _, m in surface.overlay.marks.markers] == [FINDING, SAMPLE]
    stage.view.crosshair_index = (20, 24, 15)  # 21 mm higher
    stage.settle()
    marks = [stage.pane(slot).overlay.marks.markers for slot in range(3)]
    assert sorted(len(m) for m in marks) == [0, 2, 2]
    stage.view.set_markers(())
    stage.settle()
    assert not surface.overlay.marks.markers


def test_a_sample_is_drawn_otherwise_than_a_finding(stage: Stage) -> None:
    stage.view.set_crosshair_visible(False)

    def drawn(marker: Marker) -> tuple[bool, bool]:
        """Whether the pixels where only a ring passes, and only a diamond, are bright."""
        stage.view.set_markers((marker,))
        stage.settle()
        pane = stage.pane(0)
        at = pane.overlay.mapTo(stage.view, stage.pixel(0, HERE).toPoint())
        colour = stage.picture()

        def bright(dx: float, dy: float) -> bool:
            near = [colour(at.x() + dx + i, at.y() + dy + j).lightness() for i in (-1, 0, 1) for j in (-1, 0, 1)]
            return max(near) > 120

        return bright(5, -5), bright(-11, 0)

    assert drawn(FINDING) == (True, False)
    assert drawn(SAMPLE)[1]
