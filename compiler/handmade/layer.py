"""What a convolution is, and where its tensors lie in DRAM."""

from __future__ import annotations

from dataclasses import dataclass

from dovetail.isa.config import AXI_BOUNDARY_BYTES, Config
from dovetail.isa.instructions import PAD_BITS

MAX_PADDING = (1 << PAD_BITS) - 1


class LayerError(ValueError):
    """A layer makes no sense, or does not fit a machine."""


def blocks(total: int, block: int) -> int:
    """How many blocks hold `total`; the last may be partly filled."""
    return -(-total // block)


@dataclass(frozen=True, kw_only=True)
class Conv2d:
    """A convolution of int8 activations [n, ic, h, w] with int8 weights [oc, ic, k, k], requantised to int8.

    Parameters
    ----------
    n, h, w, ic, oc:
        Samples, rows and columns of the input, input and output channels.
    k, stride, pad:
        Rows and columns of the kernel, step, and rows and columns of zeros on each side.
    zero_point, minimum, maximum:
        Of the output, as in `Post`.

    Raises
    ------
    LayerError:
        A size is not positive, the padding not smaller than the kernel, or the kernel larger than the padded input.
    """

    n: int = 1
    h: int
    w: int
    ic: int
    oc: int
    k: int
    stride: int = 1
    pad: int = 0
    zero_point: int = 0
    minimum: int = -128
    maximum: int = 127

    def __post_init__(self) -> None:
        for name in ("n", "h", "w", "ic", "oc", "k", "stride"):
            if getattr(self, name) < 1:
                raise LayerError(f"{name} must be at least 1, not {getattr(self, name)}")
        limit = min(self.k - 1, MAX_PADDING)
        if not 0 <= self.pad <= limit:
            raise LayerError(f"pad must be between 0 and {limit} for a kernel of {self.k}, not {self.pad}")
        if self.k > min(self.h, self.w) + 2 * self.pad:
            raise LayerError(f"k must be at most the padded input ({min(self.h, self.w) + 2 * self.pad}), not {self.k}")

    @property
    def out_h(self) -> int:
        return (self.h + 2 * self.pad - self.k) // self.stride + 1

    @property
    def out_w(self) -> int:
        return (self.w + 2 * self.pad - self.k) // self.stride + 1

    @property
    def macs(self) -> int:
        """Products of the layer itself, without those with zeros that fill up blocks."""
        return self.n * self.out_h * self.out_w * self.oc * self.ic * self.k * self.k

    def batches(self, config: Config) -> int:
        return blocks(self.n, config.batch)

    def in_blocks(self, config: Config) -> int:
        return blocks(self.ic, config.block_in)

    def out_blocks(self, config: Config) -> int:
        return blocks(self.oc, config.block_out)


@dataclass(frozen=True, kw_only=True)
class Conv2dMemory:
    """Byte addresses of a layer's tensors, laid out as in `layout`, and of its micro-ops, which come last.

    Every address is a multiple of the bus's and the tensor's entry's bytes.
    """

    inp: int
    wgt: int
    param: int
    out: int
    micro_ops: int

    @classmethod
    def following(cls, config: Config, layer: Conv2d, base: int = 0) -> Conv2dMemory:
        """One tensor behind the other from byte `base` on, each at a multiple of 4 KB."""
        ocb, icb, batches = layer.out_blocks(config), layer.in_blocks(config), layer.batches(config)
        sizes = {
            "inp": batches * icb * layer.h * layer.w * config.inp_bytes,
            "wgt": ocb * icb * layer.k * layer.k * config.wgt_bytes,
            "param": ocb * config.param_bytes,
            "out": batches * ocb * layer.out_h * layer.out_w * config.out_bytes,
        }
        addresses, at = {}, _align(base)
        for name, size in sizes.items():
            addresses[name] = at
            at = _align(at + size)
        return cls(**addresses, micro_ops=at)


def _align(address: int) -> int:
    return -(-address // AXI_BOUNDARY_BYTES) * AXI_BOUNDARY_BYTES
