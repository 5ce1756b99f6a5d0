"""Long calls that cannot be interrupted, without losing sight of a request to stop."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from typing import TypeVar

from glioma_annotator.progress import CancelToken

_Result = TypeVar("_Result")
_INTERVAL_S = 0.1
#: So long the program's end waits for work that was left.
_AT_EXIT_S = 20.0


def wait_for(work: Callable[[], _Result], cancel: CancelToken) -> _Result:
    """What `work` returns, or its error. After a request to stop, `work` ends on its own and its result is dropped.

    Raises `Cancelled` within a tenth of a second of the request.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again on the waiting thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_INTERVAL_S)
        if cancel.cancelled:
            # The interpreter must not go before a thread that comes back to it from compiled code: that aborts.
            atexit.register(thread.join, _AT_EXIT_S)
            cancel.raise_if_cancelled()
    if errors:
        raise errors[0]
    return results[0]
