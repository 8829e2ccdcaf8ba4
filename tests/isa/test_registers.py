"""The register block's map."""

from __future__ import annotations

from dovetail.isa.config import load_config
from dovetail.isa.registers import REGISTER_SPACE, Counter, Register, config_registers, counter_address


def test_registers_are_words_of_the_block_and_no_two_share_one():
    fields = list(config_registers(load_config("default")))
    addresses = [*map(int, Register), *map(counter_address, Counter), *fields]
    assert len(set(addresses)) == len(Register) + len(Counter) + len(fields)
    assert all(address % 4 == 0 and 0 <= address < REGISTER_SPACE for address in addresses)
