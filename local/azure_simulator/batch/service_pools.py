"""Pools on the data plane: read, resized, deleted. They are made in Resource Manager."""

from __future__ import annotations

from typing import Any

from local.azure_simulator import context, model, store
from local.azure_simulator.batch import (
    autoscaling,
    iso8601,
    nodes,
    odata,
    planes,
    pool_body,
    pools,
    problems,
    scaling,
    start_tasks,
    support_ends,
    supported_images,
)

_RESIZE = {"targetDedicatedNodes": int, "targetLowPriorityNodes": int, "resizeTimeout": str}
_AUTO_SCALE = {"autoScaleFormula": str, "autoScaleEvaluationInterval": str}
_STATES = {
    "creating": "creating",
    "idle": "idle",
    "offline": "offline",
    "preempted": "preempted",
    "rebooting": "rebooting",
    "reimaging": "reimaging",
    "running": "running",
    "starting": "starting",
    "starttaskfailed": "startTaskFailed",
    "leavingpool": "leavingPool",
    "unknown": "unknown",
    "unusable": "unusable",
    "waitingforstarttask": "waitingForStartTask",
    "deallocated": "deallocated",
    "deallocating": "deallocating",
    "upgradingos": "upgradingOS",
}
"""States of nodes and their names in counts."""


def serve(plane: planes.DataPlane) -> None:
    plane.route("GET", "/supportedimages", list_supported_images)
    plane.route("GET", "/nodecounts", list_node_counts)
    plane.route("GET", "/pools", list_pools)
    plane.route("GET", "/pools/{pool}", get)
    plane.route("HEAD", "/pools/{pool}", head)
    plane.route("DELETE", "/pools/{pool}", delete, operation="pools.delete")
    plane.route("POST", "/pools/{pool}/resize", resize, operation="pools.resize")
    plane.route("POST", "/pools/{pool}/stopresize", stop, operation="pools.stop")
    plane.route("POST", "/pools/{pool}/enableautoscale", enable_auto_scale)
    plane.route("POST", "/pools/{pool}/disableautoscale", disable_auto_scale)
    plane.route("POST", "/pools/{pool}/evaluateautoscale", evaluate_auto_scale)


