"""What programs are built for: a CPU, or the accelerator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dovetail.isa.config import Config
from dovetail.isa.module import MAX_THREADS

from .errors import CompileError

if TYPE_CHECKING:
    from .vdla import Vdla


class TargetError(CompileError):
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
        from .vdla import Vdla

        return Vdla(self.config)


Target = LlvmTarget | VdlaTarget
