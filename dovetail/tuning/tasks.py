"""What there is to tune in a layer or a network: the convolutions that it takes on the accelerator, each size once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from dovetail.compiler.graph.deploy import laid_out
from dovetail.compiler.graph.pipeline import optimise
from dovetail.compiler.ops.blocked import Blocked
from dovetail.compiler.target import VdlaTarget
from dovetail.isa.config import Config
from dovetail.isa.progress import Progress, silent
from dovetail.job import accelerator_operator
from dovetail.network import Network
from dovetail.workload import Workload


@dataclass(frozen=True)
class Part:
    """Sizes of which a workload has one convolution or several.

    Attributes
    ----------
    name:
        Of the first of them.
    weight:
        How many there are.
    """

    name: str
    shape: Blocked
    weight: int = 1


def layer_parts(workload: Workload, config: Config, *, latency: int, bytes_per_cycle: int) -> list[Part]:
    """The one part of a layer.

    Raises
    ------
    WorkloadError:
        No schedule fits the machine.
    """
    operator = accelerator_operator(workload, config, latency=latency, bytes_per_cycle=bytes_per_cycle)
    assert operator.blocked is not None
    return [Part(workload.name, operator.blocked)]


def network_parts(network: Network, target: VdlaTarget, progress: Progress = silent) -> list[Part]:
    """The parts of a network, in the order in which they first come.

    Raises
    ------
    CompileError:
        It does not fit the machine.
    """
    _, kernels, _ = laid_out(optimise(network.graph), target, progress=progress)
    names: dict[Blocked, str] = {}
    counts: Counter[Blocked] = Counter()
    for name, kernel in kernels.items():
        if kernel.blocked is not None:
            names.setdefault(kernel.blocked, name)
            counts[kernel.blocked] += 1
    return [Part(name, shape, counts[shape]) for shape, name in names.items()]
