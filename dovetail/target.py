"""What programs are built for: a CPU, or the accelerator on one of its devices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dovetail.compiler.codegen.limits import MAX_THREADS
from dovetail.isa.config import Config, load_config
from dovetail.runtime import DEVICES

if TYPE_CHECKING:
    from dovetail.compiler.vdla import Vdla

CPU_NAMES = ("llvm", "cpu")


class TargetError(ValueError):
    """There is no such target."""


@dataclass(frozen=True)
class LlvmTarget:
    """The CPU that this runs on.

    Attributes
    ----------
    threads:
        That share the iterations of parallel loops.
    """

    threads: int = 1

    def __post_init__(self) -> None:
        if type(self.threads) is not int or not 1 <= self.threads <= MAX_THREADS:
            raise TargetError(f"threads must be a whole number from 1 to {MAX_THREADS}, not {self.threads!r}")


@dataclass(frozen=True)
class VdlaTarget:
    """The accelerator.

    Attributes
    ----------
    config:
        Of the machine.
    device:
        A name for `runtime.open`.
    latency, bytes_per_cycle:
        Of its memory, on devices that have time.
    checks:
        The RTL's assertions are on, and its registers begin with random values.
    """

    config: Config = field(default_factory=Config)
    device: str = "fsim"
    latency: int = 64
    bytes_per_cycle: int = 16
    checks: bool = False

    @property
    def intrinsics(self) -> Vdla:
        """The scopes and tensor intrinsics of this machine."""
        from dovetail.compiler.vdla import Vdla

        return Vdla(self.config)


Target = LlvmTarget | VdlaTarget


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
    if target in DEVICES:
        return vdla(device=target)
    known = ", ".join([*CPU_NAMES, "vdla:CONFIG", *DEVICES])
    raise TargetError(f"no target {target!r}; use one of {known}")
