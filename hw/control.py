"""Control: starts, ends and stops programs, counts, and keeps the cause when something goes wrong."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.instructions import Unit
from dovetail.isa.registers import PROGRAM_INDEX_BITS, REGISTER_BITS, Cause, Status

from .counters import COUNTERS, Counters


class Place(data.Struct):
    """An instruction and the unit that is at it; nothing unless `valid`."""

    valid: 1
    unit: Unit
    index: PROGRAM_INDEX_BITS


def _older(one: data.View, other: data.View) -> Value:
    """The place of the older instruction, `one` if neither is valid."""
    return Mux(other.valid & (~one.valid | (other.index < one.index)), other, one)


class Control(wiring.Component):
    """The machine's state: idle, running, done, stopped, and draining on the way from running to the others.

    When a program ends or something goes wrong, the units are not listened to any more, what is in flight on the bus is
    brought to its end, and only then are the units reset: a memory never sees a broken transaction. The first error is
    kept.

    Members
    -------
    start, reset, acknowledge: In(1)
        From the register block. A start is heard two cycles after the machine became idle at the earliest.
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
    live: Out(1)
        Running or draining.
    abort: Out(1)
        Bring the bus to rest.
    units_reset: Out(1)
        Reset fetch, the units, the token queues and the bus port.
    units_start: Out(1)
        Begin to fetch.
    clear: Out(1)
        Set the host's registers to zero; a cycle after the machine became idle.
    irq: Out(1)
    status, cause, error_unit, error_index: Out
        For the register block.
    counter_index, counter: Out
        As `counters.Counters` shows them.
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
    events: In(COUNTERS)
    drained: In(1)
    live: Out(1)
    abort: Out(1, init=1)
    units_reset: Out(1, init=1)
    units_start: Out(1)
    clear: Out(1)
    irq: Out(1)
    status: Out(Status)
    cause: Out(Cause)
    error_unit: Out(Unit)
    error_index: Out(PROGRAM_INDEX_BITS)
    counter_index: Out(range(COUNTERS))
    counter: Out(REGISTER_BITS)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        expired, begin, finished = Signal(), Signal(), Signal()
        outcome = Signal(Status)
        starting, rested = Signal(), Signal(init=1)
        m.d.sync += finished.eq(self.finished)
        m.d.comb += [
            self.live.eq((self.status == Status.RUNNING) | (self.status == Status.DRAINING)),
            begin.eq(self.start & (self.status == Status.IDLE) & rested),
            self.irq.eq(
                (self.status == Status.DONE)
                | (self.status == Status.STOPPED)
                | ((self.status == Status.DRAINING) & expired)
            ),
        ]
        # The reset reaches all of the chip: it is a register, and what it clears is not looked at in the cycle after.
        m.d.sync += [
            self.units_reset.eq(~self.live),
            rested.eq(self.units_reset),
            self.abort.eq(self.status != Status.RUNNING),
            starting.eq(begin),
            self.units_start.eq(starting),
        ]
        clears = Signal()
        m.d.sync += self.clear.eq(clears)
        error, cause = self._first_error(m, finished, expired)
        with m.Switch(self.status):
            with m.Case(Status.IDLE):
                with m.If(begin):
                    m.d.sync += self.status.eq(Status.RUNNING)
            with m.Case(Status.RUNNING):
                with m.If(finished):
                    m.d.sync += [self.status.eq(Status.DRAINING), outcome.eq(Status.DONE)]
                with m.If(error.valid):
                    m.d.sync += [
                        self.status.eq(Status.DRAINING),
                        outcome.eq(Status.STOPPED),
                        self.cause.eq(cause),
                        self.error_unit.eq(error.unit),
                        self.error_index.eq(error.index),
                    ]
            with m.Case(Status.DRAINING):
                with m.If(self.drained):
                    m.d.sync += self.status.eq(outcome)
                    m.d.comb += clears.eq(outcome == Status.IDLE)
            with m.Case(Status.DONE, Status.STOPPED):
                with m.If(self.acknowledge):
                    m.d.sync += self.status.eq(Status.IDLE)
        with m.If(self.reset):
            with m.If(self.live):
                m.d.sync += [self.status.eq(Status.DRAINING), outcome.eq(Status.IDLE)]
            with m.Else():
                m.d.sync += self.status.eq(Status.IDLE)
                m.d.comb += clears.eq(1)
        with m.If(starting | self.clear):
            m.d.sync += [self.cause.eq(Cause.NONE), self.error_unit.eq(0), self.error_index.eq(0)]
        self._watch(m, expired)
        m.submodules.counters = counters = Counters()
        m.d.sync += counters.events.eq(Mux(self.status == Status.RUNNING, self.events, 0))
        m.d.comb += [
            counters.clear.eq(starting | self.clear),
            self.counter_index.eq(counters.index),
            self.counter.eq(counters.value),
        ]
        return m

    def _first_error(self, m: Module, finished: Signal, expired: Signal) -> tuple[data.View, Signal]:
        """Where something went wrong in the cycle before this one, and its cause.

        Of several errors in one cycle a unit's come before fetch's, and the watchdog last.
        """
        load = self._noted(m, "load_error", self.load_fault, Unit.LOAD, self.load_fault_index)
        store = self._noted(m, "store_error", self.store_fault, Unit.STORE, self.store_fault_index)
        fetch = self._noted(m, "fetch_error", self.fetch_fault | self.illegal, Unit.FETCH, self.fetch_index)
        writing, reading = Signal(), Signal()
        m.d.sync += [writing.eq(self.store_fault_write), reading.eq(self.fetch_fault)]
        oldest = self._oldest(m)
        first, cause = Signal(Place), Signal(Cause)
        m.d.comb += cause.eq(Cause.AXI_READ)
        with m.If(store.valid):
            m.d.comb += first.eq(store)
            with m.If(writing):
                m.d.comb += cause.eq(Cause.AXI_WRITE)
        with m.Elif(load.valid):
            m.d.comb += first.eq(load)
        with m.Elif(fetch.valid):
            m.d.comb += first.eq(fetch)
            with m.If(~reading):
                m.d.comb += cause.eq(Cause.ILLEGAL)
        with m.Elif(expired & ~finished):
            m.d.comb += [first.eq(oldest), cause.eq(Cause.WATCHDOG)]
        return first, cause

    @staticmethod
    def _noted(m: Module, name: str, valid: Value, unit: Unit, index: Signal) -> data.View:
        """A place in the program, in registers."""
        place = Signal(Place, name=name)
        m.d.sync += [place.valid.eq(valid), place.unit.eq(unit), place.index.eq(index)]
        return place

    def _oldest(self, m: Module) -> data.View:
        """The oldest instruction of all units or, without any, the next of fetch; as of two cycles ago."""
        load = self._noted(m, "load_place", self.load_active, Unit.LOAD, self.load_index)
        compute = self._noted(m, "compute_place", self.compute_active, Unit.COMPUTE, self.compute_index)
        store = self._noted(m, "store_place", self.store_active, Unit.STORE, self.store_index)
        fetch = self._noted(m, "fetch_place", Const(1), Unit.FETCH, self.fetch_index)
        early, late, oldest = Signal(Place), Signal(Place), Signal(Place)
        m.d.sync += [early.eq(_older(load, compute)), late.eq(_older(fetch, store))]
        m.d.comb += oldest.eq(_older(late, early))
        return oldest

    def _watch(self, m: Module, expired: Signal) -> None:
        quiet = Signal(REGISTER_BITS)
        progress = Signal()
        m.d.sync += progress.eq(self.progress)
        was_draining = Signal()
        m.d.sync += was_draining.eq(self.status == Status.DRAINING)
        enters = (self.status == Status.DRAINING) & ~was_draining
        m.d.comb += expired.eq((self.watchdog != 0) & (quiet >= self.watchdog) & ~enters)
        with m.If(~self.live | enters | progress):
            m.d.sync += quiet.eq(0)
        with m.Elif(~expired):
            m.d.sync += quiet.eq(quiet + 1)
