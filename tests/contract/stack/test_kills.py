"""Killed in the middle of its work and started again, the stack ends every build as if nothing had
happened. How many kills: `make test-kills KILLS=20`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from stack_world import soon
from test_real_stack import COMMAND

from local.stack import record

pytestmark = pytest.mark.stack
KILLS = int(os.environ.get("BATCH_PREP_KILLS", "2"))
KILLS_A_BUILD = 4
REQUESTS_A_BUILD = 180  # about; a kill that comes after the end is none
TIME_SCALE = "600"
ACCOUNT = "mybatch12345"


class MortalStack:
    """Real processes that can be killed; started again, they go on at the same ports."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._port = 0
        self._key = ""
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        line = ["local", "up", "--port", str(self._port), "--state", str(self._state)]
        self._process = process = subprocess.Popen([COMMAND, *line, "--time-scale", TIME_SCALE])
        assert soon(lambda: self._found() is not None or process.poll() is not None)
        assert process.poll() is None, "see the output above"
        running = self._running()
        assert self._key in ("", running.function_key), "a terminal in which it is exported"
        self._key = running.function_key
        self._port = int(running.app_url.rsplit(":", 1)[1])

    def _found(self) -> Any:
        return record.read(self._state)

    def _running(self) -> Any:
        found = self._found()
        assert found is not None
        return found

    def kill(self, *names: str) -> None:
        """SIGKILL; the supervisor ends what is left, Azurite last and gracefully."""
        assert self._process is not None
        for name in names:
            os.kill(self._running().pids[name], signal.SIGKILL)
        assert self._process.wait(60) == 1

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """A request to the API; its JSON."""
        found = self._running()
        headers = {"x-functions-key": found.function_key}
        url = f"{found.app_url}{path}"
        answer = httpx.request(method, url, headers=headers, trust_env=False, timeout=30, **options)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def simulator(self, what: str) -> list[dict[str, Any]]:
        """The ledger or the resources."""
        url = f"{self._running().simulator_url}/_simulator/{what}"
        return list(httpx.get(url, trust_env=False, timeout=30).json())


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[MortalStack]:
    """A fresh stack."""
    made = MortalStack(tmp_path / "state")
    yield made
    made.stop()


def a_build(name: str) -> dict[str, Any]:
    """The main job, smaller: a GPU image with a preloaded one, and two pools that are proved."""
    image = {"name": name, "gpu": True, "containerImages": ["docker.io/library/busybox:1.36"]}
    pool = {"vmSize": "Standard_NC4as_T4_v3", "nodes": 1, "verify": True}
    pools = [{"id": f"{name}-{n}", **pool} for n in ("dev", "test")]
    return {"image": image, "batchAccount": {"name": ACCOUNT}, "pools": pools}


@pytest.mark.parametrize("number", range(-(-KILLS // KILLS_A_BUILD)))
def test_a_build_survives_kills_at_random_moments(stack: MortalStack, number: int) -> None:
    """Of the host alone, and of host and simulator together. Each time the stack ends with exit
    code 1 and the same command goes on: with the same key, nothing made twice or left over.
    """
    dice = random.Random(number)
    kills = min(KILLS_A_BUILD, KILLS - number * KILLS_A_BUILD)
    moments = sorted(dice.sample(range(5, REQUESTS_A_BUILD), kills))
    build = stack.ask("POST", "/api/builds", json=a_build("image"))["buildId"]

    for moment in moments:
        assert soon(lambda moment=moment: is_over(stack, build, moment))  # type: ignore[misc]
        stack.kill(*dice.choice([("host",), ("host", "simulator")]))
        stack.start()
    assert soon(lambda: stack.ask("GET", f"/api/builds/{build}")["state"] != "running")

    ended = stack.ask("GET", f"/api/builds/{build}")
    assert (ended["state"], ended["error"]) == ("succeeded", None)
    assert [p["state"] for p in ended["pools"]] == ["ready", "ready"]
    left = {r["type"].split("/")[-1] for r in stack.simulator("resources")}
    assert left & {"virtualMachines", "natGateways", "virtualNetworks", "disks"} == set()
    assert [r["id"] for r in stack.simulator("resources") if r["type"].endswith("/versions")] == [
        ended["image"]["imageId"]
    ]


def is_over(stack: MortalStack, build: str, moment: int) -> bool:
    """Whether so many requests were sent, or the build has ended before."""
    if len(stack.simulator("ledger")) >= moment:
        return True
    return bool(stack.ask("GET", f"/api/builds/{build}")["state"] != "running")
