"""The weights in a TorchScript archive, read as numbers: nothing in the archive is executed.

`torch.jit.load` compiles and may run code that the archive brings. Here only its table of weights is read: a zip whose
`data.pkl` names modules and tensors, and whose `data/N` hold the tensors' bytes (layout: "Serialization", notes of the
PyTorch source, torch/csrc/jit/docs/serialization.md). Of what that pickle may ask for, modules become plain tables,
tensors are cut from the bytes, and anything else is refused.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_DTYPES = {"DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8",
           "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
           "BoolStorage": "?"}  # fmt: skip
#: Bytes of weights that are read at most; the networks known here have a hundredth of it.
_MOST_BYTES = 2 * 2**30
_LIST_BUILDERS = ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist")


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of the archive's module by their names, as in its state.

    Raises `pickle.UnpicklingError` for an archive that holds anything else than modules, numbers and words, and
    `zipfile.BadZipFile`, `KeyError`, `OSError` for one that is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        (table,) = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")] or [""]
        if not table:
            raise pickle.UnpicklingError("the archive has no table of weights")
        root = table.partition("/")[0]
        if sum(member.file_size for member in archive.infolist()) > _MOST_BYTES:
            raise pickle.UnpicklingError("the archive is too large")
        order = f"{root}/byteorder"
        if order in archive.namelist() and archive.read(order).strip() != b"little":
            raise pickle.UnpicklingError("the archive's bytes are in an order that is not read here")
        module = _Reader(archive, root, archive.read(table)).load()
    if not isinstance(module, _Module):
        raise pickle.UnpicklingError("the archive holds no module")
    return dict(_tensors(module, ""))


class _Module:
    """A module of the archive: its attributes, without its code."""


class _Reader(pickle.Unpickler):
    """Unpickles modules, tensors, numbers and words only."""

    def __init__(self, archive: zipfile.ZipFile, root: str, table: bytes) -> None:
        super().__init__(io.BytesIO(table))
        self._archive, self._root = archive, root
        self._numbers: dict[str, bytearray] = {}  # every member is read once, however many tensors name it

    def find_class(self, module: str, name: str) -> Any:
        if module == "__torch__" or module.startswith("__torch__."):
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _cut
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch.jit._pickle":
            return _builder(name)
        raise pickle.UnpicklingError(f"the archive asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray[Any, Any]:
        kind, dtype, key, _device, count = pid
        if kind != "storage" or not str(key).isalnum():
            raise pickle.UnpicklingError("the archive asks for more than numbers")
        if str(key) not in self._numbers:
            self._numbers[str(key)] = bytearray(self._archive.read(f"{self._root}/data/{key}"))
        values = np.frombuffer(self._numbers[str(key)], dtype=np.dtype(dtype))
        if len(values) < int(count):
            raise pickle.UnpicklingError("the archive is cut short")
        return values


def _builder(name: str) -> Callable[..., Any]:
    if name in _LIST_BUILDERS:
        return list
    if name == "restore_type_tag":
        return _first
    raise pickle.UnpicklingError(f"the archive asks for torch.jit._pickle.{name}")


def _first(value: Any, _type: str) -> Any:
    return value


def _cut(storage: np.ndarray[Any, Any], offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    """A tensor out of a storage's values. Raises `pickle.UnpicklingError` where it would reach beyond them."""
    size, stride = tuple(map(int, size)), tuple(map(int, stride))
    last = int(offset) + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    empty = 0 in size
    if not isinstance(storage, np.ndarray) or min((offset, *size, *stride)) < 0 or (last >= len(storage) and not empty):
        raise pickle.UnpicklingError("a tensor of the archive reaches beyond its numbers")
    if math.prod(size) > len(storage):  # one number can be spread over any size
        raise pickle.UnpicklingError("a tensor of the archive reaches beyond its numbers")
    return torch.from_numpy(storage).as_strided(size, stride, int(offset))


def _tensors(module: _Module, prefix: str) -> Iterator[tuple[str, Tensor]]:
    attributes: Mapping[str, Any] = vars(module)
    for name, value in attributes.items():
        if isinstance(value, Tensor):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.")
