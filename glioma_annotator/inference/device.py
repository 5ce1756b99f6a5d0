"""Where networks run and in which precision."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from glioma_annotator.errors import UserError

CHOICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, slots=True)
class ComputeDevice:
    """A device to run a network on.

    Attributes
    ----------
    device: for torch.
    name: for a reader, e.g. "CPU, bfloat16" or "NVIDIA H200 (CUDA), bfloat16".
    mixed: whether convolutions run in bfloat16; batch normalisation's statistics and sums of patches stay float32.
    gpu: whether it is a GPU, with memory of its own.
    """

    device: torch.device
    name: str
    mixed: bool
    gpu: bool = False


def choose_device(choice: str) -> ComputeDevice:
    """The device for "auto" (the GPU when there is one), "cpu" or "cuda".

    bfloat16 is used where the hardware computes in it: 2.5 to 3 times faster than float32 on such a CPU. Elsewhere it
    would be emulated and slower. Raises `UserError` for another word, or for "cuda" without such a GPU.
    """
    if choice not in CHOICES:
        raise UserError(f"There is no device called “{choice}”.", f"Choose one of {', '.join(CHOICES)}.")
    has_gpu = torch.cuda.is_available()
    if choice == "cuda" and not has_gpu:
        raise UserError(
            "No GPU that CUDA can use was found.", "Choose the CPU, or install the GPU's driver and torch for CUDA."
        )
    if choice != "cpu" and has_gpu:
        return _described(torch.device("cuda"), _gpu_name(), torch.cuda.is_bf16_supported(including_emulation=False))
    return _described(torch.device("cpu"), "CPU", _cpu_has_bfloat16())


def describe_devices() -> str:
    """The GPUs that can be used, for a reader; empty when there is none."""
    if not torch.cuda.is_available():
        return ""
    return ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def _described(device: torch.device, name: str, mixed: bool) -> ComputeDevice:
    precision = "bfloat16" if mixed else "float32"
    return ComputeDevice(device, f"{name}, {precision}", mixed, gpu=device.type == "cuda")


def _gpu_name() -> str:
    return f"{torch.cuda.get_device_name()} (CUDA)"


def _cpu_has_bfloat16() -> bool:
    can = torch.cpu.get_capabilities()
    return any(can.get(feature, False) for feature in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))
