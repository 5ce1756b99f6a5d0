"""The look of the window: one palette, one style sheet made from it, the icons."""

from __future__ import annotations

from dataclasses import dataclass

import qtawesome
from PySide6.QtCore import QDir
from PySide6.QtGui import QColor, QIcon, QPalette
from PySide6.QtWidgets import QApplication

from glioma_annotator import paths

FONT_PX = 13
#: Prefix under which the style sheet finds `resources/icons`.
_ICONS = "gliomaicons"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as #RRGGBB.

    Attributes
    ----------
    window: behind everything.
    panel: behind controls.
    field: behind text that is entered or listed.
    line: dividers and borders.
    text, quiet: text, and text of less weight.
    accent: what is active; `on_accent` is text upon it.
    warning, danger: signals; `danger_text` is danger where words are written in it (4.5:1 on a panel).
    """

    window: str
    panel: str
    field: str
    line: str
    text: str
    quiet: str
    accent: str
    on_accent: str
    warning: str
    danger: str
    danger_text: str


DARK = Palette(
    window="#1E1F22",
    panel="#26282C",
    field="#1A1B1E",
    line="#3A3D42",
    text="#E6E6E6",
    quiet="#A0A4AB",
    accent="#4C9AFF",
    on_accent="#0B1220",
    warning="#E0A030",
    danger="#E05050",
    danger_text="#F08080",
)
LIGHT = Palette(
    window="#ECEEF1",
    panel="#F8F9FA",
    field="#FFFFFF",
    line="#C3C7CE",
    text="#1E1F22",
    quiet="#555A62",
    accent="#0B5FCC",
    on_accent="#FFFFFF",
    warning="#835300",
    danger="#B3261E",
    danger_text="#B3261E",
)
PALETTES = {"dark": DARK, "light": LIGHT}


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two #RRGGBB colours, 1 to 21 (WCAG 2.2, section 1.4.3)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def current() -> Palette:
    """The palette the application shows now, for widgets that paint themselves."""
    app = QApplication.instance()
    name = app.property("theme") if app is not None else None
    return PALETTES.get(str(name), DARK)


def apply(app: QApplication, name: str) -> None:
    """Give the application the palette `name` ("dark" or "light"), its font size and style sheet."""
    palette = PALETTES.get(name, DARK)
    app.setProperty("theme", name if name in PALETTES else "dark")
    app.setStyle("Fusion")
    font = app.font()
    font.setPixelSize(FONT_PX)
    app.setFont(font)
    app.setPalette(_qt_palette(palette))
    for control in ("QCheckBox", "QAbstractSpinBox", "QComboBox", "QSlider"):
        # PySide takes text here and refuses the bytes that its own stubs ask for.
        app.setPalette(_control_palette(palette), control)  # type: ignore[arg-type]
    QDir.setSearchPaths(_ICONS, [str(paths.resources() / "icons")])
    app.setStyleSheet(style_sheet(palette))
    qtawesome.reset_cache()


def _qt_palette(p: Palette) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    colours = {
        role.Window: p.panel,
        role.WindowText: p.text,
        role.Base: p.field,
        role.AlternateBase: p.panel,
        role.ToolTipBase: p.field,
        role.ToolTipText: p.text,
        role.PlaceholderText: p.quiet,
        role.Text: p.text,
        role.Button: p.panel,
        role.ButtonText: p.text,
        role.BrightText: p.danger_text,
        role.Highlight: p.accent,
        role.HighlightedText: p.on_accent,
        role.Link: p.accent,
        role.Mid: p.line,
        role.Accent: p.accent,
    }
    for key, colour in colours.items():
        palette.setColor(key, QColor(colour))
    faint = _mix(p.text, p.panel, 0.45)
    for key in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, key, QColor(faint))
    palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(p.line))
    return palette


def _control_palette(p: Palette) -> QPalette:
    """Fusion draws outlines in a darker shade of the window colour, which on a dark panel no one would see."""
    palette = _qt_palette(p)
    palette.setColor(QPalette.ColorRole.Window, QColor(p.quiet))
    return palette


def _mix(one: str, other: str, share: float) -> str:
    """`share` of `one` and the rest of `other`."""
    pairs = [(int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02X}" for a, b in pairs)


def style_sheet(p: Palette) -> str:
    """The one style sheet. Arrows, ticks and focus of the controls come from Qt's Fusion style and the palette.

    Ticks in lists are the exception: Fusion outlines them in a shade of the list's own background.
    """
    shade = "light" if p is LIGHT else "dark"
    hover = _mix(p.text, p.panel, 0.10)
    pressed = _mix(p.text, p.panel, 0.18)
    faint = _mix(p.text, p.panel, 0.45)
    chosen = _mix(p.accent, p.panel, 0.28)
    return f"""
