"""How much other programs computed during a measurement, so that a disturbed one is not taken for a quiet one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK") if sys.platform == "linux" else 0.0


def _of_process(pid: int | str) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S  # user and system


def _of_display() -> float:
    """The X server that draws this process's windows works for it; its pid stands in its lock file."""
    lock = Path(f"/tmp/.X{os.environ.get('DISPLAY', '').rpartition(':')[2].partition('.')[0]}-lock")
    return _of_process(lock.read_text().strip()) if lock.exists() else 0.0


def withheld_ms() -> float:
    """Milliseconds that the host of this virtual machine kept its processors from it since the start, in steps of 10.

    The clock of a thread's work runs on meanwhile: an event so interrupted looks like work.
    """
    return 1000 * _TICK_S * int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) if _TICK_S else 0.0


def others_s() -> float:
    """Processor seconds of all programs but this process and its display since the machine started; 0 off Linux."""
    if sys.platform != "linux":
        return 0.0
    busy = Path("/proc/stat").read_text().split(maxsplit=4)[1:4]  # user, nice, system
    return sum(map(int, busy)) * _TICK_S - _of_process("self") - _of_display()
