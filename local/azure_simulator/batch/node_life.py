"""The nodes of a pool, from machine to idle: creating, starting, waitingforstarttask, idle.

What goes wrong on the way: an image without Docker under a container pool, an image that cannot be
prefetched, no way out to the service (unusable, for good); a start task that fails
(starttaskfailed, until the node is rebooted or reimaged).
"""

# ruff: noqa: ARG001 - events share one signature

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from local.azure_simulator import context, model, store
from local.azure_simulator.batch import (
    containers,
    iso8601,
    nodes,
    pool_body,
    problems,
    scheduling,
    start_tasks,
)
from local.azure_simulator.container_registry import pulls
from local.azure_simulator.network import subnets

_AGENT_VERSION = "1.11.32"
# States that the service lets a node be rebooted or reimaged in.
_RESTARTABLE = frozenset({"idle", "running", "starttaskfailed", "unusable", "waitingforstarttask"})


def register(azure: context.Azure) -> None:
    azure.on(nodes.TYPE, "created", _created)
    azure.on(nodes.TYPE, "started", _started)
    azure.on(nodes.TYPE, "restarted", _restarted)
    azure.on(nodes.TYPE, "startTaskEnded", _start_task_ended)
    azure.on(nodes.TYPE, "startTaskLook", start_tasks.look)
    azure.on(nodes.TYPE, "vanish", _vanish)
    azure.on(nodes.TYPE, "preempt", _preempt)
    azure.on(nodes.TYPE, "return", _return)


# --- coming and going ----------------------------------------------------------------------


def create(azure: context.Azure, pool: store.Resource, *, is_dedicated: bool) -> None:
    """A machine was allocated: the node is listed from now."""
    number = azure.store.count(f"nodes|{pool.key}")
    kind = "d" if is_dedicated else "p"
    name = f"tvmps_{azure.digest('node', pool.key).hex()}_{kind}"
    node = store.Resource(
        id=f"{pool.id}/nodes/{name}",
        type=nodes.TYPE,
        document={
            "id": name,
            "state": "creating",
            "schedulingState": "enabled",
            "stateTransitionTime": iso8601.timestamp(azure.now),
            "allocationTime": iso8601.timestamp(azure.now),
            "ipAddress": f"10.0.{number // 250}.{number % 250 + 4}",
            "affinityId": f"TVM:{name}",
            "vmSize": str(pool.properties["vmSize"]).lower(),
            "totalTasksRun": 0,
            "runningTasksCount": 0,
            "runningTaskSlotsCount": 0,
            "totalTasksSucceeded": 0,
            "isDedicated": is_dedicated,
            "endpointConfiguration": {"inboundEndpoints": _endpoints(pool, number)},
            "virtualMachineInfo": {"imageReference": _image_reference(pool)},
        },
    )
    azure.store.add(node)
    _give_image(azure, pool, node)
    azure.schedule(node, "created", azure.duration("nodes.create", node))


def _endpoints(pool: store.Resource, number: int) -> list[model.JsonObject]:
    """Each node has a port of its own at each endpoint of the pool."""
    network = pool.properties.get("networkConfiguration") or {}
    nat_pools = (network.get("endpointConfiguration") or {}).get("inboundNatPools") or []
    return [
        {
            "name": f"{each['name']}.{number}",
            "protocol": str(each["protocol"]).lower(),
            "publicIPAddress": "20.0.0.10",
            "frontendPort": each["frontendPortRangeStart"] + number,
            "backendPort": each["backendPort"],
        }
        for each in nat_pools
    ]


def leave(azure: context.Azure, node: store.Resource) -> None:
    """The node takes no more tasks; what ran on it waits for another node."""
    node.cancel()
    nodes.set_state(azure, node, "leavingpool")
    scheduling.requeue_tasks_of(azure, node)


def remove_leaving(azure: context.Azure, pool: store.Resource) -> None:
    for node in nodes.of_pool(azure, pool):
        if node.document["state"] == "leavingpool":
            _vanish(azure, node, {})
            azure.store.remove(node.id)


