"""Dense layers, embeddings, and layers that only training needs."""

from __future__ import annotations

from ..registry import Call, Unsupported, layer, operation
from ..writer import Tensor
from .activations import activated

TRAINING_ONLY = (
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "RandomBrightness",
    "RandomContrast",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
)
"""What is the identity once a model is trained."""


@layer(*TRAINING_ONLY, any_type=True)
@operation("Identity", any_type=True)
def identity(call: Call, x: Tensor) -> Tensor:
    return x


@layer("Dense")
def dense(call: Call, x: Tensor) -> Tensor:
    given = call.writer.last(x)
    kernel, bias = call.weight("kernel"), call.layer.bias is not None
    if x.rank == 2:
        operands = [given.name, call.constant(kernel.T, "kernel")]
        if bias:
            operands.append(call.constant(call.weight("bias"), "bias"))
        return activated(call, call.node("Gemm", *operands, transB=1))
    value = call.node("MatMul", given.name, call.constant(kernel, "kernel"))
    if bias:
        value = call.node("Add", value, call.constant(call.weight("bias"), "bias"))
    return activated(call, value)


@layer("Embedding", any_type=True)
def embedding(call: Call, x: Tensor) -> Tensor:
    if call.layer.mask_zero:
        raise Unsupported("masks zeros (mask_zero), and masks are not supported")
    indices = call.writer.last(x).name
    if x.dtype not in ("int32", "int64"):
        indices = call.node("Cast", indices, to=6)
    return call.result(call.node("Gather", call.constant(call.weight("embeddings"), "embeddings"), indices, axis=0))
