"""The timing simulator: a program's cycles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dovetail.hw.array import latency as array_latency
from dovetail.hw.store_vectors import entries as vector_entries
from dovetail.isa.config import INSTRUCTION_BITS, Config
from dovetail.isa.instructions import Queue

from . import fetch, load, port, splitter, store
from .bursts import estimate
from .compiled import Registers, cleared
from .compute import AHEAD, COMPUTE, stages
from .cycle import State, run
from .encode import Encoded, Words
from .fifo import FIFO, SKID
from .memory import DEPTH, MEMORY
from .tokens import TOKENS

FRAME = 4
"""Cycles that the machine counts before the first step and after the last: it starts, and notes that all is done."""
MOST_CYCLES = 1 << 40


@dataclass(frozen=True)
class Prediction:
    """What a program would take.

    Attributes
    ----------
    cycles:
        As the machine counts them.
    """

    cycles: int


class TimingSimulator:
    """A machine without values.

    Parameters
    ----------
    latency:
        Cycles from a read's address to its first data, and from a write's last data to its answer.
    bytes_per_cycle:
        Of reads and writes together.
    """

    def __init__(self, config: Config, *, latency: int, bytes_per_cycle: int) -> None:
        self.config = config
        self.latency = latency
        self.bytes_per_cycle = bytes_per_cycle
        self._read_stage, self._write_stage = stages(array_latency(config))
        self._entries = vector_entries(config)

    def predict(self, program: Words, memory: npt.NDArray[np.uint8], *, address: int = 0) -> Prediction:
        """The cycles of a program that the static verifier accepts, exactly as many as on the RTL.

        Parameters
        ----------
        program:
            Its words, or its instructions; words take much less time.
        memory: uint8 [bytes]
            Of which micro-ops are read.
        address:
            Where the program's words lie.

        Raises
        ------
        ValueError:
            The program never ends.
        """
        config = self.config
        encoded = Encoded(program, config)
        micro_ops = encoded.micro_ops(config, memory)
        beats_per_word = INSTRUCTION_BITS // config.bus_bits
        depth = store.waiting_beats(config.burst_beats)
        split = _filled(splitter.SPLITTER, 3, beat_bytes=config.bus_bytes, burst_beats=config.burst_beats)
        state = State(
            entries=encoded.entries,
            queues=encoded.queues,
            micro_ops=micro_ops,
            memory=_filled(
                MEMORY,
                latency=self.latency,
                rate=self.bytes_per_cycle,
                beat_bytes=config.bus_bytes,
                budget=self.bytes_per_cycle + config.bus_bytes,
            ),
            in_flight=np.zeros((5, DEPTH), np.int64),
            reads=_filled(port.READ_PORT, limit=config.max_bursts),
            writes=_filled(port.WRITE_PORT, limit=config.max_bursts),
            owed=cleared(FIFO),
            owed_lengths=np.zeros(store.KEPT + 2, np.int64),
            fetch=_filled(
                fetch.FETCH,
                beats_per_word=beats_per_word,
                burst_beats=fetch.burst_beats(beats_per_word, config.burst_beats),
                running=1,
                address=address // config.bus_bytes,
                remaining=len(encoded.entries) * beats_per_word,
                room=fetch.capacity(beats_per_word),
            ),
            words=cleared(FIFO),
            unit_queues=_filled(FIFO, 3),
            queue_depth=config.queue_depth,
            tokens=_filled(TOKENS, len(Queue)),
            token_depth=config.token_depth,
            load=_filled(load.LOAD, beat_bytes=config.bus_bytes, fills_depth=config.max_bursts + 2),
            fills=cleared(FIFO),
            load_beats=cleared(FIFO),
            splitters=split,
            compute=_filled(
                COMPUTE,
                read_stage=self._read_stage,
                write_stage=self._write_stage,
                acc_depth=config.acc_depth,
            ),
            ahead=cleared(SKID),
            plan=np.zeros((4, AHEAD), np.int64),
            dsts=np.zeros(config.uop_depth, np.int64),
            srcs=np.zeros(config.uop_depth, np.int64),
            store=_filled(
                store.STORE,
                beat_bytes=config.bus_bytes,
                burst_beats=config.burst_beats,
                lanes=config.out_lanes,
                groups=config.batch * config.block_out // config.out_lanes,
                beats_per_vector=config.acc_bytes // config.bus_bytes,
                entries=self._entries,
                param_beats=store.param_beats(config.block_out, config.bus_bytes),
                max_bursts=config.max_bursts,
                last_entered=-store.LATENCY,
                free=depth,
                room=1,
                may_ask=1,
                may_open=1,
                complete=1,
                reads_room=depth,
            ),
            vector_flags=np.zeros((2, store.KEPT), np.int64),
            passing=np.zeros(store.PASSING, np.int64),
            write_beats=cleared(FIFO),
            kept=np.zeros((2, store.KEPT), np.int64),
            read_beats=cleared(FIFO),
            skids=_filled(SKID, 3),
            lengths=np.zeros((2, store.KEPT + 2), np.int64),
        )
        return _prediction(run(state, MOST_CYCLES))

    def estimate(self, program: Words, *, address: int = 0) -> Prediction:
        """About as many cycles as `predict` counts, in a small part of the time.

        The parameters and errors are those of `predict`.
        """
        encoded = Encoded(program, self.config)
        return _prediction(
            estimate(
                encoded,
                self.config,
                latency=self.latency,
                bytes_per_cycle=self.bytes_per_cycle,
                address=address,
            )
        )


def _prediction(cycle: int) -> Prediction:
    if cycle < 0:
        raise ValueError("the program waits for a token that never comes; `verify` says which")
    return Prediction(int(cycle) + FRAME)


def _filled(kind: np.dtype[Any], count: int = 1, **values: int) -> Registers:
    """Records with these values, and 0 elsewhere."""
    records = np.zeros(count, kind)
    for name, value in values.items():
        records[name] = value
    return records
