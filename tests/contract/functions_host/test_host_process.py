"""The host as a process: it ends quickly, and goes on after a SIGKILL."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from host_world import APP, KEY, PATIENCE_SECONDS, Client

ROOT = Path(__file__).parents[3]
FAST = "600"  # the minute for which a killed host's messages are hidden takes 0.1 s
pytestmark = pytest.mark.stack


class Process:
    """A host that was started with the command line, on a free port."""

    def __init__(self, state: Path, environment: dict[str, str], *options: str) -> None:
        arguments = [str(APP), "--port", "0", "--state", str(state), *options]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.functions_host", *arguments],
            cwd=ROOT,
            env=os.environ | {"FUNCTIONS_HOST_KEY": KEY} | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = self._listening()
        self.client = Client(self.url)

    def stop(self, how: signal.Signals) -> int:
        """End it; its exit status."""
        self.client.close()
        self._process.send_signal(how)
        status = self._process.wait(PATIENCE_SECONDS)
        self._process.stderr.close()
        return status

    def _listening(self) -> str:
        for line in self._process.stderr:
            if match := re.search(r"listening on (\S+);", line):
                return match[1]
        raise AssertionError("the host ended before it listened")


@pytest.fixture
def world(tmp_path):
    """How to start hosts on one state folder, and the notes of the app's activities."""
    notes, hold = tmp_path / "notes", tmp_path / "hold"
    notes.touch()
    started = []

    def start(*options: str) -> Process:
        environment = {"NOTES": str(notes), "HOLD": str(hold)}
        options = options or ("--time-scale", FAST)
        started.append(Process(tmp_path / "state", environment, *options))
        return started[-1]

    start.notes, start.hold, start.state = notes, hold, tmp_path / "state"
    yield start
    for process in started:
        if process._process.poll() is None:
            process.stop(signal.SIGKILL)


def test_a_killed_host_goes_on_where_it_was(world):
    """What had ended stays; the activity in the middle runs again; links still work."""
    first = world()
    urls = first.client.begin("in_turn", "row", 5)
    first.client.begin("approval", "open")
    first.client.until(lambda: "begin row 2" in world.notes.read_text())
    first.stop(signal.SIGKILL)

    second = world()
    world.hold.touch()
    status = second.client.until_ended("row")

    assert status["output"] == [0, 1, 2, 3, 4]
    notes = world.notes.read_text().splitlines()
    assert notes.count("begin row 1") == notes.count("end row 1") == 1
    assert notes.count("begin row 2") == 2
    link = urls["statusQueryGetUri"].replace(first.url, second.url)
    assert second.client.get(link).status_code == 200
    second.client.post("/durabletask/instances/open/raiseEvent/decide", json="yes")
    assert second.client.until_ended("open")["output"] == "yes"


def test_kills_again_and_again_change_no_result(world):
    """Twelve instances, and a kill whenever some more notes have come."""
    world.hold.touch()
    host = world()
    for number in range(6):
        host.client.begin("in_turn", f"row-{number}", 6)
        host.client.begin("fan_out", f"fan-{number}", 5)
    for kill in range(1, 4):
        host.client.until(lambda: len(world.notes.read_text().splitlines()) > 12 * kill)  # noqa: B023
        host.stop(signal.SIGKILL)
        host = world()

    for number in range(6):
        assert host.client.until_ended(f"row-{number}")["output"] == [0, 1, 2, 3, 4, 5]
        assert host.client.until_ended(f"fan-{number}")["output"]["total"] == 30


def test_a_fault_of_its_own_ends_it_and_loses_nothing(world):
    """Another program locks its database: what cannot be recorded is not done half."""
    host = world()
    host.client.begin("in_turn", "row", 5)
    host.client.until(lambda: "begin row 2" in world.notes.read_text())
    with contextlib.closing(sqlite3.connect(world.state / "durable.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        world.hold.touch()
        said = host._process.stderr.read()
        assert host._process.wait(PATIENCE_SECONDS) == 1
        host._process.stderr.close()
        host.client.close()
    assert "ends after a fault of its own: database is locked" in said

    assert world().client.until_ended("row")["output"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_although_an_activity_runs(world, how):
    """Nobody waits for an activity that will run again anyway."""
    host = world()
    host.client.begin("in_turn", "row", 3)
    host.client.until(lambda: "begin row 2" in world.notes.read_text())

    assert host.stop(how) == 0


def test_time_goes_on_while_the_host_is_down(world):
    """An hour's timer at 3600 times the speed; host and simulator read the same clock."""
    first = world("--time-scale", "3600")
    first.client.begin("waits", "hour", 3600)
    first.stop(signal.SIGTERM)

    second = world("--time-scale", "3600")

    assert second.client.until_ended("hour")["output"] == "done"


def test_without_a_key_it_does_not_start(tmp_path):
    """An open host is not a default."""
    environment = {k: v for k, v in os.environ.items() if k != "FUNCTIONS_HOST_KEY"}
    command = [sys.executable, "-m", "local.functions_host", str(APP), "--state", str(tmp_path)]

    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("Set FUNCTIONS_HOST_KEY")
