"""Arrays for modules: NumPy's, in the host's memory, whatever device they are meant for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from dovetail.runtime.context import Context


def empty(
    shape: int | tuple[int, ...], dtype: npt.DTypeLike = "float32", ctx: Context | None = None
) -> npt.NDArray[Any]:
    """An array of this shape, with arbitrary contents; `ctx` is where the data that goes into it comes from."""
    return np.empty(shape, dtype)


def array(data: npt.ArrayLike, dtype: npt.DTypeLike | None = None, ctx: Context | None = None) -> npt.NDArray[Any]:
    """A row-major copy of `data`; `ctx` is where it will go."""
    return np.array(data, dtype, order="C")
