"""Random programs: legal ones that reach every mechanism, damaged ones, and the smallest that still fail."""

from .generate import FuzzCase, random_program
from .mutate import mutate
from .shrink import shrink

__all__ = ["FuzzCase", "mutate", "random_program", "shrink"]
