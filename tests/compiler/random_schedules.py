"""Random tensor expressions and random schedules of them: the same seed gives the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dovetail as t
from dovetail.compiler.te.attachment import effective_readers
from dovetail.compiler.te.extents import constant_extent
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.stage import Stage
from dovetail.compiler.te.tensor import Axis, AxisKind, ComputeOp, Reduce, Tensor
from dovetail.compiler.tir.expr import Const, Expr

EXTENTS = (1, 2, 3, 4, 5, 7, 8, 11, 13)
DTYPES = ("int8", "int32", "float32")
MEMORIES = ("local", "shared", "global")

STEPS = (
    "split",
    "tile",
    "fuse",
    "reorder",
    "vectorize",
    "unroll",
    "parallel",
    "vthread",
    "pragma",
    "compute_at",
    "compute_root",
    "compute_inline",
    "set_scope",
    "ring_buffer",
    "cache_read",
    "cache_write",
    "rfactor",
)
"""The steps that `random_schedule` takes; ``vthread`` binds a loop to virtual threads."""


def random_expression(rng: Random) -> list[Tensor]:
    """Placeholders, then outputs, in the order of a caller's arguments; what lies between them is not among these."""
    expression = _Expression(rng)
    tensor = rng.choice((_elementwise, _matmul, _conv2d, _pooling, _stencil, _gather))(expression)
    outputs: list[Tensor] = []
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        if rng.random() < 0.15 and not outputs:
            outputs.append(tensor)
        tensor = rng.choice((_activate, _reduce, _reshape, _shift, _combine, _normalise))(expression, tensor)
    return [*expression.placeholders, *outputs, tensor]


def random_schedule(rng: Random, args: Sequence[Tensor], steps: Sequence[str] = STEPS, most: int = 14) -> Schedule:
    """A schedule of the outputs among `args`, with up to `most` legal steps of the named kinds."""
    schedule: Schedule = t.create_schedule([tensor for tensor in args if isinstance(tensor.op, ComputeOp)])
    for _ in range(rng.randint(0, most)):
        (name,) = rng.choices(steps, [_WEIGHTS.get(step, 1) for step in steps])
        try:
            _CHOICES[name](rng, schedule, schedule.stages[rng.randrange(len(schedule.stages))])
        except t.ScheduleError:
            continue
    return schedule


def random_arrays(rng: Random, args: Sequence[Tensor]) -> list[NDArray[np.generic]]:
    """An array for each of `args`: placeholders hold small whole numbers, so that sums of floats are exact in any
    order; outputs hold rubbish."""
    numbers = np.random.default_rng(rng.getrandbits(32))
    arrays = []
    for tensor in args:
        arrays.append(numbers.integers(-7, 8, _sizes(tensor)).astype(tensor.dtype))
    return arrays


_WEIGHTS = {"split": 4, "tile": 2, "fuse": 3, "reorder": 2, "compute_at": 5, "rfactor": 2}


def _sizes(tensor: Tensor) -> list[int]:
    return [int(extent.value) for extent in tensor.shape if isinstance(extent, Const)]


