"""A workload made ready for a machine, run on a device, and compared with the reference."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dovetail import reference, runtime
from dovetail.compiler.handmade import Conv2d, Conv2dMemory, LayerError, conv2d_program
from dovetail.compiler.handmade.layout import pack_activations, pack_params, pack_weights, unpack_activations
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import Alu, Gemm
from dovetail.isa.program import INSTRUCTION_BYTES, Program, Segment
from dovetail.result import Memory, Result, roofline
from dovetail.runtime.device import DEFAULT_MEMORY_BYTES, PAGE_BYTES
from dovetail.serial import serialised
from dovetail.sim.progress import Progress, silent
from dovetail.workload import ConvData, Workload, WorkloadError, parse_workload, random_data

MAX_TENSOR_BYTES = 1 << 27
"""Limit of a workload's tensors: the reference computes in float64 and takes many times as much."""


@dataclass(frozen=True)
class Job:
    """A program with its data, and what it must give.

    Attributes
    ----------
    program:
        Its segments hold the input, weights, parameters and micro-ops.
    out:
        Byte address of the output, packed as `layout.pack_activations` does.
    expected: int8 [n, oc, oh, ow]
        From the NumPy reference.
    tensor_bytes:
        Of input, weights, parameters and output, each once, as the layer has them.
    """

    workload: Workload
    config: Config
    config_name: str
    latency_hiding: bool
    program: Program
    out: int
    expected: NDArray[np.int8]
    tensor_bytes: int
    compile_seconds: float

    @property
    def micro_ops(self) -> int:
        """Steps of GEMM and ALU kernels that the program executes."""
        kernels = [one for one in self.program.instructions if isinstance(one, Gemm | Alu)]
        return sum(one.outer * one.inner * one.uop_count for one in kernels)


def prepare_job(
    workload: str | Workload,
    config: str | Config = "default",
    *,
    config_name: str = "",
    latency_hiding: bool = True,
    seed: int = 0,
) -> Job:
    """Make the program of a workload, random data for it, and the reference's output.

    Parameters
    ----------
    workload:
        A name for `parse_workload`, or a workload.
    config:
        The machine, or a name for `load_config`.
    config_name:
        What results call the machine; by default the name in `config`.
    latency_hiding:
        Without it load, compute and store take turns.
    seed:
        Of the data.

    Raises
    ------
    WorkloadError:
        There is no such workload, it is too large, or it does not fit the machine.
    ConfigError:
        There is no such configuration.
    """
    if isinstance(config, str):
        config_name, config = config_name or config, load_config(config)
    if isinstance(workload, str):
        workload = parse_workload(workload)
    layer = workload.layer
    tensor_bytes = _tensor_bytes(layer, config)
    if tensor_bytes > MAX_TENSOR_BYTES:
        raise WorkloadError(f"{workload.name}: {tensor_bytes} bytes of tensors; the limit is {MAX_TENSOR_BYTES}")
    data = random_data(layer, seed)
    begin = time.perf_counter()
    memory = Conv2dMemory.following(config, layer)
    try:
        program = conv2d_program(config, layer, memory)
    except LayerError as error:
        raise WorkloadError(f"{workload.name}: {error}") from None
    if not latency_hiding:
        program = serialised(program)
    program = _with_data(program, layer, memory, data)
    seconds = time.perf_counter() - begin
    return Job(
        workload=workload,
        config=config,
        config_name=config_name,
        latency_hiding=latency_hiding,
        program=program,
        out=memory.out,
        expected=_expected(layer, data),
        tensor_bytes=tensor_bytes,
        compile_seconds=seconds,
    )


