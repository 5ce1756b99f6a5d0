"""Freed memory stays with the process within a block, and goes back after it."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import resource, threading
import numpy as np
from glioma_annotator.heap import kept_memory, share_one_heap

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def cost():
    before = faults()
    for _ in range(4):
        np.ones(12_000_000)  # 96 MB each: 23,000 pages
    return faults() - before

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) // 256

def work():
    plain = cost()
    with kept_memory():
        with kept_memory():
            cost()
        kept = cost()
        held = resident_mb()
    print(plain, kept, held - resident_mb(), cost())

share_one_heap()
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux")
def test_large_arrays_take_up_memory_that_was_freed_before() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    plain, kept, given_back_mb, after = map(int, done.stdout.split())
    assert plain > 200  # pages of 4 KiB, or far fewer of 2 MiB
    assert kept < plain / 20
    assert given_back_mb > 80
    assert after > plain / 2
