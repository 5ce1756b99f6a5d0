"""Models of a workspace: which is current, and models in and out as one file."""

from __future__ import annotations

import json
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from adaptation_cases import small_model

from glioma_annotator.db.models import ModelShelf
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.domain.model_shelf import EVERYONE, ModelPlace
from glioma_annotator.errors import EnvironmentFailure, UserError
from glioma_annotator.inference.cards import CARD, WEIGHTS, load_card
from glioma_annotator.inference.model_folder import load_model

PATIENT = "PAT-1"


@pytest.fixture
def shelf(tmp_path: Path) -> ModelShelf:
    """A shipped base model, and one adapted to a patient."""
    small_model(tmp_path / "shipped")
    made = ModelShelf(tmp_path / "w" / "models", [tmp_path / "user"], [tmp_path / "shipped"], read_only=False)
    add(made, "first", PATIENT)
    return made


def add(shelf: ModelShelf, name: str, patient: str = "") -> None:
    small_model(shelf.root / "adapted", name)
    folder = shelf.root / "adapted" / name
    data = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(data | {"parent": "base", "patient": patient}))


def names(shelf: ModelShelf, place: ModelPlace) -> list[str]:
    return [m.card.name for m in shelf.all() if m.place is place]


def test_without_a_choice_the_shipped_model_is_current(shelf: ModelShelf) -> None:
    found = shelf.current(PATIENT)
    assert (found.model, found.own, found.problem) == ("base", False, "")


def test_a_patients_own_model_goes_before_the_workspaces_default(shelf: ModelShelf) -> None:
    add(shelf, "site")
    shelf.set_current(EVERYONE, "site")
    assert shelf.current(PATIENT).model == "site"
    shelf.set_current(PATIENT, "first")
    assert (shelf.current(PATIENT).model, shelf.current(PATIENT).own) == ("first", True)
    assert shelf.current("PAT-2").model == "site"


def test_the_choice_can_be_read_and_mended_by_hand(shelf: ModelShelf) -> None:
    shelf.set_current(PATIENT, "first")
    file = shelf.root / "current" / "patient-PAT-1.json"
    data = json.loads(file.read_text())
    assert (data["patient"], data["model"]) == (PATIENT, "first")
    file.write_text(json.dumps(data | {"model": "base"}))
    assert shelf.current(PATIENT).model == "base"


def test_rolling_back_goes_to_the_model_before_then_to_the_default(shelf: ModelShelf) -> None:
    add(shelf, "second", PATIENT)
    shelf.set_current(PATIENT, "first")
    shelf.set_current(PATIENT, "second")
    assert [c.model for c in shelf.current(PATIENT).earlier] == ["first"]
    assert shelf.roll_back(PATIENT).model == "first"
    back = shelf.roll_back(PATIENT)
    assert (back.model, back.own) == ("base", False)
    with pytest.raises(UserError, match="No model was chosen"):
        shelf.roll_back(PATIENT)


def test_a_current_model_that_is_gone_is_told_with_what_to_do(shelf: ModelShelf) -> None:
    shelf.set_current(PATIENT, "first")
    (shelf.root / "adapted" / "first").rename(shelf.root.parent / "away")
    found = shelf.current(PATIENT)
    assert found.model == "base"
    assert "“first”" in found.problem and "patient-PAT-1.json" in found.problem
    assert shelf.problems() == (found.problem,)


def test_two_choices_for_one_patient_and_unreadable_ones_are_told(shelf: ModelShelf) -> None:
    shelf.set_current(PATIENT, "first")
    current = shelf.root / "current"
    (current / "patient-z.json").write_text((current / "patient-PAT-1.json").read_text())
    (current / "patient-broken.json").write_text("{")
    told = " ".join(shelf.problems())
    assert "both speak for the same patient" in told and "patient-broken.json" in told
    assert shelf.current(PATIENT).model == "first"


