"""What is tuned: an operator of some shape, for a machine and its memory."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Any, TypeVar

S = TypeVar("S")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What schedules are searched for, in words that stay the same from one process to the next.

    Attributes
    ----------
    operator:
        The schedule's template: ``conv2d``, ``cpu_conv2d_float32``.
    workload:
        The sizes of which the template's loops are made, as text.
    target:
        ``vdla`` or ``cpu``.
    machine:
        A configuration's fingerprint in hexadecimal, or the processor.
    memory:
        Latency and bytes a cycle, as in ``64:16``; empty for a processor.
    """

    operator: str
    workload: str
    target: str
    machine: str
    memory: str = ""

    @property
    def key(self) -> str:
        """One line that no other task has."""
        return " ".join(astuple(self))


def sizes_text(shape: Any) -> str:
    """The fields of a dataclass of sizes, as `Task.workload` has them."""
    values = ((field.name, getattr(shape, field.name)) for field in fields(shape))
    return ",".join(f"{name}={'/'.join(map(str, v)) if isinstance(v, tuple) else v}" for name, v in values)


def sizes_from_text(kind: type[S], text: str) -> S:
    """The sizes that `sizes_text` wrote.

    Raises
    ------
    ValueError:
        They are not those of a `kind`.
    """
    values = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    if set(values) != {field.name for field in fields(kind)}:  # type: ignore[arg-type]  # a dataclass
        raise ValueError(f"{text} are no sizes of a {kind.__name__}")
    return kind(**{name: tuple(map(int, v.split("/"))) if "/" in v else int(v) for name, v in values.items()})
