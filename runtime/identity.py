"""Whether the machine behind a register block is the expected one."""

from __future__ import annotations

from collections.abc import Callable

from dovetail.isa.config import Config, ConfigError
from dovetail.isa.registers import MAGIC, REGISTER_BITS, Register, config_registers

from .errors import ConfigMismatch, DeviceUnavailable


def require_machine(read_register: Callable[[int], int], config: Config) -> None:
    """Refuse a machine that is not one of `config`.

    Parameters
    ----------
    read_register:
        Gives the value of the register at a byte address.

    Raises
    ------
    DeviceUnavailable:
        What answers is no machine of ours.
    ConfigMismatch:
        The machine has another configuration, or another version of the instruction set.
    """
    _require_magic(read_register)
    low, high = read_register(Register.FINGERPRINT_LOW), read_register(Register.FINGERPRINT_HIGH)
    fingerprint = high << REGISTER_BITS | low
    if fingerprint == config.fingerprint:
        return
    differences = [
        f"{name} is {value}, not {expected}"
        for address, (name, expected) in config_registers(config).items()
        if (value := read_register(address)) != expected
    ]
    if not differences:
        raise ConfigMismatch(
            f"the machine has fingerprint {fingerprint:016x}, not {config.fingerprint:016x}, with the same "
            "configuration: its instruction set is of another version; build it again"
        )
    raise ConfigMismatch(
        f"the machine has another configuration: {'; '.join(differences)}; open the device with the machine's"
    )


def machine_config(read_register: Callable[[int], int]) -> Config:
    """The configuration that a machine says it has.

    Raises
    ------
    DeviceUnavailable:
        What answers is no machine of ours.
    ConfigMismatch:
        It has other fields than ours have, or values that cannot be.
    """
    _require_magic(read_register)
    values = {name: read_register(address) for address, (name, _) in config_registers(Config()).items()}
    try:
        return Config(**values)
    except ConfigError as error:
        raise ConfigMismatch(f"the machine says of itself what cannot be ({error}); build it again") from None


def _require_magic(read_register: Callable[[int], int]) -> None:
    magic = read_register(Register.MAGIC)
    if magic != MAGIC:
        raise DeviceUnavailable(
            f"no machine answers: register {Register.MAGIC:#x} reads {magic:#010x}, not {MAGIC:#010x}; "
            "load the machine into the device first"
        )
