"""What every command has in common: what it prints, and how it ends."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import pytest

from glioma_annotator.cli import main as commands
from glioma_annotator.cli.console import confirm, print_json
from glioma_annotator.domain.cohort_question import parse_question


def told(monkeypatch: pytest.MonkeyPatch, encoding: str) -> io.BytesIO:
    """Standard output as a file of an encoding."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    return raw


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_json_can_be_read_back_whatever_the_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = told(monkeypatch, encoding)
    print_json({"name": "Łódź \N{GRINNING FACE}"})
    sys.stdout.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == {"name": "Łódź \N{GRINNING FACE}"}


def test_a_letter_that_cannot_be_printed_does_not_end_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = told(monkeypatch, "cp1252")
    monkeypatch.setattr(commands, "build_parser", lambda: _Printing())
    assert commands.main(["doctor"]) == 0
    sys.stdout.flush()
    assert raw.getvalue().decode("cp1252").startswith("?ód?")


class _Printing:
    """Stands in for the parser and for what it parsed."""

    command = "doctor"

    def parse_args(self, _arguments: list[str]) -> _Printing:
        return self

    def run(self, _parsed: _Printing) -> int:
        print("Łódź")
        return 0


class _Failing:
    """Stands in for the parser; what it parsed raises when it is run."""

    command = "doctor"

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def parse_args(self, _arguments: list[str]) -> _Failing:
        return self

    def run(self, _parsed: _Failing) -> int:
        raise self._error


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "Cancelled"),
        (OSError(errno.ENOSPC, "No space left on device"), 5, "No space left on device"),
        (OSError(errno.EBADF, "Bad file descriptor"), 1, "This is a bug"),
    ],
)
def test_what_ends_a_command_is_told(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "build_parser", lambda: _Failing(error))
    assert commands.main(["doctor"]) == code
    told = capsys.readouterr().err
    assert words in told
    assert ("Traceback" in told) is (code == 1)


def test_an_argument_with_a_broken_byte_is_no_bug_of_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "build_parser", lambda: _Failing(_unwritable()))
    assert commands.main(["doctor", "P\udcff"]) == 3
    assert capsys.readouterr().err.startswith("glioma-annotator: “P\N{REPLACEMENT CHARACTER}” holds a byte")
    assert commands.main(["doctor", "P"]) == 1


def _unwritable() -> UnicodeEncodeError:
    return UnicodeEncodeError("utf-8", "P\udcff", 1, 2, "surrogates not allowed")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("arguments", [["models", "list"], ["--help"]])
def test_output_that_cannot_be_written_is_told(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(arguments, full)
    assert done.returncode == 5
    assert done.stderr.splitlines()[0].endswith("could not be written: No space left on device.")
    assert "Exception" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_has_gone_ends_a_command_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = run(["--help"], pipe)
    assert (done.returncode, done.stderr) == (0, "")


def run(arguments: list[str], out: TextIO) -> subprocess.CompletedProcess[str]:
    """The program with its output collected in a buffer, as it is where nobody says otherwise."""
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "glioma_annotator", *arguments]
    return subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, env=usual, check=False)


def test_a_question_without_an_answer_is_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert not confirm("Import this?")
    monkeypatch.setattr(sys, "stdin", _Terminal())
    assert not confirm("Import this?")


class _Terminal(io.StringIO):
    """A terminal where Ctrl+D is pressed."""

    def isatty(self) -> bool:
        return True


def test_the_example_of_a_question_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        commands.main(["cohort", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    example = shown.partition("such as: ")[2].partition(". docs/")[0]
    assert parse_question(example) == parse_question("idh = wildtype, mgmt = methylated, ET volume up 40 % from nadir")
