"""``.npz`` files: what NumPy writes is read, what fits no network is refused before there is memory for it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dovetail.arrays import read_inputs, read_samples, write_arrays
from dovetail.files import InputError
from dovetail.isa.module import Tensor

TENSORS = [Tensor("x", (2, 3), "float32", 0), Tensor("a/b", (), "int64", 0)]
ARRAYS: dict[str, Any] = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "a/b": np.array(5)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.npz"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(path: Path, save: Any) -> None:
    save(path, **ARRAYS | {"x": np.asfortranarray(ARRAYS["x"])})
    found = read_inputs(path, TENSORS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)


def test_numpy_reads_what_is_written_under_any_name(path: Path) -> None:
    arrays = {"file": np.ones((2, 0)), "a/b.npy": np.array([True]), "x y": np.float16([1.5])}
    write_arrays(path, arrays)
    with np.load(path) as found:
        assert sorted(found.files) == sorted(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
    assert list(path.parent.iterdir()) == [path]


def test_samples_are_cut_along_the_first_axis(path: Path) -> None:
    np.savez(path, x=np.arange(6).reshape(3, 2), y=np.arange(3))
    assert [(one["x"].tolist(), one["y"].tolist()) for one in read_samples(path)] == [
        ([[0, 1]], [0]),
        ([[2, 3]], [1]),
        ([[4, 5]], [2]),
    ]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 3), np.float32)}, r"no array 'a/b'; the inputs are x [2, 3] float32, a/b [] int64"),
        (ARRAYS | {"z": np.zeros(1)}, "there is no input 'z'; the inputs are x [2, 3] float32, a/b [] int64"),
        (ARRAYS | {"x": np.zeros((3, 2), np.float32)}, "'x' has shape [3, 2]; it must be [2, 3]"),
        (ARRAYS | {"x": np.zeros((2, 3))}, "'x' is of type float64; it must be float32: use astype"),
        (ARRAYS | {"x": np.array([{}])}, "not a readable .npz file of arrays: an array of Python objects"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(path, **arrays)
    with pytest.raises(InputError) as caught:
        read_inputs(path, TENSORS)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    "arrays", [{}, {"x": np.zeros((0, 2))}, {"x": np.array(1)}, {"x": np.zeros((2, 1)), "y": np.zeros((3, 1))}]
)
def test_samples_that_are_not_equally_many_are_refused(path: Path, arrays: dict[str, Any]) -> None:
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="equally many samples along the first axis, one at least"):
        read_samples(path)


def member(shape: tuple[int, ...]) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (member((1 << 40, 2)), "its arrays have more than 4294967296 bytes"),
        (member((5,)), "not a readable .npz file of arrays: "),
        (member((5,))[:20], "not a readable .npz file of arrays: "),
        (b"\x93NUMPY\x09\x09" + bytes(200), "not a readable .npz file of arrays: "),
        (b"", "not a readable .npz file of arrays: "),
    ],
)
def test_members_that_lie_are_refused(path: Path, content: bytes, message: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(InputError) as caught:
        read_samples(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_files_that_are_no_archives_are_refused(path: Path) -> None:
    for make, message in (
        (lambda: None, "No such file or directory"),
        (lambda: path.write_text("hello"), "File is not a zip file"),
        (lambda: (path.unlink(), path.mkdir()), "Is a directory"),
    ):
        make()
        with pytest.raises(InputError, match=f"not a readable .npz file of arrays: {message}"):
            read_samples(path)
