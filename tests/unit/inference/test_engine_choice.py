"""What computes, chosen by itself or by the user; the parts that need a GPU play it by the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from glioma_annotator.errors import UserError
from glioma_annotator.inference import device as devices
from glioma_annotator.inference import engine, gpu, openvino_library
from glioma_annotator.inference.cards import load_card
from glioma_annotator.inference.device import ComputeDevice
from glioma_annotator.inference.runner import Runner
from glioma_annotator.settings import SegmentationSettings

GPU = ComputeDevice(torch.device("cpu"), "Test GPU (CUDA), bfloat16", mixed=True, gpu=True)


@pytest.fixture
def with_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "gpu_present", lambda: True)
    monkeypatch.setattr(engine, "built_for_gpu", lambda: True)
    monkeypatch.setattr(devices, "choose_device", lambda _choice: GPU)


def made(models: Path, network_cache: Path, device: str, backend: str) -> Runner:
    folder = models / "enhancing"
    return engine.make_runner(folder, load_card(folder), device, backend, network_cache)


def test_a_gpu_is_taken_by_itself_in_bfloat16_and_channels_last(
    models: Path, network_cache: Path, with_gpu: None
) -> None:
    runner: Any = made(models, network_cache, "auto", "auto")
    assert runner.gpu
    assert runner.name == GPU.name
    assert runner._device.mixed
    weight = runner._network.head.weight
    assert weight.is_contiguous(memory_format=torch.channels_last_3d)


@pytest.mark.parametrize(("device", "backend"), [("cpu", "auto"), ("auto", "openvino"), ("cpu", "openvino")])
def test_a_gpu_is_left_alone_when_the_cpu_or_openvino_was_chosen(
    models: Path, network_cache: Path, with_gpu: None, device: str, backend: str
) -> None:
    runner = made(models, network_cache, device, backend)
    assert not runner.gpu
    assert "OpenVINO" in runner.name


@pytest.mark.parametrize(
    ("device", "backend", "reason"),
    [("tpu", "auto", "no device called “tpu”"), ("cuda", "openvino", "OpenVINO runs on the CPU only")],
)
def test_what_cannot_be_is_refused(models: Path, network_cache: Path, device: str, backend: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        made(models, network_cache, device, backend)


def test_a_gpu_asked_for_by_name_where_there_is_none_is_refused(models: Path, network_cache: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(UserError, match="No GPU"):
        made(models, network_cache, "cuda", "auto")


def test_torch_is_not_asked_for_a_gpu_it_was_not_built_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Spec:
        origin = str(tmp_path / "torch" / "__init__.py")

    (tmp_path / "torch" / "lib").mkdir(parents=True)
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda _name: Spec)
    assert not gpu.built_for_gpu()
    assert not gpu.gpu_present()
    (tmp_path / "torch" / "lib" / "libtorch_cuda.so").touch()
    assert gpu.built_for_gpu()
    monkeypatch.setattr(gpu.importlib.util, "find_spec", lambda _name: None)
    assert not gpu.built_for_gpu()


class TestDescription:
    def test_it_says_what_the_settings_lead_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "built_for_gpu", lambda: False)
        assert engine.describe("auto", SegmentationSettings()) == "OpenVINO on the processor, one pass"
        assert engine.describe("cpu", SegmentationSettings(backend="torch", mode="patches")) == (
            "torch on the processor, patches"
        )
        assert engine.describe("cuda", SegmentationSettings()) == "torch on the graphics card, one pass"

    def test_it_names_both_where_a_gpu_may_be(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "built_for_gpu", lambda: True)
        monkeypatch.setattr(openvino_library, "available", lambda: False)
        text = engine.describe("auto", SegmentationSettings())
        assert text == "torch on a graphics card, else torch on the processor, one pass"
