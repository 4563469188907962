"""The real stack, through the command that people type."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from local.stack import layout

pytestmark = pytest.mark.stack
TEMPLATE = layout.ROOT / "tests/imports/files/packer-json-1-nightly/image.json"
COMMAND = str(layout.ROOT / "batch-prep.sh")


def run(state: Path, *line: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BATCH_PREP_STATE": str(state)}
    environment.pop("BATCH_PREP_ENDPOINT", None)
    return subprocess.run(
        [COMMAND, *line],
        capture_output=True,
        text=True,
        env=environment,
        cwd=state.parent,
        check=False,
    )


def test_a_command_without_an_endpoint_starts_a_stack_and_the_next_one_uses_it(
    tmp_path: Path,
) -> None:
    """A user need not know about the stack to try the command; `local down` stops it. An imported
    template can be sent with the script that it names.
    """
    state = tmp_path / "state"
    try:
        first = run(state, "builds", "list", "--json")
        second = run(state, "images", "list", "--json")
        imported = run(state, "import", str(TEMPLATE), "--output", "request.yaml")
        planned = run(state, "--file", "request.yaml", "--plan", "--json")
    finally:
        down = run(state, "local", "down")
    assert first.returncode == 0, first.stderr
    assert "starting a local stack" in first.stderr
    assert f"local down --state {state}" in first.stderr
    assert json.loads(first.stdout) is not None
    assert second.returncode == 0, second.stderr
    assert second.stderr == ""
    assert imported.returncode == 0, imported.stderr
    assert planned.returncode == 0, planned.stderr
    assert {"own_shell", "own_harden"} <= {s["name"] for s in json.loads(planned.stdout)["steps"]}
    assert "is stopped" in down.stderr


def test_run_says_that_the_times_it_shows_are_simulated(tmp_path: Path) -> None:
    """A build of half a minute is shown with half an hour."""
    state = tmp_path / "state"
    ended = run(state, "local", "run", "--state", str(state), "--", "true")
    assert ended.returncode == 0, ended.stderr
    assert "Times of builds are simulated: a minute of them takes 1 s." in ended.stderr
