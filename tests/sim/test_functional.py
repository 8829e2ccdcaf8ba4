"""The functional simulator against a plain interpreter of the instruction set, and what it refuses."""

from __future__ import annotations

import random

import numpy as np
import pytest

from dovetail.isa.builder import ProgramBuilder
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import AluOp, AluSource, Buffer, Finish, Format, Load, MicroOp, Sync, Unit
from dovetail.sim.functional import (
    DeadlockError,
    EndError,
    FunctionalError,
    FunctionalSimulator,
    OutOfRangeError,
    jit,
)
from dovetail.sim.fuzz import random_program
from tests.sim.slow_model import SlowModel

TINY = load_config("tiny")


@pytest.mark.parametrize(
    ("preset", "programs", "size"),
    [("tiny", 150, 30), ("default", 12, 40), ("batch8", 8, 30), ("small", 8, 30), ("large", 3, 30)],
)
def test_agrees_with_plain_interpreter_on_random_programs(preset: str, programs: int, size: int) -> None:
    config = load_config(preset)
    for seed in range(programs):
        case = random_program(config, seed, size)
        slow = SlowModel(config, case.image.tobytes())
        slow.run(case.program.instructions, random.Random(seed))
        memory = case.image.copy()
        fast = FunctionalSimulator(config, memory)
        fast.run(case.program.instructions)
        assert memory.tobytes() == bytes(slow.memory), f"DRAM, seed {seed}"
        for name in ("inp", "wgt", "acc"):
            expected = np.array(getattr(slow, name)).reshape(getattr(fast, name).shape)
            np.testing.assert_array_equal(getattr(fast, name), expected, err_msg=f"{name}, seed {seed}")
        words = [word % (1 << config.uop_bits) for (word,) in slow.uop]
        np.testing.assert_array_equal(fast.uop, np.array(words, fast.uop.dtype), err_msg=f"uop, seed {seed}")


def small_gemm(config: Config) -> ProgramBuilder:
    """Two input vectors times one tile, stored raw at 4096."""
    builder = ProgramBuilder(config)
    kernel = builder.kernel([MicroOp(0, 0, 0)])
    builder.load_kernels(0)
    builder.load(Buffer.WGT, sram=0, dram=1024, cols=1)
    builder.load(Buffer.INP, sram=0, dram=2048, cols=2, push=Unit.COMPUTE)
    builder.gemm(kernel, overwrite=True, inner=2, dst_inner=1, src_inner=1, pop=Unit.LOAD, push=Unit.STORE)
    builder.store(Format.RAW, sram=0, dram=4096, cols=2, pop=Unit.COMPUTE)
    builder.finish()
    return builder


def test_counts_what_a_program_does() -> None:
    config = load_config("default")
    result = FunctionalSimulator(config, np.zeros(8192, np.uint8)).run(small_gemm(config).build().instructions)
    assert result.instructions == 5
    assert result.micro_ops == 2
    assert result.macs == 2 * 256
    assert result.dram_read_bytes == 4 + 256 + 2 * 16
    assert result.dram_write_bytes == 2 * 64


