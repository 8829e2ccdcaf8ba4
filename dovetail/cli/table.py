"""Results as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from dovetail.isa.registers import Counter
from dovetail.result import Result

NONE = "-"

WHERE_TIME_WENT = {
    "array": (Counter.GEMM,),
    "ALU": (Counter.ALU,),
    "compute waits for load": (Counter.COMPUTE_WAIT_LOAD,),
    "compute waits for store": (Counter.COMPUTE_WAIT_STORE,),
    "load busy": (Counter.LOAD_BUSY,),
    "load waits for compute": (Counter.LOAD_WAIT_COMPUTE,),
    "load waits for memory": (Counter.LOAD_WAIT_MEMORY, Counter.LOAD_WAIT_HAZARD),
    "store busy": (Counter.STORE_BUSY,),
    "store waits for compute": (Counter.STORE_WAIT_COMPUTE,),
    "store waits for memory": (Counter.STORE_WAIT_MEMORY, Counter.STORE_WAIT_HAZARD),
}


def results_table(results: Sequence[Result]) -> Table:
    """A row a layer."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer")
    for name in ("MACs", "cycles", "utilization", "roofline", "exact", "seconds"):
        table.add_column(name, justify="right")
    for result in results:
        table.add_row(
            result.workload,
            f"{result.macs:,}",
            NONE if result.cycles is None else f"{result.cycles:,}",
            percent(result.utilization),
            percent(result.roofline),
            "yes" if result.exact else f"NO, off by up to {result.max_abs_error}",
            f"{result.run_seconds:.2f}",
        )
    return table


def time_table(result: Result) -> Table | None:
    """Where the cycles of a run went, for each unit; None where the device does not count them."""
    if not result.counters or not result.cycles:
        return None
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("where the cycles went")
    table.add_column("", justify="right")
    for label, counters in WHERE_TIME_WENT.items():
        cycles = sum(result.counters[counter.name.lower()] for counter in counters)
        table.add_row(label, percent(cycles / result.cycles))
    return table


def percent(value: float | None) -> str:
    return NONE if value is None else f"{100 * value:.1f}%"
