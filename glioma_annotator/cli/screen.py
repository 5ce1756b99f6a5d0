"""Is there a screen to show the window on?"""

from __future__ import annotations

import ctypes
import os
import sys


def has_screen() -> bool:
    """Whether a display is named and answers; without one, Qt ends the whole process."""
    if sys.platform != "linux" or os.environ.get("WAYLAND_DISPLAY"):
        return True
    return bool(os.environ.get("DISPLAY")) and _x_answers()


def needs_screen() -> bool:
    """Whether Qt would look for one: other platforms, such as `offscreen`, are asked for by name."""
    return os.environ.get("QT_QPA_PLATFORM", "xcb").partition(":")[0] == "xcb"


def _x_answers() -> bool:
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:  # then Qt says which library is missing
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    answers = bool(xcb.xcb_connection_has_error(connection) == 0)
    xcb.xcb_disconnect(connection)
    return answers
