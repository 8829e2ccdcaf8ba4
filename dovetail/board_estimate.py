"""What a board would do: cycles that the RTL simulation needs with the board's memory, times the clock's period."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dovetail.compiler.target import VdlaTarget
from dovetail.fpga.boards import Board, MemoryFigures
from dovetail.isa.config import Config
from dovetail.isa.container import replace_file
from dovetail.isa.progress import Progress, silent
from dovetail.layers import measure_layers
from dovetail.module_job import Setting, execute
from dovetail.network import read_network
from dovetail.network_job import prepare_network
from dovetail.result import RTL
from dovetail.workload import RESNET18

NETWORK = "resnet18"
COMPUTED = "computed from cycles in the RTL simulation, not measured on a board"


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """A workload's cycles on the accelerator, and what they are at a clock.

    Attributes
    ----------
    macs:
        Products that the accelerator forms.
    utilization:
        `macs` over cycles times the array's products a cycle.
    ms, fps:
        Milliseconds for one input, and inputs a second.
    """

    name: str
    macs: int
    cycles: int
    utilization: float
    ms: float
    fps: float


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a build of a board would do.

    Attributes
    ----------
    mhz:
        The accelerator's clock.
    memory:
        The board's as the simulation has it.
    resnet18:
        The accelerator's part of the network; what the host computes and the way to the board are not in it. None
        where it was not asked for.
    exact:
        All layers gave what the reference gives.
    """

    board: str
    config: str
    mhz: float
    memory: MemoryFigures
    layers: tuple[Estimated, ...]
    resnet18: Estimated | None
    exact: bool

    def to_json(self) -> dict[str, Any]:
        """An object for a JSON file."""
        return {"note": COMPUTED, **asdict(self)}

    def to_markdown(self) -> str:
        """A section of a report, with a table."""
        memory = f"{self.memory.latency_cycles} cycles of latency, {self.memory.bytes_per_cycle} bytes a cycle"
        rows = [*self.layers, *([self.resnet18] if self.resnet18 else [])]
        lines = [
            f"## What {self.board} with {self.config} would do at {self.mhz:.2f} MHz ({COMPUTED})",
            "",
            f"Memory: {memory} ({self.memory.basis}).",
            "",
            "| workload | MACs | cycles | utilization | ms | frames/s |",
            "|---|---:|---:|---:|---:|---:|",
            *map(_row, rows),
        ]
        if self.resnet18:
            lines += ["", f"`{NETWORK}` is the accelerator's part alone, without the host's operators and transfers."]
        return "\n".join(lines) + "\n"


def estimate(
    board: Board,
    config: Config,
    mhz: float,
    memory: MemoryFigures | None = None,
    progress: Progress = silent,
    *,
    config_name: str = "",
    layers: Sequence[str] = tuple(RESNET18),
    network: bool = True,
) -> Estimate:
    """Run layers and ResNet-18 on the RTL with a board's memory, compiled for that memory.

    Parameters
    ----------
    mhz:
        The accelerator's clock.
    memory:
        The board's by default.
    config_name:
        What the estimate calls the configuration; the board's default if empty.
    layers:
        Workloads by name.
    network:
        Run ResNet-18 too; it takes minutes.

    Raises
    ------
    WorkloadError, CompileError, DeviceError:
        A layer or the network cannot be compiled for the machine, or not be run.
    """
    memory = memory or board.memory
    latency, bandwidth = memory.latency_cycles, memory.bytes_per_cycle
    config_name = config_name or board.config
    found = measure_layers(
        config,
        config_name=config_name,
        device=RTL,
        names=layers,
        hiding=(True,),
        latency=latency,
        bytes_per_cycle=bandwidth,
        progress=progress,
    )
    return Estimate(
        board=board.name,
        config=config_name,
        mhz=mhz,
        memory=memory,
        layers=tuple(_estimated(one.workload, one.macs, one.cycles or 0, config, mhz) for one in found.layers),
        resnet18=_network(config, mhz, latency, bandwidth, progress) if network else None,
        exact=found.exact,
    )


def add_to_report(found: Estimate, page: Path, report: Path) -> None:
    """Add an estimate to the reports of a build, its page and its JSON file.

    Raises
    ------
    OSError:
        They cannot be read or written.
    """
    values = json.loads(report.read_text())
    replace_file(page, f"{page.read_text()}\n{found.to_markdown()}".encode())
    replace_file(report, (json.dumps({**values, "estimate": found.to_json()}, indent=2) + "\n").encode())


def _network(config: Config, mhz: float, latency: int, bandwidth: int, progress: Progress) -> Estimated:
    network = read_network(NETWORK, progress=progress)
    job = prepare_network(network, VdlaTarget(config, RTL, latency, bandwidth), progress=progress)
    setting = Setting(device=RTL, latency=latency, bytes_per_cycle=bandwidth)
    run = execute(job.plan, job.library, job.params, job.inputs, setting, progress=progress)
    macs = sum(layer.macs for layer in job.plan.layers if layer.on_accelerator)
    return _estimated(NETWORK, macs, run.cycles or 0, config, mhz)


def _estimated(name: str, macs: int, cycles: int, config: Config, mhz: float) -> Estimated:
    ms = cycles / (mhz * 1e3)
    utilization = macs / (cycles * config.macs_per_cycle)
    return Estimated(name=name, macs=macs, cycles=cycles, utilization=utilization, ms=ms, fps=1e3 / ms)


def _row(one: Estimated) -> str:
    figures = f"{one.macs:,} | {one.cycles:,} | {100 * one.utilization:.1f}% | {one.ms:.3f} | {one.fps:,.1f}"
    return f"| {one.name} | {figures} |"
