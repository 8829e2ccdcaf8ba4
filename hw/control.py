"""Control: starts, ends and stops programs, counts, and keeps the cause when something goes wrong."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.instructions import Unit
from dovetail.isa.registers import PROGRAM_INDEX_BITS, REGISTER_BITS, Cause, Counter, Status


class Control(wiring.Component):
    """The machine's state: idle, running, done, stopped, and draining on the way from running to the others.

    When a program ends or something goes wrong, the units are not listened to any more, what is in flight on the bus is
    brought to its end, and only then are the units reset: a memory never sees a broken transaction. The first error is
    kept.

    Members
    -------
    start, reset, acknowledge: In(1)
        From the register block.
    watchdog: In(32)
        Cycles without progress before the program is stopped; 0 is never.
    finished: In(1)
        The program's end is reached and everything is idle.
    progress: In(1)
        Some unit got on in this cycle.
    illegal, fetch_fault, load_fault, store_fault, store_fault_write: In(1)
        Errors; the last tells a failed write from a failed read.
    fetch_index, load_index, compute_index, store_index: In
        Where the units stand.
    load_fault_index, store_fault_index: In
    load_active, compute_active, store_active: In(1)
        The unit has an instruction.
    events: In
        A bit for each `Counter`: count up in this cycle.
    drained: In(1)
        With `abort`: nothing is in flight any more.
    abort: Out(1)
        Bring the bus to rest.
    units_reset: Out(1)
        Reset fetch, the units, the token queues and the bus port.
    units_start: Out(1)
        Begin to fetch.
    clear: Out(1)
        Set the host's registers to zero.
    irq: Out(1)
    status, cause, error_unit, error_index, counters: Out
        For the register block.
    """

    start: In(1)
    reset: In(1)
    acknowledge: In(1)
    watchdog: In(REGISTER_BITS)
    finished: In(1)
    progress: In(1)
    illegal: In(1)
    fetch_fault: In(1)
    load_fault: In(1)
    store_fault: In(1)
    store_fault_write: In(1)
    fetch_index: In(PROGRAM_INDEX_BITS)
    load_index: In(PROGRAM_INDEX_BITS)
    compute_index: In(PROGRAM_INDEX_BITS)
    store_index: In(PROGRAM_INDEX_BITS)
    load_fault_index: In(PROGRAM_INDEX_BITS)
    store_fault_index: In(PROGRAM_INDEX_BITS)
    load_active: In(1)
    compute_active: In(1)
    store_active: In(1)
    events: In(len(Counter))
    drained: In(1)
    abort: Out(1)
    units_reset: Out(1)
    units_start: Out(1)
    clear: Out(1)
    irq: Out(1)
    status: Out(Status)
    cause: Out(Cause)
    error_unit: Out(Unit)
    error_index: Out(PROGRAM_INDEX_BITS)
    counters: Out(len(Counter) * REGISTER_BITS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        expired, begin = Signal(), Signal()
        outcome = Signal(Status)
        m.d.comb += [
            begin.eq(self.start & (self.status == Status.IDLE)),
            self.units_reset.eq((self.status != Status.RUNNING) & (self.status != Status.DRAINING)),
            self.abort.eq(self.status == Status.DRAINING),
            self.irq.eq(
                (self.status == Status.DONE)
                | (self.status == Status.STOPPED)
                | ((self.status == Status.DRAINING) & expired)
            ),
        ]
        m.d.sync += self.units_start.eq(begin)
        with m.Switch(self.status):
            with m.Case(Status.IDLE):
                with m.If(begin):
                    m.d.sync += self.status.eq(Status.RUNNING)
            with m.Case(Status.RUNNING):
                with m.If(self.finished):
                    m.d.sync += [self.status.eq(Status.DRAINING), outcome.eq(Status.DONE)]
                self._errors(m, expired, outcome)
            with m.Case(Status.DRAINING):
                with m.If(self.drained):
                    m.d.sync += self.status.eq(outcome)
                    m.d.comb += self.clear.eq(outcome == Status.IDLE)
            with m.Case(Status.DONE, Status.STOPPED):
                with m.If(self.acknowledge):
                    m.d.sync += self.status.eq(Status.IDLE)
        with m.If(self.reset):
            with m.If((self.status == Status.RUNNING) | (self.status == Status.DRAINING)):
                m.d.sync += [self.status.eq(Status.DRAINING), outcome.eq(Status.IDLE)]
            with m.Else():
                m.d.sync += self.status.eq(Status.IDLE)
                m.d.comb += self.clear.eq(1)
        with m.If(begin | self.clear):
            m.d.sync += [self.cause.eq(Cause.NONE), self.error_unit.eq(0), self.error_index.eq(0)]
        self._watch(m, expired)
        self._count(m, begin | self.clear)
        return m

    def _errors(self, m: Module, expired: Signal, outcome: Signal) -> None:
        """Note the first error; of several in one cycle a unit's before fetch's, and the watchdog last."""

        def stop(cause: Cause, unit: Unit | Signal, index: Signal) -> None:
            m.d.sync += [
                self.status.eq(Status.DRAINING),
                outcome.eq(Status.STOPPED),
                self.cause.eq(cause),
                self.error_unit.eq(unit),
                self.error_index.eq(index),
            ]

        oldest_unit, oldest_index = Signal(Unit), Signal(PROGRAM_INDEX_BITS)
        m.d.comb += [oldest_unit.eq(Unit.FETCH), oldest_index.eq(self.fetch_index)]
        best = oldest_index
        for unit, active, index in (
            (Unit.LOAD, self.load_active, self.load_index),
            (Unit.COMPUTE, self.compute_active, self.compute_index),
            (Unit.STORE, self.store_active, self.store_index),
        ):
            smaller = Signal(PROGRAM_INDEX_BITS, name=f"oldest_{unit.name.lower()}")
            chosen_unit = Signal(Unit, name=f"oldest_unit_{unit.name.lower()}")
            older = active & (index < best)
            m.d.comb += [smaller.eq(Mux(older, index, best)), chosen_unit.eq(Mux(older, unit, oldest_unit))]
            best, oldest_unit = smaller, chosen_unit
        with m.If(self.store_fault):
            with m.If(self.store_fault_write):
                stop(Cause.AXI_WRITE, Unit.STORE, self.store_fault_index)
            with m.Else():
                stop(Cause.AXI_READ, Unit.STORE, self.store_fault_index)
        with m.Elif(self.load_fault):
            stop(Cause.AXI_READ, Unit.LOAD, self.load_fault_index)
        with m.Elif(self.fetch_fault):
            stop(Cause.AXI_READ, Unit.FETCH, self.fetch_index)
        with m.Elif(self.illegal):
            stop(Cause.ILLEGAL, Unit.FETCH, self.fetch_index)
        with m.Elif(expired & ~self.finished):
            stop(Cause.WATCHDOG, oldest_unit, best)

    def _watch(self, m: Module, expired: Signal) -> None:
        quiet = Signal(REGISTER_BITS)
        live = (self.status == Status.RUNNING) | (self.status == Status.DRAINING)
        was_draining = Signal()
        m.d.sync += was_draining.eq(self.status == Status.DRAINING)
        enters = (self.status == Status.DRAINING) & ~was_draining
        m.d.comb += expired.eq((self.watchdog != 0) & (quiet >= self.watchdog) & ~enters)
        with m.If(~live | enters | self.progress):
            m.d.sync += quiet.eq(0)
        with m.Elif(~expired):
            m.d.sync += quiet.eq(quiet + 1)

    def _count(self, m: Module, clear: Signal) -> None:
        for counter in Counter:
            value = self.counters.word_select(counter, REGISTER_BITS)
            with m.If(clear):
                m.d.sync += value.eq(0)
            with m.Elif(self.events[counter] & (self.status == Status.RUNNING) & ~value.all()):
                m.d.sync += value.eq(value + 1)
