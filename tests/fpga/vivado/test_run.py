"""Vivado as it is run; here a script stands for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dovetail.fpga.vivado.project import Project
from dovetail.fpga.vivado.run import VivadoError, available, instruction, run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Project(folder, (), folder / "dovetail.bit")


def vivado(project: Project, *lines: str) -> None:
    path = project.folder.parent / "vivado"
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
    path.chmod(0o755)


def test_a_build_runs_in_the_projects_folder_and_says_what_it_does(project: Project) -> None:
    assert not available() and "-source build.tcl" in instruction(project)
    vivado(project, 'echo "$@"', "echo", "echo Starting synth_design", "touch dovetail.bit dovetail.hwh")
    said: list[str] = []
    assert available()
    run(project, said.append)
    assert said == ["-mode batch -nojournal -log vivado.log -source build.tcl", "Starting synth_design"]
    assert project.bitstream.exists()


def test_failures_are_in_vivados_words(project: Project) -> None:
    vivado(project, "echo 'ERROR: [Synth 8-439] module not found'", "echo Exiting", "exit 1")
    with pytest.raises(VivadoError, match=r"\[Synth 8-439\] module not found; see .*vivado\.log"):
        run(project)
    vivado(project, "touch dovetail.bit")
    with pytest.raises(VivadoError, match=r"wrote no dovetail\.hwh"):
        run(project)


def test_an_interruption_ends_vivado(project: Project) -> None:
    vivado(project, "echo working", "exec sleep 30")

    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(project, interrupt)
