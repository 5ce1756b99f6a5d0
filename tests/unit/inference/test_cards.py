from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from glioma_annotator.domain.mask_rules import GLIOMA_POST_PROCESSING, PostProcessing
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.sequences import SequenceRole
from glioma_annotator.errors import UserError
from glioma_annotator.inference.cards import CARD, card_to_json, find_cards, load_card

LEAST_CORE = {"label": 1, "taken_from": 2, "without": [3], "shown_by": "T1Gd", "bright_on": ["FLAIR"]}


def write(folder: Path, card: ModelCard, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / CARD).write_text(json.dumps(card_to_json(card) | changes))
    return folder


def test_every_field_comes_back_as_written(tmp_path: Path, card: ModelCard) -> None:
    full = replace(
        card,
        default=True,
        optional=card.channels,
        one_of=(SequenceRole.T1GD, SequenceRole.FLAIR),
        post_processing=GLIOMA_POST_PROCESSING,
        ranges={"encoders.0.at_both": (0.0, 2.5), "ups.0.at_input": (-1.5, 3.0)},
    )
    assert load_card(write(tmp_path / "full", full)) == full


@pytest.mark.parametrize("figure", ["NaN", "-Infinity", "1e999"])
def test_a_figure_that_is_no_number_is_as_good_as_none(figure: str, tmp_path: Path, card: ModelCard) -> None:
    folder = write(tmp_path / "odd", card, scores={"held_out": {"mean_dice": "FIGURE"}})
    (folder / CARD).write_text((folder / CARD).read_text().replace('"FIGURE"', figure))
    assert load_card(folder).scores == {"held_out": {"mean_dice": None}}
    (folder / CARD).write_text((folder / CARD).read_text().replace("[1.0, 1.0, 1.0]", f"[1.0, 1.0, {figure}]"))
    with pytest.raises(UserError, match="cannot be understood"):
        load_card(folder)


def test_a_card_that_a_windows_editor_saved_can_be_read(tmp_path: Path, card: ModelCard) -> None:
    folder = write(tmp_path / "edited", card)
    (folder / CARD).write_text((folder / CARD).read_text(), encoding="utf-8-sig")
    assert load_card(folder) == card


