"""The file of a module: it comes back as it was, and what is damaged or hostile is refused in one line."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dovetail.isa.config import load_config
from dovetail.isa.container import PREFIX
from dovetail.isa.instructions import Buffer, Finish, Load
from dovetail.isa.module import (
    Call,
    Check,
    Constant,
    Launch,
    Layer,
    Library,
    ModuleError,
    Plan,
    Processor,
    Space,
    Tensor,
    Transfer,
)
from dovetail.isa.module_file import from_bytes, load, save, to_bytes
from dovetail.isa.program import Program, Segment

TINY = load_config("tiny")
PROGRAM = Program(
    TINY, (Load(buffer=Buffer.INP, sram=0, dram=0, cols=2), Finish()), (Segment("micro-ops", 64, b"uops"),)
)
PLAN = Plan(
    name="net",
    config=TINY,
    processor=Processor("x86_64-unknown-linux-gnu", "x86-64-v3", ("+avx2",)),
    threads=2,
    inputs=(Tensor("x", (2, 3), "float32", 0),),
    outputs=(Tensor("y", (), "int64", 64),),
    constants=(
        Constant("bias", (4,), "int32", Space.HOST, 32),
        Constant("weights", (2, 4), "int8", Space.DRAM, 128),
        Constant("nothing", (0, 7), "float16", Space.HOST, 0),
    ),
    steps=(Call("f", (0, 32, 48)), Transfer(True, 48, 0, 8), Launch(0), Call("f", (64, 0, 128))),
    layers=(Layer("y", "conv", ("Conv_0",), True, "", 8, 2, (0, 1), 16, 0),),
    host_bytes=128,
    dram_bytes=256,
    workspace_bytes=1024,
    check=Check(7, ("ab",)),
)
LIBRARY = Library((PROGRAM,), {"f": b"code"})
PARAMS: dict[str, Any] = {
    "bias": np.arange(4, dtype=np.int32),
    "weights": np.arange(8, dtype=np.int8).reshape(4, 2).T,
    "nothing": np.zeros((0, 7), np.float16),
}
FILE = to_bytes(PLAN, LIBRARY, PARAMS)
_, _, HEADER_BYTES, _ = PREFIX.unpack_from(FILE)
HEADER = json.loads(FILE[PREFIX.size : PREFIX.size + HEADER_BYTES])
PAYLOAD = FILE[PREFIX.size + HEADER_BYTES : -32]


def sealed(header: object, payload: bytes = PAYLOAD) -> bytes:
    """A module file with a header of our own and a right checksum."""
    text = json.dumps(header).encode()
    content = PREFIX.pack(b"DVTLMODL", 1, len(text), len(payload)) + text + payload
    return content + hashlib.sha256(content).digest()


def test_a_module_comes_back_as_it_was(tmp_path: Path) -> None:
    save(tmp_path / "net.mod", PLAN, LIBRARY, PARAMS)
    plan, library, params = load(tmp_path / "net.mod")
    assert (plan, library) == (PLAN, LIBRARY)
    assert params.keys() == PARAMS.keys()
    for name, array in params.items():
        assert array.dtype == PARAMS[name].dtype
        np.testing.assert_array_equal(array, PARAMS[name])


def test_a_module_for_the_cpu_has_no_configuration() -> None:
    plan = dataclasses.replace(PLAN, config=None, constants=(), steps=PLAN.steps[:1], layers=(), dram_bytes=0)
    assert from_bytes(to_bytes(plan, Library((), {"f": b"code"}), {}))[0] == plan


def test_files_that_cannot_be_read_or_written_are_one_error(tmp_path: Path) -> None:
    with pytest.raises(ModuleError, match="absent: No such file or directory"):
        load(tmp_path / "absent")
    with pytest.raises(ModuleError, match="net: No such file or directory"):
        save(tmp_path / "missing" / "net", PLAN, LIBRARY, PARAMS)
    PROGRAM.save(tmp_path / "a.prog")
    with pytest.raises(ModuleError, match="a.prog: not a module file: it begins with b'DVTLPROG', not b'DVTLMODL'"):
        load(tmp_path / "a.prog")
    assert not (tmp_path / "missing").exists()


def test_an_endless_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(ModuleError, match="not a module file"):
        load(tmp_path / "zero")
    claims = PREFIX.pack(b"DVTLMODL", 1, 1 << 30, 1 << 60)
    (tmp_path / "huge").write_bytes(claims)
    with pytest.raises(ModuleError, match="the header claims 1073741824 bytes; the limit is"):
        load(tmp_path / "huge")


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_every_damaged_byte_and_every_cut_is_noticed(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(FILE) - 1))
    damaged = bytearray(FILE)
    damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    for content in (bytes(damaged), FILE[:at]):
        with pytest.raises(ModuleError, match="^f: [^\n]+$"):
            from_bytes(content, "f")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The header with another value at a path such as ``plan.steps[0].Call.function``."""
    header = copy.deepcopy(HEADER)
    *inner, last = [int(key) if key.isdigit() else key for key in path.replace("[", ".").replace("]", "").split(".")]
    place = header
    for key in inner:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return header


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("plan", 3, "plan must be an object, not 3"),
        ("plan.name", ["n"], "plan.name must be a text of at most 4096 characters, not a list of 1"),
        ("plan.name", None, "plan.name is missing"),
        ("plan.colour", 1, "plan has no field 'colour'"),
        ("plan.config.batch", 3, "plan.config: batch must be a power of two, not 3"),
        ("plan.config.batch", 2, "fingerprint '"),
        ("fingerprint", "0", "fingerprint '0' is not that of the configuration's fields"),
        ("plan.threads", 0, "threads is 0; it must be between 1 and 256"),
        ("plan.threads", True, "plan.threads must be a natural number, not True"),
        ("plan.host_bytes", -1, "plan.host_bytes must be a natural number, not -1"),
        ("plan.host_bytes", 1 << 62, "host_bytes is 4611686018427387904; it must be between 0 and "),
        ("plan.workspace_bytes", 1 << 80, "plan.workspace_bytes must be a natural number, not 12089258196146291"),
        ("plan.dram_bytes", 1 << 40, "dram_bytes is 1099511627776; it must be between 0 and 4294967296"),
        ("plan.dram_bytes", 100, "constants[1].offset: bytes 128 to 136; the memory has 100"),
        ("plan.inputs[0].shape", [2, 3, 9], "inputs[0].offset: bytes 0 to 216; the memory has 128"),
        ("plan.inputs[0].shape", [0, 1 << 62], "inputs[0].shape has 2 axes and is too large"),
        ("plan.inputs[0].dtype", "object", "inputs[0].dtype is 'object'; it must be one of bool, int8, "),
        ("plan.inputs[0].offset", 2, "inputs[0].offset is 2; it must be a multiple of 4"),
        ("plan.inputs[0].offset", 16, "'x' and 'bias' overlap at byte 32 of the host's arena"),
        ("plan.inputs[0].name", "bias", "inputs and constants: the name 'bias' is there twice"),
        ("plan.constants[1].offset", 66, "segment 'micro-ops' of programs[0] and 'weights' overlap at byte 66 of DRAM"),
        ("plan.constants[1].space", "disk", "plan.constants[1].space must be one of host, dram, not 'disk'"),
        ("plan.steps[0]", {"Jump": {}}, "plan.steps[0] must be one of Call, Transfer, Launch, not an object of 1"),
        ("plan.steps[0].Call.function", "g", "steps[0].function: the library has no 'g'"),
        ("plan.steps[0].Call.arguments", [0, 1, 200], "steps[0].arguments[2]: bytes 200 to 200; the memory has 128"),
        ("plan.steps[0].Call.arguments", [0] * 300, "steps[0].arguments has 300 entries; the limit is 256"),
        ("plan.steps[3].Call.arguments", [0], "steps[3].arguments has 1 entries; f had 3 before"),
        ("plan.steps[1].Transfer.nbytes", 500, "steps[1].host: bytes 48 to 548; the memory has 128"),
        ("plan.steps[1].Transfer.dram", 250, "steps[1].dram: bytes 250 to 258; the memory has 256"),
        ("plan.steps[2].Launch.program", 1, "steps[2].program is 1; there are 1 programs"),
        ("plan.layers[0].step", 4, "layers[0].step is 4; there are 4 steps"),
        ("plan.layers[0].step", 1, "layers[0].instructions: 0 to 1; the step's program has 0 instructions"),
        ("plan.layers[0].instructions", [1, 3], "layers[0].instructions: 1 to 3; the step's program has 2 "),
        ("plan.layers[0].instructions", [1], "plan.layers[0].instructions must be a list of 2, not a list of 1"),
        ("plan.check.digests", [], "check has 0 digests; there are 1 outputs"),
        ("plan.check.seed", -1, "plan.check.seed must be a natural number, not -1"),
        ("programs", 7, "the header has no list of programs"),
        ("programs[0]", 1 << 50, "programs[0] claims 1125899906842624 bytes; "),
        ("programs[0]", 10, "programs[0]: truncated: 10 bytes, a program file has at least 24"),
        ("objects[0]", ["f"], "objects[0] must be a new name and a size"),
        ("objects[0]", ["f g", 4], "objects: 'f g' is no name of a function"),
        ("objects[0]", ["f", 5], "constant 'weights' claims 8 bytes; 7 are left"),
        ("objects[0]", ["f", 3], "1 bytes belong to nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_field(path: str, value: Any, message: str) -> None:
    with pytest.raises(ModuleError) as caught:
        from_bytes(sealed(changed(path, value)), "f")
    assert str(caught.value).startswith(f"f: {message}")
    assert "\n" not in str(caught.value)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON document but the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(0, 300) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(sorted(places(HEADER), key=repr)), JSON)
