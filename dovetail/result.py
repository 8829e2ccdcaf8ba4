"""What a run tells: the object behind the table on the terminal and the JSON file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

CPU = "cpu"
"""What results and commands call the CPU that this runs on."""
RTL = "rtl"
"""What they call the simulator of the RTL."""
TIMING = "timing"
"""What they call the functional simulator with the cycles of the timing simulator."""
MODELLED = (RTL, TIMING)
"""The simulators that count cycles: their memory is modelled, and there are as many as processors."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """The DRAM that a device has: cycles until the first data, and bytes a cycle that reads and writes share."""

    latency_cycles: int | None = None
    bytes_per_cycle: int | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """One workload on one device. What a device does not know is None.

    Attributes
    ----------
    exact:
        The output equals the reference's, element by element.
    max_abs_error:
        The largest difference from the reference.
    macs:
        Multiplications that the layer needs, padding included, the array's idle lanes not.
    tensor_bytes:
        Of its input, weights, parameters and output, each once.
    utilization:
        `macs` over cycles times the array's products a cycle.
    roofline:
        The highest utilization that the memory allows; see `roofline`.
    instructions, micro_ops:
        Instructions executed, and steps of GEMM and ALU kernels.
    counters:
        The machine's counters by name.
    compile_seconds, run_seconds:
        Making the program and its data; running it, the building of a simulator not counted.
    cycles_per_second:
        Simulated cycles in a second of `run_seconds`.
    """

    workload: str
    device: str
    config: str | None
    fingerprint: str | None
    memory: Memory
    latency_hiding: bool | None
    exact: bool | None
    max_abs_error: float | None
    macs: int
    tensor_bytes: int
    cycles: int | None
    utilization: float | None
    roofline: float | None
    instructions: int | None
    micro_ops: int | None
    dram_read_bytes: int | None
    dram_write_bytes: int | None
    counters: dict[str, int] | None
    compile_seconds: float | None
    run_seconds: float
    cycles_per_second: float | None

    def as_dict(self) -> dict[str, Any]:
        """The JSON object; its keys are the attributes."""
        return asdict(self)


def roofline(macs: int, tensor_bytes: int, macs_per_cycle: int, bytes_per_cycle: int) -> float:
    """The highest utilization that a memory allows: ``min(1, compute / max(compute, traffic))``.

    ``compute`` is the cycles of the products alone, ``macs / macs_per_cycle``; ``traffic`` the cycles in which the
    memory moves each tensor once, ``tensor_bytes / bytes_per_cycle``. Latency, and the filling and draining of a layer,
    lower the utilization further; a layer that steps over rows of its input may come above, as it does not read them.

    Parameters
    ----------
    bytes_per_cycle:
        The memory's, or the bus's if that has fewer.
    """
    compute, traffic = macs / macs_per_cycle, tensor_bytes / bytes_per_cycle
    return compute / max(compute, traffic)
