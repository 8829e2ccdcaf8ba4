"""Compiled modules run on a device, and what their runs tell. Nothing here needs the compiler."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dovetail import runtime
from dovetail.arrays import read_inputs, write_arrays
from dovetail.files import InputError
from dovetail.isa.config import Config, load_config, preset_names
from dovetail.isa.instructions import Alu, Gemm
from dovetail.isa.module import Call, Constant, Layer, Library, Plan, Tensor
from dovetail.isa.module_file import load
from dovetail.isa.progress import Progress, silent
from dovetail.network_result import ACCELERATOR, Agreement, LayerResult, NetworkResult
from dovetail.result import CPU, MODELLED, RTL, Memory
from dovetail.runtime import RunResult
from dovetail.runtime.module import Module
from dovetail.runtime.samples import digest, random_inputs

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where and how a module runs.

    Attributes
    ----------
    device:
        ``cpu`` for a module without programs; else a name for `runtime.open`.
    port, timeout:
        As of `runtime.open`, where the device has them.
    latency, bytes_per_cycle, checks, timeline, waves:
        As of `runtime.open`, for ``rtl``; the first two also for ``timing``.
    """

    device: str
    port: str | None = None
    latency: int = 64
    bytes_per_cycle: int = 16
    checks: bool = False
    timeline: str | Path | None = None
    waves: str | Path | None = None
    timeout: float | None = None

    @property
    def memory(self) -> Memory:
        """What is known of the device's memory."""
        if self.device not in MODELLED:
            return Memory()
        return Memory(latency_cycles=self.latency, bytes_per_cycle=self.bytes_per_cycle)

    def open(self, plan: Plan, library: Library, progress: Progress) -> Module:
        """The module on the device. Raises what `runtime.create` does."""
        settings: dict[str, Any] = {}
        if self.device in MODELLED:
            settings = {"latency": self.latency, "bytes_per_cycle": self.bytes_per_cycle}
        if self.device == RTL:
            settings |= {"profile": True, "timeline": self.timeline, "waves": self.waves, "checks": self.checks}
        if self.device != CPU:
            settings |= {"port": self.port, "timeout": self.timeout, "progress": progress}
        return runtime.create(plan, library, self.device, **settings)


@dataclass(frozen=True)
class Execution:
    """A run of a module.

    Attributes
    ----------
    outputs:
        By name.
    launches:
        How each went.
    seconds:
        Of the run, weights and simulator being ready.
    """

    outputs: dict[str, NDArray[Any]]
    layers: tuple[LayerResult, ...]
    launches: tuple[RunResult, ...]
    cycles: int | None
    seconds: float


def execute(
    plan: Plan, library: Library, params: Arrays, inputs: Arrays, setting: Setting, *, progress: Progress = silent
) -> Execution:
    """Run a module once.

    Raises
    ------
    ConfigError, DeviceError, ModuleError, NativeError:
        See `runtime.create` and `Module.run`.
    """
    with setting.open(plan, library, progress) as module:
        module.set_input(**params)
        progress(f"running {plan.name}", 0, 0)
        begin = time.perf_counter()
        module.run(**inputs)
        seconds = time.perf_counter() - begin
        outputs = {tensor.name: module.get_output(tensor.name) for tensor in plan.outputs}
        return Execution(outputs, _layers(module), module.results, module.cycles, seconds)


def network_result(
    plan: Plan,
    library: Library,
    run: Execution,
    setting: Setting,
    *,
    workload: str,
    config_name: str,
    exact: bool | None,
    max_abs_error: float | None,
    compile_seconds: float | None = None,
    onnxruntime: Agreement | str = "a compiled module has no model to run there",
) -> NetworkResult:
    """What a run tells; `config_name` is what the module's machine is called."""
    config = plan.config
    accelerated = sum(layer.macs for layer in plan.layers if layer.on_accelerator)
    tensors: list[Tensor | Constant] = [*plan.inputs, *plan.constants, *plan.outputs]
    counters = [launch.counters for launch in run.launches if launch.counters]
    return NetworkResult(
        workload=workload,
        device=setting.device,
        config=None if config is None else config_name,
        fingerprint=None if config is None else f"{config.fingerprint:016x}",
        memory=setting.memory,
        latency_hiding=None if config is None else True,
        exact=exact,
        max_abs_error=max_abs_error,
        macs=sum(layer.macs for layer in plan.layers),
        tensor_bytes=sum(item.nbytes for item in tensors),
        cycles=run.cycles,
        utilization=accelerated / (run.cycles * config.macs_per_cycle) if run.cycles and config else None,
        roofline=None,
        instructions=instruction_count(library) if config else None,
        micro_ops=_micro_ops(library) if config else None,
        dram_read_bytes=sum(launch.dram_read_bytes for launch in run.launches) if config else None,
        dram_write_bytes=sum(launch.dram_write_bytes for launch in run.launches) if config else None,
        counters={name: sum(one[name] for one in counters) for name in counters[0]} if counters else None,
        compile_seconds=compile_seconds,
        run_seconds=run.seconds,
        cycles_per_second=run.cycles / run.seconds if run.cycles else None,
        accelerated_macs=accelerated,
        launches=len(run.launches),
        layers=run.layers,
        onnxruntime=onnxruntime,
    )


