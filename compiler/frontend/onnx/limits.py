"""What a model may ask for. All is checked before anything is allocated."""

from __future__ import annotations

from math import prod

from dovetail.compiler.frontend.errors import FrontendError
from dovetail.compiler.graph.types import TensorType

MAX_BYTES = 2**31
"""Of a file, of one tensor, and of all weights and constants together."""
MAX_RANK = 32
"""Axes of a tensor; NumPy has at most 64."""
MAX_NODES = 100_000
"""Nodes that are visited, with those in functions and in loops that are unrolled."""
MAX_DEPTH = 24
"""Functions and subgraphs inside one another."""
FOLDED_BYTES = 2**24
"""A result that is known but larger is computed when the model runs."""
MAX_FOLDED_BYTES = 2**28
"""So are all others, once those that were computed have as many bytes together."""


class Unsupported(Exception):
    """Raised where a node is read: why it is not supported, and what would be.

    Attributes
    ----------
    values:
        Names of the values whose contents would have to be known.
    """

    def __init__(self, reason: str, values: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.values = values


class LimitExceeded(FrontendError):
    """The model as a whole asks for too much; nothing more is imported of it."""


def check_shape(shape: tuple[int, ...], itemsize: int, what: str) -> None:
    """Refuses a shape that no tensor should have.

    Raises
    ------
    FrontendError:
        It has a negative extent, too many axes, or too many bytes.
    """
    if len(shape) > MAX_RANK:
        raise FrontendError(f"{what} has {len(shape)} axes; at most {MAX_RANK} are allowed")
    if any(extent < 0 for extent in shape):
        raise FrontendError(f"{what} has the shape {list(shape)}; extents are at least 0")
    nbytes = prod(shape) * itemsize
    if nbytes > MAX_BYTES:
        raise FrontendError(f"{what} has the shape {list(shape)} and {nbytes} bytes; at most {MAX_BYTES} are allowed")


def check_type(kind: TensorType, what: str) -> None:
    """`check_shape` of a type."""
    check_shape(kind.shape, kind.numpy.itemsize, what)
