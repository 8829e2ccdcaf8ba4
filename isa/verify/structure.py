"""Rules that look at one instruction, or at the order of a few, without tokens."""

from __future__ import annotations

from collections.abc import Sequence

from ..config import Config
from ..instructions import Finish, Format, Instruction, Param, Post, Store
from ..layout import EncodingError
from .errors import VerificationError


def check_encodings(instructions: Sequence[Instruction], config: Config) -> None:
    """Rule ``encoding``."""
    seen: set[Instruction] = set()
    for index, instruction in enumerate(instructions):
        if instruction in seen:
            continue
        try:
            instruction.check(config)
        except EncodingError as error:
            raise VerificationError("encoding", str(error), index, instruction) from None
        seen.add(instruction)


def check_finish(instructions: Sequence[Instruction]) -> None:
    """Rule ``finish``."""
    for index, instruction in enumerate(instructions):
        if isinstance(instruction, Finish) and index != len(instructions) - 1:
            behind = len(instructions) - 1 - index
            raise VerificationError("finish", f"{behind} instructions follow; it must be the last", index, instruction)
    if not instructions or not isinstance(instructions[-1], Finish):
        what = f"none of the {len(instructions)} instructions is FINISH; it must be the last"
        raise VerificationError("finish", what)


def check_post(instructions: Sequence[Instruction]) -> None:
    """Rules ``post-bounds`` and ``unset``. Param, Post and Store run in one unit, so program order is theirs."""
    param = post = False
    for index, instruction in enumerate(instructions):
        match instruction:
            case Param():
                param = True
            case Post():
                post = True
                low, high = instruction.minimum, instruction.maximum
                if low > high:
                    what = f"minimum is {low}, above maximum, which is {high}"
                    raise VerificationError("post-bounds", what, index, instruction)
            case Store() if instruction.format == Format.OUT and not (param and post):
                needed = "PARAM" if not param else "POST"
                raise VerificationError("unset", f"no {needed} comes before it; out needs one", index, instruction)
