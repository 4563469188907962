"""The fault files for people do what their README says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.world import World, a_pool, a_request, an_image

HOME = Path(__file__).parents[2] / "docs" / "faults"
GPU_SIZE = "Standard_NC4as_T4_v3"


def documented() -> dict[str, tuple[str, str]]:
    """By file: its outcome, and what one sees."""
    found = {}
    for line in (HOME / "README.md").read_text().splitlines():
        if row := re.match(r"\| `([\w-]+\.json)` \|[^|]+\| `(\w+)` \|([^|]+)\|", line):
            found[row[1]] = (row[2], row[3])
    return found


def the_build() -> dict:
    """The build that the README asks its reader to start."""
    image = an_image(gpu=True)
    return a_request(image=image, pools=[a_pool("dev", vmSize=GPU_SIZE, nodes=2, verify=True)])


def outcome_of(build: dict) -> str:
    """The outcome as the README writes it."""
    return str(build["state"] if build["state"] == "succeeded" else build["error"]["code"])


def machines(world: World) -> list[dict]:
    """What costs money by the hour: VMs, and pools with nodes."""
    return [r for r in world.resources() if r["costPerHour"] > 0.01 and "pools" not in r["type"]]


def test_every_file_is_documented() -> None:
    """A file without an expected outcome shows nothing."""
    assert set(documented()) == {path.name for path in HOME.glob("*.json")}


@pytest.mark.parametrize("name", documented())
def test_a_file_leads_where_it_says(world: World, name: str) -> None:
    """On the virtual clock, with the faults as `local up --faults` adds them."""
    outcome, sees = documented()[name]
    faults = json.loads((HOME / name).read_text())
    for number, fault in enumerate(faults, 1):
        world.fault({"id": f"file-{number}", **fault})

    build = world.build(the_build())

    assert outcome_of(build) == outcome, build["error"]
    assert all(fault["struck"] for fault in world.azure.faults.list())
    assert build["resumable"] == ("builds resume ID" in sees)
    if build["resumable"]:
        world.azure.faults.clear()
        assert world.resume(build["buildId"])["state"] == "succeeded"
    assert machines(world) == []


def test_nodes_that_no_machine_ran_say_so(world: World) -> None:
    """Also where their start tasks fail: the exit code is the simulator's."""
    for number, fault in enumerate(json.loads((HOME / "dead-nodes.json").read_text()), 1):
        world.fault({"id": f"file-{number}", **fault})

    build = world.build(the_build())
    (nodes,) = [step for step in build["steps"] if step["name"] == "nodes"]
    assert (nodes["state"], nodes["scripted"]) == ("failed", True)
    assert [pool["scripted"] for pool in build["pools"]] == [True]
