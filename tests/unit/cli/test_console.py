"""What commands print where the output's encoding is not UTF-8."""

from __future__ import annotations

import io
import json
import sys

import pytest

from glioma_annotator.cli import main as commands
from glioma_annotator.cli.console import print_json


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
