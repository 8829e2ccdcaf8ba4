"""What a run of a network tells: the object behind the table by layer and the JSON file."""

from __future__ import annotations

from dataclasses import dataclass

from .result import Result


@dataclass(frozen=True, kw_only=True)
class LayerResult:
    """An operator of a network. What a device does not know is None.

    Attributes
    ----------
    name:
        Of its output.
    op:
        The operator.
    origin:
        Nodes of the model that it came from.
    device:
        ``accelerator`` or ``cpu``.
    reason:
        Why it is not on the accelerator, if so.
    utilization:
        As of `Result`.
    """

    name: str
    op: str
    origin: tuple[str, ...]
    device: str
    reason: str
    macs: int
    cycles: int | None
    utilization: float | None
    dram_read_bytes: int | None
    dram_write_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How the int8 tensors of a network differ from ONNX Runtime's on the same model.

    Attributes
    ----------
    tensors:
        How many were compared.
    max_steps:
        The largest difference of an element, in steps of its quantisation.
    worst:
        The tensor that has it.
    fraction:
        The share of elements that differ at all, in the tensor that has most.
    """

    tensors: int
    max_steps: int
    worst: str
    fraction: float


@dataclass(frozen=True, kw_only=True)
class NetworkResult(Result):
    """One network on one device.

    `macs` are all of the network's, `utilization` counts those on the accelerator, and `compile_seconds` is the
    compiler's work on the imported model.

    Attributes
    ----------
    accelerated_macs:
        Those on the accelerator.
    launches:
        How often the accelerator was started.
    onnxruntime:
        None where the model has no int8 tensors.
    """

    accelerated_macs: int
    launches: int
    layers: tuple[LayerResult, ...]
    onnxruntime: Agreement | None