def _vanish(azure: context.Azure, node: store.Resource, data: model.JsonObject) -> None:
    """Alone or with its pool."""
    azure.machine.destroy(node.state["contents"])


def restart(azure: context.Azure, node: store.Resource, *, reimages: bool) -> None:
    """Reboot, or begin again from the image; the pool's present start task runs afterwards."""
    if node.document["state"] not in _RESTARTABLE:
        message = "The specified node is not in a state that allows the operation."
        raise problems.conflict("NodeNotReady", message)
    node.cancel()
    operation = "reimage" if reimages else "reboot"
    nodes.set_state(azure, node, "reimaging" if reimages else "rebooting")
    for gone in ("errors", "startTaskInfo"):
        node.document.pop(gone, None)
    scheduling.requeue_tasks_of(azure, node)
    data = {"reimages": reimages}
    azure.schedule(node, "restarted", azure.duration(f"nodes.{operation}", node), data)


# --- preemption ----------------------------------------------------------------------------


def _preempt(azure: context.Azure, node: store.Resource, data: model.JsonObject) -> None:
    """Azure takes the machine of a Spot node. The node stays listed and counted; what ran on it
    waits for another one. Batch gets it a machine again when it can.
    https://learn.microsoft.com/azure/batch/batch-spot-vms
    """
    if node.document["state"] == "leavingpool":
        return
    node.cancel()
    nodes.set_state(azure, node, "preempted")
    for gone in ("errors", "startTaskInfo"):
        node.document.pop(gone, None)
    scheduling.requeue_tasks_of(azure, node)
    azure.machine.destroy(node.state["contents"])
    nodes.count_cost(azure, nodes.pool_of(azure, node))
    if data["returnsAfter"] is not None:
        azure.schedule(node, "return", float(data["returnsAfter"]))


def _return(azure: context.Azure, node: store.Resource, data: model.JsonObject) -> None:
    pool = nodes.pool_of(azure, node)
    nodes.set_state(azure, node, "creating")
    nodes.count_cost(azure, pool)
    _give_image(azure, pool, node)
    azure.schedule(node, "created", azure.duration("nodes.create", node))


# --- booting -------------------------------------------------------------------------------


def _created(azure: context.Azure, node: store.Resource, data: model.JsonObject) -> None:
    """The machine is there and boots; images it lacks are pulled before it reports."""
    nodes.set_state(azure, node, "starting")
    _boot(azure, node, azure.duration("nodes.start", node))


def _restarted(azure: context.Azure, node: store.Resource, data: model.JsonObject) -> None:
    if data["reimages"]:
        azure.machine.destroy(node.state["contents"])
        _give_image(azure, nodes.pool_of(azure, node), node)
    nodes.set_state(azure, node, "starting")
    _boot(azure, node, 0)


def _boot(azure: context.Azure, node: store.Resource, seconds: float) -> None:
    azure.machine.boot(node.state["contents"])
    configuration = pool_body.machine(nodes.pool_of(azure, node).properties)
    missing = containers.missing_images(node.state["contents"], configuration)
    for _ in missing:
        seconds += azure.duration("nodes.pullImage", node)
    azure.schedule(node, "started", seconds)


def _started(azure: context.Azure, node: store.Resource, data: model.JsonObject) -> None:
    """The agent reports: unusable, or on to the start task."""
    pool = nodes.pool_of(azure, node)
    node.document["lastBootTime"] = iso8601.timestamp(azure.machine_now)
    node.document["nodeAgentInfo"] = {
        "version": _AGENT_VERSION,
        "lastUpdateTime": iso8601.timestamp(azure.machine_now),
    }
    problem = _boot_problem(azure, pool, node)
    if problem is not None:
        node.document["errors"] = [problem]
        nodes.set_state(azure, node, "unusable")
        return
    _begin_start_task(azure, pool, node)


