"""A library's functions for the CPU in this process, and the memory that they work in."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from dovetail.isa.module import Call, Constant, Library, ModuleError, Plan, Tensor

ALIGNMENT = 64
"""A cache line, and the widest vector."""


class Arena:
    """Bytes of host memory that begin on a cache line.

    Attributes
    ----------
    data: uint8 [nbytes]
    address:
        Of the first byte.

    Raises
    ------
    ModuleError:
        There is not so much memory.
    """

    def __init__(self, nbytes: int) -> None:
        try:
            memory = np.empty(nbytes + ALIGNMENT, np.uint8)
        except MemoryError:
            raise ModuleError(f"{nbytes} bytes of host memory are needed; there are not so many") from None
        begin = -memory.ctypes.data % ALIGNMENT
        self.data: npt.NDArray[np.uint8] = memory[begin : begin + nbytes]
        self.address: int = memory.ctypes.data + begin

    def view(self, item: Tensor | Constant) -> npt.NDArray[Any]:
        """An array in place."""
        return self.data[item.offset : item.offset + item.nbytes].view(item.dtype).reshape(item.shape)


class Functions:
    """The functions of a library that a plan calls.

    Raises
    ------
    NativeError:
        They are for another processor, or the library's objects are none.
    ModuleError:
        There is not enough memory for their workspace.
    """

    def __init__(self, plan: Plan, library: Library) -> None:
        self._addresses: dict[str, int] = {}
        self._workspace = Arena(plan.workspace_bytes)
        self._pool = 0
        if not library.objects:
            return
        from dovetail.isa.native import objects, pool  # LLVM takes a while to load
        from dovetail.isa.native.processor import require_processor

        assert plan.processor is not None
        require_processor(plan.processor)
        pool.provide()
        self._code = objects.load(library.objects.values())
        self._addresses = {name: self._code.address_of(name) for name in library.objects}
        if plan.threads > 1:
            self._pool = pool.pool(plan.threads)

    def bind(self, call: Call, arena: Arena) -> Callable[[], None]:
        """A call on memory in the arena; valid as long as this object and the arena live."""
        words = [*(arena.address + offset for offset in call.arguments), self._workspace.address, self._pool]
        function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(words))(self._addresses[call.function])
        return partial(function, *words)
