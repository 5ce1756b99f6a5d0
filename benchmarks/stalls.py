"""How long any tool keeps the window from answering, on a study of 240 x 240 x 155 voxels in four sequences.

Uses every tool as `tool_pictures.py` does, in the real window on a workspace made for it, and reports for each the
longest time that one event held the window up. Aim: 100 ms.

    xvfb-run -a -s "-screen 0 1920x1200x24" python benchmarks/stalls.py [--json FILE] [--only brush,margin]

Other processes lengthen every event: on a busy machine, run it ahead of them (`chrt -r 1`).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tool_pictures
import viewer
from parts.machine import others_s, withheld_ms
from parts.more_uses import USES
from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QApplication, QWidget

from glioma_annotator import app
from glioma_annotator.db.workspace import Workspace
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import ImportedMask
from glioma_annotator.domain.sequences import Sequence, SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.settings import Settings, WindowSettings
from glioma_annotator.ui.application import make_application
from glioma_annotator.ui.window import MainWindow

AIM_MS = 100.0
#: ms, what, ms waiting for the disk, ms collecting garbage, ms of the processor, and what the system did meanwhile.
_NOTHING = (0.0, "", 0.0, 0.0, 0.0, (0, 0, 0.0))


def _of_the_system() -> tuple[int, int, float]:
    """How often the system took the processor from this thread for another; how many pages of programs and libraries
    it read again from the disk for it, having dropped them; and ms for which the machine's host withheld processors."""
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return usage.ru_nivcsw, usage.ru_majflt, withheld_ms()


