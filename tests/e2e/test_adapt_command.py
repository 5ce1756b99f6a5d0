"""`adapt` and `models` as a user types them, on a tiny model."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adaptation_cases import small_model, visit, with_labels, write_case
from fake_models import BASE, outcome_of
from tiny_models import CHANNELS

from glioma_annotator import app
from glioma_annotator.adaptation.methods import last_layer
from glioma_annotator.cli.adapt import budget_seconds
from glioma_annotator.cli.console import ExitCode
from glioma_annotator.cli.main import main
from glioma_annotator.domain.adaptation import AdaptationCase
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.patient import Timepoint
from glioma_annotator.domain.revision import RevisionOrigin, RevisionStatus
from glioma_annotator.domain.sequences import Sequence


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_layer, "STEPS", 80)
    monkeypatch.setattr(last_layer, "DRAWN", (600, 600, 600))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small_model(tmp_path / "models")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main([*arguments, "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def adapt_files(
    capsys: pytest.CaptureFixture[str], model: Path, out: Path, case: AdaptationCase, *more: str
) -> tuple[int, dict[str, Any]]:
    files = write_case(out.parent / "case", case)
    arguments = ("adapt", "--model", str(model), "--case", *files, "--out", str(out), "--method", "last-layer")
    return run(capsys, *arguments, "--device", "cpu", *more)


def test_loose_files_make_a_new_model(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = adapt_files(capsys, model, tmp_path / "new", visit())
    assert (code, told["accepted"], told["model"]) == (ExitCode.DONE, True, str(tmp_path / "new"))
    assert told["mean_dice"]["after"] > told["mean_dice"]["before"]
    assert json.loads((tmp_path / "new" / "card.json").read_text())["parent"] == "base"


def test_a_refused_model_gives_code_4_and_is_written_only_with_keep(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_layer, "STEPS", 0)  # what comes out is what went in
    code, told = adapt_files(capsys, model, tmp_path / "new", visit())
    assert (code, told["accepted"], told["model"]) == (ExitCode.REFUSED, False, None)
    assert code == 4 and not (tmp_path / "new").exists()
    code, told = adapt_files(capsys, model, tmp_path / "new", visit(), "--keep")
    assert (code, told["accepted"]) == (4, False)
    assert (tmp_path / "new" / "card.json").is_file()


def test_a_mask_carried_over_that_fits_better_is_told_and_the_model_accepted_all_the_same(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = outcome_of(BASE)
    better = replace(found, verdict=replace(found.verdict, carried=0.95))
    monkeypatch.setattr("glioma_annotator.cli.adapt.adapt_to_folder", lambda *_args, **_more: (better, True))
    code, told = adapt_files(capsys, model, tmp_path / "new", visit())
    assert (code, told["accepted"], told["carry_over_instead"]) == (0, True, True)
    assert "0.950 against 0.900" in told["advice"]
    files = write_case(tmp_path / "case", visit())
    assert main(["adapt", "--model", str(model), "--case", *files, "--out", str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out
    assert f"note: {told['advice']}" in out and "accepted: " in out
    monkeypatch.setattr("glioma_annotator.cli.adapt.adapt_to_folder", lambda *_args, **_more: (found, True))
    _, told = adapt_files(capsys, model, tmp_path / "new", visit())
    assert (told["carry_over_instead"], told["advice"]) == (False, "")


def test_a_model_whose_card_asks_for_an_enormous_network_is_named_with_the_reason(
    model: Path, workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for card in (model / "card.json", workspace / "models" / "base" / "card.json"):
        card.write_text(json.dumps(json.loads(card.read_text()) | {"parameters": {"filters": [10**6, 8]}}))
    where = ("--workspace", str(workspace))
    files = write_case(tmp_path / "case", visit())
    for words in (
        ("adapt", "--model", str(model), "--case", *files, "--out", str(tmp_path / "new")),
        ("adapt", "--model", "base", *where, "--patient", "PAT-1"),
        ("models", "use", "base", *where),
        ("segment", "--model", str(model), *where, "--patient", "PAT-1"),
    ):
        assert main(list(words)) == ExitCode.USER
        assert "channels at full resolution, at most 512 are built" in capsys.readouterr().err
    assert "left out" in " ".join(run(capsys, "models", "list", *where)[1]["problems"])


def test_a_case_may_lack_a_sequence_and_a_holdout_is_judged_on(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_case(tmp_path / "a", visit())
    first[1] = "-"
    written = json.loads((model / "card.json").read_text()) | {"optional": ["T2"]}
    (model / "card.json").write_text(json.dumps(written))
    second = write_case(tmp_path / "b", visit(seed=3))
    arguments = ("adapt", "--model", str(model), "--case", *first, "--holdout", *second, "--out", str(tmp_path / "new"))
    code, told = run(capsys, *arguments, "--method", "last-layer", "--device", "cpu")
    assert code == 0 and told["held_out"] == "the visit mask"
    assert any("T2" in message and "absent" in message for message in told["messages"])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What adaptations of loose files were asked for; each of them is accepted."""
    requests: list[Any] = []

    def adapted(_adapter: Any, request: Any, *_: Any, **_more: Any) -> Any:
        requests.append(request)
        return outcome_of(BASE), True

    monkeypatch.setattr("glioma_annotator.cli.adapt.adapt_to_folder", adapted)
    return requests


