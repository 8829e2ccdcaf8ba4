"""The networks by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from .errors import NetworkError
from .mobilenet import mobilenetv2
from .resnet import resnet18, resnet50
from .transformer import transformer

if TYPE_CHECKING:
    import onnx


class Network(Protocol):
    """A function that makes a float model; `seed` is that of the weights, None makes them all 0."""

    def __call__(self, seed: int | None = 0, *, batch: int = 1) -> onnx.ModelProto: ...


NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        "resnet18": resnet18,
        "resnet50": resnet50,
        "mobilenetv2": mobilenetv2,
        "transformer": transformer,
    }
)


def network(name: str) -> Network:
    """The function of that name.

    Raises
    ------
    NetworkError:
        There is none.
    """
    if name not in NETWORKS:
        raise NetworkError(f"no network {name!r}; there are {', '.join(NETWORKS)}")
    return NETWORKS[name]
