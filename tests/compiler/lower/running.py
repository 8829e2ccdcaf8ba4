"""Lowered programs against NumPy's values of the expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import numpy as np

from dovetail.compiler.lower import lower
from dovetail.compiler.te.schedule import Schedule
from dovetail.compiler.te.tensor import ComputeOp, Tensor
from dovetail.compiler.tir.interpreter import run
from dovetail.compiler.tir.stmt import Program
from dovetail.compiler.tir.verifier import check
from tests.compiler.random_schedules import random_arrays
from tests.compiler.te_reference import evaluate


def lowered(
    schedule: Schedule, args: Sequence[Tensor], then: Callable[[Program], Program] = lambda program: program
) -> Program:
    """The program of a schedule, once it is seen to compute what NumPy does."""
    program = then(lower(schedule, args))
    check(program)
    arrays = random_arrays(Random(0), args)
    inputs = {tensor: array for tensor, array in zip(args, arrays, strict=True) if not isinstance(tensor.op, ComputeOp)}
    outputs = [tensor for tensor in args if isinstance(tensor.op, ComputeOp)]
    run(program, *arrays)
    for actual, expected in zip(arrays[len(inputs) :], evaluate(outputs, inputs), strict=True):
        np.testing.assert_array_equal(actual, expected)
    return program


def text(program: Program) -> list[str]:
    """The lines of a program."""
    return str(program).splitlines()