def test_a_cavity_beside_masks_with_a_3_is_no_enhancing_tumour(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: list[Any]
) -> None:
    case = visit()
    marked = np.zeros_like(case.labels)
    marked[8:12, 8:12, 8:12] = 3
    cavity = with_labels(case, np.where(marked, 4, 0).astype(np.uint8))
    after = write_case(tmp_path / "after", cavity)
    before = write_case(tmp_path / "before", with_labels(case, marked))
    words = ("adapt", "--model", str(model), "--out", str(tmp_path / "new"), "--case", *after)
    _, told = run(capsys, *words, "--holdout", *before)
    assert not any("BraTS" in message for message in told["messages"])
    run(capsys, *words, "--post-operative")
    run(capsys, *words, "--labels", "program")
    _, alone = run(capsys, *words)
    assert any(message.startswith("Value 4 is ET in mask (labels of BraTS 2021)") for message in alone["messages"])
    assert [int(request.cases[0].labels.max()) for request in asked] == [4, 4, 4, 3]


def test_masks_with_core_and_a_4_are_read_as_the_others_are_and_that_is_told(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: list[Any]
) -> None:
    case = visit()
    core = np.zeros_like(case.labels)
    core[8:12, 8:12, 8:12], core[12, 8:12, 8:12] = 1, 4
    both = write_case(tmp_path / "both", with_labels(case, core))
    enhancing = write_case(tmp_path / "enhancing", case)
    words = ("adapt", "--model", str(model), "--out", str(tmp_path / "new"), "--case", *both)
    _, told = run(capsys, *words, "--holdout", *enhancing)
    assert any(m.startswith("Value 4 is a cavity in mask, as in the other masks") for m in told["messages"])
    _, alone = run(capsys, *words)
    assert any(message.startswith("Value 4 is ET in mask (labels of BraTS 2021)") for message in alone["messages"])
    assert [set(np.unique(request.cases[0].labels)) for request in asked] == [{0, 1, 4}, {0, 1, 3}]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--seed", "-1"), "A seed is not negative"),
        (("--holdout", "CASE"), "T1Gd.nii.gz, T2.nii.gz, FLAIR.nii.gz, mask.nii.gz are given more than once"),
        (("--out", "n" * 254), "a name that a model cannot have"),
        (("--out", "a\nb"), "a name that a model cannot have"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_read(
    words: tuple[str, ...], told: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_case(tmp_path / "a", visit())
    more = [word for given in words for word in (files if given == "CASE" else [given])]
    given = ["adapt", "--model", str(model), "--case", *files, "--out", str(tmp_path / "new"), *more]
    assert main(given) == ExitCode.USER
    assert told in capsys.readouterr().err


def test_a_visit_that_the_model_cannot_segment_is_refused_before_anything_is_trained(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_case(tmp_path / "a", visit())
    files[1] = "-"
    assert main(["adapt", "--model", str(model), "--case", *files, "--out", str(tmp_path / "new")]) == ExitCode.USER
    told = capsys.readouterr().err
    assert "needs T1Gd, T2, FLAIR, but T2 is missing" in told and "Leave this visit out" in told
    assert not (tmp_path / "new").exists()


def test_masks_without_tumour_are_a_users_matter(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = visit()
    code, _ = adapt_files(capsys, model, tmp_path / "new", with_labels(case, np.zeros_like(case.labels)))
    assert code == ExitCode.USER


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5min", 300), ("1h", 3600), ("45", 45), ("1.5 min", 90)])
def test_a_budget_is_read_with_its_unit(text: str, seconds: float) -> None:
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3s", "0min", "5 days", "nan"])
def test_a_budget_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        budget_seconds(text)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A patient with one approved visit; the tiny model is the workspace's own."""
    path = tmp_path / "w"
    store = app.open_store(path)
    case = visit()
    patient = store.add_patient("PAT-1")
    sequences = tuple(Sequence(role.value, role, "") for role in CHANNELS)
    timepoint = Timepoint(patient.id or 0, "v0", 0, case.grid, "T1Gd", sequences=sequences)
    timepoint = store.add_timepoint(timepoint, {role.value: case.images[role] for role in CHANNELS})
    revision = store.add_revision(
        timepoint, case.labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.MANUAL, author="Dr"
    )
    store.set_status(revision.id or 0, RevisionStatus.APPROVED)
    store.close()
    small_model(path / "models")
    return path


def test_one_command_makes_the_model_this_patients_and_the_next_segmentation_uses_it(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--workspace", str(workspace))
    assert run(capsys, "models", "use", "base", *where)[1]["current"] == "base"
    code, told = run(capsys, "adapt", *where, "--patient", "PAT-1", "--method", "last-layer", "--device", "cpu")
    assert (code, told["accepted"], told["current"]) == (0, True, True)
    code, listed = run(capsys, "models", "list", *where)
    current = {m["name"]: m["current_for"] for m in listed["models"] if m["place"] != "shipped"}
    assert current == {"base": [""], "PAT-1-last-layer": ["PAT-1"]}
    code, told = run(capsys, "segment", *where, "--patient", "PAT-1", "--accept", "--device", "cpu")
    assert code == 0 and told["visits"][0]["model"].startswith("PAT-1-last-layer@")
    assert main(["models", "delete", "PAT-1-last-layer", *where]) == ExitCode.USER  # current, and made a mask
    assert run(capsys, "models", "rollback", *where, "--patient", "PAT-1")[1]["current"] == "base"
    assert main(["models", "delete", "PAT-1-last-layer", *where]) == ExitCode.USER
    assert "must not be lost" in capsys.readouterr().err


def test_models_travel_as_one_file(workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--workspace", str(workspace))
    assert main(["models", "export", "base", *where, "--out", str(tmp_path / "base.zip")]) == 0
    assert main(["models", "delete", "base", *where]) == 0
    capsys.readouterr()
    code, told = run(capsys, "models", "import", str(tmp_path / "base.zip"), *where)
    assert (code, told["model"], told["current"]) == (0, "base", False)
    code, shown = run(capsys, "models", "show", "base", *where)
    assert shown["place"] == "workspace" and shown["masks"] == 0
    assert main(["models", "show", "base", *where]) == 0
    assert "channels: ['T1Gd'" in capsys.readouterr().out


def test_without_a_mask_of_a_reader_the_visits_that_may_be_named_are_told(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = app.open_store(workspace)
    case, patient = visit(), store.add_patient("PAT-2")
    sequences = tuple(Sequence(role.value, role, "") for role in CHANNELS)
    timepoint = Timepoint(patient.id or 0, "v7", 0, case.grid, "T1Gd", sequences=sequences)
    timepoint = store.add_timepoint(timepoint, {role.value: case.images[role] for role in CHANNELS})
    store.add_revision(timepoint, case.labels, GLIOMA_POST_TREATMENT, origin=RevisionOrigin.AUTOMATIC, author="Dr")
    store.add_patient("PAT-3")
    store.close()
    for key, told in (("PAT-2", "--timepoint v7"), ("PAT-3", "Correct a visit")):
        assert main(["adapt", "--workspace", str(workspace), "--patient", key]) == ExitCode.USER
        assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("--workspace", "w", "--patient", "P", "--holdout", "a", "b", "c", "d"),
        ("--workspace", "w", "--patient", "P", "--pre-operative"),
        ("--workspace", "w", "--patient", "P", "--labels", "brats2021"),
        ("--case", "a", "b", "c", "d", "--out", "new", "--slices", "v0=1-3"),
        ("--case", "a", "b", "c", "d", "--out", "new", "--patient", "P"),
    ],
)
def test_options_that_would_not_count_are_refused(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapt", *words]) == ExitCode.USER
    assert "not of both kinds" in capsys.readouterr().err


def test_a_visit_without_a_mask_is_named(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["adapt", "--workspace", str(workspace), "--patient", "PAT-1", "--timepoint", "v9"])
    assert code == ExitCode.USER
    assert "no mask at v9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("slices", "told"),
    [
        ("v0=20-90", "no slices 20-90"),
        ("v9=1-3", "learnt from at v9"),
        ("v0", "names no slices"),
        ("v0=", "names no slices"),
    ],
)
def test_slices_that_are_not_there_are_refused(
    slices: str, told: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["adapt", "--workspace", str(workspace), "--patient", "PAT-1", "--slices", slices])
    assert code == ExitCode.USER
    assert told in capsys.readouterr().err


def test_without_a_workspace_the_shipped_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, listed = run(capsys, "models", "list")
    assert code == 0
    assert {m["place"] for m in listed["models"]} == {"shipped"}
    assert main(["models", "list", "--workspace", "nowhere"]) == ExitCode.USER


def test_a_model_that_is_broken_or_gone_is_told(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--workspace", str(workspace))
    assert main(["models", "export", "base", *where, "--out", str(tmp_path)]) == ExitCode.USER
    assert "Name a file" in capsys.readouterr().err
    assert run(capsys, "models", "use", "base", *where, "--patient", "PAT-1")[1]["current"] == "base"
    weights = workspace / "models" / "base" / "weights.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1])
    assert main(["models", "export", "base", *where, "--out", str(tmp_path / "base.zip")]) == ExitCode.USER
    assert not (tmp_path / "base.zip").exists()
    shutil.rmtree(weights.parent)
    assert main(["segment", *where, "--patient", "PAT-1", "--accept", "--device", "cpu"]) == ExitCode.USER
    assert "base" in capsys.readouterr().err


def test_the_doctor_reads_weights_and_misses_a_model_that_is_chosen(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--workspace", str(workspace))
    assert run(capsys, "models", "use", "base", *where, "--patient", "PAT-1")[0] == 0

    def problems() -> str:
        return " ".join(c["detail"] for c in run(capsys, "doctor", *where)[1]["checks"] if c["state"] == "problem")

    assert "base" not in problems()
    weights = workspace / "models" / "base" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "weights" in problems()
    shutil.rmtree(weights.parent)
    assert "base" in problems()
