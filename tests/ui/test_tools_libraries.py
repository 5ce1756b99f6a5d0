"""What the tools compute with is read before it is asked for, and without holding the window up."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

import glioma_annotator
from glioma_annotator import imports
from glioma_annotator.ui.tools import libraries
from glioma_annotator.ui.tools.libraries import STEPS, ReadingAhead

ROOT = Path(glioma_annotator.__file__).parent


def run(script: str, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *args], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def test_after_reading_ahead_no_operation_imports_another_library() -> None:
    """Imports within functions come at a tool's first use; all of them find their module read."""
    script = """
import ast, sys
from pathlib import Path
from glioma_annotator.ui.tools.libraries import STEPS, read
for step in STEPS:
    read(step)
before, missing = set(sys.modules), []
for path in map(Path, sys.argv[1:]):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ("scipy", "skimage"):
            exec(ast.unparse(node), {})
            missing += [f"{path.name}: {name}" for name in set(sys.modules) - before]
            before = set(sys.modules)
print(missing)
"""
    alone = [ROOT / "imaging" / f"{name}.py" for name in ("diameters", "midline", "mirror", "components", "reslicing")]
    files = [
        *alone,
        *(ROOT / "imaging" / "label_ops").glob("*.py"),
        *(ROOT / "ui" / "tools").glob("*.py"),
        *(ROOT / "ui" / "viewer").glob("*.py"),
    ]
    assert run(script, *map(str, files)) == "[]"


def test_the_operations_are_all_among_what_is_read() -> None:
    operations = {
        f"glioma_annotator.imaging.label_ops.{p.stem}" for p in (ROOT / "imaging/label_ops").glob("[a-z]*.py")
    }
    read = run(f"import sys\nfrom glioma_annotator.ui.tools.libraries import read\n[read(s) for s in {STEPS!r}]\n"
               "print(*(n for n in sys.modules if '.label_ops.' in n))")  # fmt: skip
    assert operations <= set(read.split())


@pytest.mark.skipif(os.name != "posix", reason="left to its import there")
def test_the_snakes_library_is_loaded_by_the_system_before_it_is_imported() -> None:
    """As long as its loading runs within Python's import, no other thread gets the interpreter's lock."""
    script = """
import ctypes, os, sys
from glob import glob
from importlib.util import find_spec
from glioma_annotator import imports
from glioma_annotator.ui.tools import libraries
def loaded():
    (path,) = glob(os.path.join(os.path.dirname(find_spec("SimpleITK").origin), "_SimpleITK*.so"))
    find = ctypes.CDLL(None).dlopen
    find.restype, find.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    return find(path.encode(), os.RTLD_NOLOAD | os.RTLD_NOW) is not None
before = loaded()
imports.importlib.import_module = lambda name: print(before, loaded(), "SimpleITK" in sys.modules)
libraries.read("glioma_annotator.imaging.label_ops.snake")
"""
    assert run(script) == "False True False"


def test_no_garbage_is_collected_while_a_library_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    collects: list[bool] = []

    def fail(_name: str) -> None:
        collects.append(gc.isenabled())
        raise ImportError("broken")

    monkeypatch.setattr(imports.importlib, "import_module", fail)
    with pytest.raises(ImportError):
        libraries.read("a_library_of_the_test")
    assert collects == [False]
    assert gc.isenabled()


class Reader:
    """`ReadingAhead` on workers that remember, with a clock that the test turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(libraries, "STEPS", ("a_first_library", "sys", "a_second_library"))
        monkeypatch.setattr(libraries, "_POLL_MS", 0)
        self.now = 100.0
        self.read: list[str] = []
        self.workers: Any = SimpleNamespace(jobs=(), drawing=SimpleNamespace(active=()), draw=self._draw)
        self.to_make = 0
        self.ahead = ReadingAhead(self.workers, self._make, clock=lambda: self.now)
        self.ahead.start()

    def _make(self) -> bool:
        if self.to_make == 0:
            return False
        self.to_make -= 1
        self.read.append("made")
        return True

    def _draw(self, work: Callable[[], None], _done: Callable[[None], None]) -> None:
        self.read += work.args  # type: ignore[attr-defined]  # a partial


@pytest.fixture
def reader(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Reader:
    return Reader(monkeypatch)


def turn(qtbot: QtBot, reader: Reader, turns: int = 3) -> None:
    """Let the reader look a few times."""
    for _ in range(turns):
        with qtbot.waitSignal(reader.ahead._timer.timeout):
            pass


def test_everything_is_read_once_the_hands_rest(qtbot: QtBot, reader: Reader) -> None:
    turn(qtbot, reader)
    assert reader.read == []
    reader.now += 1
    qtbot.waitUntil(lambda: reader.ahead.done)
    assert reader.read == ["a_first_library", "a_second_library"]
    assert not reader.ahead._timer.isActive()


def test_what_the_window_must_make_itself_comes_first_one_thing_at_a_time(qtbot: QtBot, reader: Reader) -> None:
    reader.to_make = 2
    turn(qtbot, reader)
    assert reader.read == []  # the hands do not rest yet
    reader.now += 1
    turn(qtbot, reader, 1)
    assert reader.read == ["made"]
    qtbot.waitUntil(lambda: reader.ahead.done)
    assert reader.read == ["made", "made", "a_first_library", "a_second_library"]


def test_nothing_is_read_under_the_readers_hands(qtbot: QtBot, reader: Reader) -> None:
    reader.now += 1
    reader.ahead.touched()
    turn(qtbot, reader)
    assert reader.read == []


def test_nothing_is_read_while_something_else_is_computed(qtbot: QtBot, reader: Reader) -> None:
    turn(qtbot, reader, 1)
    reader.now += 1
    reader.workers.drawing.active = ("surfaces",)
    turn(qtbot, reader)
    assert reader.read == []
    reader.workers.drawing.active, reader.workers.jobs = (), ("segmenting",)
    turn(qtbot, reader)
    assert reader.read == []
    reader.workers.jobs = ()
    qtbot.waitUntil(lambda: reader.ahead.done)
