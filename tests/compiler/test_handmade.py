"""Hand-scheduled programs: legal, exact against NumPy on many shapes and machines, arranged to keep the array fed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from dovetail import reference
from dovetail.compiler.handmade import Conv2d, Conv2dMemory, LayerError, conv2d_program, resident_gemm_program
from dovetail.compiler.handmade.layout import pack_activations, pack_params, pack_weights, unpack_activations
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import Gemm, Load
from dovetail.isa.verify import verify
from dovetail.sim.functional import FunctionalSimulator
from dovetail.workload import RESNET18, random_data

SHAPES = {
    "one output": Conv2d(h=3, w=3, ic=4, oc=4, k=3),
    "ragged channels": Conv2d(h=9, w=7, ic=10, oc=12, k=3, pad=1),
    "stride 2": Conv2d(h=14, w=14, ic=16, oc=16, k=3, stride=2, pad=1),
    "stride past the kernel": Conv2d(h=13, w=11, ic=8, oc=8, k=2, stride=3),
    "pointwise": Conv2d(h=8, w=8, ic=20, oc=24, k=1),
    "pointwise, stride 2": Conv2d(h=9, w=10, ic=8, oc=16, k=1, stride=2),
    "wide kernel": Conv2d(h=12, w=15, ic=3, oc=8, k=7, stride=2, pad=3),
    "even kernel": Conv2d(h=6, w=6, ic=4, oc=4, k=6),
    "several samples": Conv2d(n=3, h=5, w=5, ic=9, oc=3, k=2),
    "relu and zero point": Conv2d(h=6, w=6, ic=8, oc=8, k=3, pad=1, zero_point=-5, minimum=-5, maximum=90),
    "stride past what an instruction holds": Conv2d(h=3, w=5, ic=4, oc=4, k=1, stride=70000),
    "stride of a row past what an instruction holds": Conv2d(h=200, w=200, ic=4, oc=4, k=1, stride=500),
    "a row wider than the buffer": Conv2d(h=4, w=70, ic=4, oc=4, k=3, pad=1),
}


def check(config: Config, layer: Conv2d, base: int = 0) -> None:
    data = random_data(layer, seed=1)
    memory = Conv2dMemory.following(config, layer, base)
    program = conv2d_program(config, layer, memory)
    verify(program)
    dram = np.random.default_rng(0).integers(0, 256, program.dram_bytes, np.uint8)
    tensors = {
        memory.inp: pack_activations(data.inp, config.batch, config.block_in),
        memory.wgt: pack_weights(data.wgt, config),
        memory.param: pack_params(data.bias, data.multiplier, data.shift, config),
    }
    pieces = {address: tensor.tobytes() for address, tensor in tensors.items()}
    pieces |= {segment.address: segment.data for segment in program.segments}
    for address, piece in pieces.items():
        dram[address : address + len(piece)] = np.frombuffer(piece, np.uint8)
    simulator = FunctionalSimulator(config, dram)
    simulator.poison(np.random.default_rng(0))
    simulator.run(program.instructions)
    shape = (
        layer.batches(config), layer.out_blocks(config), layer.out_h, layer.out_w, config.batch, config.block_out,
    )  # fmt: skip
    packed = dram[memory.out : memory.out + int(np.prod(shape))].view(np.int8).reshape(shape)
    expected = reference.requantise(
        reference.conv2d(data.inp, data.wgt, layer.stride, layer.pad),
        data.bias,
        data.multiplier,
        data.shift,
        zero_point=layer.zero_point,
        minimum=layer.minimum,
        maximum=layer.maximum,
    )
    np.testing.assert_array_equal(unpack_activations(packed, layer.n, layer.oc), expected)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("preset", ["tiny", "default", "batch8", "small", "large"])
def test_shapes_are_exact_on_every_preset(preset: str, shape: str) -> None:
    check(load_config(preset), SHAPES[shape], base=4096)


@pytest.mark.parametrize("name", RESNET18)
def test_resnet_layers_are_exact_at_full_size(name: str) -> None:
    check(load_config("default"), RESNET18[name])


@pytest.mark.parametrize(
    "changes", [{"token_depth": 1}, {"token_depth": 2}, {"queue_depth": 2}, {"uop_depth": 16}, {"wgt_depth": 8}]
)
def test_small_queues_and_buffers_are_respected(changes: dict[str, int]) -> None:
    check(dataclasses.replace(load_config("tiny"), **changes), SHAPES["ragged channels"])


def test_array_starts_after_little_of_the_data() -> None:
    """Before the first GEMM of C2 only micro-ops, one block of inputs and the weights that meet it are loaded."""
    config, layer = load_config("default"), RESNET18["C2"]
    program = conv2d_program(config, layer, Conv2dMemory.following(config, layer))
    first = next(index for index, x in enumerate(program.instructions) if isinstance(x, Gemm))
    loads = [x for x in program.instructions[:first] if isinstance(x, Load)]
    vectors = sum(x.rows * x.cols for x in loads if x.buffer == x.buffer.INP)
    assert vectors <= layer.h * layer.w // 10
    assert sum(x.cols for x in loads if x.buffer == x.buffer.WGT) == layer.k**2


def test_sums_are_finished_in_one_go() -> None:
    """Every kernel but the first holds the whole reduction, so the accumulators' ports are free for the store unit."""
    config, layer = load_config("default"), RESNET18["C2"]
    gemms = [x for x in conv2d_program(config, layer, Conv2dMemory.following(config, layer)).instructions
             if isinstance(x, Gemm)]  # fmt: skip
    assert {x.uop_count for x in gemms[4:]} == {layer.k**2 * layer.ic // config.block_in}
    assert all(x.overwrite for x in gemms[4:])
    assert sum(x.uop_count * x.outer * x.inner for x in gemms) * config.macs_per_cycle == layer.macs


@pytest.mark.parametrize("preset", ["tiny", "default", "batch8", "small", "large"])
def test_resident_gemm_writes_what_numpy_says(preset: str) -> None:
    config = load_config(preset)
    gemm = resident_gemm_program(config)
    verify(gemm.program)
    dram = np.zeros(gemm.program.dram_bytes, np.uint8)
    for segment in gemm.program.segments:
        dram[segment.address : segment.end] = np.frombuffer(segment.data, np.uint8)
    FunctionalSimulator(config, dram).run(gemm.program.instructions)
    size = gemm.expected.nbytes
    np.testing.assert_array_equal(dram[gemm.out : gemm.out + size].view(np.int32), gemm.expected.ravel())


def test_packing_fills_up_with_zeros_and_comes_back() -> None:
    tensor = np.arange(3 * 5 * 2 * 2, dtype=np.int8).reshape(3, 5, 2, 2)
    packed = pack_activations(tensor, 2, 4)
    assert packed.shape == (2, 2, 2, 2, 2, 4)
    assert packed[0, 0, 1, 0, 1, 3] == tensor[1, 3, 1, 0]
    assert not packed[1, :, :, :, 1].any()
    assert not packed[:, 1, :, :, :, 1:].any()
    np.testing.assert_array_equal(unpack_activations(packed, 3, 5), tensor)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 0}, "stride must be at least 1, not 0"),
        ({"pad": 3}, "pad must be between 0 and 2 for a kernel of 3, not 3"),
        ({"k": 9}, r"k must be at most the padded input \(8\), not 9"),
    ],
)
def test_senseless_layers_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(LayerError, match=f"^{message}$"):
        dataclasses.replace(Conv2d(h=8, w=8, ic=4, oc=4, k=3), **changes)


