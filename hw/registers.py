"""The register block: AXI4-Lite in front of `isa.registers`."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import AXI_BOUNDARY_BYTES, DRAM_ADDRESS_BITS, INSTRUCTION_BITS, Config, clog2
from dovetail.isa.instructions import Unit
from dovetail.isa.registers import (
    COUNTER_BASE,
    ERROR_UNIT_LSB,
    MAGIC,
    PROGRAM_INDEX_BITS,
    REGISTER_BITS,
    REGISTER_BYTES,
    REGISTER_SPACE,
    Cause,
    Control,
    Register,
    Status,
    config_registers,
)

from .counters import COUNTERS
from .interfaces import REGISTER_ADDRESS_BITS, Axi4Lite


class RegisterBlock(wiring.Component):
    """Reads and writes one register at a time; addresses that are no register read as 0 and ignore writes.

    Members
    -------
    bus: In(Axi4Lite)
    start, reset, acknowledge: Out(1)
        The bits written to CONTROL, for a cycle.
    program, length, watchdog, dram_base: Out
        What the host wrote.
    clear: In(1)
        Set the writable registers to zero.
    status: In(Status)
    cause: In(Cause)
    error_unit: In(Unit)
    error_index: In
    counter_index, counter: In
        Each counter in its turn; a read of one waits for it.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "bus": In(Axi4Lite()),
                "start": Out(1),
                "reset": Out(1),
                "acknowledge": Out(1),
                "program": Out(DRAM_ADDRESS_BITS),
                "length": Out(PROGRAM_INDEX_BITS),
                "watchdog": Out(REGISTER_BITS),
                "dram_base": Out(DRAM_ADDRESS_BITS),
                "clear": In(1),
                "status": In(Status),
                "cause": In(Cause),
                "error_unit": In(Unit),
                "error_index": In(PROGRAM_INDEX_BITS),
                "counter_index": In(range(COUNTERS)),
                "counter": In(REGISTER_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._write(m)
        self._read(m, self._readable())
        return m

    def _readable(self) -> Mapping[int, Value]:
        cause = Value.cast(self.cause)
        fingerprint = Const(self.config.fingerprint, 2 * REGISTER_BITS)
        values: dict[int, Value] = {
            Register.MAGIC: Const(MAGIC, REGISTER_BITS),
            Register.FINGERPRINT_LOW: fingerprint[:REGISTER_BITS],
            Register.FINGERPRINT_HIGH: fingerprint[REGISTER_BITS:],
            Register.STATUS: Value.cast(self.status),
            Register.ERROR: Cat(cause, Const(0, ERROR_UNIT_LSB - len(cause)), self.error_unit),
            Register.ERROR_INDEX: self.error_index,
            Register.PROGRAM: self.program,
            Register.LENGTH: self.length,
            Register.WATCHDOG: self.watchdog,
            Register.DRAM_BASE: self.dram_base,
        }
        for address, (_, value) in config_registers(self.config).items():
            values[address] = Const(value, REGISTER_BITS)
        return values

    def _write(self, m: Module) -> None:
        aw, w, b = self.bus.aw, self.bus.w, self.bus.b
        address, data = Signal(REGISTER_ADDRESS_BITS), Signal(REGISTER_BITS)
        has_address, has_data, act = Signal(), Signal(), Signal()
        m.d.comb += [
            aw.ready.eq(~has_address),
            w.ready.eq(~has_data),
            act.eq(has_address & has_data & ~b.valid),
        ]
        with m.If(aw.valid & aw.ready):
            m.d.sync += [address.eq(aw.payload), has_address.eq(1)]
        with m.If(w.valid & w.ready):
            m.d.sync += [data.eq(w.payload), has_data.eq(1)]
        with m.If(b.valid & b.ready):
            m.d.sync += b.valid.eq(0)
        with m.If(self.clear):
            m.d.sync += [self.program.eq(0), self.length.eq(0), self.watchdog.eq(0), self.dram_base.eq(0)]
        with m.If(act):
            m.d.sync += [has_address.eq(0), has_data.eq(0), b.valid.eq(1)]
            idle = self.status == Status.IDLE
            with m.Switch(address):
                with m.Case(Register.CONTROL):
                    m.d.comb += [
                        self.start.eq((data & Control.START).any()),
                        self.reset.eq((data & Control.RESET).any()),
                        self.acknowledge.eq((data & Control.ACKNOWLEDGE).any()),
                    ]
                with m.Case(Register.PROGRAM):
                    with m.If(idle):
                        m.d.sync += self.program.eq(data & ~(INSTRUCTION_BITS // 8 - 1))
                with m.Case(Register.LENGTH):
                    with m.If(idle):
                        m.d.sync += self.length.eq(data)
                with m.Case(Register.WATCHDOG):
                    m.d.sync += self.watchdog.eq(data)
                with m.Case(Register.DRAM_BASE):
                    with m.If(idle):
                        m.d.sync += self.dram_base.eq(data & ~(AXI_BOUNDARY_BYTES - 1))

    def _read(self, m: Module, values: Mapping[int, Value]) -> None:
        """A table of all words of the address space: a choice between equals is far smaller than one by address."""
        ar, r = self.bus.ar, self.bus.r
        address, asked, shown = Signal(REGISTER_ADDRESS_BITS), Signal(), Signal(REGISTER_BITS)
        words = [Const(0, REGISTER_BITS)] * (REGISTER_SPACE // REGISTER_BYTES)
        for place, value in values.items():
            words[place // REGISTER_BYTES] = Cat(value, Const(0, REGISTER_BITS - len(value)))
        offset, number = address[: clog2(REGISTER_BYTES)], address[clog2(REGISTER_BYTES) :]
        counter, whole = Signal.like(number), offset == 0
        m.d.comb += [
            counter.eq(number - COUNTER_BASE // REGISTER_BYTES),
            shown.eq(Cat(words).word_select(number, REGISTER_BITS)),
            ar.ready.eq(~asked & ~r.valid),
        ]
        with m.If(ar.valid & ar.ready):
            m.d.sync += [address.eq(ar.payload), asked.eq(1)]
        with m.If(r.valid & r.ready):
            m.d.sync += r.valid.eq(0)
        with m.If(asked & (counter >= COUNTERS)):
            m.d.sync += [asked.eq(0), r.valid.eq(1), r.payload.data.eq(Mux(whole, shown, 0))]
        with m.Elif(asked & (counter == self.counter_index)):
            m.d.sync += [asked.eq(0), r.valid.eq(1), r.payload.data.eq(Mux(whole, self.counter, 0))]
