"""A machine that is being built, and the steps that were really run on it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import step_assembler
import tracer

from local.machines import el_root, kit, machine, run_command, stand_ins

BUILD_ID = "build-7f3a"
USER = "throwaway"
REGISTRY = "batchprep.azurecr.io"
IMAGE = f"{REGISTRY}/app:v1"
FOREIGN_IMAGE = f"{REGISTRY}/app:arm64"
IDENTITY = "11111111-2222-3333-4444-555555555555"
TENANT = "99999999-8888-7777-6666-555555555555"
MARKER = "batch-prep-result "

SECONDS_MAX = 900
"""A bound for a busy computer."""

durations: list[tuple[str, float]] = []
"""What took how many seconds, for the report at the end."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How one run of a step ended."""

    exit_code: int
    result: dict[str, Any]
    """The result line; empty where there was none."""
    stderr: str

    @property
    def data(self) -> dict[str, Any]:
        return dict(self.result["data"])

    @property
    def words(self) -> str:
        """What it says about a failure."""
        said = {name: self.result.get(name, "") for name in ("phase", "message", "logTail")}
        return f"exit code {self.exit_code}, {said}\n{self.stderr}"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A step that runs: its name, and that of its run command."""

    step: str
    command: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Runs:
    """One step: run, sent again as it was, and really run again (for another build)."""

    first: Outcome
    sent_again: Outcome
    run_again: Outcome


class Builder:
    """A machine with a count of its commands, so that each has a name and a nonce of its own."""

    def __init__(self, home: Path, kits: Path, el: el_root.ElRoot | None = None) -> None:
        found = kit.find(kits)
        assert found is not None
        self.kit = found
        self.machine = machine.Machine(home, kits)
        self.pins = stand_ins.pins(found, el)
        self._count = 0

    def boot(self, host_name: str, user: str = "") -> None:
        """Boot it as a new instance of whatever is on its disk."""
        self.machine.describe(host_name, user=user)
        self.machine.surround(
            machine.Surroundings(
                identities=(IDENTITY,), images={IMAGE: "busybox", FOREIGN_IMAGE: "foreign"}
            )
        )
        self.machine.switch_on(dies_with_us=True)

    def step(
        self,
        name: str,
        *functions: str,
        timeout_seconds: float = SECONDS_MAX,
        adapted: bool = True,
        **parameters: str,
    ) -> Outcome:
        """Run a step, or some functions of it, as a run command; wait for its end."""
        text = step_assembler.assemble(name, *functions)
        text = stand_ins.adapted(text, self.pins) if adapted else text
        return self.outcome(self._start(name, text, timeout_seconds, parameters))

    def start(self, name: str, **parameters: str) -> Started:
        """Hand over a step, beside whatever runs."""
        text = stand_ins.adapted(step_assembler.assemble(name), self.pins)
        return self._start(name, text, SECONDS_MAX, parameters)

    def outcome(self, started: Started) -> Outcome:
        """Wait for the end of a step."""
        found: list[run_command.Ended] = []

        def has_ended() -> bool:
            ended = self.machine.commands.look(started.command)
            found.extend([ended] if ended else [])
            return bool(found)

        assert machine.wait_until(has_ended, SECONDS_MAX), f"{started.step} does not end"
        [ended] = found
        tracer.collect(self.machine.root)
        durations.append((started.step, ended.seconds))
        lines = ended.stdout.splitlines()
        has_result = bool(lines) and lines[-1].startswith(MARKER)
        result = json.loads(lines[-1].removeprefix(MARKER)) if has_result else {}
        return Outcome(exit_code=ended.exit_code, result=result, stderr=ended.stderr)

    def repeat(self, first: Outcome, name: str, **parameters: str) -> Runs:
        """The step again as it was, and for another build."""
        return Runs(
            first=first,
            sent_again=self.step(name, **parameters),
            run_again=self.step(name, **{**parameters, "BUILD_ID": "another"}),
        )

    def _start(
        self, name: str, text: str, timeout_seconds: float, parameters: dict[str, str]
    ) -> Started:
        """With the parameters that every step has."""
        given = {"NONCE": f"nonce-{self._count}", "BUILD_ID": BUILD_ID, **parameters}
        self._count += 1
        command = f"c{self._count}"
        text = tracer.traced(text)
        self.machine.commands.start(command, text, given, timeout_seconds)
        return Started(step=name, command=command)

    def command(
        self, script: str, parameters: dict[str, str] | None = None, timeout_seconds: float = 60
    ) -> run_command.Ended:
        self._count += 1
        return self.machine.commands.run(f"c{self._count}", script, parameters, timeout_seconds)

    def ask(self, command: str) -> str:
        """What a shell command prints in the machine."""
        return self.command(f"#!/bin/bash\n{command}\n").stdout.strip()

    def read(self, path: str) -> str:
        """A file on its disk."""
        return (self.machine.root / path).read_text()
