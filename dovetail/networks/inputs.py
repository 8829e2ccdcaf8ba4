"""Inputs for the networks."""

from __future__ import annotations

from .registry import network
from .samples import Floats, images, sequences
from .transformer import LENGTH, WIDTH

SIZE = 224


def calibration(name: str, seed: int = 0, samples: int = 8) -> list[dict[str, Floats]]:
    """Inputs of the network, each a run's.

    Raises
    ------
    NetworkError:
        There is no such network.
    """
    network(name)
    data = sequences(seed, samples, LENGTH, WIDTH) if name == "transformer" else images(seed, SIZE, samples)
    return [{"data": data[index : index + 1]} for index in range(samples)]