@settings(max_examples=200, deadline=None)
def test_a_hostile_header_is_read_or_refused(path: tuple[Any, ...], value: Any) -> None:
    header = copy.deepcopy(HEADER)
    place = header
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    try:
        from_bytes(sealed(header), "f")
    except ModuleError as error:
        assert str(error).startswith("f: ") and "\n" not in str(error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("bias"), "params: the constant 'bias' is missing"),
        (lambda p: p.update(b=1), "params: the module has no constant 'b'"),
        (lambda p: p.update(bias=np.zeros(3, np.int32)), r"'bias' has shape \(3,\); it must be \(4,\)"),
        (lambda p: p.update(bias=np.zeros(4)), "'bias' is of type float64; it must be int32"),
    ],
)  # fmt: skip
def test_data_that_does_not_fit_is_not_saved(change: Callable[[dict[str, Any]], object], message: str) -> None:
    params = dict(PARAMS)
    change(params)
    with pytest.raises(ModuleError, match=message):
        to_bytes(PLAN, LIBRARY, params)


def test_a_plan_that_would_not_be_read_is_not_saved() -> None:
    odd = dataclasses.replace(PLAN, workspace_bytes=np.int64(8))
    with pytest.raises(ModuleError, match=r"plan.workspace_bytes must be a natural number, not np.int64\(8\)"):
        to_bytes(odd, LIBRARY, PARAMS)
