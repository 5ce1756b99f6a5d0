"""`--pre-operative` and `--post-operative` of the commands that take loose files."""

from __future__ import annotations

import argparse

import pytest

from glioma_annotator.cli.surgery import add_surgery_options, operated


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    add_surgery_options(parser.add_argument_group("files"))
    return parser


@pytest.mark.parametrize(("given", "known"), [([], None), (["--pre-operative"], False), (["--post-operative"], True)])
def test_what_the_options_say(parser: argparse.ArgumentParser, given: list[str], known: bool | None) -> None:
    assert operated(parser.parse_args(given)) is known


def test_nobody_is_before_and_after_surgery_at_once(parser: argparse.ArgumentParser) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args(["--pre-operative", "--post-operative"])
