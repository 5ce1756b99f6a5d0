"""What commands share: exit codes, a progress bar, tables and JSON on the terminal."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType
from typing import Any

from tqdm import tqdm

from glioma_annotator.progress import CancelToken, Progress, Report


class ExitCode(IntEnum):
    """What the process returns."""

    DONE = 0
    BUG = 1
    USAGE = 2
    USER = 3  # something the user can put right: missing file, wrong shape, no such patient
    REFUSED = 4  # an adapted model that did not beat the one it started from
    ENVIRONMENT = 5  # disk full, memory, device
    CANCELLED = 130


@contextmanager
def progress_bar(title: str) -> Iterator[tuple[Report, CancelToken]]:
    """A progress bar on standard error where that is a terminal; Ctrl+C cancels the job instead of killing it."""
    cancel = CancelToken()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        cancel.cancel()

    earlier = signal.signal(signal.SIGINT, interrupt)
    template = "{desc} {percentage:3.0f}%|{bar}| {postfix}"
    bar = tqdm(total=100, desc=title, bar_format=template, file=sys.stderr, leave=False, disable=None)

    def report(progress: Progress) -> None:
        bar.n = round(progress.fraction * 100)
        left = "" if progress.seconds_left is None else f"  {progress.seconds_left:.0f} s left"
        bar.set_postfix_str(progress.message + left)

    try:
        yield report, cancel
    finally:
        bar.close()
        signal.signal(signal.SIGINT, earlier)


def print_json(value: Any) -> None:
    """JSON on standard output, with escapes where its encoding lacks letters: redirected on Windows it is not UTF-8."""
    unicode = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    print(json.dumps(value, indent=2, ensure_ascii=not unicode, allow_nan=False, default=str))


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns padded to their widest cell."""
    cells = [[str(c) for c in header], *[[_cell(c) for c in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for row in cells:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def confirm(question: str) -> bool:
    """Ask on the terminal; False without one, and where the input ends instead of an answer (Ctrl+D)."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() in ("y", "yes")
