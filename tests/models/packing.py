"""Tensors as the machine wants them in DRAM, and back, written without the compiler."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.config import PARAM_RECORD_BYTES, Config

PARAM_RECORD = np.dtype(
    {
        "names": ["bias", "multiplier", "shift"],
        "formats": ["<i4", "<i4", "u1"],
        "offsets": [0, 4, 8],
        "itemsize": PARAM_RECORD_BYTES,
    }
)


def blocks(total: int, block: int) -> int:
    return -(-total // block)


def pack_activations(tensor: NDArray[np.int8], batch: int, block: int) -> NDArray[np.int8]:
    """int8 [n, c, h, w] as [n/batch, c/block, h, w, batch, block], filled up with zeros."""
    n, c, h, w = tensor.shape
    full = np.zeros((blocks(n, batch) * batch, blocks(c, block) * block, h, w), np.int8)
    full[:n, :c] = tensor
    split = full.reshape(blocks(n, batch), batch, blocks(c, block), block, h, w)
    return np.ascontiguousarray(split.transpose(0, 2, 4, 5, 1, 3))


def unpack_activations(packed: NDArray[np.int8], n: int, c: int) -> NDArray[np.int8]:
    """The inverse of `pack_activations`: the first `n` samples and `c` channels."""
    batches, cb, h, w, batch, block = packed.shape
    full = packed.transpose(0, 4, 1, 5, 2, 3).reshape(batches * batch, cb * block, h, w)
    return np.ascontiguousarray(full[:n, :c])


def pack_weights(tensor: NDArray[np.int8], config: Config) -> NDArray[np.int8]:
    """int8 [oc, ic, k, k] as [oc/block_out, ic/block_in, k, k, block_out, block_in], filled up with zeros."""
    oc, ic, kh, kw = tensor.shape
    ocb, icb = blocks(oc, config.block_out), blocks(ic, config.block_in)
    full = np.zeros((ocb * config.block_out, icb * config.block_in, kh, kw), np.int8)
    full[:oc, :ic] = tensor
    split = full.reshape(ocb, config.block_out, icb, config.block_in, kh, kw)
    return np.ascontiguousarray(split.transpose(0, 2, 4, 5, 1, 3))


def pack_params(
    bias: NDArray[np.int32], multiplier: NDArray[np.int32], shift: NDArray[np.uint8], config: Config
) -> NDArray[np.uint8]:
    """Records of `Param`, one an output channel, filled up with zeros to whole blocks."""
    records = np.zeros(blocks(len(bias), config.block_out) * config.block_out, PARAM_RECORD)
    for name, values in (("bias", bias), ("multiplier", multiplier), ("shift", shift)):
        records[name][: len(values)] = values
    return records.view(np.uint8)
