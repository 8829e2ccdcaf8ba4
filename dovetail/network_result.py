"""What a run of a network tells: the object behind the table by layer and the JSON file."""

from __future__ import annotations

from dataclasses import dataclass

from .result import Result

ACCELERATOR = "accelerator"


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
    seconds:
        Of operators on the CPU.
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
    seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How the int8 tensors of a network differ from ONNX Runtime's on the same model, in steps of their quantisation.

    Attributes
    ----------
    tensors:
        How many were compared.
    max_steps, worst, fraction:
        Of each layer on ONNX Runtime's own operands: the largest difference of an element, the tensor that has it, and
        the share of elements that differ at all, in the tensor that has most.
    chained_max_steps, chained_fraction:
        The same of whole runs beside each other, in which a step in one element becomes many in the layers behind it.
    """

    tensors: int
    max_steps: int
    worst: str
    fraction: float
    chained_max_steps: int
    chained_fraction: float


@dataclass(frozen=True, kw_only=True)
class NetworkResult(Result):
    """One network on one device.

    `macs` are all of the network's, `utilization` counts those on the accelerator, `tensor_bytes` those of inputs,
    weights and outputs, and `compile_seconds` is the compiler's work on the imported model. `exact` and `max_abs_error`
    are None where there was nothing to compare with.

    Attributes
    ----------
    accelerated_macs:
        Those on the accelerator.
    launches:
        How often the accelerator was started.
    onnxruntime:
        Or why nothing was compared.
    """

    accelerated_macs: int
    launches: int
    layers: tuple[LayerResult, ...]
    onnxruntime: Agreement | str
