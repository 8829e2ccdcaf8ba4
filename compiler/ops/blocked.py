"""A convolution as an accelerator sees it: in blocks of channels and of samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd

from dovetail.isa.config import Config
from dovetail.isa.instructions import PAD_BITS

from .shapes import Conv2dShape, MatmulShape, Pads, Pool2dShape, blocks

MAX_PADDING = (1 << PAD_BITS) - 1


@dataclass(frozen=True, kw_only=True)
class Blocked:
    """Sizes of a convolution after its groups are merged and its channels and samples rounded up to blocks.

    Attributes
    ----------
    samples:
        Blocks of `Config.batch` samples.
    groups:
        Groups that are left: each has `ic_blocks` and `oc_blocks` of its own.
    h, w:
        Rows and columns of the input.
    row_step:
        Rows of the padded input from one loaded row to the next: those between are never read.
    stride_h, dilation_h:
        In loaded rows.
    """

    samples: int
    groups: int
    ic_blocks: int
    oc_blocks: int
    h: int
    w: int
    kh: int
    kw: int
    out_h: int
    out_w: int
    row_step: int
    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pads: Pads

    def rows(self, outputs: int, taps: int) -> int:
        """Loaded rows that `outputs` rows need of `taps` rows of the kernel."""
        return (outputs - 1) * self.stride_h + (taps - 1) * self.dilation_h + 1

    def cols(self, outputs: int, taps: int) -> int:
        """The same of columns."""
        return (outputs - 1) * self.stride_w + (taps - 1) * self.dilation_w + 1

    @property
    def loaded_h(self) -> int:
        """Rows of the tensor that is loaded: all that any output needs."""
        return self.rows(self.out_h, self.kh)

    @property
    def loaded_w(self) -> int:
        return self.cols(self.out_w, self.kw)

    @property
    def steps(self) -> int:
        """Steps of the array."""
        per_output = self.ic_blocks * self.kh * self.kw
        return self.samples * self.groups * self.oc_blocks * self.out_h * self.out_w * per_output


def merged_groups(shape: Conv2dShape, config: Config) -> int:
    """How many groups to make of `shape.groups` so that the array has least to do.

    Merged groups share blocks, with zeros in the weights between channels that do not belong together: depthwise
    convolution becomes diagonal tiles.
    """

    def tiles(groups: int) -> int:
        merged = shape.groups // groups
        ic, oc = merged * shape.ic // shape.groups, merged * shape.oc // shape.groups
        return groups * blocks(ic, config.block_in) * blocks(oc, config.block_out)

    return min((n for n in range(1, shape.groups + 1) if shape.groups % n == 0), key=tiles)


def blocked_conv2d(shape: Conv2dShape, config: Config) -> Blocked:
    """`shape` in blocks."""
    groups = merged_groups(shape, config)
    stride_h, dilation_h = shape.strides[0], shape.dilation[0] if shape.kh > 1 else shape.strides[0]
    step = gcd(stride_h, dilation_h)
    return Blocked(
        samples=blocks(shape.n, config.batch),
        groups=groups,
        ic_blocks=blocks(shape.ic // groups, config.block_in),
        oc_blocks=blocks(shape.oc // groups, config.block_out),
        h=shape.h,
        w=shape.w,
        kh=shape.kh,
        kw=shape.kw,
        out_h=shape.out_h,
        out_w=shape.out_w,
        row_step=step,
        stride_h=stride_h // step,
        stride_w=shape.strides[1],
        dilation_h=dilation_h // step,
        dilation_w=shape.dilation[1],
        pads=shape.pads,
    )


def unblocked(shape: Blocked, config: Config) -> Conv2dShape:
    """A convolution that is `shape` in blocks, all of them full."""
    return Conv2dShape(
        n=shape.samples * config.batch,
        h=shape.h,
        w=shape.w,
        ic=shape.groups * shape.ic_blocks * config.block_in,
        oc=shape.groups * shape.oc_blocks * config.block_out,
        kh=shape.kh,
        kw=shape.kw,
        strides=(shape.stride_h * shape.row_step, shape.stride_w),
        pads=shape.pads,
        dilation=(shape.dilation_h * shape.row_step if shape.kh > 1 else 1, shape.dilation_w),
        groups=shape.groups,
    )


def blocked_pool2d(shape: Pool2dShape, config: Config) -> Blocked:
    """Pooling in blocks: each block of channels is a group of its own."""
    return Blocked(
        samples=blocks(shape.n, config.batch),
        groups=blocks(shape.c, config.block_in),
        ic_blocks=1,
        oc_blocks=1,
        h=shape.h,
        w=shape.w,
        kh=shape.kh,
        kw=shape.kw,
        out_h=shape.out_h,
        out_w=shape.out_w,
        row_step=1,
        stride_h=shape.strides[0],
        stride_w=shape.strides[1],
        dilation_h=1,
        dilation_w=1,
        pads=shape.pads,
    )


def pointwise(samples: int, channels: int, pixels: int, config: Config) -> Blocked:
    """An operator on single elements in blocks, over a column of pixels."""
    return blocked_pool2d(Pool2dShape(n=samples, c=channels, h=pixels, w=1, kh=1, kw=1), config)


def as_conv2d(shape: MatmulShape, config: Config) -> Conv2dShape:
    """A matmul as a convolution: `Config.batch` samples, k channels, and a column of rows."""
    return Conv2dShape(n=config.batch, h=blocks(shape.m, config.batch), w=1, ic=shape.k, oc=shape.n, kh=1, kw=1)


def grouped_matmul(shape: MatmulShape, groups: int, config: Config) -> Blocked:
    """`groups` products of their own in blocks."""
    return replace(blocked_conv2d(as_conv2d(shape, config), config), groups=groups)


def as_matmul(shape: Conv2dShape, config: Config) -> MatmulShape | None:
    """A convolution over columns that the host lays out, a row an output (im2col); None where groups forbid it.

    Several samples are filled up to whole blocks of them, so that each lane of the array has whole samples.
    """
    if shape.groups > 1:
        return None
    samples = shape.n if shape.n == 1 else blocks(shape.n, config.batch) * config.batch
    return MatmulShape(m=samples * shape.out_h * shape.out_w, n=shape.oc, k=shape.ic * shape.kh * shape.kw)


def with_host_padding(shape: Conv2dShape) -> Conv2dShape:
    """`shape` over an input that the host has padded, where LOAD cannot do it; else itself.

    LOAD has a limit, and takes something from DRAM besides: windows may step over all of a small input.
    """
    top, left, bottom, right = shape.pads
    rows = _sees(shape.h, shape.out_h, shape.kh, shape.strides[0], shape.dilation[0], top)
    cols = _sees(shape.w, shape.out_w, shape.kw, shape.strides[1], shape.dilation[1], left)
    if max(shape.pads) <= MAX_PADDING and rows and cols:
        return shape
    return replace(shape, h=shape.h + top + bottom, w=shape.w + left + right, pads=(0, 0, 0, 0))


def _sees(inputs: int, outputs: int, kernel: int, stride: int, dilation: int, before: int) -> bool:
    """Some window has an input under it that is no padding, along one axis."""
    return any(
        0 <= place * stride + tap * dilation - before < inputs for place in range(outputs) for tap in range(kernel)
    )