def require(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> store.Resource:
    """The pool that the path names; 404 PoolNotFound."""
    pool = azure.store.find(f"{account.id}/pools/{request.parameters['pool']}")
    return problems.require(pool, "Pool")


def list_supported_images(
    azure: context.Azure,
    request: model.Request,
    account: store.Resource,  # noqa: ARG001
) -> model.Response:
    items = [
        image.to_wire(support_ends.date(azure, image.agent, image.ends))
        for image in supported_images.SUPPORTED_IMAGES
    ]
    return odata.listing(azure, request, "supportedimages", items)


def list_node_counts(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    items = [
        {
            "poolId": pool.name,
            "dedicated": _counts(azure, pool, True),
            "lowPriority": _counts(azure, pool, False),
        }
        for pool in azure.store.children(account.id, planes.POOL_TYPE)
    ]
    return odata.listing(azure, request, "poolnodecounts", items)


def list_pools(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    found = azure.store.children(account.id, planes.POOL_TYPE)
    return odata.listing(azure, request, "pools", [shown(azure, pool, request) for pool in found])


def get(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    return odata.entity(request, "pools", shown(azure, require(azure, request, account), request))


def head(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    require(azure, request, account)
    return model.empty_response(200)


def delete(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    """202; 409 PoolBeingDeleted the second time."""
    pool = require(azure, request, account)
    _check_staying(pool)
    pools.begin_delete(azure, pool)
    return odata.done(request, 202)


def resize(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    """202; only a steady pool of fixed scale can be resized."""
    pool = require(azure, request, account)
    check_resizable(pool)
    body = request.json(_RESIZE)
    before = pool.state["targets"]
    targets = (
        _target(body.get("targetDedicatedNodes"), before[0]),
        _target(body.get("targetLowPriorityNodes"), before[1]),
    )
    if "resizeTimeout" in body:
        pool_body.check_scale({"scaleSettings": {"fixedScale": body}})
        pool.properties["scaleSettings"]["fixedScale"]["resizeTimeout"] = body["resizeTimeout"]
    scaling.set_targets(pool, *targets)
    scaling.begin(azure, pool, targets)
    return odata.done(request, 202)


def stop(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    pool = require(azure, request, account)
    _check_staying(pool)
    scaling.stop(azure, pool)
    return odata.done(request, 202)


def enable_auto_scale(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    pool = require(azure, request, account)
    _check_staying(pool)
    scaling.check_steady(pool)
    body = request.json(_AUTO_SCALE)
    known = pool.properties["scaleSettings"].get("autoScale") or {"evaluationInterval": "PT15M"}
    settings = {
        "formula": body.get("autoScaleFormula") or known.get("formula"),
        "evaluationInterval": body.get("autoScaleEvaluationInterval")
        or known["evaluationInterval"],
    }
    pool_body.check_scale({"scaleSettings": {"autoScale": settings}})
    autoscaling.run(azure, pool, settings["formula"])
    pool.properties["scaleSettings"] = {"autoScale": settings}
    autoscaling.start(azure, pool)
    return odata.done(request, 200)


def disable_auto_scale(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    pool = require(azure, request, account)
    _check_staying(pool)
    if autoscaling.is_enabled(pool):
        autoscaling.disable(azure, pool)
    return odata.done(request, 200)


def evaluate_auto_scale(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    """What a formula would decide now; nothing changes."""
    pool = require(azure, request, account)
    if not autoscaling.is_enabled(pool):
        raise problems.conflict("AutoScaleNotEnabled", "Auto scale is not enabled on the pool.")
    evaluation = autoscaling.run(azure, pool, request.json(_AUTO_SCALE).get("autoScaleFormula", ""))
    body = {"timestamp": iso8601.timestamp(azure.now), "results": evaluation.results}
    return odata.document(request, "autoScaleRun", body)


def check_resizable(pool: store.Resource) -> None:
    """Refuse what a pool that is going, moving or sizing itself does not let be resized."""
    _check_staying(pool)
    if autoscaling.is_enabled(pool):
        message = "The pool has auto scale enabled."
        raise problems.conflict("PoolAutoScaleEnabled", message)
    if pool.properties["allocationState"] != "Steady":
        raise problems.conflict("PoolBeingResized", "The specified pool is being resized.")


def shown(azure: context.Azure, pool: store.Resource, request: model.Request) -> dict[str, Any]:
    """The pool in the data plane's own shape: flat, with enumerations in lower case."""
    properties = pool.properties
    dedicated, low_priority = nodes.counts(azure, pool)
    scale = properties["scaleSettings"]
    errors = properties.get("resizeOperationStatus", {}).get("errors") or []
    item: dict[str, Any] = {
        "id": pool.name,
        "url": planes.service_url(request, f"pools/{pool.name}"),
        "eTag": pool.document["etag"].removeprefix("W/").strip('"'),
        "lastModified": properties["lastModified"],
        "creationTime": properties["creationTime"],
        "state": "deleting" if properties["provisioningState"] == "Deleting" else "active",
        "stateTransitionTime": properties["provisioningStateTransitionTime"],
        "allocationState": properties["allocationState"].lower(),
        "allocationStateTransitionTime": properties["allocationStateTransitionTime"],
        "vmSize": str(properties["vmSize"]).lower(),
        "virtualMachineConfiguration": _machine(pool_body.machine(properties)),
        "currentDedicatedNodes": dedicated,
        "currentLowPriorityNodes": low_priority,
        "targetDedicatedNodes": pool.state["targets"][0],
        "targetLowPriorityNodes": pool.state["targets"][1],
        "enableAutoScale": autoscaling.is_enabled(pool),
        "enableInterNodeCommunication": properties["interNodeCommunication"] == "Enabled",
        "taskSlotsPerNode": properties["taskSlotsPerNode"],
        "taskSchedulingPolicy": {
            "nodeFillType": properties["taskSchedulingPolicy"]["nodeFillType"].lower()
        },
        "metadata": properties.get("metadata") or [],
    }
    if errors:
        item["resizeErrors"] = [_resize_error(error) for error in errors]
    if properties.get("startTask"):
        item["startTask"] = start_tasks.shown(properties["startTask"])
    if "fixedScale" in scale:
        item["resizeTimeout"] = scale["fixedScale"]["resizeTimeout"]
    else:
        item["autoScaleFormula"] = scale["autoScale"]["formula"]
        item["autoScaleEvaluationInterval"] = scale["autoScale"]["evaluationInterval"]
    return item


def _machine(configuration: dict[str, Any]) -> dict[str, Any]:
    """The data plane writes SKU in capitals and names the id of an image in full."""
    reference = dict(configuration.pop("imageReference"))
    if "id" in reference:
        reference = {"virtualMachineImageId": reference["id"]}
    agent = configuration.pop("nodeAgentSkuId")
    return {**configuration, "imageReference": reference, "nodeAgentSKUId": agent}


def _resize_error(error: dict[str, Any]) -> dict[str, Any]:
    values = [{"name": item["code"], "value": item["message"]} for item in error["details"]]
    return {"code": error["code"], "message": error["message"], "values": values}


def _counts(azure: context.Azure, pool: store.Resource, is_dedicated: bool) -> dict[str, int]:
    number = dict.fromkeys(_STATES.values(), 0)
    for node in nodes.of_pool(azure, pool):
        if node.document["isDedicated"] == is_dedicated:
            number[_STATES[node.document["state"]]] += 1
    return {**number, "total": sum(number.values())}


def _target(given: Any, before: int) -> int:
    if given is None:
        return before
    if not isinstance(given, int) or given < 0:
        raise problems.invalid_value("targetNodes", "targetNodes", given, "Not a number of nodes.")
    return given


def _check_staying(pool: store.Resource) -> None:
    if pool.properties["provisioningState"] == "Deleting":
        raise problems.conflict("PoolBeingDeleted", "The specified pool is being deleted.")
