"""A network compiled for a device, run there, and compared with references."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail import runtime
from dovetail.compiler.graph import Graph
from dovetail.compiler.graph.deploy import deploy
from dovetail.compiler.graph.interpreter import interpret
from dovetail.compiler.graph.passes.remove_dead import remove_dead
from dovetail.compiler.graph.pipeline import optimise
from dovetail.compiler.target import LlvmTarget, Target, VdlaTarget
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Alu, Gemm
from dovetail.isa.module import Layer, Library, Plan
from dovetail.layerwise import compare
from dovetail.network import Network, read_network
from dovetail.network_result import Agreement, LayerResult, NetworkResult
from dovetail.result import Memory
from dovetail.runtime.module import Module
from dovetail.sim.progress import Progress, silent

Arrays = Mapping[str, NDArray[Any]]

CPU = "cpu"
FLOAT_TOLERANCE = 1e-4
"""Relative to the largest value of a tensor: what rounding and the mathematics of libraries leave."""


@dataclass(frozen=True)
class NetworkJob:
    """A compiled network with data for it.

    Attributes
    ----------
    graph:
        Optimised; operators on int8 are as both targets compute them.
    """

    network: Network
    target: Target
    config_name: str
    fused: bool
    graph: Graph
    plan: Plan
    library: Library
    params: dict[str, NDArray[Any]]
    inputs: dict[str, NDArray[Any]]
    compile_seconds: float


def prepare_network(
    network: Network,
    target: Target,
    *,
    config_name: str = "default",
    inputs: dict[str, NDArray[Any]] | None = None,
    seed: int = 0,
    fused: bool = True,
    progress: Progress = silent,
) -> NetworkJob:
    """Compile a network for a target.

    Parameters
    ----------
    config_name:
        What results call the machine.
    inputs, seed:
        What it is run with; by default seeded data.
    fused:
        See `compiler.build`.

    Raises
    ------
    CompileError:
        It cannot be compiled.
    """
    begin = time.perf_counter()
    progress(f"optimising {network.name}", 0, 0)
    graph = optimise(network.graph, fused=fused)
    plan, library, params = deploy(graph, target, fused=fused, progress=progress)
    seconds = time.perf_counter() - begin
    given = network.inputs(seed) if inputs is None else inputs
    return NetworkJob(network, target, config_name, fused, graph, plan, library, params, given, seconds)


def run_network(
    job: NetworkJob,
    device: str,
    *,
    timeline: str | Path | None = None,
    waves: str | Path | None = None,
    timeout: float | None = None,
    progress: Progress = silent,
) -> NetworkResult:
    """Run a job on a device, and compare its outputs with NumPy's and its int8 tensors with ONNX Runtime's.

    Parameters
    ----------
    device:
        ``cpu`` for the target llvm; else a name for `runtime.open`.

    Raises
    ------
    ConfigError, DeviceError:
        See `runtime.create` and `Module.run`.
    """
    progress(f"{job.network.name}: reference", 0, 0)
    expected = dict(job.inputs) | interpret(job.graph, job.inputs)
    with _opened(job, job.plan, job.library, device, timeline, waves, timeout, progress) as module:
        module.set_input(**job.params)
        progress(f"running {job.network.name}", 0, 0)
        begin = time.perf_counter()
        module.run(**job.inputs)
        seconds = time.perf_counter() - begin
        found = {tensor.name: module.get_output(tensor.name) for tensor in job.plan.outputs}
        cycles, layers, results = module.cycles, _layers(module), module.results
    error = max((_distance(array, expected[name]) for name, array in found.items()), default=0.0)
    exact = all(np.array_equal(array, expected[name], equal_nan=True) for name, array in found.items())
    if not exact and _has_float_operators(job.graph):
        progress(f"{job.network.name}: checking each operator", 0, 0)
        exact = _each_is_right(job, device, progress)
    progress(f"{job.network.name}: ONNX Runtime", 0, 0)
    config = job.plan.config
    macs = sum(layer.macs for layer in job.plan.layers)
    accelerated = sum(layer.macs for layer in job.plan.layers if layer.on_accelerator)
    timed = cycles is not None and isinstance(job.target, VdlaTarget)
    moved = sum(layer.dram_read_bytes + layer.dram_write_bytes for layer in job.plan.layers)
    memory = Memory()
    if timed:
        assert isinstance(job.target, VdlaTarget)
        memory = Memory(latency_cycles=job.target.latency, bytes_per_cycle=job.target.bytes_per_cycle)
    return NetworkResult(
        workload=job.network.name,
        device=device,
        config=None if config is None else job.config_name,
        fingerprint=None if config is None else f"{config.fingerprint:016x}",
        memory=memory,
        latency_hiding=None if config is None else True,
        exact=exact,
        max_abs_error=error,
        macs=macs,
        tensor_bytes=moved,
        cycles=cycles,
        utilization=accelerated / (cycles * config.macs_per_cycle) if cycles and config else None,
        roofline=None,
        instructions=sum(len(program) - 1 for program in job.library.programs) if config else None,
        micro_ops=_micro_ops(job.library) if config else None,
        dram_read_bytes=sum(result.dram_read_bytes for result in results) if config else None,
        dram_write_bytes=sum(result.dram_write_bytes for result in results) if config else None,
        counters=_summed([result.counters for result in results if result.counters]),
        compile_seconds=job.compile_seconds,
        run_seconds=seconds,
        cycles_per_second=cycles / seconds if cycles else None,
        accelerated_macs=accelerated,
        launches=len(results),
        layers=layers,
        onnxruntime=agreement(job, expected),
    )


def run_source(
    source: str,
    device: str,
    *,
    config: str = "default",
    latency: int = 64,
    bytes_per_cycle: int = 16,
    seed: int = 0,
    threads: int = 1,
    fused: bool = True,
    shapes: Mapping[str, Sequence[int]] | None = None,
    calibration_data: Path | None = None,
    timeline: str | Path | None = None,
    waves: str | Path | None = None,
    timeout: float | None = None,
    progress: Progress = silent,
) -> NetworkResult:
    """Read, compile and run a network; see `read_network`, `prepare_network` and `run_network`."""
    target = target_of(device, config, latency=latency, bytes_per_cycle=bytes_per_cycle, threads=threads)
    network = read_network(source, shapes=shapes, calibration_data=calibration_data, progress=progress)
    job = prepare_network(network, target, config_name=config, seed=seed, fused=fused, progress=progress)
    return run_network(job, device, timeline=timeline, waves=waves, timeout=timeout, progress=progress)


def target_of(device: str, config: str, *, latency: int, bytes_per_cycle: int, threads: int) -> Target:
    """What to compile for, so that it runs on `device`."""
    if device == CPU:
        return LlvmTarget(threads)
    return VdlaTarget(load_config(config), device, latency, bytes_per_cycle)


def agreement(job: NetworkJob, values: Arrays) -> Agreement | None:
    """How int8 tensors differ from ONNX Runtime's; None where the model has none."""
    int8 = {name: array for name, array in values.items() if array.dtype == np.int8}
    differences = compare(job.network.model, int8, job.inputs) if int8 else []
    if not differences:
        return None
    worst = max(differences, key=lambda one: (one.steps, one.fraction))
    return Agreement(
        tensors=len(differences),
        max_steps=worst.steps,
        worst=worst.name,
        fraction=max(one.fraction for one in differences),
    )


