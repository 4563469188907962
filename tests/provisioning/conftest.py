"""The machine of a test, in a directory that an unprivileged user may enter."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import essential_lines
import step_assembler
import step_machine


@pytest.fixture(autouse=True)
def broken_line(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a run asks for it, a test meets scripts in which the line that it guards is broken."""
    if os.environ.get(essential_lines.BREAK_THEM):
        line = essential_lines.BY_TEST[request.node.name]
        monkeypatch.setitem(step_assembler.BROKEN, line.file, (line.text, line.instead))
        if line.hangs:
            monkeypatch.setattr(step_machine.Machine, "seconds_max", 5)


@pytest.fixture
def make_machine() -> Iterator[Callable[[str], step_machine.Machine]]:
    """Makes machines of any system; removes them after the test, with their processes."""
    made: list[step_machine.Machine] = []

    def make(system: str = "ubuntu-24.04") -> step_machine.Machine:
        home = Path(tempfile.mkdtemp(prefix="batch-prep-machine-"))
        home.chmod(0o755)
        made.append(step_machine.Machine(home, system))
        return made[-1]

    yield make
    for machine in made:
        machine.end()
        shutil.rmtree(machine.home)


@pytest.fixture
def machine(make_machine: Callable[[str], step_machine.Machine]) -> step_machine.Machine:
    """An Ubuntu 24.04 machine that has just been created."""
    return make_machine("ubuntu-24.04")
