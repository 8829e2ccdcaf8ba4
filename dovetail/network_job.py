"""A network compiled for a device, run there, and compared with references."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.arrays import write_arrays
from dovetail.compiler.errors import CompileError
from dovetail.compiler.graph import Graph, Value
from dovetail.compiler.graph.deploy import deploy
from dovetail.compiler.graph.interpreter import interpret
from dovetail.compiler.graph.ops import movement
from dovetail.compiler.graph.ops.quantised import Dequantize
from dovetail.compiler.graph.passes.remove_dead import remove_dead
from dovetail.compiler.graph.pipeline import optimise
from dovetail.compiler.target import LlvmTarget, Target, VdlaTarget
from dovetail.files import InputError
from dovetail.isa.config import load_config
from dovetail.isa.module import Library, Plan
from dovetail.isa.progress import Progress, silent
from dovetail.layerwise import RuntimeRefuses, compare, compare_layers, quantised_values
from dovetail.module_job import Setting, execute, network_result
from dovetail.network import Network
from dovetail.network_result import Agreement, NetworkResult
from dovetail.onnx_conv import PackageMissing
from dovetail.result import CPU

Arrays = Mapping[str, NDArray[Any]]
Module = tuple[Plan, Library, dict[str, NDArray[Any]]]

FLOAT_TOLERANCE = 1e-4
"""Relative to the largest value of a tensor: what rounding and the mathematics of libraries leave."""
MOVING = tuple(getattr(movement, name) for name in movement.__all__)
"""Operators that compute nothing."""


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
    """Compile a network for a target. If nothing of it suits the accelerator, the module is one for the CPU.

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
    plan, library, params = _deployed(graph, target, fused, progress)
    seconds = time.perf_counter() - begin
    given = network.inputs(seed) if inputs is None else inputs
    return NetworkJob(network, target, config_name, fused, graph, plan, library, params, given, seconds)


def _deployed(graph: Graph, target: Target, fused: bool, progress: Progress) -> Module:
    plan, library, params = deploy(graph, target, fused=fused, progress=progress)
    if not library.programs:
        plan = replace(plan, config=None)
    return plan, library, params


def run_network(
    job: NetworkJob,
    device: str,
    *,
    outputs: Path | None = None,
    port: str | None = None,
    timeline: str | Path | None = None,
    waves: str | Path | None = None,
    timeout: float | None = None,
    progress: Progress = silent,
) -> NetworkResult:
    """Run a job on a device, and compare its outputs with NumPy's and its int8 tensors with ONNX Runtime's.

    Parameters
    ----------
    device:
        ``cpu`` for the target llvm; else a name for `runtime.open`. A network of which nothing runs on the accelerator
        runs on ``cpu`` in any case.
    outputs:
        A ``.npz`` file for what the device gives.

    Raises
    ------
    InputError:
        Its operators cannot take the inputs, or there is no accelerator to make a timeline or waves of.
    ConfigError, DeviceError:
        See `runtime.create` and `Module.run`.
    """
    setting = _setting(job, device, port=port, timeline=timeline, waves=waves, timeout=timeout)
    if setting.device == CPU and (timeline or waves):
        raise InputError(f"{job.network.name}: nothing of it runs on the accelerator: no timeline or waves to write")
    progress(f"{job.network.name}: reference", 0, 0)
    expected = reference(job)
    run = execute(job.plan, job.library, job.params, job.inputs, setting, progress=progress)
    if outputs is not None:
        write_arrays(outputs, run.outputs)
    error = max((_distance(array, expected[name]) for name, array in run.outputs.items()), default=0)
    exact = all(_same(array, expected[name]) for name, array in run.outputs.items())
    if not exact and computes_in_float(job.graph):
        progress(f"{job.network.name}: checking each operator", 0, 0)
        exact = _each_is_right(job, replace(setting, timeline=None, waves=None), progress)
    progress(f"{job.network.name}: ONNX Runtime", 0, 0)
    return network_result(
        job.plan,
        job.library,
        run,
        setting,
        workload=job.network.name,
        config_name=job.config_name,
        exact=exact,
        max_abs_error=error,
        compile_seconds=job.compile_seconds,
        onnxruntime=agreement(job, expected),
    )


