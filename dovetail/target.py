"""Names for what programs are built for: a CPU, or the accelerator on one of its devices."""

from __future__ import annotations

from typing import Any

from dovetail.compiler.target import LlvmTarget, Target, TargetError, VdlaTarget
from dovetail.fpga.boards import BOARDS
from dovetail.isa.config import Config, load_config
from dovetail.runtime import DEVICES

__all__ = ["CPU_NAMES", "LlvmTarget", "Target", "TargetError", "VdlaTarget", "llvm", "resolve", "vdla"]

CPU_NAMES = ("llvm", "cpu")


def llvm(threads: int = 1) -> LlvmTarget:
    """The CPU that this runs on, with `threads` threads for parallel loops.

    Raises
    ------
    TargetError:
        `threads` is out of range.
    """
    return LlvmTarget(threads)


def vdla(config: str | Config = "default", device: str = "fsim", **settings: Any) -> VdlaTarget:
    """The accelerator of a configuration, or a preset's or file's name, on a device; `settings` as of `VdlaTarget`.

    Raises
    ------
    TargetError, ConfigError:
        There is no such device or configuration.
    """
    if device not in DEVICES:
        raise TargetError(f"no device {device!r}; use one of {', '.join(DEVICES)}")
    return VdlaTarget(config if isinstance(config, Config) else load_config(config), device, **settings)


def resolve(target: str | Target) -> Target:
    """`target` itself, or what a name means: ``llvm`` or ``cpu``, a device such as ``fsim``, or ``vdla:CONFIG``.

    Raises
    ------
    TargetError, ConfigError:
        There is none of that name.
    """
    if isinstance(target, Target):
        return target
    if not isinstance(target, str):
        raise TargetError(f"a target is a name or what dovetail.target makes, not {target!r}")
    if target in CPU_NAMES:
        return LlvmTarget()
    kind, _, config = target.partition(":")
    if kind == "vdla":
        return vdla(config or "default")
    if target in BOARDS:
        board = BOARDS[target]
        memory = board.memory
        return vdla(board.config, target, latency=memory.latency_cycles, bytes_per_cycle=memory.bytes_per_cycle)
    if target in DEVICES:
        return vdla(device=target)
    known = ", ".join([*CPU_NAMES, "vdla:CONFIG", *DEVICES])
    raise TargetError(f"no target {target!r}; use one of {known}")
