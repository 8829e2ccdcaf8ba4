"""Convolutions, machines and spaces that tests of tuning look at."""

from __future__ import annotations

from functools import cache

from dovetail.compiler.ops.blocked import Blocked, blocked_conv2d
from dovetail.compiler.ops.shapes import Conv2dShape
from dovetail.compiler.ops.transfers import Memory
from dovetail.compiler.tune.accelerator_space import AcceleratorSpace
from dovetail.isa.config import Config, load_config

LAYERS = {
    "3x3": ("default", Conv2dShape(h=14, w=14, ic=64, oc=32, kh=3, kw=3, pads=(1, 1, 1, 1))),
    "strided, uneven": (
        "tiny",
        Conv2dShape(n=2, h=9, w=11, ic=10, oc=9, kh=3, kw=2, strides=(2, 1), pads=(1, 0, 2, 1)),
    ),
    "rows never read": ("tiny", Conv2dShape(h=13, w=12, ic=8, oc=8, kh=1, kw=1, strides=(2, 2))),
    "dilated, in batches": (
        "batch8",
        Conv2dShape(n=9, h=7, w=6, ic=40, oc=40, kh=3, kw=3, dilation=(1, 2), pads=(2, 2, 2, 2)),
    ),
    "groups": ("tiny", Conv2dShape(h=6, w=7, ic=12, oc=12, kh=3, kw=3, groups=3, pads=(1, 1, 1, 1))),
    "much padding": ("tiny", Conv2dShape(h=3, w=2, ic=4, oc=4, kh=4, kw=4, pads=(3, 3, 3, 3))),
    "one column": ("default", Conv2dShape(h=37, w=1, ic=100, oc=50, kh=1, kw=1)),
}
MEMORY = Memory(latency=30, bytes_per_cycle=8)


@cache
def config_of(name: str) -> Config:
    return load_config(LAYERS[name][0])


@cache
def blocked(name: str) -> Blocked:
    return blocked_conv2d(LAYERS[name][1], config_of(name))


@cache
def space_of(name: str) -> AcceleratorSpace:
    return AcceleratorSpace(blocked(name), config_of(name), MEMORY)
