"""A workload made ready for a machine, run on a device, and compared with the reference."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail import runtime
from dovetail.building import compile_for_accelerator
from dovetail.compiler.codegen.vdla.module import VdlaModule
from dovetail.compiler.errors import CompileError
from dovetail.compiler.lower.lowering import lower
from dovetail.compiler.ops.conv2d import conv2d, matmul
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.knobs import Conv2dKnobs
from dovetail.compiler.ops.operator import Operator, extents
from dovetail.compiler.ops.shapes import MatmulShape
from dovetail.compiler.ops.transfers import Memory as ModelMemory
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import Alu, Gemm
from dovetail.isa.program import Program
from dovetail.isa.progress import Progress, silent
from dovetail.result import MODELLED, Memory, Result, roofline
from dovetail.runtime.device import memory_for
from dovetail.serial import serialised
from dovetail.workload import (
    LayerData,
    Shape,
    Workload,
    WorkloadError,
    expected_output,
    output_channels,
    parse_workload,
    random_data,
    tensor_bytes,
)


@dataclass(frozen=True, eq=False)
class Case:
    """A layer's data, and what it gives by the NumPy reference: int8, in the operator's own shape."""

    data: LayerData
    expected: NDArray[np.int8]


def random_case(shape: Shape, seed: int = 0) -> Case:
    """Seeded data; see `workload.random_data`."""
    data = random_data(shape, seed)
    return Case(data, expected_output(shape, data))


@dataclass(frozen=True)
class Job:
    """A program with its data, and what it must give.

    Attributes
    ----------
    program:
        Its segments hold the input, weights, parameters and micro-ops.
    expected: int8
        From the NumPy reference, in the operator's own shape.
    tensor_bytes:
        Of input, weights, parameters and output, each once, as the layer has them.
    """

    workload: Workload
    config: Config
    config_name: str
    latency_hiding: bool
    operator: Operator
    module: VdlaModule
    program: Program
    expected: NDArray[np.int8]
    tensor_bytes: int
    compile_seconds: float

    @property
    def micro_ops(self) -> int:
        """Steps of GEMM and ALU kernels that the program executes."""
        kernels = [one for one in self.program.instructions if isinstance(one, Gemm | Alu)]
        return sum(one.outer * one.inner * one.uop_count for one in kernels)

    def spoil(self, device: runtime.Device) -> None:
        """Write the opposite of the expected output to where the output goes, so that what is not written is wrong."""
        argument = self.module.outputs[0]
        assert argument.address is not None
        shape = extents(self.operator.args[-1])
        places = self.operator.finish(np.arange(int(np.prod(shape))).reshape(shape))
        wrong = np.zeros(int(np.prod(shape)), self.expected.dtype)
        wrong[places.reshape(-1)] = ~self.expected.reshape(-1)
        device.write(argument.address, argument.layout.pack(wrong.reshape(shape)))

    def output(self, device: runtime.Device) -> NDArray[Any]:
        """The output that a device holds after the run."""
        argument = self.module.outputs[0]
        assert argument.address is not None
        return self.operator.finish(self.module.unpack(argument, device.read(argument.address, argument.layout.nbytes)))


def prepare_job(
    workload: str | Workload,
    config: str | Config = "default",
    *,
    config_name: str = "",
    latency_hiding: bool = True,
    latency: int = 64,
    bytes_per_cycle: int = 16,
    seed: int = 0,
    knobs: Conv2dKnobs | None = None,
    case: Case | None = None,
) -> Job:
    """Compile a workload, make random data for it, and the reference's output.

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
    latency, bytes_per_cycle:
        Of the memory for which the schedule is chosen.
    seed:
        Of the data.
    knobs:
        The schedule, instead of what was measured, or the model's choice.
    case:
        Data of the workload that are known already, instead of seeded ones.

    Raises
    ------
    WorkloadError:
        There is no such workload, or it does not fit the machine.
    ConfigError:
        There is no such configuration.
    """
    if isinstance(config, str):
        config_name, config = config_name or config, load_config(config)
    if isinstance(workload, str):
        workload = parse_workload(workload)
    shape = workload.shape
    case = case or random_case(shape, seed)
    begin = time.perf_counter()
    operator = accelerator_operator(workload, config, latency=latency, bytes_per_cycle=bytes_per_cycle, knobs=knobs)
    try:
        module = compile_for_accelerator(lower(operator.schedule, operator.args, operator.name), config)
    except CompileError as error:
        raise WorkloadError(f"{workload.name}: {error}") from None
    program = module.program if latency_hiding else serialised(module.program)
    seconds = time.perf_counter() - begin
    output = np.zeros(extents(operator.args[-1]), operator.args[-1].dtype)
    segments = module.bind([*operator.prepare(case.data.arrays), output])
    return Job(
        workload=workload,
        config=config,
        config_name=config_name,
        latency_hiding=latency_hiding,
        operator=operator,
        module=module,
        program=replace(program, segments=program.segments + segments),
        expected=case.expected,
        tensor_bytes=tensor_bytes(shape) + -(-output_channels(shape) // config.block_out) * config.param_bytes,
        compile_seconds=seconds,
    )


def accelerator_operator(
    workload: Workload, config: Config, *, latency: int, bytes_per_cycle: int, knobs: Conv2dKnobs | None = None
) -> Operator:
    """The workload's operator, scheduled for a machine and its memory.

    Raises
    ------
    WorkloadError:
        No schedule fits the machine.
    """
    shape, memory = workload.shape, ModelMemory(latency, bytes_per_cycle)
    try:
        if isinstance(shape, MatmulShape):
            return matmul(shape, config, memory=memory, knobs=knobs)
        return conv2d(shape, config, memory=memory, knobs=knobs)
    except OperatorError as error:
        raise WorkloadError(f"{workload.name}: {error}") from None


def run_job(
    job: Job,
    device: str = "fsim",
    *,
    port: str | None = None,
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
    device, port, latency, bytes_per_cycle, timeline, waves, timeout:
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
        port=port,
        latency=latency,
        bytes_per_cycle=bytes_per_cycle,
        memory_bytes=memory_for(job.program),
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
    config, shape = job.config, job.workload.shape
    job.spoil(opened)
    progress(f"running {job.workload.name}", 0, 0)
    run = opened.run(job.program, progress=progress)
    error = int(np.abs(job.output(opened).astype(np.int32) - job.expected).max())
    cycles, peak = run.cycles, config.macs_per_cycle
    modelled = device in MODELLED
    return Result(
        workload=job.workload.name,
        device=device,
        config=job.config_name,
        fingerprint=f"{config.fingerprint:016x}",
        memory=Memory(latency_cycles=latency, bytes_per_cycle=bytes_per_cycle) if modelled else Memory(),
        latency_hiding=job.latency_hiding,
        exact=error == 0,
        max_abs_error=error,
        macs=shape.macs,
        tensor_bytes=job.tensor_bytes,
        cycles=cycles,
        utilization=shape.macs / (cycles * peak) if cycles else None,
        roofline=roofline(shape.macs, job.tensor_bytes, peak, min(bytes_per_cycle, config.bus_bytes))
        if modelled
        else None,
        instructions=len(job.program) - 1,
        micro_ops=job.micro_ops,
        dram_read_bytes=run.dram_read_bytes,
        dram_write_bytes=run.dram_write_bytes,
        counters=run.counters,
        compile_seconds=job.compile_seconds,
        run_seconds=run.seconds,
        cycles_per_second=cycles / run.seconds if cycles else None,
    )
