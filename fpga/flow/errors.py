"""Why there is no bitstream, or none to be used. Messages are one line."""

from __future__ import annotations


class FlowError(Exception):
    """A build failed."""


class ToolMissing(FlowError):
    """A tool is not installed."""


class ToolFailed(FlowError):
    """A tool ended without what it was to make."""


class CapacityError(FlowError):
    """The design is larger than the device."""
