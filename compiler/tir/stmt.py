"""Loop programs: buffers, statements, programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from dovetail.isa.instructions import Unit

from .expr import Const, Expr, Number, Range, Var

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GLOBAL = "global"
LOCAL = "local"
SHARED = "shared"
"""Memory scopes of every target: DRAM or the heap, a thread's own, a group's. Targets add their own, such as
``inp_buffer``."""


THREADS_OF_GROUP = "threadIdx"
"""How the names of thread axes begin whose threads share memory and meet at barriers."""


@dataclass(frozen=True, eq=False)
class Buffer:
    """A tensor in memory, row-major.

    Attributes
    ----------
    shape:
        Extents; a parameter's may hold symbolic sizes.
    scope:
        Which memory it lies in.
    copies:
        A ring buffer has several, one used after the other, so that the next can be filled while one is read.
    """

    name: str
    shape: tuple[Expr, ...]
    dtype: str
    scope: str = GLOBAL
    copies: int = 1

    @property
    def extents(self) -> tuple[int, ...]:
        """The shape in numbers.

        Raises
        ------
        ValueError:
            It is symbolic.
        """
        sizes = []
        for extent in self.shape:
            if not isinstance(extent, Const):
                raise ValueError(f"{self.name} has the symbolic extent {extent}")
            sizes.append(int(extent.value))
        return tuple(sizes)


@dataclass(frozen=True)
class Region:
    """A box of a buffer: a range an axis."""

    buffer: Buffer
    ranges: tuple[Range, ...]


class LoopKind(Enum):
    """How a loop's iterations are executed.

    `VECTORIZED`: as lanes; `UNROLLED`: written out; `PARALLEL`: by several threads, in any order; `VTHREAD`: as
    virtual threads, lowered to one stream of instructions; `THREAD`: as threads of a GPU, which `For.thread` names.
    """

    SERIAL = "range"
    PARALLEL = "parallel"
    VECTORIZED = "vectorized"
    UNROLLED = "unrolled"
    VTHREAD = "vthread"
    THREAD = "thread"


@dataclass(frozen=True)
class Stmt:
    """Anything that is executed."""

    def __str__(self) -> str:
        from .printer import show

        return show(self)


@dataclass(frozen=True)
class For(Stmt):
    """`body` for var = 0, 1, ... extent - 1; `extent` is evaluated once, before.

    Attributes
    ----------
    thread:
        The thread axis, such as ``blockIdx.x``, of a loop of kind `THREAD`.
    pragmas:
        What the schedule said of the axis, for code generators: (key, value) pairs.
    """

    var: Var
    extent: Expr
    body: Stmt
    kind: LoopKind = LoopKind.SERIAL
    thread: str = ""
    pragmas: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Store(Stmt):
    """buffer[indices] = value; several elements where an index is a `Ramp`."""

    buffer: Buffer
    indices: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True)
class If(Stmt):
    """`then` where `condition` holds, else `orelse`."""

    condition: Expr
    then: Stmt
    orelse: Stmt | None = None


@dataclass(frozen=True)
class Seq(Stmt):
    """Statements one after the other; none is itself a `Seq` (build with `seq`)."""

    body: tuple[Stmt, ...] = ()


@dataclass(frozen=True)
class Allocate(Stmt):
    """A buffer that exists during `body`; its contents are undefined before the first store."""

    buffer: Buffer
    body: Stmt


@dataclass(frozen=True)
class Copy(Stmt):
    """dst = src, element by element, between memories: a DMA.

    Regions have the same extents but for axes of extent 1, which either may have more of. Elements of `src` outside
    its buffer are `padding`. An element type that differs is converted as `Cast` does.

    Attributes
    ----------
    unit:
        The unit of the accelerator that executes it, once decided.
    """

    dst: Region
    src: Region
    padding: Number = 0
    unit: Unit | None = None


@dataclass(frozen=True, eq=False)
class Primitive:
    """One operation of a tensor intrinsic, as a piece of hardware executes it.

    Attributes
    ----------
    name:
        As it prints, such as ``fill_zero``.
    unit:
        The unit of the accelerator that executes it.
    semantics:
        What it does: given the outputs, arrays that it changes in place, and the inputs, in the operands' own order of
        axes. The interpreter and tests call it; code generators go by `name` and `fields`.
    fields:
        What a code generator needs to know, such as an ALU's operation.
    """

    name: str
    unit: Unit | None
    semantics: Callable[[tuple[NDArray[np.generic], ...], tuple[NDArray[np.generic], ...]], None]
    fields: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Operand:
    """A region as an operand of a primitive.

    Attributes
    ----------
    axes:
        For each axis of the operand as the primitive declares it, the axis of the region that is it, or None where the
        operand's axis has extent 1 and the tensor has no such axis. For each point of the region's other axes the
        primitive is executed once: those longer than 1 are the same in all operands, in order, but for inputs that
        have none.
    """

    region: Region
    axes: tuple[int | None, ...]


@dataclass(frozen=True)
class Invoke(Stmt):
    """A primitive applied to regions: outputs, which it writes and may read, then inputs."""

    primitive: Primitive
    outputs: tuple[Operand, ...]
    inputs: tuple[Operand, ...] = ()
    unit: Unit | None = None


@dataclass(frozen=True)
class Push(Stmt):
    """`unit` gives `peer` a token, when all that it did before is complete.

    Attributes
    ----------
    queue:
        Which of the virtual queues between the two units: a push is for the pop of the same queue. It holds the name
        of the buffer that the token guards, and the copy's number where virtual threads have one each.
    """

    unit: Unit
    peer: Unit
    queue: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Pop(Stmt):
    """`unit` waits for a token from `peer` before all that it does next."""

    unit: Unit
    peer: Unit
    queue: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Barrier(Stmt):
    """The threads of a group wait for each other."""


@dataclass(frozen=True)
class Program:
    """A loop program.

    Attributes
    ----------
    params:
        Buffers that the caller gives, in order; all others are allocated in `body`.
    sizes:
        Symbolic sizes, which the shapes of parameters determine.
    prefix:
        What the printer writes before the names of primitives while no unit is decided.
    """

    name: str
    params: tuple[Buffer, ...]
    body: Stmt
    sizes: tuple[Var, ...] = ()
    prefix: str = field(default="vdla")

    def __str__(self) -> str:
        from .printer import show

        return show(self)


def seq(*stmts: Stmt | None) -> Stmt:
    """Statements one after the other, flattened; a single one stays itself."""
    flat: list[Stmt] = []
    for stmt in stmts:
        if isinstance(stmt, Seq):
            flat.extend(stmt.body)
        elif stmt is not None:
            flat.append(stmt)
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))
