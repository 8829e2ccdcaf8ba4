"""Inner loops become intrinsics: which operands they get, and what is said where they do not fit."""

from __future__ import annotations

import numpy as np
import pytest

import dovetail as t
from dovetail.compiler.lower import TensorizeError, lower
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.tensor import Tensor
from dovetail.compiler.tir.stmt import Invoke, Primitive
from dovetail.compiler.tir.structure import walk
from dovetail.isa.instructions import Unit
from tests.compiler.lower.running import lowered, text

Matrices = tuple[Tensor, Tensor, Tensor]
Extents = tuple[int, int, int]


def gemm(batch: int, block_out: int, block_in: int) -> t.TensorIntrinsic:
    inp = t.placeholder((batch, block_in), "int8", name="inp")
    wgt = t.placeholder((block_out, block_in), "int8", name="wgt")
    k = t.reduce_axis((0, block_in), name="k")
    acc = t.compute(
        (batch, block_out),
        lambda b, o: t.sum(inp[b, k].astype("int32") * wgt[o, k].astype("int32"), axis=k),
        name="acc",
    )

    def fill(outputs: tuple[np.ndarray, ...], inputs: tuple[np.ndarray, ...]) -> None:
        outputs[0][...] = 0

    def add(outputs: tuple[np.ndarray, ...], inputs: tuple[np.ndarray, ...]) -> None:
        outputs[0][...] += inputs[0].astype(np.int32) @ inputs[1].astype(np.int32).T

    return t.TensorIntrinsic(
        "gemm",
        acc,
        (inp, wgt),
        scopes={inp: ("inp",), wgt: ("wgt", "inp"), acc: ("acc",)},
        reset=Primitive("fill_zero", Unit.COMPUTE, fill),
        update=Primitive("gemm_add", Unit.COMPUTE, add),
    )


def product(rows: int, columns: int, depth: int, dtype: str = "int8") -> Matrices:
    a = t.placeholder((depth, rows), dtype, name="A")
    b = t.placeholder((depth, columns), dtype, name="B")
    k = t.reduce_axis((0, depth), name="k")
    return (
        a,
        b,
        t.compute(
            (rows, columns),
            lambda y, x: t.sum(a[k, y].astype("int32") * b[k, x].astype("int32"), axis=k),
            name="C",
        ),
    )


def tensorized(args: Matrices, intrinsic: t.TensorIntrinsic, tile: Extents, scope: str = "inp") -> Schedule:
    a, b, c = args
    s = t.create_schedule(c)
    rows, columns, depth = tile
    _, _, ko, yi, _, _ = s[c].tile(*s[c].op.axis, *s[c].op.reduce_axis, rows, columns, depth)
    cl = s.cache_write(c, "acc", name="CL")
    _, xo, _, _ = s[c].tile(*s[c].op.axis, rows, columns)
    s[cl].compute_at(s[c], xo)
    for tensor, name in ((a, "AL"), (b, "BL")):
        copy = s.cache_read(tensor, scope, name=name)
        s[copy].compute_at(s[cl], ko)
    s[cl].tensorize(yi, intrinsic)
    return s


def test_a_transposed_product_is_resets_and_updates_with_operands_as_they_lie() -> None:
    args = product(16, 24, 32)
    program = lowered(tensorized(args, gemm(8, 8, 8), (8, 8, 8)), args)
    assert [line for line in text(program) if "ax" not in line] == [
        "inp AL[8][8], BL[8][8]",
        "acc CL[8][8]",
        "for yo in range(2):",
        "    for xo in range(3):",
        "        vdla.fill_zero(CL)",
        "        for ko in range(4):",
        "            vdla.gemm_add(CL, AL, BL)",
        "        for yi in range(8):",
        "            for xi in range(8):",
        "                C[yo*8+yi][xo*8+xi] = CL[yi][xi]",
    ]
    (update,) = (part for part in walk(program) if isinstance(part, Invoke) and part.inputs)
    assert [operand.axes for operand in (*update.outputs, *update.inputs)] == [(0, 1), (1, 0), (1, 0)]


