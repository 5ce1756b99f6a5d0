from __future__ import annotations

import pytest
import torch

from glioma_annotator.errors import UserError
from glioma_annotator.inference.device import choose_device, describe_devices


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index=None: "Test GPU")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)


def test_auto_is_the_cpu_without_a_gpu(no_gpu: None) -> None:
    chosen = choose_device("auto")
    assert chosen.device.type == "cpu"
    assert chosen.name.startswith("CPU, ")
    assert describe_devices() == ""


def test_cuda_without_a_gpu_is_refused(no_gpu: None) -> None:
    with pytest.raises(UserError, match="No GPU"):
        choose_device("cuda")


@pytest.mark.parametrize("choice", ["auto", "cuda"])
def test_a_gpu_is_used_and_named(a_gpu: None, choice: str) -> None:
    chosen = choose_device(choice)
    assert chosen.device.type == "cuda"
    assert chosen.name == "Test GPU (CUDA), bfloat16"
    assert describe_devices() == "Test GPU"


def test_the_cpu_can_be_asked_for_beside_a_gpu(a_gpu: None) -> None:
    assert choose_device("cpu").device.type == "cpu"


@pytest.mark.parametrize(("features", "mixed"), [({"avx512_bf16": True}, True), ({"avx2": True}, False)])
def test_bfloat16_is_used_where_the_cpu_computes_in_it(
    features: dict[str, bool], mixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    assert choose_device("cpu").mixed is mixed


def test_another_word_is_refused() -> None:
    with pytest.raises(UserError, match="tpu"):
        choose_device("tpu")
