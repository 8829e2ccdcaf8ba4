"""Tensor expressions and their schedules."""

from __future__ import annotations

from .errors import LanguageError, ScheduleError
from .functions import (
    abs,
    all,
    any,
    cast,
    clip,
    equal,
    erf,
    exp,
    floor,
    if_then_else,
    log,
    max,
    min,
    not_equal,
    round,
    round_shift,
    saturate,
    select,
    sqrt,
    sum,
    tanh,
)
from .intrinsic import TensorIntrinsic
from .language import compute, placeholder, reduce_axis, thread_axis, var
from .schedule import Schedule, create_schedule
from .serialise import replay
from .tensor import Axis, Tensor

__all__ = [
    "Axis",
    "LanguageError",
    "Schedule",
    "ScheduleError",
    "Tensor",
    "TensorIntrinsic",
    "abs",
    "all",
    "any",
    "cast",
    "clip",
    "compute",
    "create_schedule",
    "equal",
    "erf",
    "exp",
    "floor",
    "if_then_else",
    "log",
    "max",
    "min",
    "not_equal",
    "placeholder",
    "reduce_axis",
    "replay",
    "round",
    "round_shift",
    "saturate",
    "select",
    "sqrt",
    "sum",
    "tanh",
    "thread_axis",
    "var",
]
