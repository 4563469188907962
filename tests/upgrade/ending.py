"""How the builds of a snapshot are brought to their end, and what is told of them then."""

from __future__ import annotations

from typing import Any

from local.functions_host.store import Query, Status
from tests.world import World

Json = dict[str, Any]
_SWEEP = "sweep"  # the instance of the sweep, and how those of its children begin
_IMAGE = (
    "imageId", "version", "buildId", "nodeAgentSku", "vmSize", "gpuEnabled", "driverVersion",
    "pending", "managedImageId", "registryLoginServer", "pullIdentityId",
)  # fmt: skip
_POOL = (
    "batchAccount", "poolId", "buildId", "imageId", "vmSize", "nodes", "lowPriorityNodes", "state",
    "verified", "pending", "nodesLeft",
)  # fmt: skip


def finish(world: World, resumed: list[str]) -> None:
    """Let everything run that runs, resume what is to be resumed, and sweep once more."""
    world.engine.run_until_idle()
    for build in resumed:
        world.resume(build)
    world.engine.run_until_idle()
    world.sweep()
    world.engine.run_until_idle()
    world.azure.settle()


def broken(world: World) -> list[str]:
    """Instances that failed or did not end. A sweep of 0.1.0 fails, because its function is gone:
    the next one, of another name, does its work.
    """
    return [
        f"{each.id} is {each.status.value}: {each.output}"
        for each in world.engine.store.select(Query())
        if not each.status.is_final
        or (each.status is Status.FAILED and each.id.partition(":")[0] != _SWEEP)
    ]


def told(world: World) -> Json:
    """What must not depend on an upgrade: neither times nor texts, but all that is and costs."""
    return {
        "builds": {each["buildId"]: _build(each) for each in world.builds()},
        "images": [_image(image) for image in world.images()],
        "pools": [_some(pool, _POOL) for pool in world.pools()],
        "resources": sorted(
            [each["type"], _name(each), each["state"], each["costPerHour"]]
            for each in world.resources()
        ),
    }


def with_any_version(told: Any) -> Any:
    """The same, with only the fact that an image has a driver: a script that is sent after the
    upgrade installs the versions that are pinned now. Without image versions that failed, and
    without image definitions, of which some were empty: 0.1.0 let them stay where other builds
    needed the resource group.
    """
    if isinstance(told, dict):
        return {
            name: value is not None if name == "driverVersion" else with_any_version(value)
            for name, value in told.items()
        }
    if isinstance(told, list):
        return [with_any_version(item) for item in told if not _may_have_stayed(item)]
    return told


def _may_have_stayed(item: Any) -> bool:
    """Whether it is a row of the resources that stands for one of these. A definition that is not
    empty is there as long as its version is.
    """
    if not (isinstance(item, list) and len(item) > 2):
        return False
    definition = "Microsoft.Compute/galleries/images"
    return item[0] == definition or (item[0] == f"{definition}/versions" and item[2] == "Failed")


def _build(document: Json) -> Json:
    error = document["error"] or {}
    return {
        "mode": document["mode"],
        "state": document["state"],
        "resumable": document["resumable"],
        "error": [error.get("code"), error.get("kind"), error.get("azureCode")],
        "leftovers": document["leftovers"],
        "image": _image(document["image"] or {}),
        "pools": [_some(pool, _POOL) for pool in document["pools"]],
    }


def _image(document: Json) -> Json:
    return {
        **_some(document, _IMAGE),
        "containerImages": [each["name"] for each in document.get("containerImages", [])],
    }


def _name(resource: Json) -> str:
    """The last part of its id; none of a role assignment, whose name is a new GUID each time."""
    if resource["type"].startswith("Microsoft.Authorization/"):
        return ""
    return str(resource["id"]).rpartition("/")[2]


def _some(document: Json, fields: tuple[str, ...]) -> Json:
    return {name: document[name] for name in fields if name in document}
