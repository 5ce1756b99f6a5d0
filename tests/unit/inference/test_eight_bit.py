"""Networks computed in 8 bits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from glioma_annotator import paths
from glioma_annotator.adaptation.measure_ranges import main
from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import UserError
from glioma_annotator.inference import openvino_library
from glioma_annotator.inference.cards import load_card
from glioma_annotator.inference.eight_bit import MARGIN, _Watch, measured_ranges, round_to_eight_bits
from glioma_annotator.inference.exporting import PLACES, exportable
from glioma_annotator.inference.model_folder import load_model, save_model
from glioma_annotator.inference.networks import SegmentationNetwork, build_network
from glioma_annotator.inference.openvino_library import fast_in_eight_bits
from glioma_annotator.inference.openvino_runner import OpenVinoRunner
from glioma_annotator.progress import CancelToken, ignore_progress

SHIPPED = paths.resources() / "models" / "glioma"


@pytest.fixture
def deep_network(network: SegmentationNetwork) -> SegmentationNetwork:
    torch.manual_seed(3)
    deep = build_network("residual-inception-unet", {"filters": [8, 12, 16], "branch_fraction": 0.5}, 3, 5)
    return deep.eval()


@pytest.fixture
def image() -> Tensor:
    return torch.randn(1, 3, 16, 16, 16, generator=torch.Generator().manual_seed(0))


def inputs_of_convolutions(network: nn.Module, image: Tensor) -> dict[str, Tensor]:
    """What every convolution reads, by its name."""
    seen: dict[str, Tensor] = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d) or type(module).__name__ == "_RoundedConvolution":
            module.register_forward_pre_hook(lambda _m, x, name=name: seen.__setitem__(name, x[0].clone()))
    with torch.inference_mode():
        network(image)
    return seen


def test_ranges_are_what_convolutions_read_with_a_margin(deep_network: SegmentationNetwork, image: Tensor) -> None:
    ranges = measured_ranges(deep_network, [0.5 * image, image])
    seen = inputs_of_convolutions(exportable(deep_network), image)
    for place, reader in (
        ("decoders.0.at_point", "decoders.0.from_point"),
        ("encoders.1.at_pick", "encoders.1.second"),
        ("downs.1.at_input", "downs.1.step.conv"),
        ("ups.0.at_input", "ups.0.step.conv"),
    ):
        low, high = ranges[place]
        assert low <= min(0.0, MARGIN * float(seen[reader].min())) + 1e-4
        assert high >= MARGIN * float(seen[reader].max()) - 1e-4
    assert "encoders.0.at_input" not in ranges  # the images
    assert len(ranges) == 5 * len(PLACES) - 1 + 4  # five blocks, two steps down and two up


def test_a_few_stray_values_do_not_make_the_steps_coarse() -> None:
    watch, values = _Watch(), torch.rand(1, 3, 56, 56, 56, generator=torch.Generator().manual_seed(0))
    values[0, 0, 20, 20, 18:22] = 1000.0
    values[0, 0, 30, 30, 18:22] = -1000.0
    watch(values)
    assert (watch.low, watch.high) == (0.0, pytest.approx(1.0, abs=0.001))
    values[0, 0, 20, 20, 18:24] = 1000.0  # more than the five that may lie beyond
    watch(values)
    assert watch.high == 1000


def test_what_convolutions_read_and_their_weights_have_256_values(
    deep_network: SegmentationNetwork, image: Tensor
) -> None:
    ready = exportable(deep_network)
    round_to_eight_bits(ready, measured_ranges(deep_network, [image]))
    seen = inputs_of_convolutions(ready, image)
    of_the_images = {f"encoders.0.{part}" for part in ("both", "point", "pooled", "shortcut")}
    readers = {name for name in seen if not name.endswith(".convolution")} - of_the_images - {"head"}
    assert len(readers) > 40
    for name in readers:
        assert len(seen[name].unique()) <= 256
    for name in of_the_images:
        assert len(seen[name].unique()) > 256
    with torch.inference_mode():
        difference = torch.softmax(ready(image), 1) - torch.softmax(deep_network(image), 1)
    assert 0 < float(difference.abs().mean()) < 0.01


def test_a_network_of_another_kind_has_no_ranges() -> None:
    parameters = {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}
    network = build_network("segresnet", parameters, 3, 5)
    assert measured_ranges(network, []) == {}


def test_a_network_of_very_narrow_branches_has_no_ranges(image: Tensor) -> None:
    parameters = {"filters": [4, 6, 8], "branch_fraction": 0.5}
    assert measured_ranges(build_network("residual-inception-unet", parameters, 3, 5).eval(), [image]) == {}


@pytest.fixture
def folder(tmp_path: Path, card: ModelCard, deep_network: SegmentationNetwork, image: Tensor) -> Path:
    """A model with ranges."""
    parameters = {"filters": [8, 12, 16], "branch_fraction": 0.5}
    ranges = measured_ranges(deep_network, [image])
    save_model(tmp_path / "deep", replace(card, parameters=parameters, ranges=ranges), deep_network, half=False)
    return tmp_path / "deep"


def answer(runner: OpenVinoRunner, image: Tensor) -> np.ndarray:
    return runner.run(image[0].numpy(), False, 1e12, ignore_progress, CancelToken()).softmax


class TestOpenVino:
    def test_it_computes_what_the_rounded_network_does(
        self, folder: Path, deep_network: SegmentationNetwork, image: Tensor, tmp_path: Path
    ) -> None:
        card = load_card(folder)
        runner = OpenVinoRunner(folder, card, tmp_path / "cache", "8-bit")
        plain = OpenVinoRunner(folder, card, tmp_path / "cache", "float")
        assert "8 bits" in runner.name
        assert "8 bits" not in plain.name
        assert len(list((tmp_path / "cache").iterdir())) == 2  # each is converted and kept for itself
        ready = exportable(deep_network)
        round_to_eight_bits(ready, card.ranges)
        with torch.inference_mode():
            expected = torch.softmax(ready(image), 1)[0].numpy()
        np.testing.assert_allclose(answer(runner, image), expected, atol=0.05)
        assert np.abs(answer(runner, image) - expected).mean() < 0.005

    @pytest.mark.skipif(not fast_in_eight_bits(), reason="the processor has no instructions for it")
    def test_convolutions_are_in_fact_computed_in_8_bits(self, folder: Path, image: Tensor, tmp_path: Path) -> None:
        runner = OpenVinoRunner(folder, load_card(folder), tmp_path / "cache")
        runner._settings["PERF_COUNT"] = True
        answer(runner, image)
        kinds = [
            step.exec_type
            for _key, request in runner._requests.values()
            for step in request.profiling_info
            if step.node_type.startswith("Convolution")
        ]
        assert sum("I8" in kind.upper() for kind in kinds) > 0.8 * len(kinds) > 30

    def test_a_model_without_ranges_keeps_its_precision(self, folder: Path, tmp_path: Path) -> None:
        card, network = load_model(folder)
        card = save_model(folder, replace(card, ranges={}), network)
        assert "8 bits" not in OpenVinoRunner(folder, card, tmp_path / "cache", "8-bit").name

    def test_ranges_of_another_network_are_refused(self, folder: Path, tmp_path: Path) -> None:
        card, network = load_model(folder)
        card = save_model(folder, replace(card, ranges={**card.ranges, "encoders.7.at_both": (0.0, 1.0)}), network)
        with pytest.raises(UserError, match="ranges are not of this network"):
            OpenVinoRunner(folder, card, tmp_path / "cache", "8-bit")


class TestProcessor:
    @pytest.mark.parametrize(
        ("machine", "abilities", "flags", "fast"),
        [
            ("x86_64", ["FP32", "INT8", "BF16"], "", True),
            ("AMD64", ["FP32", "INT8"], "flags : avx2 avx_vnni", True),
            ("x86_64", ["FP32", "INT8"], "flags : avx2 avx512f", False),
            ("x86_64", ["FP32", "INT8"], None, False),
            ("aarch64", ["FP32", "INT8", "BF16"], "", False),
        ],
    )
    def test_8_bits_are_taken_where_there_are_instructions_for_them(
        self, machine: str, abilities: list[str], flags: str | None, fast: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Core:
            def get_property(self, *_: object) -> list[str]:
                return abilities

        def read_text(_path: Path) -> str:
            if flags is None:
                raise FileNotFoundError
            return flags

        monkeypatch.setattr(openvino_library.platform, "machine", lambda: machine)
        monkeypatch.setattr(openvino_library.import_openvino(), "Core", Core)
        monkeypatch.setattr(Path, "read_text", read_text)
        assert fast_in_eight_bits.__wrapped__() == fast


def test_the_shipped_model_s_ranges_are_those_of_its_network() -> None:
    card, network = load_model(SHIPPED)
    round_to_eight_bits(exportable(network), card.ranges)
    assert not load_card(SHIPPED.parent / "brain").ranges


class TestMeasuring:
    def test_ranges_are_written_into_the_card_and_the_weights_stay(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import nibabel as nib

        card, network = load_model(folder)
        card = save_model(folder, replace(card, ranges={}), network)
        values = np.zeros((24, 24, 24), np.float32)
        values[4:20, 4:20, 4:20] = 100 + 50 * np.random.default_rng(0).random((16, 16, 16))
        (tmp_path / "cases" / "A").mkdir(parents=True)
        for name in ("t1ce", "t2", "flair"):
            nib.save(nib.Nifti1Image(values, np.eye(4)), tmp_path / "cases" / "A" / f"A_{name}.nii.gz")
        main(["--model", str(folder), "--cases", str(tmp_path / "cases")])
        measured = load_card(folder)
        assert replace(measured, ranges={}, training=card.training) == card
        assert measured.training["ranges_measured_on"] == ["A"]
        assert json.loads((folder / "card.json").read_text())["ranges"]
        assert "encoders.1.at_both" in capsys.readouterr().out
        round_to_eight_bits(exportable(network), measured.ranges)

    def test_without_visits_it_says_so(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(SystemExit, match="There are no cases"):
            main(["--model", str(folder), "--cases", str(tmp_path)])
