"""Why a node stays on the CPU is said in a few words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.quantised import (
    Dequantize,
    QAdd,
    QAvgPool2d,
    QConv2d,
    QMatmul,
    QMaxPool2d,
    QRescale,
    Requantise,
)
from dovetail.compiler.graph.vdla.support import why_not
from dovetail.compiler.ops import Output, Scale
from dovetail.isa.config import load_config
from tests.compiler.graph.vdla.kernels import Array, node_of

DEFAULT = load_config("default")
UNEQUAL = replace(DEFAULT, block_in=8)
IMAGE = np.zeros((1, 16, 8, 8), np.int8)
ROWS = np.zeros((4, 16), np.int8)
WEIGHT = np.zeros((16, 16, 3, 3), np.int8)
SCALES = [np.zeros(16, np.int32)] * 3
WIDE = Scale(multiplier=40000)


@pytest.mark.parametrize(
    ("op", "arrays", "running", "reason"),
    [
        (QConv2d(output=Output()), [IMAGE, WEIGHT, *SCALES], (0,), None),
        (QConv2d(), [IMAGE, WEIGHT], (0, 1), None),
        (QAdd(one=WIDE), [IMAGE, IMAGE], (0, 1), None),
        (QMatmul(output=Output()), [ROWS, ROWS, *SCALES[:0], *[np.zeros(4, np.int32)] * 3], (0, 1), None),
        (Requantise(axis=1, output=Output()), [IMAGE.astype(np.int32), *SCALES], (0,), None),
        (
            Dequantize(),
            [IMAGE, np.array(1, np.float32), np.array(0, np.int8)],
            (0,),
            "float32; the accelerator computes int8",
        ),
        (QRescale(), [IMAGE[:0]], (0,), "it has no elements"),
        (
            QConv2d(groups=16),
            [IMAGE, WEIGHT[:, :1]],
            (0, 1),
            "weights of groups that are not constant",
        ),
        (QConv2d(pads=(17, 0, 0, 0)), [IMAGE, WEIGHT], (0,), "padding of 17; the load unit pads up to 15"),
        (
            QConv2d(output=Output()),
            [IMAGE, WEIGHT, *SCALES],
            (0, 3),
            "bias, multiplier or shift that are not constant",
        ),
        (
            QConv2d(output=Output()),
            [IMAGE, WEIGHT, *SCALES[:2], SCALES[0] + 64],
            (0,),
            "shifts from 64 to 64; a store takes 0 to 63",
        ),
        (
            QConv2d(output=Output(), residual=WIDE),
            [IMAGE, WEIGHT[..., :1, :1], *SCALES, IMAGE],
            (0, 5),
            "multiplier of what is added 40000; a store takes -32768 to 32767",
        ),
        (
            QMatmul(),
            [np.zeros((1, 1 << 17), np.int8)] * 2,
            (0,),
            "sums of 131072 products may need more than 32 bits; the limit is 131071",
        ),
        (
            QAdd(one=WIDE, other=WIDE),
            [IMAGE, IMAGE],
            (0, 1),
            "multiplier of what is added 40000; a store takes -32768 to 32767",
        ),
        (
            QRescale(scale=Scale(multiplier=0)),
            [IMAGE],
            (0,),
            "multiplier 0 with shift 0, which leaves nothing of an operand",
        ),
        (QRescale(output=Output(bounds=(3, 3))), [IMAGE], (0,), "an output that is always 3"),
        (
            QAvgPool2d(kernel=(65, 64)),
            [np.zeros((1, 16, 70, 70), np.int8)],
            (0,),
            "one output of a 65x64 window needs 4160 input vectors; inp_depth=4096",
        ),
    ],
)
def test_reasons(op: Op, arrays: list[Array], running: tuple[int, ...], reason: str | None) -> None:
    assert why_not(*node_of(op, arrays, running), DEFAULT) == reason


def test_only_products_on_a_machine_whose_blocks_differ() -> None:
    reason = "vectors of 8 channels in and 16 out on this machine"
    assert why_not(*node_of(QMaxPool2d(kernel=(2, 2)), [IMAGE], (0,)), UNEQUAL) == reason
    assert why_not(*node_of(QConv2d(), [IMAGE, WEIGHT], (0,)), UNEQUAL) is None