def _opened(
    job: NetworkJob,
    plan: Plan,
    library: Library,
    device: str,
    timeline: str | Path | None,
    waves: str | Path | None,
    timeout: float | None,
    progress: Progress,
) -> Module:
    if plan.config is None:
        return runtime.create(plan, library, CPU)
    settings: dict[str, Any] = {}
    if isinstance(job.target, VdlaTarget) and device == "rtl":
        settings = {"latency": job.target.latency, "bytes_per_cycle": job.target.bytes_per_cycle}
        settings |= {"checks": job.target.checks, "profile": True, "timeline": timeline, "waves": waves}
        settings |= {"timeout": timeout}
    return runtime.create(plan, library, device, progress=progress, **settings)


def _layers(module: Module) -> tuple[LayerResult, ...]:
    peak = module.plan.config.macs_per_cycle if module.plan.config else 1
    return tuple(
        _layer(layer, cycles, peak) for layer, cycles in zip(module.layers, module.layer_cycles(), strict=True)
    )


def _layer(layer: Layer, cycles: int | None, peak: int) -> LayerResult:
    there = layer.on_accelerator
    return LayerResult(
        name=layer.name,
        op=layer.op,
        origin=layer.origin,
        device="accelerator" if there else "cpu",
        reason=layer.reason,
        macs=layer.macs,
        cycles=cycles,
        utilization=layer.macs / (cycles * peak) if cycles and layer.macs else None,
        dram_read_bytes=layer.dram_read_bytes if there else None,
        dram_write_bytes=layer.dram_write_bytes if there else None,
    )


def _has_float_operators(graph: Graph) -> bool:
    """Some operator computes in float, not counting those to and from int8: no two libraries agree to the last bit."""
    return any(
        node.output.type.dtype == "float32" and any(value.type.dtype == "float32" for value in node.inputs[:1])
        for node in graph.nodes
    )


def _each_is_right(job: NetworkJob, device: str, progress: Progress) -> bool:
    """Whether each operator gives what NumPy does for the operands that it had on the device.

    All values are outputs of a second module. Integers must be equal, floats near.
    """
    values = tuple(node.output for node in job.graph.nodes)
    graph = remove_dead(replace(job.graph, outputs=values))
    plan, library, params = deploy(graph, job.target, fused=False)
    with _opened(job, plan, library, device, None, None, None, progress) as module:
        module.set_input(**params)
        module.run(**job.inputs)
        known = {tensor.name: module.get_output(tensor.name) for tensor in plan.outputs}
    known |= dict(job.inputs) | {value.name: array for value, array in graph.constants.items()}
    return all(
        _near(known[node.name], node.op.evaluate(*(known[value.name] for value in node.inputs))) for node in graph.nodes
    )


def _near(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    if found.dtype.kind != "f":
        return np.array_equal(found, expected)
    allowed = FLOAT_TOLERANCE * float(np.abs(expected).max(initial=0.0))
    return bool(np.allclose(found, expected, rtol=FLOAT_TOLERANCE, atol=allowed, equal_nan=True))


def _distance(found: NDArray[Any], expected: NDArray[Any]) -> float:
    return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max(initial=0.0))


def _micro_ops(library: Library) -> int:
    kernels = [one for program in library.programs for one in program.instructions if isinstance(one, Gemm | Alu)]
    return sum(one.outer * one.inner * one.uop_count for one in kernels)


def _summed(counters: list[dict[str, int]]) -> dict[str, int] | None:
    if not counters:
        return None
    return {name: sum(one[name] for one in counters) for name in counters[0]}
