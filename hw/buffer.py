"""On-chip buffers."""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In

from dovetail.isa.config import clog2

from .interfaces import BufferRead, BufferWrite


class BufferMemory(wiring.Component):
    """A memory of `depth` entries with a write port in lanes and a read port; both act every cycle.

    What a read gives in the cycle of a write to the same entry does not matter: tokens keep load and store apart from
    compute, and compute forwards its own results.

    Parameters
    ----------
    depth:
        Entries, a power of two.
    entry_bits:
        Bits of an entry.
    lanes:
        Parts of an entry that are written independently.

    Members
    -------
    write: In(BufferWrite)
    read: In(BufferRead)
    """

    def __init__(self, *, depth: int, entry_bits: int, lanes: int = 1) -> None:
        self.depth = depth
        self.entry_bits = entry_bits
        self.lanes = lanes
        self.data = memory.MemoryData(shape=entry_bits, depth=depth, init=[])
        super().__init__(
            {
                "write": In(BufferWrite(index_bits=clog2(depth), entry_bits=entry_bits, lanes=lanes)),
                "read": In(BufferRead(index_bits=clog2(depth), entry_bits=entry_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.entries = entries = memory.Memory(self.data)
        write = entries.write_port(granularity=self.entry_bits // self.lanes)
        read = entries.read_port()
        m.d.comb += [
            write.en.eq(self.write.en),
            write.addr.eq(self.write.index),
            write.data.eq(self.write.data),
            read.en.eq(self.read.en),
            read.addr.eq(self.read.index),
            self.read.data.eq(read.data),
        ]
        return m