def test_patients_whose_keys_look_alike_keep_their_own_choice(shelf: ModelShelf) -> None:
    add(shelf, "second")
    shelf.set_current("A/1", "first")
    shelf.set_current("A:1", "second")
    assert (shelf.current("A/1").model, shelf.current("A:1").model) == ("first", "second")


def test_candidates_cannot_be_current_until_they_are_kept(shelf: ModelShelf) -> None:
    folder = shelf.candidate_folder("new")
    small_model(folder.parent, "new")
    assert names(shelf, ModelPlace.CANDIDATE) == ["new"]
    with pytest.raises(UserError, match="not accepted"):
        shelf.set_current(PATIENT, "new")
    shelf.keep("new")
    assert shelf.set_current(PATIENT, "new").model == "new"


def test_a_refused_candidate_taken_back_is_still_made_current_for_nobody(shelf: ModelShelf) -> None:
    folder = small_model(shelf.candidate_folder("new").parent, "new")
    card = json.loads((folder / CARD).read_text()) | {"scores": {"held_out": {"accepted": False}}}
    (folder / CARD).write_text(json.dumps(card))
    shelf.keep("new")
    for whom in (PATIENT, ""):
        with pytest.raises(UserError, match="did not pass"):
            shelf.set_current(whom, "new")
    assert shelf.current(PATIENT).model == "base" and shelf.find("new").usable