QMainWindow, QWidget#start-page {{ background: {p.window}; }}
QMainWindow::separator {{ background: {p.line}; width: 3px; height: 3px; }}
QMainWindow::separator:hover {{ background: {p.accent}; }}
QMenuBar {{ background: {p.window}; border-bottom: 1px solid {p.line}; padding: 0 4px; }}
QMenuBar::item {{ padding: 5px 9px; background: transparent; }}
QMenuBar::item:selected {{ background: {hover}; }}
QMenuBar QToolButton {{ color: {p.quiet}; }}
QMenu {{ background: {p.panel}; border: 1px solid {p.line}; padding: 4px 0; }}
QMenu::item {{ padding: 5px 28px 5px 28px; }}
QMenu::item:selected {{ background: {chosen}; }}
QMenu::item:disabled {{ color: {faint}; }}
QMenu::separator {{ height: 1px; background: {p.line}; margin: 4px 8px; }}
QToolBar {{ background: {p.panel}; border: none; spacing: 2px; padding: 4px; }}
QToolBar#tools {{ border-right: 1px solid {p.line}; }}
QToolBar#timeline {{ background: {p.window}; border-bottom: 1px solid {p.line}; padding: 0; }}
QToolButton {{ border: 1px solid transparent; border-radius: 4px; padding: 4px; }}
QToolButton[boxed="true"] {{ border-color: {p.line}; padding: 4px 10px; }}
QToolButton:hover {{ background: {hover}; }}
QToolButton:pressed {{ background: {pressed}; }}
QToolButton:checked, QToolButton[boxed="true"]:checked {{ background: {chosen}; border-color: {p.accent}; }}
QToolButton:focus {{ border-color: {p.accent}; }}
QToolButton::menu-indicator {{ width: 0px; image: none; }}
QPushButton {{ background: {hover}; border: 1px solid {p.line}; border-radius: 4px; padding: 5px 12px; }}
QPushButton:hover {{ background: {pressed}; }}
QPushButton:focus {{ border-color: {p.accent}; }}
QPushButton:disabled {{ color: {faint}; background: {p.panel}; }}
QPushButton:default, QPushButton[main="true"] {{
    background: {p.accent}; color: {p.on_accent}; border-color: {p.accent}; font-weight: 600; }}
QPushButton[main="true"]:hover, QPushButton:default:hover {{ background: {_mix(p.accent, p.text, 0.85)}; }}
QPushButton[main="true"]:focus {{ border-color: {p.text}; }}
QPushButton[main="true"]:disabled, QPushButton:default:disabled {{
    background: {p.panel}; color: {faint}; border-color: {p.line}; }}
QPushButton[role="small"] {{ padding: 1px 10px; }}
QPushButton[role="narrow"] {{ padding: 5px 4px; }}
QDockWidget {{ font-weight: 600; }}
QDockWidget::title {{ background: {p.panel}; border-bottom: 1px solid {p.line}; padding: 6px 8px; }}
QDockWidget > QWidget {{ background: {p.panel}; }}
QScrollArea {{ border: none; }}
QTableView, QTreeView, QListView {{
    background: {p.field}; alternate-background-color: {p.panel}; border: 1px solid {p.line};
    selection-background-color: {chosen}; selection-color: {p.text}; gridline-color: {p.line}; }}
