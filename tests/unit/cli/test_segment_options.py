from __future__ import annotations

import pytest

from glioma_annotator.cli.loose import segmentation_options
from glioma_annotator.cli.main import build_parser
from glioma_annotator.settings import Settings, load_settings, save_settings, with_value


def options(*arguments: str) -> object:
    return segmentation_options(build_parser().parse_args(["segment", *arguments]))


def test_without_options_the_user_s_settings_count() -> None:
    changed = with_value(with_value(Settings(), "segmentation.mode", "tiles"), "segmentation.memory_gib", 2.0)
    save_settings(changed)
    assert options() == load_settings().segmentation == changed.segmentation


def test_options_of_the_command_come_first() -> None:
    given = options(
        "--mode", "patches", "--backend", "torch", "--memory", "1.5", "--precision", "8-bit", "--flips", "--raw"
    )
    expected = Settings()
    for name, value in {
        "mode": "patches",
        "backend": "torch",
        "memory_gib": 1.5,
        "precision": "8-bit",
        "flips": True,
        "post_processing": False,
    }.items():
        expected = with_value(expected, f"segmentation.{name}", value)
    assert given == expected.segmentation


@pytest.mark.parametrize("arguments", [("--mode", "fast"), ("--backend", "onnx"), ("--memory", "0.1")])
def test_what_makes_no_sense_is_refused(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(*arguments)
    assert arguments[0] in capsys.readouterr().err
