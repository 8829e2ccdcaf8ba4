"""Three units that run on their own and meet only through tokens: what programs with tokens mean.

Shares nothing with the passes. Elements are not numbers but tell how they came to be, so that a stale one shows.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Any

from dovetail.compiler.tir.evaluation import Environment, evaluator
from dovetail.compiler.tir.stmt import (
    GLOBAL,
    Allocate,
    Buffer,
    Copy,
    For,
    If,
    Invoke,
    Pop,
    Program,
    Push,
    Region,
    Seq,
    Stmt,
)
from dovetail.isa.instructions import Unit

Address = tuple[Buffer, tuple[int, ...]]
Queue = tuple[Unit, Unit, tuple[Any, ...]]
UNITS = (Unit.LOAD, Unit.COMPUTE, Unit.STORE)
NEIGHBOURS = {(Unit.LOAD, Unit.COMPUTE), (Unit.COMPUTE, Unit.STORE)}


@dataclass(frozen=True)
class Work:
    """Reads elements and writes others."""

    unit: Unit
    name: str
    reads: tuple[Address, ...]
    writes: tuple[Address, ...]

    def values(self, memory: dict[Address, Hashable]) -> list[Hashable]:
        """What is written: of a copy the elements themselves, otherwise what tells the inputs."""
        read = tuple(memory.get(address, _origin(address)) for address in self.reads)
        if not self.name:
            return list(read)
        return [hash((self.name, read, place)) for place in range(len(self.writes))]


@dataclass(frozen=True)
class Token:
    """A token is pushed, or popped."""

    unit: Unit
    queue: Queue
    push: bool


Step = Work | Token


def steps(program: Program) -> list[Step]:
    """All that the units do, in the order of the program."""
    return list(_steps(program.body, {}))


def sequential(program: Program) -> dict[tuple[str, tuple[int, ...]], Hashable]:
    """What DRAM holds in the end, tokens aside."""
    memory: dict[Address, Hashable] = {}
    for step in steps(program):
        if isinstance(step, Work):
            memory.update(zip(step.writes, step.values(memory), strict=True))
    return _in_dram(memory)


class Race(AssertionError):
    """Nothing orders two uses of an element."""


def interleaved(program: Program, seed: int) -> dict[tuple[str, tuple[int, ...]], Hashable]:
    """What DRAM holds in the end, the units being interleaved at random.

    Raises
    ------
    AssertionError:
        The units wait for each other for ever, tokens are left, or tokens pass between units that have no queue.
    Race:
        In some interleaving, perhaps another one, an element is used in another order than in the program.
    """
    random = Random(seed)
    todo = {unit: deque(step for step in steps(program) if step.unit is unit) for unit in UNITS}
    memory: dict[Address, Hashable] = {}
    tokens: dict[Queue, deque[Counter[Unit]]] = defaultdict(deque)
    clocks: dict[Unit, Counter[Unit]] = {unit: Counter() for unit in UNITS}
    written: dict[Address, tuple[Unit, int]] = {}
    read: dict[Address, dict[Unit, int]] = defaultdict(dict)
    while any(todo.values()):
        ready = [unit for unit in UNITS if todo[unit] and not _waits(todo[unit][0], tokens)]
        assert ready, f"all units wait: {[todo[unit][0] for unit in UNITS if todo[unit]]}"
        unit = random.choice(ready)
        step, clock = todo[unit].popleft(), clocks[unit]
        if isinstance(step, Token):
            assert tuple(sorted(step.queue[:2])) in NEIGHBOURS, f"no queue for {step}"
            if step.push:
                tokens[step.queue].append(clock.copy())
            else:
                clock |= tokens[step.queue].popleft()
            continue
        clock[unit] += 1
        for address in (*step.reads, *step.writes):
            writer, when = written.get(address, (unit, 0))
            if clock[writer] < when:
                raise Race(f"{unit.name} uses {_text(address)} while {writer.name} may not have written it yet")
        for address in step.writes:
            for reader, when in read[address].items():
                if clock[reader] < when:
                    raise Race(f"{unit.name} overwrites {_text(address)} that {reader.name} may still have to read")
        memory.update(zip(step.writes, step.values(memory), strict=True))
        read.update({address: {**read[address], unit: clock[unit]} for address in step.reads})
        written.update(dict.fromkeys(step.writes, (unit, clock[unit])))
    left = {queue: len(waiting) for queue, waiting in tokens.items() if waiting}
    assert not left, f"tokens are left: {left}"
    return _in_dram(memory)


def duration(program: Program, cost: dict[Unit, int] | None = None) -> int:
    """When the last unit is done, each piece of work taking as long as `cost` says (1) and tokens no time."""
    todo = {unit: deque(step for step in steps(program) if step.unit is unit) for unit in UNITS}
    now: Counter[Unit] = Counter()
    tokens: dict[Queue, deque[int]] = defaultdict(deque)
    while any(todo.values()):
        unit = next(unit for unit in UNITS if todo[unit] and not _waits(todo[unit][0], tokens))
        step = todo[unit].popleft()
        if isinstance(step, Work):
            now[unit] += (cost or {}).get(unit, 1)
        elif step.push:
            tokens[step.queue].append(now[unit])
        else:
            now[unit] = max(now[unit], tokens[step.queue].popleft())
    return max(now.values())


def _waits(step: Step, tokens: dict[Queue, Any]) -> bool:
    return isinstance(step, Token) and not step.push and not tokens[step.queue]


def _steps(stmt: Stmt, env: Environment) -> Iterator[Step]:
    match stmt:
        case Seq(body):
            for part in body:
                yield from _steps(part, env)
        case Allocate(_, body):
            yield from _steps(body, env)
        case For(var, extent, body):
            for value in range(evaluator(extent)(env)):
                yield from _steps(body, env | {var: value})
        case If(condition, then, orelse):
            yield from _steps(then if evaluator(condition)(env) else orelse or Seq(), env)
        case Copy(dst, src, _, unit):
            assert unit is not None
            yield Work(unit, "", _elements(src, env), _elements(dst, env))
        case Invoke(primitive, outputs, inputs, unit):
            assert unit is not None
            written = tuple(address for operand in outputs for address in _elements(operand.region, env))
            read = tuple(address for operand in inputs for address in _elements(operand.region, env))
            yield Work(unit, primitive.name, read if "fill" in primitive.name else read + written, written)
        case Push(unit, peer, queue):
            yield Token(unit, (unit, peer, queue), True)
        case Pop(unit, peer, queue):
            yield Token(unit, (peer, unit, queue), False)


def _elements(region: Region, env: Environment) -> tuple[Address, ...]:
    axes = []
    for part in region.ranges:
        begin, extent = evaluator(part.begin)(env), evaluator(part.extent)(env)
        axes.append(range(begin, begin + extent * part.step, part.step))
    return tuple((region.buffer, index) for index in product(*axes))


def _origin(address: Address) -> Hashable:
    buffer, index = address
    return (buffer.name, index) if buffer.scope == GLOBAL else "garbage"


def _in_dram(memory: dict[Address, Hashable]) -> dict[tuple[str, tuple[int, ...]], Hashable]:
    return {(buffer.name, index): value for (buffer, index), value in memory.items() if buffer.scope == GLOBAL}


def _text(address: Address) -> str:
    return f"{address[0].name}{list(address[1])}"