def convolution(stride: int, kernel: int, rows: int, samples: int = 1) -> tuple[Tensor, Tensor, Tensor, Schedule]:
    """A convolution of padded 11 x 9 images of 32 channels, in blocks of 8 by 8, `rows` rows of outputs at a time."""
    data = t.placeholder((samples, 32, 11, 9), "int8", name="data")
    weight = t.placeholder((16, 32, kernel, kernel), "int8", name="weight")
    around = kernel // 2
    pad = t.compute(
        (samples, 32, 11 + 2 * around, 9 + 2 * around),
        lambda n, c, h, w: t.if_then_else(
            t.all(h >= around, h < 11 + around, w >= around, w < 9 + around), data[n, c, h - around, w - around], 0
        ),
        name="pad",
    )
    ic, kh, kw = (t.reduce_axis((0, end), name=name) for end, name in ((32, "ic"), (kernel, "kh"), (kernel, "kw")))
    shape = (samples, 16, 10 // stride + 1, 8 // stride + 1)
    conv = t.compute(
        shape,
        lambda n, oc, oh, ow: t.sum(
            pad[n, ic, oh * stride + kh, ow * stride + kw].astype("int32") * weight[oc, ic, kh, kw].astype("int32"),
            axis=[ic, kh, kw],
        ),
        name="conv",
    )
    out = t.compute(shape, lambda n, oc, oh, ow: t.clip(conv[n, oc, oh, ow] >> 4, -128, 127).astype("int8"), name="out")
    s = t.create_schedule(out)
    s[pad].set_scope("inp")
    s[conv].set_scope("acc")
    n, oc, oh, ow = s[out].op.axis
    no, ni = s[out].split(n, samples)
    oco, oci = s[out].split(oc, 8)
    oho, ohi = s[out].split(oh, rows)
    s[out].reorder(no, oho, oco, ohi, ow, ni, oci)
    s[conv].compute_at(s[out], oco)
    n, oc, oh, ow = s[conv].op.axis
    no, ni = s[conv].split(n, samples)
    oc, oci = s[conv].split(oc, 8)
    ic, ici = s[conv].split(ic, 8)
    icoo, icoi = s[conv].split(ic, 3)
    s[conv].reorder(no, oc, icoo, oh, ow, icoi, kh, kw, ni, oci, ici)
    weights = s.cache_read(weight, "wgt", [conv], name="W")
    s[pad].compute_at(s[conv], icoo)
    s[weights].compute_at(s[conv], icoo)
    s[conv].tensorize(ni, gemm(samples, 8, 8))
    return data, weight, out, s


@pytest.mark.parametrize("sizes", [(1, 3, 4, 1), (2, 3, 4, 2), (1, 1, 3, 1), (3, 5, 2, 1)])
def test_a_convolution_is_products_of_blocks(sizes: tuple[int, int, int, int]) -> None:
    data, weight, out, s = convolution(*sizes)
    program = lowered(s, [data, weight, out])
    (update,) = (part for part in walk(program) if isinstance(part, Invoke) and part.inputs)
    boxes = [
        [str(part.extent) for part in operand.region.ranges if str(part.extent) != "1"]
        for operand in (*update.outputs, *update.inputs)
    ]
    batch = [str(sizes[3])] if sizes[3] > 1 else []
    assert boxes == [[*batch, "8"], [*batch, "8"], ["8", "8"]]
    assert "if " not in str(program).replace("if_then_else", "")


def test_the_part_of_the_input_that_a_tile_reads_is_exact() -> None:
    data, weight, out, s = convolution(2, 3, 4)
    lines = text(lower(s, [data, weight, out]))
    assert lines[:3] == ["inp pad[1][24][9][11]", "wgt W[8][24][3][3]", "acc conv[1][8][4][5]"]
    assert "            for c in range(min(3, 4 - icoo * 3) * 8):" in lines
    assert "                for h in range(min(4, 6 - oho * 4) * 2 + 1):" in lines
    assert "                    for w in range(11):" in lines


def test_an_operand_may_be_on_the_other_side() -> None:
    a, b, _ = product(8, 8, 8)
    k = t.reduce_axis((0, 8), name="k")
    swapped = t.compute((8, 8), lambda y, x: t.sum(b[k, x].astype("int32") * a[k, y].astype("int32"), axis=k), name="C")
    args = a, b, swapped
    program = lowered(tensorized(args, gemm(8, 8, 8), (8, 8, 8)), args)
    assert "vdla.gemm_add(CL, " in str(program)


def test_an_intrinsic_axis_of_one_needs_no_loop() -> None:
    a = t.placeholder((16,), "int8", name="A")
    b = t.placeholder((8, 16), "int8", name="B")
    k = t.reduce_axis((0, 16), name="k")
    c = t.compute((8,), lambda o: t.sum(a[k].astype("int32") * b[o, k].astype("int32"), axis=k), name="C")
    s = t.create_schedule(c)
    (o,) = s[c].op.axis
    ko, ki = s[c].split(k, 8)
    s[c].reorder(ko, o, ki)
    cl = s.cache_write(c, "acc", name="CL")
    for tensor in (a, b):
        s.cache_read(tensor, "inp")
    s[cl].tensorize(o, gemm(1, 8, 8))
    (update,) = (part for part in walk(lowered(s, [a, b, c])) if isinstance(part, Invoke) and part.inputs)
    assert [operand.axes for operand in (*update.outputs, *update.inputs)] == [(None, 0), (None, 0), (0, 1)]


def test_an_elementwise_intrinsic_is_invoked_whole() -> None:
    x = t.placeholder((4, 4), "int32", name="x")
    y = t.compute((4, 4), lambda i, j: t.max(x[i, j], 0), name="y")

    def relu(outputs: tuple[np.ndarray, ...], inputs: tuple[np.ndarray, ...]) -> None:
        outputs[0][...] = np.maximum(inputs[0], 0)

    intrinsic = t.TensorIntrinsic("relu4x4", y, (x,), whole=Primitive("relu", None, relu))
    a = t.placeholder((8, 12), "int32", name="A")
    b = t.compute((8, 12), lambda i, j: t.max(a[i, j], 0), name="B")
    s = t.create_schedule(b)
    *_, yi, _ = s[b].tile(*s[b].op.axis, 4, 4)
    s[b].tensorize(yi, intrinsic)
    assert text(lowered(s, [a, b]))[-1].strip() == "vdla.relu(B[io*4:io*4+4][jo*4:jo*4+4], A[io*4:io*4+4][jo*4:jo*4+4])"


def test_a_tensor_padded_to_tiles_is_computed_in_whole_tiles() -> None:
    a, b, padded = product(8, 16, 8)
    c = t.compute((8, 11), lambda y, x: padded[y, x] + 1, name="D")
    s = t.create_schedule(c)
    s[padded].set_scope("acc")
    xo, _ = s[c].split(s[c].op.axis[1], 8)
    s[c].reorder(xo, s[c].op.axis[0])
    s[padded].compute_at(s[c], xo)
    for tensor in (a, b):
        s.cache_read(tensor, "inp")
    y, x = s[padded].op.axis
    xo, xi = s[padded].split(x, 8)
    s[padded].reorder(xo, y, xi)
    s[padded].tensorize(y, gemm(8, 8, 8))
    lowered(s, [a, b, c])


@pytest.mark.parametrize(
    ("extents", "tile", "differs", "message"),
    [
        ((16, 16, 16), (8, 4, 8), {}, r"loop xi\w* has the extent 4, axis o of gemm 8"),
        ((16, 16, 16), (8, 8, 16), {}, r"loop ki\w* has the extent 16, reduce axis k of gemm 8"),
        ((16, 16, 12), (8, 8, 8), {}, "k has the extent 12, which is no multiple of 8, that of ki; pad it"),
        ((12, 16, 16), (8, 8, 8), {}, r"y has the extent min\(8, 12 - yo_?1? \* 8\), .*pad"),
        ((8, 8, 8), (8, 8, 8), {"scope": "wgt"}, "AL lies in wgt, operand inp in inp"),
        ((8, 8, 8), (8, 8, 8), {"dtype": "int16"}, "it reads AL, which is int16, where operand inp is int8"),
    ],
)
def test_a_mismatch_says_what_differs(extents: Extents, tile: Extents, differs: dict[str, str], message: str) -> None:
    args = product(*extents, differs.get("dtype", "int8"))
    with pytest.raises(TensorizeError, match=message) as error:
        lower(tensorized(args, gemm(8, 8, 8), tile, differs.get("scope", "inp")), args)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("CL.tensorize(yi, gemm): ")


def test_loops_that_are_no_axis_of_the_intrinsic_are_named() -> None:
    a = t.placeholder((4, 8), "int32", name="A")
    b = t.compute((4, 8), lambda i, j: a[i, j] + a[i, j], name="B")
    x = t.placeholder((8,), "int32", name="x")
    y = t.compute((8,), lambda j: x[j] + x[j], name="y")
    double = t.TensorIntrinsic("double", y, (x,), whole=Primitive("double", None, lambda outputs, inputs: None))
    s = t.create_schedule(b)
    s[b].tensorize(s[b].op.axis[0], double)
    with pytest.raises(TensorizeError, match=r"loop i \(a data loop of extent 4\) is no axis of double; reorder it"):
        lower(s, [a, b])


def test_another_computation_is_described() -> None:
    a = t.placeholder((8,), "int32", name="A")
    b = t.compute((8,), lambda j: a[j] * a[j], name="B")
    x = t.placeholder((8,), "int32", name="x")
    y = t.compute((8,), lambda j: t.max(x[j], 0), name="y")
    k = t.reduce_axis((0, 8), name="k")
    z = t.compute((1,), lambda i: t.sum(x[k], axis=k), name="z")
    for output, message in (
        (y, r"it has \* of int32 where the intrinsic has max of int32"),
        (z, r"the stage does not reduce, the intrinsic reduces by \+ of int32"),
    ):
        s = t.create_schedule(b)
        s[b].tensorize(s[b].op.axis[0], t.TensorIntrinsic("other", output, (x,)))
        with pytest.raises(TensorizeError, match=message):
            lower(s, [a, b])
