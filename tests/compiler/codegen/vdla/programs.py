"""Loop programs in the accelerator's dialect, built by hand, and how to run them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.compiler.codegen.vdla import VdlaModule, compile_program
from dovetail.compiler.tir.expr import Const, ExprLike, Range, Var, as_expr
from dovetail.compiler.tir.stmt import (
    Allocate,
    Buffer,
    Copy,
    For,
    Invoke,
    Operand,
    Pop,
    Program,
    Push,
    Region,
    Stmt,
    seq,
)
from dovetail.compiler.vdla import primitives
from dovetail.isa.config import Config
from dovetail.isa.instructions import Unit
from dovetail.isa.verify import verify
from dovetail.sim.functional import FunctionalSimulator

LD, EX, ST = Unit.LOAD, Unit.COMPUTE, Unit.STORE


def buffer(name: str, *shape: int, dtype: str = "int8", scope: str = "global") -> Buffer:
    return Buffer(name, tuple(map(Const, shape)), dtype, scope)


def region(of: Buffer, *ranges: ExprLike | tuple[ExprLike, ...]) -> Region:
    """A range an axis: an index, or (begin, extent), or (begin, extent, step)."""
    parts = []
    for given in ranges:
        begin, extent, step = (*given, 1)[:3] if isinstance(given, tuple) else (given, 1, 1)
        assert isinstance(step, int)
        parts.append(Range(as_expr(begin), as_expr(extent), step))
    return Region(of, tuple(parts))


def whole(of: Buffer) -> Region:
    return region(of, *((0, extent) for extent in of.extents))


def operand(of: Region, *axes: int | None) -> Operand:
    return Operand(of, axes)


def loop(var: Var, extent: ExprLike, *body: Stmt) -> For:
    return For(var, as_expr(extent), seq(*body))


def allocate(buffers: list[Buffer], *body: Stmt) -> Stmt:
    result = seq(*body)
    for each in reversed(buffers):
        result = Allocate(each, result)
    return result


def load(dst: Region, src: Region, padding: int = 0) -> Copy:
    return Copy(dst, src, padding, LD)


def store(dst: Region, src: Region) -> Copy:
    return Copy(dst, src, 0, ST)


def gemm(acc: Operand, inp: Operand, wgt: Operand) -> Invoke:
    return Invoke(primitives.gemm("gemm"), (acc,), (inp, wgt), EX)


def fill(acc: Operand, value: int = 0) -> Invoke:
    return Invoke(primitives.fill(value), (acc,), (), EX)


def push(unit: Unit, peer: Unit, *queue: Any) -> Push:
    return Push(unit, peer, queue)


def pop(unit: Unit, peer: Unit, *queue: Any) -> Pop:
    return Pop(unit, peer, queue)


def handed(unit: Unit, peer: Unit, *queue: Any) -> Stmt:
    """A token from one unit to the other."""
    return seq(push(unit, peer, *queue), pop(peer, unit, *queue))


def run(module: VdlaModule, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The outputs by name; buffers on the chip and DRAM hold random bytes before."""
    program = module.program
    verify(program)
    rng = np.random.default_rng(0)
    dram = rng.integers(0, 256, program.dram_bytes, np.uint8)
    for segment in (*program.segments, *module.bind(arrays)):
        dram[segment.address : segment.end] = np.frombuffer(segment.data, np.uint8)
    simulator = FunctionalSimulator(program.config, dram)
    simulator.poison(rng)
    simulator.run(program.instructions)
    results = {}
    for argument in module.outputs:
        assert argument.address is not None
        data = dram[argument.address : argument.address + argument.layout.nbytes].tobytes()
        results[argument.name] = module.unpack(argument, data)
    return results


def compiled(body: Stmt, params: list[Buffer], config: Config, name: str = "main") -> VdlaModule:
    return compile_program(Program(name, tuple(params), body), config)


def int8(rng: np.random.Generator, *shape: int) -> NDArray[np.int8]:
    return rng.integers(-128, 128, shape, np.int8)
