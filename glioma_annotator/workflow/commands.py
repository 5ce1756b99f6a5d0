"""The command registry: menus, toolbar, palette and the shortcut page are all drawn from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


def always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Command:
    """Something the reader can ask for.

    Attributes
    ----------
    id: dotted name, e.g. "edit.undo".
    title: what the menu says.
    help: one sentence for tooltips and the shortcut page.
    run: does it; called on the window's thread.
    group: the menu it belongs to, e.g. "Edit".
    shortcuts: key sequences in Qt's portable text, the first one is shown in the menu.
    enabled: whether it can be run now.
    checked: for a command that switches something, whether it is on; None for others.
    listed: whether menus show it.
    """

    id: str
    title: str
    help: str
    run: Callable[[], None]
    group: str
    shortcuts: tuple[str, ...] = ()
    enabled: Callable[[], bool] = always
    checked: Callable[[], bool] | None = None
    listed: Callable[[], bool] = always


class CommandRegistry:
    """Every command by id; ids and shortcuts are unique."""

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}
        self._shortcuts: dict[str, str] = {}

    def add(self, command: Command) -> None:
        """Raises `ValueError` for an id or a shortcut that is taken."""
        if command.id in self._commands:
            raise ValueError(f"command {command.id} exists already")
        for shortcut in command.shortcuts:
            if shortcut in self._shortcuts:
                raise ValueError(f"{shortcut} runs both {self._shortcuts[shortcut]} and {command.id}")
            self._shortcuts[shortcut] = command.id
        self._commands[command.id] = command

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def __getitem__(self, command_id: str) -> Command:
        return self._commands[command_id]

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(c.group for c in self))
