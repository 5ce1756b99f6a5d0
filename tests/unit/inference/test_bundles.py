"""MONAI bundles as model folders."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.nets import DynUNet, SegResNet

from glioma_annotator.db.models import ModelShelf
from glioma_annotator.domain.geometry import Grid
from glioma_annotator.domain.labels import GLIOMA_POST_TREATMENT
from glioma_annotator.domain.model_shelf import ModelPlace
from glioma_annotator.domain.volume import Volume
from glioma_annotator.errors import UserError
from glioma_annotator.inference import torchscript
from glioma_annotator.inference.bundles import convert_bundle
from glioma_annotator.inference.covering import padded_to_multiple
from glioma_annotator.inference.model_folder import load_model
from glioma_annotator.inference.preparation import prepare
from glioma_annotator.inference.segmenter import ModelSegmenter
from glioma_annotator.progress import CancelToken, ignore_progress
from glioma_annotator.settings import SegmentationSettings

REGIONS = {"0": "Tumor core", "1": "Whole tumor", "2": "Enhancing tumor"}
SEGRESNET = {"_target_": "SegResNet", "init_filters": 8, "in_channels": 4, "out_channels": 3, "blocks_down": [1, 1],
             "blocks_up": [1], "dropout_prob": 0.2}  # fmt: skip


def write(folder: Path, network: torch.nn.Module, **changes: Any) -> Path:
    """A bundle of four sequences and three regions."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    inputs = {"image": {"channel_def": {"0": "T1c", "1": "T1", "2": "T2", "3": "FLAIR"}}}
    outputs = {"pred": {"channel_def": changes.pop("outputs", REGIONS)}}
    metadata = {"name": "A bundle", "version": "1.0", "network_data_format": {"inputs": inputs, "outputs": outputs}}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    definition = SEGRESNET | changes
    (folder / "configs" / "inference.json").write_text(json.dumps({"network_def": definition}))
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder


@pytest.fixture
def network() -> SegResNet:
    torch.manual_seed(1)
    return SegResNet(3, 8, 4, 3, blocks_down=(1, 1), blocks_up=(1,)).eval()


def test_a_segresnet_of_regions_gives_the_tissues_its_regions_say(network: SegResNet, tmp_path: Path) -> None:
    card = convert_bundle(write(tmp_path / "bundle", network), tmp_path / "model", "bundle")
    assert [role.value for role in card.channels] == ["T1Gd", "T1", "T2", "FLAIR"]
    _, ours = load_model(tmp_path / "model")
    batch = torch.randn(1, 4, 16, 16, 16)
    with torch.no_grad():
        core, whole, enhancing = network(batch)[0]
        logits = ours(batch)[0]
    assert torch.allclose(logits[2], whole, atol=1e-4)
    assert torch.allclose(logits[1], whole + core, atol=1e-4)
    assert torch.allclose(logits[3], whole + core + enhancing, atol=1e-4)
    assert (logits[0] == 0).all() and (logits[4] < -10).all()


