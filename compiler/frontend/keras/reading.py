"""Keras itself, and files of its models."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import zipfile
from math import prod
from pathlib import Path
from typing import Any

from dovetail.compiler.frontend.errors import FrontendError

MAX_BYTES = 2**31
"""Of all members of a file, unpacked: ONNX models hold no more."""
CONFIG = "config.json"
WEIGHTS = ("model.weights.h5", "model.weights.npz")


def load_keras() -> Any:
    """The package Keras 3. Where no backend is chosen and TensorFlow is not there, with another one that is.

    Raises
    ------
    FrontendError:
        It is not installed, or has no backend, or is too old.
    """
    chosen = "KERAS_BACKEND" in os.environ or "keras" in sys.modules
    # Keras computes with JAX where its backend is NumPy.
    backends = {"tensorflow": "tensorflow", "jax": "numpy", "torch": "torch"}
    installed = [backend for package, backend in backends.items() if not chosen and importlib.util.find_spec(package)]
    if installed:
        os.environ["KERAS_BACKEND"] = installed[0]
    try:
        keras: Any = importlib.import_module("keras")
    except ImportError as error:
        raise FrontendError(
            f"Keras cannot be imported ({error}); pip install dovetail[models] installs it with a backend"
        ) from None
    finally:
        if installed:
            del os.environ["KERAS_BACKEND"]
    if int(keras.__version__.split(".")[0]) < 3:
        raise FrontendError(f"Keras {keras.__version__} is too old; pip install dovetail[models] installs Keras 3")
    return keras


def read_model(keras: Any, path: Path) -> Any:
    """The model in a ``.keras`` file. No code of the file is run.

    Raises
    ------
    FrontendError:
        It is no such file, is damaged, holds code or classes that Keras has not, or asks for more memory than the file
        has contents for.
    """
    try:
        config, stored = _contents(path)
    except FileNotFoundError:
        raise FrontendError(f"{path}: there is no such file") from None
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise FrontendError(f"{path} is not a readable .keras file: {error}") from None
    _refuse_code(path, config)
    try:
        _check_weights(keras, path, config, stored)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except FrontendError:
        raise
    except RecursionError:
        raise FrontendError(f"{path}: its configuration is nested too deeply") from None
    except Exception as error:
        raise FrontendError(f"{path} cannot be loaded: {error or type(error).__name__}") from None


def _contents(path: Path) -> tuple[Any, int]:
    """The configuration, and how many bytes of weights there are."""
    if path.suffix != ".keras":
        raise FrontendError(f"{path} is not a .keras file; model.save('NAME.keras') writes one")
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        if sum(sizes.values()) > MAX_BYTES:
            raise FrontendError(f"{path} has {sum(sizes.values())} bytes unpacked; at most {MAX_BYTES} are allowed")
        weights = [sizes[name] for name in WEIGHTS if name in sizes]
        if CONFIG not in sizes or not weights:
            raise FrontendError(f"{path} is not a .keras file: it has no {WEIGHTS[0] if CONFIG in sizes else CONFIG}")
        damaged = archive.testzip()
        if damaged is not None:
            raise FrontendError(f"{path} is damaged: the checksum of {damaged} is wrong")
        try:
            return json.loads(archive.read(CONFIG)), max(weights)
        except (ValueError, RecursionError) as error:
            raise FrontendError(f"{path}: its {CONFIG} cannot be read: {error or 'nested too deeply'}") from None


def _refuse_code(path: Path, config: Any) -> None:
    """Refuses what could run code of the file's author, whatever the version of Keras would make of it."""
    found: list[str] = []
    waiting = [config]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            kind, module = at.get("class_name"), at.get("module")
            if kind in ("Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"):
                found.append(f"{_name(at)} ({kind})")
            elif isinstance(module, str) and module != "builtins" and module.split(".")[0] != "keras":
                found.append(f"{_name(at)} ({module}.{kind})")
            waiting += at.values()
        elif isinstance(at, list):
            waiting += at
    if found:
        raise FrontendError(
            f"{path} holds code or classes of its own, which are not run: {', '.join(reversed(found))}; "
            f"build the model of layers of Keras, or give the loaded model itself"
        )


def _name(config: dict[str, Any]) -> str:
    inner = config.get("config")
    return str(inner.get("name", "?") if isinstance(inner, dict) else inner)


def _check_weights(keras: Any, path: Path, config: Any, stored: int) -> None:
    """Builds the model without memory for its weights, and counts them."""
    state = importlib.import_module("keras.src.backend.common.global_state")
    before = list(state.get_global_attribute("uninitialized_variables", []) or [])
    with keras.StatelessScope(initialize_variables=False):
        try:
            model = keras.saving.deserialize_keras_object({**config, "compile_config": None}, safe_mode=True)
            needed = sum(prod(variable.shape) for variable in model.variables)
        finally:
            state.set_global_attribute("uninitialized_variables", before)
    if needed > stored:
        raise FrontendError(f"{path} declares {needed} weights, more than its {stored} bytes of them can hold")
