"""What the verifier refuses: the rules by name, and the error that says which one was broken where."""

from __future__ import annotations

from ..disassembler import format_instruction
from ..instructions import Instruction

RULES = {
    "encoding": "Every field of every instruction is legal.",
    "finish": "FINISH is the last instruction, and there is no other.",
    "post-bounds": "POST's minimum is not above its maximum.",
    "deadlock": (
        "Every instruction is reached and gets its tokens, although fetch hands instructions out in order and at most "
        "queue_depth wait in front of each unit."
    ),
    "leftover": "At FINISH no token is left in a queue.",
    "overflow": "In no interleaving of the units does a queue hold more than token_depth tokens.",
    "buffer-range": "Every entry that an instruction touches exists; no index wraps.",
    "dram-range": "Every byte of DRAM that an instruction touches exists, residuals included; no address wraps.",
    "program-region": "No STORE writes into the program's own instructions.",
    "micro-ops": "A kernel's micro-ops are known before the program runs: from its segments or a DRAM image.",
    "undefined": "An instruction reads only entries of buffers that the program has written before.",
    "unset": "PARAM and POST come before the first STORE that needs them.",
    "residual": "The rows of a STORE with residual do not overlap, nor does one overlap another's residual.",
    "race": (
        "Tokens order any two accesses of different units to one entry of a buffer or one byte of DRAM, unless both "
        "are reads."
    ),
}


class VerificationError(ValueError):
    """A program breaks a rule.

    Attributes
    ----------
    rule:
        The rule's name in `RULES`.
    index:
        The instruction that breaks it; None when it is the program as a whole.
    """

    def __init__(self, rule: str, what: str, index: int | None = None, instruction: Instruction | None = None) -> None:
        self.rule = rule
        self.index = index
        assert rule in RULES
        super().__init__(what if index is None or instruction is None else f"{name(index, instruction)}: {what}")


def name(index: int, instruction: Instruction) -> str:
    """How messages name an instruction: its index and its text."""
    return f"instruction {index} ({format_instruction(instruction)})"
