"""From schedules to loop programs."""

from __future__ import annotations

from .errors import LoweringError, TensorizeError
from .lowering import lower

__all__ = ["LoweringError", "TensorizeError", "lower"]
