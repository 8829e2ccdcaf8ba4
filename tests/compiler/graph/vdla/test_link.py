"""Programs one after the other in one: every rule of the machine is kept, and each is where it is said to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from dovetail import runtime
from dovetail.compiler.graph.errors import GraphError
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.quantised import QAdd, QMaxPool2d, QRescale
from dovetail.compiler.graph.vdla.link import BARRIER, link
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import Finish
from dovetail.isa.program import Program
from dovetail.isa.verify import VerificationError, verify
from tests.compiler.graph.vdla.kernels import kernel_of

SHAPE = (1, 6, 9, 9)
PLACES = (0x1000, 0x2000)
"""Two tensors; each operator reads what the one before has written."""
OPS: tuple[Op, ...] = (
    QAdd(),
    QMaxPool2d(kernel=(3, 3), pads=(1, 1, 1, 1)),
    QRescale(),
    QAdd(),
)


def programs(config: Config, ops: Sequence[Op] = OPS) -> tuple[list[tuple[str, Program]], list[tuple[int, bytes]]]:
    """Programs by name, and constants by address."""
    found, constants, base = [], [], 0x3000
    for number, op in enumerate(ops):
        count = op.operands[0]
        kernel = kernel_of(op, [np.zeros(SHAPE, np.int8)] * count, range(count), config)
        source, target = PLACES[number % 2], PLACES[(number + 1) % 2]
        addresses = {operand.argument: source for operand in kernel.operands} | {kernel.result: target}
        module = kernel.compile(addresses, base)
        constants += [(segment.address, segment.data) for segment in kernel.segments(module)]
        base = module.program.dram_bytes + 0xFFF & ~0xFFF
        found.append((f"{op.name} {number}", module.program))
    return found, constants


@pytest.mark.parametrize("name", ["tiny", "default"])
def test_linked_programs_keep_all_rules(name: str) -> None:
    config = load_config(name)
    parts, _ = programs(config)
    linked, pieces = link(parts, config, parts[-1][1].dram_bytes)
    verify(linked)
    assert [piece.name for piece in pieces] == [name for name, _ in parts]
    expected: list[object] = []
    for piece, (_, program) in zip(pieces, parts, strict=True):
        expected += [*(BARRIER if expected else ()), *program.instructions[:-1]]
        assert linked.instructions[piece.begin : piece.end] == program.instructions[:-1]
    assert linked.instructions == (*expected, Finish())


def test_without_barriers_layers_would_race() -> None:
    parts, _ = programs(load_config("default"))
    linked, _ = link(parts, load_config("default"), parts[-1][1].dram_bytes)
    alone = [one for _, program in parts for one in program.instructions[:-1]]
    with pytest.raises(VerificationError) as error:
        verify(replace(linked, instructions=(*alone, Finish())))
    assert error.value.rule == "race"


@pytest.mark.parametrize("name", ["tiny", "default"])
def test_bytes_of_pieces_are_what_the_machine_moves(name: str) -> None:
    config = load_config(name)
    parts, constants = programs(config)
    linked, pieces = link(parts, config, parts[-1][1].dram_bytes)
    with runtime.open("fsim", config=config, memory_bytes=1 << 20) as device:
        for address, data in constants:
            device.write(address, data)
        result = device.run(linked)
    assert sum(piece.dram_read_bytes for piece in pieces) == result.dram_read_bytes
    assert sum(piece.dram_write_bytes for piece in pieces) == result.dram_write_bytes


def test_queues_of_one_token_have_no_room_for_barriers() -> None:
    config = replace(load_config("tiny"), token_depth=1)
    parts, _ = programs(config, OPS[:2])
    verify(link(parts[:1], config, parts[0][1].dram_bytes)[0])
    with pytest.raises(GraphError, match="token_depth is 1; layers one after the other need at least 2"):
        link(parts, config, parts[1][1].dram_bytes)


@pytest.mark.parametrize("depth", [2, 4])
def test_barriers_find_room_in_short_queues(depth: int) -> None:
    config = replace(load_config("tiny"), token_depth=depth)
    parts, _ = programs(config)
    verify(link(parts, config, parts[-1][1].dram_bytes)[0])
