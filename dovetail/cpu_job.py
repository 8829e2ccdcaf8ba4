"""A workload on the CPU, compiled by LLVM, compared with the reference."""

from __future__ import annotations

import time

import numpy as np

from dovetail.compiler.ops.cpu import CpuFunction, CpuOperator, Requantised, build, conv2d_int8, matmul_int8
from dovetail.compiler.ops.cpu.requantise import form_of
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.shapes import MatmulShape
from dovetail.isa.progress import Progress, silent
from dovetail.result import CPU, Memory, Result
from dovetail.workload import (
    LayerData,
    Workload,
    WorkloadError,
    expected_output,
    parse_workload,
    random_data,
    tensor_bytes,
)

RUNS = 5


def cpu_operator(workload: Workload, data: LayerData) -> CpuOperator:
    """The workload's operator, int8 to int8.

    Raises
    ------
    WorkloadError:
        There is no schedule for it.
    """
    result = Requantised(form=form_of(data.wgt, data.bias, data.multiplier, data.shift))
    shape = workload.shape
    try:
        return matmul_int8(shape, result) if isinstance(shape, MatmulShape) else conv2d_int8(shape, result)
    except OperatorError as error:
        raise WorkloadError(f"{workload.name}: {error}") from None


def run_on_cpu(workload: str, *, seed: int = 0, threads: int = 1, progress: Progress = silent) -> Result:
    """Compile a workload for this machine, run it a few times, and compare the output with the reference.

    `Result.run_seconds` is the fastest run's.

    Raises
    ------
    WorkloadError:
        There is no such workload.
    """
    parsed = parse_workload(workload)
    data = random_data(parsed.shape, seed)
    begin = time.perf_counter()
    operator = cpu_operator(parsed, data)
    function: CpuFunction = build(operator, threads)
    constants = operator.pack(data.wgt, data.bias, data.multiplier, data.shift)
    expected = expected_output(parsed.shape, data)
    output = ~expected  # so that an output that is never written cannot be right
    call = function.bind(data.inp, *constants, output)
    compile_seconds = time.perf_counter() - begin
    progress(f"running {workload}", 0, 0)
    seconds = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    error = int(np.abs(output.astype(np.int32) - expected).max())
    return Result(
        workload=workload,
        device=CPU,
        config=None,
        fingerprint=None,
        memory=Memory(),
        latency_hiding=None,
        exact=error == 0,
        max_abs_error=error,
        macs=parsed.shape.macs,
        tensor_bytes=tensor_bytes(parsed.shape),
        cycles=None,
        utilization=None,
        roofline=None,
        instructions=None,
        micro_ops=None,
        dram_read_bytes=None,
        dram_write_bytes=None,
        counters=None,
        compile_seconds=compile_seconds,
        run_seconds=min(seconds),
        cycles_per_second=None,
    )
