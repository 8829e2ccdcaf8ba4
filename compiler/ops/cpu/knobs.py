"""How an operator is cut for the registers of a CPU: settings that a tuner may search, and rules for good ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import product

from dovetail.compiler.codegen.llvm.target import host

from ..errors import OperatorError
from ..shapes import Conv2dShape, MatmulShape, blocks

REGISTERS = {16: 32, 8: 16, 4: 32}
"""Vector registers by 32-bit lanes: of AVX-512, AVX2 and Neon."""
LANES = tuple(REGISTERS)
MAX_VECTORS = 4
MAX_TILE = 28
TILES_OF_CHANNELS = (1, 2, 4, 6, 8, 12, 16, 24)
"""Of a search with lanes over columns."""


class Unpack(Enum):
    """When results in blocks of channels become row-major: after every row of the output, or all at the end."""

    ROW = "row"
    END = "end"


class Order(Enum):
    """Which loop is outside: over blocks of output channels, so that a block's weights stay in the caches, or over
    tiles of rows, so that their input does."""

    BLOCK = "block"
    ROW = "row"


@dataclass(frozen=True, kw_only=True)
class Conv2dKnobs:
    """The cut of a convolution.

    Attributes
    ----------
    lanes:
        Of a vector of float32 or int32: 16, 8 or 4.
    over_channels:
        Lanes are output channels of a group; else they are output columns, or, where `is_product`, pixels.
    vectors:
        Vectors of output channels in registers at once, 1 to 4; over columns, vectors of columns.
    cols, rows:
        Output columns and rows, for each of which there are `vectors`, together 1 to 28; 1 where lanes are columns.
    channels:
        Output channels, for each of which there are `vectors`, 1 to 28, a divisor of those of a group; 1 where lanes
        are channels.
    unpack:
        Where lanes are channels. `Unpack.ROW` needs groups of a multiple of ``lanes * vectors`` output channels, and
        `rows` that divide those of the output.
    order:
        Which loop around tiles is outside.
    compact:
        Where lanes are channels. A 1 x 1 kernel with strides reads a copy of the input without what it skips; else the
        input itself, if it needs no padding.

    Raises
    ------
    OperatorError:
        One of them is out of its bounds.
    """

    lanes: int = 16
    over_channels: bool = True
    vectors: int = 2
    cols: int = 14
    rows: int = 1
    channels: int = 1
    unpack: Unpack = Unpack.END
    order: Order = Order.BLOCK
    compact: bool = True

    def __post_init__(self) -> None:
        _check_tile("conv2d", self.lanes, self.vectors, self.length)
        for name in ("rows", "cols", "channels"):
            if getattr(self, name) < 1:
                raise OperatorError(f"conv2d: {name} must be at least 1, not {getattr(self, name)}")
        if not self.over_channels and self.cols != 1:
            raise OperatorError(f"conv2d: lanes over columns take cols=1, not {self.cols}; set vectors instead")
        if not self.over_channels and self.rows != 1:
            raise OperatorError(f"conv2d: lanes over columns take rows=1, not {self.rows}; set channels instead")
        if self.over_channels and self.channels != 1:
            raise OperatorError(
                f"conv2d: lanes over channels take channels=1, not {self.channels}; set vectors instead"
            )

    @property
    def length(self) -> int:
        """How often a tile has `vectors`."""
        return self.rows * self.cols * self.channels


@dataclass(frozen=True, kw_only=True)
class MatmulKnobs:
    """The cut of a matrix product.

    Attributes
    ----------
    lanes:
        Of a vector of float32 or int32: 16, 8 or 4. Lanes are columns of the output.
    vectors, rows:
        The tile of the output in registers: 1 to 4 vectors, for each of 1 to 28 rows.

    Raises
    ------
    OperatorError:
        One of them is out of its bounds.
    """

    lanes: int = 16
    vectors: int = 2
    rows: int = 14

    def __post_init__(self) -> None:
        _check_tile("matmul", self.lanes, self.vectors, self.rows)


def host_lanes() -> int:
    """32-bit lanes of this machine's vectors."""
    return host().vector_bits // 32


def conv2d_knobs(shape: Conv2dShape, lanes: int | None = None) -> Conv2dKnobs:
    """A good cut by rule: as many columns as registers hold beside two vectors of channels. `lanes` are this machine's
    by default."""
    lanes = lanes or host_lanes()
    per_group = shape.oc // shape.groups
    if 2 * per_group < lanes:
        vectors = min(MAX_VECTORS, blocks(shape.out_w, lanes))
        return Conv2dKnobs(lanes=lanes, over_channels=False, vectors=vectors, cols=1)
    vectors = 2 if per_group > lanes else 1
    whole = per_group % (lanes * vectors) == 0
    return Conv2dKnobs(
        lanes=lanes,
        vectors=vectors,
        cols=along(shape.out_w, lanes, vectors),
        unpack=Unpack.ROW if whole else Unpack.END,
    )


