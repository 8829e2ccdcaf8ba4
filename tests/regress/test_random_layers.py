"""Random convolutions and matrix products through the compiler are exact, on the functional simulator and on the RTL.

``DOVETAIL_LAYERS=200 pytest tests/regress/test_random_layers.py`` runs 200 convolutions and 100 products on each
machine, and 20 of each on its RTL; the number in the message of a failure is its seed.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from dovetail import runtime
from dovetail.compiler.ops.errors import OperatorError
from dovetail.compiler.ops.shapes import Conv2dShape, MatmulShape
from dovetail.isa.config import load_config
from dovetail.job import prepare_job, run_job_on
from dovetail.workload import Shape, Workload

CONVOLUTIONS = int(os.environ.get("DOVETAIL_LAYERS", "12"))
PRODUCTS = CONVOLUTIONS // 2
ON_RTL = max(2, CONVOLUTIONS // 10)
MACHINES = ("default", "tiny", "batch8")


def convolution(rng: Random) -> Conv2dShape:
    """Channels that fill no block, kernels of 1 to 7, strides of 1 to 3, dilation, padding that differs by side,
    groups, images down to one pixel."""
    while True:
        groups = rng.choice([1, 1, 1, 2, 3])
        ic, oc = groups * rng.randint(1, 40 // groups), groups * rng.randint(1, 40 // groups)
        if rng.random() < 0.2:
            groups, oc = ic, ic * rng.choice([1, 2])
        try:
            return Conv2dShape(
                n=rng.choice([1, 1, 2, 3]),
                h=rng.choice([1, rng.randint(1, 20)]),
                w=rng.choice([1, rng.randint(1, 20)]),
                ic=ic,
                oc=oc,
                kh=rng.randint(1, 7),
                kw=rng.randint(1, 7),
                strides=(rng.randint(1, 3), rng.randint(1, 3)),
                pads=(rng.randint(0, 3), rng.randint(0, 3), rng.randint(0, 3), rng.randint(0, 3)),
                dilation=(rng.choice([1, 1, 2, 3]), rng.choice([1, 1, 2])),
                groups=groups,
            )
        except OperatorError:
            continue


def product(rng: Random) -> MatmulShape:
    return MatmulShape(m=rng.randint(1, 60), n=rng.randint(1, 60), k=rng.randint(1, 120))


def check(device: runtime.Device, name: str, seed: int, shape: Shape) -> None:
    job = prepare_job(Workload(f"seed {seed}", shape), device.config, seed=seed)
    result = run_job_on(device, job, name, latency=64, bytes_per_cycle=16)
    assert result.exact, f"seed {seed}, {shape}: off by up to {result.max_abs_error} with {job.operator.knobs}"


@pytest.mark.parametrize("device", ["fsim", pytest.param("rtl", marks=pytest.mark.rtl)])
@pytest.mark.parametrize("machine", MACHINES)
def test_layers_are_exact(machine: str, device: str) -> None:
    on_rtl = device == "rtl"
    with runtime.open(device, config=load_config(machine), checks=on_rtl) as opened:
        for seed in range(ON_RTL if on_rtl else CONVOLUTIONS):
            check(opened, device, seed, convolution(Random(seed)))
        for seed in range(ON_RTL if on_rtl else PRODUCTS):
            check(opened, device, seed, product(Random(seed)))
