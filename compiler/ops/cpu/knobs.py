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


class Unpack(Enum):
    """When results in blocks of channels become row-major: after every row of the output, or all at the end."""

    ROW = "row"
    END = "end"


@dataclass(frozen=True, kw_only=True)
class Conv2dKnobs:
    """The cut of a convolution.

    Attributes
    ----------
    lanes:
        Of a vector of float32 or int32: 16, 8 or 4.
    over_channels:
        Lanes are output channels of a group; else they are output columns.
    vectors:
        Vectors of output channels in registers at once, 1 to 4; over columns, vectors of columns.
    cols:
        Output columns, for each of which there are `vectors`, 1 to 28; 1 where lanes are columns.
    unpack:
        `Unpack.ROW` needs groups of a multiple of ``lanes * vectors`` output channels.

    Raises
    ------
    OperatorError:
        One of them is out of its bounds.
    """

    lanes: int = 16
    over_channels: bool = True
    vectors: int = 2
    cols: int = 14
    unpack: Unpack = Unpack.END

    def __post_init__(self) -> None:
        _check_tile("conv2d", self.lanes, self.vectors, self.cols)
        if not self.over_channels and self.cols != 1:
            raise OperatorError(f"conv2d: lanes over columns take cols=1, not {self.cols}; set vectors instead")


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


def matmul_knobs(shape: MatmulShape, lanes: int | None = None) -> MatmulKnobs:
    """A good cut by rule, as of convolutions."""
    lanes = lanes or host_lanes()
    vectors = 2 if shape.n > lanes else 1
    return MatmulKnobs(lanes=lanes, vectors=vectors, rows=along(shape.m, lanes, vectors))


def conv2d_space(shape: Conv2dShape, lanes: int | None = None) -> Iterator[Conv2dKnobs]:
    """All cuts whose tile fits the registers. `lanes` are this machine's by default."""
    lanes = lanes or host_lanes()
    per_group = shape.oc // shape.groups
    for vectors in range(1, MAX_VECTORS + 1):
        yield Conv2dKnobs(lanes=lanes, over_channels=False, vectors=vectors, cols=1)
    for vectors, unpack in product(range(1, MAX_VECTORS + 1), Unpack):
        if unpack is Unpack.ROW and per_group % (lanes * vectors):
            continue
        for cols in range(1, min(_most(lanes, vectors), shape.out_w) + 1):
            yield Conv2dKnobs(lanes=lanes, vectors=vectors, cols=cols, unpack=unpack)


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
