"""Fetch: reads the program, checks every instruction and hands it to its unit."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import DRAM_ADDRESS_BITS, INSTRUCTION_BITS, Config, clog2
from dovetail.isa.instructions import Opcode, Unit
from dovetail.isa.registers import PROGRAM_INDEX_BITS

from .decode import Legality
from .interfaces import ReadClient, dispatched

INSTRUCTION_BYTES = INSTRUCTION_BITS // 8
BURST_WORDS = 8
"""Instructions read in one burst, or as many as `burst_beats` allows. Bursts are aligned, so none crosses 4 KB."""
BUFFER_WORDS = 4 * BURST_WORDS
"""Instructions that may be in flight or waiting; room is reserved before a burst is asked for."""


class FetchUnit(wiring.Component):
    """Reads `length` instructions from byte address `program` and dispatches them in order.

    An instruction is dispatched only when its encoding is legal. It waits, and all behind it, while its unit's queue is
    full. Fetching ends with FINISH.

    Members
    -------
    start: In(1)
        Begin; `program` and `length` hold until the end.
    program: In(32)
    length: In
    read: Out(ReadClient)
    load, compute, store: Out(stream)
        Dispatched instructions.
    dispatching: Out(1)
        An instruction is handed to a unit in this cycle.
    finished: Out(1)
        FINISH was reached; stays until reset.
    illegal: Out(1)
        The instruction `index` is illegal, or the program ended at `index` without FINISH. Stays until reset.
    fault: Out(1)
        Reading the instruction `index` was answered with an error. Stays until reset. What lies behind FINISH may be
        unreadable.
    index: Out
        The next instruction to dispatch.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        unit = stream.Signature(dispatched())
        super().__init__(
            {
                "start": In(1),
                "program": In(DRAM_ADDRESS_BITS),
                "length": In(PROGRAM_INDEX_BITS),
                "read": Out(ReadClient(config)),
                "load": Out(unit),
                "compute": Out(unit),
                "store": Out(unit),
                "dispatching": Out(1),
                "finished": Out(1),
                "illegal": Out(1),
                "fault": Out(1),
                "index": Out(PROGRAM_INDEX_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = SyncFIFOBuffered(width=INSTRUCTION_BITS + 1, depth=BUFFER_WORDS)
        running = Signal()
        with m.If(self.start):
            m.d.sync += running.eq(1)
        taken = self._request(m, running)
        self._receive(m, words)
        self._dispatch(m, words, running, taken)
        return m

    def _request(self, m: Module, running: Signal) -> Signal:
        """Ask for bursts while there is room; the returned signal frees the room of one instruction.

        A burst's size and whether there is room for it are found out in the cycle before it is asked for.
        """
        config = self.config
        beats_per_word = INSTRUCTION_BITS // config.bus_bits
        burst_beats = min(BURST_WORDS * beats_per_word, config.burst_beats)
        capacity = BUFFER_WORDS * beats_per_word
        beat_shift = clog2(config.bus_bytes)
        taken = Signal()
        address = Signal(DRAM_ADDRESS_BITS - beat_shift, reset_less=True)
        remaining = Signal(PROGRAM_INDEX_BITS + clog2(beats_per_word))
        room = Signal(range(capacity + 1), init=capacity)
        to_boundary = Signal(range(burst_beats + 1))
        beats = Signal(range(burst_beats + 1))
        asked = Signal(range(burst_beats + 1))
        request = self.read.request
        sized, has_room, asks = Signal(), Signal(), Signal()
        m.d.comb += [
            to_boundary.eq(burst_beats - address[: clog2(burst_beats)]),
            asks.eq(sized & has_room & ~request.valid),
        ]
        m.d.sync += [
            sized.eq(running & (remaining != 0) & ~asks),
            beats.eq(Mux(remaining < to_boundary, remaining, to_boundary)),
            has_room.eq(room >= burst_beats),
        ]
        with m.If(self.start):
            m.d.sync += [address.eq(self.program >> beat_shift), remaining.eq(self.length << clog2(beats_per_word))]
        with m.If(request.ready):
            m.d.sync += request.valid.eq(0)
        with m.If(asks):
            m.d.comb += asked.eq(beats)
            m.d.sync += [
                request.valid.eq(1),
                request.payload.addr.eq(address << beat_shift),
                request.payload.beats_minus_one.eq(beats - 1),
                address.eq(address + beats),
                remaining.eq(remaining - beats),
            ]
        m.d.sync += room.eq(room + taken * beats_per_word - asked)
        return taken

    def _receive(self, m: Module, words: SyncFIFOBuffered) -> None:
        """Put beats together to instructions, with a bit that one was answered with an error. There is always room."""
        beat = self.read.beat
        bus_bits = self.config.bus_bits
        m.d.comb += beat.ready.eq(1)
        word, error = beat.payload.data, beat.payload.error
        complete = beat.valid
        if bus_bits < INSTRUCTION_BITS:
            low, low_error, upper = Signal(bus_bits, reset_less=True), Signal(reset_less=True), Signal()
            with m.If(beat.valid):
                m.d.sync += [upper.eq(~upper), low.eq(word), low_error.eq(error)]
            word, error, complete = Cat(low, word), low_error | error, beat.valid & upper
        m.d.comb += [words.w_en.eq(complete), words.w_data.eq(Cat(word, error))]

    def _dispatch(self, m: Module, words: SyncFIFOBuffered, running: Signal, taken: Signal) -> None:
        """Hold one instruction with the verdict on it, until its unit takes it.

        An instruction is looked at for three cycles: on the way into a register, which block memory has at its output,
        and for two more by what judges it. The last takes it from the queue if its place is free then, which is known
        from registers.
        """
        m.submodules.legality = legality = Legality(self.config)
        word = Signal(INSTRUCTION_BITS, reset_less=True)
        checked, held, failed, legal, is_finish = Signal(), Signal(), Signal(), Signal(), Signal()
        offered, unread = Signal(INSTRUCTION_BITS, reset_less=True), Signal(reset_less=True)
        seen, gone = Signal(), Signal()
        m.d.comb += [
            legality.word.eq(offered),
            words.r_en.eq(checked & ~held),
            taken.eq(words.r_en),
        ]
        m.d.sync += [
            Cat(offered, unread).eq(words.r_data),
            seen.eq(words.r_rdy & ~words.r_en),
            checked.eq(seen & ~words.r_en),
        ]
        with m.If(gone):
            m.d.sync += held.eq(0)
        with m.If(~held):
            m.d.sync += [
                held.eq(checked),
                word.eq(offered),
                failed.eq(unread),
                legal.eq(legality.legal & ~unread),
                is_finish.eq(offered[:4] == Opcode.FINISH),
            ]
        for target, port in ((Unit.LOAD, self.load), (Unit.COMPUTE, self.compute), (Unit.STORE, self.store)):
            chosen = Signal(name=f"to_{target.name.lower()}")
            with m.If(~held):
                m.d.sync += chosen.eq(legality.legal & ~unread & (legality.unit == target))
            m.d.comb += [
                port.payload.word.eq(word),
                port.payload.index.eq(self.index),
                port.valid.eq(held & chosen),
            ]
            with m.If(port.valid & port.ready):
                m.d.comb += gone.eq(1)
        m.d.comb += self.dispatching.eq(gone)
        m.d.sync += self.index.eq(self.index + gone)
        with m.If(held & legal & is_finish):
            m.d.sync += self.finished.eq(1)
        ended = running & (self.index == self.length) & ~self.finished
        wrong = held & ~legal & ~self.finished
        m.d.comb += [self.fault.eq(wrong & failed), self.illegal.eq((wrong & ~failed) | ended)]
