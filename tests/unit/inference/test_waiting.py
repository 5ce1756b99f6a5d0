"""Long calls that cannot be interrupted are left at once on a request to stop."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from glioma_annotator.errors import Cancelled
from glioma_annotator.inference.waiting import wait_for
from glioma_annotator.progress import CancelToken


def test_the_result_or_the_error_is_the_work_s() -> None:
    assert wait_for(lambda: 3, CancelToken()) == 3
    with pytest.raises(ZeroDivisionError):
        wait_for(lambda: 1 // 0, CancelToken())


def test_a_request_to_stop_does_not_wait_for_the_work() -> None:
    cancel, release = CancelToken(), threading.Event()
    threading.Timer(0.05, cancel.cancel).start()
    began = time.monotonic()
    try:
        with pytest.raises(Cancelled):
            wait_for(lambda: release.wait(30), cancel)
        assert time.monotonic() - began < 5
    finally:
        release.set()


def test_the_program_s_end_waits_for_work_that_was_left() -> None:
    script = """
import time
from glioma_annotator.errors import Cancelled
from glioma_annotator.inference.waiting import wait_for
from glioma_annotator.progress import CancelToken

def work():
    time.sleep(0.5)
    print("ended", flush=True)

cancel = CancelToken()
cancel.cancel()
try:
    wait_for(work, cancel)
except Cancelled:
    print("left", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["left", "ended"]
