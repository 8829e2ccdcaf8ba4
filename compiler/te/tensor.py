"""Tensors, the operations that define them, and the axes that these run over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from dovetail.compiler.tir.expr import Const, Expr, ExprLike, Number, Op, Symbolic, Var
from dovetail.compiler.tir.expr_text import expr_text


class AxisKind(Enum):
    """`DATA`: any order gives the same; `REDUCE`: values are combined over it; `THREAD`: made by `thread_axis`."""

    DATA = "data"
    REDUCE = "reduce"
    THREAD = "thread"


@dataclass(frozen=True, eq=False)
class Axis(Symbolic):
    """What an operation, or a loop of its schedule, runs over: begin, begin + 1, ... begin + extent - 1.

    Usable as an index and in arithmetic, where it is its variable. Equal only to itself.

    Attributes
    ----------
    extent:
        None for the axes that a schedule makes, whose extents follow from bounds, and for open thread axes.
    thread:
        The tag of a thread axis, such as ``blockIdx.x`` or ``vthread``.
    """

    var: Var
    extent: Expr | None
    kind: AxisKind
    begin: Expr = field(default_factory=lambda: Const(0))
    thread: str = ""

    @property
    def name(self) -> str:
        return self.var.name

    def as_expr(self) -> Expr:
        return self.var

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, repr=False)
class TensorRead(Expr):
    """An element of a tensor."""

    tensor: Tensor
    indices: tuple[Expr, ...]

    @property
    def dtype(self) -> str:
        return self.tensor.dtype

    def text(self, tight: bool) -> str:
        return f"{self.tensor.name}[{', '.join(expr_text(index, tight=True) for index in self.indices)}]"


REDUCTIONS = {Op.ADD: "sum", Op.MUL: "product", Op.MIN: "min", Op.MAX: "max"}
"""What combines the values of a reduction, and the function that makes it."""


@dataclass(frozen=True, repr=False)
class Reduce(Expr):
    """`source` combined by `op` (`ADD`, `MIN`, `MAX` or `MUL`) over `axes`, from `identity` on; the whole body of an
    operation."""

    op: Op
    source: Expr
    axes: tuple[Axis, ...]
    identity: Number

    @property
    def dtype(self) -> str:
        return self.source.dtype

    def text(self, tight: bool) -> str:
        name = REDUCTIONS[self.op]
        axes = [axis.name for axis in self.axes]
        over = axes[0] if len(axes) == 1 else f"[{', '.join(axes)}]"
        return f"{name}({expr_text(self.source, tight)}, axis={over})"


@dataclass(frozen=True, eq=False)
class PlaceholderOp:
    """A tensor that the caller gives."""

    name: str
    shape: tuple[Expr, ...]
    dtype: str

    @property
    def axis(self) -> tuple[Axis, ...]:
        return ()

    @property
    def reduce_axis(self) -> tuple[Axis, ...]:
        return ()


@dataclass(frozen=True, eq=False)
class ComputeOp:
    """A tensor whose element at `axis` is `body`.

    Attributes
    ----------
    where:
        ``file:line`` of the user's call, for messages.
    """

    name: str
    axis: tuple[Axis, ...]
    body: Expr
    where: str = ""

    @property
    def reduce_axis(self) -> tuple[Axis, ...]:
        return self.body.axes if isinstance(self.body, Reduce) else ()

    @property
    def dtype(self) -> str:
        return self.body.dtype

    @property
    def shape(self) -> tuple[Expr, ...]:
        return tuple(axis.extent for axis in self.axis if axis.extent is not None)


Operation = PlaceholderOp | ComputeOp


@dataclass(frozen=True, repr=False)
class Tensor:
    """The result of an operation. ``A[i, j]`` is an element; ``A.op`` its operation, which makes tensors equal."""

    op: Operation

    @property
    def name(self) -> str:
        return self.op.name

    @property
    def shape(self) -> tuple[Expr, ...]:
        return self.op.shape

    @property
    def dtype(self) -> str:
        return self.op.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __repr__(self) -> str:
        return f"Tensor({self.name}, shape=({', '.join(str(extent) for extent in self.shape)}), dtype={self.dtype})"

    def __getitem__(self, indices: ExprLike | tuple[ExprLike, ...]) -> Expr:
        from .language import read

        return read(self, indices if isinstance(indices, tuple) else (indices,))

    def __iter__(self) -> Iterator[Expr]:
        raise TypeError(f"tensor {self.name} cannot be iterated; index it with {self.ndim} indices")
