"""A deep-learning accelerator and its compiler, cut to fit each other.

`Config`, `load_config`, `Program`, `open_device`, `run_job` and the rest of `__all__` load what they need when they are
first used, so that ``import dovetail`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Config": ("dovetail.isa.config", "Config"),
    "Job": ("dovetail.job", "Job"),
    "Primitive": ("dovetail.compiler.tir.stmt", "Primitive"),
    "Program": ("dovetail.isa.program", "Program"),
    "Result": ("dovetail.job", "Result"),
    "build": ("dovetail.building", "build"),
    "cpu": ("dovetail.runtime.context", "cpu"),
    "fsim": ("dovetail.runtime.context", "fsim"),
    "load_config": ("dovetail.isa.config", "load_config"),
    "lower": ("dovetail.building", "lower"),
    "open_device": ("dovetail.runtime", "open"),
    "prepare_job": ("dovetail.job", "prepare_job"),
    "rtl": ("dovetail.runtime.context", "rtl"),
    "run_job": ("dovetail.job", "run_job"),
    "timing": ("dovetail.runtime.context", "timing"),
    "vdla": ("dovetail.compiler.vdla", "DEFAULT"),
} | {
    name: ("dovetail.compiler.te", name)
    for name in (
        "LanguageError",
        "Schedule",
        "ScheduleError",
        "Tensor",
        "TensorIntrinsic",
        "abs",
        "acos",
        "acosh",
        "all",
        "any",
        "asin",
        "asinh",
        "atan",
        "atanh",
        "cast",
        "ceil",
        "clip",
        "compute",
        "cos",
        "cosh",
        "create_schedule",
        "equal",
        "erf",
        "exp",
        "floor",
        "fmod",
        "if_then_else",
        "isinf",
        "isnan",
        "log",
        "log1p",
        "max",
        "min",
        "not_equal",
        "placeholder",
        "pow",
        "product",
        "reduce_axis",
        "replay",
        "round",
        "round_shift",
        "saturate",
        "select",
        "sin",
        "sinh",
        "sqrt",
        "sum",
        "tan",
        "tanh",
        "thread_axis",
        "var",
    )
}

_MODULES = {
    "compiler": "dovetail.compiler",
    "frontend": "dovetail.compiler.frontend",
    "nd": "dovetail.nd",
    "runtime": "dovetail.runtime",
    "target": "dovetail.target",
}

__all__ = ["__version__", *sorted([*_HOMES, *_MODULES])]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
