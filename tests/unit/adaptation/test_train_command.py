"""`train`: from a configuration file and folders of data to models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import nibabel as nib
import numpy as np
import pytest
from made_cases import write_case, write_cases, write_healthy_brain

from glioma_annotator.adaptation.live_log import LiveLog
from glioma_annotator.adaptation.synthesis import tumour
from glioma_annotator.adaptation.synthesis.tumour import TumourKind
from glioma_annotator.adaptation.training import Trainer
from glioma_annotator.cli.console import ExitCode
from glioma_annotator.cli.main import main
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.imaging.nifti import read_volume
from glioma_annotator.inference.model_folder import load_model, save_model
from glioma_annotator.inference.networks import build_network
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, ignore_progress

BASE = """
name = "made"
[network]
parameters = { filters = [2, 4], branch_fraction = 0.5 }
[patches]
size = 16
volumes = 1
per_volume = 2
[run]
steps = %d
workers = 0
device = "cpu"
precision = "float32"
checkpoint_every = 1
[data]
"""


@pytest.fixture(autouse=True)
def _pictures_only_where_looked_at(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than training so little."""
    if request.function is not test_synthetic_tumours_become_a_model_with_their_provenance:
        monkeypatch.setattr(LiveLog, "draw", lambda *_, **__: None)


def configured(folder: Path, data: str, steps: int = 2, extra: str = "") -> Path:
    path = folder / "made.toml"
    path.write_text(BASE % steps + data + "\n" + extra, encoding="utf-8")
    return path


def train(*arguments: object, code: int = ExitCode.DONE) -> None:
    assert main(["train", *[str(a) for a in arguments]]) == code


def test_real_cases_become_a_model_that_segments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cases(tmp_path / "cases", 3)
    config = configured(tmp_path, 'cases = ["cases"]\nvalidation_share = 0.3')
    train("--config", config, "--run", tmp_path / "run", "--json")
    report = json.loads(capsys.readouterr().out)
    (model,) = report["models"]
    card, _ = load_model(Path(model))
    assert card.channels == (SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR)
    assert card.training["steps"] == 2
    assert len(card.training["cases"]) == 2
    assert all(len(value) == 64 for value in card.training["cases"].values())
    (scored,) = card.scores["validation"]
    assert {row["case"] for row in report["scores"]} == {scored} == set(card.training["validation"])
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["versions"]["torch"]
    images = {
        role: read_volume(tmp_path / "cases" / "case1" / f"case1_{end}.nii.gz").volume
        for role, end in ((SequenceRole.T1GD, "t1ce"), (SequenceRole.T2, "t2"), (SequenceRole.FLAIR, "flair"))
    }
    outcome = ModelSegmenter([Path(model)]).segment(images, "", "cpu", ignore_progress, CancelToken())
    assert outcome.labels.shape == (24, 24, 24)


def test_synthetic_tumours_become_a_model_with_their_provenance(tmp_path: Path) -> None:
    write_healthy_brain(tmp_path / "data" / "healthy" / "ball")
    config = configured(tmp_path, 'synthetic = "elsewhere"', extra="[augmentation]\nnoise = 0.0\nbias_field = 0.0")
    text = config.read_text().replace("[run]", "[run]\nvalidation_samples = 1")
    config.write_text(text)
    train("--config", config, "--run", tmp_path / "run", "--data", tmp_path / "data")
    card, _ = load_model(tmp_path / "run" / "model")
    assert card.training["backgrounds"] == ["ball"]
    assert card.training["kind"] == "synthetic tumours"
    assert "validation" not in card.scores
    assert (tmp_path / "run" / "dice.svg").is_file()


def test_the_shares_of_kinds_reach_the_generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    drawn = tumour.draw_plan
    monkeypatch.setattr(tumour, "draw_plan", lambda rng, shares: asked.append(shares) or drawn(rng, shares=shares))
    write_healthy_brain(tmp_path / "data" / "healthy" / "ball")
    kinds = 'synthetic = "data"\nkinds = { ring = 3, post-operative = 1.0 }'
    config = configured(tmp_path, kinds, steps=4, extra="[augmentation]\nnoise = 0.0\nbias_field = 0.0")
    train("--config", config, "--run", tmp_path / "run")
    assert asked
    assert all(shares == {TumourKind.RING: 0.75, TumourKind.POST_OPERATIVE: 0.25} for shares in asked)


