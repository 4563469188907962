"""The real stack, through the command that people type."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from stack_world import soon

from local.stack import layout, record

pytestmark = pytest.mark.stack
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


@contextlib.contextmanager
def up(state: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([COMMAND, "local", "up", "--port", "0", "--state", str(state)])
    try:
        assert soon(lambda: record.read(state) is not None or process.poll() is not None)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_a_command_without_an_endpoint_starts_a_stack_and_the_next_one_uses_it(
    tmp_path: Path,
) -> None:
    """Nobody needs to know about the stack to try the command; `local down` stops it."""
    state = tmp_path / "state"
    try:
        first = run(state, "builds", "list", "--json")
        second = run(state, "images", "list", "--json")
    finally:
        down = run(state, "local", "down")
    assert first.returncode == 0, first.stderr
    assert "starting a local stack" in first.stderr
    assert json.loads(first.stdout) is not None
    assert second.returncode == 0, second.stderr
    assert second.stderr == ""
    assert "is stopped" in down.stderr


def test_the_stack_serves_and_is_healthy(tmp_path: Path) -> None:
    """Every dependency of the app answers."""
    state = tmp_path / "state"
    with up(state) as process:
        running = record.read(state)
        assert running is not None, "see the output above"
        answer = httpx.get(
            f"{running.app_url}/api/health",
            headers={"x-functions-key": running.function_key},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
    assert process.returncode == 0


def test_after_a_sigkill_of_the_host_the_same_command_goes_on(tmp_path: Path) -> None:
    """The stack says which process died and ends; started again, it has kept what it knew."""
    state = tmp_path / "state"
    with up(state) as process:
        running = record.read(state)
        assert running is not None, "see the output above"
        os.kill(running.pids["host"], signal.SIGKILL)
        assert process.wait(60) == 1
    with up(state):
        again = record.read(state)
        assert again is not None
        assert again.function_key == running.function_key
