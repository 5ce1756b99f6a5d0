"""Configurations of a training are checked before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from glioma_annotator import paths
from glioma_annotator.adaptation.config import Output, ScheduleKind, Stage, Strategy
from glioma_annotator.adaptation.config_file import read_config
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import UserError

GOOD = """
name = "m"
output = "multi-label"
[network]
architecture = "segresnet"
parameters = { init_filters = 8 }
[data]
cases = ["cases", "/elsewhere/*"]
channels = ["FLAIR", "T1Gd"]
[patches]
strategy = "balanced"
size = 32
[optimiser]
schedule = "cosine"
learning_rate = 1
[run]
steps = 10
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "training.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_entries_are_read_and_paths_count_from_the_file(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, GOOD))
    assert config.output is Output.MULTI_LABEL
    assert config.network.parameters == {"init_filters": 8}
    assert config.data.cases == (str(tmp_path / "cases"), "/elsewhere/*")
    assert config.data.channels == (SequenceRole.FLAIR, SequenceRole.T1GD)
    assert config.patches.strategy is Strategy.BALANCED
    assert config.optimiser.schedule is ScheduleKind.COSINE
    assert config.optimiser.learning_rate == 1.0
    assert config.all_stages() == (Stage(1.0, 32, 24),)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("glioma", "glioma"),
        ("glioma-2", "glioma"),
        ("glioma-3", "glioma"),
        ("glioma-fit", "glioma"),
        ("glioma-fast", "glioma-fast"),
        ("glioma-fast-2", "glioma-fast"),
        ("thesis", "thesis"),
    ],
)
def test_the_configurations_that_come_with_the_program_are_right(file: str, name: str) -> None:
    assert read_config(paths.resources() / "configs" / f"{file}.toml").name == name


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "“name” is missing"),
        ("name = 3", "“name” must be a text"),
        ("name = 'm'\ncolour = 1", "“colour” is unknown"),
        ("name = 'm'\n[run]\nstep = 3", "“run.step” is unknown; did you mean “steps”?"),
        ("name = 'm'\n[run]\nsteps = 3.5", "“run.steps” must be a whole number"),
        ("name = 'm'\n[run]\nsteps = true", "“run.steps” must be a whole number"),
        ("name = 'm'\nrun = 3", "“run” must be a table"),
        ("name = 'm'\n[data]\ncases = 'x'", "“data.cases” must be a list"),
        ("name = 'm'\n[data]\ncases = [3]", r"“data.cases\[0\]” must be a text"),
        ("name = 'm'\n[data]\nchannels = ['T3']", "one of T1, T1Gd"),
        ("name = 'm'\n[network]\nparameters = 3", "“network.parameters” must be a table"),
        ("name = 'm'\n[[stages]]\nend = 1", r"“stages\[0\].end” is unknown"),
        ("name = ", "not valid TOML"),
        ("name = " + "[" * 100_000, "not valid TOML"),
        ("name = 'm'\n[card.sources." + "a." * 3000 + "a]\nb = 1", "nested too deeply"),
        ("name = " + "9" * 5000, "not valid TOML"),
        ("name = 'm'\n[run]\nminutes = " + "9" * 400, "“run.minutes” is larger"),
        ("name = 'm'\n[patches]\nper_volume = " + "9" * 40, "“patches.per_volume” is larger"),
        ("name = 'm'", "no data"),
        ("name = 'a/b'", "path separator"),
        ("name = '..'", "path separator"),
        ("name = 'm'\n[card.sources]\na = nan", "“card.sources.a” is no number"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(UserError, match=named):
        read_config(written(tmp_path, text))


@pytest.mark.parametrize(
    ("replaced", "by", "named"),
    [
        ("segresnet", "swin-unetr", "network.architecture"),
        ("steps = 10", "steps = 0", "would never end"),
        ("steps = 10", "steps = 10\ndevice = 'tpu'", "run.device"),
        ("steps = 10", "steps = 10\nema = 1.0", "run.ema"),
        ("steps = 10", "steps = 10\nseed = -1", "run.seed"),
        ("steps = 10", "steps = 10\nseed = 99999999999999999999", "run.seed” is larger"),
        ("size = 32", "size = 20", "multiple of 8"),
        ("learning_rate = 1", "learning_rate = 0", "learning_rate"),
        ("learning_rate = 1", "learning_rate = inf", "learning_rate"),
        ("learning_rate = 1", "weight_decay = 1e300", "weight_decay is negative or infinite"),
        ("steps = 10", "steps = 10\nthreads = 100000", "run.threads or run.workers is above 256"),
        ("parameters =", "background_bias = nan\nparameters =", "background_bias"),
        ("[patches]", "[loss]\nclass_weights = [1, nan, 1, 1, 1]\n[patches]", "class_weights needs 5 numbers"),
        ('"FLAIR", "T1Gd"', '"FLAIR", "FLAIR"', "twice"),
        ("[run]", "[loss]\nclass_weights = [1.0, 1.0, 1.0, 1.0, 1.0]\n[run]", "multi-class"),
        ("[run]", "[[stages]]\nuntil = 0.5\n[run]", "the last at 1"),
        ("[run]", "[repeat]\nfolds = 1\n[run]", "at least 2 folds"),
        ("[run]", "[repeat]\nfolds = 2\nmembers = 2\n[run]", "exclude each other"),
        ('"balanced"', '"whole"', "one at a time"),
        ('"FLAIR", "T1Gd"]', '"FLAIR", "other"]\nsynthetic = "d"', "synthetic generator makes"),
        ("[patches]", "optional = ['T2']\n[patches]", "does not"),
        (
            "[patches]",
            "synthetic = 'd'\nkinds = { rings = 1 }\n[patches]",
            "kinds names “rings”; known are ring, solid",
        ),
        ("[patches]", "synthetic = 'd'\nkinds = { ring = -1, solid = 2 }\n[patches]", "shares of 0 or more"),
        ("[patches]", "synthetic = 'd'\nkinds = { ring = 0 }\n[patches]", "one of them above 0"),
        ("[patches]", "synthetic = 'd'\nkinds = { ring = 'all' }\n[patches]", "shares of 0 or more"),
        ("[patches]", "synthetic = 'd'\nkinds = { ring = true }\n[patches]", "shares of 0 or more"),
        ("[patches]", "kinds = { ring = 1 }\n[patches]", "kinds is for the synthetic generator"),
        ("[patches]", "validation_share = 1.5\n[patches]", "validation_share is not between 0 and 1"),
        ("[patches]", "validation_share = nan\n[patches]", "validation_share is not between 0 and 1"),
        ("[run]", "[network.init]\nwiden = 'x'\n[run]", "widen needs"),
    ],
)
def test_values_that_make_no_sense_are_named(tmp_path: Path, replaced: str, by: str, named: str) -> None:
    assert replaced in GOOD
    with pytest.raises(UserError, match=named):
        read_config(written(tmp_path, GOOD.replace(replaced, by)))


def test_a_byte_order_mark_as_windows_editors_write_it_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "marked.toml").write_text(GOOD, encoding="utf-8-sig")
    assert read_config(tmp_path / "marked.toml") == read_config(written(tmp_path, GOOD))


def test_it_does_not_matter_from_where_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    assert read_config(Path(path.name)) == read_config(path)


def test_the_home_folder_of_nobody_is_a_path_like_any_other(tmp_path: Path) -> None:
    text = GOOD.replace("[patches]", "validation = ['~nobody-of-that-name/x']\n[patches]")
    config = read_config(written(tmp_path, text))
    assert config.data.validation == (str(tmp_path / "~nobody-of-that-name/x"),)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_config(tmp_path / "none.toml")