def test_the_models_are_read_once_for_however_many_patients(shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.set_current(PATIENT, "first")
    alone = [shelf.current(patient) for patient in ("", PATIENT, "PAT-2")]
    read: list[Path] = []

    def counted(folder: Path) -> ModelCard:
        read.append(folder)
        return load_card(folder)

    monkeypatch.setattr("glioma_annotator.db.models.load_card", counted)
    assert list(shelf.currents(["", PATIENT, *["PAT-2"] * 50]))[:3] == alone
    assert len(read) == len(set(read)), "cards of sixty models and a hundred patients take a minute else"


def test_what_a_killed_save_left_is_no_model_and_goes_with_the_next_candidate(shelf: ModelShelf) -> None:
    left = shelf.candidate_folder("x").parent / ".x.99.part"
    small_model(left.parent, left.name)
    assert names(shelf, ModelPlace.CANDIDATE) == []
    shelf.candidate_folder("y")
    assert not left.exists()


def test_an_adaptation_that_the_program_s_end_interrupted_is_told_of_once_opened_again(
    shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened() -> ModelShelf:
        return ModelShelf(shelf.root, (), (), read_only=False)

    told = shelf.problems()
    with shelf.under_way(PATIENT):
        assert shelf.problems() == opened().problems() == told  # it runs
    assert opened().problems() == told
    running = shelf.under_way(PATIENT)
    running.__enter__()  # and the program is killed
    monkeypatch.setattr("glioma_annotator.db.begun._THIS_RUN", "the next")
    again = opened()
    assert again.problems() == again.problems()
    assert f"The adaptation to {PATIENT} of " in again.problems()[0]
    assert "interrupted when the program ended. The current model is unchanged" in again.problems()[0]
    assert opened().problems() == told  # not again at the next start
    monkeypatch.undo()
    running.__exit__(None, None, None)


def test_odd_remains_of_an_interrupted_adaptation_are_in_nobody_s_way(shelf: ModelShelf) -> None:
    left = shelf.candidate_folder("x").parent / ".begun.json"
    for content in (b"", b"[]", b'{"run": 1}', b"\xff"):
        left.write_bytes(content)
        assert not any("interrupted" in problem for problem in shelf.problems())
        assert not left.exists()


def test_a_current_model_is_neither_archived_nor_deleted(shelf: ModelShelf) -> None:
    shelf.set_current(PATIENT, "first")
    for act in (shelf.archive, shelf.delete):
        with pytest.raises(UserError, match=f"current for {PATIENT}"):
            act("first")


def test_an_archived_model_stays_on_disk_and_can_be_taken_back(shelf: ModelShelf) -> None:
    shelf.archive("first")
    assert names(shelf, ModelPlace.ARCHIVED) == ["first"]
    assert (shelf.root / "archived" / "first" / WEIGHTS).is_file()
    with pytest.raises(UserError, match="archived"):
        shelf.set_current(PATIENT, "first")
    shelf.keep("first")
    assert shelf.set_current(PATIENT, "first").model == "first"


def test_deleting_removes_the_folder_and_shipped_models_are_safe(shelf: ModelShelf) -> None:
    shelf.delete("first")
    assert not (shelf.root / "adapted" / "first").exists()
    with pytest.raises(UserError, match="not a model of this workspace"):
        shelf.delete("base")


def test_renaming_changes_the_title_and_not_the_identity(shelf: ModelShelf) -> None:
    before = shelf.find("first").card.identity
    shelf.rename("first", "  Mrs. Example's model ")
    card = shelf.find("first").card
    assert (card.title, card.name, card.identity) == ("Mrs. Example's model", "first", before)
    load_model(shelf.find("first").folder)
    with pytest.raises(UserError, match="needs a title"):
        shelf.rename("first", "\n")


def test_nothing_changes_in_a_workspace_open_for_reading(shelf: ModelShelf, tmp_path: Path) -> None:
    looking = ModelShelf(shelf.root, [], [tmp_path / "shipped"], read_only=True)
    assert looking.current(PATIENT).model == "base"
    acts: list[Callable[[], object]] = [
        lambda: looking.set_current(PATIENT, "first"),
        lambda: looking.rename("first", "x"),
        lambda: looking.delete("first"),
        lambda: looking.candidate_folder("x"),
        lambda: looking.bring(tmp_path / "x.zip"),
    ]
    for act in acts:
        with pytest.raises(UserError, match="reading only"):
            act()


def test_a_full_disk_leaves_the_old_choice(shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    add(shelf, "second")
    shelf.set_current(PATIENT, "first")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvironmentFailure):
        shelf.set_current(PATIENT, "second")
    assert shelf.current(PATIENT).model == "first"


# one file


@pytest.fixture
def exported(shelf: ModelShelf, tmp_path: Path) -> Path:
    shelf.export("first", tmp_path / "first.zip")
    return tmp_path / "first.zip"


def test_a_model_is_not_exported_over_itself(shelf: ModelShelf) -> None:
    folder = shelf.find("first").folder
    before = {file: file.read_bytes() for file in folder.iterdir()}
    for name in ("weights.safetensors", "new.zip"):
        with pytest.raises(UserError, match="lies in the model's own folder"):
            shelf.export("first", folder / name)
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    with zipfile.ZipFile(source) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    change(members)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def test_a_model_with_files_of_a_time_before_zips_is_exported(shelf: ModelShelf, tmp_path: Path) -> None:
    for file in shelf.find("first").folder.iterdir():
        os.utime(file, (0, 0))
    shelf.export("first", tmp_path / "first.zip")
    assert zipfile.is_zipfile(tmp_path / "first.zip")


def test_a_model_comes_back_from_its_file(shelf: ModelShelf, exported: Path) -> None:
    before = shelf.find("first").card
    shelf.delete("first")
    found = shelf.bring(exported)
    assert found.place is ModelPlace.ADAPTED
    assert found.card == before
    load_model(found.folder)


def test_a_damaged_model_is_not_in_the_way_of_the_same_from_its_file(shelf: ModelShelf, exported: Path) -> None:
    damaged = shelf.find("first").folder
    (damaged / CARD).write_text("{")
    assert shelf.bring(exported).folder.name == "first-2"
    assert (damaged / CARD).read_text() == "{"


def test_a_base_model_comes_into_the_workspace_and_not_among_the_adapted(tmp_path: Path, shelf: ModelShelf) -> None:
    shelf.export("base", tmp_path / "base.zip")
    other = ModelShelf(tmp_path / "other" / "models", [], [], read_only=False)
    assert other.bring(tmp_path / "base.zip").place is ModelPlace.WORKSPACE
    assert other.current(PATIENT).model == "base"


def test_a_model_whose_name_is_taken_is_refused(shelf: ModelShelf, exported: Path) -> None:
    with pytest.raises(UserError, match="already, the same one"):
        shelf.bring(exported)


@pytest.mark.parametrize(
    "name", ["../card.json", "/card.json", "a/../../card.json", "a\\..\\card.json", "C:/card.json"]
)
def test_a_member_outside_the_file_is_refused(name: str, shelf: ModelShelf, exported: Path, tmp_path: Path) -> None:
    def add_member(members: dict[str, bytes]) -> None:
        members[name] = b"{}"

    bad = rewritten(exported, tmp_path / "bad.zip", add_member)
    shelf.delete("first")
    with pytest.raises(UserError, match="outside itself"):
        shelf.bring(bad)
    assert names(shelf, ModelPlace.ADAPTED) == []


def test_members_that_are_no_model_and_links_are_refused(shelf: ModelShelf, exported: Path, tmp_path: Path) -> None:
    bad = rewritten(exported, tmp_path / "bad.zip", lambda members: members.update({"first/run.py": b"print()"}))
    with pytest.raises(UserError, match="more than a card"):
        shelf.bring(bad)
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        link = zipfile.ZipInfo("first/card.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="link"):
        shelf.bring(tmp_path / "link.zip")


def test_members_larger_than_a_model_are_refused(
    shelf: ModelShelf, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glioma_annotator.db import model_files

    shelf.delete("first")
    monkeypatch.setitem(model_files.MOST_BYTES, WEIGHTS, 100)
    with pytest.raises(UserError, match="too large"):
        shelf.bring(exported)


def test_a_member_that_lies_about_its_size_is_refused(
    shelf: ModelShelf, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from glioma_annotator.db import model_files

    shelf.delete("first")
    honest = model_files._members

    def lying(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
        found = honest(archive)
        monkeypatch.setitem(model_files.MOST_BYTES, WEIGHTS, 100)
        return found

    monkeypatch.setattr(model_files, "_members", lying)
    with pytest.raises(UserError, match="larger than a model"):
        shelf.bring(exported)
    assert not list(shelf.root.glob(".*.part"))


def test_weights_that_differ_from_the_cards_hash_are_refused(shelf: ModelShelf, exported: Path, tmp_path: Path) -> None:
    def spoil(members: dict[str, bytes]) -> None:
        members["first/weights.safetensors"] = members["first/weights.safetensors"][:-1] + b"x"

    bad = rewritten(exported, tmp_path / "bad.zip", spoil)
    shelf.delete("first")
    with pytest.raises(UserError, match="SHA-256 differs"):
        shelf.bring(bad)
    assert names(shelf, ModelPlace.ADAPTED) == []


def test_an_unknown_network_is_refused(shelf: ModelShelf, exported: Path, tmp_path: Path) -> None:
    def rename(members: dict[str, bytes]) -> None:
        card = json.loads(members["first/card.json"])
        members["first/card.json"] = json.dumps(card | {"architecture": "os.system"}).encode()

    bad = rewritten(exported, tmp_path / "bad.zip", rename)
    shelf.delete("first")
    with pytest.raises(UserError, match="does not know"):
        shelf.bring(bad)


def test_a_file_that_asks_for_an_enormous_network_is_refused_and_nothing_is_placed(
    shelf: ModelShelf, exported: Path, tmp_path: Path
) -> None:
    def widen(members: dict[str, bytes]) -> None:
        card = json.loads(members["first/card.json"])
        members["first/card.json"] = json.dumps(card | {"parameters": {"filters": [8, 10**6]}}).encode()

    bad = rewritten(exported, tmp_path / "bad.zip", widen)
    shelf.delete("first")
    before = sorted(shelf.root.rglob("*"))
    with pytest.raises(UserError, match=r"“bad.zip: card.json” asks for a network of .* weights"):
        shelf.bring(bad)
    assert sorted(shelf.root.rglob("*")) == before


def test_a_card_that_was_edited_to_an_enormous_network_is_left_out_and_the_default_takes_over(
    shelf: ModelShelf,
) -> None:
    add(shelf, "second")
    shelf.set_current(PATIENT, "second")
    card = shelf.find("second").folder / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"parameters": {"filters": [10**5, 10**5]}}))
    assert "second" not in {m.card.name for m in shelf.all()}
    assert shelf.current(PATIENT).model != "second"
    assert "is not there" in shelf.current(PATIENT).problem
    assert any("left out" in told and "channels at full resolution" in told for told in shelf.problems())
    with pytest.raises(UserError, match="channels at full resolution"):
        shelf.set_current(PATIENT, "second")


def test_a_title_that_fills_pages_is_refused(shelf: ModelShelf) -> None:
    with pytest.raises(UserError, match="a title that can be read"):
        shelf.rename("first", "x" * 2000)
    assert len(shelf.find("first").card.title) < 100


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"not a zip at all"])
def test_a_file_that_is_no_zip_is_refused(content: bytes, shelf: ModelShelf, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(UserError, match="no model file"):
        shelf.bring(tmp_path / "x.zip")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_damaged_on_its_way_is_refused(
    compression: int, shelf: ModelShelf, exported: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(exported) as archive, zipfile.ZipFile(tmp_path / "bad.zip", "w", compression) as packed:
        for info in archive.infolist():
            packed.writestr(info.filename, archive.read(info))
        member = packed.getinfo("first/weights.safetensors")
    content = bytearray((tmp_path / "bad.zip").read_bytes())
    start = member.header_offset + 30 + len(member.filename)
    content[start + 9 : start + 60] = b"\xff" * 51
    (tmp_path / "bad.zip").write_bytes(content)
    shelf.delete("first")
    with pytest.raises(UserError, match="damaged"):
        shelf.bring(tmp_path / "bad.zip")
    assert names(shelf, ModelPlace.ADAPTED) == []


def test_a_file_that_is_absent_is_said(shelf: ModelShelf, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="cannot be read"):
        shelf.bring(tmp_path / "nothing.zip")


def test_a_model_of_half_a_file_is_refused(shelf: ModelShelf, exported: Path, tmp_path: Path) -> None:
    bad = rewritten(exported, tmp_path / "bad.zip", lambda members: members.pop("first/weights.safetensors") and None)
    with pytest.raises(UserError, match="safetensors is missing"):
        shelf.bring(bad)


@pytest.mark.parametrize("chosen", ["run", "run/model", "run/model/card.json"])
def test_a_training_s_model_is_brought_as_it_lies(chosen: str, shelf: ModelShelf, tmp_path: Path) -> None:
    small_model(tmp_path / "run", "trained").rename(tmp_path / "run" / "model")
    kept = {file.name: file.read_bytes() for file in (tmp_path / "run" / "model").iterdir()}
    model = shelf.bring(tmp_path / chosen)
    assert model.card.name == "trained" and model.folder.is_relative_to(shelf.root)
    assert {file.name: file.read_bytes() for file in model.folder.iterdir()} == kept
    with pytest.raises(UserError, match="“trained” already, the same one"):
        shelf.bring(tmp_path / chosen)


def test_a_damaged_model_s_folder_is_refused_and_leaves_nothing(shelf: ModelShelf, tmp_path: Path) -> None:
    place = small_model(tmp_path / "run", "trained")
    before = sorted(shelf.root.rglob("*"))
    weights = place / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError):
        shelf.bring(place)
    weights.unlink()
    with pytest.raises(UserError, match=r"weights\.safetensors is missing"):
        shelf.bring(place)
    (place / "card.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError):
        shelf.bring(place)
    assert sorted(shelf.root.rglob("*")) == before
