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


class Code:
    """Loaded objects: addresses of their functions are valid as long as this lives."""

    def __init__(self, library: llvm.ResourceTracker, names: Iterable[str]) -> None:
        self._library = library
        self._names = frozenset(names)

    def address_of(self, function: str) -> int:
        """Where a function begins. Raises `NativeError` when none has that name."""
        if function not in self._names:
            raise NativeError(f"no object defines the function {function!r}")
        return int(self._library[function])


def load(objects: Iterable[bytes]) -> Code:
    """Load object files into this process. They are trusted; what is checked is that they can be linked.

    LLVM's JITLink gives each object one range of memory. What it follows, RuntimeDyld, may put an object's code and
    constants further apart than instructions reach, and then ends the process.

    Raises
    ------
    NativeError:
        Bytes are no object file of this machine's kind, a function is defined twice, or one that is needed is neither
        among the objects nor in this process.
    """
    # Only when there is a linker does `address_of_symbol` know the process.
    linker = llvm.create_lljit_compiler(host_machine(), use_jit_link=True, suppress_errors=True)
    builder = llvm.JITLibraryBuilder()
    defined: set[str] = set()
    needed: set[str] = set()
    for code in objects:
        own, others = symbols(code)
        if own & defined:
            raise NativeError(f"two objects define the function {min(own & defined)!r}")
        defined |= own
        needed |= others
        builder.add_object_img(code)
    for name in defined:
        builder.export_symbol(name)
    for name in needed - defined:
        address = llvm.address_of_symbol(name)
        if address is None:
            raise NativeError(f"the code calls {name!r}, which this process does not have")
        builder.import_symbol(name, address)
    try:
        return Code(builder.link(linker, "code"), defined)
    except RuntimeError as error:
        raise NativeError(f"the code cannot be linked: {' '.join(str(error).split())}") from None
