"""The static verifier: `verify` accepts a program or says, in one line, which rule it breaks where."""

from .errors import RULES, VerificationError
from .verifier import verify

__all__ = ["RULES", "VerificationError", "verify"]
