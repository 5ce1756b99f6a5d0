"""Large libraries read on a thread of their own, while other threads go on.

Python's import keeps the interpreter's lock while the system loads a compiled library: 0.2 s for torch, 0.03 s for
SimpleITK, and many times that where the file has to come from the disk or the machine is busy. Meanwhile no other
thread runs, the window's neither. Collecting garbage keeps it as long, of which an import makes next to none.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
from importlib.util import find_spec
from pathlib import Path

#: Where packages keep their compiled part; what that part needs is loaded with it.
_COMPILED = {"SimpleITK": "_SimpleITK*.so", "torch": "lib/libtorch_python.*"}


def import_quietly(module: str) -> None:
    """Import a module without collecting garbage meanwhile."""
    collects = gc.isenabled()
    gc.disable()
    try:
        importlib.import_module(module)
    finally:
        if collects:
            gc.enable()


def open_library(package: str) -> None:
    """Let the system load a package's compiled part without the interpreter's lock; its import then finds it loaded.

    `ctypes.CDLL` keeps the lock as an import does; a function called through it does not. On Windows the package is
    left to its import, and so is one that is not installed.
    """
    found = find_spec(package)
    if package in sys.modules or os.name != "posix" or found is None or found.origin is None:
        return
    load = ctypes.CDLL(None).dlopen
    load.restype, load.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    for library in Path(found.origin).parent.glob(_COMPILED[package]):
        load(os.fsencode(library), sys.getdlopenflags())  # a failure is told by the import
