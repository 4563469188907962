"""Azurite is gone for two simulated hours in the middle of builds; the other processes go on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local import stack
from local.stack import supervisor
from local.stack.child import Child
from tests.waiting import soon

pytestmark = pytest.mark.stack
TIME_SCALE = 900.0
OUTAGE_SECONDS = 2 * 3600 / TIME_SCALE
BEGINS = (0, 70, 140)  # how many requests Azure has had when each build is started
GOES = 200
OVER = {"succeeded", "failed", "cancelled"}
Json = dict[str, Any]


class Processes:
    """The real ones, of which Azurite can be ended and started again on its own."""

    def __init__(self, running: supervisor.Stack) -> None:
        self._children = {child.service.name: child for child in running.children}
        self._api = httpx.Client(
            base_url=running.running.app_url,
            headers={"x-functions-key": running.running.function_key},
            trust_env=False,
            timeout=60,
        )
        self._simulator = httpx.Client(
            base_url=f"{running.running.simulator_url}/_simulator/", trust_env=False, timeout=60
        )

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._api.request(method, f"/api/{path}", **options)

    def every(self, name: str) -> list[Json]:
        answer = self.ask("GET", name)
        assert answer.status_code == 200, answer.text
        return list(answer.json()[name])

    def simulator(self, what: str) -> list[Json]:
        return list(self._simulator.get(what).json())

    def named(self, kind: str) -> set[str]:
        return {r["id"] for r in self.simulator("resources") if kind in r["type"]}

    def end_azurite(self) -> None:
        """In order: what it has answered is kept, as in Azure."""
        self._children["azurite"].stop()

    def start_azurite(self) -> None:
        service = self._children["azurite"].service
        self._children["azurite"] = made = Child(service)
        made.wait_ready(lambda: False)

    def stop(self) -> None:
        self._api.close()
        self._simulator.close()
        self._children["azurite"].stop()
        assert [n for n, c in self._children.items() if n != "azurite" and c.exit_code()] == []


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    options = stack.Options(state=tmp_path / "state", port=0, time_scale=TIME_SCALE)
    asked = threading.Event()
    with supervisor.running(options, print, asked) as running, contextlib.ExitStack() as undo:
        made = Processes(running)
        undo.callback(made.stop)
        yield made


def test_two_hours_without_storage_lose_no_build(processes: Processes) -> None:
    """Nothing is asked of Azure twice, and afterwards records and Azure name the same things."""
    accepted: list[str] = []
    for number, requests in enumerate(BEGINS):
        assert soon(lambda n=requests: len(processes.simulator("ledger")) >= n)
        answer = processes.ask("POST", "builds", json=a_build(f"image{number}"))
        assert answer.status_code == 202, answer.text
        accepted.append(answer.json()["buildId"])
    assert soon(lambda: len(processes.simulator("ledger")) >= GOES)

    assert "running" in {build["state"] for build in processes.every("builds")}
    processes.end_azurite()
    refused = processes.ask("POST", "builds", json=a_build("refused"))
    threading.Event().wait(OUTAGE_SECONDS)
    processes.start_azurite()
    assert refused.status_code == 503, refused.text

    assert soon(lambda: all(b["state"] in OVER for b in processes.every("builds")))
    ended = [processes.ask("GET", f"builds/{build}").json() for build in accepted]
    assert [build["state"] for build in ended] == ["succeeded"] * 3, [b["error"] for b in ended]
    assert {b["buildId"] for b in processes.every("builds")} == set(accepted)
    assert {i["imageId"] for i in processes.every("images")} == processes.named("images/versions")
    pools = {pool.rpartition("/")[2] for pool in processes.named("batchAccounts/pools")}
    assert {pool["poolId"] for pool in processes.every("pools")} == pools
    assert len(pools) == len(BEGINS)
    for kind in ("virtualMachines", "disks", "Microsoft.Network"):
        assert processes.named(kind) == set()


def a_build(name: str) -> Json:
    """An image with a verified pool."""
    pool = {"id": f"{name}-pool", "vmSize": "Standard_D2s_v5", "nodes": 1, "verify": True}
    return {
        "image": {"name": name}, "batchAccount": {"name": "mybatch12345"}, "pools": [pool]
    }  # fmt: skip
