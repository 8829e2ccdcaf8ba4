"""A convolution scheduled by hand.

For each tile of outputs, for each block of output channels, the whole reduction is one kernel of micro-ops, so that an
accumulator is finished once it is begun and the store unit has the accumulators' ports to itself nearly always. Slots
of the buffers are loaded when the kernel that needs them is next, and tokens say when a slot is free again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from dovetail.isa.builder import ProgramBuilder
from dovetail.isa.config import Config
from dovetail.isa.instructions import COLS_BITS, STRIDE_BITS, Buffer, Format, MicroOp, Unit
from dovetail.isa.program import Program

from .layer import Conv2d, Conv2dMemory, LayerError
from .slots import NOBODY, Slots
from .tiling import Tile, Tiling, choose_tiling

MAX_COLS = (1 << COLS_BITS) - 1
MAX_STRIDE = (1 << STRIDE_BITS) - 1


@dataclass
class Step:
    """One GEMM, the loads that it waits for, and what happens to its sums.

    Attributes
    ----------
    acc:
        The first accumulator of its tile.
    gemm:
        Its fields, and the `begin` and `count` of its micro-ops.
    loads:
        Fields of the loads.
    after:
        The GEMM that must be complete before the loads, or `NOBODY`.
    waits_store:
        It is the first to write accumulators that an earlier store reads.
    store:
        The block of output channels to store when it is complete.
    frees_acc:
        A later step waits for that store.
    """

    tile: Tile
    acc: int
    gemm: dict[str, int]
    loads: list[dict[str, Any]] = field(default_factory=list)
    after: int = NOBODY
    waits_store: bool = False
    store: int | None = None
    frees_acc: bool = False


def conv2d_program(config: Config, layer: Conv2d, memory: Conv2dMemory) -> Program:
    """The program for one layer. Tensors lie in `memory` as `layout` packs them; the micro-ops are a segment.

    Raises
    ------
    LayerError:
        The layer does not fit the machine.
    """
    planner = _Planner(config, layer, memory, choose_tiling(config, layer))
    steps = planner.plan()
    _limit_loads_ahead(steps, config.token_depth)
    frees = _merge_credits(steps, config.token_depth)
    builder = ProgramBuilder(config)
    builder.segment("micro-ops", memory.micro_ops, bytes(planner.micro_ops))
    builder.post(zero_point=layer.zero_point, minimum=layer.minimum, maximum=layer.maximum)
    credits = dict(frees)
    freeing = set(credits.values())
    params: int | None = None
    for number, step in enumerate(steps):
        for place, load in enumerate(step.loads):
            pop = Unit.COMPUTE if place == 0 and number in credits else ()
            push = Unit.COMPUTE if place == len(step.loads) - 1 else ()
            builder.load(**load, pop=pop, push=push)
        pops = [Unit.LOAD] * bool(step.loads) + [Unit.STORE] * step.waits_store
        pushes = [Unit.LOAD] * (number in freeing) + [Unit.STORE] * (step.store is not None)
        builder.gemm((step.gemm.pop("begin"), step.gemm.pop("count")), **step.gemm, pop=pops, push=pushes)
        if step.store is not None:
            if step.store != params:
                builder.param(memory.param + step.store * config.param_bytes)
                params = step.store
            builder.store(
                Format.OUT,
                **planner.store_fields(step),
                pop=Unit.COMPUTE,
                push=Unit.COMPUTE if step.frees_acc else (),
            )
    builder.finish()
    return builder.build()


class _Planner:
    def __init__(self, config: Config, layer: Conv2d, memory: Conv2dMemory, tiling: Tiling) -> None:
        self.config, self.layer, self.memory, self.tiling = config, layer, memory, tiling
        self.icb, self.ocb = layer.in_blocks(config), layer.out_blocks(config)
        self.inp = Slots(config.inp_depth, tiling.inp_slot, tiling.inp_slots)
        self.wgt = Slots(config.wgt_depth, tiling.chunk)
        self.uop = Slots(config.uop_depth, tiling.chunk)
        self.steps: list[Step] = []
        self.micro_ops = bytearray()
        self.kernels: dict[tuple[MicroOp, ...], int] = {}
        self.loaded: dict[int, set[int]] = {}

    def plan(self) -> list[Step]:
        tiling = self.tiling
        sums = 0
        for number, tile in enumerate(tiling.tiles):
            order = range(self.ocb) if number % 2 == 0 else reversed(range(self.ocb))
            for ob in order:
                first = len(self.steps)
                acc = sums % tiling.acc_slots * tiling.acc_slot
                for group in tiling.groups:
                    self._reduce(tile, ob, group, acc)
                self.steps[first].gemm["overwrite"] = True
                self.steps[first].waits_store = sums >= tiling.acc_slots
                self.steps[-1].store = ob
                sums += 1
        ends = [step for step in self.steps if step.store is not None]
        for step in ends[: max(0, sums - tiling.acc_slots)]:
            step.frees_acc = True
        return self.steps

    def _reduce(self, tile: Tile, ob: int, group: range, acc: int) -> None:
        """Add the products of a group of input blocks to the sums of a tile."""
        taps = self.layer.k**2
        total = len(group) * taps
        for begin in range(0, total, self.tiling.chunk):
            end = min(total, begin + self.tiling.chunk)
            user = len(self.steps)
            # At the very start the array waits for data, so the first kernel begins with what one input block needs.
            cuts = range(begin + taps, end, taps) if user == 0 else range(0)
            edges = [begin, *cuts, end]
            self._add_kernel(tile, ob, group, acc, edges)

    def _add_kernel(self, tile: Tile, ob: int, group: range, acc: int, edges: list[int]) -> None:
        """Steps for the products between neighbouring `edges`, which number blocks and taps of a group."""
        config, taps = self.config, self.layer.k**2
        area = tile.rows.extent * tile.cols.extent
        begin, end = edges[0], edges[-1]
        last_user = len(self.steps) + len(edges) - 2
        inp, inp_missing, inp_after = self.inp.find((tile, group), last_user)
        wgt, wgt_missing, wgt_after = self.wgt.find((ob, group, begin), last_user)
        kernel = tuple(
            MicroOp(acc, inp + place // taps * area + self._tap(place % taps, tile), wgt + place - begin)
            for place in range(begin, end)
        )
        uop, uop_missing, uop_after = self.uop.find(kernel, last_user)
        if inp_missing:
            self.loaded[inp] = set()
        afters = ((inp_missing, inp_after), (wgt_missing, wgt_after), (uop_missing, uop_after))
        after = max([after for missing, after in afters if missing], default=NOBODY)
        for low, high in pairwise(edges):
            step = Step(tile, acc, self._gemm(tile, uop + low - begin, high - low), after=after)
            if uop_missing and low == begin:
                step.loads.append(self._load_kernel(kernel, uop))
            if wgt_missing:
                at = self.memory.wgt + ((ob * self.icb + group.start) * taps + low) * config.wgt_bytes
                step.loads.append({"buffer": Buffer.WGT, "sram": wgt + low - begin, "dram": at, "cols": high - low})
            for place in range(low // taps, (high - 1) // taps + 1):
                if place not in self.loaded[inp]:
                    self.loaded[inp].add(place)
                    step.loads.append(self._load_input(tile, group.start + place, inp + place * area))
            self.steps.append(step)

    def _tap(self, tap: int, tile: Tile) -> int:
        """Entries from a tile's first input to the one under tap `tap` of the kernel."""
        return tap // self.layer.k * tile.cols.extent + tap % self.layer.k

    def _gemm(self, tile: Tile, begin: int, count: int) -> dict[str, int]:
        rows, cols = tile.rows, tile.cols
        fields = {"begin": begin, "count": count, "outer": rows.size, "inner": cols.size, "dst_inner": 1}
        if cols.size > 1:
            fields["src_inner"] = self.layer.stride
        if rows.size > 1:
            step = self.layer.stride // self.tiling.row_step
            fields |= {"dst_outer": cols.size, "src_outer": step * cols.extent}
        return fields

    def _load_kernel(self, kernel: tuple[MicroOp, ...], sram: int) -> dict[str, Any]:
        if kernel not in self.kernels:
            self.kernels[kernel] = len(self.micro_ops)
            for micro_op in kernel:
                self.micro_ops += micro_op.encode(self.config).to_bytes(self.config.uop_bytes, "little")
        dram = self.memory.micro_ops + self.kernels[kernel]
        return {"buffer": Buffer.UOP, "sram": sram, "dram": dram, "cols": len(kernel)}

    def _load_input(self, tile: Tile, ib: int, sram: int) -> dict[str, Any]:
        layer, rows, cols = self.layer, tile.rows, tile.cols
        step = self.tiling.row_step
        row, col = rows.first + rows.before, cols.first + cols.before
        at = ((tile.batch * self.icb + ib) * layer.h + row) * layer.w + col
        fields = {
            "buffer": Buffer.INP,
            "sram": sram,
            "dram": self.memory.inp + at * self.config.inp_bytes,
            "rows": rows.inside,
            "cols": cols.inside,
            "stride": _row_stride(rows.inside, step * layer.w, "w" if step == 1 else "stride * w"),
            "pad_top": rows.before,
            "pad_bottom": rows.after,
            "pad_left": cols.before,
            "pad_right": cols.after,
        }
        whole_rows = cols.extent == layer.w and step == 1
        if whole_rows and cols.before == cols.after == 0 and rows.before == rows.after == 0:
            _flatten(fields)
        return fields

    def store_fields(self, step: Step) -> dict[str, int]:
        """The fields of the store of a step's tile."""
        layer, rows, cols = self.layer, step.tile.rows, step.tile.cols
        assert step.store is not None
        at = ((step.tile.batch * self.ocb + step.store) * layer.out_h + rows.begin) * layer.out_w + cols.begin
        fields = {
            "sram": step.acc,
            "dram": self.memory.out + at * self.config.out_bytes,
            "rows": rows.size,
            "cols": cols.size,
            "stride": _row_stride(rows.size, layer.out_w, "the output's width"),
            "sram_stride": cols.size if rows.size > 1 else 0,
        }
        if cols.size == layer.out_w and _flatten(fields):
            fields["sram_stride"] = 0
        return fields


