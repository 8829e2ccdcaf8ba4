"""Operators of networks as small programs: what the instruction set is enough for, against plain NumPy."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from dovetail.isa.builder import ProgramBuilder
from dovetail.isa.config import Config, load_config
from dovetail.isa.instructions import AluOp, AluSource, Buffer, Format, MicroOp, Unit
from dovetail.isa.verify import verify
from dovetail.reference import requantise
from dovetail.sim.functional import FunctionalSimulator
from tests.models.packing import pack_activations, pack_params, pack_weights, unpack_activations

Tensor = NDArray[np.int8]
Records = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]
ALIGNMENT = 64


@pytest.fixture(params=["tiny", "default", "batch8"])
def config(request: pytest.FixtureRequest) -> Config:
    return load_config(request.param)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


class Bench:
    """A program in the making: loads, then `compute`, then stores of int8 to consecutive addresses from `out` on."""

    def __init__(self, config: Config, outputs: int) -> None:
        self.config, self.builder, self.end = config, ProgramBuilder(config), 0
        self.micro_ops = self.room(config.uop_depth * config.uop_bytes)
        self.out, self.stored = self.room(outputs * config.out_bytes), 0

    def room(self, nbytes: int) -> int:
        address = self.end
        self.end += -(-nbytes // ALIGNMENT) * ALIGNMENT
        return address

    def data(self, name: str, array: NDArray[np.generic]) -> int:
        address = self.room(array.nbytes)
        self.builder.segment(name, address, array.tobytes())
        return address

    def image(self, tensor: Tensor, pad: int = 0, value: int = 0) -> None:
        """Load [batch, c, h, w] to the input buffer; with padding `c` must be one block."""
        packed = pack_activations(tensor, self.config.batch, self.config.block_in)
        _, blocks, h, w = packed.shape[:4]
        block = {"dram": self.data("image", packed), "rows": blocks * h, "cols": w, "stride": w, "pad_value": value}
        sides = {f"pad_{side}": pad for side in ("top", "bottom", "left", "right")}
        self.builder.load(Buffer.INP, sram=0, **block, **sides)

    def weights(self, tiles: Tensor) -> None:
        """Load tiles [..., block_out, block_in] to the weight buffer."""
        cols = tiles.nbytes // self.config.wgt_bytes
        self.builder.load(Buffer.WGT, sram=0, dram=self.data("weights", tiles), cols=cols)

    def kernels(self, *kernels: list[MicroOp]) -> list[tuple[int, int]]:
        """Load the micro-ops; compute may begin."""
        places = [self.builder.kernel(kernel) for kernel in kernels]
        self.builder.load_kernels(self.micro_ops, push=Unit.COMPUTE)
        return places

    def convolve(self, image: Tensor, tiles: Tensor, window: list[MicroOp], *, pad: int = 0, **loops: int) -> int:
        """Sum the products of windows of an image with weight tiles: how many sums."""
        self.image(image, pad)
        self.weights(tiles)
        (kernel,) = self.kernels(window)
        self.builder.gemm(kernel, overwrite=True, **loops, pop=Unit.LOAD, push=Unit.STORE)
        return loops["outer"] * loops["inner"]

    def copy(self, image: Tensor) -> int:
        """Move an image to the accumulators: how many."""
        self.image(image)
        (kernel,) = self.kernels([MicroOp(0)])
        count = image.shape[2] * image.shape[3]
        loop = {"inner": count, "dst_inner": 1, "src_inner": 1}
        self.builder.alu(AluOp.MOV, AluSource.INP, kernel, **loop, pop=Unit.LOAD, push=Unit.STORE)
        return count

    def store(self, records: Records, cols: int, *, residual: Tensor | None = None, **post: int) -> None:
        """Store the next `cols` accumulators, after the compute unit's token."""
        if residual is not None:
            at = self.data("residual", pack_activations(residual, self.config.batch, self.config.block_out))
            post["residual_offset"] = (at - self.out) % (1 << 32)
        self.builder.post(**post)
        self.builder.param(self.data(f"records {self.stored}", pack_params(*records, self.config)))
        place = {"sram": self.stored, "dram": self.out + self.stored * self.config.out_bytes, "cols": cols}
        self.builder.store(Format.OUT, **place, residual=residual is not None, pop=Unit.COMPUTE)
        self.stored += cols

    def run(self, channels: int, h: int, w: int) -> Tensor:
        """The output [batch, channels, h, w] of the functional simulator, from memory and buffers full of noise."""
        self.builder.finish()
        program = self.builder.build()
        verify(program)
        rng = np.random.default_rng(0)
        dram = rng.integers(0, 256, program.dram_bytes, np.uint8)
        for segment in program.segments:
            dram[segment.address : segment.end] = np.frombuffer(segment.data, np.uint8)
        simulator = FunctionalSimulator(self.config, dram)
        simulator.poison(rng)
        simulator.run(program.instructions)
        packed = dram[self.out : self.out + self.stored * self.config.out_bytes].view(np.int8)
        shape = (1, -1, h, w, self.config.batch, self.config.block_out)
        return unpack_activations(packed.reshape(shape), self.config.batch, channels)