def run_job(
    job: Job,
    device: str = "fsim",
    *,
    latency: int = 64,
    bytes_per_cycle: int = 16,
    timeline: str | Path | None = None,
    waves: str | Path | None = None,
    timeout: float | None = None,
    progress: Progress = silent,
) -> Result:
    """Run a job on a device that is opened for it, and compare the output with the reference.

    Parameters
    ----------
    device, latency, bytes_per_cycle, timeline, waves, timeout:
        As of `runtime.open`.
    progress:
        Told what is being done.

    Raises
    ------
    ConfigError, DeviceError:
        See `runtime.open` and `Device.run`.
    """
    with runtime.open(
        device,
        config=job.config,
        latency=latency,
        bytes_per_cycle=bytes_per_cycle,
        memory_bytes=memory_bytes(job.program),
        timeline=timeline,
        waves=waves,
        timeout=timeout,
        progress=progress,
    ) as opened:
        return run_job_on(opened, job, device, latency=latency, bytes_per_cycle=bytes_per_cycle, progress=progress)


def run_job_on(
    opened: runtime.Device,
    job: Job,
    device: str,
    *,
    latency: int,
    bytes_per_cycle: int,
    progress: Progress = silent,
) -> Result:
    """The same on an open device, which `device`, `latency` and `bytes_per_cycle` describe."""
    config, layer = job.config, job.workload.layer
    wrong = ~pack_activations(job.expected, config.batch, config.block_out)
    opened.write(job.out, wrong)  # so that an output that is never written cannot be right
    progress(f"running {job.workload.name}", 0, 0)
    run = opened.run(job.program, progress=progress)
    output = unpack_activations(opened.read_array(job.out, wrong.shape, np.int8), layer.n, layer.oc)
    error = int(np.abs(output.astype(np.int32) - job.expected).max())
    cycles, peak = run.cycles, config.macs_per_cycle
    timed = cycles is not None
    return Result(
        workload=job.workload.name,
        device=device,
        config=job.config_name,
        fingerprint=f"{config.fingerprint:016x}",
        memory=Memory(latency_cycles=latency, bytes_per_cycle=bytes_per_cycle) if timed else Memory(),
        latency_hiding=job.latency_hiding,
        exact=error == 0,
        max_abs_error=error,
        macs=layer.macs,
        cycles=cycles,
        utilization=layer.macs / (cycles * peak) if cycles else None,
        roofline=roofline(layer.macs, job.tensor_bytes, peak, bytes_per_cycle) if timed else None,
        instructions=len(job.program) - 1,
        micro_ops=job.micro_ops,
        dram_read_bytes=run.dram_read_bytes,
        dram_write_bytes=run.dram_write_bytes,
        counters=run.counters,
        compile_seconds=job.compile_seconds,
        run_seconds=run.seconds,
        cycles_per_second=cycles / run.seconds if cycles else None,
    )


def memory_bytes(program: Program) -> int:
    """Room for a program's data, its words, and the pages that they begin on."""
    needed = program.dram_bytes + len(program) * INSTRUCTION_BYTES + 2 * PAGE_BYTES
    return max(DEFAULT_MEMORY_BYTES, -(-needed // PAGE_BYTES) * PAGE_BYTES)


def _with_data(program: Program, layer: Conv2d, memory: Conv2dMemory, data: ConvData) -> Program:
    config = program.config
    tensors = {
        "inp": (memory.inp, pack_activations(data.inp, config.batch, config.block_in)),
        "wgt": (memory.wgt, pack_weights(data.wgt, config)),
        "param": (memory.param, pack_params(data.bias, data.multiplier, data.shift, config)),
    }
    segments = tuple(Segment(name, address, tensor.tobytes()) for name, (address, tensor) in tensors.items())
    return replace(program, segments=program.segments + segments)


def _expected(layer: Conv2d, data: ConvData) -> NDArray[np.int8]:
    sums = reference.conv2d(data.inp, data.wgt, layer.stride, layer.pad)
    return reference.requantise(
        sums,
        data.bias,
        data.multiplier,
        data.shift,
        zero_point=layer.zero_point,
        minimum=layer.minimum,
        maximum=layer.maximum,
    )


def _tensor_bytes(layer: Conv2d, config: Config) -> int:
    activations = layer.n * (layer.ic * layer.h * layer.w + layer.oc * layer.out_h * layer.out_w)
    weights = layer.oc * layer.ic * layer.k**2
    return activations + weights + layer.out_blocks(config) * config.param_bytes
