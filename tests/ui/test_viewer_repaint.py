"""A repaint of a part of an overlay shows what painting all of it would show."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QColor, QImage, QPainter, QRegion
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from glioma_annotator.domain.geometry import Box, Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.ui.viewer.mask_slice import MaskSlice, colour_table, label_outlines, outline_segments
from glioma_annotator.ui.viewer.overlay import Overlay
from glioma_annotator.ui.viewer.planes import SlicePlane

SHAPE = (40, 30, 20)
TABLE = colour_table(GLIOMA_POST_TREATMENT, (), 0.45)


def painted(overlay: Overlay, image: QImage, part: QRect) -> QImage:
    """`image` with `part` of the overlay painted anew."""
    painter = QPainter(image)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Source)
    painter.fillRect(part, QColor(0, 0, 0, 0))
    painter.end()
    overlay.render(image, part.topLeft(), QRegion(part), QWidget.RenderFlag(0))
    return image


def blank(overlay: Overlay) -> QImage:
    return QImage(overlay.size(), QImage.Format.Format_ARGB32_Premultiplied)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("zoom", [1.0, 2.37, 7.5])
def test_a_part_painted_anew_looks_as_if_all_were(qtbot: QtBot, axis: int, zoom: float) -> None:
    rng = np.random.default_rng(axis)
    grid = Grid(SHAPE, np.diag([1.0, 0.8, 2.5, 1.0]))
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[8:30, 6:25, 4:16] = 2
    holder = QWidget()
    qtbot.addWidget(holder)
    overlay = Overlay(holder)
    overlay.resize(301, 240)
    plane, number = SlicePlane(grid, axis), 10
    mask = MaskSlice(plane, number, labels)
    mask.colour(TABLE)
    marks = overlay.marks
    marks.mask, marks.zoom, marks.row_mm, marks.column_mm = mask, zoom, plane.row_mm, plane.column_mm
    marks.centre = plane.to_plane((19.5, 14.5, 9.5))
    marks.letters, marks.crosshair = plane.letters(), plane.to_plane((20, 15, 10))
    marks.colours = {label.value: QColor(label.colour) for label in GLIOMA_POST_TREATMENT.labels}
    image = painted(overlay, blank(overlay), overlay.rect())
    for _ in range(12):
        start = [int(v) for v in rng.integers(0, np.array(SHAPE) - 8)]
        start[axis] = number - 3
        box = Box((start[0], start[1], start[2]), (start[0] + 7, start[1] + 6, start[2] + 5))
        inside = tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))
        labels[inside] = np.where(rng.random((7, 6, 5)) < 0.7, rng.integers(0, 5), labels[inside])
        part = plane.picture_box(box)
        mask.colour(TABLE, part)
        image = painted(overlay, image, overlay.part_rect(part).intersected(overlay.rect()))
        anew = MaskSlice(plane, number, labels)
        anew.colour(TABLE)
        marks.mask = anew
        assert image == painted(overlay, blank(overlay), overlay.rect())
        marks.mask = mask
    assert QRect(QPoint(0, 0), image.size()) == overlay.rect()


def test_outlines_of_all_labels_at_once_are_those_of_each_label() -> None:
    labels = np.zeros((22, 17), dtype=np.uint8)
    labels[1:-1, 1:-1] = np.random.default_rng(0).integers(0, 4, (20, 15))
    for value, found in zip((1, 2, 3), label_outlines(labels, (1, 2, 3)), strict=True):
        wanted = {tuple(line) for line in outline_segments(labels[1:-1, 1:-1] == value).tolist()}
        assert {tuple(line) for line in found.tolist()} == wanted


def test_a_slice_coloured_anew_shows_nothing_of_what_was_there_before() -> None:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[8:30, 6:25, 10] = 2
    mask = MaskSlice(SlicePlane(Grid(SHAPE, np.eye(4)), 2), 10, labels)
    mask.colour(TABLE)
    assert mask.image.pixelColor(20, 15).alpha() > 0
    labels[:] = 0
    labels[0, 0, 10] = 3
    mask.colour(TABLE)
    shown = [(x, y) for x in range(SHAPE[0]) for y in range(SHAPE[1]) if mask.image.pixelColor(x, y).alpha()]
    assert shown == [(mask.extent[1].start, mask.extent[0].start)]
