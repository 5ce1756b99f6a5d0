"""Records as plain JSON values and back: dataclasses become objects, enumerations their values, dates ISO 8601."""

from __future__ import annotations

import dataclasses
import datetime as dt
import types
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")
Plain = dict[str, Any]


def to_plain(record: Any) -> Plain:
    """The fields of a dataclass by name, as JSON knows them."""
    names = _field_names(type(record))  # type: ignore[arg-type]  # classes are hashable
    return {name: _plain(getattr(record, name)) for name in names}


@cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


_AS_THEY_ARE = frozenset({str, float, int, bool, types.NoneType})


def _plain(value: Any) -> Any:
    if type(value) in _AS_THEY_ARE:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return to_plain(value)
    return value.item() if hasattr(value, "item") else value  # numpy's numbers


def from_plain(kind: type[T], plain: Mapping[str, Any]) -> T:
    """A dataclass from what `to_plain` made of it; fields that are absent take their defaults.

    Raises `ValueError` for unknown fields, missing ones without a default, and values of another type.
    """
    decoders: Mapping[str, Callable[[Any], Any]] = _decoders(kind)  # type: ignore[arg-type]  # classes are hashable
    unknown = plain.keys() - decoders.keys()
    if unknown:
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    try:
        return kind(**{name: decoders[name](value) for name, value in plain.items()})
    except TypeError as error:  # a field is missing
        raise ValueError(f"{kind.__name__}: {error}") from error


@cache
def _decoders(kind: type) -> dict[str, Callable[[Any], Any]]:
    hints = get_type_hints(kind)
    return {field.name: _decoder(hints[field.name]) for field in dataclasses.fields(kind)}


def _decoder(hint: Any) -> Callable[[Any], Any]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (_decoder(argument) for argument in arguments if argument is not types.NoneType)
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if hint is Any:
        return lambda value: value
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _of_type(dict)
    if issubclass(hint, Enum):
        return lambda value: hint(value)
    if hint is float:
        return _number
    if hint in (dt.date, dt.datetime):
        text = _of_type(str)
        return lambda value: hint.fromisoformat(text(value))
    if dataclasses.is_dataclass(hint):
        table, kind = _of_type(dict), cast(type[Any], hint)
        return lambda value: from_plain(kind, table(value))
    return _of_type(hint)


def _of_type(kind: type) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{value!r} is not a {kind.__name__}")
        return value

    return check


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _tuple_decoder(arguments: tuple[Any, ...]) -> Callable[[Any], Any]:
    listed = _of_type(list)
    if arguments[-1] is Ellipsis:
        each = _decoder(arguments[0])
        return lambda value: tuple(each(item) for item in listed(value))
    decoders = tuple(_decoder(argument) for argument in arguments)

    def decode(value: Any) -> tuple[Any, ...]:
        if len(listed(value)) != len(decoders):
            raise ValueError(f"{value!r} has not {len(decoders)} items")
        return tuple(decoder(item) for decoder, item in zip(decoders, value, strict=True))

    return decode
