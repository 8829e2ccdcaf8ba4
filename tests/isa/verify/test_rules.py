"""A minimal failing program for each rule, and what is said of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dovetail.isa.assembler import parse
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Finish, Load, MicroOp
from dovetail.isa.program import Program, Segment
from dovetail.isa.verify import RULES, VerificationError, verify

TINY = load_config("tiny")

MICRO_OPS = [MicroOp(0), MicroOp(0, 1, 1), MicroOp(8), MicroOp(63, 63, 31), MicroOp(0, 8)]
"""They lie at byte 0x100 and, once loaded, from entry 0 on."""

GOOD = """
load uop[0] <- dram[0x100] cols=5
load inp[0] <- dram[0x0] cols=16
load wgt[0] <- dram[0x200] cols=2 push(compute)
gemm uop[0:2] overwrite loop=(2,4) dst=(4,1) src=(4,1) pop(load) push(store)
param dram[0x300]
post minimum=0
store out dram[0x400] <- acc[0] rows=2 cols=4 stride=4 sram_stride=4 pop(compute)
finish
"""


def program(text: str, *, segments: bool = True) -> Program:
    words = b"".join(micro_op.encode(TINY).to_bytes(4, "little") for micro_op in MICRO_OPS)
    assembled = parse(text, TINY)
    return dataclasses.replace(
        assembled, segments=(Segment("micro-ops", 0x100, words),) if segments else (), dram_bytes=0x800
    )


def refusal(text: str, **options: object) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        verify(program(text), **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_good_program_passes():
    verify(program(GOOD))
    verify(program(GOOD), program_region=(0x600, 0x80))


def test_fields_of_enumerations_may_be_plain_numbers():
    good = program(GOOD)
    plain = [dataclasses.replace(x, buffer=int(x.buffer)) if isinstance(x, Load) else x for x in good.instructions]
    verify(dataclasses.replace(good, instructions=tuple(plain)))


def test_micro_ops_may_come_from_an_image_of_dram():
    bare = program(GOOD, segments=False)
    image = np.zeros(bare.dram_bytes, dtype=np.uint8)
    verify(bare, dram=image)
    image[0x100:0x104] = 0xFF
    with pytest.raises(VerificationError, match=r"reaches acc\[70\]"):
        verify(bare, dram=image)


KERNELS = "load uop[0] <- dram[0x100] cols=5 push(compute)\n"
SET = "alu mov imm uop[0:1] loop=(1,8) dst=(0,1)"

CASES = [
    ("finish", "", None, "none of the 0 instructions is FINISH; it must be the last"),
    ("finish", "sync load", None, "none of the 1 instructions is FINISH; it must be the last"),
    ("finish", "finish\nsync load\nfinish", 0, "instruction 0 (finish): 2 instructions follow; it must be the last"),
    (
        "post-bounds", "post minimum=4 maximum=3\nfinish", 0,
        "instruction 0 (post minimum=4 maximum=3): minimum is 4, above maximum, which is 3",
    ),
    (
        "unset", "post\nstore out dram[0x0] <- acc[0] cols=1\nfinish", 1,
        "instruction 1 (store out dram[0x0] <- acc[0] cols=1): no PARAM comes before it; out needs one",
    ),
    (
        "unset", "param dram[0x0]\nstore out dram[0x0] <- acc[0] cols=1\nfinish", 1,
        "instruction 1 (store out dram[0x0] <- acc[0] cols=1): no POST comes before it; out needs one",
    ),
    (
        "deadlock", "sync compute pop(load)\nsync load pop(compute) push(compute)\nsync compute push(load)\nfinish", 0,
        "deadlock: compute waits for a token from load at instruction 0 (sync compute pop(load)); "
        "load waits for a token from compute at instruction 1",
    ),
    (
        "deadlock", "sync compute pop(load)\n" * 5 + "sync load push(compute)\n" * 5 + "finish", 0,
        "deadlock: compute waits for a token from load at instruction 0 (sync compute pop(load)); "
        "fetch cannot hand out instruction 4: 4 (queue_depth) wait in front of compute already",
    ),
    (
        "leftover", "sync load push(compute)\nsync load push(compute)\nsync compute pop(load)\nfinish", 1,
        "instruction 1 (sync load push(compute)): 1 of load's 2 tokens for compute are left at FINISH",
    ),
    (
        "overflow", "sync load push(compute)\n" * 5 + "sync compute pop(load)\n" * 5 + "finish", 4,
        "instruction 4 (sync load push(compute)): its token for compute can be the 5th in its queue, before compute "
        "takes one at instruction 5; token_depth is 4",
    ),
    (
        "buffer-range", "load inp[60] <- dram[0x0] cols=3 pad=(0,0,1,1)\nfinish", 0,
        "instruction 0 (load inp[60] <- dram[0x0] cols=3 pad=(0,0,1,1)): "
        "reaches inp[64]; the last entry is inp[63] (inp_depth=64)",
    ),
    (
        "buffer-range", "load wgt[31] <- dram[0x0] rows=2 cols=1\nfinish", 0,
        "instruction 0 (load wgt[31] <- dram[0x0] rows=2 cols=1): "
        "reaches wgt[32]; the last entry is wgt[31] (wgt_depth=32)",
    ),
    (
        "buffer-range", "store raw dram[0x0] <- acc[1] rows=2 cols=1 sram_stride=63\nfinish", 0,
        "instruction 0 (store raw dram[0x0] <- acc[1] rows=2 cols=1 sram_stride=63): "
        "reaches acc[64]; the last entry is acc[63] (acc_depth=64)",
    ),
    (
        "buffer-range", f"{KERNELS}alu mov imm uop[30:33] pop(load)\nfinish", 1,
        "instruction 1 (alu mov imm uop[30:33] pop(load)): reaches uop[32]; the last entry is uop[31] (uop_depth=32)",
    ),
    (
        "buffer-range", f"{KERNELS}alu mov imm uop[2:3] loop=(2,9) dst=(49,1) pop(load)\nfinish", 1,
        "instruction 1 (alu mov imm uop[2:3] loop=(2,9) dst=(49,1) pop(load)): "
        "reaches acc[65]; the last entry is acc[63] (acc_depth=64)",
    ),
    (
        "buffer-range", f"{KERNELS}alu mov inp uop[3:4] loop=(1,2) src=(0,1) pop(load)\nfinish", 1,
        "instruction 1 (alu mov inp uop[3:4] loop=(1,2) src=(0,1) pop(load)): "
        "reaches inp[64]; the last entry is inp[63] (inp_depth=64)",
    ),
    (
        "buffer-range", f"{KERNELS}gemm uop[0:2] loop=(1,2) wgt=(0,31) pop(load)\nfinish", 1,
        "instruction 1 (gemm uop[0:2] loop=(1,2) wgt=(0,31) pop(load)): "
        "reaches wgt[32]; the last entry is wgt[31] (wgt_depth=32)",
    ),
    (
        "dram-range", "load inp[0] <- dram[0x7f8] cols=3\nfinish", 0,
        "instruction 0 (load inp[0] <- dram[0x7f8] cols=3): "
        "dram[0x7f8] and what follows reach byte 0x803; dram_bytes is 0x800",
    ),
    (
        "dram-range", "param dram[0x7c8]\nfinish", 0,
        "instruction 0 (param dram[0x7c8]): dram[0x7c8] and what follows reach byte 0x807; dram_bytes is 0x800",
    ),
    (
        "dram-range", "param dram[0x0]\npost residual_offset=0xfffffff8\n"
        "store out dram[0x4] <- acc[0] residual cols=1\nfinish", 2,
        "instruction 2 (store out dram[0x4] <- acc[0] residual cols=1): "
        "residual at dram[0xfffffffc] and what follows reach byte 0xffffffff; dram_bytes is 0x800",
    ),
    (
        "residual", "param dram[0x0]\npost\nstore out dram[0x0] <- acc[0] residual rows=2 cols=2 stride=1\nfinish", 2,
        "instruction 2 (store out dram[0x0] <- acc[0] residual rows=2 cols=2 stride=1): "
        "rows of 8 bytes overlap at 4 bytes from one to the next; with residual they must not",
    ),
    (
        "residual", "param dram[0x0]\npost residual_offset=0x4\n"
        "store out dram[0x0] <- acc[0] residual cols=2\nfinish", 2,
        "instruction 2 (store out dram[0x0] <- acc[0] residual cols=2): residual_offset is 4, so that it overwrites "
        "residuals that it has yet to read; it must be 0 or lead elsewhere",
    ),
    (
        "undefined", "sync compute\nstore raw dram[0x0] <- acc[2] cols=1\nfinish", 1,
        "instruction 1 (store raw dram[0x0] <- acc[2] cols=1): reads acc[2], which nothing before it writes",
    ),
    (
        "undefined", f"{KERNELS}alu mov imm uop[4:6] pop(load)\nfinish", 1,
        "instruction 1 (alu mov imm uop[4:6] pop(load)): reads uop[5], which nothing before it writes",
    ),
    (
        "undefined", f"{KERNELS}alu add imm uop[0:1] imm=1 pop(load)\nfinish", 1,
        "instruction 1 (alu add imm uop[0:1] imm=1 pop(load)): reads acc[0], which nothing before it writes",
    ),
    (
        "undefined", GOOD.replace("overwrite ", ""), 3,
        "instruction 3 (gemm uop[0:2] loop=(2,4) dst=(4,1) src=(4,1) pop(load) push(store)): "
        "reads acc[0], which nothing before it writes",
    ),
    (
        "undefined", GOOD.replace("cols=16", "cols=8"), 3,
        "instruction 3 (gemm uop[0:2] overwrite loop=(2,4) dst=(4,1) src=(4,1) pop(load) push(store)): "
        "reads inp[8], which nothing before it writes",
    ),
    (
        "race", GOOD.replace("pop(compute)", "").replace("push(store)", ""), 6,
        "instruction 6 (store out dram[0x400] <- acc[0] rows=2 cols=4 stride=4 sram_stride=4): reads acc[0], which "
        "instruction 3 (gemm uop[0:2] overwrite loop=(2,4) dst=(4,1) src=(4,1) pop(load)) writes; "
        "no token orders the two",
    ),
    (
        "race", GOOD.replace("param", "load inp[15] <- dram[0x0] cols=1\nload inp[4] <- dram[0x0] cols=1\nparam"), 5,
        "instruction 5 (load inp[4] <- dram[0x0] cols=1): writes inp[4], which instruction 3 (gemm uop[0:2] overwrite "
        "loop=(2,4) dst=(4,1) src=(4,1) pop(load) push(store)) reads; no token orders the two",
    ),
    (
        "race", f"{KERNELS}{SET} pop(load) push(store)\nstore raw dram[0x400] <- acc[0] cols=8 pop(compute)\n"
        f"{SET}\nfinish", 3,
        "instruction 3 (alu mov imm uop[0:1] loop=(1,8) dst=(0,1)): writes acc[0], which "
        "instruction 2 (store raw dram[0x400] <- acc[0] cols=8 pop(compute)) reads; no token orders the two",
    ),
    (
        "race", f"{KERNELS}{SET} pop(load) push(store)\nstore raw dram[0x400] <- acc[0] cols=8 pop(compute)\n"
        "load inp[0] <- dram[0x47c] cols=1\nfinish", 3,
        "instruction 3 (load inp[0] <- dram[0x47c] cols=1): reads byte 0x47c of DRAM, which "
        "instruction 2 (store raw dram[0x400] <- acc[0] cols=8 pop(compute)) writes; no token orders the two",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "text", "index", "message"), CASES)
def test_the_rule_its_instruction_and_the_limit_are_named(rule, text, index, message):
    error = refusal(text)
    assert (error.rule, error.index, str(error)) == (rule, index, message)


def test_an_illegal_field_is_refused():
    bad = Program(TINY, (Load(buffer=9, sram=0, dram=0, cols=1), Finish()), dram_bytes=64)  # type: ignore[arg-type]
    with pytest.raises(VerificationError) as caught:
        verify(bad)
    assert str(caught.value) == (
        "instruction 0 (load 9[0] <- dram[0x0] cols=1): "
        "LOAD: buffer is 9; defined are 0 (inp), 1 (wgt), 2 (acc), 3 (uop)"
    )
    assert caught.value.rule == "encoding"


def test_the_program_must_not_write_itself():
    error = refusal(GOOD, program_region=(0x410, 16))
    assert error.rule == "program-region"
    assert str(error).endswith(": writes byte 0x410; bytes 0x410 to 0x41f hold the program")


def test_micro_ops_that_nobody_knows_are_refused():
    with pytest.raises(VerificationError) as caught:
        verify(program(GOOD, segments=False))
    assert caught.value.rule == "micro-ops"
    assert str(caught.value).endswith(
        ": uop[0] comes from DRAM that no segment of the program fills, or that it stores to"
    )


def test_micro_ops_that_the_program_stores_are_unknown():
    text = f"""
        {KERNELS}{SET} pop(load) push(store)
        store raw dram[0x110] <- acc[0] cols=1 pop(compute) push(compute)
        sync compute pop(store) push(load)
        load uop[0] <- dram[0x100] cols=5 pop(compute) push(compute)
        {SET} pop(load)
        finish
    """
    assert (refusal(text).rule, refusal(text).index) == ("micro-ops", 5)
    verify(program(text.replace("dram[0x110]", "dram[0x120]")))


def test_padding_of_the_micro_op_buffer_is_known():
    verify(
        program("load uop[0] <- dram[0x100] cols=1 pad=(0,0,2,0) push(compute)\nalu mov imm uop[0:3] pop(load)\nfinish")
    )


def test_dram_bytes_can_be_narrowed_by_the_caller():
    error = refusal(GOOD, dram_bytes=0x41F)
    assert (error.rule, error.index) == ("dram-range", 6)


def test_tokens_through_compute_order_a_store_before_a_load():
    text = f"""
        {KERNELS}{SET} pop(load) push(store)
        store raw dram[0x400] <- acc[0] cols=8 pop(compute) push(compute)
        sync compute pop(store) push(load)
        load inp[0] <- dram[0x400] cols=32 pop(compute)
        finish
    """
    verify(program(text))


def test_a_unit_far_ahead_in_the_program_is_seen_as_it_runs():
    """The load that compute waits for comes after it in the program."""
    verify(program("sync compute pop(load)\nsync load push(compute)\nfinish"))


def test_every_rule_has_a_failing_program_here():
    covered = {case[0] for case in CASES} | {"encoding", "program-region", "micro-ops"}
    assert covered == set(RULES)
