"""What the cells of the ECP5's logic do, as tables.

The cells' definitions are those in Yosys' ``ecp5/common_sim.vh`` and ``ecp5/ccu2c_sim.vh``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from dovetail.sim.rtl.compilation import BuildError

Bit = int | str
"""A net by Yosys' number, or a constant: "0", "1", "x" or "z"."""
LUT_INPUTS = 4
ENTRIES = 16
ENTRY_BITS = 4
ANY = None
SETTINGS: dict[str, dict[str, tuple[str, ...] | None]] = {
    "LUT4": {"INIT": ANY},
    "PFUMX": {},
    "L6MUX21": {},
    "CCU2C": {"INIT0": ANY, "INIT1": ANY, "INJECT1_0": ("YES", "NO"), "INJECT1_1": ("YES", "NO")},
    "TRELLIS_FF": {
        "GSR": ("DISABLED", "AUTO", "ENABLED"),
        "CEMUX": ("CE", "INV", "0", "1"),
        "CLKMUX": ("CLK",),
        "LSRMUX": ("LSR", "INV"),
        "SRMODE": ("LSR_OVER_CE",),
        "REGSET": ("RESET", "SET"),
        "LSRMODE": ("LSR",),
    },
    "TRELLIS_DPR16X4": {"INITVAL": ANY, "WCKMUX": ("WCK",), "WREMUX": ("WRE",)},
}
"""The parameters of each cell, and which values of them are known here."""


class NetlistError(BuildError):
    """A netlist holds what cannot be simulated."""


@dataclass(frozen=True)
class Table:
    """``output = bits[inputs]``, the first input being the lowest bit of the place."""

    bits: int
    inputs: tuple[Bit, ...]
    output: Bit


@dataclass(frozen=True)
class Flop:
    """A flip-flop: at the clock its output becomes what `table` has for its inputs, of which it is the last itself.

    Attributes
    ----------
    initial:
        0 or 1.
    """

    table: Table
    initial: int
    clock: Bit


@dataclass(frozen=True)
class Memory:
    """A LUT memory of 16 entries of 4 bits, written at the clock.

    Attributes
    ----------
    reads:
        A table for each bit of an entry, of the read address; writing changes them.
    """

    data: tuple[Bit, ...]
    address: tuple[Bit, ...]
    enable: Bit
    reads: tuple[Table, ...]
    clock: Bit


Element = Table | Flop | Memory


@dataclass(frozen=True)
class Cell:
    """A cell of a netlist.

    Attributes
    ----------
    parameters:
        As Yosys' JSON has them.
    pins:
        Nets by the name of the pin, the lowest bit first.
    """

    name: str
    type: str
    parameters: Mapping[str, str]
    pins: Mapping[str, list[Bit]]

    def text(self, parameter: str, default: str) -> str:
        """A parameter that is a word: Yosys adds a space to one that looks like bits."""
        return self.parameters.get(parameter, default).rstrip(" ")

    def number(self, parameter: str) -> int:
        """A parameter that is bits; those that do not matter are 0."""
        return int(self.parameters.get(parameter, "0").replace("x", "0"), 2)

    def pin(self, name: str, default: Bit = "0") -> Bit:
        """A pin of one bit."""
        bits = self.pins.get(name)
        return bits[0] if bits else default


