"""Asynchronous serial line, 8 data bits, no parity, one stop bit, least significant bit first."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

BYTE_BITS = 8
MIN_DIVISOR = 4
MAJORITY_DIVISOR = 8
"""From this many clocks a bit on, a bit is what two of the three samples around its middle say."""


def require_divisor(divisor: int) -> int:
    """Raises `ValueError` unless a bit is long enough to be sampled in its middle."""
    if divisor < MIN_DIVISOR:
        raise ValueError(f"a bit must last at least {MIN_DIVISOR} clocks, not {divisor}")
    return divisor


class UartRx(wiring.Component):
    """Receives bytes. A byte whose stop bit is missing is dropped, as is a start bit that is gone by its middle.

    Parameters
    ----------
    divisor:
        Clocks a bit, at least `MIN_DIVISOR`. The line may be 2 % faster or slower.

    Members
    -------
    pin: In(1)
        The line, asynchronous; synchronised inside.
    bytes: Out(stream)
        Never stalls the line: a byte that arrives while the one before waits is lost.
    lost, misframed: Out(1)
        High for a cycle for each byte lost, or dropped for its stop bit.
    """

    def __init__(self, divisor: int) -> None:
        self.divisor = require_divisor(divisor)
        super().__init__(
            {
                "pin": In(1, init=1),
                "bytes": Out(stream.Signature(BYTE_BITS)),
                "lost": Out(1),
                "misframed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.pin, line, init=1)
        now, level = self._vote(m, line) if self.divisor >= MAJORITY_DIVISOR else (line, line)

        clocks = Signal(range(self.divisor))
        bits = Signal(range(BYTE_BITS + 1))
        shift = Signal(BYTE_BITS)
        sample = Signal()
        m.d.comb += sample.eq(clocks == 0)
        m.d.sync += [clocks.eq(Mux(sample, self.divisor - 1, clocks - 1)), self.lost.eq(0), self.misframed.eq(0)]
        with m.If(self.bytes.ready):
            m.d.sync += self.bytes.valid.eq(0)

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [clocks.eq((self.divisor - 1) // 2 - 1), bits.eq(BYTE_BITS)]
                with m.If(~now):
                    m.next = "START"
            with m.State("START"):
                with m.If(sample):
                    m.next = "IDLE"
                    with m.If(~level):
                        m.next = "DATA"
            with m.State("DATA"):
                with m.If(sample):
                    m.d.sync += [shift.eq(Cat(shift[1:], level)), bits.eq(bits - 1)]
                    with m.If(bits == 1):
                        m.next = "STOP"
            with m.State("STOP"):
                with m.If(sample):
                    m.next = "IDLE"
                    with m.If(~level):
                        m.d.sync += self.misframed.eq(1)
                        m.next = "BREAK"
                    with m.Elif(self.bytes.valid & ~self.bytes.ready):
                        m.d.sync += self.lost.eq(1)
                    with m.Else():
                        m.d.sync += [self.bytes.valid.eq(1), self.bytes.payload.eq(shift)]
            with m.State("BREAK"):
                with m.If(now):
                    m.next = "IDLE"
        return m

    def _vote(self, m: Module, line: Value) -> tuple[Value, Value]:
        """What the line said some clocks ago, and what most of the three samples around that said."""
        newest, middle, oldest, level = line, Signal(init=1), Signal(init=1), Signal(init=1)
        m.d.sync += [
            middle.eq(newest),
            oldest.eq(middle),
            level.eq((newest & middle) | (newest & oldest) | (middle & oldest)),
        ]
        return oldest, level


class UartTx(wiring.Component):
    """Sends bytes.

    Parameters
    ----------
    divisor:
        Clocks a bit, at least `MIN_DIVISOR`.

    Members
    -------
    bytes: In(stream)
    pin: Out(1)
        The line, from a register; high when idle.
    """

    def __init__(self, divisor: int) -> None:
        self.divisor = require_divisor(divisor)
        super().__init__({"bytes": In(stream.Signature(BYTE_BITS)), "pin": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        line_bits = 1 + BYTE_BITS + 1
        clocks = Signal(range(self.divisor))
        bits = Signal(range(line_bits + 1))
        shift = Signal(1 + BYTE_BITS)
        with m.If(clocks != 0):
            m.d.sync += clocks.eq(clocks - 1)
        with m.Elif(bits != 0):
            m.d.sync += [
                clocks.eq(self.divisor - 1),
                bits.eq(bits - 1),
                self.pin.eq(shift[0]),
                shift.eq(Cat(shift[1:], 1)),
            ]
        m.d.comb += self.bytes.ready.eq(bits == 0)
        with m.If(self.bytes.valid & self.bytes.ready):
            m.d.sync += [shift.eq(Cat(0, self.bytes.payload)), bits.eq(line_bits)]
        return m
