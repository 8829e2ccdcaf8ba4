"""A changed field of the configuration changes RTL, simulators and assembler alike.

Each machine runs random programs, made, assembled and verified for it, on the RTL and on the functional simulator. In
``make test`` two machines differ from `tiny` in every field at once, upwards and downwards; ``make regress`` also
changes each field by itself. What a field may not be is in tests/isa/test_config.py.
"""

from __future__ import annotations

import dataclasses

import pytest

from dovetail.isa.assembler import disassemble, parse
from dovetail.isa.config import Config, load_config
from dovetail.sim.fuzz import random_program
from dovetail.sim.fuzz.cosim import Cosimulation

pytestmark = pytest.mark.rtl

PROGRAMS = 25
TINY = load_config("tiny")
UP = {
    "batch": 2,
    "block_in": 8,
    "block_out": 8,
    "inp_depth": 256,
    "wgt_depth": 64,
    "acc_depth": 128,
    "uop_depth": 64,
    "out_lanes": 4,
    "bus_bits": 128,
    "burst_beats": 32,
    "max_bursts": 16,
    "queue_depth": 8,
    "token_depth": 8,
    "mul_stages": 3,
    "add_stages": 2,
}
DOWN = {
    "block_in": 4,
    "block_out": 8,
    "inp_depth": 32,
    "wgt_depth": 4,
    "acc_depth": 32,
    "uop_depth": 16,
    "out_lanes": 1,
    "burst_beats": 1,
    "max_bursts": 1,
    "queue_depth": 2,
    "token_depth": 1,
    "mul_stages": 1,
    "add_stages": 0,
}
ALONE = [
    pytest.param({field: value}, id=f"{field}={value}", marks=pytest.mark.slow)
    for change in (UP, DOWN)
    for field, value in change.items()
    if value != getattr(TINY, field) and not (field == "out_lanes" and value > TINY.block_out)
]


def changed(change: dict[str, int]) -> Config:
    return dataclasses.replace(TINY, **change)


def test_every_field_is_changed() -> None:
    assert set(UP) == {field.name for field in dataclasses.fields(Config)}
    assert all(value != getattr(TINY, field) for field, value in UP.items())


@pytest.mark.parametrize("change", [pytest.param(UP, id="all up"), pytest.param(DOWN, id="all down"), *ALONE])
def test_rtl_simulator_and_assembler_follow_the_configuration(change: dict[str, int]) -> None:
    config = changed(change)
    with Cosimulation(config) as machine:
        for seed in range(PROGRAMS):
            case = random_program(config, seed)
            assembled = parse(disassemble(case.program), config)
            assert assembled.instructions == case.program.instructions
            assert machine.compare(assembled, case.image, seed) is None, f"seed {seed}"
