"""What the user can set: one typed tree with defaults, units and descriptions.

The preferences page is made from `iter_settings`; nothing else lists the settings.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from glioma_annotator import paths
from glioma_annotator.errors import EnvironmentFailure

_log = logging.getLogger(__name__)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        return "reader"


def _setting(
    default: Any,
    description: str,
    unit: str = "",
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    shown: bool = True,
) -> Any:
    """A field with what a preferences page needs; `default` may be a callable."""
    metadata = {
        "description": description,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "shown": shown,
    }
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class DisplaySettings:
    theme: Literal["dark", "light"] = _setting("dark", "Colours of the window")
    convention: Literal["radiological", "neurological"] = _setting(
        "radiological", "Patient's right on the left of the picture (radiological) or on its right (neurological)"
    )
    mask_style: Literal["fill", "outline", "both"] = _setting("both", "How the mask is drawn")
    mask_opacity: float = _setting(0.45, "Opacity of the mask's fill, from 0 to 1", minimum=0.0, maximum=1.0)


@dataclass(frozen=True, slots=True)
class EditingSettings:
    brush_diameter_mm: float = _setting(8.0, "Diameter of the brush at the start", "mm", minimum=0.5, maximum=100.0)
    brush_3d: bool = _setting(False, "The brush paints a ball instead of a disc")
    pen_pressure: bool = _setting(True, "The pressure of a pen sets the size of the brush, up to its diameter")
    undo_mb: int = _setting(256, "Memory for steps that can be undone", "MB", minimum=16, maximum=16384)
    time_log: bool = _setting(True, "Note the active minutes per tool with every revision")


@dataclass(frozen=True, slots=True)
class SegmentationSettings:
    device: Literal["auto", "cpu", "cuda"] = _setting("auto", "Where models run; auto takes a GPU when there is one")
    backend: Literal["auto", "openvino", "torch"] = _setting(
        "auto", "What computes on the CPU; auto takes OpenVINO when it is installed"
    )
    mode: Literal["auto", "one-pass", "tiles", "patches"] = _setting(
        "auto", "How the brain is covered: one pass, tiles with margins, or averaged patches (the slow reference)"
    )
    precision: Literal["auto", "8-bit", "float"] = _setting(
        "auto", "Numbers OpenVINO computes with; auto takes 8 bits, the fastest, where model and processor allow"
    )
    memory_gib: float = _setting(4.0, "Memory a segmentation may use", "GiB", minimum=1.0, maximum=1024.0)
    flips: bool = _setting(False, "Average the prediction of the mirrored (left-right) images too: twice the time")
    post_processing: bool = _setting(True, "Tidy the mask afterwards, as the model's card says")


@dataclass(frozen=True, slots=True)
class BackupSettings:
    every_days: int = _setting(
        1, "Copy the workspace's database when it is opened and its newest copy is that old; 0 for never", "days",
        minimum=0, maximum=365,
    )  # fmt: skip
    kept: int = _setting(7, "Copies of the database that are kept", minimum=1, maximum=365)


@dataclass(frozen=True, slots=True)
class WindowSettings:
    geometry: str = _setting("", "The window's place and size, base64", shown=False)
    state: str = _setting("", "The window's panels, base64", shown=False)
    workspace: str = _setting("", "The workspace opened last", shown=False)
    recent_workspaces: tuple[str, ...] = _setting((), "Workspaces opened before, newest first", shown=False)


@dataclass(frozen=True, slots=True)
class Settings:
    author: str = _setting(_user, "Your name, recorded with every mask you save")
    display: DisplaySettings = field(default_factory=DisplaySettings)
    editing: EditingSettings = field(default_factory=EditingSettings)
    segmentation: SegmentationSettings = field(default_factory=SegmentationSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    window: WindowSettings = field(default_factory=WindowSettings)


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """One setting, described.

    Attributes
    ----------
    path: its name in the tree, e.g. "editing.brush_diameter_mm".
    type: str, bool, int, float, or tuple (of str).
    default: its value when nothing was set.
    unit: for a reader; empty for none.
    description: one line for a reader.
    choices: the only values allowed; empty when there is no such list.
    minimum, maximum: bounds of a number; None for no bound.
    shown: False for what the program keeps for itself and no page shows.
    """

    path: str
    type: type
    default: Any
    unit: str
    description: str
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    shown: bool

    def fault(self, value: object) -> str:
        """Why a value cannot be taken, for a reader; empty when it can."""
        if self.type is tuple:
            fits = isinstance(value, tuple) and all(isinstance(item, str) for item in value)
        elif self.type is float:
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        else:
            fits = type(value) is self.type
        if not fits:
            return f"is not a {_TYPE_NAMES[self.type]}"
        if self.shown and self.type is str and not str(value).strip():
            return "is empty"
        if self.choices and value not in self.choices:
            return f"is not one of {', '.join(self.choices)}"
        if isinstance(value, int | float):
            if self.minimum is not None and not value >= self.minimum:  # NaN too
                return f"is less than {self.minimum:g}"
            if self.maximum is not None and not value <= self.maximum:
                return f"is more than {self.maximum:g}"
        return ""


_TYPE_NAMES: dict[type, str] = {
    str: "text",
    bool: "yes or no",
    int: "whole number",
    float: "number",
    tuple: "list of texts",
}


def iter_settings(part: type = Settings, prefix: str = "") -> Iterator[SettingInfo]:
    """Every setting in reading order."""
    hints = get_type_hints(part)
    for entry in dataclasses.fields(part):
        kind, path = hints[entry.name], prefix + entry.name
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            yield from iter_settings(kind, f"{path}.")
            continue
        default = entry.default if entry.default is not dataclasses.MISSING else _made(entry)
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        plain = str if choices else get_origin(kind) or kind
        yield SettingInfo(path, plain, default, choices=choices, **entry.metadata)


def _made(entry: dataclasses.Field[Any]) -> Any:
    assert entry.default_factory is not dataclasses.MISSING
    return entry.default_factory()


def value_of(settings: Settings, path: str) -> Any:
    """The value of a setting by its path. Raises `AttributeError` for an unknown path."""
    value: Any = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def with_value(settings: Settings, path: str, value: Any) -> Settings:
    """`settings` with one value replaced. Raises `ValueError`, for a reader, for a value that cannot be taken."""
    info = next(info for info in iter_settings() if info.path == path)
    fault = info.fault(value)
    if fault:
        raise ValueError(f"{info.description}: {value!r} {fault}.")
    return _set(settings, info, value)


def _set(settings: Settings, info: SettingInfo, value: Any) -> Settings:
    changed = _replaced(settings, info.path.split("."), float(value) if info.type is float else value)
    assert isinstance(changed, Settings)
    return changed


def _replaced(part: Any, names: list[str], value: Any) -> Any:
    name, *rest = names
    return dataclasses.replace(part, **{name: _replaced(getattr(part, name), rest, value) if rest else value})


def load_settings(file: Path | None = None) -> Settings:
    """The user's settings; what cannot be used keeps its default, which the log notes. Never fails."""
    settings, notes = read_settings(file)
    for note in notes:
        _log.warning("%s", note)
    return settings


