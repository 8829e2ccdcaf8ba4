"""Random schedules of random expressions, compiled for the CPU, compute what the expressions mean.

``DOVETAIL_SCHEDULES=5000 pytest tests/compiler/codegen/test_llvm_schedules.py`` runs that many; the number in the name
of a test that fails is its seed.
"""

from __future__ import annotations

import os
from random import Random

import numpy as np
import pytest

from dovetail.compiler.codegen.llvm.module import compile_program
from dovetail.compiler.lower import lower
from dovetail.compiler.pipeline import cpu_stages, run_all
from dovetail.compiler.te.tensor import ComputeOp
from tests.compiler.random_schedules import random_arrays, random_expression, random_schedule
from tests.compiler.te_reference import evaluate

SCHEDULES = int(os.environ.get("DOVETAIL_SCHEDULES", "80"))


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_schedules_keep_the_meaning(seed: int) -> None:
    rng = Random(seed)
    args = random_expression(rng)
    schedule = random_schedule(rng, args)
    arrays = random_arrays(rng, args)
    inputs = {tensor: array for tensor, array in zip(args, arrays, strict=True) if not isinstance(tensor.op, ComputeOp)}
    outputs = [tensor for tensor in args if isinstance(tensor.op, ComputeOp)]
    expected = evaluate(outputs, inputs)
    program = lower(schedule, args)
    for threads, compiled in ((1, program), (2, run_all(program, cpu_stages()))):
        given = [array.copy() for array in arrays]
        compile_program(compiled, threads=threads)(*given)
        for output, actual, right in zip(outputs, given[len(inputs) :], expected, strict=True):
            np.testing.assert_array_equal(actual, right, f"{output.name} of seed {seed}:\n{schedule}\n{compiled}")