def elements(cell: Cell, new_net: Callable[[], Bit]) -> Iterable[Element]:
    """What a cell does.

    Parameters
    ----------
    new_net:
        Gives a net that nothing else is connected to.

    Raises
    ------
    NetlistError:
        The cell, or a parameter's value, is not known.
    """
    if cell.type not in SETTINGS:
        raise NetlistError(f"cell {cell.name} is a {cell.type}: there is no model of that")
    known = SETTINGS[cell.type]
    for name in cell.parameters:
        if name not in known:
            raise NetlistError(f"{cell.type} {cell.name} has parameter {name}, which its model does not have")
        values = known[name]
        if values is not ANY and cell.text(name, "") not in values:
            raise NetlistError(f"{cell.type} {cell.name}: {name}={cell.text(name, '')} is not modelled")
    if cell.type == "CCU2C":
        return _carries(cell, new_net)
    if cell.type == "TRELLIS_FF":
        return [_flop(cell)]
    if cell.type == "TRELLIS_DPR16X4":
        return [_memory(cell)]
    if cell.type == "LUT4":
        return [Table(cell.number("INIT"), tuple(cell.pin(name) for name in "ABCD"), cell.pin("Z"))]
    zero, one, select = ("BLUT", "ALUT", "C0") if cell.type == "PFUMX" else ("D0", "D1", "SD")
    return [_table(lambda s, a, b: b if s else a, [cell.pin(select), cell.pin(zero), cell.pin(one)], cell.pin("Z"))]


def _table(function: Callable[..., int], inputs: list[Bit], output: Bit) -> Table:
    bits = 0
    for place in range(1 << len(inputs)):
        bits |= function(*(place >> k & 1 for k in range(len(inputs)))) << place
    return Table(bits, tuple(inputs), output)


def _carries(cell: Cell, new_net: Callable[[], Bit]) -> Iterable[Element]:
    """Two sums, and the carries out of them. The carry between them has no pin."""
    carry, last = cell.pin("CIN"), cell.pin("COUT")
    outputs = [new_net(), last if isinstance(last, int) else new_net()]
    for half, carry_out in enumerate(outputs):
        total, carried = _half(cell.number(f"INIT{half}"), cell.text(f"INJECT1_{half}", "YES") == "YES")
        inputs = [*(cell.pin(f"{name}{half}") for name in "ABCD"), carry]
        if cell.pins.get(f"S{half}"):
            yield _table(total, inputs, cell.pin(f"S{half}"))
        yield _table(carried, inputs, carry_out)
        carry = carry_out


def _half(init: int, alone: bool) -> tuple[Callable[..., int], Callable[..., int]]:
    """Sum and carry of one half of a CCU2C; one that is `alone` does not add what is carried in."""

    def looked_up(a: int, b: int, c: int, d: int) -> int:
        return init >> (a | b << 1 | c << 2 | d << 3) & 1

    def total(a: int, b: int, c: int, d: int, carry: int) -> int:
        return looked_up(a, b, c, d) ^ (carry & ~alone)

    def carried(a: int, b: int, c: int, d: int, carry: int) -> int:
        return carry if looked_up(a, b, c, d) else looked_up(a, b, 0, 0) & ~alone

    return total, carried


def _flop(cell: Cell) -> Flop:
    enables = {"CE": (0, 1), "INV": (1, 0), "0": (0, 0), "1": (1, 1)}[cell.text("CEMUX", "1")]
    inverted = cell.text("LSRMUX", "LSR") == "INV"
    loaded = int(cell.text("REGSET", "RESET") == "SET")
    output = cell.pin("Q")

    def following(d: int, ce: int, lsr: int, q: int) -> int:
        return loaded if lsr ^ inverted else d if enables[ce] else q

    inputs = [cell.pin("DI"), cell.pin("CE"), cell.pin("LSR"), output]
    return Flop(_table(following, inputs, output), loaded, cell.pin("CLK"))


def _memory(cell: Cell) -> Memory:
    contents = cell.number("INITVAL")
    address = tuple(cell.pins["RAD"])
    reads = []
    for bit, output in enumerate(cell.pins["DO"]):
        bits = sum((contents >> ENTRY_BITS * entry + bit & 1) << entry for entry in range(ENTRIES))
        reads.append(Table(bits, address, output))
    return Memory(tuple(cell.pins["DI"]), tuple(cell.pins["WAD"]), cell.pin("WRE"), tuple(reads), cell.pin("WCK"))
