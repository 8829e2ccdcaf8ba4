"""The networks in int8: quantised once, then kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from dovetail.isa.cache import read_object, write_object
from dovetail.isa.progress import Progress, silent

from .errors import require
from .inputs import calibration
from .registry import network

if TYPE_CHECKING:
    import onnx

KIND = "networks"
SAMPLES = 16


def quantised(
    name: str,
    seed: int = 0,
    *,
    samples: int = SAMPLES,
    per_channel: bool = True,
    symmetric: bool = True,
    progress: Progress = silent,
) -> onnx.ModelProto:
    """The network of that name as a QDQ model, from the cache if it was made there before by the same code.

    Parameters
    ----------
    seed:
        Of the weights and of the calibration data.
    samples:
        How many inputs calibrate.
    per_channel, symmetric:
        As of `quantise`.

    Raises
    ------
    NetworkError:
        There is no such network, or a package that it takes is not installed.
    """
    make = network(name)
    require("onnx", "onnxruntime")
    import onnx

    from dovetail.compiler.frontend.quantising import quantise

    key = _key(name, str(seed), str(samples), str(per_channel), str(symmetric))
    kept = read_object(KIND, key)
    if kept is not None:
        model = onnx.ModelProto()
        model.ParseFromString(kept)
        return model
    progress(f"{name}: making the network", 0, 0)
    model = make(seed)
    result: onnx.ModelProto = quantise(
        model,
        calibration(name, seed, samples),
        per_channel=per_channel,
        symmetric=symmetric,
        progress=partial(progress, f"{name}: quantising"),
    )
    write_object(KIND, key, result.SerializeToString())
    return result


def _key(*arguments: str) -> str:
    """A digest of all that decides what comes out: arguments, packages, and the code in front of it."""
    digest = hashlib.sha256()
    packages = [f"{package} {version(package)}" for package in ("numpy", "onnx", "onnxruntime")]
    for text in (*arguments, *packages):
        digest.update(text.encode() + b"\0")
    for path in _sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    here = Path(__file__).parent
    yield from sorted(here.glob("*.py"))
    yield here.parent / "compiler" / "frontend" / "quantising.py"
