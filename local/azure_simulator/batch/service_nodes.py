"""Nodes on the data plane: read, restarted, removed, looked into."""

from __future__ import annotations

from typing import Any

from local.azure_simulator import context, model, store
from local.azure_simulator.batch import (
    files,
    node_life,
    nodes,
    odata,
    planes,
    problems,
    scaling,
    scheduling,
    service_pools,
)

REMOVED_MAX = 100  # nodes in one request
_UNREADABLE = frozenset({"creating", "starting", "rebooting", "reimaging", "unusable", "preempted"})
"""States in which no file of a node can be read."""


def serve(plane: planes.DataPlane) -> None:
    path = "/pools/{pool}/nodes"
    plane.route("GET", path, list_nodes)
    plane.route("GET", path + "/{node}", get)
    plane.route("POST", "/pools/{pool}/removenodes", remove, operation="nodes.remove")
    plane.route("POST", path + "/{node}/reboot", reboot, operation="nodes.reboot")
    plane.route("POST", path + "/{node}/reimage", reimage, operation="nodes.reimage")
    plane.route("POST", path + "/{node}/disablescheduling", disable_scheduling)
    plane.route("POST", path + "/{node}/enablescheduling", enable_scheduling)
    plane.route("POST", path + "/{node}/uploadbatchservicelogs", upload_logs)
    files.serve(plane, path + "/{node}", _files)


def require(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> store.Resource:
    """The node that the path names; 404 PoolNotFound or NodeNotFound."""
    pool = service_pools.require(azure, request, account)
    node = azure.store.find(f"{pool.id}/nodes/{request.parameters['node']}")
    return problems.require(node, "Node")


def list_nodes(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    pool = service_pools.require(azure, request, account)
    items = [shown(azure, node, request) for node in nodes.of_pool(azure, pool)]
    return odata.listing(azure, request, "nodes", items)


def get(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    node = require(azure, request, account)
    return odata.entity(request, "nodes", shown(azure, node, request))


def remove(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    """202: the pool shrinks by exactly these nodes."""
    pool = service_pools.require(azure, request, account)
    service_pools.check_resizable(pool)
    names = request.json({"nodeList": [str]}).get("nodeList") or []
    if not 1 <= len(names) <= REMOVED_MAX:
        reason = f"The list must have 1 to {REMOVED_MAX} nodes."
        raise problems.invalid_value("nodeList", "nodeList", len(names), reason)
    found = {node.name: node for node in nodes.present(azure, pool)}
    if any(name not in found for name in names):
        raise problems.not_found("Node")
    kinds = [bool(found[name].document["isDedicated"]) for name in set(names)]
    dedicated, low_priority = pool.state["targets"]
    targets = (
        max(0, dedicated - kinds.count(True)),
        max(0, low_priority - kinds.count(False)),
    )
    scaling.set_targets(pool, *targets)
    scaling.begin(azure, pool, targets, leaving=names)
    return odata.done(request, 202)


def reboot(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    node_life.restart(azure, require(azure, request, account), reimages=False)
    return odata.done(request, 202)


def reimage(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    node_life.restart(azure, require(azure, request, account), reimages=True)
    return odata.done(request, 202)


def disable_scheduling(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    node = require(azure, request, account)
    node.document["schedulingState"] = "disabled"
    scheduling.requeue_tasks_of(azure, node)
    return odata.done(request, 200)


def enable_scheduling(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    node = require(azure, request, account)
    node.document["schedulingState"] = "enabled"
    scheduling.assign(azure, nodes.pool_of(azure, node))
    return odata.done(request, 200)


def upload_logs(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    """Where the agent's logs would be found; nothing is really uploaded."""
    node = require(azure, request, account)
    body = request.json()
    for name in ("containerUrl", "startTime"):
        if not body.get(name):
            raise problems.missing_property(name, name)
    pool = nodes.pool_of(azure, node)
    directory = f"{account.name}/{pool.name}/{node.name}/{azure.new_guid('logs', node.key)}"
    result = {"virtualDirectoryName": directory, "numberOfFilesUploaded": 4}
    return odata.document(request, "uploadBatchServiceLogsResult", result)


def shown(azure: context.Azure, node: store.Resource, request: model.Request) -> dict[str, Any]:
    """The node with its URL and its latest tasks."""
    pool = nodes.pool_of(azure, node)
    url = planes.service_url(request, f"pools/{pool.name}/nodes/{node.name}")
    item: dict[str, Any] = {**node.document, "url": url}
    recent = [
        {
            "jobId": task.id.split("/")[-3],
            "taskId": task.document["id"],
            "taskState": task.document["state"],
            "executionInfo": task.document["executionInfo"],
        }
        for task in azure.store.of_type(scheduling.TASK_TYPE)
        if task.state.get("node") == node.id and task.document["state"] != "active"
    ]
    return {**item, "recentTasks": recent[-10:]} if recent else item


def _files(azure: context.Azure, request: model.Request, account: store.Resource) -> dict[str, str]:
    node = require(azure, request, account)
    if node.document["state"] in _UNREADABLE:
        message = "The specified node is not in a state that allows its files to be read."
        raise problems.conflict("NodeNotReady", message)
    found: dict[str, str] = node.state["files"]
    return found
