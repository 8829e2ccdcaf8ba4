"""What a chip needs whether it is used or not: the power-up sequence and refresh."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .chips import SdramChip, SdramClocks
from .commands import ALL_BANKS, CAS_LATENCY_LSB, COMMAND_BITS, Command


class Maintenance(wiring.Component):
    """Initialises a chip and refreshes it, by taking its commands for itself at times.

    Members
    -------
    closable: In
        A bit a bank: PRECHARGE may be given to it.
    busy: Out(1)
        No one else gives commands in this cycle; known at its beginning.
    command, address: Out
        While `busy`.
    close: Out(1)
        `command` closes all banks.
    ready: Out(1)
        The chip is initialised.
    """

    def __init__(self, chip: SdramChip, clocks: SdramClocks) -> None:
        self.chip = chip
        self.clocks = clocks
        super().__init__(
            {
                "closable": In(chip.banks),
                "busy": Out(1, init=1),
                "command": Out(COMMAND_BITS, init=Command.NOP),
                "address": Out(chip.row_bits),
                "close": Out(1),
                "ready": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        clocks = self.clocks
        # CKE is low for the first clock.
        wait = Signal(range(clocks.power_up + 1), init=clocks.power_up)
        done = Signal()
        until_due = Signal(range(clocks.refresh_interval), init=clocks.refresh_interval - 1)
        due = Signal()
        first_refreshes = Signal(range(self.chip.power_up_refreshes + 1), init=self.chip.power_up_refreshes)

        m.d.comb += done.eq(wait == 0)
        with m.If(~done):
            m.d.sync += wait.eq(wait - 1)
        with m.If(until_due == 0):
            m.d.sync += [until_due.eq(clocks.refresh_interval - 1), due.eq(1)]
        with m.Else():
            m.d.sync += until_due.eq(until_due - 1)

        with m.FSM():
            with m.State("CLOSE"):
                with m.If(done & self.closable.all()):
                    m.d.comb += [
                        self.command.eq(Command.PRECHARGE),
                        self.address.eq(ALL_BANKS),
                        self.close.eq(1),
                    ]
                    m.d.sync += wait.eq(clocks.rp - 1)
                    m.next = "REFRESH"
            with m.State("REFRESH"):
                with m.If(done):
                    m.d.comb += self.command.eq(Command.REFRESH)
                    # The state that follows lasts a clock longer than its wait.
                    m.d.sync += [wait.eq(max(clocks.rfc - 2, 0)), due.eq(0)]
                    m.d.sync += first_refreshes.eq(Mux(self.ready, 0, first_refreshes - 1))
                    m.next = "RECOVER"
            with m.State("RECOVER"):
                with m.If(done):
                    with m.If(self.ready):
                        m.d.sync += self.busy.eq(0)
                        m.next = "RUN"
                    with m.Elif(first_refreshes == 0):
                        m.next = "MODE"
                    with m.Else():
                        m.next = "REFRESH"
            with m.State("MODE"):
                m.d.comb += [
                    self.command.eq(Command.MODE),
                    self.address.eq(clocks.cas_latency << CAS_LATENCY_LSB),
                ]
                m.d.sync += [wait.eq(max(clocks.mrd - 2, 0)), self.ready.eq(1)]
                m.next = "RECOVER"
            with m.State("RUN"):
                with m.If(due):
                    m.d.sync += self.busy.eq(1)
                    m.next = "CLOSE"
        return m
