"""Memory for the buffers that a program allocates: the stack for small ones, the caller's workspace for large ones."""

from __future__ import annotations

from dataclasses import dataclass

ALIGNMENT = 64
"""Of every allocated buffer, in bytes: a cache line, and the widest vector."""
STACK_BUFFER_BYTES = 64 * 1024
STACK_BYTES = 256 * 1024
"""The largest buffer on the stack, and all of one function together."""
MAIN_BYTES = "workspace_main"
WORKER_BYTES = "workspace_worker"
"""Constants of a module: bytes of workspace of the calling thread, and after it of each thread of a parallel loop."""


@dataclass
class Arena:
    """Places in a piece of workspace; what is released last is reused first.

    Attributes
    ----------
    used, peak:
        Bytes taken now, and at most so far.
    """

    used: int = 0
    peak: int = 0

    def take(self, size: int) -> int:
        """The offset of `size` bytes more, until `used` is set back."""
        begin = self.used
        self.used += -(-size // ALIGNMENT) * ALIGNMENT
        self.peak = max(self.peak, self.used)
        return begin
