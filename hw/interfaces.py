"""The signatures that units meet at. Directions are those of the side that starts the traffic."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from dovetail.isa.config import DRAM_ADDRESS_BITS, INSTRUCTION_BITS, Config, clog2
from dovetail.isa.registers import PROGRAM_INDEX_BITS, REGISTER_BITS

AXI_LEN_BITS = 8
AXI_ID_BITS = 2
AXI_RESP_BITS = 2
REGISTER_ADDRESS_BITS = 8


def dispatched() -> data.StructLayout:
    """An instruction on its way to its unit, with its place in the program."""
    return data.StructLayout({"word": unsigned(INSTRUCTION_BITS), "index": unsigned(PROGRAM_INDEX_BITS)})


class TokenGive(wiring.Signature):
    """A producer's end of a token queue.

    Members
    -------
    room: In(1)
        The queue can take one more token than are reserved.
    reserve: Out(1)
        Reserve a place; only while `room`. A unit does so when it starts an instruction that will push.
    push: Out(1)
        Fill the oldest reserved place. Never more often than `reserve`.
    """

    def __init__(self) -> None:
        super().__init__({"room": In(1), "reserve": Out(1), "push": Out(1)})


class TokenTake(wiring.Signature):
    """A consumer's end of a token queue: `pop` removes a token, only while `available`."""

    def __init__(self) -> None:
        super().__init__({"available": In(1), "pop": Out(1)})


class ReadClient(wiring.Signature):
    """What a unit needs of the AXI read channels. Answers come in the order of the requests.

    Members
    -------
    request: Out(stream)
        `addr` (bytes, aligned to the bus) and `beats_minus_one` of a burst that crosses no 4 KB boundary.
    beat: In(stream)
        `data`, `last` of its burst, and `error` when the answer was SLVERR or DECERR. A client takes every beat
        without waiting for anything that depends on another read.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(
            {
                "request": Out(stream.Signature(burst())),
                "beat": In(
                    stream.Signature(
                        data.StructLayout({"data": config.bus_bits, "last": 1, "error": 1}),
                    )
                ),
            }
        )


class WriteClient(wiring.Signature):
    """What a unit needs of the AXI write channels.

    Members
    -------
    request: Out(stream)
        As of `ReadClient`. A client asks for a burst only when it holds all of the burst's beats.
    beat: Out(stream)
        `data`, `strb` (a bit a byte) and `last`, in the order of the requests.
    done: In(1)
        High for a cycle for each burst that the memory has answered, in order.
    error: In(1)
        With `done`: the answer was SLVERR or DECERR.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(
            {
                "request": Out(stream.Signature(burst())),
                "beat": Out(
                    stream.Signature(
                        data.StructLayout({"data": config.bus_bits, "strb": config.bus_bytes, "last": 1}),
                    )
                ),
                "done": In(1),
                "error": In(1),
            }
        )


def burst() -> data.StructLayout:
    return data.StructLayout({"addr": unsigned(DRAM_ADDRESS_BITS), "beats_minus_one": unsigned(AXI_LEN_BITS)})


class BufferWrite(wiring.Signature):
    """A write port of an on-chip buffer, wide as an entry, written in lanes.

    Members
    -------
    en: Out(lanes)
        Which lanes of the entry to write; none is no write. Lane k is bits ``[k * lane_bits, (k + 1) * lane_bits)``.
    index: Out(index_bits)
        The entry.
    data: Out(entry_bits)
    """

    def __init__(self, *, index_bits: int, entry_bits: int, lanes: int) -> None:
        self.lanes = lanes
        super().__init__({"en": Out(lanes), "index": Out(index_bits), "data": Out(entry_bits)})


class BufferRead(wiring.Signature):
    """A read port of a buffer: `data` is entry `index` in the cycle after `en`, and stays while `en` is low."""

    def __init__(self, *, index_bits: int, entry_bits: int) -> None:
        super().__init__({"en": Out(1), "index": Out(index_bits), "data": In(entry_bits)})


def load_lanes(config: Config, entry_bytes: int) -> int:
    """Lanes in which the load unit writes an entry: a beat at a time when the entry is wider than the bus."""
    return max(1, entry_bytes // config.bus_bytes)


class Axi4(wiring.Signature):
    """AXI4 master, INCR bursts of full-width beats; constant signals (size, burst, cache, prot) are the wrapper's."""

    def __init__(self, config: Config) -> None:
        address = data.StructLayout({"addr": DRAM_ADDRESS_BITS, "len": AXI_LEN_BITS, "id": AXI_ID_BITS})
        read = data.StructLayout({"data": config.bus_bits, "resp": AXI_RESP_BITS, "last": 1, "id": AXI_ID_BITS})
        write = data.StructLayout({"data": config.bus_bits, "strb": config.bus_bytes, "last": 1})
        answer = data.StructLayout({"resp": AXI_RESP_BITS, "id": AXI_ID_BITS})
        super().__init__(
            {
                "ar": Out(stream.Signature(address)),
                "r": In(stream.Signature(read)),
                "aw": Out(stream.Signature(address)),
                "w": Out(stream.Signature(write)),
                "b": In(stream.Signature(answer)),
            }
        )


class Axi4Lite(wiring.Signature):
    """AXI4-Lite master with 32-bit registers, whole-word writes."""

    def __init__(self) -> None:
        read = data.StructLayout({"data": REGISTER_BITS, "resp": AXI_RESP_BITS})
        super().__init__(
            {
                "ar": Out(stream.Signature(REGISTER_ADDRESS_BITS)),
                "r": In(stream.Signature(read)),
                "aw": Out(stream.Signature(REGISTER_ADDRESS_BITS)),
                "w": Out(stream.Signature(REGISTER_BITS)),
                "b": In(stream.Signature(AXI_RESP_BITS)),
            }
        )


def level_bits(depth: int) -> int:
    """Bits of a counter from 0 to `depth`."""
    return clog2(depth + 1)