def reference(job: NetworkJob, inputs: Arrays | None = None) -> dict[str, NDArray[Any]]:
    """All values that NumPy computes, by name, from the job's inputs or others.

    Raises
    ------
    InputError:
        An operator cannot take what it is given, such as an index beyond the end.
    """
    given = dict(job.inputs if inputs is None else inputs)
    try:
        with np.errstate(all="ignore"):
            return given | interpret(job.graph, given)
    except (ArithmeticError, LookupError, ValueError) as error:
        if isinstance(error, CompileError):
            raise
        raise InputError(
            f"{job.network.name}: its operators cannot take these inputs ({error}): give suitable ones with --input"
        ) from None


def target_of(device: str, config: str, *, latency: int, bytes_per_cycle: int, threads: int) -> Target:
    """What to compile for, so that it runs on `device`."""
    if device == CPU:
        return LlvmTarget(threads)
    return VdlaTarget(load_config(config), device, latency, bytes_per_cycle)


def agreement(job: NetworkJob, values: Arrays) -> Agreement | str:
    """How int8 tensors differ from ONNX Runtime's, or why they are not compared."""
    int8 = {name: array for name, array in values.items() if array.dtype == np.int8}
    if not int8:
        return "the model has no int8 tensors"
    try:
        theirs = quantised_values(job.network.complete_model(), job.inputs, int8)
    except (PackageMissing, RuntimeRefuses) as error:
        return str(error)
    chained, layers = compare(theirs, int8), compare_layers(theirs, job.graph, job.inputs)
    if not layers:
        return "the model has no int8 tensors"
    worst = max(layers, key=lambda one: (one.steps, one.fraction))
    return Agreement(
        tensors=len(layers),
        max_steps=worst.steps,
        worst=worst.name,
        fraction=max(one.fraction for one in layers),
        chained_max_steps=max((one.steps for one in chained), default=0),
        chained_fraction=max((one.fraction for one in chained), default=0.0),
    )


def _setting(job: NetworkJob, device: str, **files: Any) -> Setting:
    if job.plan.config is None:
        return Setting(device=CPU)
    if not isinstance(job.target, VdlaTarget):
        return Setting(device=device, **files)
    target = job.target
    return Setting(
        device=device,
        latency=target.latency,
        bytes_per_cycle=target.bytes_per_cycle,
        checks=target.checks,
        **files,
    )


def computes_in_float(graph: Graph) -> bool:
    """Whether some operator makes floats of floats, not only moves them: no two libraries agree to the last bit."""
    return any(
        _is_float(node.output) and any(map(_is_float, node.inputs)) and type(node.op) not in MOVING
        for node in graph.nodes
        if not isinstance(node.op, Dequantize)
    )


def _is_float(value: Value) -> bool:
    return value.type.numpy.kind == "f"


def _each_is_right(job: NetworkJob, setting: Setting, progress: Progress) -> bool:
    """Whether each operator gives what NumPy does for the operands that it had on the device.

    All values are outputs of a second module. Integers must be equal, floats near.
    """
    values = tuple(node.output for node in job.graph.nodes)
    graph = remove_dead(replace(job.graph, outputs=values))
    plan, library, params = _deployed(graph, job.target, False, progress)
    known = execute(plan, library, params, job.inputs, setting, progress=progress).outputs
    known |= dict(job.inputs) | {value.name: array for value, array in graph.constants.items()}
    with np.errstate(all="ignore"):
        return all(
            _near(known[node.name], node.op.evaluate(*(known[value.name] for value in node.inputs)))
            for node in graph.nodes
        )


def _near(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    if found.dtype.kind != "f":
        return np.array_equal(found, expected)
    allowed = FLOAT_TOLERANCE * float(np.abs(expected).max(initial=0.0))
    return bool(np.allclose(found, expected, rtol=FLOAT_TOLERANCE, atol=allowed, equal_nan=True))


def _same(found: NDArray[Any], expected: NDArray[Any]) -> bool:
    return np.array_equal(found, expected, equal_nan=found.dtype.kind == "f")


def _distance(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest difference; a finite number, so that it is one in JSON."""
    if _same(found, expected):
        return 0
    with np.errstate(all="ignore"):
        differences = np.abs(found.astype(np.float64) - expected.astype(np.float64))
    differences[(found == expected) | (np.isnan(found) & np.isnan(expected))] = 0
    return float(np.nan_to_num(differences, nan=sys.float_info.max).max(initial=0.0))
