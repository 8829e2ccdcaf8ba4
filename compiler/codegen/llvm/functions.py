"""A program as a module with one function.

The function takes a pointer to the row-major data of every parameter, the program's sizes as int64, the address of its
workspace (64-byte aligned; `CompiledText.workspace` bytes) and that of the thread pool. For one thread that is null;
for several the function calls `pool.PARALLEL_FOR` with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.compiler.tir.stmt import Program

from .arena import MAIN_BYTES, WORKER_BYTES, Arena
from .builder import FunctionText, ModuleText, Value
from .scope import Scope
from .statements import Statements
from .target import CpuTarget
from .types import INDEX, POINTER


@dataclass(frozen=True)
class CompiledText:
    """A module in LLVM's assembly language.

    Attributes
    ----------
    workspace:
        Bytes of workspace that a call needs.
    """

    text: str
    workspace: int


def write_module(program: Program, target: CpuTarget, threads: int) -> CompiledText:
    """The module of `program`, before optimisation.

    Raises
    ------
    CodegenError:
        The program holds something that the CPU does not know.
    """
    module = ModuleText()
    params = [f"{POINTER} noalias %p{n}" for n in range(len(program.params))]
    sizes = [f"{INDEX} %s{n}" for n in range(len(program.sizes))]
    extra = [f"{POINTER} noalias %workspace", f"{POINTER} %pool"]
    function = FunctionText(module, program.name, [*params, *sizes, *extra])
    main, workers = Arena(), Arena()
    scope = Scope(
        name=program.name,
        function=function,
        target=target,
        arena=main,
        workspace=Value(POINTER, "%workspace"),
        threads=threads,
        workers=workers,
        pool=Value(POINTER, "%pool"),
    )
    for n, buffer in enumerate(program.params):
        scope.buffers[buffer] = Value(POINTER, f"%p{n}")
    for n, size in enumerate(program.sizes):
        scope.variables[size] = Value(INDEX, f"%s{n}")
    Statements(scope).write(program.body)
    function.finish()
    for name, arena in ((MAIN_BYTES, main), (WORKER_BYTES, workers)):
        module.parts.append(f"@{name} = internal constant {INDEX} {arena.peak}")
    return CompiledText(module.text(target.attributes), main.peak + threads * workers.peak)
