"""Attributes of operators whose windows slide over the spatial axes."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.compiler.frontend.onnx.context import NodeContext
from dovetail.compiler.frontend.onnx.limits import Unsupported, check_shape
from dovetail.compiler.graph.types import TensorType

AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Window:
    """Where the windows are, with an entry a spatial axis.

    Attributes
    ----------
    begin, end:
        Padding.
    same:
        The padding is such that there are as many windows as steps fit into the data.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int, ...]
    end: tuple[int, ...]
    same: bool

    @property
    def spans(self) -> tuple[int, ...]:
        """Places from the first to the last that a window sees."""
        return tuple((kernel - 1) * step + 1 for kernel, step in zip(self.kernel, self.dilations, strict=True))

    def outputs(self, spatial: tuple[int, ...], ceil: bool) -> tuple[int, ...]:
        """How many windows there are. With `ceil` the last may reach beyond the padding, but not begin there."""
        found = []
        for size, span, stride, begin, end in zip(spatial, self.spans, self.strides, self.begin, self.end, strict=True):
            room = size + begin + end - span
            count = (-(-room // stride) if ceil else room // stride) + 1
            if ceil and (count - 1) * stride >= size + begin:
                count -= 1
            if count < 1:
                raise Unsupported(f"a window of {span} is larger than the padded data of {size + begin + end}")
            found.append(count)
        return tuple(found)


def window(ctx: NodeContext, data: TensorType, kernel: tuple[int, ...]) -> Window:
    """The node's window over the spatial axes of its data.

    Raises
    ------
    Unsupported:
        The attributes make no sense.
    FrontendError:
        Padding makes the data larger than any tensor may be.
    """
    spatial = data.shape[2:]
    axes = len(spatial)
    strides = positive(ctx, "strides", (1,) * axes)
    dilations = positive(ctx, "dilations", (1,) * axes)
    pads = ctx.integers("pads", (0,) * (2 * axes))
    if len(kernel) != axes or min(kernel, default=0) < 1:
        raise Unsupported(f"kernel_shape {list(kernel)} does not fit {axes} spatial axes")
    if len(pads) != 2 * axes or min(pads, default=0) < 0:
        raise Unsupported(f"pads {list(pads)} must be {2 * axes} numbers of at least 0")
    ctx.reject("auto_pad", *AUTO_PADS, "")
    auto = ctx.text("auto_pad", "NOTSET") or "NOTSET"
    padded = (sum(sizes) for sizes in zip(spatial, pads[:axes], pads[axes:], strict=True))
    check_shape((*data.shape[:2], *padded), data.numpy.itemsize, "the padded data")
    found = Window(kernel, strides, dilations, pads[:axes], pads[axes:], auto.startswith("SAME"))
    if auto == "NOTSET":
        return found
    begin, end = [], []
    for size, span, stride in zip(spatial, found.spans, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + span - size) if found.same else 0
        small, large = total // 2, total - total // 2
        begin.append(small if auto == "SAME_UPPER" else large)
        end.append(large if auto == "SAME_UPPER" else small)
    return Window(kernel, strides, dilations, tuple(begin), tuple(end), found.same)


def positive(ctx: NodeContext, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """An attribute with a number of at least 1 for each spatial axis."""
    given = ctx.integers(name, default) or default
    if len(given) != len(default) or min(given, default=1) < 1:
        raise Unsupported(f"{name} {list(given)} must be {len(default)} numbers of at least 1")
    return given
