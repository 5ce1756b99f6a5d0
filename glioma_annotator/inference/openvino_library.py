"""The OpenVINO package: whether it is there, its import without telemetry, and what it computes in here."""

from __future__ import annotations

import functools
import importlib.util
import platform
import sys
from pathlib import Path
from typing import Any


def available() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def import_openvino() -> Any:
    """The package, without its telemetry, which would report imports and conversions over the network.

    OpenVINO does without the package `openvino_telemetry` when it cannot be imported; `None` in `sys.modules` has that
    effect whether or not it is installed.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino

    return openvino


def computes_in_bfloat16(core: Any) -> bool:
    """Whether an OpenVINO `Core` computes in bfloat16 on this processor."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@functools.cache
def fast_in_eight_bits() -> bool:
    """Whether the processor has instructions for products of 8-bit numbers (VNNI), several times faster than others.

    Without them OpenVINO's 8-bit sums may overflow. Every x86 processor with bfloat16 has them; of others only Linux
    tells.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    if computes_in_bfloat16(import_openvino().Core()):
        return True
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text()
    except OSError:
        return False


def types_in_words(eight_bit: bool, mixed: bool) -> str:
    """What a network is computed in; `mixed` for bfloat16 instead of float32."""
    return f"{'8 bits and ' * eight_bit}{'bfloat16' if mixed else 'float32'}"


def describe() -> str:
    """OpenVINO's version and what it computes networks in; empty where it is not installed.

    Raises what a broken installation raises.
    """
    if not available():
        return ""
    openvino = import_openvino()
    types = types_in_words(fast_in_eight_bits(), computes_in_bfloat16(openvino.Core()))
    return f"{openvino.__version__.split('-')[0]}, computes in {types}"
