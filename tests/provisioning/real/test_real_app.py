"""A build of the app on the local stack whose machines really execute, from request to proof."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.stack import layout

pytestmark = [pytest.mark.root, pytest.mark.stack]

COMMAND = str(layout.ROOT / "batch-prep.sh")
IMAGE = "docker.io/library/busybox:1.36"
BUILD = ["--full", "--os", "ubuntu", "--version", "24.04", "--account", "reallyrun", "--json"]
POOL = ["--pool-id", "dev", "--vm-size", "Standard_D2s_v5", "--nodes", "1", "--verify"]
TIME_SCALE = "30"
"""Scripts take the seconds they take; Azure's time-outs are not to meet them."""
SECONDS_MAX = 600


@pytest.fixture(scope="module")
def state(place_for_machines: Path) -> Path:
    return place_for_machines / "state"


@pytest.fixture(scope="module")
def build(state: Path, kits_or_skip: Path) -> dict[str, Any]:
    """The build as the service tells it, once the stack has ended."""
    machines = ["--machines", "nspawn", "--roots", str(kits_or_skip), "--time-scale", TIME_SCALE]
    done = subprocess.run(
        [COMMAND, "local", "run", "--state", str(state), *machines, "--", COMMAND, *BUILD, *POOL],
        env={**os.environ, "PRELOAD_IMAGES": "true", "CONTAINER_IMAGE": IMAGE},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        cwd=state.parent,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def test_every_step_says_what_of_it_really_ran(build: dict[str, Any]) -> None:
    """Ubuntu's kernel packages are the one thing that Debian cannot stand in for."""
    told = {
        step["name"]: step["scriptedParts"]
        for step in build["steps"]
        if step["standIn"] == "debian 12"
    }
    assert told == {
        "install": ["kernel"],
        "preload": [],
        "seal": ["kernel"],
        "node_reports": ["kernel"],
        "verify": [],
    }
    assert [step["name"] for step in build["steps"] if step["scripted"]] == [
        name for name, parts in told.items() if parts
    ]


def test_the_images_disk_holds_what_the_build_says_it_preloaded(
    build: dict[str, Any], state: Path
) -> None:
    """By digest, in Docker's store of the sealed system."""
    [home] = (state / "machines").glob("image-*")
    stored = json.loads(
        (home / "root/var/lib/docker/image/overlay2/repositories.json").read_text()
    )["Repositories"]
    [image] = build["image"]["containerImages"]
    assert image["name"] == IMAGE
    assert (build["image"]["standIn"], build["image"]["scriptedParts"]) == ("debian 12", ["kernel"])
    assert f"busybox@{image['digest']}" in stored["busybox"]
    assert (home / "root/etc/machine-id").read_text() == ""


def test_the_pool_is_proved_on_a_machine_made_from_that_disk(
    build: dict[str, Any], state: Path
) -> None:
    """Every check passes there, and a container runs that no registry was asked for."""
    [pool] = build["pools"]
    assert (pool["verified"], pool["standIn"]) == (True, "debian 12")
    status = {check["id"]: check["status"] for check in pool["checks"]}
    assert status.pop("gpu") == "skip"
    assert set(status.values()) == {"pass"}
    assert {"docker", "images", "container", "container-1"} <= set(status)
    [node] = (state / "machines").glob("vm-*")
    assert "/v2/" not in (node / "requests.log").read_text()
