"""What can go wrong on a device. Every message is one line: what, where, and the way out."""

from __future__ import annotations


class DeviceError(Exception):
    """A device could not do what it was asked. Subclasses say why."""


class DeviceFault(DeviceError):
    """The machine stopped a program. The device can be used again.

    Attributes
    ----------
    cause:
        Name of the cause, lower case: `isa.registers.Cause` on RTL.
    unit, index, disassembly:
        Which unit, the instruction's place in the program and its text; None where that is not known.
    """

    def __init__(
        self,
        cause: str,
        *,
        unit: str | None = None,
        index: int | None = None,
        disassembly: str | None = None,
        hint: str,
    ) -> None:
        self.cause, self.unit, self.index, self.disassembly = cause, unit, index, disassembly
        where = f" in {unit}" if unit is not None else ""
        where += f" at instruction {index}" if index is not None else ""
        where += f" ({disassembly})" if disassembly is not None else ""
        super().__init__(f"the machine stopped: {cause}{where}; {hint}")


class DeviceTimeout(DeviceError):
    """A program took longer than it may."""


class DeviceLost(DeviceError):
    """The device is gone: its process ended, or it was closed. Open another."""


class DeviceUnavailable(DeviceError):
    """The device cannot be opened."""


class OutOfMemory(DeviceError):
    """The device's memory is too small."""


class BadAccess(DeviceError):
    """Bytes outside the device's memory were read or written, or a buffer on the chip with data of a wrong shape."""


class ConfigMismatch(DeviceError):
    """A program was made for another configuration than the device has, or the device's machine is not of the
    configuration it was opened with. The message names the fields that differ."""