def _row_stride(rows: int, stride: int, what: str) -> int:
    """The stride of a load or store of `rows` rows that are `stride` entries, the layer's `what`, apart."""
    if rows == 1:
        return 0
    if stride > MAX_STRIDE:
        raise LayerError(f"{what} must be at most {MAX_STRIDE} where several rows are moved at once, not {stride}")
    return stride


def _flatten(fields: dict[str, Any]) -> bool:
    """Make one row of rows that lie one behind the other, if a row may be so long."""
    cols = fields["rows"] * fields["cols"]
    if cols > MAX_COLS:
        return False
    fields |= {"rows": 1, "cols": cols, "stride": 0}
    return True


def _limit_loads_ahead(steps: list[Step], depth: int) -> None:
    """Have loads wait so that no more than `depth` of their tokens are ever in the queue."""
    loading = [number for number, step in enumerate(steps) if step.loads]
    for earlier, later in zip(loading, loading[depth:], strict=False):
        steps[later].after = max(steps[later].after, earlier)


def _merge_credits(steps: list[Step], depth: int) -> list[tuple[int, int]]:
    """Pairs of a step whose loads wait and the GEMM that they wait for, in order.

    A GEMM's token may be late but never early, so where more than `depth` tokens could be in the queue, neighbours
    become one: the earlier load waits for the later GEMM.
    """
    credits: list[tuple[int, int]] = []
    for number, step in enumerate(steps):
        if not step.loads or step.after <= (credits[-1][1] if credits else NOBODY):
            continue
        credits.append((number, step.after))
        while len(credits) > depth and credits[-1 - depth][0] > credits[-1][1]:
            (waiting, _), (_, freeing) = credits[-2:]
            credits[-2:] = [(waiting, freeing)]
    return credits
