"""Settings survive, and a bad file never stops the program."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioma_annotator import paths
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.settings import (
    SettingInfo,
    Settings,
    iter_settings,
    load_settings,
    read_settings,
    save_settings,
    value_of,
    with_value,
)


def test_without_a_file_there_are_the_defaults() -> None:
    assert read_settings() == (Settings(), ())
    assert Settings().author


def test_settings_come_back_as_they_were_saved() -> None:
    changed = with_value(Settings(), "author", "Dr. Ä\ud800")
    for path, value in (
        ("display.theme", "light"),
        ("editing.brush_diameter_mm", 3),
        ("editing.brush_3d", True),
        ("window.recent_workspaces", ("/a", "/b")),
    ):
        changed = with_value(changed, path, value)
        assert value_of(changed, path) == value
    save_settings(changed)
    assert read_settings() == (changed, ())
    assert [p.name for p in paths.settings_file().parent.iterdir()] == ["settings.json"]


def test_every_setting_is_described() -> None:
    infos = list(iter_settings())
    assert len({info.path for info in infos}) == len(infos) > 8
    for info in infos:
        assert info.description
        assert info.fault(info.default) == ""
        assert value_of(Settings(), info.path) == info.default
        assert not info.choices or info.default in info.choices
    shown = {info.path for info in infos if info.shown}
    assert "editing.brush_diameter_mm" in shown
    assert "window.geometry" not in shown
    diameter = next(info for info in infos if info.path == "editing.brush_diameter_mm")
    assert (diameter.type, diameter.unit, diameter.minimum, diameter.maximum) == (float, "mm", 0.5, 100.0)
    device = next(info for info in infos if info.path == "segmentation.device")
    assert (device.type, device.choices) == (str, ("auto", "cpu", "cuda"))


@pytest.mark.parametrize(
    ("path", "value", "why"),
    [
        ("display.theme", "pink", "is not one of dark, light"),
        ("display.mask_opacity", 1.5, "is more than 1"),
        ("display.mask_opacity", float("nan"), "is less than 0"),
        ("display.mask_opacity", "half", "is not a number"),
        ("display.mask_opacity", True, "is not a number"),
        ("editing.undo_mb", 3, "is less than 16"),
        ("editing.undo_mb", 20.5, "is not a whole number"),
        ("editing.brush_3d", 1, "is not a yes or no"),
        ("author", None, "is not a text"),
        ("author", "  ", "is empty"),
        ("window.recent_workspaces", "x", "is not a list of texts"),
        ("window.recent_workspaces", [1], "is not a list of texts"),
    ],
)
def test_a_value_that_cannot_be_used_keeps_its_default_with_a_note(path: str, value: object, why: str) -> None:
    tree: dict[str, Any] = {"author": "Reader", "editing": {"brush_3d": True}}
    *sections, name = path.split(".")
    part = tree.setdefault(sections[0], {}) if sections else tree
    part[name] = value
    paths.settings_file().write_text(json.dumps(tree))
    settings, notes = read_settings()
    assert notes == (f"The setting {path} {why}; its default is used.",)
    assert value_of(settings, path) == value_of(Settings(), path)
    if path != "author":
        assert settings.author == "Reader"
    with pytest.raises(ValueError, match=why):
        with_value(Settings(), path, tuple(value) if isinstance(value, list) else value)


def test_unknown_settings_are_left_out_with_a_note(caplog: pytest.LogCaptureFixture) -> None:
    paths.settings_file().write_text('{"display": 3, "future": {"depth": 1}, "author": "R"}')
    with caplog.at_level(logging.WARNING):
        assert load_settings() == dataclasses.replace(Settings(), author="R")
    assert "The setting display is unknown" in caplog.text
    assert "The setting future.depth is unknown" in caplog.text


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe\x00", b"null", b'{"author": ' + b"[" * 100_000])
def test_a_damaged_file_is_kept_aside_and_the_defaults_are_used(content: bytes) -> None:
    paths.settings_file().write_bytes(content)
    settings, notes = read_settings()
    assert settings == Settings()
    assert notes == ("The settings file is damaged and was kept as settings.json.bad; the defaults are used.",)
    assert paths.settings_file().with_name("settings.json.bad").read_bytes() == content
    save_settings(settings)
    assert read_settings() == (Settings(), ())


def test_an_unreadable_file_gives_the_defaults() -> None:
    paths.settings_file().mkdir()
    settings, (note,) = read_settings()
    assert settings == Settings()
    assert "could not be read" in note


def test_settings_that_cannot_be_saved_are_explained_and_the_old_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.json"
    save_settings(with_value(Settings(), "author", "first"), file)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(EnvironmentFailure, match=r"could not be saved \(No space left on device\)"):
        save_settings(Settings(), file)
    assert read_settings(file)[0].author == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["settings.json"]
    (tmp_path / "occupied").touch()
    with pytest.raises(EnvironmentFailure):
        save_settings(Settings(), tmp_path / "occupied" / "settings.json")


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([i.path for i in iter_settings()]), inner)
    ),
    max_leaves=20,
)


@given(_JSON)
def test_no_content_of_the_file_stops_the_program(content: object) -> None:
    paths.settings_file().parent.mkdir(exist_ok=True, parents=True)
    paths.settings_file().write_text(json.dumps(content))
    settings, _ = read_settings()
    for info in iter_settings():
        assert _usable(info, value_of(settings, info.path))


def _usable(info: SettingInfo, value: object) -> bool:
    return info.fault(value) == ""
