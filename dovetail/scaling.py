"""What a larger array, a faster memory, or several accelerators on one memory would bring to ResNet-18's layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from dovetail.building import compile_for_accelerator
from dovetail.compiler.errors import CompileError
from dovetail.compiler.lower.lowering import lower
from dovetail.isa.config import Config, load_config
from dovetail.isa.program import Program
from dovetail.isa.progress import Progress, silent
from dovetail.job import accelerator_operator
from dovetail.layers import NOT_TOTALLED
from dovetail.sim.timing import TimingSimulator
from dovetail.workload import RESNET18, WorkloadError, parse_workload

CONFIGS = ("small", "default", "large")
"""Arrays of 8 x 8, 16 x 16 and 32 x 32, with the buffers of these presets."""
LAYERS = tuple(name for name in RESNET18 if name not in NOT_TOTALLED)
BANDWIDTHS = (4, 8, 16, 32)
LATENCIES = (16, 64, 256)
ACCELERATORS = (1, 2, 4)
LATENCY, BANDWIDTH = 64, 16
"""The memory whose latency, or whose bytes a cycle, stay while the other varies."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """All layers on one machine with one memory.

    Attributes
    ----------
    macs_per_cycle:
        The array's products a cycle, if it never waited.
    cycles:
        Of each layer.
    """

    config: str
    macs_per_cycle: int
    latency_cycles: int
    bytes_per_cycle: int
    macs: int
    cycles: Mapping[str, int]

    @property
    def total(self) -> int:
        """Cycles of all layers, one after the other."""
        return sum(self.cycles.values())

    @property
    def speed(self) -> float:
        """Products a cycle."""
        return self.macs / self.total

    @property
    def utilization(self) -> float:
        return self.speed / self.macs_per_cycle

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        totals = {"total": self.total, "utilization": self.utilization, "macs_of_a_cycle": self.speed}
        return asdict(self) | {"cycles": dict(self.cycles)} | totals


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """Several accelerators on one memory.

    Attributes
    ----------
    bytes_per_cycle:
        Of the memory.
    each:
        One accelerator with its share of them.
    """

    accelerators: int
    bytes_per_cycle: int
    each: Point

    @property
    def speed(self) -> float:
        """Products a cycle of all together."""
        return self.accelerators * self.each.speed

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "config": self.each.config,
            "accelerators": self.accelerators,
            "latency_cycles": self.each.latency_cycles,
            "bytes_per_cycle": self.bytes_per_cycle,
            "bytes_per_cycle_each": self.each.bytes_per_cycle,
            "utilization": self.each.utilization,
            "macs_of_a_cycle": self.speed,
        }


@dataclass(frozen=True, kw_only=True)
class ScalingResult:
    """What `measure_scaling` found: every machine with every memory that it was asked for."""

    points: tuple[Point, ...]
    latency: int
    bytes_per_cycle: int

    @property
    def by_bandwidth(self) -> dict[str, list[Point]]:
        """For each machine, those with the one latency, the slowest memory first."""
        return self._chosen(lambda point: point.latency_cycles == self.latency)

    @property
    def by_latency(self) -> dict[str, list[Point]]:
        """For each machine, those with the one bandwidth, the shortest latency first."""
        return self._chosen(lambda point: point.bytes_per_cycle == self.bytes_per_cycle)

    @property
    def sharing(self) -> tuple[Sharing, ...]:
        """Accelerators on one memory, each with images of its own and an equal share of the memory's bytes a cycle.

        A share is fixed: what one leaves unused the others do not get, and none waits for a burst of another, so that
        the latency stays. Only those whose share is among the points are there.
        """
        return tuple(
            Sharing(accelerators=count, bytes_per_cycle=whole.bytes_per_cycle, each=each)
            for points in self.by_bandwidth.values()
            for whole in points
            for count in ACCELERATORS
            for each in points
            if each.bytes_per_cycle * count == whole.bytes_per_cycle
        )

    def as_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "points": [point.as_dict() for point in self.points],
            "sharing": [sharing.as_dict() for sharing in self.sharing],
        }

    def _chosen(self, wanted: Callable[[Point], bool]) -> dict[str, list[Point]]:
        chosen: dict[str, list[Point]] = {}
        for point in sorted(filter(wanted, self.points), key=lambda one: (one.bytes_per_cycle, one.latency_cycles)):
            chosen.setdefault(point.config, []).append(point)
        names = list(dict.fromkeys(point.config for point in self.points))
        return {name: chosen[name] for name in names if name in chosen}


def measure_scaling(
    configs: Sequence[str] = CONFIGS,
    *,
    layers: Sequence[str] = LAYERS,
    bandwidths: Sequence[int] = BANDWIDTHS,
    latencies: Sequence[int] = LATENCIES,
    latency: int = LATENCY,
    bytes_per_cycle: int = BANDWIDTH,
    progress: Progress = silent,
) -> ScalingResult:
    """Compile layers for machines and memories, and count their cycles on the timing simulator.

    Each schedule is chosen for the memory that it runs with.

    Parameters
    ----------
    configs:
        Names for `load_config`.
    bandwidths, latencies:
        Of memories; the former with `latency`, the latter with `bytes_per_cycle`.

    Raises
    ------
    WorkloadError, ConfigError:
        There is no such layer or configuration, or a layer does not fit a machine.
    """
    memories = sorted({(latency, one) for one in bandwidths} | {(one, bytes_per_cycle) for one in latencies})
    wanted = [(name, memory) for name in configs for memory in memories]
    points, programs = [], dict[object, Program]()
    for done, (name, memory) in enumerate(wanted):
        config, cycles = load_config(name), {}
        for place, layer in enumerate(layers):
            what = f"{name}, {memory[0]} cycles, {memory[1]} bytes a cycle: {layer}"
            progress(what, done * len(layers) + place, len(wanted) * len(layers))
            cycles[layer] = _cycles(layer, config, *memory, programs)
        points.append(
            Point(
                config=name,
                macs_per_cycle=config.macs_per_cycle,
                latency_cycles=memory[0],
                bytes_per_cycle=memory[1],
                macs=sum(parse_workload(layer).shape.macs for layer in layers),
                cycles=cycles,
            )
        )
    return ScalingResult(points=tuple(points), latency=latency, bytes_per_cycle=bytes_per_cycle)


def _cycles(layer: str, config: Config, latency: int, bytes_per_cycle: int, programs: dict[object, Program]) -> int:
    """Cycles of one layer, compiled for a machine and its memory.

    Parameters
    ----------
    programs:
        Those that were compiled before, as memories that are alike have the same schedule.
    """
    workload = parse_workload(layer)
    operator = accelerator_operator(workload, config, latency=latency, bytes_per_cycle=bytes_per_cycle)
    key = layer, config, operator.knobs
    if key not in programs:
        try:
            function = lower(operator.schedule, operator.args, operator.name)
            programs[key] = compile_for_accelerator(function, config).program
        except CompileError as error:
            raise WorkloadError(f"{layer}: {error}") from None
    program = programs[key]
    simulator = TimingSimulator(config, latency=latency, bytes_per_cycle=bytes_per_cycle)
    return simulator.predict(program.encode(), _micro_ops(program)).cycles


def _micro_ops(program: Program) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A memory with what the program brings along."""
    memory = np.zeros(max((segment.end for segment in program.segments), default=0), np.uint8)
    for segment in program.segments:
        memory[segment.address : segment.end] = np.frombuffer(segment.data, np.uint8)
    return memory
