"""Arrays by name in ``.npz`` files."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from dovetail.isa.module import Tensor

from .files import InputError, write_atomically

MEMBER = ".npy"
MAX_BYTES = 1 << 32
"""Of a file's arrays; a small file can claim any size."""
UNREADABLE = (OSError, EOFError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise on files that are none of theirs, damaged, or encrypted."""

Arrays = dict[str, NDArray[Any]]
Shapes = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]


def read_inputs(path: Path, tensors: Sequence[Tensor]) -> Arrays:
    """An array for each of `tensors`.

    Raises
    ------
    InputError:
        The file cannot be read, or its arrays have other names, shapes or types.
    """
    wanted = ", ".join(f"{tensor.name} {list(tensor.shape)} {tensor.dtype}" for tensor in tensors) or "none"
    expected = {tensor.name: tensor for tensor in tensors}

    def check(found: Shapes) -> None:
        for name in (*expected, *found):
            if name not in found:
                raise InputError(f"{path}: no array {name!r}; the inputs are {wanted}")
            if name not in expected:
                raise InputError(f"{path}: there is no input {name!r}; the inputs are {wanted}")
        for name, (shape, dtype) in found.items():
            if shape != expected[name].shape:
                raise InputError(f"{path}: {name!r} has shape {list(shape)}; it must be {list(expected[name].shape)}")
            if dtype != expected[name].dtype:
                raise InputError(f"{path}: {name!r} is of type {dtype}; it must be {expected[name].dtype}: use astype")

    return _read(path, check)


def read_samples(path: Path) -> list[Arrays]:
    """The arrays cut along the first axis, into samples of extent 1.

    Raises
    ------
    InputError:
        The file cannot be read, or its arrays have not equally many samples.
    """

    def check(found: Shapes) -> None:
        counts = {shape[0] if shape else 0 for shape, _ in found.values()}
        if len(counts) != 1 or 0 in counts:
            raise InputError(f"{path}: its arrays must have equally many samples along the first axis, one at least")

    arrays = _read(path, check)
    count = len(next(iter(arrays.values())))
    return [{name: array[number : number + 1] for name, array in arrays.items()} for number in range(count)]


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a file that `numpy.load` reads. Raises `OutputError` when it cannot be written."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name + MEMBER), member.getvalue())
    write_atomically(path, content.getvalue())


def _read(path: Path, check: Callable[[Shapes], None]) -> Arrays:
    """All arrays, of which `check` sees shapes and types before there is memory for them."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(MEMBER): name for name in archive.namelist()}
            found: Shapes = {}
            for name, member in members.items():
                with archive.open(member) as file:
                    found[name] = _header(file)
            if sum(int(np.prod(shape, dtype=object)) * dtype.itemsize for shape, dtype in found.values()) > MAX_BYTES:
                raise InputError(f"{path}: its arrays have more than {MAX_BYTES} bytes")
            check(found)
            arrays = {}
            for name, member in members.items():
                with archive.open(member) as file:
                    arrays[name] = np.asarray(np.lib.format.read_array(file, allow_pickle=False))
            return arrays
    except InputError:
        raise
    except UNREADABLE as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"{path}: not a readable .npz file of arrays: {reason}") from None


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("an array of Python objects")
    return shape, dtype
