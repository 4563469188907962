"""A registry allows no more pulls for now: the builder waits, and the build goes on later."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import World, image_only

LIMIT = {"effect": "script", "step": "preload", "exitCode": 26, "message": "toomanyrequests"}
IMAGES = ["docker.io/library/busybox:1.36"]
HOUR = 3600


@pytest.fixture
def limited() -> tuple[World, dict[str, Any]]:
    """A build that met the limit, after driver and Docker were installed. Docker Hub's holds for
    six hours, and builders are kept for longer: https://docs.docker.com/docker-hub/usage/pulls/
    """
    world = World()
    world.fault(LIMIT)
    return world, world.build(image_only(gpu=True, containerImages=IMAGES))


def scripts(world: World) -> list[str]:
    """The run commands that were started, by name."""
    puts = [r["url"] for r in world.ledger() if r["method"] == "PUT" and "runCommands/" in r["url"]]
    return [url.partition("runCommands/")[2].partition("?")[0] for url in puts]


def power(world: World) -> list[str]:
    """The state of each VM."""
    vms = world.azure.store.of_type("Microsoft.Compute/virtualMachines")
    return [vm.state["power"] for vm in vms]


def test_the_builder_waits_deallocated_and_goes_on(limited: tuple[World, dict[str, Any]]) -> None:
    """Nothing is installed again, and the waiting costs no machine."""
    world, build = limited
    assert (build["state"], build["resumable"]) == ("failed", True), build["error"]
    assert build["error"]["azureCode"] == "RATE_LIMITED"
    advice = build["error"]["nextAction"]
    assert "az acr import" in advice
    assert "Resume the build" in advice
    assert (power(world), len(build["leftovers"])) == (["deallocated"], 4)

    world.engine.advance(6 * HOUR)
    resumed = world.resume(build["buildId"])

    assert resumed["state"] == "succeeded", resumed["error"]
    assert [image["name"] for image in resumed["image"]["containerImages"]] == IMAGES
    assert [name.partition("-")[0] for name in scripts(world)].count("install") == 1
    assert world.resources("virtualMachines") + world.resources("virtualNetworks") == []


def test_the_limit_may_hold_longer(limited: tuple[World, dict[str, Any]]) -> None:
    """Each try is a run of its own: the words of an earlier one are no answer."""
    world, build = limited
    world.fault(LIMIT)
    again = world.resume(build["buildId"])
    assert (again["resumable"], power(world)) == (True, ["deallocated"])
    assert again["error"]["nextAction"] == build["error"]["nextAction"]

    resumed = world.resume(build["buildId"])
    assert resumed["state"] == "succeeded", resumed["error"]
    names = scripts(world)
    assert len(names) == len(set(names))


def test_what_is_no_limit_ends_it(limited: tuple[World, dict[str, Any]]) -> None:
    """The image is gone from the registry by now: everything is removed."""
    world, build = limited
    world.fault({**LIMIT, "exitCode": 21})
    failed = world.resume(build["buildId"])
    assert (failed["resumable"], failed["leftovers"]) == (False, [])
    assert world.resources("virtualMachines") == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_builder_that_does_not_start(limited: tuple[World, dict[str, Any]], kept: bool) -> None:
    """Azure has no machine for it now, or it is gone."""
    world, build = limited
    vm = world.resources("virtualMachines")[0]["id"]
    if kept:
        world.fault({"effect": "allocation", "operation": "virtualMachines.start", "times": 1})
    else:
        world.azure.dispatch("DELETE", f"https://azure{vm}?api-version=2024-07-01", None)
        world.engine.advance(600)
    failed = world.resume(build["buildId"])
    assert (failed["state"], failed["resumable"]) == ("failed", kept), failed["error"]
    if kept:
        assert world.resume(build["buildId"])["state"] == "succeeded"
    assert world.resources("virtualMachines") + world.resources("virtualNetworks") == []


def test_what_nobody_resumes_is_swept(limited: tuple[World, dict[str, Any]]) -> None:
    """As with every builder that is kept."""
    world, build = limited
    world.engine.advance(25 * HOUR)
    world.sweep()
    assert world.resources("virtualMachines") == []
    assert world.show(build["buildId"])["resumable"] is False
