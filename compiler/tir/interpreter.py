"""Runs loop programs in plain Python and NumPy: what a program means, for tests to compare with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .dtypes import numpy_dtype
from .evaluation import Environment, Evaluator, evaluator, memory_of
from .expr import Var
from .memory import Array, Box, InterpreterError, Memory
from .printer import UNIT_PREFIX
from .stmt import (
    SHARED,
    THREADS_OF_GROUP,
    Allocate,
    Barrier,
    Buffer,
    Copy,
    For,
    If,
    Invoke,
    LoopKind,
    Operand,
    Pop,
    Program,
    Push,
    Region,
    Seq,
    Stmt,
    Store,
)
from .structure import Node, walk

__all__ = ["InterpreterError", "run"]

Action = Callable[[Environment], None]
Thread = Callable[[Environment], Iterator[None]]
"""Runs a statement up to its next barrier at a time."""


def run(program: Program, *arrays: Array, seed: int = 0) -> None:
    """Runs a program on the caller's arrays, in place.

    Parallel loops run in an order drawn from `seed`. The threads of a group run one after the other from barrier to
    barrier. Memory that the program allocates holds random bits at first.

    Raises
    ------
    InterpreterError:
        The arrays are not those that `program.params` ask for; an access outside of its buffer; a read of what has not
        been written; a division by zero; a token popped before it is pushed, or left over; threads of a group that
        part ways before a barrier.
    """
    env = _bind(program, arrays)
    machine = _Interpreter(np.random.default_rng(seed))
    with np.errstate(all="ignore"):
        machine.action(program.body)(env)
    for (unit, peer, queue), count in machine.tokens.items():
        if count:
            raise InterpreterError(f"{count} of the tokens that {_way(unit, peer, queue)} are left over")


def _bind(program: Program, arrays: Sequence[Array]) -> Environment:
    if len(arrays) != len(program.params):
        names = ", ".join(param.name for param in program.params)
        raise InterpreterError(f"{program.name} takes {len(program.params)} arrays ({names}), not {len(arrays)}")
    env: Environment = {}
    for param, array in zip(program.params, arrays, strict=True):
        if array.ndim != len(param.shape):
            raise InterpreterError(f"{param.name} has {len(param.shape)} axes, not {array.ndim}")
        if array.dtype != numpy_dtype(param.dtype):
            raise InterpreterError(f"{param.name} holds {param.dtype}, not {array.dtype}")
        for extent, actual in zip(param.shape, array.shape, strict=True):
            if isinstance(extent, Var):
                env.setdefault(extent, actual)
        env[param] = Memory(param.name, array)
    missing = [size.name for size in program.sizes if size not in env]
    if missing:
        raise InterpreterError(f"no array has {missing[0]} as an extent, so that it cannot be known")
    for param, array in zip(program.params, arrays, strict=True):
        shape = tuple(evaluator(extent)(env) for extent in param.shape)
        if array.shape != shape:
            raise InterpreterError(f"{param.name} has shape {shape}, not {array.shape}")
    return env


def _way(unit: int, peer: int, queue: tuple[Any, ...]) -> str:
    names = {int(who): name for who, name in UNIT_PREFIX.items()}
    of = f" for {', '.join(map(str, queue))}" if queue else ""
    return f"{names[unit]} pushes to {names[peer]}{of}"


class _Interpreter:
    """Makes statements functions; `thread` those that barriers interrupt."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.tokens: Counter[tuple[int, int, tuple[Any, ...]]] = Counter()

    def action(self, stmt: Stmt) -> Action:
        match stmt:
            case Seq(body):
                parts = [self.action(part) for part in body]

                def sequence(env: Environment) -> None:
                    for part in parts:
                        part(env)

                return sequence
            case For():
                return self.group(stmt) if _is_group(stmt) else self.loop(stmt)
            case Store(buffer, indices, value):
                return self.store(buffer, [evaluator(index) for index in indices], evaluator(value))
            case If(condition, then, orelse):
                test, yes = evaluator(condition), self.action(then)
                no = self.action(orelse or Seq())
                return lambda env: yes(env) if test(env) else no(env)
            case Allocate(buffer, body):
                return self.allocate(buffer, self.action(body))
            case Copy():
                return self.copy(stmt)
            case Invoke():
                return self.invoke(stmt)
            case Push(unit, peer, queue):

                def push(env: Environment) -> None:
                    self.tokens[unit, peer, queue] += 1

                return push
            case Pop(unit, peer, queue):

                def pop(env: Environment) -> None:
                    if not self.tokens[peer, unit, queue]:
                        raise InterpreterError(f"no token to pop of those that {_way(peer, unit, queue)}")
                    self.tokens[peer, unit, queue] -= 1

                return pop
            case Barrier():
                raise InterpreterError("a barrier outside of the threads of a group")
        raise InterpreterError(f"{type(stmt).__name__} is no statement of a loop program")

    def loop(self, loop: For) -> Action:
        extent, body, var = evaluator(loop.extent), self.action(loop.body), loop.var
        shuffled = loop.kind in (LoopKind.PARALLEL, LoopKind.THREAD)

        def iterate(env: Environment) -> None:
            count = extent(env)
            for value in self.rng.permutation(max(count, 0)).tolist() if shuffled else range(count):
                env[var] = value
                body(env)

        return iterate

    def group(self, loop: For) -> Action:
        """The threads of a group, which meet at barriers and share what lies in `SHARED`."""
        shared = [part.buffer for part in walk(loop) if isinstance(part, Allocate) and part.buffer.scope == SHARED]
        threads = self.thread(loop)

        def start(env: Environment) -> None:
            inside = dict(env)
            for buffer in shared:
                inside[buffer] = self.garbage(buffer, env)
            for _ in threads(inside):
                pass

        return start

    def thread(self, stmt: Stmt) -> Thread:
        """`stmt` for one thread of a group."""
        if not any(isinstance(part, Barrier) or _is_group(part) for part in walk(stmt)):
            action = self.action(stmt)

            def whole(env: Environment) -> Iterator[None]:
                action(env)
                yield from ()

            return whole
        match stmt:
            case Seq(body):
                parts = [self.thread(part) for part in body]

                def sequence(env: Environment) -> Iterator[None]:
                    for part in parts:
                        yield from part(env)

                return sequence
            case For():
                return self.lockstep(stmt) if _is_group(stmt) else self.thread_loop(stmt)
            case If(condition, then, orelse):
                test, yes, no = evaluator(condition), self.thread(then), self.thread(orelse or Seq())

                def choose(env: Environment) -> Iterator[None]:
                    yield from yes(env) if test(env) else no(env)

                return choose
            case Allocate(buffer, body):
                inside = self.thread(body)

                def allocate(env: Environment) -> Iterator[None]:
                    if buffer.scope != SHARED:
                        env[buffer] = self.garbage(buffer, env)
                    yield from inside(env)

                return allocate

        def barrier(env: Environment) -> Iterator[None]:
            yield

        return barrier

    def thread_loop(self, loop: For) -> Thread:
        extent, body, var = evaluator(loop.extent), self.thread(loop.body), loop.var

        def iterate(env: Environment) -> Iterator[None]:
            for value in range(extent(env)):
                env[var] = value
                yield from body(env)

        return iterate

    def lockstep(self, loop: For) -> Thread:
        """Threads one after the other, each up to the next barrier."""
        extent, body, var = evaluator(loop.extent), self.thread(loop.body), loop.var
        end = object()

        def threads(env: Environment) -> Iterator[None]:
            running = [body(env | {var: value}) for value in range(extent(env))]
            while running:
                done = [next(thread, end) is end for thread in running]
                if all(done):
                    return
                if any(done):
                    raise InterpreterError(f"thread {done.index(True)} of {var.name} ends where others meet a barrier")
                yield

        return threads

    def store(self, buffer: Buffer, indices: list[Evaluator], value: Evaluator) -> Action:
        def store(env: Environment) -> None:
            memory_of(buffer, env).store(tuple([index(env) for index in indices]), value(env))

        return store

    def garbage(self, buffer: Buffer, env: Environment) -> Memory:
        shape = tuple(max(0, evaluator(extent)(env)) for extent in buffer.shape)
        return Memory.garbage(buffer.name, shape, buffer.dtype, self.rng)

    def allocate(self, buffer: Buffer, body: Action) -> Action:
        def allocate(env: Environment) -> None:
            if buffer.scope == SHARED and buffer in env:
                body(env)
                return
            env[buffer] = self.garbage(buffer, env)
            body(env)
            del env[buffer]

        return allocate

    def copy(self, stmt: Copy) -> Action:
        source, target = _box(stmt.src), _box(stmt.dst)
        src, dst = stmt.src.buffer, stmt.dst.buffer

        def copy(env: Environment) -> None:
            elements = memory_of(src, env).padded(source(env), stmt.padding)
            box = target(env)
            shape = tuple(extent for _, extent, _ in box)
            if [extent for extent in shape if extent != 1] != [extent for extent in elements.shape if extent != 1]:
                raise InterpreterError(f"{stmt} copies extents {elements.shape} to {shape}")
            if elements.size:
                view = memory_of(dst, env).view(box, output=True)
                view[...] = elements.reshape(shape).astype(view.dtype)

        return copy

    def invoke(self, stmt: Invoke) -> Action:
        outputs = [(operand, _box(operand.region)) for operand in stmt.outputs]
        inputs = [(operand, _box(operand.region)) for operand in stmt.inputs]

        def view(env: Environment, operand: Operand, box: Box, output: bool) -> Array:
            return _as_declared(memory_of(operand.region.buffer, env).view(box, output), operand)

        def invoke(env: Environment) -> None:
            read = [view(env, operand, box(env), False) for operand, box in inputs]
            written = [view(env, operand, box(env), True) for operand, box in outputs]
            ranks = [len(operand.axes) for operand, _ in (*outputs, *inputs)]
            leading = [array.shape[: array.ndim - rank] for array, rank in zip((*written, *read), ranks, strict=True)]
            points = leading[0]
            if any(shape not in (points, ()) for shape in leading):
                raise InterpreterError(f"{stmt}: operands go through different axes: {', '.join(map(str, leading))}")

            def at(arrays: list[Array], first: int, point: tuple[int, ...]) -> tuple[Array, ...]:
                return tuple(array[point] if leading[first + place] else array for place, array in enumerate(arrays))

            for point in np.ndindex(points):
                stmt.primitive.semantics(at(written, 0, point), at(read, len(written), point))

        return invoke


def _is_group(node: Node) -> bool:
    """Whether `node` is a loop over the threads of a group."""
    return isinstance(node, For) and node.kind is LoopKind.THREAD and node.thread.startswith(THREADS_OF_GROUP)


def _box(region: Region) -> Callable[[Environment], Box]:
    parts = [(evaluator(part.begin), evaluator(part.extent), part.step) for part in region.ranges]
    return lambda env: tuple((begin(env), extent(env), step) for begin, extent, step in parts)


def _as_declared(view: Array, operand: Operand) -> Array:
    """A view of a region with the axes that the primitive declares last, after others that are longer than 1."""
    axes = [axis for axis in operand.axes if axis is not None]
    others = [axis for axis in range(view.ndim) if axis not in axes]
    ordered = view.transpose(others + axes)
    points = tuple(0 if extent == 1 else slice(None) for extent in ordered.shape[: len(others)])
    declared: Array = ordered[points + tuple(np.newaxis if axis is None else slice(None) for axis in operand.axes)]
    return declared