def test_a_dynunet_of_tissues_answers_as_before(tmp_path: Path) -> None:
    torch.manual_seed(1)
    made = DynUNet(3, 4, 4, kernel_size=[3, 3, 3], strides=[1, 2, 2], upsample_kernel_size=[2, 2], filters=[4, 8, 8],
                   norm_name=("INSTANCE", {"affine": True})).eval()  # fmt: skip
    definition = {"_target_": "monai.networks.nets.DynUNet", "spatial_dims": 3, "kernel_size": [3, 3, 3],
                  "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [4, 8, 8]}  # fmt: skip
    tissues = {"0": "background", "1": "edema", "2": "NCR", "3": "ET"}
    convert_bundle(write(tmp_path / "b", made, outputs=tissues, **definition), tmp_path / "model", "b")
    _, ours = load_model(tmp_path / "model")
    batch = torch.randn(1, 4, 16, 16, 16)
    with torch.no_grad():
        theirs, logits = made(batch)[0], ours(batch)[0]
    for number, tissue in ((0, 0), (1, 2), (2, 1), (3, 3)):
        assert torch.allclose(logits[tissue], theirs[number], atol=1e-4)


def test_a_bundle_comes_onto_the_shelf_and_can_be_current(network: SegResNet, tmp_path: Path) -> None:
    shelf = ModelShelf(tmp_path / "models", [], [], read_only=False)
    found = shelf.bring(write(tmp_path / "brats", network) / "configs" / "metadata.json")
    assert (found.card.name, found.place) == ("brats", ModelPlace.WORKSPACE)
    assert shelf.set_current("", "brats").model == "brats"


def test_bundles_of_one_title_are_told_apart_by_their_names(network: SegResNet, tmp_path: Path) -> None:
    shelf = ModelShelf(tmp_path / "models", [], [], read_only=False)
    for name in ("first", "second"):
        bundle = write(tmp_path / name, network)
        metadata = bundle / "configs" / "metadata.json"
        metadata.write_text(metadata.read_text().replace("A bundle", "A \\u0007bun\\ndle" + "!" * 5000))
        shelf.bring(bundle)
    title = "A bun dle" + 91 * "!"
    assert [m.card.title for m in shelf.all()] == [title, f"{title} (second)"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_target_": "SwinUNETR"}, "SwinUNETR"),
        ({"init_filters": "$import os"}, "computes its settings"),
        ({"outputs": {"0": "liver"}}, "outputs are not known"),
        ({"init_filters": 16}, "do not fit"),
        ({"act": "LEAKYRELU"}, "“SegResNet” with its settings is not known"),
        ({"act": ["RELU", {"inplace": True, "slope": 1}]}, "“SegResNet” with its settings is not known"),
        ({"_target_": "DynUNet", "spatial_dims": 3, "filters": None}, "“DynUNet” with its settings is not known"),
        ({"_target_": "DynUNet", "spatial_dims": 3, "filters": [4], "strides": 3}, "“DynUNet” with its settings"),
        ({"outputs": {"0": "background", "1": "ET"}}, "names 2 outputs"),
    ],
)
def test_what_the_program_does_not_know_is_refused(
    changes: dict[str, Any], message: str, network: SegResNet, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        convert_bundle(write(tmp_path / "bundle", network, **changes), tmp_path / "model", "x")
    assert not (tmp_path / "model").exists()


class _Evil:
    def __reduce__(self) -> Any:
        return print, ("executed",)


@pytest.mark.parametrize(
    ("setting", "value", "known"),
    [
        ("act_name", "relu", False),
        ("act_name", ["leakyrelu", {"inplace": True, "negative_slope": 0.2}], False),
        ("act_name", ["leakyrelu", {"inplace": True, "negative_slope": 0.01}], True),
        ("norm_name", ["GROUP", {"num_groups": 4}], False),
        ("norm_name", ["INSTANCE", {"affine": True}], True),
        ("strides", [[1, 1, 1], [2, 2, 1], [2, 2, 2]], False),
    ],
)
def test_a_dynunet_of_other_layers_is_no_dynunet_of_these(
    setting: str, value: Any, known: bool, tmp_path: Path
) -> None:
    made = DynUNet(3, 4, 3, kernel_size=[3, 3, 3], strides=[1, 2, 2], upsample_kernel_size=[2, 2], filters=[4, 8, 8],
                   norm_name=("INSTANCE", {"affine": True}))  # fmt: skip
    plain = {"_target_": "DynUNet", "spatial_dims": 3, "kernel_size": 3 * [[3, 3, 3]],
             "strides": [1, 2, 2], "filters": [4, 8, 8]}  # fmt: skip
    bundle = write(tmp_path / "b", made, **(plain | {setting: value}))
    if known:
        assert convert_bundle(bundle, tmp_path / "model", "b").architecture == "dynunet"
    else:
        with pytest.raises(UserError, match="“DynUNet” with its settings is not known"):
            convert_bundle(bundle, tmp_path / "model", "b")


@pytest.mark.parametrize("table", ["network_data_format", "inputs", "image"])
@pytest.mark.parametrize("value", [None, 3, "text", [1]])
def test_settings_that_are_no_tables_are_refused(table: str, value: Any, network: SegResNet, tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle", network)
    file = bundle / "configs" / "metadata.json"
    data = inside = json.loads(file.read_text())
    for name in ("network_data_format", "inputs", "image")[: ("network_data_format", "inputs", "image").index(table)]:
        inside = inside[name]
    inside[table] = value
    file.write_text(json.dumps(data))
    with pytest.raises(UserError, match="it names none"):
        convert_bundle(bundle, tmp_path / "model", "x")


def test_torchscript_whose_packed_numbers_are_damaged_is_refused(network: SegResNet, tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle", network)
    (bundle / "models" / "model.pt").unlink()
    file = bundle / "models" / "model.ts"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", bytes(range(256)) * 40)
    content = bytearray(file.read_bytes())
    content[45:60] = b"\xff" * 15
    file.write_bytes(content)
    with pytest.raises(UserError, match="or are damaged"):
        convert_bundle(bundle, tmp_path / "model", "x")


def test_weights_are_never_unpickled(network: SegResNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write(tmp_path / "bundle", network)
    torch.save({"weights": _Evil()}, bundle / "models" / "model.pt")
    with pytest.raises(UserError, match="more than numbers"):
        convert_bundle(bundle, tmp_path / "model", "x")
    assert "executed" not in capsys.readouterr().out


def as_script(bundle: Path, module: torch.nn.Module) -> Path:
    (bundle / "models" / "model.pt").unlink()
    torch.jit.save(torch.jit.script(module), bundle / "models" / "model.ts")
    return bundle / "models" / "model.ts"


@pytest.mark.filterwarnings("ignore")  # torch speaks of what will replace TorchScript
def test_the_weights_of_torchscript_are_read_without_running_it(
    network: SegResNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert_bundle(write(tmp_path / "plain", network), tmp_path / "first", "x")
    bundle = write(tmp_path / "bundle", network)
    as_script(bundle, network)
    monkeypatch.setattr(torch.jit, "load", lambda *_: pytest.fail("the archive's code was loaded"))
    convert_bundle(bundle, tmp_path / "second", "x")
    one, other = (load_model(tmp_path / name)[1].state_dict() for name in ("first", "second"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.filterwarnings("ignore")  # torch speaks of what will replace TorchScript
@pytest.mark.parametrize("kind", ["weights", "TorchScript"])
def test_a_bundle_on_the_shelf_segments_as_its_network_says(kind: str, network: SegResNet, tmp_path: Path) -> None:
    bundle = write(tmp_path / "brats", network)
    if kind == "TorchScript":
        as_script(bundle, network)
    shelf = ModelShelf(tmp_path / "models", [], [], read_only=False)
    card = shelf.bring(bundle).card
    rng = np.random.default_rng(3)
    grid = Grid((24, 24, 24), np.eye(4))
    brain = np.indices(grid.shape).sum(axis=0) > 15
    images = {
        role: Volume(np.where(brain, rng.normal(100, 20, grid.shape), 0).astype(np.float32), grid)
        for role in card.channels
    }
    plain = SegmentationSettings(post_processing=False)
    segmenter = ModelSegmenter(shelf.folders, lambda: plain)
    segmenter.check(card.name, set(images), GLIOMA_POST_TREATMENT)
    found = segmenter.segment(images, card.name, "cpu", ignore_progress, CancelToken())

    ready = prepare(images, card, CancelToken())
    with torch.no_grad():
        batch = torch.from_numpy(padded_to_multiple(ready.images, 2)[None])
        core, whole, enhancing = network(batch)[0][
            :, : ready.brain.shape[0], : ready.brain.shape[1], : ready.brain.shape[2]
        ]
    scores = torch.stack([torch.zeros_like(whole), whole + core, whole, whole + core + enhancing])
    expected = scores.argmax(dim=0).numpy() * ready.brain
    marked = found.labels[ready.box.slices]
    assert len(np.unique(marked)) > 2
    assert np.mean(marked[ready.brain] == expected[ready.brain]) > 0.97  # computed in bfloat16
    assert found.card.name == card.name


@pytest.mark.filterwarnings("ignore")  # torch speaks of what will replace TorchScript
def test_torchscript_that_holds_more_than_numbers_is_refused(
    network: SegResNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write(tmp_path / "bundle", network)
    script = as_script(bundle, network)
    with zipfile.ZipFile(script, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(_Evil()))
    with pytest.raises(UserError, match="more than numbers"):
        convert_bundle(bundle, tmp_path / "model", "x")
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no zip at all", pickle.dumps(3)])
def test_damaged_torchscript_is_refused(content: bytes, network: SegResNet, tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle", network)
    (bundle / "models" / "model.pt").rename(bundle / "models" / "model.ts")
    (bundle / "models" / "model.ts").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        convert_bundle(bundle, tmp_path / "model", "x")


def test_a_tensor_that_reaches_beyond_its_numbers_is_refused() -> None:
    values = np.arange(6, dtype="<f4")
    assert torch.equal(torchscript._cut(values, 2, (2,), (3,)), torch.tensor([2.0, 5.0]))
    for offset, size, stride in ((3, (2,), (3,)), (-1, (2,), (1,)), (0, (2, 3), (4, 1))):
        with pytest.raises(pickle.UnpicklingError, match="beyond"):
            torchscript._cut(values, offset, size, stride)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"init_filters": 8 * 10**7}, "channels at full resolution"),
        ({"blocks_down": [1] * 70, "blocks_up": [1] * 69}, "70 levels"),
        ({"_target_": "DynUNet", "spatial_dims": 3, "filters": [8, 8, 10**9], "kernel_size": [3, 3, 3],
          "strides": [1, 2, 2]}, "weights"),
    ],
)  # fmt: skip
def test_an_enormous_network_is_refused_unbuilt(
    changes: dict[str, Any], reason: str, network: SegResNet, tmp_path: Path
) -> None:
    bundle = write(tmp_path / "bundle", network, **changes)
    if changes.get("_target_") == "DynUNet":
        head = {"output_block.conv.conv.weight": torch.zeros(3, 8, 1, 1, 1)}
        torch.save(head, bundle / "models" / "model.pt")
    with pytest.raises(UserError, match=reason):
        convert_bundle(bundle, tmp_path / "model", "bundle")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("left", [0.0, 0.3, 0.7, 0.99])
def test_weights_cut_short_are_refused(left: float, network: SegResNet, tmp_path: Path) -> None:
    file = write(tmp_path / "bundle", network) / "models" / "model.pt"
    content = file.read_bytes()
    file.write_bytes(content[: int(left * len(content))])
    with pytest.raises(UserError, match="damaged"):
        convert_bundle(tmp_path / "bundle", tmp_path / "model", "bundle")


def test_weights_that_are_no_numbers_are_refused(network: SegResNet, tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle", network)
    state = network.state_dict()
    next(iter(state.values())).view(-1)[0] = float("nan")
    torch.save(state, bundle / "models" / "model.pt")
    with pytest.raises(UserError, match="no numbers"):
        convert_bundle(bundle, tmp_path / "model", "bundle")


def test_a_sequence_named_twice_is_refused(network: SegResNet, tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle", network)
    metadata = bundle / "configs" / "metadata.json"
    metadata.write_text(metadata.read_text().replace('"1": "T1"', '"1": "T1c"'))
    with pytest.raises(UserError, match="twice"):
        convert_bundle(bundle, tmp_path / "model", "bundle")


def test_one_number_spread_over_an_enormous_weight_is_refused(network: SegResNet, tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle", network)
    state = network.state_dict() | {"conv_final.2.conv.weight": torch.zeros(1).expand(3, 10**12, 1, 1, 1)}
    torch.save(state, bundle / "models" / "model.pt")
    with pytest.raises(UserError, match="hold less than they say"):
        convert_bundle(bundle, tmp_path / "model", "bundle")


def test_weights_that_unpack_to_more_than_a_model_s_are_not_read(
    network: SegResNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write(tmp_path / "bundle", network)
    monkeypatch.setattr("glioma_annotator.inference.bundles.MOST_WEIGHTS_BYTES", 1000)
    monkeypatch.setattr(torch, "load", lambda *_args, **_more: pytest.fail("the weights are read"))
    with pytest.raises(UserError, match="larger than a model's can be"):
        convert_bundle(bundle, tmp_path / "model", "bundle")


def test_settings_too_large_to_be_any_are_not_read(network: SegResNet, tmp_path: Path) -> None:
    bundle = write(tmp_path / "bundle", network)
    with (bundle / "configs" / "metadata.json").open("wb") as file:
        file.truncate(100 * 2**30)  # a hole: no disk is used
    with pytest.raises(UserError, match="too large"):
        convert_bundle(bundle, tmp_path / "model", "bundle")


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no configs"):
        convert_bundle(tmp_path / "empty", tmp_path / "model", "x")
