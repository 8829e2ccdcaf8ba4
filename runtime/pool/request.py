"""What a device pool is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Answer = Literal["done", "failed", "crashed", "timeout", "lost"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A call of a function on some device of a kind.

    Attributes
    ----------
    key:
        Names the request's reply; unique in a run.
    function, argument:
        `function(argument)` is called in a process beside the device. Both travel pickled; the function is best one of
        a module that the worker can import. What it keeps in its module is there for the next request on that device.
    resource:
        The kind of device, as workers announce it: ``timing``, ``rtl``, ``cpu``, a board's name.
    timeout:
        Seconds that the call may take. Waiting for a device, starting a process and importing do not count.
    """

    key: str
    function: Callable[[Any], object]
    argument: object
    resource: str
    timeout: float

    def __post_init__(self) -> None:
        if not self.timeout > 0:
            raise ValueError(f"the time-out of request {self.key!r} must be above 0, not {self.timeout}")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came of a request.

    Attributes
    ----------
    status:
        ``done``; ``failed``, it raised or what it returned cannot be pickled; ``crashed``, its process died;
        ``timeout``, its process was killed; ``lost``, it was never called, or what it returned never came, or the
        workers that had it died again and again: that says nothing of the function.
    value:
        What the function returned; None unless done.
    message:
        One line that says why it is not done; empty when it is.
    detail:
        The traceback, or the end of what a process that died had printed.
    worker:
        The name of the worker that ran it.
    seconds:
        How long it ran.
    """

    key: str
    status: Answer
    value: Any = None
    message: str = ""
    detail: str = ""
    worker: str = ""
    seconds: float = 0.0