def random_image(config: Config, rng: np.random.Generator, size: int) -> Tensor:
    return rng.integers(-128, 128, (config.batch, config.block_in, size, size), np.int8)


def random_records(rng: np.random.Generator, channels: int) -> Records:
    bias = rng.integers(-5000, 5000, channels, np.int32)
    return bias, rng.integers(1 << 29, 1 << 31, channels, np.int32), rng.integers(38, 41, channels, np.uint8)


def constant_records(channels: int, *, bias: int = 0, multiplier: int = 1, shift: int = 0) -> Records:
    ones = np.ones(channels, np.int32)
    return ones * bias, ones * multiplier, (ones * shift).astype(np.uint8)


def taps(k: int, width: int, dilation: int = 1) -> list[MicroOp]:
    """A window's inputs in rows of `width`, each with a weight tile of its own."""
    return [MicroOp(0, dilation * (tap // k * width + tap % k), tap) for tap in range(k * k)]


def windows(size: int, width: int, stride: int = 1) -> dict[str, int]:
    """Loops over `size` x `size` windows."""
    trips = {"outer": size, "inner": size, "dst_outer": size, "dst_inner": 1}
    return trips | {"src_outer": stride * width, "src_inner": stride}


def seen(padded: NDArray[np.int64], k: int, size: int, stride: int = 1, dilation: int = 1) -> NDArray[np.int64]:
    """What each tap sees, by NumPy: [k * k, batch, c, size, size]."""
    span = stride * (size - 1) + 1
    starts = [(dilation * (tap // k), dilation * (tap % k)) for tap in range(k * k)]
    return np.stack([padded[:, :, y : y + span : stride, x : x + span : stride] for y, x in starts])


def padded(image: Tensor, pad: int, value: int = 0) -> NDArray[np.int64]:
    sides = (0, 0), (0, 0), (pad, pad), (pad, pad)
    return np.pad(image.astype(np.int64), sides, constant_values=value)


def test_depthwise_convolution_with_diagonal_tiles(config: Config, rng: np.random.Generator) -> None:
    image, channels = random_image(config, rng, 6), config.block_in
    weights, records = rng.integers(-128, 128, (9, channels), np.int8), random_records(rng, channels)
    bench = Bench(config, 36)
    tiles = np.stack([np.diag(tap) for tap in weights])
    bench.store(records, bench.convolve(image, tiles, taps(3, 8), pad=1, **windows(6, 8)))
    sums = np.einsum("tnchw,tc->nchw", seen(padded(image, 1), 3, 6), weights)
    np.testing.assert_array_equal(bench.run(channels, 6, 6), requantise(sums, *records))


def test_dilated_convolution(config: Config, rng: np.random.Generator) -> None:
    image, channels = random_image(config, rng, 4), config.block_out
    weights = rng.integers(-128, 128, (channels, config.block_in, 3, 3), np.int8)
    records = random_records(rng, channels)
    bench = Bench(config, 16)
    tiles = pack_weights(weights, config)
    bench.store(records, bench.convolve(image, tiles, taps(3, 8, dilation=2), pad=2, **windows(4, 8)))
    by_tap = weights.reshape(channels, config.block_in, 9)
    sums = np.einsum("tnchw,oct->nohw", seen(padded(image, 2), 3, 4, dilation=2), by_tap)
    np.testing.assert_array_equal(bench.run(channels, 4, 4), requantise(sums, *records))


def test_matrix_product_with_bias(config: Config, rng: np.random.Generator) -> None:
    """Two blocks of columns are summed over for each of two blocks of results, which have records of their own."""
    rows, depth, block = 5, 2 * config.block_in, config.block_out
    left = rng.integers(-128, 128, (config.batch * rows, depth), np.int8)
    right, records = rng.integers(-128, 128, (2 * block, depth), np.int8), random_records(rng, 2 * block)
    bench = Bench(config, 2 * rows)
    bench.image(left.reshape(config.batch, rows, depth).transpose(0, 2, 1)[:, :, None])
    bench.weights(pack_weights(right[:, :, None, None], config))
    kernels = bench.kernels(*([MicroOp(n * rows, k * rows, 2 * n + k) for k in range(2)] for n in range(2)))
    for n, kernel in enumerate(kernels):
        pop = Unit.LOAD if n == 0 else ()
        bench.builder.gemm(kernel, overwrite=True, inner=rows, dst_inner=1, src_inner=1, pop=pop, push=Unit.STORE)
        bias, multiplier, shift = (record[n * block : (n + 1) * block] for record in records)
        bench.store((bias, multiplier, shift), rows)
    sums = (left.astype(np.int64) @ right.astype(np.int64).T)[:, :, None, None]
    result = bench.run(2 * block, 1, rows)[:, :, 0].transpose(0, 2, 1).reshape(-1, 2 * block)
    np.testing.assert_array_equal(result, requantise(sums, *records)[:, :, 0, 0])


def test_max_pooling_pads_with_the_least_value(config: Config, rng: np.random.Generator) -> None:
    image = random_image(config, rng, 6) // np.int8(2) - np.int8(64)  # padding with 0 would win everywhere
    bench = Bench(config, 9)
    bench.image(image, pad=1, value=-128)
    first, *others = taps(3, 8)
    move, greater = bench.kernels([first], others)
    loops = windows(3, 8, stride=2)
    bench.builder.alu(AluOp.MOV, AluSource.INP, move, **loops, pop=Unit.LOAD)
    bench.builder.alu(AluOp.MAX, AluSource.INP, greater, **loops, push=Unit.STORE)
    bench.store(constant_records(config.block_out), 9)
    expected = seen(padded(image, 1, -128), 3, 3, stride=2).max(axis=0)
    np.testing.assert_array_equal(bench.run(config.block_out, 3, 3), expected)


def test_average_pooling_with_the_identity(config: Config, rng: np.random.Generator) -> None:
    image = random_image(config, rng, 6)
    bench = Bench(config, 4)
    identity = np.eye(config.block_out, config.block_in, dtype=np.int8)
    same_tile = [MicroOp(0, tap.src, 0) for tap in taps(3, 6)]
    count = bench.convolve(image, identity, same_tile, **windows(2, 6, stride=3))
    bench.store(constant_records(config.block_out, multiplier=round((1 << 34) / 9), shift=34), count)
    sums = seen(padded(image, 0), 3, 2, stride=3).sum(axis=0)
    np.testing.assert_array_equal(bench.run(config.block_out, 2, 2), (2 * sums + 9) // 18)  # ninths are never ties


def test_addition_of_tensors_with_different_scales(config: Config, rng: np.random.Generator) -> None:
    """One operand comes through the accumulators, the other as the store's residual."""
    one, other = random_image(config, rng, 4), random_image(config, rng, 4)
    one_zero, other_zero, zero, one_scale, other_scale = 11, -20, 5, 0.37, 0.81
    fraction, shift, res_shift = 6, 20, 9
    multiplier = round(one_scale * (1 << fraction + shift))
    res_multiplier = round(other_scale * (1 << fraction + res_shift))
    bench = Bench(config, 16)
    records = constant_records(config.block_out, bias=-one_zero, multiplier=multiplier, shift=shift)
    post = {"res_zero": other_zero, "res_multiplier": res_multiplier, "res_shift": res_shift}
    bench.store(records, bench.copy(one), residual=other, zero_point=zero, fraction=fraction, **post)

    def add(a: int, b: int) -> int:
        a, b = int(a) - one_zero, int(b) - other_zero
        total = round(Fraction(a * multiplier, 1 << shift)) + round(Fraction(b * res_multiplier, 1 << res_shift))
        return max(-128, min(127, round(Fraction(total, 1 << fraction)) + zero))

    expected = np.vectorize(add, otypes=[np.int8])(one, other)
    real = (one.astype(float) - one_zero) * one_scale + (other.astype(float) - other_zero) * other_scale + zero
    assert np.abs(expected - np.clip(real, -128, 127)).max() < 0.6
    np.testing.assert_array_equal(bench.run(config.block_out, 4, 4), expected)


@pytest.mark.parametrize(("zero", "low", "high"), [(0, 0, 127), (-3, -3, 40), (100, -128, 127)])
def test_activations_are_bounds_of_the_output(
    config: Config, rng: np.random.Generator, zero: int, low: int, high: int
) -> None:
    image = random_image(config, rng, 4)
    bench = Bench(config, 16)
    bench.store(constant_records(config.block_out), bench.copy(image), zero_point=zero, minimum=low, maximum=high)
    expected = np.clip(image.astype(np.int64) + zero, low, high)
    np.testing.assert_array_equal(bench.run(config.block_out, 4, 4), expected)
