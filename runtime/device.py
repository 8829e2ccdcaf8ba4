"""What all devices have in common: memory that is allocated, written and read, and programs that run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dovetail.isa.config import DRAM_ADDRESS_BITS, Config, ConfigError
from dovetail.isa.instructions import Buffer
from dovetail.isa.program import INSTRUCTION_BYTES, Program
from dovetail.isa.verify import verify
from dovetail.sim.progress import Progress

from .errors import BadAccess, ConfigMismatch, DeviceLost, OutOfMemory

PAGE_BYTES = 4096
"""The first page is never allocated, so that address 0 is no buffer; programs begin on a page."""
DEFAULT_MEMORY_BYTES = 256 << 20


@dataclass(frozen=True)
class RunResult:
    """How a program's run went.

    Attributes
    ----------
    cycles:
        From start to end; None on a device without time.
    counters:
        `isa.registers.Counter` by name in lower case; None on a device without counters.
    seconds:
        Of the run alone, without checks and transfers of the program.
    status:
        ``"done"``: all else is an exception.
    dram_read_bytes, dram_write_bytes:
        Data that the program moved; on RTL whole beats, and the instructions themselves are included.
    """

    cycles: int | None
    counters: dict[str, int] | None = field(repr=False)
    seconds: float
    status: str = "done"
    dram_read_bytes: int = 0
    dram_write_bytes: int = 0


def program_address(memory_bytes: int, size: int) -> int:
    """Where the `size` bytes of a program's words lie: on the last page that leaves room for them."""
    return (memory_bytes - size) // PAGE_BYTES * PAGE_BYTES


def memory_for(program: Program) -> int:
    """A size of memory with room for a program's data, its words, and the pages that they begin on."""
    needed = program.dram_bytes + len(program) * INSTRUCTION_BYTES + 2 * PAGE_BYTES
    return max(DEFAULT_MEMORY_BYTES, -(-needed // PAGE_BYTES) * PAGE_BYTES)


class Device(ABC):
    """One machine with its memory; a context manager. Make one with `dovetail.runtime.open`.

    Memory and the buffers on the chip keep their contents from run to run; token queues are empty at every start.

    Attributes
    ----------
    config:
        The machine's configuration.
    memory_bytes:
        Size of the memory, from address 0 on.
    """

    def __init__(self, config: Config, memory_bytes: int) -> None:
        if not PAGE_BYTES < memory_bytes <= 1 << DRAM_ADDRESS_BITS:
            raise ConfigError(
                f"memory_bytes must be between {PAGE_BYTES + 1} and {1 << DRAM_ADDRESS_BITS}, not {memory_bytes}"
            )
        self.config = config
        self.memory_bytes = memory_bytes
        self._next = PAGE_BYTES
        self._closed = False

    @property
    @abstractmethod
    def _memory(self) -> npt.NDArray[np.uint8]:
        """The memory's bytes."""

    @abstractmethod
    def _execute(self, program: Program, address: int, timeout: float | None, progress: Progress | None) -> RunResult:
        """Run the words at `address`."""

    @abstractmethod
    def _close(self) -> None:
        """Give back what the device holds."""

    @abstractmethod
    def read_buffer(self, buffer: Buffer) -> npt.NDArray[np.uint8]:
        """The contents of a buffer on the chip, uint8, shape (entries, bytes of an entry)."""

    @abstractmethod
    def write_buffer(self, buffer: Buffer, data: npt.NDArray[np.uint8]) -> None:
        """Overwrite a buffer on the chip with data of the shape that `read_buffer` gives."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def alloc(self, nbytes: int, align: int = 64) -> int:
        """Address of `nbytes` bytes of memory, a multiple of `align`, that nothing else was given.

        Raises
        ------
        OutOfMemory:
            There are not so many bytes left; `free_all` gives all of them back.
        """
        self._require_open()
        if nbytes < 0 or align < 1 or align & (align - 1):
            raise BadAccess(
                f"alloc of {nbytes} bytes aligned to {align}: sizes are at least 0, alignments powers of two"
            )
        address = -(-self._next // align) * align
        if address + nbytes > self.memory_bytes:
            raise OutOfMemory(
                f"{nbytes} bytes do not fit: {max(0, self.memory_bytes - address)} of {self.memory_bytes} are free; "
                f"open the device with a larger memory_bytes"
            )
        self._next = address + nbytes
        return address

    def free_all(self) -> None:
        """Forget all allocations; contents stay until something else is written."""
        self._next = PAGE_BYTES

    def write(self, address: int, data: npt.NDArray[Any] | bytes | bytearray | memoryview) -> None:
        """Copy the bytes of an array (in C order) or of a bytes-like object to memory.

        Raises
        ------
        BadAccess:
            They reach beyond the memory.
        """
        array = (
            np.ascontiguousarray(data).reshape(-1) if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
        )
        source = array.view(np.uint8)
        self._range("write", address, source.size)[...] = source

    def read(self, address: int, nbytes: int) -> bytes:
        """A copy of bytes of memory. Raises `BadAccess` when they reach beyond it."""
        return self._range("read", address, nbytes).tobytes()

    def read_array(self, address: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """A copy of an array in memory, in C order. Raises `BadAccess` when it reaches beyond it."""
        kind = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(self.read(address, count * kind.itemsize), kind).reshape(shape).copy()

    def run(
        self,
        program: Program,
        *,
        check: bool = True,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> RunResult:
        """Write a program's segments, run it and wait for its end.

        Its words lie at the end of the memory, beyond `Program.dram_bytes`.

        Parameters
        ----------
        check:
            Verify the program first.
        timeout:
            Seconds that the run may take; without it what `open` was given. Device fsim ignores it: its programs are
            bounded, and its kernels cannot be interrupted.
        progress:
            Called while it runs, instead of what `open` was given.

        Raises
        ------
        ConfigMismatch:
            The program was made for another configuration.
        OutOfMemory:
            The program needs more memory than there is.
        isa.verify.VerificationError:
            The program breaks a rule.
        DeviceFault, DeviceTimeout, DeviceLost:
            See there.
        """
        self._require_open()
        differences = program.config.differences(self.config)
        if differences:
            raise ConfigMismatch(f"the program is for another machine than the device: {'; '.join(differences)}")
        words = program.encode()
        address = program_address(self.memory_bytes, len(words))
        if address < max(self._next, program.dram_bytes):
            raise OutOfMemory(
                f"the program needs {program.dram_bytes} bytes and {len(words)} for its instructions besides what is "
                f"allocated; the memory has {self.memory_bytes}: open the device with a larger memory_bytes"
            )
        for segment in program.segments:
            self.write(segment.address, segment.data)
        self.write(address, words)
        if check:
            verify(program, dram_bytes=address, dram=self._memory, program_region=(address, len(words)))
        return self._execute(program, address, timeout, progress)

    def reset(self) -> None:
        """Bring the machine to rest, and forget all allocations."""
        self._require_open()
        self.free_all()

    def close(self) -> None:
        """Give back what the device holds. Harmless when it is closed."""
        if not self._closed:
            self._closed = True
            self._close()

    def _require_open(self) -> None:
        if self._closed:
            raise DeviceLost("the device is closed; open another")

    def _range(self, what: str, address: int, nbytes: int) -> npt.NDArray[np.uint8]:
        self._require_open()
        if address < 0 or nbytes < 0 or address + nbytes > self.memory_bytes:
            raise BadAccess(
                f"{what} of bytes {address:#x} to {address + nbytes:#x}: the memory ends at {self.memory_bytes:#x}"
            )
        return self._memory[address : address + nbytes]
