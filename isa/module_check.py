"""Whether a plan can be carried out with a library and data: what is refused here cannot go wrong while it runs."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from .accesses import DRAM_LIMIT
from .module import (
    DTYPES,
    MAX_THREADS,
    Call,
    Constant,
    Launch,
    Layer,
    Library,
    ModuleError,
    Plan,
    Space,
    Tensor,
    Transfer,
)

MAX_HOST_BYTES = 1 << 36
"""Of the host's arena and of the workspace: far more than any network's, and little enough to be refused politely."""
MAX_RANK = 32
MAX_ARGUMENTS = 256
MAX_NAME = 256
_SYMBOL = re.compile(r"[A-Za-z_.$][A-Za-z0-9_.$]*")

Range = tuple[int, int, str]
"""First byte, end, and what lies there."""


def check_module(plan: Plan, library: Library) -> None:
    """Refuse a plan that refers to what does not exist, or reaches beyond its memories.

    What functions for the CPU do with the addresses they are given is not checked.

    Raises
    ------
    ModuleError:
        Names the field, its value and the limit.
    """
    _check_sizes(plan)
    _check_names(plan)
    for place, tensor in enumerate(plan.inputs):
        _check_array(f"inputs[{place}]", tensor, plan.host_bytes)
    for place, tensor in enumerate(plan.outputs):
        _check_array(f"outputs[{place}]", tensor, plan.host_bytes)
    for place, constant in enumerate(plan.constants):
        limit = plan.host_bytes if constant.space is Space.HOST else plan.dram_bytes
        _check_array(f"constants[{place}]", constant, limit)
    if plan.check is not None and len(plan.check.digests) != len(plan.outputs):
        raise ModuleError(f"check has {len(plan.check.digests)} digests; there are {len(plan.outputs)} outputs")
    _check_library(plan, library)
    _check_steps(plan, library)
    for place, layer in enumerate(plan.layers):
        _check_layer(f"layers[{place}]", layer, plan, library)
    host: list[Tensor | Constant] = [*plan.inputs, *(item for item in plan.constants if item.space is Space.HOST)]
    _check_apart("the host's arena", map(_range, host))
    _check_apart("DRAM", _kept_in_dram(plan, library))


def check_array(name: str, array: NDArray[Any], expected: Tensor | Constant) -> None:
    """Raise `ModuleError` unless an array has the shape and type that its place takes."""
    if array.shape != expected.shape:
        raise ModuleError(f"{name!r} has shape {array.shape}; it must be {expected.shape}")
    if array.dtype != expected.dtype:
        raise ModuleError(f"{name!r} is of type {array.dtype}; it must be {expected.dtype}: convert it with astype")


def check_params(plan: Plan, params: Mapping[str, NDArray[Any]]) -> None:
    """Raise `ModuleError` unless `params` are the plan's constants, all of them and no others."""
    names = {constant.name for constant in plan.constants}
    for name in params:
        if name not in names:
            raise ModuleError(f"params: the module has no constant {name!r}")
    for constant in plan.constants:
        if constant.name not in params:
            raise ModuleError(f"params: the constant {constant.name!r} is missing")
        check_array(constant.name, params[constant.name], constant)


def _check_sizes(plan: Plan) -> None:
    limits = {"host_bytes": MAX_HOST_BYTES, "workspace_bytes": MAX_HOST_BYTES, "dram_bytes": DRAM_LIMIT}
    for name, limit in limits.items():
        if not 0 <= getattr(plan, name) <= limit:
            raise ModuleError(f"{name} is {getattr(plan, name)}; it must be between 0 and {limit}")
    if not 1 <= plan.threads <= MAX_THREADS:
        raise ModuleError(f"threads is {plan.threads}; it must be between 1 and {MAX_THREADS}")


def _check_names(plan: Plan) -> None:
    given = [item.name for item in plan.inputs] + [item.name for item in plan.constants]
    for what, names in (("inputs and constants", given), ("outputs", [item.name for item in plan.outputs])):
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise ModuleError(f"{what}: the name {twice!r} is there twice")