def test_a_card_of_before_has_the_usual_post_processing_and_needs_every_channel(
    tmp_path: Path, card: ModelCard
) -> None:
    folder = write(tmp_path / "old", card)
    data = json.loads((folder / CARD).read_text())
    for name in ("task", "default", "optional", "one_of", "post_processing"):
        del data[name]
    (folder / CARD).write_text(json.dumps(data))
    old = load_card(folder)
    assert old.post_processing == PostProcessing(min_component_ml=0.1)
    assert (old.task, old.optional, old.default) == ("tumour", (), False)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"task": "liver"}, "task “liver” is unknown"),
        ({"optional": ["T1"]}, "optional that it does not name"),
        ({"one_of": ["FLAIR"]}, "not all of them are optional"),
        ({"optional": ["T1Gd", "T2", "FLAIR"]}, "all channels are optional"),
        ({"post_processing": {"min_component_ml": -1}}, "not a number of mL"),
        ({"post_processing": {"too_small": [{"label": 9, "below_ml": 1, "becomes": 0}]}}, "value that no label has"),
        ({"post_processing": {"too_small": [{"label": 3}]}}, "“below_ml” is missing"),
        ({"post_processing": 3}, "cannot be understood"),
        ({"post_processing": {"mirrored": [{"label": 9}]}}, "value that no label has"),
        ({"post_processing": {"mirrored": [{"label": 2, "also": [9]}]}}, "value that no label has"),
        ({"post_processing": {"doubtful": {"sure": 2}}}, "doubtful islands is out of range"),
        (
            {"post_processing": {"outlines": [{"label": 3, "sequence": "T1Gd", "into": [1], "level": 0}]}},
            "outlines is out of range",
        ),
        ({"post_processing": {"outlines": [{"label": 3, "sequence": "T1Gd", "into": [9]}]}}, "value that no label has"),
        ({"post_processing": {"outlines": [{"label": 3, "sequence": "CT", "into": [1]}]}}, "CT"),
        ({"post_processing": {"outside": [{"label": 1, "rim": [7], "becomes": 2}]}}, "value that no label has"),
        (
            {"post_processing": {"outside": [{"label": 1, "rim": [3], "becomes": 2, "share": 1.5}]}},
            "outside a rim is out of range",
        ),
        (
            {"post_processing": {"outside": [{"label": 1, "rim": [3], "becomes": 2, "notch_mm": 1}]}},
            "outside a rim is out of range",
        ),
        (
            {"post_processing": {"unenclosed": [{"label": 1, "rim": [3], "cavity": 9, "becomes": 2}]}},
            "value that no label has",
        ),
        (
            {"post_processing": {"unenclosed": [{"label": 1, "rim": [3], "cavity": 4, "becomes": 2, "covered": 2}]}},
            "without a rim is out of range",
        ),
        (
            {"post_processing": {"unenclosed": [{"label": 1, "rim": [], "cavity": 4, "becomes": 2, "thinner_mm": -1}]}},
            "without a rim is out of range",
        ),
        (
            {
                "post_processing": {
                    "unenclosed": [{"label": 1, "rim": [3], "cavity": 4, "becomes": 2, "dark_level": 1e999}]
                }
            },
            "cannot be understood",
        ),
        (
            {"post_processing": {"unenclosed": [{"label": 1, "rim": [3], "cavity": 4, "becomes": 2, "darker": 1.5}]}},
            "core without a rim is out of range",
        ),
        ({"post_processing": {"linings": [{"label": 3, "cavity": 9, "becomes": 2}]}}, "value that no label has"),
        (
            {"post_processing": {"linings": [{"label": 3, "cavity": 4, "becomes": 2, "within_mm": -1}]}},
            "lining of cavities is out of range",
        ),
        ({"post_processing": {"paired": [{"label": 9, "as_bright": ["T1Gd"]}]}}, "value that no label has"),
        ({"post_processing": {"paired": [{"label": 3, "as_bright": []}]}}, "names no sequence"),
        ({"post_processing": {"likelier": [{"label": 9}]}}, "value that no label has"),
        ({"post_processing": {"likelier": [{"label": 4, "times": 0.5}]}}, "likelier after surgery is out of range"),
        ({"post_processing": {"likelier": [{"label": 4, "found": 1.1}]}}, "likelier after surgery is out of range"),
        ({"post_processing": {"likelier": [{"label": 4, "similar": 2}]}}, "likelier after surgery is out of range"),
        ({"post_processing": {"likelier": [{"label": 4, "within_mm": -1}]}}, "likelier after surgery is out of range"),
        ({"post_processing": {"least_cores": [{**LEAST_CORE, "without": [9]}]}}, "value that no label has"),
        ({"post_processing": {"least_cores": [{**LEAST_CORE, "taken_from": 9}]}}, "value that no label has"),
        ({"post_processing": {"least_cores": [{**LEAST_CORE, "share": 1.1}]}}, "least core is out of range"),
        ({"post_processing": {"least_cores": [{**LEAST_CORE, "least_ml": -1}]}}, "least core is out of range"),
        (
            {"post_processing": {"paired": [{"label": 3, "as_bright": ["T1Gd"], "within_mm": 1e6}]}},
            "what both sides show is out of range",
        ),
        (
            {"post_processing": {"paired": [{"label": 3, "as_bright": ["T1Gd"], "share": 0}]}},
            "what both sides show is out of range",
        ),
        ({"post_processing": {"extents": [{"label": 9, "sequence": "FLAIR"}]}}, "value that no label has"),
        (
            {"post_processing": {"extents": [{"label": 2, "sequence": "FLAIR", "brighter": 1.5}]}},
            "extents is out of range",
        ),
        (
            {"post_processing": {"extents": [{"label": 2, "sequence": "FLAIR", "narrow_mm": -1}]}},
            "extents is out of range",
        ),
        ({"post_processing": {"enclosed": [{"label": 2, "rim": [3, 9], "becomes": 1}]}}, "value that no label has"),
        (
            {"post_processing": {"enclosed": [{"label": 2, "rim": [3], "becomes": 1, "gap_mm": -1}]}},
            "enclosed tissue is not a length",
        ),
        ({"post_processing": {"mirrored": [{"label": 2, "share": 0}]}}, "mirrored tissue is out of range"),
        ({"ranges": {"ups.0.at_input": [1.0, 2.0]}}, "a range is not one around 0"),
        ({"ranges": {"ups.0.at_input": [-1e38, 1e38]}}, "a range is not one around 0"),
        ({"ranges": {"ups.0.at_input": [0.0]}}, "cannot be understood"),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(
    tmp_path: Path, card: ModelCard, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        load_card(write(tmp_path / "odd", card, **changes))


def test_the_default_comes_first_then_models_for_everyone_then_those_of_one_patient(
    tmp_path: Path, card: ModelCard
) -> None:
    for name, changes in {
        "a-patient's": {"patient": "P1"},
        "b-plain": {},
        "c-default": {"default": True},
        "d-brain": {"task": "brain"},
    }.items():
        write(tmp_path / name, replace(card, name=name, **changes))  # type: ignore[arg-type]
    assert [c.name for c in find_cards([tmp_path])] == ["c-default", "b-plain", "a-patient's"]
