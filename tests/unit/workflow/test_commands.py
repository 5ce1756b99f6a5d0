"""The command registry."""

from __future__ import annotations

import pytest

from glioma_annotator.workflow.commands import Command, CommandRegistry


def command(name: str, *shortcuts: str, group: str = "Edit") -> Command:
    return Command(name, name.title(), "help", lambda: None, group, shortcuts)


def test_commands_are_found_by_id_in_the_order_they_were_added() -> None:
    registry = CommandRegistry()
    registry.add(command("a", group="File"))
    registry.add(command("b"))
    assert [c.id for c in registry] == ["a", "b"]
    assert registry["b"].title == "B"
    assert registry.groups == ("File", "Edit")


def test_two_commands_cannot_share_an_id_or_a_shortcut() -> None:
    registry = CommandRegistry()
    registry.add(command("a", "Ctrl+A"))
    with pytest.raises(ValueError, match="exists already"):
        registry.add(command("a"))
    with pytest.raises(ValueError, match=r"Ctrl\+A runs both a and b"):
        registry.add(command("b", "Ctrl+A"))
