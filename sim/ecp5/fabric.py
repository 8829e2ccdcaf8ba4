"""The tables of ``fabric.cpp``, as C++."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from .cells import Bit, Flop, Memory, NetlistError, Table

WORD = 64
PINS = 8
"""By which a reader's element is multiplied, and what is added is the input's number."""
PER_LINE = 24
CONSTANTS: dict[Bit, int] = {"0": 0, "1": 1, "x": 0, "z": 0}


@dataclass
class Fabric:
    """Logic between the nets that come in and those that go out.

    Parameters
    ----------
    inputs, outputs:
        In the order in which ``fabric_settle`` has them.
    """

    tables: list[Table] = field(default_factory=list)
    flops: list[Flop] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    inputs: list[Bit] = field(default_factory=list)
    outputs: list[Bit] = field(default_factory=list)

    def add(self, element: Table | Flop | Memory) -> None:
        """Take an element in."""
        kind: dict[type, list[Any]] = {Table: self.tables, Flop: self.flops, Memory: self.memories}
        kind[type(element)].append(element)

    def header(self) -> str:
        """``fabric.h``.

        Raises
        ------
        NetlistError:
            A net has two drivers, or logic depends on itself.
        """
        tables = ordered([*self.tables, *(table for memory in self.memories for table in memory.reads)])
        flops = [flop.table for flop in self.flops]
        driven = [*self.inputs, *(table.output for table in (*tables, *flops))]
        if len(set(driven)) != len(driven):
            raise NetlistError("a net has two drivers")
        numbers = _Numbers(driven)
        place = {table.output: k for k, table in enumerate(tables)}
        read: list[list[tuple[Bit, ...]]] = [
            [table.inputs for table in tables],
            [table.inputs[:-1] for table in flops],
            [(*memory.data, *memory.address, memory.enable) for memory in self.memories],
            [(bit,) for bit in self.outputs],
        ]
        begins = [0, *accumulate(_up(len(part)) for part in read)]
        readers: list[list[int]] = [[] for _ in range(len(numbers))]
        for begin, part in zip(begins, read, strict=False):
            for k, bits in enumerate(part):
                for pin, bit in enumerate(bits):
                    readers[numbers[bit]].append((begin + k) * PINS + min(pin, PINS - 1))
        memories = [
            [numbers[bit] for bit in (*memory.data, *memory.address, memory.enable)]
            + [place[table.output] for table in memory.reads]
            for memory in self.memories
        ]
        high = [numbers["1"], *(numbers[flop.table.output] for flop in self.flops if flop.initial)]
        pad = [0] * (begins[1] - len(tables))
        sizes = {
            "NETS": len(numbers),
            "INPUTS": len(self.inputs),
            "OUTPUTS": len(self.outputs),
            "TABLES": len(tables),
            "FLOPS": len(flops),
            "FLOPS_BEGIN": begins[1],
            "MEMORIES_BEGIN": begins[2],
            "OUTPUTS_BEGIN": begins[3],
            "ENDS": begins[4],
        }
        return "\n".join(
            [
                *(f"constexpr uint32_t {name} = {size};" for name, size in sizes.items()),
                _array("uint32_t", "table", [*(one.bits for one in tables), *pad, *(one.bits for one in flops)]),
                _array(
                    "const uint32_t",
                    "DRIVEN",
                    [*(numbers[one.output] for one in tables), *pad, *(numbers[one.output] for one in flops)],
                ),
                _array("const Memory", "memories", ["{" + ",".join(map(str, memory)) + "}" for memory in memories]),
                _array("const uint32_t", "INPUT", [numbers[bit] for bit in self.inputs]),
                _array("const uint32_t", "OUTPUT", [numbers[bit] for bit in self.outputs]),
                _array("const uint32_t", "HIGH", high),
                _array("const uint32_t", "READERS", [0, *accumulate(map(len, readers))]),
                _array("const uint32_t", "READER", [reader for net in readers for reader in net]),
                "",
            ]
        )


def ordered(tables: Sequence[Table]) -> list[Table]:
    """Tables in an order in which each follows those that it depends on.

    Raises
    ------
    NetlistError:
        There is no such order.
    """
    producer = {table.output: k for k, table in enumerate(tables)}
    users: list[list[int]] = [[] for _ in tables]
    missing = [0] * len(tables)
    for k, table in enumerate(tables):
        for bit in set(table.inputs):
            if bit in producer:
                users[producer[bit]].append(k)
                missing[k] += 1
    ready = deque(k for k, count in enumerate(missing) if count == 0)
    order = []
    while ready:
        k = ready.popleft()
        order.append(tables[k])
        for user in users[k]:
            missing[user] -= 1
            if missing[user] == 0:
                ready.append(user)
    if len(order) < len(tables):
        looped = next(k for k, count in enumerate(missing) if count)
        raise NetlistError(f"logic depends on itself, through net {tables[looped].output} for one")
    return order


class _Numbers:
    """Nets by small numbers. Those that nothing drives are low."""

    def __init__(self, driven: Iterable[Bit]) -> None:
        self.known = CONSTANTS | {bit: k for k, bit in enumerate(driven, len(set(CONSTANTS.values())))}

    def __getitem__(self, bit: Bit) -> int:
        return self.known.get(bit, CONSTANTS["0"])

    def __len__(self) -> int:
        return max(self.known.values()) + 1


def _up(count: int) -> int:
    return -(-count // WORD) * WORD


def _array(kind: str, name: str, values: Sequence[int | str]) -> str:
    """Of at least one element, as C++ wants it."""
    lines = [",".join(map(str, values[k : k + PER_LINE])) for k in range(0, len(values), PER_LINE)]
    return f"{kind} {name}[] = {{\n" + (",\n".join(lines) or "{}") + "};"