def run_module(
    path: Path,
    device: str | None = None,
    *,
    config: str | None = None,
    port: str | None = None,
    latency: int = 64,
    bytes_per_cycle: int = 16,
    seed: int | None = None,
    inputs: Path | None = None,
    outputs: Path | None = None,
    timeline: Path | None = None,
    waves: Path | None = None,
    timeout: float | None = None,
    progress: Progress = silent,
) -> NetworkResult:
    """Run a module file, and compare with what it says that its outputs must be.

    Parameters
    ----------
    device:
        By default ``cpu`` for a module that needs no accelerator, else ``fsim``.
    config:
        The machine's; it must be the module's.
    seed:
        Of random inputs; by default that which the file has results for. Those of another are compared with nothing.
    inputs, outputs:
        ``.npz`` files with the inputs, instead of random ones, and for the outputs.

    Raises
    ------
    ModuleError, InputError, NativeError:
        The file is damaged or not for this processor or device, or the inputs are not its own.
    DeviceError:
        See `Module.run`.
    """
    progress(f"loading {path}", 0, 0)
    plan, library, params = load(path)
    chosen = device or (CPU if plan.config is None else "fsim")
    if plan.config is None and chosen != CPU:
        raise InputError(f"{path}: nothing of it runs on the accelerator: use --device {CPU}")
    if plan.config is not None and chosen == CPU:
        raise InputError(f"{path}: compiled for the accelerator: use --device {' or '.join(runtime.DEVICES)}")
    if plan.config is not None and config is not None:
        differences = plan.config.differences(load_config(config))
        if differences:
            raise InputError(f"{path}: compiled for another machine than {config}: {'; '.join(differences)}")
    checked = plan.check if inputs is None and plan.check and seed in (None, plan.check.seed) else None
    if inputs is not None:
        data = read_inputs(inputs, plan.inputs)
    else:
        data = random_inputs(plan.inputs, checked.seed if checked else seed or 0)
    setting = Setting(
        device=chosen,
        port=port,
        latency=latency,
        bytes_per_cycle=bytes_per_cycle,
        timeline=timeline,
        waves=waves,
        timeout=timeout,
    )
    run = execute(plan, library, params, data, setting, progress=progress)
    if outputs is not None:
        write_arrays(outputs, run.outputs)
    exact = None
    if checked is not None:
        exact = tuple(digest(array) for array in run.outputs.values()) == checked.digests
    name = config or (preset_of(plan.config) if plan.config else "")
    return network_result(
        plan,
        library,
        run,
        setting,
        workload=str(path),
        config_name=name,
        exact=exact,
        max_abs_error=0 if exact else None,
    )


def preset_of(config: Config) -> str:
    """The name of the preset with these fields, or the fingerprint."""
    for name in preset_names():
        if load_config(name) == config:
            return name
    return f"{config.fingerprint:016x}"


def instruction_count(library: Library) -> int:
    """Instructions of all programs, the one that ends each not counted."""
    return sum(len(program) - 1 for program in library.programs)


def _micro_ops(library: Library) -> int:
    kernels = [one for program in library.programs for one in program.instructions if isinstance(one, Gemm | Alu)]
    return sum(one.outer * one.inner * one.uop_count for one in kernels)


def _layers(module: Module) -> tuple[LayerResult, ...]:
    peak = module.plan.config.macs_per_cycle if module.plan.config else 1
    steps = module.plan.steps
    return tuple(
        _layer(layer, cycles, peak, module.step_seconds[layer.step] if isinstance(steps[layer.step], Call) else None)
        for layer, cycles in zip(module.layers, module.layer_cycles(), strict=True)
    )


def _layer(layer: Layer, cycles: int | None, peak: int, seconds: float | None) -> LayerResult:
    there = layer.on_accelerator
    return LayerResult(
        name=layer.name,
        op=layer.op,
        origin=layer.origin,
        device=ACCELERATOR if there else CPU,
        reason=layer.reason,
        macs=layer.macs,
        cycles=cycles,
        utilization=layer.macs / (cycles * peak) if cycles and layer.macs else None,
        dram_read_bytes=layer.dram_read_bytes if there else None,
        dram_write_bytes=layer.dram_write_bytes if there else None,
        seconds=seconds,
    )
