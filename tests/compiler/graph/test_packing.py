"""Tensors in the accelerator's blocks: where each element lies, whether NumPy or compiled code puts it there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dovetail.compiler.codegen.vdla.layouts import Lane, Layout
from dovetail.compiler.graph.op import Op
from dovetail.compiler.graph.ops.layout import Pack, Unpack
from dovetail.compiler.graph.ops.quantised import QConv2d, QMatmul
from dovetail.compiler.graph.packing import Packing
from dovetail.compiler.graph.types import TensorType
from dovetail.compiler.graph.vdla.columns import Columns
from dovetail.compiler.graph.vdla.kernel import VdlaKernel, packing
from dovetail.compiler.ops.arrangement import (
    Arrangement,
    channels_first,
    channels_last,
    pixels_as_rows,
    rows_of_samples,
    straight,
)
from dovetail.isa.config import load_config
from tests.compiler.graph.ops.running import compiled
from tests.compiler.graph.vdla.kernels import kernel_of

Array = NDArray[Any]
SIZE = st.integers(1, 5)
BLOCK = st.sampled_from([1, 2, 4])


@st.composite
def arrangements(draw: st.DrawFn) -> tuple[tuple[int, ...], Arrangement]:
    """A shape, and one of the ways in which operators lay out tensors of it."""
    n, c, h, w = (draw(SIZE) for _ in range(4))
    batch, block = draw(BLOCK), draw(BLOCK)
    lead = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    return draw(
        st.sampled_from(
            [
                ((n, c, h, w), straight((n, c, h, w), (n + batch - 1, c + block - 1, h, w))),
                ((n, c, h, w), channels_first((n, c, h * w), batch, block)),
                ((n, h, c), channels_last((n * h, c), batch, block)),
                ((*lead, h, c), rows_of_samples(lead, h, c + block - 1, batch, c)),
                ((n, c, h, w), pixels_as_rows(n, c, h * w, batch, c + block - 1)),
            ]
        )
    )


@st.composite
def packings(draw: st.DrawFn, given: tuple[tuple[int, ...], Arrangement] | None = None) -> Packing:
    """With lanes along any two axes, or along none."""
    shape, arrangement = given or draw(arrangements())
    axes = draw(st.lists(st.integers(0, len(arrangement.shape) - 1), min_size=2, max_size=2, unique=True))
    lanes = tuple(Lane(axis if draw(st.booleans()) else None, draw(BLOCK)) for axis in axes)
    return Packing(
        type=TensorType(shape, "int8"), arrangement=arrangement, layout=Layout(arrangement.shape, "int8", lanes)
    )


def places(form: Packing) -> Array:
    """The number of the element that lies at each place, counted from 1; 0 where there is none. Element by element."""
    arrangement, layout = form.arrangement, form.layout
    seen = np.zeros(arrangement.filled, np.int64)
    seen[tuple(map(slice, arrangement.view))] = np.arange(1, form.type.size + 1).reshape(arrangement.view)
    tensor = seen.reshape(arrangement.split).transpose(arrangement.order)
    blocks = [max([lane.size for lane in layout.lanes if lane.axis == axis], default=1) for axis in range(tensor.ndim)]
    result = np.zeros(form.packed.shape, np.int64)
    for place in np.ndindex(*form.packed.shape):
        at = [entry * block for entry, block in zip(place, blocks, strict=False)]
        for lane, offset in zip(layout.lanes, place[tensor.ndim :], strict=True):
            if lane.axis is not None:
                at[lane.axis] += offset
            elif offset:
                break
        else:
            if all(index < extent for index, extent in zip(at, tensor.shape, strict=True)):
                result[place] = tensor[tuple(at)]
    return result


def random_array(kind: TensorType) -> Array:
    return np.random.default_rng(0).integers(-128, 128, kind.shape).astype(np.int8)


@given(packings())
@settings(max_examples=50, deadline=None)
def test_elements_lie_where_arrangement_and_layout_say(form: Packing) -> None:
    array = random_array(form.type)
    packed = form.pack(array)
    np.testing.assert_array_equal(packed, np.append(np.int8(0), array.reshape(-1))[places(form)])
    np.testing.assert_array_equal(form.unpack(packed), array)


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_bytes_are_the_same_if_every_element_lies_at_the_same_place(data: st.DataObject) -> None:
    shape, arrangement = data.draw(arrangements())
    one, other = (data.draw(packings(given=(shape, arrangement))) for _ in range(2))
    same = np.array_equal(places(one).reshape(-1), places(other).reshape(-1))
    assert one.same_bytes(other) == other.same_bytes(one) == same
    assert packing(one.type, arrangement, one.layout).same_bytes(one)


@given(packings())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_compiled_code_packs_and_unpacks(form: Packing) -> None:
    array = random_array(form.type)
    packed = form.pack(array)
    np.testing.assert_array_equal(compiled(Pack(form=form), array), packed)
    filled = np.where(places(form) > 0, packed, np.int8(77))
    np.testing.assert_array_equal(compiled(Unpack(form=form), filled), array)


def kernel(op: Op, *shapes: tuple[int, ...], running: tuple[int, ...], config: str) -> VdlaKernel:
    arrays = [random_array(TensorType(shape, "int8")) for shape in shapes]
    return kernel_of(op, arrays, running, load_config(config))


@pytest.mark.parametrize("config", ["tiny", "batch8"])
def test_operands_of_real_kernels(config: str) -> None:
    """An image that is read as columns, as rows of samples, and as a product's weight."""
    columns = kernel(
        QConv2d(strides=(2, 2), pads=(1, 1, 1, 1)), (1, 3, 9, 9), (5, 3, 3, 3), running=(0,), config=config
    )
    product = kernel(QMatmul(), (2, 5, 7), (2, 3, 7), running=(0, 1), config=config)
    forms = [operand.form for one in (columns, product) for operand in one.operands]
    assert [isinstance(form, Columns) for form in forms] == [True, False, False]
    for form in forms:
        array = random_array(form.type)
        np.testing.assert_array_equal(compiled(Pack(form=form), array), form.pack(array))
        np.testing.assert_array_equal(form.unpack(form.pack(array)), array)
    result = product.output
    array = np.random.default_rng(1).integers(-999, 999, result.type.shape).astype(np.int32)
    np.testing.assert_array_equal(compiled(Unpack(form=result), result.pack(array)), array)
