"""Pictures of every tool in use on the demo study, for `docs/tools.md`.

Works in a copy of a workspace that holds the demo study (`glioma-annotator demo --headless` leaves one in
`demo-output/workspace`): the tools are used with mouse events on the panes, and what the pane and the tool's options
show is cut out of the window.

    xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/tool_pictures.py demo-output/workspace docs/images/tools
    ... --only brush,lasso
    ... --pages docs/tools        draws the tables on the tools' pages anew, too
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PySide6.QtCore import QBuffer, QEvent, QEventLoop, QIODevice, QPoint, QPointF, QRect, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter
from PySide6.QtWidgets import QApplication, QWidget

from glioma_annotator import app
from glioma_annotator.domain.geometry import Box
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.segmentation import Softmax
from glioma_annotator.settings import Settings, WindowSettings
from glioma_annotator.ui.application import make_application
from glioma_annotator.ui.dialogs.label_dialog import LabelDialog
from glioma_annotator.ui.reading_state import ToolName
from glioma_annotator.ui.tools.pages import PAGES, tables, with_tables
from glioma_annotator.ui.viewer.measures import MeasureKind
from glioma_annotator.ui.viewer.slice_pane import SlicePane
from glioma_annotator.ui.window import MainWindow
from glioma_annotator.workflow.proposal import Proposal

PATIENT, VISIT = "sub-DEMO", "ses-20211118recurrence"
NETC, SNFH, ET = 1, 2, 3
PANE_PX, PANEL_PX = 400, 340
COLOURS = 224  # of a picture's palette: enough for grey images and few colours, and half the size
PATIENCE_S = 600.0
_LEFT, _NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
_PLAIN, _CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier

Index = tuple[float, float, float]


class Hands:
    """The window, with hands on its axial pane and a camera."""

    def __init__(self, window: MainWindow, out: Path) -> None:
        self.window = window
        self.out = out
        self.centre: tuple[int, int, int] = (0, 0, 0)

    # the window

    def wait(self, done: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > until:
                raise TimeoutError("the window did not come to rest")
            self.rest(20)
        self.rest(60)

    @staticmethod
    def rest(ms: int) -> None:
        loop = QEventLoop()
        QTimer.singleShot(ms, loop.quit)
        loop.exec()

    def settle(self) -> None:
        workers = self.window.workers
        self.wait(lambda: not workers.jobs and not workers.drawing.active)
        self.window.view.refresh()
        self.rest(80)

    @property
    def pane(self) -> SlicePane:
        pane = self.window.view.panes[0]
        assert isinstance(pane, SlicePane)
        return pane

    @property
    def editor(self) -> Any:
        return self.window.study.require_visit().editor

    def take(self, tool: ToolName, label: int = ET) -> Any:
        """Take a tool in hand; its options."""
        self.act(lambda: self.window.reading.set_label(label))
        self.act(lambda: self.window.reading.set_tool(tool))
        self.settle()
        return self.window.toolbox.options.get(tool)

    def tell_options(self) -> None:
        self.act(self.window.toolbox.options_changed.emit)

    def act(self, run: Callable[[], object]) -> None:
        """Do something in an event of its own, as a key or a click would."""
        QTimer.singleShot(0, run)
        self.rest(30)

    # the mouse

    def at(self, index: Index) -> QPointF:
        pane = self.pane
        assert pane.plane is not None
        return pane.overlay.to_pixels(pane.plane.to_plane(index))

    def here(self, di: float, dj: float) -> Index:
        """A place in the slice shown, in voxels from the lesion's middle."""
        i, j, k = self.centre
        return i + di, j + dj, k

    def mouse(
        self,
        kind: QEvent.Type,
        at: QPointF,
        button: Qt.MouseButton,
        held: Qt.MouseButton,
        modifiers: Qt.KeyboardModifier = _PLAIN,
    ) -> None:
        self.mouse_on(self.pane.surface, kind, at, button, held, modifiers)

    @staticmethod
    def mouse_on(
        surface: QWidget,
        kind: QEvent.Type,
        at: QPointF,
        button: Qt.MouseButton,
        held: Qt.MouseButton,
        modifiers: Qt.KeyboardModifier = _PLAIN,
    ) -> None:
        everywhere = QPointF(surface.mapToGlobal(at.toPoint()))
        QApplication.sendEvent(surface, QMouseEvent(kind, at, everywhere, button, held, modifiers))

    def drag(self, *path: Index, modifiers: Qt.KeyboardModifier = _PLAIN) -> None:
        points = [self.at(index) for index in path]
        self.mouse(QEvent.Type.MouseButtonPress, points[0], _LEFT, _LEFT, modifiers)
        for point in points[1:]:
            self.mouse(QEvent.Type.MouseMove, point, _NONE, _LEFT, modifiers)
        self.mouse(QEvent.Type.MouseButtonRelease, points[-1], _LEFT, _NONE, modifiers)
        self.settle()

    def click(self, di: float, dj: float) -> None:
        self.drag(self.here(di, dj))

    def hover(self, di: float, dj: float) -> None:
        self.mouse(QEvent.Type.MouseMove, self.at(self.here(di, dj)), _NONE, _NONE)
        self.settle()

    def ring(self, radius: float, count: int = 24, squash: float = 1.0) -> list[Index]:
        turns = np.linspace(0, 2 * np.pi, count, endpoint=False)
        return [self.here(radius * float(np.cos(t)), squash * radius * float(np.sin(t))) for t in turns]

    # the camera

    def photograph(self, name: str, panel: QWidget | None = None, around: Index | None = None) -> None:
        """The pane about a place, and beside it a part of a panel (the tool's options by default)."""
        self.settle()
        panel = panel if panel is not None else self.window.mask_panel.tool
        self.window.view.refresh()
        picture = self.window.view.grab().toImage()
        at = self.pane.overlay.mapTo(self.window.view, self.at(around or self.here(0, 0)).toPoint())
        whole = QRect(QPoint(), picture.size())
        part = QRect(0, 0, PANE_PX, PANE_PX)
        part.moveCenter(at)
        part.moveLeft(min(max(part.left(), whole.left()), whole.right() - PANE_PX))
        part.moveTop(min(max(part.top(), whole.top()), whole.bottom() - PANE_PX))
        beside = panel.grab().toImage()
        if beside.width() > PANEL_PX:
            beside = beside.copy(0, 0, PANEL_PX, beside.height())
        height = max(PANE_PX, min(beside.height() + 16, PANE_PX + 160))
        sheet = QImage(PANE_PX + PANEL_PX + 24, height, QImage.Format.Format_RGB32)
        sheet.fill(QColor("#26282C"))
        painter = QPainter(sheet)
        painter.drawImage(QPoint(0, (height - PANE_PX) // 2), picture.copy(part))
        painter.drawImage(QPoint(PANE_PX + 12, 8), beside)
        painter.end()
        self.keep(sheet, name)

    def keep(self, picture: QImage, name: str) -> None:
        """Write a picture with a palette of few colours."""
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        picture.save(buffer, "PNG")  # type: ignore[call-overload]  # a format is a text
        image = Image.open(io.BytesIO(bytes(buffer.data().data()))).convert("RGB")
        path = self.out / f"{name}.png"
        image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"{path.name} {path.stat().st_size // 1024} KB", flush=True)

    def clean(self) -> None:
        """Put everything down and take back what the picture needed."""
        window = self.window
        window.view.aids.measure(None)
        window.toolbox.escape()
        window.previewing.discard()
        window.study.require_visit().reject_proposal()
        window.reading.set_tool(ToolName.CROSSHAIR)
        window.toolbox.brush.mode = "plain"
        window.reading.set_ball(False)
        window.reading.set_diameter(8.0)
        self.editor.go_to(0)
        window.view.crosshair_index = self.centre
        self.settle()


# what is shown of every tool


def brush(h: Hands) -> None:
    h.take(ToolName.BRUSH)
    h.drag(*[h.here(d, 26 + 4 * np.sin(d / 4)) for d in range(-16, 17, 2)])
    h.hover(20, 24)
    h.photograph("brush", h.window.mask_panel.options)


def eraser(h: Hands) -> None:
    h.take(ToolName.ERASER)
    h.drag(*[h.here(d, 0) for d in range(-14, 3, 2)])
    h.hover(6, 0)
    h.photograph("eraser", h.window.mask_panel.options)


def ball(h: Hands) -> None:
    h.window.reading.set_ball(True)
    h.window.reading.set_diameter(16.0)
    h.take(ToolName.BRUSH)
    h.click(22, 22)
    h.hover(22, 22)
    h.photograph("3d-brush", h.window.mask_panel.options)


def threshold(h: Hands) -> None:
    h.take(ToolName.BRUSH)
    h.window.toolbox.brush.sequence = "FLAIR"
    h.window.view.set_pane_sequence("FLAIR")
    h.drag(h.here(-4, 14), h.here(4, 14), modifiers=_CTRL)
    h.window.reading.set_diameter(22.0)
    h.drag(*[h.here(d, 22) for d in range(-12, 13, 3)])
    h.hover(12, 22)
    h.photograph("threshold-brush")
    h.window.view.set_pane_sequence("T1Gd")


def adaptive(h: Hands) -> None:
    h.editor.apply("Clear", np.zeros_like(h.editor.labels))
    h.take(ToolName.BRUSH)
    h.window.toolbox.flip_brush("adaptive")
    h.window.toolbox.brush.sequence = "T1Gd"
    h.tell_options()
    h.window.reading.set_diameter(24.0)
    i, j = bright(h)
    h.drag(h.here(i, j), h.here(i + 1, j))
    h.hover(i, j)
    h.photograph("adaptive-brush")


def bright(h: Hands) -> tuple[float, float]:
    """A place of the enhancing rim in the slice, in voxels from the lesion's middle."""
    visit = h.window.study.require_visit()
    data = visit.images["T1Gd"].data[:, :, h.centre[2]]
    mask = LABELS[:, :, h.centre[2]] == ET
    place = np.unravel_index(int(np.where(mask, data, -1).argmax()), data.shape)
    return float(place[0] - h.centre[0]), float(place[1] - h.centre[1])


def lasso(h: Hands) -> None:
    options = h.take(ToolName.LASSO)
    options.edit_first = True
    h.tell_options()
    h.drag(*h.ring(26, 40, 0.8))
    h.photograph("lasso")
    options.edit_first = False


def polygon(h: Hands) -> None:
    h.take(ToolName.POLYGON)
    for di, dj in ((-24, -10), (-10, -24), (14, -22), (26, 0), (12, 22), (-16, 18)):
        h.click(di, dj)
    h.photograph("polygon")


def fill(h: Hands) -> None:
    h.take(ToolName.FILL, NETC).extent = "volume"
    h.tell_options()
    i, j = bright(h)
    h.click(i, j)
    h.photograph("fill")


def pick(h: Hands) -> None:
    h.take(ToolName.PICK, NETC)
    i, j = bright(h)
    h.click(i, j)
    h.photograph("pick", h.window.mask_panel.labels)


def region(h: Hands) -> None:
    h.editor.apply("Clear", np.zeros_like(h.editor.labels))
    h.take(ToolName.REGION).tolerance = round(h.window.study.require_visit().windows["T1Gd"].width * 0.4)
    h.tell_options()
    i, j = bright(h)
    h.click(i, j)
    h.photograph("region-growing")


def snake(h: Hands) -> None:
    from scipy import ndimage

    k = h.centre[2]
    inmost = ndimage.distance_transform_edt(LABELS[:, :, k] == SNFH)
    i, j = np.unravel_index(int(inmost.argmax()), inmost.shape)
    h.editor.apply("Clear", np.zeros_like(h.editor.labels))
    options = h.take(ToolName.SNAKE, SNFH)
    options.sequence, options.reach_mm, options.radius_mm = "FLAIR", 60.0, 5.0
    options.tolerance = round(float(h.window.study.require_visit().windows["FLAIR"].width) * 0.25)
    h.tell_options()
    h.window.view.set_pane_sequence("FLAIR")
    h.drag((float(i), float(j), float(k)))
    h.photograph("snake")
    h.window.view.set_pane_sequence("T1Gd")


def seeds(h: Hands) -> None:
    h.editor.apply("Clear", np.zeros_like(h.editor.labels))
    i, j = bright(h)
    h.window.reading.set_diameter(3.0)
    h.take(ToolName.BRUSH)
    h.drag(h.here(i, j), h.here(i + 2, j))
    h.take(ToolName.BRUSH, NETC)
    h.drag(h.here(-2, 0), h.here(2, 0))
    h.take(ToolName.SEEDS)
    h.drag(h.here(-24, -24), h.here(24, 24))
    h.photograph("grow-from-seeds")


def interpolate(h: Hands) -> None:
    shown = LABELS.copy()
    k = h.centre[2]
    kept = np.zeros(shown.shape[2], dtype=np.bool_)
    kept[[k - 6, k + 6]] = True
    shown[:, :, ~kept] = 0
    h.editor.apply("Every twelfth slice", shown)
    h.take(ToolName.INTERPOLATE).plane = "2"
    h.tell_options()
    h.act(h.window.toolbox.preview)
    h.photograph("interpolate")


def margin(h: Hands) -> None:
    h.take(ToolName.MARGIN).mm = 3.0
    h.tell_options()
    h.act(h.window.toolbox.preview)
    h.photograph("margin")


def smooth(h: Hands) -> None:
    rough = LABELS.copy()
    noise = np.random.default_rng(0).random(rough.shape) < 0.25
    rough[noise & (rough == SNFH)] = 0
    h.editor.apply("Rough", rough)
    options = h.take(ToolName.SMOOTH, SNFH)
    options.method, options.radius_mm = "median", 2.0
    h.tell_options()
    h.act(h.window.toolbox.preview)
    h.photograph("smooth")


def logic(h: Hands) -> None:
    half = LABELS.copy()
    half[: h.centre[0]] = 0
    h.editor.apply("Half", half)
    options = h.take(ToolName.LOGIC)
    options.logic, options.other = "add", str(ET)
    h.tell_options()
    h.act(h.window.toolbox.preview)
    h.photograph("logic")


def copy_from(h: Hands) -> None:
    h.editor.apply("Clear", np.zeros_like(h.editor.labels))
    options = h.take(ToolName.COPY)
    options.every = True
    h.tell_options()
    h.act(h.window.toolbox.preview)
    h.photograph("copy-from")


def islands(h: Hands) -> None:
    mask = LABELS.copy()
    random = np.random.default_rng(1)
    for _ in range(6):
        i, j = (int(h.centre[a] + random.integers(-40, 40)) for a in range(2))
        mask[i : i + 3, j : j + 3, h.centre[2]] = ET
    h.editor.apply("Specks", mask)
    h.act(h.window.commands["view.islands"].trigger)
    h.settle()
    h.window.review_dock.islands.table.selectRow(2)
    h.window.view.crosshair_index = h.centre
    h.photograph("islands", h.window.review_dock.islands)
    h.window.review_dock.close()


def history(h: Hands) -> None:
    brush_steps = ((20, 20), (24, 16), (26, 10))
    h.take(ToolName.BRUSH)
    for di, dj in brush_steps:
        h.click(di, dj)
    h.act(h.window.commands["view.history"].trigger)
    h.photograph("history", h.window.review_dock.history)
    h.window.review_dock.close()


def rules(h: Hands) -> None:
    h.editor.set_locked(SNFH, True)
    h.editor.set_paint_over({0})
    h.take(ToolName.BOX)
    h.drag(h.here(-30, -32), h.here(26, 26))
    h.take(ToolName.BRUSH)
    h.window.reading.set_diameter(14.0)
    h.drag(*[h.here(d, -20) for d in range(-34, 31, 4)])
    h.hover(30, -20)
    panel = h.window.mask_panel
    sheet = QRect(panel.labels.geometry().topLeft(), panel.rules.geometry().bottomRight())
    h.photograph("rules", Part(panel.widget(), sheet))
    h.editor.set_locked(SNFH, False)
    h.editor.set_paint_over(None)
    h.editor.set_inside(None)


class Part(QWidget):
    """A rectangle of a widget, to be photographed."""

    def __init__(self, widget: QWidget, rect: QRect) -> None:
        super().__init__()
        self._widget, self._rect = widget, rect

    def grab(self, *_: Any) -> Any:
        return self._widget.grab(self._rect)


def make_proposal(h: Hands) -> Proposal:
    """Larger here and smaller there, with class probabilities that fall off at its edge."""
    from scipy.ndimage import gaussian_filter

    labels = np.roll(LABELS, (3, 2), (0, 1))
    visit = h.window.study.require_visit()
    classes = [labels == value for value in (0, *GLIOMA_POST_TREATMENT.values)]
    shares = np.stack([gaussian_filter(inside.astype(np.float32), 2.0) for inside in classes])
    softmax = Softmax(np.rint(255 * shares).astype(np.uint8), Box.whole(labels.shape))
    return Proposal(visit.id, labels, "Model", "demo@1", visit.volumes_ml(), softmax=softmax)


def proposed(h: Hands) -> None:
    proposal = make_proposal(h)
    h.act(lambda: h.window.study.require_visit().show_proposal(proposal))
    h.settle()


def accept_brush(h: Hands) -> None:
    proposed(h)
    h.take(ToolName.ACCEPT_BRUSH)
    h.window.reading.set_diameter(14.0)
    h.drag(*[h.here(d, 14) for d in range(-8, 15, 3)])
    h.hover(14, 14)
    h.photograph("accept-proposal", h.window.mask_panel.proposal)


def accept_piece(h: Hands) -> None:
    proposed(h)
    h.take(ToolName.ACCEPT_PIECE)
    h.photograph("accept-component")


def uncertainty(h: Hands) -> None:
    proposed(h)
    h.wait(lambda: h.window.uncertainty.available)
    if not h.window.uncertainty.shown:
        h.window.uncertainty.flip()
    h.act(h.window.commands["view.places"].trigger)
    h.photograph("uncertainty", h.window.review_dock.places)
    h.window.review_dock.close()
    h.window.uncertainty.flip()


def mirror(h: Hands) -> None:
    h.window.view.set_pane_sequence("FLAIR")
    h.act(h.window.mirror.flip)
    h.settle()
    h.photograph("mirror-check", h.window.mask_panel.labels, tuple((n - 1) / 2 for n in LABELS.shape))  # type: ignore[arg-type]
    h.window.mirror.show(None)
    h.window.view.set_pane_sequence("T1Gd")


def new_label(h: Hands) -> None:
    dialog = LabelDialog(h.window.study.scheme, None, h.window)
    dialog.name.setText("Blood")
    dialog.title.setText("Haemorrhage within the cavity")
    dialog.adjustSize()
    dialog.show()
    h.rest(200)
    h.keep(dialog.grab().toImage(), "new-label")
    dialog.reject()


def ruler(h: Hands) -> None:
    h.window.view.aids.measure(MeasureKind.RULER)
    h.drag(h.here(-22, 4), h.here(22, -4))
    h.photograph("ruler", h.window.mask_panel.labels)
    h.window.view.aids.measuring.clear()


def diameters(h: Hands) -> None:
    h.window.reading.set_label(ET)
    h.act(h.window.commands["view.propose_diameters"].trigger)
    h.photograph("diameters", h.window.mask_panel.labels)
    h.window.view.aids.measuring.clear()


def blend(h: Hands) -> None:
    h.window.view.aids.blend_with("FLAIR")
    h.photograph("blend", h.window.mask_panel.labels)
    h.window.view.aids.blend_with("")


def subtraction(h: Hands) -> None:
    h.window.view.aids.subtract()
    h.photograph("subtraction", h.window.mask_panel.labels)
    h.window.view.set_pane_sequence("T1Gd")


def cine(h: Hands) -> None:
    h.window.commands["view.cine"].trigger()
    h.rest(300)
    h.window.commands["view.cine"].trigger()
    h.photograph("cine", h.window.mask_panel.labels, (*h.centre[:2], h.window.view.crosshair_index[2]))
    h.window.view.crosshair_index = h.centre


def magnifier(h: Hands) -> None:
    h.window.view.aids.toggle_magnifier()
    h.hover(8, 8)
    h.photograph("magnifier", h.window.mask_panel.labels)
    h.window.view.aids.toggle_magnifier()


PICTURES: Sequence[Callable[[Hands], None]] = (
    brush, eraser, ball, threshold, adaptive, lasso, polygon, fill, pick, region, snake, seeds, interpolate, margin,
    smooth, logic, copy_from, islands, history, rules, accept_brush, accept_piece, uncertainty, mirror, new_label,
    ruler, diameters, blend, subtraction, cine, magnifier,
)  # fmt: skip

LABELS: NDArray[np.uint8] = np.zeros((1, 1, 1), dtype=np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path, nargs="?", help="a workspace with the demo study; it is not changed")
    parser.add_argument("out", type=Path, nargs="?", help="folder for the pictures")
    parser.add_argument("--pages", type=Path, help="folder of the manual's pages, whose tables are written anew")
    parser.add_argument("--only", default="", help="names of functions here, separated by commas")
    args = parser.parse_args()
    if args.workspace is None or args.out is None:  # as one of all benchmarks: there is nothing to measure here
        print("No workspace and folder were named; see --help.")
        return
    args.out.mkdir(parents=True, exist_ok=True)
    only = set(filter(None, args.only.split(",")))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "workspace"
        shutil.copytree(args.workspace, copy, ignore=shutil.ignore_patterns("lock", "backups", "journal"))
        photograph_all(copy, args.out, only, args.pages)


def begin(h: Hands) -> None:
    """The axial pane alone, in the slice with most enhancing tumour; the mask that every picture starts from."""
    global LABELS
    window = h.window
    window.view.set_layout("planes")
    if "planes" not in window.view.state()["maximised"]:
        window.view.toggle_maximised()
    LABELS = h.editor.labels.copy()
    k = int(np.count_nonzero(LABELS == ET, axis=(0, 1)).argmax())
    i, j = (round(float(axis.mean())) for axis in np.nonzero(LABELS[:, :, k] == ET))
    h.centre = (i, j, k)
    window.view.crosshair_index = h.centre
    window.reading.set_crosshair_visible(False)
    window.reading.set_opacity(0.3)
    h.settle()


def write_pages(window: MainWindow, folder: Path) -> None:
    """Draw the tables on the tools' pages from the program."""
    for page in PAGES:
        path = folder / f"{page.name}.md"
        made = tables(page, window.registry, window.toolbox.options)
        path.write_text(with_tables(path.read_text(encoding="utf-8"), made), encoding="utf-8")


@contextmanager
def opened(workspace: Path, out: Path, size: tuple[int, int]) -> Iterator[Hands]:
    """The window on the demo study's last visit, as it first comes up."""
    make_application([], "dark")
    settings = replace(Settings(author="Dr Demo"), window=WindowSettings())
    services = replace(app.make_services(workspace, patient=PATIENT), settings=settings, save_settings=lambda _s: None)
    window = MainWindow(services)
    window.resize(*size)
    window.show()
    h = Hands(window, out)
    try:
        h.wait(lambda: window.study.visit is not None)
        window.study.open_patient(PATIENT, VISIT)
        h.wait(lambda: (v := window.study.visit) is not None and v.timepoint.key == VISIT)
        h.wait(lambda: window.view.ready and len(window.view.panes) > 0)
        yield h
    finally:
        window.close()


def photograph_all(workspace: Path, out: Path, only: set[str], pages: Path | None = None) -> None:
    with opened(workspace, out, (1500, 1000)) as h:
        begin(h)
        if pages is not None:
            write_pages(h.window, pages)
        for picture in PICTURES:
            if not only or picture.__name__ in only:
                picture(h)
                h.clean()


if __name__ == "__main__":
    sys.exit(main())