@pytest.mark.parametrize(
    ("network", "output", "strategy"),
    [
        ('architecture = "dynunet"\nparameters = { filters = [2, 3, 4] }', "multi-class", "balanced"),
        (
            'architecture = "segresnet"\nparameters = { init_filters = 8, blocks_down = [1, 1], blocks_up = [1] }',
            "multi-label",
            "whole",
        ),
    ],
)
def test_other_networks_outputs_and_strategies_train_too(
    tmp_path: Path, network: str, output: str, strategy: str
) -> None:
    write_case(tmp_path / "cases" / "a")
    config = configured(tmp_path, 'cases = ["cases"]')
    text = config.read_text().replace("parameters = { filters = [2, 4], branch_fraction = 0.5 }", network)
    text = f'output = "{output}"\n' + text.replace("[patches]", f'[patches]\nstrategy = "{strategy}"')
    config.write_text(text.replace("per_volume = 2", "per_volume = 1"))
    train("--config", config, "--run", tmp_path / "run")
    card, _ = load_model(tmp_path / "run" / "model")
    assert card.architecture in network
    assert card.training["output"] == output


def test_every_case_of_a_cross_validation_is_scored_once_by_a_model_that_never_saw_it(tmp_path: Path) -> None:
    write_cases(tmp_path / "cases", 3)
    train("--config", configured(tmp_path, 'cases = ["cases"]', 1, "[repeat]\nfolds = 2"), "--run", tmp_path / "run")
    seen: list[str] = []
    for fold in ("fold-1", "fold-2"):
        card, _ = load_model(tmp_path / "run" / fold / "model")
        assert not set(card.training["cases"]) & set(card.training["validation"])
        seen += card.training["validation"]
    assert sorted(seen) == ["case1", "case2", "case3"]
    report = json.loads((tmp_path / "run" / "cross_validation.json").read_text())
    assert report["summary"]["WT"]["cases"] == 3
    assert {"mean", "median"} <= set(report["summary"]["WT"])


def test_members_of_an_ensemble_differ_in_their_seed(tmp_path: Path) -> None:
    write_case(tmp_path / "cases" / "a")
    train("--config", configured(tmp_path, 'cases = ["cases"]', 1, "[repeat]\nmembers = 2"), "--run", tmp_path / "run")
    cards = [load_model(tmp_path / "run" / f"member-{n}" / "model")[0] for n in (1, 2)]
    assert cards[1].training["seed"] == cards[0].training["seed"] + 1
    assert cards[0].weights_sha256 != cards[1].weights_sha256


