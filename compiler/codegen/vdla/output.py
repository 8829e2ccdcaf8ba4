"""Requantised outputs: POST and PARAM when they change, then STORE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from dovetail.compiler.tir.stmt import GLOBAL, Buffer
from dovetail.isa import instructions as machine
from dovetail.isa.accesses import DRAM_LIMIT
from dovetail.isa.config import Config
from dovetail.isa.instructions import Format, Unit

from .boxes import Box, plan
from .dma import stores
from .errors import CodegenError
from .inference import AxisPairs
from .primitives import Requantise
from .stream import Node

ParamSource = tuple[tuple[str, Buffer | int], ...]
"""Where bias, multiplier and shift come from: an argument, or a constant for all channels."""


@dataclass
class ParamTables:
    """Tables of the records that PARAM reads, which are made when arguments are bound.

    Attributes
    ----------
    channels:
        For each table, how many channels it has records for.
    addresses:
        Byte addresses, once they are decided.
    """

    channels: dict[ParamSource, int] = field(default_factory=dict)
    addresses: dict[ParamSource, int] = field(default_factory=dict)

    def add(self, source: ParamSource, params: tuple[Buffer, ...], block: int) -> None:
        """Have a table for `source`.

        Raises
        ------
        CodegenError:
            A buffer is no argument of the program, is not one-dimensional, or not as long as the others.
        """
        buffers = [buffer for _, buffer in source if isinstance(buffer, Buffer)]
        lengths = set()
        for buffer in buffers:
            if buffer not in params or buffer.scope != GLOBAL or len(buffer.shape) != 1:
                raise CodegenError(
                    f"{buffer.name}: bias, multiplier and shift must be one-dimensional arguments of the program"
                )
            lengths.add(buffer.extents[0])
        if len(lengths) > 1:
            names = ", ".join(f"{buffer.name} has {buffer.extents[0]}" for buffer in buffers)
            raise CodegenError(f"parameters of one output differ in length: {names}")
        self.channels[source] = lengths.pop() if lengths else block


@dataclass(frozen=True)
class OutputPlan:
    """What does not change from one execution of a requantisation to the next.

    Attributes
    ----------
    pairs, residual_pairs:
        Axes of the accumulators' region, and of the output's and the residual's, that are the same.
    channel_axis:
        Of the output's region; None where channels are no axis of it.
    """

    kind: Requantise
    source: ParamSource
    pairs: AxisPairs
    residual_pairs: AxisPairs
    channel_axis: int | None

    @property
    def constant(self) -> bool:
        """All channels share their parameters."""
        return not any(isinstance(buffer, Buffer) for _, buffer in self.source)


class Output:
    """Makes the instructions of the store unit that finish int8 outputs; remembers what POST and PARAM last set."""

    def __init__(self, config: Config, tables: ParamTables) -> None:
        self.config, self.tables = config, tables
        self._post: Mapping[str, int] | None = None
        self._param: int | None = None

    def nodes(
        self, plan: OutputPlan, out: Box, acc: Box, residual: Box | None, channel: int
    ) -> Iterator[tuple[Node, bool]]:
        """Instructions for one box of outputs, and for each whether it touches the accumulators.

        Parameters
        ----------
        channel:
            The first channel's place in the parameters.
        """
        if min(out.extent, default=1) <= 0:
            return
        block = self.config.block_out
        axis = plan.channel_axis
        if plan.constant or axis is None:
            yield from self._part(plan, out, acc, residual, 0 if plan.constant else channel // block)
            return
        if channel % block:
            raise CodegenError(f"{out.name}: parameters begin at channel {channel}; it must be a multiple of {block}")
        partner = {theirs: ours for ours, theirs in plan.pairs}
        other = {ours: theirs for ours, theirs in plan.residual_pairs}
        for begin in range(0, out.extent[axis], block):
            count = min(block, out.extent[axis] - begin)
            part_residual = residual and _cut(residual, other[partner[axis]], begin, count)
            parts = _cut(out, axis, begin, count), _cut(acc, partner[axis], begin, count)
            yield from self._part(plan, *parts, part_residual, (channel + begin) // block)

    def _part(
        self, output: OutputPlan, out: Box, acc: Box, residual: Box | None, record: int
    ) -> Iterator[tuple[Node, bool]]:
        transfer = plan(acc, out, output.pairs, loading=False)
        offset, size = 0, self.config.out_bytes
        if residual is not None:
            theirs = plan(acc, residual, output.residual_pairs, loading=False)
            steps = sorted((dim.near, dim.far, dim.count) for dim in transfer.dims if dim.count > 1)
            if steps != sorted((dim.near, dim.far, dim.count) for dim in theirs.dims if dim.count > 1):
                raise CodegenError(
                    f"{residual.name} and {out.name} lie differently in DRAM; a residual must have its output's shape"
                )
            offset = (residual.base + theirs.far * size - out.base - transfer.far * size) % DRAM_LIMIT
        post = dict(output.kind.post) | ({"residual_offset": offset} if residual is not None else {})
        if post != self._post:
            self._post = post
            yield Node(machine.Post, Unit.STORE, dict(post)), False
        param = self.tables.addresses[output.source] + record * self.config.param_bytes
        if param != self._param:
            self._param = param
            yield Node(machine.Param, Unit.STORE, {"dram": param}), False
        for fields in stores(transfer, Format.OUT, out.base, self.config):
            given = fields | {"format": Format.OUT, "residual": residual is not None}
            yield Node(machine.Store, Unit.STORE, given), True


def _cut(box: Box, axis: int, begin: int, count: int) -> Box:
    """`count` elements of `box` along `axis`, from `begin` on."""
    begins, extents = list(box.begin), list(box.extent)
    begins[axis], extents[axis] = begins[axis] + begin, count
    return replace(box, begin=tuple(begins), extent=tuple(extents))
