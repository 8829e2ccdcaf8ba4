"""What operators compute, in numbers: sizes, strides and padding, whatever the target."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import OperatorError

Pads = tuple[int, int, int, int]
"""Rows and columns of padding: top, left, bottom, right."""


def blocks(total: int, block: int) -> int:
    """How many blocks hold `total`; the last may be partly filled."""
    return -(-total // block)


def positive(what: str, **sizes: int) -> None:
    """
    Raises
    ------
    OperatorError:
        A size of `what` is below 1.
    """
    for name, size in sizes.items():
        if size < 1:
            raise OperatorError(f"{what}: {name} must be at least 1, not {size}")


def _window(what: str, inputs: int, kernel: int, stride: int, dilation: int, before: int, after: int, axis: str) -> int:
    """Outputs along one axis of a window that slides over padded inputs."""
    if before < 0 or after < 0:
        raise OperatorError(f"{what}: pads of {axis} must be at least 0, not {before} and {after}")
    seen = (kernel - 1) * dilation + 1
    padded = inputs + before + after
    if seen > padded:
        raise OperatorError(
            f"{what}: the kernel spans {seen} {axis} but the padded input has {padded}; use a smaller kernel or "
            "dilation, or more padding"
        )
    return (padded - seen) // stride + 1


@dataclass(frozen=True, kw_only=True)
class Conv2dShape:
    """A convolution of [n, ic, h, w] with [oc, ic / groups, kh, kw], giving [n, oc, out_h, out_w].

    Parameters
    ----------
    n, h, w, ic, oc, kh, kw:
        Samples, rows and columns of the input, input and output channels, rows and columns of the kernel.
    strides, dilation:
        Of rows and columns.
    pads:
        Zeros at the top, left, bottom and right.
    groups:
        Output channels of a group see only the input channels of the same group.

    Raises
    ------
    OperatorError:
        A size is not positive, channels are no multiple of the groups, or the kernel is larger than the padded input.
    """

    n: int = 1
    h: int
    w: int
    ic: int
    oc: int
    kh: int
    kw: int
    strides: tuple[int, int] = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        positive("conv2d", n=self.n, h=self.h, w=self.w, ic=self.ic, oc=self.oc, kh=self.kh, kw=self.kw)
        for name, (rows, cols) in (("stride", self.strides), ("dilation", self.dilation)):
            positive("conv2d", **{f"{name} of rows": rows, f"{name} of columns": cols})
        positive("conv2d", groups=self.groups)
        for name, channels in (("ic", self.ic), ("oc", self.oc)):
            if channels % self.groups:
                raise OperatorError(f"conv2d: {name}={channels} must be a multiple of groups={self.groups}")
        _ = self.out_h, self.out_w

    @property
    def out_h(self) -> int:
        top, _, bottom, _ = self.pads
        return _window("conv2d", self.h, self.kh, self.strides[0], self.dilation[0], top, bottom, "rows")

    @property
    def out_w(self) -> int:
        _, left, _, right = self.pads
        return _window("conv2d", self.w, self.kw, self.strides[1], self.dilation[1], left, right, "columns")

    @property
    def macs(self) -> int:
        """Products of the layer itself, without those with zeros that fill up blocks."""
        return self.n * self.out_h * self.out_w * self.oc * (self.ic // self.groups) * self.kh * self.kw


@dataclass(frozen=True, kw_only=True)
class MatmulShape:
    """[m, k] times the transpose of [n, k], giving [m, n].

    Raises
    ------
    OperatorError:
        A size is not positive.
    """

    m: int
    n: int
    k: int

    def __post_init__(self) -> None:
        positive("matmul", m=self.m, n=self.n, k=self.k)

    @property
    def macs(self) -> int:
        return self.m * self.n * self.k


@dataclass(frozen=True, kw_only=True)
class Pool2dShape:
    """Windows of kh x kw over each channel of [n, c, h, w], giving [n, c, out_h, out_w].

    Raises
    ------
    OperatorError:
        A size is not positive, the padding not smaller than the window, or the window larger than the padded input.
    """

    n: int = 1
    c: int
    h: int
    w: int
    kh: int
    kw: int
    strides: tuple[int, int] = (1, 1)
    pads: Pads = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        positive("pool2d", n=self.n, c=self.c, h=self.h, w=self.w, kh=self.kh, kw=self.kw)
        positive("pool2d", **{"stride of rows": self.strides[0], "stride of columns": self.strides[1]})
        top, left, bottom, right = self.pads
        for axis, kernel, before, after in (("rows", self.kh, top, bottom), ("columns", self.kw, left, right)):
            if max(before, after) >= kernel:
                raise OperatorError(
                    f"pool2d: pads of {axis} must be smaller than the window of {kernel}, not {before} and {after}"
                )
        _ = self.out_h, self.out_w

    @property
    def out_h(self) -> int:
        return _window("pool2d", self.h, self.kh, self.strides[0], 1, self.pads[0], self.pads[2], "rows")

    @property
    def out_w(self) -> int:
        return _window("pool2d", self.w, self.kw, self.strides[1], 1, self.pads[1], self.pads[3], "columns")
