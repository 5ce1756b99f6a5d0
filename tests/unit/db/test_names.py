"""Names of files and folders."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioma_annotator.db.names import free_name, safe_name


@given(st.text(max_size=300))
def test_a_safe_name_is_one_plain_path_component(text: str) -> None:
    name = safe_name(text, "visit")
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,64}", name)
    assert not name.endswith(".")
    assert safe_name(name, "visit") == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("BraTSReg_002", "BraTSReg_002"),
        ("2020-01-31", "2020-01-31"),
        ("../../etc/passwd", "etc-passwd"),
        ("Müller, Hans", "Muller-Hans"),
        ("day 0262 / follow-up", "day-0262-follow-up"),
        ("NUL", "_NUL"),
        ("con.nii", "_con.nii"),
        ("console", "console"),
        ("..", "visit"),
        ("患者", "visit"),
        ("", "visit"),
    ],
)
def test_a_safe_name_stays_readable(text: str, name: str) -> None:
    assert safe_name(text, "visit") == name


def test_a_taken_name_is_numbered() -> None:
    assert free_name("a", {"b"}.__contains__) == "a"
    assert free_name("a", {"a", "a-2"}.__contains__) == "a-3"
