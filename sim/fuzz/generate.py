"""Random programs that are legal by construction."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.accesses import DRAM_LIMIT
from dovetail.isa.config import AXI_BOUNDARY_BYTES, PARAM_RECORD_BYTES, Config
from dovetail.isa.instructions import (
    PAD_BITS,
    Alu,
    AluOp,
    AluSource,
    Buffer,
    Format,
    Gemm,
    Load,
    Param,
    Post,
    Store,
    Sync,
    Unit,
    buffer_depth,
    entry_bytes,
    store_bytes,
)
from dovetail.isa.program import Program, Segment

from .kernels import Window, decode_words, random_loops, random_words
from .ledger import Access, GiveUp, Ledger

GRAIN_BYTES = 4
"""No entry in DRAM is smaller or less aligned, so order is kept for grains of this size."""
MAX_STEPS = 1 << 10
"""Steps of one kernel."""
MAX_WINDOW = 96
"""Entries of a buffer that a program uses: enough for every hazard, quick to fill."""
PAD_MAX = (1 << PAD_BITS) - 1
INT32 = 1 << 31


@dataclass(frozen=True)
class FuzzCase:
    """A program and the DRAM to start it with.

    Attributes
    ----------
    seed: int
    program: Program
        Passes the static verifier. Its one segment holds the micro-ops.
    image: uint8 [program.dram_bytes]
        All of DRAM, segments included. No address beyond it is touched.
    """

    seed: int
    program: Program
    image: NDArray[np.uint8]


def random_program(config: Config, seed: int, size: int = 40, dram_bytes: int = 1 << 14) -> FuzzCase:
    """A random program of about `size` instructions, besides those that fill the buffers and keep order.

    Parameters
    ----------
    dram_bytes:
        DRAM that it uses; at least 16 KB, of which the first quarter holds micro-ops.
    """
    return _Generator(config, seed, size, max(dram_bytes, 4 * AXI_BOUNDARY_BYTES)).generate()


class _Generator:
    def __init__(self, config: Config, seed: int, size: int, dram_bytes: int) -> None:
        self.config, self.seed, self.size, self.dram_bytes = config, seed, size, dram_bytes
        self.rng = random.Random(seed)
        rng = self.rng
        self.image = np.frombuffer(rng.randbytes(dram_bytes), np.uint8).copy()
        self.micro_ops = dram_bytes // 4 // config.uop_bytes
        self.micro_op_top = 0
        self.params = dram_bytes // 4
        self.data = self.params + 4 * config.param_bytes
        self._write_params()
        spaces = {buffer.name: buffer_depth(config, buffer) for buffer in Buffer}
        spaces["DRAM"] = dram_bytes // GRAIN_BYTES
        self.ledger = Ledger(config, rng, spaces, rng.choice((0.0, 0.05, 0.3)))
        self.windows = self._choose_windows()
        self.uop = np.zeros((config.uop_depth, 3), np.int64)
        self.post: Post | None = None
        self.has_param = False

    def generate(self) -> FuzzCase:
        rng = self.rng
        for buffer in Buffer:
            self._fill(buffer)
        kinds: list[Callable[[], None]] = [self._load, self._gemm, self._alu, self._store, self._param, self._set_post]
        kinds += [self._sync, self._meet]
        weights = [25, 25, 15, 22, 4, 5, 2, 2]
        if rng.random() < 0.3:
            weights = [weight * rng.choice((1, 1, 4)) for weight in weights]
        for kind in rng.choices(kinds, weights, k=self.size):
            try:
                kind()
            except GiveUp:
                continue
        region = self.image[: self.micro_ops * self.config.uop_bytes].tobytes()
        program = Program(self.config, tuple(self.ledger.finish()), (Segment("micro-ops", 0, region),), self.dram_bytes)
        return FuzzCase(self.seed, program, self.image)

    def _choose_windows(self) -> dict[Buffer, Window]:
        """The part of each buffer that is used. Inputs and accumulators share a start, as src names either."""
        config, rng = self.config, self.rng
        sizes = {}
        for buffer in Buffer:
            depth = buffer_depth(config, buffer)
            most = min(depth, MAX_WINDOW, max(4, AXI_BOUNDARY_BYTES // entry_bytes(config, buffer)))
            sizes[buffer] = rng.randint(max(1, most // 4), most)
        shared = rng.choice((0, min(config.inp_depth - sizes[Buffer.INP], config.acc_depth - sizes[Buffer.ACC])))
        starts = {Buffer.INP: shared, Buffer.ACC: shared}
        if rng.random() < 0.3:
            starts[Buffer.INP] = config.inp_depth - sizes[Buffer.INP]
        for buffer in (Buffer.WGT, Buffer.UOP):
            starts[buffer] = rng.randint(0, buffer_depth(config, buffer) - sizes[buffer])
        return {buffer: Window(starts[buffer], starts[buffer] + sizes[buffer]) for buffer in Buffer}

    def _write_params(self) -> None:
        """Requantisation records, extreme and ordinary ones."""
        rng = self.rng
        for at in range(self.params, self.data, PARAM_RECORD_BYTES):
            extreme = (-INT32, INT32 - 1, 0, 1, -1, 1 << 30)
            bias = rng.choice((rng.choice(extreme), rng.randint(-INT32, INT32 - 1), rng.randint(-999, 999)))
            multiplier = rng.choice((rng.choice(extreme), rng.randint(-INT32, INT32 - 1)))
            shift = rng.choice((0, 1, 31, 32, 62, 63, rng.randint(0, 63), rng.randint(28, 60)))
            if rng.random() < 0.1:
                # The lowest sum there is, scaled to just half an integer.
                bias, multiplier, shift = -INT32, 3 << 29, 61
            record = (bias % (1 << 32)) | (multiplier % (1 << 32)) << 32 | (shift | rng.randrange(4) << 6) << 64
            self.image[at : at + 9] = np.frombuffer(record.to_bytes(9, "little"), np.uint8)

    def _fill(self, buffer: Buffer) -> None:
        """Load every entry of a buffer's window."""
        window = self.windows[buffer]
        at = window.begin
        while at < window.end:
            at += self._load_block(buffer, at, window.end - at, full=True)

    def _load(self) -> None:
        buffer = self.rng.choice(list(Buffer))
        window = self.windows[buffer]
        at = self.rng.randrange(window.begin, window.end)
        self._load_block(buffer, at, window.end - at, full=False)

    def _load_block(self, buffer: Buffer, sram: int, room: int, *, full: bool) -> int:
        """Load at most `room` entries from `sram` on; the number that was."""
        config, rng = self.config, self.rng
        size = entry_bytes(config, buffer)
        while True:
            pads = [rng.randint(0, rng.choice((1, 3, PAD_MAX))) if rng.random() < 0.4 else 0 for _ in range(4)]
            if full or rng.random() < 0.3:
                pads = [0, 0, 0, 0]
            top, bottom, left, right = pads
            rows = rng.randint(1, rng.choice((1, 3, 8)))
            cols = rng.choice((1, 1, 2, 3, rng.randint(1, 8), max(1, room // rows - left - right)))
            if full:
                rows, cols = 1, room if rng.random() < 0.5 else rng.randint(1, room)
            count = (top + rows + bottom) * (left + cols + right)
            if count <= room:
                break
        pad_value = rng.choice((0, -1, 127, -128, rng.randint(-128, 127)))
        stride = rng.choice((0, cols, cols, cols + 1, rng.randint(0, 3 * cols)))
        if buffer is Buffer.UOP:
            pad_value = 0 if self._holds_micro_op(0) else -1
            if count > rows * cols and not self._holds_micro_op(pad_value):
                top = bottom = left = right = 0
                count = rows * cols
            stride = max(stride, cols) if rows > 1 else stride
            dram = self._new_micro_ops(rows, cols, stride)
        else:
            extent = ((rows - 1) * stride + cols) * size
            dram = self._place(extent, size, 0, rng.random() < 0.15)
        accesses = [
            Access(buffer.name, slice(sram, sram + count), True),
            self._dram_access(dram, rows, cols * size, stride * size, False),
        ]
        self.ledger.add(
            Load,
            Unit.LOAD,
            accesses,
            buffer=buffer,
            sram=sram,
            dram=dram,
            rows=rows,
            cols=cols,
            stride=stride,
            pad_top=top,
            pad_bottom=bottom,
            pad_left=left,
            pad_right=right,
            pad_value=pad_value,
        )
        if buffer is Buffer.UOP:
            self._follow_micro_ops(slice(sram, sram + count), pads=(top, bottom, left, right), pad_value=pad_value,
                                   dram=dram, rows=rows, cols=cols, stride=stride)  # fmt: skip
        return count

    def _place(self, extent: int, size: int, lowest: int, anywhere: bool) -> int:
        """An address for `extent` bytes of entries of `size`: among the data, often across a 4 KB boundary.

        Raises
        ------
        GiveUp:
            There is not so much DRAM.
        """
        rng = self.rng
        align = min(size, self.config.bus_bytes)
        first = lowest if anywhere else max(lowest, self.data)
        last = self.dram_bytes - extent
        if last < first:
            raise GiveUp
        address = rng.randint(first, last)
        if rng.random() < 0.4 and extent > align:
            boundary = address // AXI_BOUNDARY_BYTES * AXI_BOUNDARY_BYTES
            address = boundary - rng.randint(1, extent // align) * align
        address = min(max(address, first), last)
        return address // align * align

    def _dram_access(self, address: int, rows: int, row: int, pitch: int, write: bool) -> Access:
        first, end = address // GRAIN_BYTES, (address + (rows - 1) * pitch + row) // GRAIN_BYTES
        if rows == 1 or pitch <= row:
            return Access("DRAM", slice(first, end), write)
        grains = np.add.outer(np.arange(rows) * (pitch // GRAIN_BYTES), np.arange(row // GRAIN_BYTES))
        return Access("DRAM", (first + grains).ravel(), write)

    def _holds_micro_op(self, pad_value: int) -> bool:
        """Whether micro-ops with all indices at the first (0) or last (-1) entry are in the windows."""
        bounds = [(self.windows[buffer], buffer_depth(self.config, buffer) - 1) for buffer in (Buffer.ACC, Buffer.WGT)]
        return all(window.holds(last if pad_value else 0) for window, last in bounds) and (
            self.windows[Buffer.INP].holds((1 << self.config.src_index_bits) - 1 if pad_value else 0)
        )

    def _new_micro_ops(self, rows: int, cols: int, stride: int) -> int:
        """Write fresh micro-ops into the image, around the region when it is full; their address."""
        count = (rows - 1) * stride + cols
        if self.micro_op_top + count > self.micro_ops:
            # Nothing may change under loads that have been generated, so old micro-ops are loaded again.
            return self.rng.randint(0, self.micro_ops - count) * self.config.uop_bytes
        first = self.micro_op_top
        self.micro_op_top += count
        words = random_words(self.config, self.rng, self.windows, count)
        size = self.config.uop_bytes
        self.image[first * size : (first + count) * size] = words.astype(f"<u{size}").view(np.uint8)
        return first * size

    def _follow_micro_ops(
        self,
        entries: slice,
        *,
        pads: tuple[int, int, int, int],
        pad_value: int,
        dram: int,
        rows: int,
        cols: int,
        stride: int,
    ) -> None:
        size = self.config.uop_bytes
        words = self.image[: self.micro_ops * size].view(f"<u{size}")
        top, bottom, left, right = pads
        block = np.full((top + rows + bottom, left + cols + right), pad_value & ((1 << 8 * size) - 1), np.uint64)
        first = dram // size
        for row in range(rows):
            block[top + row, left : left + cols] = words[first + row * stride : first + row * stride + cols]
        self.uop[entries] = decode_words(self.config, block.ravel())

    def _gemm(self) -> None:
        windows = (self.windows[Buffer.ACC], self.windows[Buffer.INP], self.windows[Buffer.WGT])
        begin, count = self._kernel(windows)
        loops = random_loops(self.rng, self.uop[begin : begin + count], windows, MAX_STEPS // count)
        dst, src, wgt = loops.entries()
        accesses = [
            Access("UOP", slice(begin, begin + count), False),
            Access("INP", src, False),
            Access("WGT", wgt, False),
            Access("ACC", dst, False),
            Access("ACC", dst, True),
        ]
        self.ledger.add(
            Gemm,
            Unit.COMPUTE,
            accesses,
            overwrite=self.rng.random() < 0.4,
            uop_begin=begin,
            uop_count=count,
            **loops.fields(("dst", "src", "wgt")),
        )

    def _alu(self) -> None:
        rng = self.rng
        source = rng.choice(list(AluSource))
        windows = [self.windows[Buffer.ACC]]
        if source is not AluSource.IMM:
            windows.append(self.windows[Buffer.INP if source is AluSource.INP else Buffer.ACC])
        begin, count = self._kernel(tuple(windows))
        loops = random_loops(rng, self.uop[begin : begin + count], tuple(windows), MAX_STEPS // count)
        entries = loops.entries()
        accesses = [
            Access("UOP", slice(begin, begin + count), False),
            Access("ACC", entries[0], False),
            Access("ACC", entries[0], True),
        ]
        if source is not AluSource.IMM:
            accesses.append(Access("INP" if source is AluSource.INP else "ACC", entries[1], False))
        imm = rng.choice((0, 1, -1, 31, 32, -32768, 32767, rng.randint(-32768, 32767)))
        self.ledger.add(
            Alu,
            Unit.COMPUTE,
            accesses,
            op=rng.choice(list(AluOp)),
            source=source,
            uop_begin=begin,
            uop_count=count,
            imm=imm,
            **loops.fields(("dst", "src")[: len(windows)]),
        )

    def _kernel(self, windows: tuple[Window, ...]) -> tuple[int, int]:
        """Some micro-ops of which all indices that matter are in their windows."""
        rng = self.rng
        window = self.windows[Buffer.UOP]
        fits = np.ones(window.end - window.begin, bool)
        for place, bounds in enumerate(windows):
            column = self.uop[window.begin : window.end, place]
            fits &= (column >= bounds.begin) & (column < bounds.end)
        starts = np.flatnonzero(fits)
        if not len(starts):
            raise GiveUp
        first = int(rng.choice(starts))
        stops = np.flatnonzero(~fits[first:])
        most = int(stops[0]) if len(stops) else len(fits) - first
        return window.begin + first, min(most, rng.choice((1, 1, 2, 3, 4, 6, 9, most)))

    def _param(self) -> None:
        config, rng = self.config, self.rng
        dram = self.params + rng.randrange(4) * config.param_bytes
        if rng.random() < 0.3:
            dram = self._place(config.param_bytes, config.bus_bytes, self.params, True)
        access = self._dram_access(dram, 1, config.param_bytes, 0, False)
        self.ledger.add(Param, Unit.STORE, [access], dram=dram)
        self.has_param = True

    def _set_post(self) -> None:
        rng = self.rng
        low, high = sorted((rng.randint(-128, 127), rng.choice((-128, 127, rng.randint(-128, 127)))))
        if rng.random() < 0.5:
            low, high = -128, 127
        align = min(self.config.out_bytes, self.config.bus_bytes)
        offset = rng.randint(-self.dram_bytes, self.dram_bytes) // align * align
        fields: dict[str, Any] = {
            "zero_point": rng.choice((0, -128, 127, rng.randint(-128, 127))),
            "minimum": low,
            "maximum": high,
            "fraction": rng.choice((0, 31, rng.randint(0, 31), rng.randint(0, 12))),
            "res_zero": rng.choice((0, -128, 127, rng.randint(-128, 127))),
            "res_multiplier": rng.choice((0, 1, -32768, 32767, rng.randint(-32768, 32767))),
            "res_shift": rng.choice((0, 31, rng.randint(0, 31), rng.randint(0, 12))),
            "residual_offset": rng.choice((0, offset % DRAM_LIMIT)),
        }
        self.ledger.add(Post, Unit.STORE, **fields)
        self.post = Post(**fields)

    def _store(self) -> None:
        config, rng = self.config, self.rng
        format = rng.choice((Format.OUT, Format.OUT, Format.RAW))
        if format is Format.OUT:
            if not self.has_param:
                self._param()
            if self.post is None:
                self._set_post()
        window = self.windows[Buffer.ACC]
        room = window.end - window.begin
        rows = rng.randint(1, rng.choice((1, 2, 6)))
        cols = rng.randint(1, min(room, rng.choice((1, 2, 4, 16))))
        slack = room - cols
        sram_stride = rng.randint(0, slack // (rows - 1)) if rows > 1 else rng.randint(0, config.acc_depth - 1)
        span = (rows - 1) * sram_stride + cols
        sram = rng.randint(window.begin, window.end - span)
        stride = rng.choice((cols, cols, cols + 1, cols + rng.randint(0, 20), rng.randint(0, cols)))
        residual = format is Format.OUT and rng.random() < 0.5
        if residual:
            stride = max(stride, cols)
        size = store_bytes(config, format)
        extent = ((rows - 1) * stride + cols) * size
        dram = self._place(extent, size, self.params, rng.random() < 0.05)
        if residual and self.post is not None:
            residual_at = (dram + self.post.residual_offset) % DRAM_LIMIT
            apart = residual_at == dram or abs(residual_at - dram) >= extent
            residual = apart and residual_at + extent <= self.dram_bytes
        steps = np.add.outer(np.arange(rows) * sram_stride, np.arange(cols)).ravel()
        accesses = [
            Access("ACC", sram + steps, False),
            self._dram_access(dram, rows, cols * size, stride * size, True),
        ]
        if residual:
            accesses.append(self._dram_access(residual_at, rows, cols * size, stride * size, False))
        self.ledger.add(
            Store,
            Unit.STORE,
            accesses,
            format=format,
            residual=residual,
            sram=sram,
            dram=dram,
            rows=rows,
            cols=cols,
            stride=stride,
            sram_stride=sram_stride,
        )

    def _sync(self) -> None:
        unit = self.rng.choice((Unit.LOAD, Unit.COMPUTE, Unit.STORE))
        self.ledger.add(Sync, unit, target=unit)

    def _meet(self) -> None:
        self.ledger.meet(
            *self.rng.choice(
                (
                    (Unit.LOAD, Unit.COMPUTE),
                    (Unit.COMPUTE, Unit.LOAD),
                    (Unit.COMPUTE, Unit.STORE),
                    (Unit.STORE, Unit.COMPUTE),
                )
            )
        )
