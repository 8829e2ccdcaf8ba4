"""Devices: open one, give it data and programs, read the results."""

from __future__ import annotations

import os
from pathlib import Path

from dovetail.fpga.boards import BOARDS
from dovetail.isa.config import Config, ConfigError, load_config
from dovetail.isa.module import ModuleError
from dovetail.isa.module_file import load
from dovetail.isa.progress import Progress

from .context import DEVICES, Context
from .device import DEFAULT_MEMORY_BYTES, Device, Loaded, RunResult
from .errors import (
    BadAccess,
    ConfigMismatch,
    DeviceError,
    DeviceFault,
    DeviceLost,
    DeviceTimeout,
    DeviceUnavailable,
    OutOfMemory,
)
from .module import Module, create
from .timing import Timing

__all__ = [
    "DEVICES",
    "BadAccess",
    "ConfigMismatch",
    "Context",
    "Device",
    "DeviceError",
    "DeviceFault",
    "DeviceLost",
    "DeviceTimeout",
    "DeviceUnavailable",
    "Loaded",
    "Module",
    "ModuleError",
    "OutOfMemory",
    "RunResult",
    "Timing",
    "create",
    "load",
    "open",
]

WITHOUT_TRACES = {"fsim": "fsim has no cycles", "timing": "timing counts cycles and keeps no record of them"}
"""Why simulators write no files of what happened."""


def open(
    device: str,
    *,
    config: str | Path | Config | None = None,
    port: str | None = None,
    latency: int = 64,
    bytes_per_cycle: int = 16,
    seed: int = 0,
    stall: float = 0.0,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    timeout: float | None = None,
    timeline: str | os.PathLike[str] | None = None,
    profile: bool = False,
    waves: str | os.PathLike[str] | None = None,
    checks: bool = False,
    progress: Progress | None = None,
) -> Device:
    """Open a device; use it as a context manager, or close it.

    Parameters
    ----------
    device:
        ``fsim``, the functional simulator, ``rtl``, the Verilated machine, ``timing``, the functional simulator with
        the cycles that the timing simulator counts, or a board's name such as ``ulx3s-85f``.
        What is said of memory, files and checks below holds for ``rtl``; ``fsim`` has no time and no such memory,
        ``timing`` a memory with `latency` and `bytes_per_cycle` only, and a board has the memory that it has, whatever
        `memory_bytes` says.
    config:
        The machine: a preset's name, a TOML file's path, or a configuration. By default a board's is what it says of
        itself, and a simulator's ``default``.
    port:
        Where a board is: a serial port's name, a pseudo-terminal's, or a URL that pyserial knows. By default the port
        that calls itself by the board's words.
    latency, bytes_per_cycle, stall, seed:
        How the memory behaves; see `sim.rtl.client.Settings`.
    memory_bytes:
        Size of the memory; untouched pages cost nothing.
    timeout:
        Seconds that a run may take, unless `Device.run` is given others.
    timeline:
        File for a Chrome trace of the last run; of a module's run with all its launches.
    profile:
        `RunResult.ends` says when each instruction was complete; it takes no noticeable time.
    waves:
        File for FST waves.
    checks:
        Assert the rules of the bus, and begin with random values in the machine; slower.
    progress:
        Called while the simulator is built, during long transfers to and from a board, and while programs run, with
        what is done, how much, and of how much (0 where that is not known).

    Raises
    ------
    ConfigError:
        There is no such device, or a configuration or setting is unusable.
    DeviceUnavailable:
        The simulator cannot be built or started, or the board does not answer.
    ConfigMismatch:
        The machine that answers is not of that configuration.
    """
    if device not in DEVICES:
        raise ConfigError(f"no device {device!r}; use one of {', '.join(DEVICES)}")
    if device != "rtl":
        why = WITHOUT_TRACES.get(device, f"nobody can look into {device}")
        for name, wanted in (("timeline", timeline is not None), ("waves", waves is not None), ("profile", profile)):
            if wanted:
                raise ConfigError(f"{name} needs device rtl; {why}")
    if device in BOARDS:
        from .board import open_board

        expected = None if config is None else _config(config)
        return open_board(BOARDS[device], config=expected, port=port, timeout=timeout, progress=progress)
    if port is not None:
        raise ConfigError(f"port is of boards, and {device} is a simulator")
    machine = _config("default" if config is None else config)
    if device == "fsim":
        from .fsim import FunctionalDevice

        return FunctionalDevice(machine, memory_bytes=memory_bytes)
    from dovetail.sim.rtl.client import Settings

    settings = Settings(latency=latency, bytes_per_cycle=bytes_per_cycle, stall=stall, seed=seed)
    if device == "timing":
        if stall:
            raise ConfigError("stall needs device rtl; the memory of timing never pauses")
        from .timing_device import TimingDevice

        return TimingDevice(machine, settings=settings, memory_bytes=memory_bytes)
    from dovetail.sim.rtl.build import Flavour

    from .rtl import RtlDevice

    return RtlDevice(
        machine,
        memory_bytes=memory_bytes,
        settings=settings,
        timeout=timeout,
        timeline=None if timeline is None else Path(timeline),
        profile=profile,
        waves=None if waves is None else Path(waves),
        flavour=Flavour.REGRESS if checks else Flavour.FAST,
        progress=progress,
    )


def _config(config: str | Path | Config) -> Config:
    return config if isinstance(config, Config) else load_config(config)
