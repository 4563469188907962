"""Every way into the app, on the real processes: command line, queue, timer; with a proxy between
the app and its Azure, which must see all of the traffic. The app is the unpacked deployment
package.
"""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from recording_proxy import RecordingProxy
from test_real_stack import COMMAND, run

from local.stack import layout, record
from release import package
from tests.waiting import soon

pytestmark = pytest.mark.stack
# Half an hour of Azure's time in two seconds; what the processes themselves take stays the same.
TIME_SCALE = "900"
ACCOUNT = "mybatch12345"


class Stack:
    """A running stack, as somebody sees it who has its key."""

    def __init__(self, state: Path, proxy: RecordingProxy) -> None:
        self.state, self.proxy = state, proxy
        found = record.read(state)
        assert found is not None, "see the output above"
        self.record = found
        self.client = httpx.Client(
            base_url=found.app_url,
            headers={"x-functions-key": found.function_key},
            trust_env=False,
            timeout=30,
        )

    def command(self, *line: str) -> subprocess.CompletedProcess[str]:
        """batch-prep.sh, in a folder of its own."""
        return run(self.state, *line, "--account", ACCOUNT)

    def get(self, path: str) -> Any:
        """GET of the API."""
        return self.client.get(path).json()

    def has_pool(self, pool: str) -> bool:
        """Whether the pool's metadata is served."""
        return self.client.get(f"/api/pools/{ACCOUNT}/{pool}").status_code == 200


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The real host, simulator and Azurite; the app reaches its Azure through the proxy."""
    folder = tmp_path_factory.mktemp("paths")
    state = folder / "state"
    package.write(layout.ROOT, folder / "package.zip")
    with zipfile.ZipFile(folder / "package.zip") as packed:
        packed.extractall(folder / "app")

    def simulator() -> str:
        found = record.read(state)
        assert found is not None
        return str(found.simulator_url)

    proxy = RecordingProxy(simulator)
    line = ["local", "up", "--port", "0", "--state", str(state), "--time-scale", TIME_SCALE]
    line += ["--azure-endpoint", proxy.url, "--app", str(folder / "app")]
    process = subprocess.Popen([COMMAND, *line])
    try:
        assert soon(lambda: record.read(state) is not None or process.poll() is not None)
        ready = Stack(state, proxy)
        yield ready
        ready.client.close()
    finally:
        process.terminate()
        code = process.wait(60)
        proxy.close()
    assert code == 0


def test_the_stack_serves_and_is_healthy(stack: Stack) -> None:
    """Every dependency of the app answers."""
    answer = stack.client.get("/api/health")
    assert answer.status_code == 200, answer.text


def test_one_image_then_three_pools_as_the_old_documentation_types_them(stack: Stack) -> None:
    """Build once, then a pool per command; retired sizes are refused with their successor."""
    image = run(stack.state, "--image-only", "--gpu", "--os", "ubuntu", "--version", "22.04")
    assert image.returncode == 0, image.stdout + image.stderr

    refused = stack.command("--batch-only", "--pool-id", "dev", "--vm-size", "NC6", "--nodes", "1")
    assert refused.returncode == 2
    assert "Standard_NC4as_T4_v3" in refused.stdout + refused.stderr

    for pool, size, nodes in [("dev", "NC6", 1), ("test", "NC6", 2), ("prod", "NC12", 3)]:
        flags = ["--pool-id", pool, "--vm-size", size, "--nodes", str(nodes)]
        made = stack.command("--batch-only", *flags, "--accept-successor")
        assert made.returncode == 0, made.stdout + made.stderr
        shown = stack.get(f"/api/pools/{ACCOUNT}/{pool}")
        assert (shown["poolId"], shown["nodes"], shown["state"]) == (pool, nodes, "ready")
        assert shown.keys() >= {"batchAccount", "poolId", "imageId", "vmSize", "nodes", "state"}


def test_a_plain_json_message_becomes_a_pool(stack: Stack) -> None:
    """The storage SDK's defaults are enough to ask for a pool."""
    from azure.storage.queue import QueueClient

    pool = {"id": "queued", "vmSize": "Standard_D2s_v5", "nodes": 1}
    message = {"batchAccount": {"name": ACCOUNT}, "image": {}, "pool": pool}
    connection = stack.record.storage_connection_string
    with QueueClient.from_connection_string(connection, "pool-requests") as queue:
        queue.send_message(json.dumps(message))
    assert soon(lambda: stack.has_pool("queued"))
    assert stack.get(f"/api/pools/{ACCOUNT}/queued")["state"] == "ready"


def test_the_weekly_timer_rebuilds_the_enabled_recipes(stack: Stack) -> None:
    """Fired through the host's admin endpoint, as an operator would."""
    recipe = {"enabled": True, "request": {"mode": "image-only", "image": {"name": "weekly"}}}
    assert stack.client.put("/api/recipes/weekly", json=recipe).status_code == 200
    fired = stack.client.post("/admin/functions/weekly_rebuild", json={"input": ""})
    assert fired.status_code == 202
    url = "/api/images/batchImageGallery/weekly/latest"
    assert soon(lambda: stack.client.get(url).status_code == 200)
    assert stack.get(url)["version"] == "1.0.0"


def test_the_log_of_a_failed_step_can_be_read_where_its_error_says(stack: Stack) -> None:
    """Azure's agent appends to a container that must be there; a link to nothing helps nobody."""
    fault = {"effect": "script", "step": "docker", "exitCode": 23, "message": "no mirror answers"}
    url = f"{stack.record.simulator_url}/_simulator/faults"
    assert httpx.post(url, json=fault, trust_env=False).is_success
    failed = run(stack.state, "--image-only", "--os", "debian", "--version", "12", "--json")
    assert failed.returncode == 1, failed.stderr
    build = json.loads(failed.stdout)
    log = httpx.get(build["error"]["logUrl"], trust_env=False)
    assert log.status_code == 200, log.text
    assert "no mirror answers" in log.text


def test_all_of_the_traffic_went_through_the_proxy(stack: Stack) -> None:
    """The app talks to the endpoint of its settings and to nothing else."""
    ledger = httpx.get(f"{stack.record.simulator_url}/_simulator/ledger", trust_env=False).json()
    asked = [r for r in ledger if "/_simulator/" not in r["url"]]
    assert len(asked) > 100
    assert {r["url"].split("/")[2] for r in asked} == {stack.proxy.url.removeprefix("http://")}


def test_bad_requests_are_refused_over_http(stack: Stack) -> None:
    """400 with every problem, 401 without the key, 404 for what is not there."""
    bad = {"mode": "full", "colour": 1, "image": {"gallery": "a-b"}, "pools": [{"id": "a b"}]}
    answer = stack.client.post("/api/builds", json=bad)
    assert answer.status_code == 400
    fields = {d["field"] for d in answer.json()["error"]["details"]}
    assert fields == {"colour", "image.gallery", "pools[0].id"}
    assert stack.client.post("/api/builds", content=b"{").status_code == 400
    assert stack.client.get("/api/builds/none").status_code == 404
    without = httpx.get(f"{stack.record.app_url}/api/builds", trust_env=False)
    assert without.status_code == 401
