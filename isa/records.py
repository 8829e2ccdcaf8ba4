"""Frozen dataclasses as JSON, and back with every value's type checked."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
MAX_NATURAL = (1 << 63) - 1
MAX_TEXT = 4096
_SHOWN = 40
"""Characters of a wrong value."""


class RecordError(ValueError):
    """A value is not of the type of its field. The message names the field."""


def to_json(value: Any) -> Any:
    """A record as an object for JSON: dataclasses as objects, tuples as lists.

    A member of a union of dataclasses becomes an object with the one key that is its class's name.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = _hints(type(value))
        return {
            field.name: _field(getattr(value, field.name), hints[field.name]) for field in dataclasses.fields(value)
        }
    return [to_json(item) for item in value] if isinstance(value, tuple) else value


def from_json(kind: type[T], value: Any, where: str, known: Mapping[type, Any] | None = None) -> T:
    """The record that `to_json` made `value` of.

    Parameters
    ----------
    kind:
        A dataclass whose fields are naturals, booleans, texts, such enumerations, tuples, dataclasses, and unions.
    where:
        What messages begin with.
    known:
        Functions of a value and its place, for types that are read otherwise.

    Raises
    ------
    RecordError:
        A field is missing, unknown, or of another type.
    """
    return _read(kind, value, where, known or {})  # type: ignore[no-any-return]


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _members(hint: Any) -> tuple[Any, ...]:
    """The types that a field may have."""
    return get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _tags(hint: Any) -> dict[str, type]:
    """The names of a union of several dataclasses; empty for anything else."""
    kinds = [member for member in _members(hint) if isinstance(member, type) and dataclasses.is_dataclass(member)]
    return {kind.__name__: kind for kind in kinds} if len(kinds) > 1 else {}


def _field(value: Any, hint: Any) -> Any:
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        hints = [inner[0]] * len(value) if inner[-1] is ... else inner
        return [_field(item, item_hint) for item, item_hint in zip(value, hints, strict=True)]
    return {type(value).__name__: to_json(value)} if _tags(hint) else to_json(value)


def _read(hint: Any, value: Any, where: str, known: Mapping[type, Any]) -> Any:
    if isinstance(hint, types.UnionType):
        return _read_union(hint, value, where, known)
    if hint in known:
        return known[hint](value, where)
    if get_origin(hint) is tuple:
        return _read_tuple(get_args(hint), value, where, known)
    if dataclasses.is_dataclass(hint):
        return _read_record(hint, value, where, known)
    if hint is bool:
        if type(value) is not bool:
            raise _wrong(where, "true or false", value)
        return value
    if hint is str:
        if type(value) is not str or len(value) > MAX_TEXT:
            raise _wrong(where, f"a text of at most {MAX_TEXT} characters", value)
        return value
    if hint is int:
        if type(value) is not int or not 0 <= value <= MAX_NATURAL:
            raise _wrong(where, "a natural number", value)
        return value
    assert issubclass(hint, StrEnum)
    if value not in list(hint):
        raise _wrong(where, f"one of {', '.join(hint)}", value)
    return hint(value)


def _read_record(kind: Any, value: Any, where: str, known: Mapping[type, Any]) -> Any:
    if not isinstance(value, dict):
        raise _wrong(where, "an object", value)
    hints = _hints(kind)
    unknown = value.keys() - hints.keys()
    if unknown:
        raise RecordError(f"{where} has no field {_shown(min(unknown))}")
    missing = [name for name in hints if name not in value]
    if missing:
        raise RecordError(f"{where}.{missing[0]} is missing")
    return kind(**{name: _read(hint, value[name], f"{where}.{name}", known) for name, hint in hints.items()})


def _read_tuple(inner: tuple[Any, ...], value: Any, where: str, known: Mapping[type, Any]) -> tuple[Any, ...]:
    many = inner[-1] is ...
    if not isinstance(value, list) or not (many or len(value) == len(inner)):
        raise _wrong(where, "a list" if many else f"a list of {len(inner)}", value)
    hints = [inner[0]] * len(value) if many else inner
    return tuple(
        _read(hint, item, f"{where}[{place}]", known)
        for place, (hint, item) in enumerate(zip(hints, value, strict=True))
    )


def _read_union(hint: Any, value: Any, where: str, known: Mapping[type, Any]) -> Any:
    members = _members(hint)
    if value is None and types.NoneType in members:
        return None
    tags = _tags(hint)
    if not tags:
        (member,) = (member for member in members if member is not types.NoneType)
        return _read(member, value, where, known)
    if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= tags.keys():
        raise _wrong(where, f"one of {', '.join(tags)}", value)
    ((tag, fields),) = value.items()
    return _read(tags[tag], fields, f"{where}.{tag}", known)


def _wrong(where: str, expected: str, value: Any) -> RecordError:
    return RecordError(f"{where} must be {expected}, not {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
