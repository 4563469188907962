"""Tasks on the data plane: added one by one or up to 100 at once, read, ended, looked into."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from local.azure_simulator import context, model, resource_ids, store
from local.azure_simulator.batch import (
    files,
    iso8601,
    jobs,
    odata,
    planes,
    problems,
    scheduling,
    task_runs,
    task_states,
)

TYPE = scheduling.TASK_TYPE
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHAPE = {
    "id": str,
    "commandLine": str,
    "containerSettings": {"imageName": str, "containerRunOptions": str},
    "environmentSettings": [{"name!": str, "value": str}],
    "resourceFiles": [dict],
    "constraints": {"maxWallClockTime": str, "retentionTime": str, "maxTaskRetryCount": int},
    "userIdentity": {"autoUser": {"scope": str, "elevationLevel": str}},
    "requiredSlots": int,
    "exitConditions": dict,
    "dependsOn": {"taskIds": [str]},
}
COLLECTION_MAX = 100
_RETENTION = "P7D"  # recorded default


def serve(plane: planes.DataPlane) -> None:
    path = "/jobs/{job}/tasks"
    plane.route("POST", path, create, operation="tasks.create")
    plane.route("POST", "/jobs/{job}/addtaskcollection", create_many, operation="tasks.create")
    plane.route("GET", path, list_tasks)
    plane.route("GET", path + "/{task}", get)
    plane.route("DELETE", path + "/{task}", delete, operation="tasks.delete")
    plane.route("POST", path + "/{task}/terminate", terminate, operation="tasks.terminate")
    files.serve(plane, path + "/{task}", _files)


def require(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> store.Resource:
    """The task that the path names; 404 JobNotFound or TaskNotFound."""
    job = jobs.require(azure, request, account)
    task = azure.store.find(f"{job.id}/tasks/{request.parameters['task']}")
    return problems.require(task, "Task")


def create(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    """201 without a body."""
    job = jobs.require(azure, request, account)
    jobs.check_open(job)
    task = _add(azure, job, request.json(_SHAPE))
    scheduling.assign_for_job(azure, job)
    return odata.created(shown(task, request))


def create_many(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    """200 with one result for each task: `success`, or `clienterror` with its own error."""
    job = jobs.require(azure, request, account)
    jobs.check_open(job)
    given = request.json({"value": [_SHAPE]}).get("value") or []
    if not 1 <= len(given) <= COLLECTION_MAX:
        reason = f"A collection has 1 to {COLLECTION_MAX} tasks."
        raise problems.invalid_value("value", "value", len(given), reason)
    results = [_result(azure, request, job, body) for body in given]
    scheduling.assign_for_job(azure, job)
    return odata.document(request, "taskaddresult", {"value": results})


def list_tasks(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    job = jobs.require(azure, request, account)
    items = [shown(task, request) for task in azure.store.children(job.id, TYPE)]
    return odata.listing(azure, request, "tasks", items)


def get(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    return odata.entity(request, "tasks", shown(require(azure, request, account), request))


def delete(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    """200; the task and its files are gone at once."""
    task = require(azure, request, account)
    azure.store.remove(task.id)
    scheduling.release(azure, task)
    return odata.done(request, 200)


def terminate(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    """204; 409 TaskCompleted when there is nothing left to end."""
    task = require(azure, request, account)
    if task.document["state"] == "completed":
        raise problems.conflict("TaskCompleted", "The specified task is already completed.")
    message = "Task was ended by user request"
    task_runs.end(azure, task, task_runs.failure("usererror", "TaskEnded", message))
    return odata.done(request, 204)


def shown(task: store.Resource, request: model.Request) -> dict[str, Any]:
    job_id = resource_ids.name(resource_ids.parent(task.id))
    url = planes.service_url(request, f"jobs/{job_id}/tasks/{task.document['id']}")
    return {**task.document, "url": url}


def _add(azure: context.Azure, job: store.Resource, body: Mapping[str, Any]) -> store.Resource:
    """File a new active task with the service's defaults."""
    _check(azure, job, body)
    retries = job.document["constraints"]["maxTaskRetryCount"]
    task = store.Resource(
        id=f"{job.id}/tasks/{body['id']}",
        type=TYPE,
        document={
            "requiredSlots": 1,
            "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}},
            **json.loads(json.dumps(body)),
            "creationTime": iso8601.timestamp(azure.now),
            "executionInfo": {"retryCount": 0, "requeueCount": 0},
            "constraints": {
                "maxWallClockTime": jobs.NO_LIMIT,
                "retentionTime": _RETENTION,
                "maxTaskRetryCount": retries,
                **(body.get("constraints") or {}),
            },
        },
    )
    azure.store.add(task)
    task_states.move(azure, task, "active")
    odata.touch(azure, task)
    return task


def _check(azure: context.Azure, job: store.Resource, body: Mapping[str, Any]) -> None:
    task_id = str(body.get("id", ""))
    if not ID.fullmatch(task_id):
        reason = "Task ids have 1 to 64 letters, digits, hyphens and underscores."
        raise problems.invalid_value("id", "id", task_id, reason)
    if not body.get("commandLine"):
        raise problems.missing_property("commandLine", "commandLine")
    settings = body.get("containerSettings")
    if settings is not None and not settings.get("imageName"):
        raise problems.missing_property("imageName", "containerSettings.imageName")
    if azure.store.find(f"{job.id}/tasks/{task_id}") is not None:
        raise problems.conflict("TaskExists", "The specified task already exists.")


def _result(
    azure: context.Azure,
    request: model.Request,
    job: store.Resource,
    body: Mapping[str, Any],
) -> dict[str, Any]:
    try:
        task = _add(azure, job, body)
    except model.Refusal as refusal:
        error = {
            "code": refusal.code,
            "message": {"lang": "en-US", "value": refusal.message},
        }
        return {"status": "clienterror", "taskId": body.get("id", ""), "error": error}
    item = shown(task, request)
    return {
        "status": "success",
        "taskId": item["id"],
        "eTag": item["eTag"],
        "lastModified": item["lastModified"],
        "location": item["url"],
    }


def _files(azure: context.Azure, request: model.Request, account: store.Resource) -> dict[str, str]:
    """The files lie on the node: none before the task ran, none after the node has gone."""
    task = require(azure, request, account)
    if "nodeInfo" not in task.document or task.document["state"] == "active":
        raise problems.invalid_for_state("The task has not run yet.")
    if azure.store.find(task.state.get("node", "")) is None:
        raise problems.not_found("Node", "The node that ran the task does not exist any more.")
    found: dict[str, str] = task.state.get("files", {"stdout.txt": "", "stderr.txt": ""})
    return found
