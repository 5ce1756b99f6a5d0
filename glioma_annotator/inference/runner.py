"""What runs a network on one block of voxels, whatever computes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glioma_annotator.domain.geometry import Shape
from glioma_annotator.errors import EnvironmentFailure
from glioma_annotator.progress import CancelToken, Report


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A network's answer for a block of voxels.

    Attributes
    ----------
    softmax: float32 (class, i, j, k).
    features: float16 (channel, i, j, k), what the network's head reads; None when not asked for.
    """

    softmax: NDArray[np.float32]
    features: NDArray[np.float16] | None = None


class OutOfMemory(Exception):
    """The memory did not suffice for a block: a smaller one may fit."""


@contextmanager
def lack_of_memory_told(purpose: str) -> Iterator[None]:
    """Within it, a lack of memory becomes an `EnvironmentFailure` that says for what it did not suffice."""
    try:
        yield
    except MemoryError as error:
        raise EnvironmentFailure(
            f"The computer's memory does not suffice to {purpose}.",
            "Close other programs, or use a computer with more memory.",
        ) from error


class Runner(Protocol):
    """A loaded network on a device.

    Attributes
    ----------
    name: device, what computes and precision, for a reader, e.g. "CPU, OpenVINO, bfloat16".
    multiple: block sizes must be multiples of this many voxels.
    gpu: whether blocks live in the memory of a GPU.
    """

    name: str
    multiple: int
    gpu: bool

    def run(
        self, images: NDArray[np.float32], want_features: bool, bound: float, report: Report, cancel: CancelToken
    ) -> Block:
        """Run on z-scored images (channel, i, j, k), using about `bound` bytes at most where `fits` says so.

        Raises `OutOfMemory`, or `Cancelled` within a second of the request.
        """
        ...

    def fits(self, shape: Shape, want_features: bool, bound: float) -> bool:
        """Whether a block of `shape` voxels can be run in `bound` bytes, an estimate."""
        ...
