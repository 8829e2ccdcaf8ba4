"""Exit codes, and which error has which."""

from __future__ import annotations

from typing import Final

import typer

RIGHT: Final = 0
WRONG: Final = 1
USAGE: Final = 2
FAULT: Final = 3
INTERRUPTED: Final = 130

USAGE_ERROR = typer.BadParameter.__mro__[1]
"""Base of what the parser of the command line raises; where it lives depends on the version of typer."""


def exit_code(error: Exception) -> int | None:
    """The exit code for an error that a user can cause or a device can have; None for a defect of the program."""
    if isinstance(error, (*_input_errors(), USAGE_ERROR)):
        return USAGE
    if isinstance(error, _device_errors()):
        return FAULT
    if isinstance(error, _build_errors()):
        return WRONG
    return None


def _input_errors() -> tuple[type[Exception], ...]:
    from dovetail.compiler.errors import CompileError
    from dovetail.compiler.tune.models import ModelError
    from dovetail.compiler.tune.records import RecordsError
    from dovetail.files import InputError, OutputError
    from dovetail.fpga.flow.errors import ToolMissing
    from dovetail.isa.config import ConfigError
    from dovetail.isa.layout import EncodingError
    from dovetail.isa.module import ModuleError
    from dovetail.isa.native.errors import NativeError
    from dovetail.isa.program import ProgramError
    from dovetail.isa.verify import VerificationError
    from dovetail.workload import WorkloadError

    return (
        CompileError,
        ConfigError,
        EncodingError,
        InputError,
        ModelError,
        ModuleError,
        NativeError,
        OutputError,
        ProgramError,
        RecordsError,
        ToolMissing,
        VerificationError,
        WorkloadError,
    )


def _device_errors() -> tuple[type[Exception], ...]:
    from dovetail.fpga.loader import LoaderError
    from dovetail.runtime import DeviceError

    return DeviceError, LoaderError


def _build_errors() -> tuple[type[Exception], ...]:
    from dovetail.fpga.flow.errors import FlowError

    return (FlowError,)
