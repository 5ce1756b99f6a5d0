"""What a run folder records, and what it lets a training go on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glioma_annotator.adaptation.config import DataConfig, TrainingConfig
from glioma_annotator.adaptation.run_folder import CONFIG, PROVENANCE, check_cases, check_run, open_run
from glioma_annotator.adaptation.training import CHECKPOINT
from glioma_annotator.errors import UserError

LEARN, SCORE = {"a": "1", "b": "2"}, {"c": "3"}


def begun(folder: Path, **data: Any) -> Path:
    record = {"started": "then", "data": {"cases": LEARN, "validation": SCORE, **data}}
    (folder / PROVENANCE).write_text(json.dumps(record))
    return folder


def test_the_cases_of_before_are_gone_on_with(tmp_path: Path) -> None:
    check_cases(tmp_path, LEARN, SCORE)  # nothing was begun
    check_cases(begun(tmp_path), LEARN, SCORE)


@pytest.mark.parametrize(
    ("learn", "score", "named"),
    [
        ({**LEARN, "d": "4"}, SCORE, "new d"),
        ({"a": "1"}, SCORE, "missing b"),
        ({"a": "1", "b": "9"}, SCORE, "with other files b"),
        ({"a": "1"}, {"b": "2", "c": "3"}, "learnt from then, scored now b"),
        ({**LEARN, "c": "3"}, {}, "scored then, learnt from now c"),
        ({**LEARN, **{f"n{n}": "5" for n in range(7)}}, SCORE, "new n0, n1, n2, n3, n4 and 2 more"),
    ],
)
def test_cases_that_changed_are_named(tmp_path: Path, learn: dict[str, str], score: dict[str, str], named: str) -> None:
    with pytest.raises(UserError, match=f"The cases changed since the training began: .*{named}"):
        check_cases(begun(tmp_path), learn, score)


def test_a_checkpoint_whose_cases_nobody_knows_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).touch()
    check_cases(tmp_path, {}, {})  # synthetic tumours alone
    with pytest.raises(UserError, match=r"not known: no provenance\.json"):
        check_cases(tmp_path, LEARN, SCORE)


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", '{"data": {"cases": 3}}'])
def test_damaged_files_of_a_run_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / PROVENANCE).write_text(text)
    with pytest.raises(UserError, match=r"provenance\.json” is damaged"):
        check_cases(tmp_path, LEARN, SCORE)
    if text != "{}" and "data" not in text:
        (tmp_path / CONFIG).write_text(text)
        with pytest.raises(UserError, match=r"config\.json” is damaged"):
            check_run(tmp_path, TrainingConfig("m"), resume=True)


def test_a_run_whose_paths_were_recorded_as_they_were_typed_is_gone_on_with(tmp_path: Path) -> None:
    def config(place: str) -> TrainingConfig:
        return TrainingConfig("m", data=DataConfig(cases=(place,)))

    open_run(tmp_path, config("configs/../cases"), resume=False)
    check_run(tmp_path, config("/here/configs/../cases"), resume=True)
    with pytest.raises(UserError, match=r"data\.cases"):
        check_run(tmp_path, config("/here/other"), resume=True)
