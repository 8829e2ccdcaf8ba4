"""What there is to tune on this computer's processor: convolutions, each size once."""

from __future__ import annotations

from collections import Counter

import numpy as np

from dovetail.compiler.graph.cpu.tuned import tuned
from dovetail.compiler.graph.pipeline import optimise
from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.ops.choose import Choice
from dovetail.compiler.ops.cpu.knobs import Conv2dKnobs
from dovetail.compiler.ops.measured import measured_schedules
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.tune.cpu_space import CpuSpace
from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent
from dovetail.network import Network
from dovetail.workload import Workload, WorkloadError

from .cpu_trial import CpuTrial, run_cpu_trial
from .parts import Call, Part, short


def cpu_part(name: str, shape: Conv2dShape, dtype: str, weight: int = 1) -> Part:
    """A convolution in float32 or int8."""
    space = CpuSpace(shape, dtype)

    def trial(index: int) -> Call:
        return run_cpu_trial, CpuTrial(shape, space.knobs(index), dtype)

    default = space.default()
    cycles = 1.0 if default is None else float(space.estimate(np.array([default]))[0])
    return Part(name, space, trial, 0.0, 0.0, weight, unit="ratio", varies=True, cycles=cycles)


def cpu_layer(workload: Workload, dtype: str) -> list[Part]:
    """The one part of a layer.

    Raises
    ------
    WorkloadError:
        It is no convolution.
    """
    if not isinstance(workload.shape, Conv2dShape):
        raise WorkloadError(f"{workload.name}: on the CPU only convolutions are tuned")
    return [cpu_part(workload.name, workload.shape, dtype)]


def cpu_network(network: Network, progress: Progress = silent) -> list[Part]:
    """The parts of a network, in the order in which they first come; each is of the type that it has there."""
    graph = optimise(network.graph)
    names: dict[tuple[Conv2dShape, str], str] = {}
    counts: Counter[tuple[Conv2dShape, str]] = Counter()
    for node in graph.nodes:
        if not node.output.type.size:
            continue
        known = {place: graph.constants[value] for place, value in enumerate(node.inputs) if value in graph.constants}
        asked = _Asked()
        with measured_schedules(asked):
            tuned(node, known)
        for what in asked.convolutions:
            names.setdefault(what, short(node.output.name))
            counts[what] += 1
    parts = []
    for number, ((shape, dtype), name) in enumerate(names.items()):
        progress(f"{name}: settings", number, len(names))
        parts.append(cpu_part(name, shape, dtype, counts[shape, dtype]))
    return parts


class _Asked:
    """Has no schedule, but remembers for what one was asked for: a `compiler.ops.measured.Lookup`."""

    def __init__(self) -> None:
        self.convolutions: list[tuple[Conv2dShape, str]] = []

    def accelerator(self, shape: Blocked, config: Config, memory: Memory) -> Choice | None:
        return None

    def cpu(self, shape: Conv2dShape, dtype: str) -> Conv2dKnobs | None:
        self.convolutions.append((shape, dtype))
        return None
