"""Asks the machine for an OpenGL context and prints what it is, as JSON; run in a process of its own by `doctor`."""

from __future__ import annotations

import json

from qtpy.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext


def describe_opengl() -> dict[str, str]:
    """Version and profile of the context that the viewer would get. Raises `RuntimeError` when there is none."""
    application = QGuiApplication.instance() or QGuiApplication([])
    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    if not context.create() or not context.makeCurrent(surface):
        raise RuntimeError("no OpenGL context")
    version = context.format().version()
    functions = context.functions()
    gl_renderer = 0x1F01
    renderer = functions.glGetString(gl_renderer)
    context.doneCurrent()
    application.processEvents()
    return {"version": f"OpenGL {version[0]}.{version[1]}", "renderer": str(renderer)}


if __name__ == "__main__":
    print(json.dumps(describe_opengl()))