class _Expression:
    """The placeholders so far, and the source of names and numbers."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.placeholders: list[Tensor] = []
        self.count = 0

    def placeholder(self, *shape: int, dtype: str) -> Tensor:
        tensor: Tensor = t.placeholder(shape, dtype, name=f"A{len(self.placeholders)}")
        self.placeholders.append(tensor)
        return tensor

    def compute(self, shape: Sequence[int], fn: Callable[..., Expr]) -> Tensor:
        self.count += 1
        tensor: Tensor = t.compute(shape, fn, name=f"T{self.count}")
        return tensor

    def extents(self, count: int, most: int = 13) -> list[int]:
        return [self.rng.choice([extent for extent in EXTENTS if extent <= most]) for _ in range(count)]

    def dtype(self) -> str:
        return self.rng.choice(DTYPES)


def _elementwise(e: _Expression) -> Tensor:
    rank = e.rng.randint(1, 3)
    shape, dtype = e.extents(rank, 13 if rank < 3 else 7), e.dtype()
    a, b = e.placeholder(*shape, dtype=dtype), e.placeholder(shape[-1], dtype=dtype)
    match e.rng.randrange(4):
        case 0:
            return e.compute(shape, lambda *i: a[i] * 2 + b[i[-1]])
        case 1:
            return e.compute(shape, lambda *i: t.max(a[i], b[i[-1]]) - i[0].astype(dtype))
        case 2:
            return e.compute(shape, lambda *i: t.select(a[i] < b[i[-1]], a[i], 3))
        case _:
            return e.compute(shape[::-1], lambda *i: a[i[::-1]] + a[i[::-1]])


def _matmul(e: _Expression) -> Tensor:
    (m, n, depth), dtype = e.extents(3), e.dtype()
    wide = "int32" if dtype == "int8" else dtype
    transposed, begin = e.rng.random() < 0.5, e.rng.choice((0, 0, 2))
    a = e.placeholder(m, depth + begin, dtype=dtype)
    b = e.placeholder(*((n, depth + begin) if transposed else (depth + begin, n)), dtype=dtype)
    k = t.reduce_axis((begin, begin + depth), name="k")

    def element(y: Expr, x: Expr) -> Any:
        right = b[x, k] if transposed else b[k, x]
        return t.sum(a[y, k].astype(wide) * right.astype(wide), axis=k)

    return e.compute((m, n), element)


def _conv2d(e: _Expression) -> Tensor:
    channels, filters, height, width = (*e.extents(2, 4), *e.extents(2, 7))
    kernel, stride, padding, dtype = e.rng.randint(1, 3), e.rng.randint(1, 2), e.rng.randint(0, 2), e.dtype()
    wide = "int32" if dtype == "int8" else dtype
    data = e.placeholder(channels, height, width, dtype=dtype)
    weight = e.placeholder(filters, channels, kernel, kernel, dtype=dtype)

    def padded(c: Expr, y: Expr, x: Expr) -> Any:
        inside = t.all(y >= padding, y < height + padding, x >= padding, x < width + padding)
        return t.if_then_else(inside, data[c, y - padding, x - padding], 0)

    image: Tensor | Callable[..., Expr] = padded
    if e.rng.random() < 0.6:
        image = e.compute((channels, height + 2 * padding, width + 2 * padding), padded)

    def pixel(c: Expr, y: Expr, x: Expr) -> Expr:
        return image[c, y, x] if isinstance(image, Tensor) else image(c, y, x)

    c, dy, dx = (t.reduce_axis((0, end), name=name) for name, end in (("c", channels), ("dy", kernel), ("dx", kernel)))
    rows, columns = ((size + 2 * padding - kernel) // stride + 1 for size in (height, width))
    if rows < 1 or columns < 1:
        return _matmul(e)
    return e.compute(
        (filters, rows, columns),
        lambda f, y, x: t.sum(
            pixel(c, y * stride + dy, x * stride + dx).astype(wide) * weight[f, c, dy, dx].astype(wide),
            axis=[c, dy, dx],
        ),
    )


def _pooling(e: _Expression) -> Tensor:
    rows, columns = e.extents(2, 7)
    window, combine = e.rng.randint(1, 3), e.rng.choice((t.max, t.min, t.sum))
    a = e.placeholder(rows * window, columns, dtype=e.dtype())
    d = t.reduce_axis((0, window), name="d")
    return e.compute((rows, columns), lambda y, x: combine(a[y * window + d, x], axis=d))


def _stencil(e: _Expression) -> Tensor:
    (extent,) = e.extents(1)
    a = e.placeholder(extent + 2, dtype=e.dtype())
    blur = e.compute((extent + 1,), lambda x: a[x] + a[x + 1])
    return e.compute((extent,), lambda x: blur[x] - blur[x + 1])


def _gather(e: _Expression) -> Tensor:
    rows, columns = e.extents(2)
    a = e.placeholder(rows, columns, dtype=e.dtype())
    return e.compute((rows * columns,), lambda i: a[rows - 1 - i // columns, i % columns])


def _activate(e: _Expression, x: Tensor) -> Tensor:
    shape = _sizes(x)
    if e.rng.random() < 0.5:
        return e.compute(shape, lambda *i: t.clip(x[i], -5, 100))
    return e.compute(shape, lambda *i: t.max(x[i], 0))


def _reduce(e: _Expression, x: Tensor) -> Tensor:
    shape = _sizes(x)
    if len(shape) < 2:
        return _activate(e, x)
    place, combine = e.rng.randrange(len(shape)), e.rng.choice((t.max, t.min, t.sum))
    r = t.reduce_axis((0, shape[place]), name="r")
    return e.compute(shape[:place] + shape[place + 1 :], lambda *i: combine(x[(*i[:place], r, *i[place:])], axis=r))


def _reshape(e: _Expression, x: Tensor) -> Tensor:
    shape = _sizes(x)
    if len(shape) == 1:
        return _shift(e, x)
    *outer, rows, columns = shape
    return e.compute((*outer, rows * columns), lambda *i: x[(*i[:-1], i[-1] // columns, i[-1] % columns)])


def _shift(e: _Expression, x: Tensor) -> Tensor:
    *outer, extent = _sizes(x)
    if extent < 2:
        return _activate(e, x)
    if e.rng.random() < 0.5:
        return e.compute((*outer, extent - 1), lambda *i: x[i] + x[(*i[:-1], i[-1] + 1)])
    return e.compute((*outer, (extent + 1) // 2), lambda *i: x[(*i[:-1], i[-1] * 2)])


def _combine(e: _Expression, x: Tensor) -> Tensor:
    shape = _sizes(x)
    other = e.placeholder(*shape, dtype=x.dtype)
    doubled = e.compute(shape, lambda *i: x[i] + other[i])
    return e.compute(shape, lambda *i: t.min(x[i], doubled[i]))


def _normalise(e: _Expression, x: Tensor) -> Tensor:
    *outer, extent = _sizes(x)
    if not outer:
        return _activate(e, x)
    r = t.reduce_axis((0, extent), name="r")
    top = e.compute(outer, lambda *i: t.max(x[(*i, r)], axis=r))
    return e.compute((*outer, extent), lambda *i: x[i] - top[i[:-1]])


def _leaf(rng: Random, stage: Stage) -> Axis:
    if stage.inline:
        raise t.ScheduleError("no loops")
    return rng.choice(stage.leaves)


def _small(rng: Random, stage: Stage, most: int) -> Axis:
    """A loop of at most `most` iterations."""
    axis = _leaf(rng, stage)
    extent = constant_extent(stage, axis)
    if extent is None or extent > most:
        raise t.ScheduleError("too long")
    return axis


def _split(rng: Random, s: Schedule, stage: Stage) -> None:
    axis, factor = _leaf(rng, stage), rng.randint(1, 6)
    match rng.randrange(3):
        case 0:
            s[stage].split(axis, nparts=factor)
        case 1:
            s[stage].split(axis, factor, first=rng.randint(1, factor))
        case _:
            s[stage].split(axis, factor)


def _tile(rng: Random, s: Schedule, stage: Stage) -> None:
    count = rng.randint(1, min(3, len(stage.leaves)))
    s[stage].tile(*rng.sample(stage.leaves, count), *(rng.randint(1, 5) for _ in range(count)))


def _fuse(rng: Random, s: Schedule, stage: Stage) -> None:
    place, count = rng.randrange(len(stage.leaves)), rng.choice((2, 2, 3))
    s[stage].fuse(*stage.leaves[place : place + count])


def _reorder(rng: Random, s: Schedule, stage: Stage) -> None:
    s[stage].reorder(*rng.sample(stage.leaves, rng.randint(1, len(stage.leaves))))


def _vectorize(rng: Random, s: Schedule, stage: Stage) -> None:
    s[stage].vectorize(_small(rng, stage, 16))


def _unroll(rng: Random, s: Schedule, stage: Stage) -> None:
    s[stage].unroll(_small(rng, stage, 6))


def _parallel(rng: Random, s: Schedule, stage: Stage) -> None:
    s[stage].parallel(_leaf(rng, stage))


def _vthread(rng: Random, s: Schedule, stage: Stage) -> None:
    s[stage].bind(_small(rng, stage, 4), t.thread_axis("vthread"))


def _pragma(rng: Random, s: Schedule, stage: Stage) -> None:
    s[stage].pragma(_leaf(rng, stage), "note", rng.randint(0, 3))


def _compute_at(rng: Random, s: Schedule, stage: Stage) -> None:
    readers = effective_readers(s, stage)
    if not readers:
        raise t.ScheduleError("an output")
    target = rng.choice(readers)
    s[stage].compute_at(s[target], _leaf(rng, target))


def _compute_root(rng: Random, s: Schedule, stage: Stage) -> None:
    s[stage].compute_root()


def _compute_inline(rng: Random, s: Schedule, stage: Stage) -> None:
    s[stage].compute_inline()


def _set_scope(rng: Random, s: Schedule, stage: Stage) -> None:
    s[stage].set_scope(rng.choice(MEMORIES))


def _ring_buffer(rng: Random, s: Schedule, stage: Stage) -> None:
    s[stage].ring_buffer(rng.randint(1, 3))


def _cache_read(rng: Random, s: Schedule, stage: Stage) -> None:
    name = rng.choice(sorted(s.tensors))
    readers = s.readers(s.tensors[name])
    chosen = rng.sample(readers, rng.randint(1, len(readers))) if readers and rng.random() < 0.5 else None
    s.cache_read(s.tensors[name], rng.choice(MEMORIES), chosen, name=f"{name}_r")


def _cache_write(rng: Random, s: Schedule, stage: Stage) -> None:
    s.cache_write(stage.origin, rng.choice(MEMORIES), name=f"{stage.name}_w")


def _rfactor(rng: Random, s: Schedule, stage: Stage) -> None:
    loops = [leaf for leaf in stage.leaves if leaf.kind is AxisKind.REDUCE]
    if not isinstance(stage.op.body, Reduce) or not loops:
        raise t.ScheduleError("no reduction")
    s.rfactor(stage.origin, rng.choice(loops), name=f"{stage.name}_f")


_CHOICES: dict[str, Callable[[Random, Schedule, Stage], None]] = {
    "split": _split,
    "tile": _tile,
    "fuse": _fuse,
    "reorder": _reorder,
    "vectorize": _vectorize,
    "unroll": _unroll,
    "parallel": _parallel,
    "vthread": _vthread,
    "pragma": _pragma,
    "compute_at": _compute_at,
    "compute_root": _compute_root,
    "compute_inline": _compute_inline,
    "set_scope": _set_scope,
    "ring_buffer": _ring_buffer,
    "cache_read": _cache_read,
    "cache_write": _cache_write,
    "rfactor": _rfactor,
}