def _boot_problem(
    azure: context.Azure, pool: store.Resource, node: store.Resource
) -> model.JsonObject | None:
    """Why the node never becomes usable, as an entry of its `errors`."""
    fault = azure.faults.failure("nodes.start", node)
    if fault is not None:
        return _error(fault["code"], fault["message"])
    if not _has_way_out(azure, pool):
        message = "The node cannot reach the Batch service: its subnet has no outbound access."
        return _error("BatchAgentInstallationFailure", message)
    configuration = pool_body.machine(pool.properties)
    if "containerConfiguration" not in configuration:
        return None
    if not node.state["contents"]["docker"]:
        message = "Docker is not installed on the image of a pool with a container configuration."
        return _error("BatchAgentInstallationFailure", message)
    return _prefetch(azure, node, configuration)


def _prefetch(
    azure: context.Azure, node: store.Resource, configuration: Mapping[str, Any]
) -> model.JsonObject | None:
    contents = node.state["contents"]
    containers.refresh(azure, contents, configuration)
    for reference in containers.missing_images(contents, configuration):
        try:
            containers.pull(azure, contents, configuration, reference)
        except pulls.PullError as error:
            values = {"ContainerImage": reference, "Message": str(error)}
            message = "One or more container images specified are invalid"
            return _error("ContainerInvalidImage", message, values)
    return None


def _has_way_out(azure: context.Azure, pool: store.Resource) -> bool:
    """A pool without public addresses depends on its subnet; others have the addresses' way."""
    network = pool.properties.get("networkConfiguration") or {}
    provision = (network.get("publicIPAddressConfiguration") or {}).get("provision", "")
    if str(provision).lower() != "nopublicipaddresses":
        return True
    return bool(network.get("subnetId")) and subnets.has_outbound(azure, network["subnetId"])


# --- the start task ------------------------------------------------------------------------


def _begin_start_task(azure: context.Azure, pool: store.Resource, node: store.Resource) -> None:
    start_task = pool.properties.get("startTask")
    node.document.pop("startTask", None)
    if not start_task:
        _become_idle(azure, node)
        return
    node.document["startTask"] = start_tasks.shown(start_task)
    node.document["startTaskInfo"] = {
        "state": "running",
        "startTime": iso8601.timestamp(azure.machine_now),
        "retryCount": 0,
    }
    if start_task["waitForSuccess"]:
        nodes.set_state(azure, node, "waitingforstarttask")
    else:
        _become_idle(azure, node)
    nodes.perhaps_preempt(azure, node, "nodes.startTask")
    start_tasks.run(azure, pool, node)


def _start_task_ended(azure: context.Azure, node: store.Resource, data: model.JsonObject) -> None:
    """One run of the start task is over: perhaps again, else the node is idle or failed."""
    pool = nodes.pool_of(azure, node)
    if data.get("crashes"):
        node.document["errors"] = [_error("NodeUnreachable", "The node stopped responding.")]
        nodes.set_state(azure, node, "unusable")
        return
    if start_tasks.note_end(azure, node, data):
        start_tasks.run(azure, pool, node)
        return
    if node.document["startTaskInfo"]["result"] == "success":
        _become_idle(azure, node)
    elif node.document["startTask"]["waitForSuccess"]:
        nodes.set_state(azure, node, "starttaskfailed")


def _become_idle(azure: context.Azure, node: store.Resource) -> None:
    if node.document["state"] in {"idle", "running"}:
        return
    nodes.set_state(azure, node, "idle")
    scheduling.assign(azure, nodes.pool_of(azure, node))


def _give_image(azure: context.Azure, pool: store.Resource, node: store.Resource) -> None:
    """The node's disk is as the image was, on a machine of this size."""
    contents = copy.deepcopy(pool.state["contents"])
    contents["hasGpu"] = nodes.size_of(pool).gpus > 0
    node.state["contents"] = contents
    node.state["files"] = {}


def _image_reference(pool: store.Resource) -> model.JsonObject:
    reference = dict(pool_body.machine(pool.properties)["imageReference"])
    if "id" in reference:
        reference = {"virtualMachineImageId": reference["id"]}
    return reference


def _error(code: str, message: str, values: Mapping[str, str] | None = None) -> model.JsonObject:
    details = [{"name": name, "value": value} for name, value in (values or {}).items()]
    return {"code": code, "message": message, "errorDetails": details}