def test_buffers_keep_their_contents_and_poison_reaches_all_of_them() -> None:
    simulator = FunctionalSimulator(TINY, np.zeros(8192, np.uint8))
    simulator.poison(np.random.default_rng(1))
    before = [simulator.inp.copy(), simulator.wgt.copy(), simulator.acc.copy(), simulator.uop.copy()]
    assert all(array.any() for array in before)
    simulator.run([Load(buffer=Buffer.INP, sram=3, dram=0, cols=2), Finish()])
    before[0][3:5] = 0
    for now, then in zip((simulator.inp, simulator.wgt, simulator.acc, simulator.uop), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_sees_buffers_that_were_changed_between_runs() -> None:
    simulator = FunctionalSimulator(TINY, np.zeros(8192, np.uint8))
    builder = ProgramBuilder(TINY)
    builder.gemm((0, 1), overwrite=True, push=Unit.STORE)
    builder.store(Format.RAW, sram=0, dram=0, cols=1, pop=Unit.COMPUTE)
    builder.finish()
    simulator.inp[0], simulator.wgt[0] = 3, 5
    simulator.run(builder.build().instructions)
    assert (simulator.acc[0] == 3 * 5 * TINY.block_in).all()
    assert (simulator.memory[: TINY.acc_bytes].view(np.int32) == 3 * 5 * TINY.block_in).all()


def test_deadlock_names_who_waits_for_what() -> None:
    simulator = FunctionalSimulator(TINY, np.zeros(64, np.uint8))
    program = [Sync(target=Unit.COMPUTE, pop_prev=True), Sync(target=Unit.STORE, pop_prev=True), Finish()]
    message = (
        "deadlock: compute waits at instruction 0 SYNC for a token from load_to_compute; "
        "store waits at instruction 1 SYNC for a token from compute_to_store"
    )
    with pytest.raises(DeadlockError, match=f"^{message}$"):
        simulator.run(program)


def test_full_token_queue_is_waited_for() -> None:
    simulator = FunctionalSimulator(TINY, np.zeros(64, np.uint8))
    gives = [Sync(target=Unit.LOAD, push_next=True)] * (TINY.token_depth + 1)
    takes = [Sync(target=Unit.COMPUTE, pop_prev=True)] * (TINY.token_depth + 1)
    assert simulator.run([*gives, *takes, Finish()]).instructions == len(gives) + len(takes)
    with pytest.raises(DeadlockError, match=r"load waits at instruction 4 SYNC for room in load_to_compute"):
        simulator.run([*gives, Finish()])


def test_program_without_end_is_refused() -> None:
    simulator = FunctionalSimulator(TINY, np.zeros(64, np.uint8))
    with pytest.raises(EndError, match="the program of 1 instructions ends without FINISH"):
        simulator.run([Sync(target=Unit.LOAD)])


def refuse(config: Config, add: str, **fields: object) -> str:
    builder = ProgramBuilder(config)
    method = getattr(builder, add)
    method(**fields)
    builder.finish()
    simulator = FunctionalSimulator(config, np.zeros(4096, np.uint8))
    simulator.uop[...] = np.iinfo(simulator.uop.dtype).max
    with pytest.raises(OutOfRangeError) as caught:
        simulator.run(builder.build().instructions)
    assert isinstance(caught.value, FunctionalError)
    return str(caught.value)


def test_names_the_limit_that_is_broken() -> None:
    load = {"buffer": Buffer.INP, "sram": 60, "dram": 0, "cols": 4}
    assert refuse(TINY, "load", **load, pad_left=1) == "instruction 0 LOAD reaches inp entry 64; the last is 63"
    beyond = {"buffer": Buffer.WGT, "sram": 0, "dram": 4088, "cols": 1}
    assert refuse(TINY, "load", **beyond) == "instruction 0 LOAD reaches DRAM byte 0x1007; memory has 0x1000 bytes"
    store = {"format": Format.RAW, "sram": 62, "dram": 0, "rows": 3, "cols": 1, "sram_stride": 1}
    assert refuse(TINY, "store", **store) == "instruction 0 STORE reaches acc entry 64; the last is 63"
    assert refuse(TINY, "param", dram=4048) == "instruction 0 PARAM reaches DRAM byte 0x100f; memory has 0x1000 bytes"
    gemm = {"kernel": (31, 2)}
    assert refuse(TINY, "gemm", **gemm) == "instruction 0 GEMM reaches uop entry 32; the last is 31"
    for place, name, depth in (("dst", "acc", 64), ("src", "inp", 64), ("wgt", "wgt", 32)):
        text = refuse(TINY, "gemm", kernel=(0, 1), outer=5, **{f"{place}_outer": 2})
        assert text == f"instruction 0 GEMM reaches {name} entry {depth - 1 + 8}; the last is {depth - 1}"
    alu = {"op": AluOp.ADD, "source": AluSource.ACC, "kernel": (0, 1), "inner": 2, "src_inner": 1}
    assert refuse(TINY, "alu", **alu) == "instruction 0 ALU reaches acc entry 64; the last is 63"


def test_memory_must_be_bytes_in_a_row() -> None:
    with pytest.raises(ValueError, match="memory must be a contiguous uint8 vector, not int32"):
        FunctionalSimulator(TINY, np.zeros(16, np.int32))  # type: ignore[arg-type]


def test_damaged_cache_is_compiled_again(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOVETAIL_CACHE", str(tmp_path))
    config = load_config("tiny")
    jit.kernels.cache_clear()
    jit.kernels(config)
    (path,) = (tmp_path / "fsim").iterdir()  # type: ignore[operator]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    jit.kernels.cache_clear()
    simulator = FunctionalSimulator(config, np.zeros(8192, np.uint8))
    assert simulator.run(small_gemm(config).build().instructions).micro_ops == 2
    assert path.read_bytes() == whole