def read_settings(file: Path | None = None) -> tuple[Settings, tuple[str, ...]]:
    """Settings and what was wrong with the file, one sentence each. A file that is no JSON is kept as `.bad`."""
    file = file or paths.settings_file()
    settings = Settings()
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("not a table of settings")
    except FileNotFoundError:
        return settings, ()
    except OSError as error:
        return settings, (f"The settings could not be read ({error.strerror}); the defaults are used.",)
    except (ValueError, RecursionError):  # no text, no JSON, or nested without end
        return settings, (_set_aside(file),)
    notes = []
    known = {info.path: info for info in iter_settings()}
    for path, value in _leaves(found):
        if path not in known:
            notes.append(f"The setting {path} is unknown and was left out.")
            continue
        taken = tuple(value) if isinstance(value, list) else value
        fault = known[path].fault(taken)
        if fault:
            notes.append(f"The setting {path} {fault}; its default is used.")
        else:
            settings = _set(settings, known[path], taken)
    return settings, tuple(notes)


def _leaves(found: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _set_aside(file: Path) -> str:
    bad = file.with_name(f"{file.name}.bad")
    try:
        file.replace(bad)
    except OSError:
        return "The settings file is damaged; the defaults are used."
    return f"The settings file is damaged and was kept as {bad.name}; the defaults are used."


def save_settings(settings: Settings, file: Path | None = None) -> None:
    """Write every setting; the file changes whole or not at all. Raises `EnvironmentFailure`."""
    file = file or paths.settings_file()
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as output:
            json.dump(dataclasses.asdict(settings), output, indent=2)
            output.flush()
            os.fsync(output.fileno())
        temporary.replace(file)
    except OSError as error:
        raise EnvironmentFailure(
            f"The settings could not be saved ({error.strerror or error}).",
            f"Make room on the disk, or check that you may write to {file.parent}.",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
