"""Convolutions with padding, strides, ragged tiles and requantised outputs equal NumPy's, on several machines."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dovetail.compiler.codegen.vdla import CodegenError
from dovetail.isa.config import load_config
from dovetail.isa.instructions import Buffer, Gemm, Load, Store

from .convolution import Layer, check, conv2d

LAYERS = {
    "pointwise": Layer(h=4, w=5, ic=8, oc=8, k=1),
    "padded": Layer(h=6, w=7, ic=8, oc=16, k=3, pad=1),
    "stride 2": Layer(h=9, w=8, ic=8, oc=8, k=3, stride=2, pad=1),
    "ragged channels and rows": Layer(h=7, w=5, ic=10, oc=13, k=3, pad=1, rows=3),
    "residual": Layer(h=6, w=6, ic=8, oc=8, k=3, pad=1, residual=True),
    "more padding than image": Layer(h=1, w=1, ic=4, oc=4, k=5, pad=4, rows=2),
    "more padding than a LOAD adds": Layer(h=2, w=2, ic=4, oc=4, k=3, pad=17, rows=3),
}


@pytest.mark.parametrize("config", ["default", "batch8", "small"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_on_presets(name: str, config: str) -> None:
    machine = load_config(config)
    check(LAYERS[name], dataclasses.replace(machine, inp_depth=machine.inp_depth * 4))


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    k = draw(st.integers(1, 3))
    size = st.integers(k, 6)
    return Layer(
        h=draw(size),
        w=draw(size),
        ic=draw(st.integers(1, 9)),
        oc=draw(st.integers(1, 9)),
        k=k,
        stride=draw(st.integers(1, 3)),
        pad=draw(st.integers(0, 2)),
        rows=draw(st.integers(1, 3)),
        residual=draw(st.booleans()),
    )


@settings(max_examples=60, deadline=None)
@given(layers(), st.sampled_from([1, 2, 4]), st.sampled_from([2, 4]), st.sampled_from([16, 32]), st.integers(0, 99))
def test_any_layer_on_a_tiny_machine(layer: Layer, tokens: int, queue: int, uops: int, seed: int) -> None:
    sizes = {"token_depth": tokens, "queue_depth": queue, "uop_depth": uops}
    config = dataclasses.replace(load_config("tiny"), inp_depth=256, wgt_depth=64, **sizes)
    try:
        conv2d(layer, config)
    except CodegenError as error:
        assume("free" not in str(error))
        raise
    check(layer, config, seed)


def test_a_tile_is_one_load_a_block_and_one_gemm() -> None:
    program = conv2d(Layer(h=36, w=12, ic=32, oc=16, k=3, pad=1, rows=12), load_config("default")).program
    places = [place for place, instruction in enumerate(program.instructions) if isinstance(instruction, Gemm)]
    between = program.instructions[places[-2] + 1 : places[-1] + 1]
    *loads, gemm = [instruction for instruction in between if isinstance(instruction, Load | Gemm)]
    assert [load.buffer.name for load in loads] == ["INP", "INP", "WGT"]
    assert (gemm.outer, gemm.inner, gemm.uop_count, gemm.overwrite) == (12, 12, 18, True)


def test_the_first_tile_is_begun_before_all_of_it_is_loaded() -> None:
    program = conv2d(Layer(h=24, w=24, ic=64, oc=32, k=3, pad=1, rows=8), load_config("default")).program
    kinds = [type(instruction) for instruction in program.instructions]
    first_tile = program.instructions[: kinds.index(Store)]
    gemms = [instruction for instruction in first_tile if isinstance(instruction, Gemm)]
    before = [instruction for instruction in first_tile[: kinds.index(Gemm)] if isinstance(instruction, Load)]
    assert sum(load.rows for load in before if load.buffer is Buffer.INP) < 4 * 9
    assert [gemm.overwrite for gemm in gemms] == [True] + [False] * (len(gemms) - 1)
    assert sum(gemm.uop_count for gemm in gemms) == 36 and all(gemm.pop_prev for gemm in gemms)


def test_what_does_not_fit_is_an_error_with_the_numbers() -> None:
    with pytest.raises(CodegenError, match=r"^AL \[2x1x4x6x9\] needs 108 entries \(432 bytes\) of"):
        conv2d(LAYERS["more padding than image"], load_config("tiny"))