def _check_array(where: str, item: Tensor | Constant, limit: int) -> None:
    if item.dtype not in DTYPES:
        raise ModuleError(f"{where}.dtype is {item.dtype!r}; it must be one of {', '.join(DTYPES)}")
    if len(item.shape) > MAX_RANK or math.prod(filter(None, item.shape)) > MAX_HOST_BYTES:
        raise ModuleError(f"{where}.shape has {len(item.shape)} axes and is too large")
    _check_range(f"{where}.offset", item.offset, item.nbytes, limit)
    if item.offset % DTYPES[item.dtype]:
        raise ModuleError(f"{where}.offset is {item.offset}; it must be a multiple of {DTYPES[item.dtype]}")


def _check_range(where: str, begin: int, nbytes: int, limit: int) -> None:
    if begin < 0 or nbytes < 0 or begin + nbytes > limit:
        raise ModuleError(f"{where}: bytes {begin} to {begin + nbytes}; the memory has {limit}")


def _check_library(plan: Plan, library: Library) -> None:
    if library.objects and plan.processor is None:
        raise ModuleError("processor is missing; the library has functions for a CPU")
    for name in library.objects:
        if len(name) > MAX_NAME or not _SYMBOL.fullmatch(name):
            raise ModuleError(f"objects: {name[:MAX_NAME]!r} is no name of a function")
    if plan.config is None and (library.programs or plan.dram_bytes):
        raise ModuleError("config is missing; the module uses the accelerator")
    for place, program in enumerate(library.programs):
        assert plan.config is not None
        differences = program.config.differences(plan.config)
        if differences:
            raise ModuleError(f"programs[{place}] is for another configuration: {'; '.join(differences)}")
        if program.dram_bytes > plan.dram_bytes:
            raise ModuleError(f"programs[{place}] needs {program.dram_bytes} bytes; dram_bytes is {plan.dram_bytes}")


def _check_steps(plan: Plan, library: Library) -> None:
    arity: dict[str, int] = {}
    for place, step in enumerate(plan.steps):
        where = f"steps[{place}]"
        match step:
            case Call():
                if step.function not in library.objects:
                    raise ModuleError(f"{where}.function: the library has no {step.function[:MAX_NAME]!r}")
                count = len(step.arguments)
                if count > MAX_ARGUMENTS:
                    raise ModuleError(f"{where}.arguments has {count} entries; the limit is {MAX_ARGUMENTS}")
                if arity.setdefault(step.function, count) != count:
                    raise ModuleError(
                        f"{where}.arguments has {count} entries; {step.function} had {arity[step.function]} before"
                    )
                for number, offset in enumerate(step.arguments):
                    _check_range(f"{where}.arguments[{number}]", offset, 0, plan.host_bytes)
            case Transfer():
                if plan.config is None:
                    raise ModuleError(f"{where} is a transfer, but config is missing")
                _check_range(f"{where}.host", step.host, step.nbytes, plan.host_bytes)
                _check_range(f"{where}.dram", step.dram, step.nbytes, plan.dram_bytes)
            case Launch():
                if not 0 <= step.program < len(library.programs):
                    raise ModuleError(f"{where}.program is {step.program}; there are {len(library.programs)} programs")


def _check_layer(where: str, layer: Layer, plan: Plan, library: Library) -> None:
    if not 0 <= layer.step < len(plan.steps):
        raise ModuleError(f"{where}.step is {layer.step}; there are {len(plan.steps)} steps")
    if layer.instructions is None:
        return
    step, (begin, end) = plan.steps[layer.step], layer.instructions
    length = len(library.programs[step.program]) if isinstance(step, Launch) else 0
    if not 0 <= begin <= end <= length:
        raise ModuleError(f"{where}.instructions: {begin} to {end}; the step's program has {length} instructions")


def _range(item: Tensor | Constant) -> Range:
    return item.offset, item.offset + item.nbytes, repr(item.name)


def _kept_in_dram(plan: Plan, library: Library) -> Iterator[Range]:
    """What is written once and must stay."""
    yield from (_range(constant) for constant in plan.constants if constant.space is Space.DRAM)
    for number, program in enumerate(library.programs):
        for segment in program.segments:
            yield segment.address, segment.end, f"segment {segment.name!r} of programs[{number}]"


def _check_apart(memory: str, ranges: Iterable[Range]) -> None:
    ordered = sorted(item for item in ranges if item[0] < item[1])
    for (_, end, low), (begin, _, high) in pairwise(ordered):
        if begin < end:
            raise ModuleError(f"{low} and {high} overlap at byte {begin} of {memory}")
