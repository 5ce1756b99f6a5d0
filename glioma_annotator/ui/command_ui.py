"""Menus, tool bar and shortcuts drawn from the command registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from glioma_annotator.ui import theme
from glioma_annotator.workflow.commands import Command, CommandRegistry


def shortcut_text(command: Command) -> str:
    """The command's first shortcut as the reader's keyboard names it; empty when it has none."""
    if not command.shortcuts:
        return ""
    return QKeySequence(command.shortcuts[0]).toString(QKeySequence.SequenceFormat.NativeText)


def tooltip(command: Command) -> str:
    keys = shortcut_text(command)
    return f"{command.help} ({keys})" if keys else command.help


class CommandActions(QObject):
    """One `QAction` per command of the registry.

    Parameters
    ----------
    registry: the commands.
    window: where shortcuts are heard.
    view: where the shortcuts of the commands in `view_only` are heard, so that Tab and the arrow keys keep their
        usual meaning in panels and dialogs.
    view_only: ids of those commands.
    icons: icon names by command id.
    """

    def __init__(
        self,
        registry: CommandRegistry,
        window: QWidget,
        view: QWidget,
        view_only: Iterable[str] = (),
        icons: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(window)
        self.registry = registry
        self._icons = dict(icons or {})
        self._actions: dict[str, QAction] = {}
        local = frozenset(view_only)
        for command in registry:
            action = QAction(command.title, self)
            action.setObjectName(command.id)
            action.setShortcuts([QKeySequence(keys) for keys in command.shortcuts])
            action.setAutoRepeat(command.id in local)
            action.setToolTip(tooltip(command))
            action.setStatusTip(command.help)
            action.setMenuRole(QAction.MenuRole.NoRole)
            action.setCheckable(command.checked is not None)
            action.setIconVisibleInMenu(command.checked is None)  # an icon would hide the tick
            action.triggered.connect(self._runner(command))
            if command.id in local:
                action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
                view.addAction(action)
            else:
                window.addAction(action)
            self._actions[command.id] = action
        self.repaint_icons()
        self.refresh()

    def _runner(self, command: Command) -> Callable[[], None]:
        def run() -> None:
            # The state may have changed since the action was last refreshed.
            if command.enabled():
                command.run()
            self.refresh()

        return run

    def __getitem__(self, command_id: str) -> QAction:
        return self._actions[command_id]

    def refresh(self) -> None:
        """Ask every command again whether it can run and whether it is on."""
        for command in self.registry:
            action = self._actions[command.id]
            action.setEnabled(command.enabled())
            action.setVisible(command.listed())
            if command.checked is not None:
                action.setChecked(command.checked())

    def repaint_icons(self) -> None:
        """Draw the icons in the palette's colours."""
        for command_id, name in self._icons.items():
            self._actions[command_id].setIcon(theme.icon(name))

    def fill_menu_bar(self, bar: QMenuBar, order: Iterable[str], breaks: Iterable[str] = ()) -> dict[str, QMenu]:
        """One menu per group in `order`; a divider comes before each command id in `breaks`."""
        before = frozenset(breaks)
        menus: dict[str, QMenu] = {}
        for group in order:
            menu = bar.addMenu(f"&{group}")
            menu.setToolTipsVisible(True)
            menu.aboutToShow.connect(self.refresh)
            for command in self.registry:
                if command.group != group:
                    continue
                if command.id in before:
                    menu.addSeparator()
                menu.addAction(self._actions[command.id])
            menus[group] = menu
        return menus