QTableView::item, QTreeView::item, QListView::item {{ padding: 2px 4px; }}
QTableView QCheckBox::indicator, QAbstractItemView::indicator {{
    width: 12px; height: 12px; border: 1px solid {p.quiet}; border-radius: 3px; background: {p.field}; }}
QTableView QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {{
    background: {p.accent}; border-color: {p.accent}; image: url({_ICONS}:tick-{shade}.svg); }}
QTableView QCheckBox::indicator:focus {{ border-color: {p.text}; }}
QTableView:focus, QTreeView:focus, QListView:focus {{ border-color: {p.accent}; }}
QHeaderView::section {{
    background: {p.panel}; color: {p.quiet}; border: none; border-bottom: 1px solid {p.line}; padding: 4px 6px; }}
QMainWindow > QTabBar::tab {{
    background: {p.window}; color: {p.quiet}; border: 1px solid {p.line}; padding: 4px 3px; min-width: 0px; }}
QMainWindow > QTabBar::tab:selected {{ background: {p.panel}; color: {p.text}; border-top-color: {p.panel}; }}
QTableCornerButton::section {{ background: {p.panel}; border: none; }}
QStatusBar {{ background: {p.window}; border-top: 1px solid {p.line}; }}
QStatusBar::item {{ border: none; }}
QProgressBar {{
    background: {p.field}; border: 1px solid {p.line}; border-radius: 4px; text-align: center;
    min-height: 14px; max-height: 14px; }}
QProgressBar::chunk {{ background: {p.accent}; border-radius: 3px; }}
QToolTip {{ background: {p.field}; color: {p.text}; border: 1px solid {p.line}; padding: 4px; }}
QLineEdit {{ background: {p.field}; border: 1px solid {p.line}; border-radius: 4px; padding: 4px 6px; }}
QLineEdit:focus {{ border-color: {p.accent}; }}
QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
QScrollBar::handle {{ background: {p.line}; border-radius: 4px; min-height: 24px; min-width: 24px; margin: 1px; }}
QScrollBar::handle:hover {{ background: {p.quiet}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
QLabel[role="quiet"] {{ color: {p.quiet}; }}
QLabel[role="warning"] {{ color: {p.warning}; }}
QLabel[role="danger"] {{ color: {p.danger_text}; }}
QLabel[role="heading"] {{ font-weight: 600; color: {p.quiet}; }}
QLabel[role="title"] {{ font-size: 22px; font-weight: 600; }}
QLabel[role="strong"] {{ font-weight: 600; }}
QLabel[role="mark"] {{
    color: {p.warning}; border: 1px solid {p.warning}; border-radius: 3px; padding: 0 6px; font-weight: 600; }}
QFrame[role="line"] {{ background: {p.line}; max-height: 1px; min-height: 1px; border: none; }}
QFrame[role="card"] {{ background: {p.panel}; border: 1px solid {p.line}; border-radius: 6px; }}
QFrame[role="banner"] {{ background: {_mix(p.accent, p.window, 0.16)}; border-bottom: 1px solid {p.line}; }}
QFrame[role="proposal"] {{ border: 1px solid {p.accent}; border-radius: 6px; }}
"""


def icon(name: str, colour: str | None = None) -> QIcon:
    """A Material Design icon from qtawesome's bundled font, e.g. "brush", in the palette's colours."""
    palette = current()
    made = qtawesome.icon(
        f"mdi6.{name}", color=colour or palette.text, color_disabled=_mix(palette.text, palette.panel, 0.35)
    )
    assert isinstance(made, QIcon)
    return made
