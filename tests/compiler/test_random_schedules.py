"""Random schedules of random expressions mean what the expressions mean, after lowering and after every pass.

``DOVETAIL_SCHEDULES=5000 pytest tests/compiler/test_random_schedules.py`` runs that many; the number in the name of a
test that fails is its seed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from dovetail.compiler.lower import lower
from dovetail.compiler.passes.lower_vthreads import lower_vthreads
from dovetail.compiler.passes.partition import partition
from dovetail.compiler.passes.simplify import simplify
from dovetail.compiler.passes.threads import insert_barriers
from dovetail.compiler.passes.unroll import unroll
from dovetail.compiler.passes.vectorize import vectorize
from dovetail.compiler.te.tensor import ComputeOp
from dovetail.compiler.tir.interpreter import run
from dovetail.compiler.tir.stmt import Program
from dovetail.compiler.tir.verifier import check
from tests.compiler.random_schedules import random_arrays, random_expression, random_schedule
from tests.compiler.te_reference import evaluate

SCHEDULES = int(os.environ.get("DOVETAIL_SCHEDULES", "150"))

PASSES: tuple[Callable[[Program], Program], ...] = (
    simplify,
    partition,
    lower_vthreads,
    insert_barriers,
    unroll,
    vectorize,
)
"""Generic passes, in the order in which they run."""


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_lowering_and_passes_keep_the_meaning(seed: int) -> None:
    rng = Random(seed)
    args = random_expression(rng)
    schedule = random_schedule(rng, args)
    arrays = random_arrays(rng, args)
    inputs = {tensor: array for tensor, array in zip(args, arrays, strict=True) if not isinstance(tensor.op, ComputeOp)}
    outputs = [tensor for tensor in args if isinstance(tensor.op, ComputeOp)]
    expected = evaluate(outputs, inputs)

    program = lower(schedule, args)
    for change in (None, *PASSES):
        program = program if change is None else change(program)
        check(program)
        given = [array.copy() for array in arrays]
        run(program, *given, seed=seed)
        when = f"{change.__name__ if change else 'lower'} of seed {seed}:\n{schedule}\n{program}"
        for output, actual, right in zip(outputs, given[len(inputs) :], expected, strict=True):
            np.testing.assert_array_equal(actual, right, f"{output.name} after {when}")