class Watch(QApplication):
    """Measures how long events take; one within another counts with the outer one."""

    def __init__(self) -> None:
        super().__init__([])
        self._depth = 0
        self._disk_ms = self._gc_ms = self._gc_began = self._own = 0.0
        self._system = _NOTHING[-1]
        self.longest: tuple[float, str, float, float, float, tuple[int, int, float]] = _NOTHING
        gc.callbacks.append(self._collecting)
        self._began, self._window_thread = 0.0, threading.get_ident()
        self.seen: list[str] = []  # where the window's thread was in events over the aim
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        """Note once for each event that takes too long what the window's thread is doing."""
        told = 0.0
        while True:
            time.sleep(AIM_MS / 4000)
            began = self._began
            if began and began != told and 1000 * (time.perf_counter() - began) > AIM_MS * 0.8:
                told = began
                frame = sys._current_frames()[self._window_thread]
                self.seen.append("".join(traceback.format_stack(frame)[-8:]))

    def _collecting(self, phase: str, _info: dict[str, int]) -> None:
        """On whichever thread: the interpreter is held, and the window waits."""
        if phase == "start":
            self._gc_began = time.perf_counter()
        else:
            self._gc_ms += 1000 * (time.perf_counter() - self._gc_began)

    def waiting_for_disk(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """`act`, with the time that it takes counted as waiting for the disk."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return act(*args, **kwargs)
            finally:
                if threading.current_thread() is threading.main_thread():
                    self._disk_ms += 1000 * (time.perf_counter() - began)

        return timed

    def notify(self, receiver: QObject, event: QEvent) -> bool:
        if threading.get_ident() != self._window_thread:  # Qt asks here for events of other threads, too
            return super().notify(receiver, event)
        if not isinstance(receiver, QObject):  # PySide takes it for what lay at its place before, and would fail
            return True
        began, kind = time.perf_counter(), event.type()
        if self._depth == 0:
            self._disk_ms = self._gc_ms = 0.0
            self._began = began
            self._own, self._system = time.thread_time(), _of_the_system()
        self._depth += 1
        try:
            return super().notify(receiver, event)
        finally:
            self._depth -= 1
            ms = 1000 * (time.perf_counter() - began)
            if self._depth == 0:
                self._began = 0.0
            # A loop that waits is itself run by no event here, so every event at depth 0 is one answer of the window.
            if self._depth == 0 and ms > self.longest[0]:
                own, what = 1000 * (time.thread_time() - self._own), f"{kind.name} to {type(receiver).__name__}"
                pushed, pages, withheld = (b - a for a, b in zip(self._system, _of_the_system(), strict=True))
                self.longest = ms, what, self._disk_ms, self._gc_ms, own, (int(pushed), int(pages), withheld)


class Hands(tool_pictures.Hands):
    """Takes no pictures."""

    def photograph(self, name: str, panel: QWidget | None = None, around: Any = None) -> None:  # noqa: ARG002
        self.settle()

    def keep(self, picture: Any, name: str) -> None:
        pass


def make_workspace(folder: Path, finer: int = 1) -> None:
    """The phantom as two visits, each with its mask; each voxel cut into `finer` by `finer` in the axial plane."""
    images, labels = viewer.phantom()
    images = {name: image.repeat(finer, 0).repeat(finer, 1) for name, image in images.items()}
    labels = labels.repeat(finer, 0).repeat(finer, 1)
    grid = Grid((labels.shape[0], labels.shape[1], labels.shape[2]), np.diag([1 / finer, 1 / finer, 1.0, 1.0]))
    store = app.open_store(folder)
    patient = store.add_patient("PHANTOM")
    sequences = tuple(Sequence(name, SequenceRole(name), "") for name in images)
    for order in range(2):
        visit = Timepoint(patient.id or 0, f"visit-{order}", order, grid, "T1Gd", sequences=sequences)
        mask = ImportedMask(labels, GLIOMA_POST_TREATMENT, "benchmark")
        store.add_timepoint(visit, {name: Volume(image, grid) for name, image in images.items()}, [mask])
    store.close()


def measure(only: set[str], one_pane: bool, finer: int) -> dict[str, dict[str, Any]]:
    watch = Watch()
    make_application([], "dark")
    # Neither strokes nor where the reader looked should make the window wait for the disk.
    os.fsync = watch.waiting_for_disk(os.fsync)
    Workspace.set_view_state = watch.waiting_for_disk(Workspace.set_view_state)  # type: ignore[method-assign]
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "workspace"
        make_workspace(folder, finer)
        services = app.make_services(folder, patient="PHANTOM")
        settings = replace(Settings(author="benchmark"), window=WindowSettings())
        window = MainWindow(replace(services, settings=settings, save_settings=lambda _settings: None))
        window.resize(1600, 1000)
        window.show()
        hands = Hands(window, folder)
        try:
            hands.wait(lambda: window.study.visit is not None and window.view.ready and len(window.view.panes) > 0)
            tool_pictures.begin(hands)
            if not one_pane:
                window.view.toggle_maximised()
            hands.rest(1500)
            for picture in (*tool_pictures.PICTURES, *USES):
                if only and picture.__name__ not in only:
                    continue
                watch.longest = _NOTHING
                watch.seen.clear()
                picture(hands)
                ms, what, disk, gc_ms, own, (pushed, pages, withheld) = watch.longest
                found[picture.__name__] = {
                    "longest_ms": round(ms), "event": what, "own_ms": round(own), "pushed_aside": pushed,
                    "pages_read_again": pages, "withheld_ms": round(withheld),
                    "disk_ms": round(disk), "collecting_ms": round(gc_ms),
                }  # fmt: skip
                parts = f"{own:3.0f} at work ({withheld:.0f} withheld by the host), {gc_ms:.0f} collecting garbage, "
                parts += f"{disk:.0f} waiting for the disk, pushed aside {pushed} times, {pages} pages read again"
                print(f"{picture.__name__:16} {ms:5.0f} ms, of them {parts}; {what}", flush=True)
                print("".join(f"--- it was here:\n{place}" for place in watch.seen), end="", flush=True)
                hands.clean()
        finally:
            window.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="tools, by the names that are printed, separated by commas")
    parser.add_argument("--one-pane", action="store_true", help="the axial pane fills the view, instead of four panes")
    parser.add_argument("--finer", type=int, default=1, help="cut voxels into so many by so many")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    before, began = others_s(), time.perf_counter()
    found = measure(set(filter(None, args.only.split(","))), args.one_pane, args.finer)
    took = time.perf_counter() - began
    print(f"{took:.0f} s, processor time of other programs meanwhile {others_s() - before:.1f} s")
    over = [name for name, figures in found.items() if figures["longest_ms"] > AIM_MS]
    print(f"over {AIM_MS:.0f} ms: {', '.join(over) or 'none'}")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
