"""Random programs: legal, varied, reproducible; damage stays small; failures shrink."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import numpy as np
import pytest

from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config, load_config
from dovetail.isa.instructions import Alu, AluOp, AluSource, Format, Gemm, Load, Post, Store, Sync, entry_bytes
from dovetail.isa.program import Program
from dovetail.isa.verify import verify
from dovetail.sim.functional import FunctionalSimulator
from dovetail.sim.fuzz import mutate, random_program, shrink

TINY = load_config("tiny")


@pytest.mark.parametrize("preset", ["tiny", "default", "batch8", "small", "large"])
def test_every_program_passes_the_verifier(preset: str) -> None:
    config = load_config(preset)
    for seed in range(60):
        verify(random_program(config, seed, 30).program)


@pytest.mark.parametrize(
    "changes", [{"token_depth": 1}, {"queue_depth": 2}, {"block_in": 8}, {"block_out": 8}, {"out_lanes": 1}]
)
def test_other_configurations_work_too(changes: dict[str, int]) -> None:
    config = dataclasses.replace(TINY, **changes)
    for seed in range(40):
        case = random_program(config, seed, 30)
        verify(case.program)
        FunctionalSimulator(config, case.image.copy()).run(case.program.instructions)


def test_a_seed_gives_the_same_program() -> None:
    first, second = random_program(TINY, 7), random_program(TINY, 7)
    assert first.program == second.program
    assert (first.image == second.image).all()
    assert first.program != random_program(TINY, 8).program


def features(config: Config, program: Program) -> set[str]:
    found = set()
    post = Post()
    for x in program.instructions:
        found.add(x.opcode.name)
        found |= {
            f"{x.unit.name} {flag}" for flag in ("pop_prev", "pop_next", "push_prev", "push_next") if getattr(x, flag)
        }
        match x:
            case Load():
                size = entry_bytes(config, x.buffer)
                last = x.dram + ((x.rows - 1) * x.stride + x.cols) * size - 1
                found |= {f"load {x.buffer.name}"}
                found |= {"load across 4 KB"} if x.dram // AXI_BOUNDARY_BYTES != last // AXI_BOUNDARY_BYTES else set()
                found |= {
                    f"load {side}" for side in ("pad_top", "pad_bottom", "pad_left", "pad_right") if getattr(x, side)
                }
                found |= {"load gaps"} if x.rows > 1 and x.stride > x.cols else set()
                found |= {"load the same row again"} if x.rows > 1 and x.stride == 0 else set()
                found |= {"load off the bus's width"} if x.dram % config.bus_bytes else set()
            case Post():
                post = x
            case Store():
                found |= {f"store {x.format.name}"}
                if x.residual:
                    found.add("residual elsewhere" if post.residual_offset else "residual in place")
            case Gemm():
                found |= {"overwrite" if x.overwrite else "accumulate"}
                found |= {"gemm step 0"} if x.inner > 1 and x.dst_inner == 0 else set()
            case Alu():
                found |= {f"alu {x.op.name} {x.source.name}"}
    return found


def test_everything_there_is_occurs() -> None:
    seen: Counter[str] = Counter()
    for seed in range(300):
        seen.update(features(TINY, random_program(TINY, seed).program))
    expected = {f"alu {op.name} {source.name}" for op in AluOp for source in AluSource}
    expected |= {"LOAD", "STORE", "PARAM", "POST", "GEMM", "ALU", "SYNC", "FINISH"}
    expected |= {"LOAD pop_next", "LOAD push_next", "STORE pop_prev", "STORE push_prev"}
    expected |= {f"COMPUTE {verb}_{side}" for verb in ("pop", "push") for side in ("prev", "next")}
    expected |= {f"load {name}" for name in ("INP", "WGT", "ACC", "UOP")}
    expected |= {f"load pad_{side}" for side in ("top", "bottom", "left", "right")}
    expected |= {"load across 4 KB", "load gaps", "load the same row again", "load off the bus's width"}
    expected |= {"store OUT", "store RAW", "residual in place", "residual elsewhere"}
    expected |= {"overwrite", "accumulate", "gemm step 0"}
    assert not expected - set(seen)
    assert min(seen[feature] for feature in expected) >= 5


def test_same_accumulator_follows_at_every_small_distance() -> None:
    distances = set()
    for seed in range(60):
        case = random_program(TINY, seed)
        simulator = FunctionalSimulator(TINY, case.image.copy())
        simulator.run(case.program.instructions)
        dst = (simulator.uop & (TINY.acc_depth - 1)).tolist()
        for gap in range(1, 7):
            distances |= {gap for k in range(len(dst) - gap) if dst[k] == dst[k + gap] not in dst[k + 1 : k + gap]}
    assert distances == {1, 2, 3, 4, 5, 6}


def test_mutation_is_small() -> None:
    words = [x.encode(TINY) for x in random_program(TINY, 3).program.instructions]
    rng = random.Random(0)
    for _ in range(200):
        changed = mutate(words, rng)
        flips = sum((a ^ b).bit_count() for a, b in zip(words, changed, strict=True))
        assert sorted(changed) == sorted(words) or flips <= 4


def test_failing_program_shrinks_to_its_cause() -> None:
    """The fault: raw stores of more than one accumulator write nothing."""
    case = next(
        case
        for case in (random_program(TINY, seed, 60) for seed in range(100))
        if any(isinstance(x, Store) and x.format == Format.RAW and x.cols > 1 for x in case.program.instructions)
    )

    def result(program: Program) -> np.ndarray:
        memory = case.image.copy()
        FunctionalSimulator(TINY, memory).run(program.instructions)
        return memory

    def fails(program: Program) -> bool:
        faulty = [
            Sync(target=x.unit, **{flag: getattr(x, flag) for flag in ("pop_prev", "push_prev")})
            if isinstance(x, Store) and x.format == Format.RAW and x.cols > 1
            else x
            for x in program.instructions
        ]
        return bool((result(program) != result(dataclasses.replace(program, instructions=tuple(faulty)))).any())

    assert fails(case.program)
    small = shrink(case.program, fails)
    verify(small)
    assert fails(small)
    kinds = [type(x).__name__ for x in small.instructions]
    assert kinds.count("Store") == 1
    assert len(kinds) <= 6
