"""From a schedule to a loop program."""

from __future__ import annotations

from collections.abc import Sequence

from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.tensor import Tensor
from dovetail.compiler.tir.expr import Var
from dovetail.compiler.tir.stmt import Buffer, Program
from dovetail.compiler.tir.structure import free_vars

from .dataflow import dataflow
from .errors import LoweringError
from .facts import Facts
from .names import Names
from .nest import NestBuilder


def lower(schedule: Schedule, args: Sequence[Tensor], name: str = "main") -> Program:
    """The loop program of a schedule: every stage a loop nest at the place where it is computed, nothing simplified but
    indices and extents.

    Parameters
    ----------
    args:
        Tensors that the caller gives and gets, in the order of the call: placeholders that are read, and outputs.

    Raises
    ------
    LoweringError:
        `args` lack a tensor, `name` is no identifier, or a stage cannot be computed where the schedule says.
    TensorizeError:
        Loops are not what their intrinsic computes.
    """
    if not (name.isascii() and name.isidentifier()):
        raise LoweringError(f"the program's name is to be an identifier, not {name!r}")
    flow = dataflow(schedule, args)
    if len(set(args)) != len(args):
        raise LoweringError(
            f"{next(arg.name for arg in args if list(args).count(arg) > 1)} is among the arguments twice"
        )
    sizes: dict[Var, None] = {}
    for arg in args:
        for extent in arg.shape:
            sizes.update(dict.fromkeys(free_vars(extent)))
    names = Names()
    for size in sizes:
        names.unique(size.name)
    given = {arg: Buffer(names.unique(arg.name), arg.shape, arg.dtype) for arg in args}
    builder = NestBuilder(flow, Facts(sizes), names, given)
    return Program(name, tuple(given.values()), builder.body(), tuple(sizes))
