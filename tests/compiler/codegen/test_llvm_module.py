"""Compiled programs as functions: what they refuse, what they keep on disk, and objects for other processors."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from dovetail.compiler.codegen.llvm import pipeline
from dovetail.compiler.codegen.llvm.errors import ArgumentError, CodegenError
from dovetail.compiler.codegen.llvm.module import compile_program
from dovetail.compiler.tir.expr import Load, Var, const
from dovetail.compiler.tir.stmt import Allocate, Buffer, For, LoopKind, Program, Store, seq

n, i, j = Var("n"), Var("i"), Var("j")


def scale(factor: float = 3.0, name: str = "scale") -> Program:
    """b[i] = factor * a[i + 1], of symbolic size."""
    a, b = Buffer("a", (n + 1,), "float32"), Buffer("b", (n,), "float32")
    return Program(name, (a, b), For(i, n, Store(b, (i,), Load(a, (i + 1,)) * factor)), sizes=(n,))


def floats(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


SHARED = floats(9)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((floats(5),), "2 arrays are needed (a, b), not 1"),
        (([0.0], floats(4)), "argument 1 (a) is to be a NumPy array, not list"),
        ((np.zeros(5), floats(4)), "argument 1 (a) is to be float32, not float64; use astype"),
        ((floats(5, 1), floats(4)), "argument 1 (a) is to have shape (n + 1,), not (5, 1)"),
        ((floats(6), floats(4)), "argument 1 (a) is to have shape (5,), not (6,)"),
        ((floats(10)[::2], floats(4)), "argument 1 (a) is not contiguous; pass numpy.ascontiguousarray of it"),
        ((SHARED[:5], SHARED[4:8]), "argument 2 (b) is written and shares memory with argument 1 (a); pass a copy"),
    ],
)
def test_wrong_arguments_are_named(arrays, message):
    with pytest.raises(ArgumentError, match="^" + re.escape(message) + "$"):
        compile_program(scale())(*arrays)


def test_fixed_shapes_and_read_only_outputs():
    a = Buffer("a", (const(2), const(3)), "int8")
    module = compile_program(Program("clear", (a,), Store(a, (const(0), const(0)), const(0, "int8"))))
    with pytest.raises(ArgumentError, match=re.escape("argument 1 (a) is to have shape (2, 3), not (3, 2)")):
        module(np.zeros((3, 2), np.int8))
    constant = np.zeros((2, 3), np.int8)
    constant.flags.writeable = False
    with pytest.raises(ArgumentError, match=re.escape("argument 1 (a) is written, but it is read-only; pass a copy")):
        module(constant)


def test_what_cannot_be_compiled_is_refused_at_once():
    with pytest.raises(CodegenError, match="no CPU target 'z80'; use one of host, x86-64, aarch64, riscv64"):
        compile_program(scale(), target="z80")
    with pytest.raises(CodegenError, match="threads must be between 1 and 256, not 0"):
        compile_program(scale(), threads=0)
    alone = Program("alone", (), seq(), sizes=(n,))
    with pytest.raises(CodegenError, match="size n of alone is no extent of a parameter, so it cannot be known"):
        compile_program(alone)
    with pytest.raises(CodegenError, match="scale is compiled for riscv64 and cannot be called here; use object_code"):
        compile_program(scale(), target="riscv64")(floats(5), floats(4))


@pytest.mark.parametrize(
    ("target", "machine", "instruction"),
    [("aarch64", 183, "fmul"), ("riscv64", 243, "fmul.s"), ("x86-64", 62, "vmulps")],
)
def test_objects_for_other_processors(target, machine, instruction):
    module = compile_program(scale(name="scale_it"), target=target)
    code = module.object_code()
    assert code[:4] == b"\x7fELF" and code[4] == 2
    assert struct.unpack_from("<HH", code, 16) == (1, machine)
    assert b"\0scale_it\0" in code
    assert instruction in module.assembly
    assert "define void @scale_it" in module.ir


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DOVETAIL_CACHE", str(tmp_path))
    return tmp_path / "llvm"


def run(program: Program) -> None:
    a, b = np.arange(5, dtype=np.float32), floats(4)
    compile_program(program)(a, b)
    np.testing.assert_array_equal(b, a[1:] * 3)


def test_objects_are_compiled_once_and_kept(cache, monkeypatch):
    run(scale(3.0))
    assert len(list(cache.iterdir())) == 1
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "assemble", None)
        run(scale(3.0))
        compile_program(scale(3.0)).object_code()
    compile_program(scale(4.0)).object_code()
    compile_program(scale(3.0), target="aarch64").object_code()
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("damage", [lambda code: b"", lambda code: code[:100], lambda code: code[:-1] + b"\xff"])
def test_damaged_objects_are_compiled_anew(cache, damage):
    run(scale(3.0))
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    run(scale(3.0))
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DOVETAIL_CACHE", str(tmp_path / "file"))
    run(scale(3.0))


def rows(threads: int):
    """A module whose threads each fill rows by way of memory of their own, larger than a stack would hold."""
    size = 32 * 1024
    a, row = Buffer("a", (const(8), const(size)), "int32"), Buffer("row", (const(size),), "int32")
    work = seq(
        For(j, const(size), Store(row, (j,), i + j)), For(j, const(size), Store(a, (i, j), Load(row, (size - 1 - j,))))
    )
    return compile_program(
        Program("rows", (a,), For(i, const(8), Allocate(row, work), LoopKind.PARALLEL)), threads=threads
    )


EXPECTED = np.arange(8)[:, None] + np.arange(32 * 1024)[::-1]


def test_modules_may_be_called_by_several_threads_at_once():
    modules = [rows(2), rows(2), rows(3)]
    wrong = []

    def call(module):
        for _ in range(20):
            result = np.zeros((8, 32 * 1024), np.int32)
            module(result)
            if not np.array_equal(result, EXPECTED):
                wrong.append(module)

    threads = [threading.Thread(target=call, args=(module,)) for module in modules for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_forked_process_still_computes():
    module = rows(2)
    result = np.zeros((8, 32 * 1024), np.int32)
    module(result)
    child = os.fork()
    if child == 0:
        result[...] = 0
        module(result)
        os._exit(0 if np.array_equal(result, EXPECTED) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_process_with_threads_ends():
    program = "import numpy, test_llvm_module as m; r = numpy.zeros((8, 32 * 1024), numpy.int32); m.rows(4)(r)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, timeout=60, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