KILLED = """
import os, signal, sys
from pathlib import Path
from glioma_annotator.adaptation.config_file import read_config
from glioma_annotator.adaptation.train import train
from glioma_annotator.progress import CancelToken

def report(progress):
    if "Step 3" in progress.message:
        os.kill(os.getpid(), signal.SIGKILL)

train(read_config(Path(sys.argv[1])), Path(sys.argv[2]), False, report, CancelToken())
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process outright")
def test_a_killed_training_is_taken_up_as_if_nothing_had_happened(tmp_path: Path) -> None:
    write_cases(tmp_path / "cases", 2)
    config = configured(tmp_path, 'cases = ["cases"]', 5)
    train("--config", config, "--run", tmp_path / "whole")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(config), str(tmp_path / "killed")],
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert killed.returncode < 0
    assert not (tmp_path / "killed" / "model").exists()
    train("--config", config, "--run", tmp_path / "killed", code=ExitCode.USER)  # not without --resume
    train("--config", config, "--run", tmp_path / "killed", "--resume")
    whole, again = (load_model(tmp_path / name / "model")[0] for name in ("whole", "killed"))
    assert whole.weights_sha256 == again.weights_sha256


def test_a_run_of_another_configuration_is_not_taken_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_case(tmp_path / "cases" / "a")
    train("--config", configured(tmp_path, 'cases = ["cases"]', 1), "--run", tmp_path / "run")
    other = configured(tmp_path, 'cases = ["cases"]', 2, "[optimiser]\nlearning_rate = 0.5")
    train("--config", other, "--run", tmp_path / "run", "--resume", code=ExitCode.USER)
    assert "optimiser.learning_rate" in capsys.readouterr().err
    train("--config", configured(tmp_path, 'cases = ["cases"]', 2), "--run", tmp_path / "run", "--resume")
    assert load_model(tmp_path / "run" / "model")[0].training["steps"] == 2


def test_a_run_of_other_cases_is_not_taken_up_and_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    config = configured(tmp_path, 'cases = ["cases"]')
    train("--config", config, "--run", run, "--resume", code=ExitCode.USER)
    assert "There is no training in" in capsys.readouterr().err
    write_cases(tmp_path / "cases", 3)
    folds = "[repeat]\nfolds = 2"
    config = configured(tmp_path, 'cases = ["cases"]', 1, folds)
    train("--config", config, "--run", run)
    before = {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}
    write_case(tmp_path / "cases" / "case0", 9)
    train("--config", configured(tmp_path, 'cases = ["cases"]', 2, folds), "--run", run, "--resume", code=ExitCode.USER)
    assert "The cases changed since the training began: new case0" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()} == before


def test_prepared_cases_that_are_damaged_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cases(tmp_path / "cases", 2)
    config, run = configured(tmp_path, 'cases = ["cases"]', 1), tmp_path / "run"
    monkeypatch.chdir(tmp_path)
    train("--config", config.name, "--run", run)
    prepared = {path: path.read_bytes() for path in (run / "prepared").iterdir()}
    (run / "prepared" / "case1.json").write_bytes(b"")
    (run / "prepared" / "case2.images.npy").write_bytes(b"")
    monkeypatch.chdir(run)
    train("--config", config, "--run", run, "--resume")
    assert {path: path.read_bytes() for path in (run / "prepared").iterdir()} == prepared


def test_a_training_can_begin_with_a_model_or_a_widened_one(tmp_path: Path) -> None:
    from tiny_models import tiny_card

    small = build_network("residual-inception-unet", {"filters": [2, 4], "branch_fraction": 0.5}, 3, 5)
    save_model(tmp_path / "small", tiny_card(parameters={"filters": [2, 4], "branch_fraction": 0.5}), small)
    write_case(tmp_path / "cases" / "a")
    rate = "[optimiser]\nlearning_rate = 1e-12\nweight_decay = 0.0\n"
    config = configured(tmp_path, 'cases = ["cases"]', 1, rate + '[network.init]\nmodel = "small"')
    train("--config", config, "--run", tmp_path / "same")
    begun, same = load_model(tmp_path / "small")[1], load_model(tmp_path / "same" / "model")[1]
    for name, value in begun.named_parameters():
        assert np.allclose(value.detach(), same.get_parameter(name).detach(), atol=1e-3), name
    config = configured(tmp_path, 'cases = ["cases"]', 1, rate + '[network.init]\nwiden = "small"')
    config.write_text(config.read_text().replace("[2, 4]", "[4, 8]"))
    train("--config", config, "--run", tmp_path / "wide")
    card, wide = load_model(tmp_path / "wide" / "model")
    assert card.training["begun_with"].endswith("widened")
    assert wide.head.in_channels == 4


def test_what_is_kept_may_lie_between_the_first_weights_and_the_last(tmp_path: Path) -> None:
    from tiny_models import tiny_card

    small = build_network("residual-inception-unet", {"filters": [2, 4], "branch_fraction": 0.5}, 3, 5)
    save_model(tmp_path / "small", tiny_card(parameters={"filters": [2, 4], "branch_fraction": 0.5}), small)
    write_case(tmp_path / "cases" / "a")
    kept = {}
    for share in (0.0, 0.5, 1.0):
        extra = '[optimiser]\nlearning_rate = 0.1\n[network.init]\nmodel = "small"'
        config = configured(tmp_path, 'cases = ["cases"]', 1, extra)
        config.write_text(config.read_text().replace("workers = 0", f"workers = 0\nstart_share = {share}"))
        train("--config", config, "--run", tmp_path / f"run{share}")
        kept[share] = load_model(tmp_path / f"run{share}" / "model")[1].state_dict()
    first = load_model(tmp_path / "small")[1].state_dict()
    moved = False
    for name, value in first.items():
        if value.is_floating_point():
            assert np.allclose(kept[1.0][name], value), name
            assert np.allclose(kept[0.5][name], (kept[0.0][name] + value) / 2, atol=2e-3), name
            moved = moved or not np.allclose(kept[0.0][name], value, atol=0.01)
    assert moved


def test_the_only_case_may_be_kept_for_scoring_where_there_are_synthetic_tumours(tmp_path: Path) -> None:
    write_case(tmp_path / "cases" / "a")
    write_healthy_brain(tmp_path / "healthy" / "ball")
    data = 'synthetic = "."\ncases = ["cases"]\nvalidation_share = 0.2'
    config = configured(tmp_path, data, 1, "[augmentation]\nnoise = 0.0\nbias_field = 0.0")
    train("--config", config, "--run", tmp_path / "run")
    assert set(load_model(tmp_path / "run" / "model")[0].scores["validation"]) == {"a"}


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ('cases = ["nowhere"]', "no cases"),
        ('cases = ["cases"]\nexclude = ["x"]', "data.exclude"),
        ('cases = ["cases"]\nvalidation = ["cases"]', "trained on and scored"),
        ('cases = ["cases"]\nexclude = ["a"]', "No case is left"),
        ('cases = ["bare"]', "no mask"),
        ('cases = ["cases"]\nvalidation_share = 0.2', "No case is left"),
        ('cases = ["unreviewed"]', "case “u” no voxel of the brain is reviewed"),
    ],
)
def test_data_that_do_not_fit_are_named(
    tmp_path: Path, data: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_case(tmp_path / "cases" / "a")
    (write_case(tmp_path / "bare" / "b") / "b_seg.nii.gz").unlink()
    mask = write_case(tmp_path / "unreviewed" / "u") / "u_seg.nii.gz"
    nib.save(nib.Nifti1Image(np.full((24, 24, 24), 255, np.uint8), np.eye(4)), mask)
    train("--config", configured(tmp_path, data), "--run", tmp_path / "run", code=ExitCode.USER)
    assert named in capsys.readouterr().err
    assert not (tmp_path / "run" / "model").exists()


def test_the_masks_of_all_cases_are_read_as_one_set(tmp_path: Path) -> None:
    write_cases(tmp_path / "cases", 2)  # values 1, 2 and 4: alone, those of BraTS 2021
    mask = tmp_path / "cases" / "case1" / "case1_seg.nii.gz"
    labels = np.asarray(nib.load(mask).dataobj)  # type: ignore[attr-defined]
    nib.save(nib.Nifti1Image(np.where(labels == 4, 3, labels).astype(np.uint8), np.eye(4)), mask)
    train("--config", configured(tmp_path, 'cases = ["cases"]', 1), "--run", tmp_path / "run")
    prepared = {n: np.load(tmp_path / "run" / "prepared" / f"case{n}.classes.npy") for n in (1, 2)}
    assert set(np.unique(prepared[1])) == {0, 1, 2, 3, 255}
    assert set(np.unique(prepared[2])) == {0, 1, 2, 4, 255}


def test_a_case_without_any_of_the_sequences_of_which_one_must_be_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_case(tmp_path / "cases" / "a")
    for ending in ("t1ce", "flair"):
        (folder / f"a_{ending}.nii.gz").unlink()
    data = 'cases = ["cases"]\noptional = ["T1Gd", "T2", "FLAIR"]\none_of = ["T1Gd", "FLAIR"]'
    train("--config", configured(tmp_path, data), "--run", tmp_path / "run", code=ExitCode.USER)
    assert "The case “a” has none of T1Gd, FLAIR" in capsys.readouterr().err


def test_what_is_wrong_with_a_case_is_told_before_any_is_prepared_and_can_be_put_right_in_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cases(tmp_path / "cases", 2)
    (tmp_path / "cases" / "case2" / "case2_seg.nii.gz").unlink()
    run = tmp_path / "run"
    train("--config", configured(tmp_path, 'cases = ["cases"]', 1), "--run", run, code=ExitCode.USER)
    assert "The case “case2” has no mask" in capsys.readouterr().err
    assert not list(run.rglob("*.npy"))
    train("--config", configured(tmp_path, 'cases = ["cases"]\nexclude = ["case2"]', 1), "--run", run)
    assert (run / "model" / "card.json").is_file()


@pytest.mark.parametrize(
    ("replaced", "by", "named"),
    [
        ("size = 16", "size = 200", "asks for too much: a patch of more voxels than memory holds"),
        ('name = "made"', f'name = "{"m" * 256}"', "its name is not one line of at most 255 characters"),
        ("filters = [2, 4]", "filters = [2, 4], width = 3", "cannot be built. The parameters of the network"),
        ("filters = [2, 4]", "filters = [2, 2, 2, 2, 2, 2]", "a patch must be a multiple of 32 voxels"),
        ("[data]", '[network.init]\nmodel = "nowhere"\n[data]', "holds no model"),
        ("[data]", '[network.init]\nmodel = "made.toml"\n[data]', "holds no model"),
    ],
)
def test_a_model_that_could_not_be_used_is_refused_before_anything_is_computed(
    tmp_path: Path, replaced: str, by: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_case(tmp_path / "cases" / "a")
    config = configured(tmp_path, 'cases = ["cases"]', 1)
    text = config.read_text()
    assert replaced in text
    config.write_text(text.replace(replaced, by, 1))
    train("--config", config, "--run", tmp_path / "run", code=ExitCode.USER)
    assert named in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_dates_and_numbers_of_the_card_are_kept(tmp_path: Path) -> None:
    write_case(tmp_path / "cases" / "a")
    sources = "[card.sources]\nbrats = 2024-05-01\ncases = 3"
    train("--config", configured(tmp_path, 'cases = ["cases"]', 1, sources), "--run", tmp_path / "run")
    card, _ = load_model(tmp_path / "run" / "model")
    assert card.training["sources"] == {"brats": "2024-05-01", "cases": 3}


def test_a_training_stopped_before_its_first_checkpoint_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cases(tmp_path / "cases", 2)
    config, run = configured(tmp_path, 'cases = ["cases"]\nvalidation_share = 0.5', 2), tmp_path / "run"
    config.write_text(config.read_text().replace("[run]", "[run]\nvalidate_every = 1"))
    full = EnvironmentFailure("No room.", "Make room.")
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save", Mock(side_effect=full))
        train("--config", config, "--run", run, code=ExitCode.ENVIRONMENT)
    assert (run / "log.csv").read_text().count("\n1,") == 1
    train("--config", config, "--run", run, "--resume")
    assert (run / "log.csv").read_text().count("\n1,") == 1
    assert (run / "validation.csv").read_text().count("\n1,case") == 4  # a row per region


def test_a_log_that_cannot_be_written_is_no_bug(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_case(tmp_path / "cases" / "a")
    (tmp_path / "run" / "log.csv").mkdir(parents=True)
    config = configured(tmp_path, 'cases = ["cases"]', 1)
    train("--config", config, "--run", tmp_path / "run", code=ExitCode.ENVIRONMENT)
    assert "log.csv could not be written" in capsys.readouterr().err


@pytest.mark.parametrize("every", [0, 1])
def test_a_training_that_had_ended_is_scored_in_its_log_once(every: int, tmp_path: Path) -> None:
    write_cases(tmp_path / "cases", 2)
    config, run = configured(tmp_path, 'cases = ["cases"]\nvalidation_share = 0.5', 2), tmp_path / "run"
    config.write_text(config.read_text().replace("[run]", f"[run]\nvalidate_every = {every}"))
    train("--config", config, "--run", run)
    scored = (run / "validation.csv").read_text()
    train("--config", config, "--run", run, "--resume")
    assert (run / "validation.csv").read_text() == scored


def test_a_data_folder_that_is_named_holds_the_cases_too_that_the_file_looks_for_in_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cases(tmp_path / "data" / "real", 2)
    write_cases(tmp_path / "elsewhere", 3)
    write_healthy_brain(tmp_path / "data" / "healthy" / "ball")
    (tmp_path / "configs").mkdir()
    places = 'synthetic = "../absent"\ncases = ["../absent/real/*"]\nvalidation = ["../elsewhere/case3"]'
    config = configured(tmp_path / "configs", places, 1)
    train("--config", config, "--run", tmp_path / "run", "--data", tmp_path / "data", "--json")
    (model,) = json.loads(capsys.readouterr().out)["models"]
    card, _ = load_model(Path(model))
    assert set(card.training["cases"]) == {"case1", "case2"}
    assert set(card.training["validation"]) == {"case3"}
    assert card.training["kind"] == "synthetic tumours and real cases"
