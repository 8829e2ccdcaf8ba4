"""What goes wrong with native code."""

from __future__ import annotations


class NativeError(ValueError):
    """Code that cannot run here. The message is one line."""
