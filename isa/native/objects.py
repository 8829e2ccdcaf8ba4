"""Object files: made from LLVM's assembly language, kept, and loaded into this process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import llvmlite
import llvmlite.binding as llvm

from ..cache import read_object, write_object
from .elf import symbols
from .errors import NativeError
from .processor import host, host_machine


def cached(kind: str, parts: Sequence[str], make: Callable[[], bytes]) -> bytes:
    """The object that `make` gives, from the cache's folder `kind` if it is there.

    Parameters
    ----------
    parts:
        All that the object depends on, but for LLVM's version.
    """
    key = hashlib.sha256("\n".join([llvmlite.__version__, *parts]).encode()).hexdigest()[:32]
    code = read_object(kind, key)
    if code is None:
        code = make()
        write_object(kind, key, code)
    return code


def assemble(kind: str, text: str) -> bytes:
    """The object of a module in LLVM's assembly language, for this machine's processor; cached as `cached` does."""

    def make() -> bytes:
        machine = host_machine()
        parsed = llvm.parse_assembly(text)
        parsed.verify()
        passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
        passes.getModulePassManager().run(parsed, passes)
        return bytes(machine.emit_object(parsed))

    return cached(kind, [host().name, ",".join(host().features), text], make)


def load(objects: Iterable[bytes]) -> llvm.ExecutionEngine:
    """The engine that owns loaded objects: addresses of their functions are valid as long as it lives.

    The code is trusted; what is checked is that it can be linked.

    Raises
    ------
    NativeError:
        Bytes are no object file of this machine's kind, a function is defined twice, or one that is needed is neither
        among the objects nor in this process.
    """
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), host_machine())
    defined: set[str] = set()
    needed: set[str] = set()
    for code in objects:
        own, others = symbols(code)
        if own & defined:
            raise NativeError(f"two objects define the function {min(own & defined)!r}")
        defined |= own
        needed |= others
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    for name in sorted(needed - defined):
        if llvm.address_of_symbol(name) is None:
            raise NativeError(f"the code calls {name!r}, which this process does not have")
    engine.finalize_object()
    return engine


def address_of(engine: llvm.ExecutionEngine, function: str) -> int:
    """Where a function of loaded objects begins. Raises `NativeError` when none has that name."""
    address = int(engine.get_function_address(function))
    if not address:
        raise NativeError(f"no object defines the function {function!r}")
    return address
