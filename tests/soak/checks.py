"""What must hold when everything has ended; each sentence is something that does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.mortal_stack import MortalStack
from tests.soak.traffic import Traffic

Json = dict[str, Any]
_ROLES = "/providers/microsoft.authorization/"
OVER = {"succeeded", "failed", "cancelled"}
_OF_A_BUILDER = (
    "microsoft.compute/virtualmachines", "microsoft.compute/disks", "microsoft.network/",
)  # fmt: skip


def every(stack: MortalStack, name: str) -> list[Json]:
    """The rows of all pages of a list."""
    found: list[Json] = []
    path = f"/api/{name}?limit=1000"
    while path:
        page = stack.ask("GET", path)
        found += page[name]
        path = "/api" + page["nextLink"].partition("/api")[2] if page.get("nextLink") else ""
    return found


def outcomes(stack: MortalStack, traffic: Traffic) -> Iterator[str]:
    """Of every request that was accepted and of every message."""
    builds = {b["buildId"]: b for b in every(stack, "builds")}
    refused = {r["message"] for r in every(stack, "refused")}
    for build, what in traffic.accepted.items():
        if build not in builds and what != "pool request":
            yield f"{what} {build} was accepted and is not recorded"
    for build, text in traffic.messages.items():
        if build not in builds and text not in refused:
            yield f"the message of build {build} is neither a build nor refused"
    for build in builds:
        yield from _outcome(stack.ask("GET", f"/api/builds/{build}"))


def _outcome(build: Json) -> Iterator[str]:
    error, who = build.get("error"), f"build {build['buildId']}"
    if build["state"] not in OVER:
        yield f"{who} is {build['state']}"
    elif build["state"] == "failed" and not (error and error.get("nextAction")):
        yield f"{who} failed without a next action: {error}"
    elif error and error["code"] == "Bug":
        yield f"{who} failed by a defect: {error['message']}"


class Azure:
    """What is there, by type, in lower case."""

    def __init__(self, stack: MortalStack) -> None:
        self.all = {r["id"].lower(): r for r in stack.simulator("resources")}

    def of(self, *types: str) -> list[str]:
        """Ids of the types that end in one of these."""
        return [i for i, r in self.all.items() if r["type"].lower().endswith(types)]

    def stayed(self, group: str) -> list[str]:
        """A resource group with its contents. A registry stays if it has an image (and then its
        group does): such an image took minutes, and can be used by others.
        """
        found = [i for i in self.all if f"/{group}/" in f"{i}/"]
        others = [i for i in found if "/registries/" not in i and not i.endswith(f"/{group}")]
        is_empty = not any("/registries/" in i for i in found)
        return found if is_empty else others


def left_over(stack: MortalStack, traffic: Traffic) -> dict[str, list[str]]:
    """By kind, what no build that made something owns."""
    azure = Azure(stack)
    images = {image["imageId"].lower() for image in every(stack, "images")}
    pools = {pool["poolId"]: pool for pool in every(stack, "pools")}
    failed = {name for name, pool in pools.items() if pool["state"] == "failed"}
    versions = azure.of("/images/versions")
    at_azure = {i: i.rpartition("/")[2] for i in azure.of("batchaccounts/pools")}
    costly = [i for i in at_azure if azure.all[i]["costPerHour"] > 0]
    barren = [g for g in traffic.own_groups if not any(f"/{g}/" in image for image in images)]
    return {
        "VMs, disks, networks": [
            i for i, r in azure.all.items() if r["type"].lower().startswith(_OF_A_BUILDER)
        ],
        "versions without a record": sorted(set(versions) - images),
        "records without a version": sorted(images - set(versions)),
        "definitions without a version": [
            i
            for i in azure.of("galleries/images")
            if not any(v.startswith(f"{i}/") for v in versions)
        ],
        "role assignments without their resource": [
            i for i in azure.of("roleassignments") if i.partition(_ROLES)[0] not in azure.all
        ],
        "of builds that made nothing": [i for group in barren for i in azure.stayed(group)],
        "pools without a record": [i for i, name in at_azure.items() if name not in pools],
        "failed pools that cost": [i for i in costly if at_azure[i] in failed],
    }
