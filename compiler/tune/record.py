"""A measurement with all that says of what, when and by what it was made; as a line of JSON too."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, TypeGuard

from .outcome import Outcome, Status
from .task import Task

_TASK = tuple(field.name for field in fields(Task))
FIELDS = (
    *_TASK,
    *("knobs", "status", "cost", "message", "seconds", "device", "at", "versions", "seed", "trial"),
)


@dataclass(frozen=True, kw_only=True)
class Record:
    """What came of a schedule.

    Attributes
    ----------
    knobs:
        The schedule's, as `space.knobs_as_dict` gives them.
    device:
        The kind of device that measured it: ``timing``, ``rtl``, a board's name.
    at:
        When, in universal time, as ISO 8601 with microseconds.
    versions:
        Of the programs that took part, by name.
    seed, trial:
        Of the search, where there was one, and which of its trials of the task this was, from 1.
    """

    task: Task
    knobs: Mapping[str, Any]
    outcome: Outcome
    device: str
    at: str
    versions: Mapping[str, str]
    seed: int | None = None
    trial: int | None = None

    def is_of(self, versions: Mapping[str, str]) -> bool:
        """Whether these took part; programs that are not named may be of any version."""
        return versions.items() <= self.versions.items()

    def as_line(self) -> str:
        """The record as one line of JSON, the same text for equal records.

        Raises
        ------
        TypeError, ValueError:
            Knobs or versions are not of JSON's types.
        """
        outcome = self.outcome
        cost = None if outcome.cost is None else float(outcome.cost)
        return as_json(
            asdict(self.task)
            | {"knobs": dict(self.knobs), "versions": dict(self.versions), "device": self.device, "at": self.at}
            | {"status": outcome.status.value, "cost": cost, "message": outcome.message}
            | {"seconds": float(outcome.seconds), "seed": self.seed, "trial": self.trial}
        )


def as_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":"))


def plain(text: str) -> str:
    """A text that UTF-8 can hold: what a failed process says may be anything."""
    return text.encode(errors="replace").decode()


def now() -> str:
    """This moment, as `Record.at` has it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def from_line(line: str) -> Record:
    """The record that `Record.as_line` wrote.

    Raises
    ------
    ValueError:
        It is none. The message says what is wrong with it.
    """
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    missing, unknown = [name for name in FIELDS if name not in content], sorted(content.keys() - set(FIELDS))
    if missing or unknown:
        raise ValueError(f"{missing[0]!r} is missing" if missing else f"unknown field {unknown[0]!r}")
    for name, (kind, fits) in _CHECKS.items():
        if not fits(content[name]):
            raise ValueError(f"{name!r} must be {kind}, not {content[name]!r:.60}")
    content |= {"at": _moment(content["at"]), "message": plain(content["message"])}
    return from_fields(content)


def from_fields(content: Mapping[str, Any]) -> Record:
    """A record from the values of `FIELDS`.

    Raises
    ------
    ValueError:
        There is no such status or cost, or they do not go together.
    """
    outcome = Outcome(
        status=Status(content["status"]),
        cost=content["cost"],
        message=content["message"],
        seconds=content["seconds"],
    )
    return Record(
        task=Task(**{name: content[name] for name in _TASK}),
        outcome=outcome,
        **{name: content[name] for name in ("knobs", "device", "at", "versions", "seed", "trial")},
    )


def _moment(text: str) -> str:
    moment = None
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(text)
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"'at' must be a time with its zone, not {text!r:.60}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value.splitlines()) <= 1 and plain(value) == value


def _number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _cost(value: object) -> bool:
    return value is None or (_number(value) and value > 0)


def _count(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63)


def _versions(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(version, str) for version in value.values())


_STATUSES = [status.value for status in Status]
_CHECKS: dict[str, tuple[str, Callable[[object], bool]]] = {
    **{name: ("a line of text", _text) for name in (*_TASK, "device", "at")},
    "knobs": ("an object", lambda value: isinstance(value, dict)),
    "status": (f"one of {', '.join(_STATUSES)}", lambda value: value in _STATUSES),
    "cost": ("a number above 0 or null", _cost),
    "message": ("text", lambda value: isinstance(value, str)),
    "seconds": ("a number", _number),
    "versions": ("an object of texts", _versions),
    "seed": ("a whole number or null", _count),
    "trial": ("a whole number or null", _count),
}
