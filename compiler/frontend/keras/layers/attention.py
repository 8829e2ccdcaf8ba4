"""Attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..registry import Call, Unsupported, layer
from ..writer import Tensor

ARGUMENTS = ("query", "value", "key")
FORBIDDEN = -1e9
"""What is added to a score that does not count; its exponential is 0."""


@layer("MultiHeadAttention")
def multi_head_attention(call: Call, x: Tensor) -> Tensor:
    one = call.layer
    given = {name: call.arguments.get(name, call.arguments.get(place)) for place, name in enumerate(ARGUMENTS)}
    given["key"] = given["key"] or given["value"]
    tensors = [given[name] for name in ARGUMENTS]
    for name in ("query_mask", "value_mask", "key_mask", "attention_mask", "return_attention_scores"):
        if call.arguments.get(name) is not None and call.arguments.get(name) is not False:
            raise Unsupported(f"is called with {name}; supported: query, value, key, use_causal_mask")
    if not all(isinstance(tensor, Tensor) and tensor.rank == 3 for tensor in tensors):
        raise Unsupported("supported: of tensors of three axes")
    query, value, key = (call.writer.last(tensor) for tensor in tensors)
    scale = 1 / np.sqrt(float(one.key_dim))
    asked = _heads(call, query, one._query_dense, "query", (0, 2, 1, 3))
    asked = call.node("Mul", asked, call.constant(scale, "scale"))
    scores = call.node("MatMul", asked, _heads(call, key, one._key_dense, "key", (0, 2, 3, 1)))
    if call.arguments.get("use_causal_mask"):
        later = np.triu(np.full((query.shape[1], key.shape[1]), FORBIDDEN, np.float32), 1)
        scores = call.node("Add", scores, call.constant(later, "causal_mask"))
    shares = call.node("Softmax", scores, axis=-1)
    seen = call.node("MatMul", shares, _heads(call, value, one._value_dense, "value", (0, 2, 1, 3)))
    kernel = call.weight("kernel", one._output_dense.kernel)
    together = call.writer.reshape(
        call.node("Transpose", seen, perm=[0, 2, 1, 3]), (*query.shape[:2], kernel.shape[0] * kernel.shape[1])
    )
    return call.result(_projected(call, together, one._output_dense, "output", kernel.reshape(-1, kernel.shape[-1])))


def _heads(call: Call, x: Tensor, dense: Any, name: str, order: tuple[int, ...]) -> str:
    """A projection [n, length, heads, size] with its axes in another order."""
    kernel = call.weight("kernel", dense.kernel)
    flat = _projected(call, x.name, dense, name, kernel.reshape(kernel.shape[0], -1))
    return call.node("Transpose", call.writer.reshape(flat, (*x.shape[:2], *kernel.shape[1:])), perm=list(order))


def _projected(call: Call, x: str, dense: Any, name: str, kernel: np.ndarray) -> str:
    value = call.node("MatMul", x, call.constant(kernel, f"{name}/kernel"), name=name)
    if dense.bias is None:
        return value
    bias = call.weight("bias", dense.bias).reshape(-1)
    return call.node("Add", value, call.constant(bias, f"{name}/bias"), name=f"{name}_biased")
