"""The benchmark that repeats the reference's tables, on made-up cases."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from made_cases import write_case, write_cases

from glioma_annotator.adaptation.live_log import LiveLog
from glioma_annotator.errors import UserError

CONFIG = """
name = "tiny"
[network]
parameters = { filters = [2, 4], branch_fraction = 0.5 }
[data]
cases = ["x"]
[patches]
size = 16
volumes = 1
per_volume = 1
[augmentation]
bias_field = 0.0
noise = 0.0
[run]
steps = 1
workers = 0
device = "cpu"
precision = "float32"
"""


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "thesis_tables.py"
    spec = importlib.util.spec_from_file_location("thesis_tables", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveLog, "draw", lambda *_, **__: None)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_table_has_its_rows(tables: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(CONFIG)
    cases = write_cases(tmp_path / "cases", 2)
    common = ["--config", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "out"), "--cases", f"made={cases}"]
    tables.main([*common, "--tables", "3", "4", "5", "--centre", str(cases), "--budget", "120"])
    strategies = rows(tmp_path / "out" / "table3.csv")
    assert [row["row"] for row in strategies] == ["random", "balanced", "labelled", "sequential"]
    assert [row["row"] for row in rows(tmp_path / "out" / "table4.csv")] == [
        "multi-class, dice",
        "multi-class, dice+ce",
        "multi-label, dice",
        "multi-label, dice+ce",
    ]
    adapted = rows(tmp_path / "out" / "table5.csv")
    assert adapted[0]["row"] == "0 cases"
    assert "of the error removed" in adapted[1]["row"]
    for row in (*strategies, *adapted):
        assert all(0 <= float(row[column]) <= 100 for column in ("overall", "TC", "WT", "ET"))


def test_cases_without_tumour_have_no_figures(tables: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(CONFIG)
    for number in (1, 2):
        write_case(tmp_path / "cases" / f"case{number}", number, tumour=False)
    place = str(tmp_path / "cases")
    config = tables.read_config(tmp_path / "tiny.toml")
    assert set(tables._cells(tables._trained(config, place, tmp_path / "row"))) == {"-"}
    write_case(tmp_path / "cases" / "case0", 7)  # what comes later may change what is tested on
    with pytest.raises(UserError, match="The cases changed since the training began: new case0"):
        tables._trained(config, place, tmp_path / "row")


@pytest.mark.parametrize("more", [[], ["--centre", "one"]])
def test_what_table_5_needs_is_missed_before_anything_is_trained(
    tables: ModuleType, tmp_path: Path, more: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.toml").write_text(CONFIG)
    write_cases(tmp_path / "one", 1)
    with pytest.raises(SystemExit, match="Table 5 needs"):
        tables.main(["--config", "tiny.toml", "--out", "out", "--cases", "made=one", *more])
    assert not (tmp_path / "out").exists()


def test_a_data_set_without_a_name_is_refused(tables: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="NAME=FOLDER"):
        tables.main(["--cases", "somewhere", "--out", str(tmp_path)])
