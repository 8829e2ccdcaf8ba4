"""What all devices have in common: memory that is allocated, written and read, and programs that run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dovetail.isa.config import DRAM_ADDRESS_BITS, Config, ConfigError
from dovetail.isa.instructions import Buffer
from dovetail.isa.program import INSTRUCTION_BYTES, Program
from dovetail.isa.progress import Progress
from dovetail.isa.verify import verify
from dovetail.sim.timeline import Section

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
    ends: int64 [instructions]
        The cycle, from the start, in which each instruction was complete, 0 where that was not seen; None unless the
        device was opened with ``profile``.
    """

    cycles: int | None
    counters: dict[str, int] | None = field(repr=False)
    seconds: float
    status: str = "done"
    dram_read_bytes: int = 0
    dram_write_bytes: int = 0
    ends: npt.NDArray[np.int64] | None = field(default=None, repr=False)


def program_address(memory_bytes: int, size: int) -> int:
    """Where the `size` bytes of a program's words lie: on the last page that leaves room for them."""
    return (memory_bytes - size) // PAGE_BYTES * PAGE_BYTES


def memory_for(*programs: Program, dram_bytes: int = 0) -> int:
    """A size of memory with room for data of `dram_bytes` and of programs, and for the words of all of them."""
    needed = max([dram_bytes, *(program.dram_bytes for program in programs)]) + PAGE_BYTES
    needed += sum(len(program) * INSTRUCTION_BYTES + PAGE_BYTES for program in programs)
    return max(DEFAULT_MEMORY_BYTES, -(-needed // PAGE_BYTES) * PAGE_BYTES)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A program that lies in a device's memory, ready to run; `Device.load` makes it.

    Attributes
    ----------
    address:
        Where its words begin.
    sections:
        What a timeline calls ranges of its instructions.
    """

    program: Program
    address: int
    sections: tuple[Section, ...] = ()


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

    _MORE_MEMORY = "open the device with a larger memory_bytes"
    """What helps when the memory is too small."""

    def __init__(self, config: Config, memory_bytes: int) -> None:
        if not PAGE_BYTES < memory_bytes <= 1 << DRAM_ADDRESS_BITS:
            raise ConfigError(
                f"memory_bytes must be between {PAGE_BYTES + 1} and {1 << DRAM_ADDRESS_BITS}, not {memory_bytes}"
            )
        self.config = config
        self.memory_bytes = memory_bytes
        self._next = PAGE_BYTES
        self._loaded: list[Loaded] = []
        self._closed = False

    @abstractmethod
    def _read(self, address: int, nbytes: int) -> npt.NDArray[np.uint8]:
        """Bytes of memory, all of which exist: a copy, or the memory itself."""

    @abstractmethod
    def _write(self, address: int, data: npt.NDArray[np.uint8]) -> None:
        """Overwrite bytes of memory, all of which exist."""

    @abstractmethod
    def _contents(self, program: Program) -> npt.NDArray[np.uint8]:
        """The memory from address 0 on, as it is before a placed program starts.

        At least the micro-ops that the program loads are there; other bytes may be missing or wrong.
        """

    @abstractmethod
    def _execute(self, loaded: Loaded, timeout: float | None, progress: Progress | None, follows: bool) -> RunResult:
        """Run a program; see `start`."""

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
        if address + nbytes > self._end:
            raise OutOfMemory(
                f"{nbytes} bytes do not fit: {max(0, self._end - address)} of {self.memory_bytes} are free; "
                f"{self._MORE_MEMORY}"
            )
        self._next = address + nbytes
        return address

    def claim(self, nbytes: int) -> None:
        """Take the first `nbytes` bytes of memory, for data whose addresses are fixed.

        Raises
        ------
        OutOfMemory:
            The memory is smaller, or some of it is allocated already.
        """
        self._require_open()
        if self._next != PAGE_BYTES or self._loaded:
            raise OutOfMemory("the device's memory is in use; open another device, or free this one's with free_all")
        if nbytes > self.memory_bytes:
            raise OutOfMemory(f"{nbytes} bytes do not fit into {self.memory_bytes}: {self._MORE_MEMORY}")
        self._next = max(PAGE_BYTES, nbytes)

    def free_all(self) -> None:
        """Forget all allocations and loaded programs; contents stay until something else is written."""
        self._next = PAGE_BYTES
        self._loaded.clear()

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
        self._require_range("write", address, source.size)
        self._write(address, source)

    def read(self, address: int, nbytes: int) -> bytes:
        """A copy of bytes of memory. Raises `BadAccess` when they reach beyond it."""
        self._require_range("read", address, nbytes)
        return self._read(address, nbytes).tobytes()

    def read_into(self, address: int, out: npt.NDArray[np.uint8]) -> None:
        """Copy bytes of memory to `out`. Raises `BadAccess` when they reach beyond the memory."""
        self._require_range("read", address, out.size)
        out[...] = self._read(address, out.size)

    def read_array(self, address: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """A copy of an array in memory, in C order. Raises `BadAccess` when it reaches beyond it."""
        kind = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(self.read(address, count * kind.itemsize), kind).reshape(shape).copy()

    def load(self, program: Program, *, check: bool = True, sections: Sequence[Section] = ()) -> Loaded:
        """Write a program's segments and words, so that `start` can run it any number of times.

        Words lie at the end of the memory, beyond the `Program.dram_bytes` of every program that is loaded, and before
        those of programs loaded earlier.

        Parameters
        ----------
        check:
            Verify the program, whose micro-ops must all be in its own segments.
        sections:
            What a timeline calls ranges of its instructions.

        Raises
        ------
        ConfigMismatch:
            The program was made for another configuration.
        OutOfMemory:
            The program needs more memory than there is.
        isa.verify.VerificationError:
            The program breaks a rule.
        """
        loaded = replace(self._placed(program), sections=tuple(sections))
        if check:
            verify(program, program_region=self._region(loaded))
        self._loaded.append(loaded)
        return loaded

    def start(
        self,
        loaded: Loaded,
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
        follows: bool = False,
    ) -> RunResult:
        """Run a loaded program and wait for its end; see `run`.

        Parameters
        ----------
        follows:
            A timeline shows the run behind those before it; else it begins anew.

        Raises
        ------
        BadAccess:
            The program is not loaded, or no longer so: `free_all` and `reset` forget it.
        DeviceFault, DeviceTimeout, DeviceLost:
            See there.
        """
        self._require_open()
        if loaded not in self._loaded:
            raise BadAccess("the program is not loaded on this device, or a reset forgot it: load it again")
        return self._execute(loaded, timeout, progress, follows)

    def run(
        self,
        program: Program,
        *,
        check: bool = True,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> RunResult:
        """Load a program, run it, wait for its end, and forget it.

        Parameters
        ----------
        check:
            Verify the program first, with the memory's contents as they are.
        timeout:
            Seconds that the run may take; without it what `open` was given. Devices fsim and timing ignore it: their
            programs are bounded, and their kernels cannot be interrupted.
        progress:
            Called while it runs, instead of what `open` was given.

        Raises
        ------
        ConfigMismatch, OutOfMemory, isa.verify.VerificationError:
            See `load`.
        DeviceFault, DeviceTimeout, DeviceLost:
            See there.
        """
        loaded = self._placed(program)
        if check:
            contents = self._contents(program)
            verify(program, dram_bytes=loaded.address, dram=contents, program_region=self._region(loaded))
        return self._execute(loaded, timeout, progress, False)

    def reset(self) -> None:
        """Bring the machine to rest, and forget all allocations and loaded programs."""
        self._require_open()
        self.free_all()

    def close(self) -> None:
        """Give back what the device holds. Harmless when it is closed."""
        if not self._closed:
            self._closed = True
            self._close()

    @property
    def _end(self) -> int:
        """Where the words of loaded programs begin."""
        return min((loaded.address for loaded in self._loaded), default=self.memory_bytes)

    def _placed(self, program: Program) -> Loaded:
        """A program whose segments and words are in memory."""
        self._require_open()
        differences = program.config.differences(self.config)
        if differences:
            raise ConfigMismatch(f"the program is for another machine than the device: {'; '.join(differences)}")
        words = program.encode()
        address = program_address(self._end, len(words))
        data_bytes = max([program.dram_bytes, *(loaded.program.dram_bytes for loaded in self._loaded)])
        if address < max(self._next, data_bytes):
            raise OutOfMemory(
                f"the program needs {program.dram_bytes} bytes and {len(words)} for its instructions besides what is "
                f"allocated; the memory has {self.memory_bytes}: {self._MORE_MEMORY}"
            )
        for segment in program.segments:
            self.write(segment.address, segment.data)
        self.write(address, words)
        return Loaded(program, address)

    @staticmethod
    def _region(loaded: Loaded) -> tuple[int, int]:
        return loaded.address, len(loaded.program) * INSTRUCTION_BYTES

    def _require_open(self) -> None:
        if self._closed:
            raise DeviceLost("the device is closed; open another")

    def _require_range(self, what: str, address: int, nbytes: int) -> None:
        self._require_open()
        if address < 0 or nbytes < 0 or address + nbytes > self.memory_bytes:
            raise BadAccess(
                f"{what} of bytes {address:#x} to {address + nbytes:#x}: the memory ends at {self.memory_bytes:#x}"
            )


class InProcessDevice(Device):
    """A device whose memory is an array in this process."""

    @property
    @abstractmethod
    def _memory(self) -> npt.NDArray[np.uint8]:
        """The memory's bytes."""

    def _read(self, address: int, nbytes: int) -> npt.NDArray[np.uint8]:
        return self._memory[address : address + nbytes]

    def _write(self, address: int, data: npt.NDArray[np.uint8]) -> None:
        self._memory[address : address + data.size] = data

    def _contents(self, program: Program) -> npt.NDArray[np.uint8]:
        return self._memory