def test_kernel_beyond_the_input_buffer_is_refused() -> None:
    config, layer = load_config("tiny"), Conv2d(h=9, w=9, ic=4, oc=4, k=9, pad=4)
    with pytest.raises(LayerError, match="one output of a 9x9 kernel needs 81 input vectors; inp_depth=64"):
        conv2d_program(config, layer, Conv2dMemory.following(config, layer))


def test_one_row_may_be_wider_than_a_stride_but_several_may_not() -> None:
    config = load_config("default")
    check(config, Conv2d(h=1, w=70000, ic=4, oc=4, k=1))
    wide = Conv2d(h=3, w=70000, ic=4, oc=4, k=3)
    with pytest.raises(LayerError, match="^w must be at most 65535 where several rows are moved at once, not 70000$"):
        conv2d_program(config, wide, Conv2dMemory.following(config, wide))
    apart = Conv2d(h=801, w=200, ic=4, oc=4, k=1, stride=400)
    with pytest.raises(LayerError, match=r"^stride \* w must be at most 65535 where several rows .*, not 80000$"):
        conv2d_program(config, apart, Conv2dMemory.following(config, apart))


@pytest.mark.parametrize(
    "layer", [Conv2d(h=1, w=9000, ic=4, oc=4, k=1, stride=5), Conv2d(h=9000, w=2, ic=4, oc=4, k=2, stride=3)]
)
def test_tiles_are_no_larger_than_a_load(layer: Conv2d) -> None:
    check(dataclasses.replace(load_config("tiny"), inp_depth=32768, acc_depth=4096), layer)
