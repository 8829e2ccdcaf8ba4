"""Dot products of 8-bit numbers: the processor's own instruction where there is one, and the same sums everywhere."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from dovetail.compiler.codegen.llvm.errors import CodegenError
from dovetail.compiler.codegen.llvm.intrinsics import dot4
from dovetail.compiler.codegen.llvm.module import compile_program
from dovetail.compiler.codegen.llvm.target import TARGETS, host
from dovetail.compiler.tir import interpreter
from dovetail.compiler.tir.expr import Range, Var, const
from dovetail.compiler.tir.stmt import Buffer, For, Invoke, Operand, Primitive, Program, Region, seq

GROUPS = 5
y = Var("y")


def program(lanes: int, unsigned: bool, transposed: bool = False) -> Program:
    """out[3, j] = sum over y and k of a[y, 4 + k] * b[y, j, k], or of b[y, k, j]."""
    intrinsic = dot4(lanes, unsigned)
    a = Buffer("a", (const(GROUPS), const(12)), "uint8" if unsigned else "int8")
    b = Buffer("b", (const(GROUPS), *map(const, (4, lanes) if transposed else (lanes, 4))), "int8")
    out = Buffer("out", (const(4), const(lanes)), "int32")
    zero, one, all_lanes, group = const(0), const(1), const(lanes), const(4)
    row = Operand(Region(out, (Range(const(3), one), Range(zero, all_lanes))), (1,))
    four = Operand(Region(a, (Range(y, one), Range(const(4), group))), (1,))
    extents = (group, all_lanes) if transposed else (all_lanes, group)
    block = Region(b, (Range(y, one), *(Range(zero, extent) for extent in extents)))
    many = Operand(block, (2, 1) if transposed else (1, 2))
    assert intrinsic.reset is not None and intrinsic.update is not None
    update = Invoke(intrinsic.update, (row,), (four, many))
    return Program("dots", (a, b, out), seq(Invoke(intrinsic.reset, (row,)), For(y, const(GROUPS), update)))


def without(*features: str):
    """This machine's processor without some instructions."""
    return replace(host(), features=tuple(f"-{f[1:]}" if f[1:] in features else f for f in host().features))


HOSTS = {
    "host": host(),
    "without 512 bits": without("avx512vnni", "avxvnni"),
}


@pytest.mark.parametrize("target", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("lanes", [4, 8, 16, 32, 48, 3])
@pytest.mark.parametrize("unsigned", [True, False])
@pytest.mark.parametrize("transposed", [False, True])
def test_sums_are_exact(target, lanes, unsigned, transposed):
    rng = np.random.default_rng(lanes)
    a = rng.choice(np.array([0, 255, 200] if unsigned else [-128, 127, 5]), (GROUPS, 12)).astype(
        np.uint8 if unsigned else np.int8
    )
    b = rng.choice(np.array([-128, 127, 3]), (GROUPS, lanes, 4)).astype(np.int8)
    expected = np.einsum("yk,yjk->j", a[:, 4:8].astype(np.int32), b.astype(np.int32))
    b = np.ascontiguousarray(b.transpose(0, 2, 1)) if transposed else b
    dots = program(lanes, unsigned, transposed)
    for run in (lambda *arrays: interpreter.run(dots, *arrays), compile_program(dots, target=target)):
        out = np.zeros((4, lanes), np.int32)
        run(a, b, out)
        np.testing.assert_array_equal(out[3], expected)
        assert not out[:3].any()


X86 = TARGETS["x86-64"]
ARM = TARGETS["aarch64"]


@pytest.mark.parametrize(
    ("target", "unsigned", "instruction"),
    [
        (replace(X86, features=("+avx512f", "+avx512vnni"), vector_bits=512), True, r"vpdpbusd\t.*%zmm"),
        (replace(X86, features=("+avxvnni",)), True, r"vpdpbusd\t.*%ymm"),
        (replace(ARM, features=("+i8mm",)), True, "usdot"),
        (ARM, False, "sdot"),
    ],
)
def test_processors_use_their_own_instruction(target, unsigned, instruction):
    assembly = compile_program(program(16, unsigned), target=target).assembly
    assert re.search(instruction, assembly)


@pytest.mark.parametrize("name", TARGETS)
def test_other_processors_multiply_and_add(name):
    target = replace(TARGETS[name], features=tuple(f for f in TARGETS[name].features if f != "+dotprod"))
    assembly = compile_program(program(16, True), target=target).assembly
    assert re.search(r"\t(vpmaddwd|smlal|mul)", assembly)
    assert not re.search(r"\t(vpdpbusd|sdot|usdot)", assembly)


def test_a_primitive_of_another_machine_is_refused():
    foreign = Primitive("fused_gemm8x8_add", None, lambda outputs, inputs: None)
    with pytest.raises(CodegenError, match="primitive fused_gemm8x8_add is not one of a CPU"):
        compile_program(Program("foreign", (), Invoke(foreign, ())))
