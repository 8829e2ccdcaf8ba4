"""Tiles transposed in registers."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail.compiler import te as t
from dovetail.compiler.codegen.llvm.intrinsics import transpose
from dovetail.compiler.codegen.llvm.module import compile_program
from dovetail.compiler.lower import lower
from dovetail.compiler.tir import interpreter


@pytest.mark.parametrize("dtype", ["int8", "float32", "int32"])
@pytest.mark.parametrize(("rows", "lanes"), [(2, 2), (4, 4), (3, 8), (7, 16), (14, 16), (16, 16)])
def test_a_matrix_is_transposed_tile_by_tile(dtype: str, rows: int, lanes: int) -> None:
    data = np.random.default_rng(0).integers(-128, 128, (3 * rows, 2 * lanes)).astype(dtype)
    A = t.placeholder(data.shape, dtype, name="A")  # noqa: N806
    B = t.compute(data.T.shape, lambda j, i: A[i, j], name="B")  # noqa: N806
    s = t.create_schedule(B)
    inner = s[B].tile(*s[B].op.axis, lanes, rows)[2]
    s[B].tensorize(inner, transpose(rows, lanes, dtype))
    program = lower(s, [A, B])
    for run in (compile_program(program), lambda *arrays: interpreter.run(program, *arrays)):
        found = np.zeros(data.T.shape, dtype)
        run(data, found)
        np.testing.assert_array_equal(found, data.T)


def test_tiles_that_registers_do_not_hold_are_refused() -> None:
    for rows, lanes in ((17, 16), (1, 16), (6, 12)):
        with pytest.raises(ValueError, match=f"a tile of {rows} x {lanes} cannot be transposed in registers"):
            transpose(rows, lanes, "int8")
