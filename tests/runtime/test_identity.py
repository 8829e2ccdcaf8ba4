"""A machine of another configuration is refused by the fields that differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from dovetail import runtime
from dovetail.isa.config import Config, load_config
from dovetail.isa.registers import Register, config_registers
from dovetail.runtime import ConfigMismatch, DeviceUnavailable, rtl
from dovetail.runtime.identity import require_machine

TINY = load_config("tiny")


def registers(config: Config, **others: int) -> dict[int, int]:
    """What a machine of `config` reads, but for the registers that are named."""
    values = {
        Register.MAGIC: int.from_bytes(b"DVTL", "little"),
        Register.FINGERPRINT_LOW: config.fingerprint % 2**32,
        Register.FINGERPRINT_HIGH: config.fingerprint // 2**32,
    }
    fields = {address: value for address, (_, value) in config_registers(config).items()}
    return values | fields | {Register[name]: value for name, value in others.items()}


def test_a_machine_of_the_configuration_is_accepted() -> None:
    require_machine(registers(TINY).__getitem__, TINY)


def test_a_field_that_differs_is_named() -> None:
    other = dataclasses.replace(TINY, mul_stages=TINY.mul_stages + 1)
    message = f"another configuration: mul_stages is {other.mul_stages}, not {TINY.mul_stages}; open the device with"
    with pytest.raises(ConfigMismatch, match=message):
        require_machine(registers(other).__getitem__, TINY)


@pytest.mark.parametrize("half", ["FINGERPRINT_LOW", "FINGERPRINT_HIGH"])
def test_another_instruction_set_is_refused(half: str) -> None:
    changed = registers(TINY)[Register[half]] ^ 1
    with pytest.raises(ConfigMismatch, match="its instruction set is of another version"):
        require_machine(registers(TINY, **{half: changed}).__getitem__, TINY)


def test_what_is_no_machine_is_refused() -> None:
    with pytest.raises(DeviceUnavailable, match="register 0x0 reads 0xffffffff, not 0x4c545644"):
        require_machine(lambda address: 0xFFFFFFFF, TINY)


@pytest.mark.rtl
def test_the_real_machine_tells_its_own() -> None:
    other = dataclasses.replace(TINY, queue_depth=2 * TINY.queue_depth)
    with runtime.open("rtl", config=TINY, memory_bytes=1 << 16) as device:
        assert isinstance(device, rtl.RtlDevice)
        require_machine(device.read_register, TINY)
        message = f"queue_depth is {TINY.queue_depth}, not {other.queue_depth};"
        with pytest.raises(ConfigMismatch, match=message):
            require_machine(device.read_register, other)


@pytest.mark.rtl
def test_a_simulator_of_another_machine_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    build: Callable[..., object] = rtl.build
    other = dataclasses.replace(TINY, queue_depth=2 * TINY.queue_depth)
    monkeypatch.setattr(rtl, "build", lambda config, *rest: build(TINY, *rest))
    with pytest.raises(ConfigMismatch, match="queue_depth"):
        runtime.open("rtl", config=other, memory_bytes=1 << 16)
