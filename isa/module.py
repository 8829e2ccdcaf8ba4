"""A deployable module: all that running a compiled network takes, without the compiler.

`Plan` says what is where and what happens in which order, `Library` holds the code, and the weights are arrays by name.
Two memories are planned: the host's arena, which functions for the CPU work in, and the accelerator's DRAM.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .config import BYTE_BITS, Config
from .program import Program

DTYPES = {
    "bool": 1,
    **{f"{kind}{bits}": bits // BYTE_BITS for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": bits // BYTE_BITS for bits in (16, 32, 64)},
}
"""Types of elements by NumPy's names, and their bytes."""
MAX_THREADS = 256
"""More are a mistake: each takes a stack and spins while it waits."""


class ModuleError(ValueError):
    """A module, a file that should hold one, or data for one is unusable. The message is one line."""


class Space(StrEnum):
    """A memory."""

    HOST = "host"
    DRAM = "dram"


@dataclass(frozen=True)
class Tensor:
    """A row-major array in the host's arena that the user gives or gets.

    Attributes
    ----------
    offset:
        Of the first byte.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    offset: int

    @property
    def nbytes(self) -> int:
        return array_bytes(self.shape, self.dtype)


@dataclass(frozen=True)
class Constant:
    """Weights and tables, already laid out as the code reads them.

    Attributes
    ----------
    offset:
        Of the first byte in the memory; in DRAM the address.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    space: Space
    offset: int

    @property
    def nbytes(self) -> int:
        return array_bytes(self.shape, self.dtype)


@dataclass(frozen=True)
class Call:
    """A function for the CPU is called with the addresses of these offsets in the host's arena, then with the address
    of a workspace and of the thread pool."""

    function: str
    arguments: tuple[int, ...]


@dataclass(frozen=True)
class Transfer:
    """Bytes are copied between the memories."""

    to_device: bool
    host: int
    dram: int
    nbytes: int


@dataclass(frozen=True)
class Launch:
    """A program runs on the accelerator.

    Attributes
    ----------
    program:
        Its number in `Library.programs`.
    """

    program: int


Step = Call | Transfer | Launch


@dataclass(frozen=True)
class Layer:
    """An operator of the network, as reports show it.

    Attributes
    ----------
    op, name:
        The operator, and the name of its output.
    origin:
        Nodes of the model that it came from.
    on_accelerator:
        Where it runs.
    reason:
        Why it is not on the accelerator, if so.
    step:
        Number of the step that computes it.
    instructions:
        On the accelerator, the range of its instructions in the program; else None.
    dram_read_bytes, dram_write_bytes:
        What these instructions move.
    """

    name: str
    op: str
    origin: tuple[str, ...]
    on_accelerator: bool
    reason: str
    macs: int
    step: int
    instructions: tuple[int, int] | None = None
    dram_read_bytes: int = 0
    dram_write_bytes: int = 0


@dataclass(frozen=True)
class Processor:
    """The CPU that a library's functions are for, as LLVM names it."""

    triple: str
    name: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """What the module gives for seeded inputs, by an independent reference.

    Attributes
    ----------
    seed:
        Of `runtime.samples.random_inputs`.
    digests:
        For each output its `runtime.samples.digest`.
    """

    seed: int
    digests: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What is where, and what happens in which order.

    Attributes
    ----------
    config:
        The accelerator's, None where none is used.
    processor:
        None where no function for a CPU is used.
    threads:
        That functions for the CPU share their loops among.
    host_bytes, dram_bytes:
        Sizes of the two memories; DRAM counts from address 0.
    workspace_bytes:
        The largest workspace of a function.
    check:
        None where no two libraries agree to the last bit, as on floats.
    """

    name: str
    config: Config | None
    processor: Processor | None
    threads: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    constants: tuple[Constant, ...]
    steps: tuple[Step, ...]
    layers: tuple[Layer, ...]
    host_bytes: int
    dram_bytes: int
    workspace_bytes: int
    check: Check | None = None


@dataclass(frozen=True)
class Library:
    """Code.

    Attributes
    ----------
    programs:
        For the accelerator; their segments hold micro-ops and constants of the code generator, not weights.
    objects:
        Object files by the one function that each defines.
    """

    programs: tuple[Program, ...] = ()
    objects: Mapping[str, bytes] = field(default_factory=dict)


def array_bytes(shape: tuple[int, ...], dtype: str) -> int:
    """Bytes of a row-major array."""
    return math.prod(shape) * DTYPES[dtype]
