"""The build cache: what makes a build new, and what is left when one fails."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path

import pytest

from dovetail.hw import emitted
from dovetail.isa.config import Config, load_config
from dovetail.isa.progress import Progress
from dovetail.sim.rtl import build as builder
from dovetail.sim.rtl import toolchain
from dovetail.sim.rtl.build import BuildError, Flavour, Options, build
from dovetail.sim.rtl.compilation import Compilation
from dovetail.sim.rtl.toolchain import ToolMissing

TINY = load_config("tiny")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOVETAIL_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def makes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Builds that are made, by the name of their folder; nothing is compiled."""
    made: list[str] = []

    def make(self: Compilation, folder: Path, progress: Progress) -> None:
        made.append(folder.name)
        time.sleep(0.1)
        folder.mkdir()
        (folder / "simulator").touch()

    monkeypatch.setattr(Compilation, "_make", make)
    monkeypatch.setattr(builder, "verilog", lambda config: f"// {config}")
    return made


def test_a_build_is_made_once_for_each_kind_and_configuration(cache: Path, makes: list[str]) -> None:
    other = dataclasses.replace(TINY, acc_depth=32)
    kinds = [(c, Options(f, w)) for c in (TINY, other) for f in Flavour for w in (False, True)]
    first = [build(*kind) for kind in kinds]
    assert [build(*kind) for kind in kinds] == first
    assert len(set(first)) == len(kinds) == len(makes)
    assert all(path.is_relative_to(cache) for path in first)


@pytest.mark.parametrize("changed", [*builder.HDL, *builder.CPP, *builder.HEADERS, "main.cpp"])
def test_a_changed_source_makes_a_new_build(
    cache: Path, makes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    before = build(TINY)
    copy = tmp_path / "sources"
    for name in builder._sources(Options()):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((builder.HERE / name).read_bytes())
    monkeypatch.setattr(builder, "HERE", copy)
    assert build(TINY) == before
    (copy / changed).write_text((copy / changed).read_text() + "\n")
    assert build(TINY) != before


def test_builders_at_the_same_time_make_one_build(cache: Path, makes: list[str]) -> None:
    threads = [threading.Thread(target=build, args=(TINY,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(makes) == 1


def test_a_failed_build_says_why_and_leaves_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "verilog", lambda config: "module dovetail(input clk); assign nothing; endmodule")
    with pytest.raises(BuildError, match=r"^verilator failed with status 1: %Error: .*dovetail\.v:1:\d+: syntax error"):
        build(TINY)
    assert [path.suffix for path in (cache / "rtl").iterdir()] == [".lock"]


@pytest.mark.parametrize("tool", ["g++", "make", "perl"])
def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    monkeypatch.setattr(toolchain.shutil, "which", lambda name: None if name == tool else f"/usr/bin/{name}")
    with pytest.raises(ToolMissing) as error:
        build(TINY)
    assert str(error.value) == (
        f"{tool} is needed to build the simulator; install it (Debian, Ubuntu: apt install {tool})"
    )


def test_verilog_is_emitted_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emissions: list[Config] = []

    def emit(config: Config) -> str:
        emissions.append(config)
        return f"// {config}"

    monkeypatch.setattr("dovetail.hw.verilog.emit", emit)
    other = dataclasses.replace(TINY, acc_depth=32)
    texts = [emitted.verilog(config) for config in (TINY, TINY, other, TINY)]
    assert emissions == [TINY, other]
    assert texts == [f"// {config}" for config in (TINY, TINY, other, TINY)]
    assert not list(cache.rglob("*.partial"))
