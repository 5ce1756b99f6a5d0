"""The families of errors the program distinguishes.

`UserError`
    The user can put it right: it says what happened and what to do.
`EnvironmentFailure`
    The machine failed us: disk full, file locked, memory exhausted.
`Cancelled`
    Not an error: the user stopped a job.

Anything else that is raised is a bug and is reported as one.
"""

from __future__ import annotations


class GliomaError(Exception):
    """An error with a sentence on what happened and one on what to do.

    Parameters
    ----------
    what:
        What happened, as a full sentence, naming the file where there is one.
    todo:
        What the user can do about it, as a full sentence; may be empty.
    """

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(f"{what} {todo}".strip())
        self.what = what
        self.todo = todo


class UserError(GliomaError):
    """Something the user can put right."""


class EnvironmentFailure(GliomaError):
    """The machine, not the user or the program, failed."""


class Cancelled(Exception):
    """The user stopped the job."""


class WorkspaceBusy(UserError):
    """Another process has the workspace open for writing.

    Parameters
    ----------
    holder: who has it, for a reader: user, computer, process and since when.
    """

    def __init__(self, holder: str) -> None:
        super().__init__(
            f"This workspace is open elsewhere ({holder}).",
            "Close it there; to look at it meanwhile, the window opens it for reading only.",
        )
        self.holder = holder
