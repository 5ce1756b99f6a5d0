"""Whether a GPU can be had, without importing torch where it cannot."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def built_for_gpu() -> bool:
    """Whether the installed torch was built for CUDA; torch is not imported."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    return any((Path(found.origin).parent / "lib").glob("*torch_cuda*"))


def gpu_present() -> bool:
    """Whether torch can compute on a GPU; torch is imported only when it was built for CUDA."""
    if not built_for_gpu():
        return False
    import torch

    return bool(torch.cuda.is_available())
