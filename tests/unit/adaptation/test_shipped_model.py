"""The model that ships with the program."""

from __future__ import annotations

import pytest

from glioma_annotator import paths
from glioma_annotator.adaptation.synthesis import demo_study
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.domain.volume import Volume
from glioma_annotator.imaging.metrics import region_scores
from glioma_annotator.inference.cards import load_card
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, ignore_progress

MODEL = paths.resources() / "models" / "glioma"


def test_the_shipped_model_loads_and_says_what_it_was_made_from() -> None:
    card, _ = load_model(MODEL)
    assert card.name == "glioma"
    assert card.channels == (SequenceRole.T1GD, SequenceRole.T2, SequenceRole.FLAIR, SequenceRole.T1)
    assert card.one_of == (SequenceRole.T1GD, SequenceRole.FLAIR)
    assert card.scheme == GLIOMA_POST_TREATMENT
    assert {"sources", "seed", "steps", "minutes", "processor_minutes", "hardware"} <= set(card.training)
    for part in card.training["parts"]:
        assert {"recipe", "steps", "seed", "minutes", "history"} <= set(part)
        assert (paths.resources() / "configs" / part["recipe"]).is_file()
    assert len(card.training["parts"][-1]["cases"]) == 4  # what it was fitted to, by content
    assert {"leave_one_out", "synthetic_alone"} <= set(card.scores)
    assert set(card.scores["brats_dev"]) == {f"BraTS2021_{n}" for n in ("00006", "01476", "01480", "01482")}
    assert card.limits


def test_the_shipped_model_finds_cavity_and_recurrence_in_the_demo_study() -> None:
    pytest.importorskip("nilearn")
    template = demo_study.load_template(step=2)
    images, truth = demo_study.draw_visit(template, demo_study.VISITS[2], 2)
    grid = demo_study.grid_of(template)
    volumes = {SequenceRole(name): Volume(image, grid) for name, image in images.items()}
    outcome = ModelSegmenter([MODEL]).segment(volumes, "", "cpu", ignore_progress, CancelToken())
    dice = {s.region: s.dice for s in region_scores(truth, outcome.labels, grid, GLIOMA_POST_TREATMENT)}
    assert dice["WT"] > 0.6
    assert dice["RC"] > 0.6
    assert dice["ET"] > 0.4


def test_the_models_offered_are_the_base_model_first_and_its_fast_parent() -> None:
    names = [card.name for card in ModelSegmenter([MODEL.parent]).models()]
    assert names == ["glioma", "glioma-fast"]
    card, _ = load_model(MODEL.parent / "glioma-fast")
    assert (card.training["minutes"], card.training["before"]["minutes"]) == (92.0, 72.0)


def test_every_shipped_card_can_be_read() -> None:
    folders = [path.parent for path in MODEL.parent.glob("*/card.json")]
    assert {load_card(folder).name for folder in folders} == {folder.name for folder in folders}
    assert {folder.name for folder in folders} == {"brain", "glioma", "glioma-fast"}
