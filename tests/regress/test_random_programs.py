"""Random programs leave the same bits in DRAM and in every buffer of RTL and functional simulator.

``make regress SEEDS=n`` runs n programs on `tiny` and n / 20 on each of the larger machines, from seed DOVETAIL_SEED
on; each is run once as it is and once with bits turned over. Without SEEDS a small part runs.
"""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Iterator

import pytest

from dovetail.isa.assembler import format_instruction
from dovetail.isa.config import load_config
from dovetail.isa.program import Program
from dovetail.isa.verify import VerificationError, verify
from dovetail.sim.fuzz import FuzzCase, mutate, random_program, shrink
from dovetail.sim.fuzz.cosim import Cosimulation

pytestmark = pytest.mark.rtl

SEEDS = int(os.environ.get("DOVETAIL_SEEDS", "300"))
FIRST_SEED = int(os.environ.get("DOVETAIL_SEED", "0"))
SHARES = {"tiny": 1, "default": 20, "batch8": 20}
"""One of so many seeds is run on a configuration."""
CHUNK = 100


def chunks() -> list[tuple[str, range]]:
    """Every configuration's seeds, in pieces that show progress."""
    pieces = []
    for name, share in SHARES.items():
        end = FIRST_SEED + -(-SEEDS // share)
        pieces += [(name, range(begin, min(begin + CHUNK, end))) for begin in range(FIRST_SEED, end, CHUNK)]
    return pieces


@pytest.fixture(scope="module")
def machines() -> Iterator[dict[str, Cosimulation]]:
    """Simulators by configuration, opened when first asked for."""
    opened: dict[str, Cosimulation] = {}
    yield opened
    for machine in opened.values():
        machine.__exit__(None, None, None)


def machine_of(machines: dict[str, Cosimulation], name: str) -> Cosimulation:
    if name not in machines:
        machines[name] = Cosimulation(load_config(name))
    return machines[name]


def report(machine: Cosimulation, case: FuzzCase, difference: str) -> str:
    """What differs, the smallest program that shows it, and how to run it again."""
    smallest = shrink(case.program, lambda program: machine.compare(program, case.image, case.seed) is not None)
    listing = "\n".join(f"{k:4}  {format_instruction(one)}" for k, one in enumerate(smallest.instructions))
    return f"seed {case.seed}: {difference}\n{listing}\nagain: DOVETAIL_SEED={case.seed} make regress SEEDS=1"


@pytest.mark.parametrize(("name", "seeds"), chunks(), ids=lambda value: getattr(value, "start", value))
def test_random_programs_agree_in_every_bit(machines: dict[str, Cosimulation], name: str, seeds: range) -> None:
    machine = machine_of(machines, name)
    for seed in seeds:
        case = random_program(machine.config, seed, size=20 + seed % 60)
        difference = machine.compare(case.program, case.image, seed)
        if difference is not None:
            pytest.fail(report(machine, case, difference))


@pytest.mark.parametrize(("name", "seeds"), chunks(), ids=lambda value: getattr(value, "start", value))
def test_damaged_programs_are_stopped_or_do_what_they_say(
    machines: dict[str, Cosimulation], name: str, seeds: range
) -> None:
    machine = machine_of(machines, name)
    for seed in seeds:
        case = random_program(machine.config, seed)
        encoded = [instruction.encode(machine.config) for instruction in case.program.instructions]
        words = mutate(encoded, random.Random(seed))
        legal = as_program(case, words)
        if legal is not None:
            difference = machine.compare(legal, case.image, seed)
            if difference is not None:
                pytest.fail(report(machine, dataclasses.replace(case, program=legal), difference))
        else:
            complaint = machine.survive(words, case.image, seed)
            assert complaint is None, f"seed {seed}, damaged: {complaint}"


def as_program(case: FuzzCase, words: list[int]) -> Program | None:
    """The damaged words as a program, where the static verifier still accepts them."""
    encoded = b"".join(word.to_bytes(16, "little") for word in words)
    try:
        decoded = Program.decode(encoded, case.program.config)
        program = dataclasses.replace(case.program, instructions=decoded.instructions)
        verify(program, dram_bytes=len(case.image), dram=case.image)
    except (ValueError, VerificationError):
        return None
    return program
