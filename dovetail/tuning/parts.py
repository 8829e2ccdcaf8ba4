"""What there is to tune in a layer or a network: convolutions, each size once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dovetail.compiler.graph.deploy import laid_out
from dovetail.compiler.graph.pipeline import optimise
from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.target import VdlaTarget
from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.compiler.tune.outcome import Outcome
from dovetail.compiler.tune.space import Space
from dovetail.isa.progress import Progress, silent
from dovetail.job import accelerator_operator
from dovetail.network import Network
from dovetail.workload import Workload

from .accelerator_trial import Machine, Trial, run_trial

Call = tuple[Callable[[Any], Outcome], object]

QUANTISED = "_QuantizeLinear_Output"
"""What a quantiser makes the names of values end with."""


@dataclass(frozen=True)
class Part:
    """Sizes of which a workload has one convolution or several.

    Attributes
    ----------
    name:
        Of the first of them.
    trial:
        For a setting's number the function that measures it, in any process, and its argument.
    array:
        Cycles of the array alone; 0 on a processor.
    bound:
        No setting costs less: the array's cycles, or those in which memory moves weights and outputs once.
    unit:
        Of costs: ``cycles``, or ``ratio``, the time over that of the untuned schedule.
    weight:
        How many convolutions there are.
    varies:
        A setting's cost is another each time.
    cycles:
        In which a cost of one is done, as far as that is known without measuring: it makes parts comparable.
    """

    name: str
    space: Space
    trial: Callable[[int], Call]
    array: float
    bound: float
    weight: int = 1
    unit: str = "cycles"
    varies: bool = False
    cycles: float = 1.0


def accelerator_part(name: str, shape: Blocked, machine: Machine, weight: int = 1) -> Part:
    """A convolution on the accelerator.

    Raises
    ------
    OperatorError:
        No schedule fits the machine.
    """
    space = AcceleratorSpace(shape, machine.config, Memory(machine.latency, machine.bytes_per_cycle))

    def trial(index: int) -> Call:
        return run_trial, Trial(machine, shape, space.knobs(index))

    config = machine.config
    weights = shape.groups * shape.ic_blocks * shape.oc_blocks * shape.kh * shape.kw * config.wgt_bytes
    outputs = shape.samples * shape.groups * shape.oc_blocks * shape.out_h * shape.out_w
    moved = weights + outputs * config.batch * config.block_out
    bound = max(shape.steps, moved / min(machine.bytes_per_cycle, config.bus_bytes))
    return Part(name, space, trial, float(shape.steps), bound, weight)


def accelerator_layer(workload: Workload, machine: Machine) -> list[Part]:
    """The one part of a layer: its convolution, or its product of matrices, as the compiler puts it on the accelerator.

    Raises
    ------
    WorkloadError:
        No schedule fits the machine.
    """
    operator = accelerator_operator(
        workload, machine.config, latency=machine.latency, bytes_per_cycle=machine.bytes_per_cycle
    )
    assert operator.blocked is not None
    return [accelerator_part(workload.name, operator.blocked, machine)]


def accelerator_network(network: Network, machine: Machine, progress: Progress = silent) -> list[Part]:
    """The parts of a network, in the order in which they first come.

    Raises
    ------
    CompileError:
        It does not fit the machine.
    """
    target = VdlaTarget(machine.config, latency=machine.latency, bytes_per_cycle=machine.bytes_per_cycle)
    _, kernels, _ = laid_out(optimise(network.graph), target, progress=progress)
    names: dict[Blocked, str] = {}
    counts: Counter[Blocked] = Counter()
    for name, kernel in kernels.items():
        if kernel.blocked is not None:
            names.setdefault(kernel.blocked, short(name))
            counts[kernel.blocked] += 1
    parts = []
    for number, (shape, name) in enumerate(names.items()):
        progress(f"{name}: settings", number, len(names))
        parts.append(accelerator_part(name, shape, machine, counts[shape]))
    return parts


def short(name: str) -> str:
    """A value's name, without what a quantiser adds to it."""
    return name.removesuffix(QUANTISED)
