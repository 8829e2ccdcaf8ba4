"""The functional simulator: the machine's effects on memory and buffers, bit for bit, without its cycles."""

from .errors import DeadlockError, EndError, FunctionalError, OutOfRangeError
from .simulator import FunctionalResult, FunctionalSimulator

__all__ = [
    "DeadlockError",
    "EndError",
    "FunctionalError",
    "FunctionalResult",
    "FunctionalSimulator",
    "OutOfRangeError",
]