def is_product(shape: Conv2dShape, knobs: Conv2dKnobs) -> bool:
    """Whether all pixels are one row, and the convolution a matrix product: a 1 x 1 kernel reads every pixel, and all
    vectors are whole."""
    every = shape.kh == shape.kw == 1 and shape.strides == (1, 1) and not any(shape.pads)
    return every and not knobs.over_channels and shape.h * shape.w % (knobs.lanes * knobs.vectors) == 0


def matmul_knobs(shape: MatmulShape, lanes: int | None = None) -> MatmulKnobs:
    """A good cut by rule, as of convolutions."""
    lanes = lanes or host_lanes()
    vectors = 2 if shape.n > lanes else 1
    return MatmulKnobs(lanes=lanes, vectors=vectors, rows=along(shape.m, lanes, vectors))


def all_conv2d_knobs(shape: Conv2dShape, lanes: int | None = None) -> Iterator[Conv2dKnobs]:
    """All cuts that make sense, of which `misfit` refuses some. `lanes` are this machine's by default."""
    lanes = lanes or host_lanes()
    orders = tuple(Order) if shape.out_h > 1 else (Order.BLOCK,)
    strided = shape.kh == shape.kw == 1 and shape.strides != (1, 1)
    for vectors, channels, order in product(range(1, MAX_VECTORS + 1), TILES_OF_CHANNELS, Order):
        yield Conv2dKnobs(lanes=lanes, over_channels=False, vectors=vectors, cols=1, channels=channels, order=order)
    rows_and_cols = [
        (rows, cols)
        for rows in range(1, MAX_TILE + 1)
        for cols in range(1, min(MAX_TILE // rows, shape.out_w) + 1)
        if shape.out_h % rows == 0
    ]
    for vectors, (rows, cols), unpack, order, compact in product(
        range(1, MAX_VECTORS + 1), rows_and_cols, Unpack, orders, (True, False) if strided else (True,)
    ):
        yield Conv2dKnobs(
            lanes=lanes, vectors=vectors, rows=rows, cols=cols, unpack=unpack, order=order, compact=compact
        )


def misfit(shape: Conv2dShape, knobs: Conv2dKnobs) -> tuple[str, str] | None:
    """Why a cut should not be tried: the class of the reason, and a sentence; None if it may be."""
    reason = refusal(shape, knobs)
    if reason is not None:
        return reason
    most = _most(knobs.lanes, knobs.vectors)
    if knobs.length > most:
        return "registers", f"{knobs.length} times {knobs.vectors} sums in registers, which hold {most} times as many"
    return None


def refusal(shape: Conv2dShape, knobs: Conv2dKnobs) -> tuple[str, str] | None:
    """Why a cut cannot be of a shape: the class of the reason, and a sentence; None if it can."""
    per_group = shape.oc // shape.groups
    if not knobs.over_channels:
        if per_group % knobs.channels:
            return "channels", f"{per_group} output channels in a group are no multiple of channels={knobs.channels}"
        return None
    whole = knobs.lanes * knobs.vectors
    if knobs.unpack is Unpack.ROW and per_group % whole:
        return "unpack", (
            f"unpack after every row needs a multiple of {whole} output channels in a group, not {per_group}; use "
            "Unpack.END, or fewer vectors"
        )
    if knobs.unpack is Unpack.ROW and shape.out_h % knobs.rows:
        return "unpack", (
            f"unpack after every row needs rows that divide the output's {shape.out_h}, not {knobs.rows}; use "
            "Unpack.END"
        )
    return None


def along(total: int, lanes: int, vectors: int) -> int:
    """How many of `total` to compute at once: few are left over, and loads of weights serve many."""

    def cost(size: int) -> float:
        return blocks(total, size) * size * (1 + vectors / (2 * size))

    return min(range(1, min(_most(lanes, vectors), total) + 1), key=cost)


def _most(lanes: int, vectors: int) -> int:
    """Columns for which registers hold all sums, a vector of weights each, and one of data."""
    return min((REGISTERS[lanes] - vectors - 1) // vectors, MAX_TILE)


def _check_tile(what: str, lanes: int, vectors: int, along: int) -> None:
    if lanes not in LANES:
        raise OperatorError(f"{what}: lanes must be one of {', '.join(map(str, LANES))}, not {lanes}")
    if not 1 <= vectors <= MAX_VECTORS:
        raise OperatorError(f"{what}: vectors must be 1 to {MAX_VECTORS}, not {vectors}")
    if not 1 <= along <= MAX_TILE:
        raise OperatorError(f"{what}: a tile must be 1 to {MAX_TILE} vectors long, not {along}")
