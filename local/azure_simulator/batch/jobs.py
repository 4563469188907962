"""Jobs on the data plane. A job may name a pool that does not exist: its tasks then wait."""

# ruff: noqa: ARG001 - events share one signature

from __future__ import annotations

import json
import re
from typing import Any

from local.azure_simulator import context, model, store
from local.azure_simulator.batch import (
    iso8601,
    odata,
    planes,
    problems,
    quotas,
    scheduling,
    task_runs,
    task_states,
)

TYPE = scheduling.JOB_TYPE
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
NO_LIMIT = "P10675199DT2H48M5.4775807S"  # recorded: the service's largest duration
_SHAPE = {
    "id": str,
    "poolInfo": {"poolId": str, "autoPoolSpecification": dict},
    "constraints": {"maxWallClockTime": str, "maxTaskRetryCount": int},
    "onAllTasksComplete": str,
    "priority": int,
    "maxParallelTasks": int,
}
_CHANGEABLE = frozenset(
    {
        "priority",
        "maxParallelTasks",
        "allowTaskPreemption",
        "onAllTasksComplete",
        "constraints",
        "metadata",
        "poolInfo",
    }
)


def register(azure: context.Azure) -> None:
    azure.on(TYPE, "terminated", _terminated)
    azure.on(TYPE, "deleted", _deleted)


def serve(plane: planes.DataPlane) -> None:
    plane.route("POST", "/jobs", create, operation="jobs.create")
    plane.route("GET", "/jobs", list_jobs)
    plane.route("GET", "/jobs/{job}", get)
    plane.route("PATCH", "/jobs/{job}", update, operation="jobs.update")
    plane.route("DELETE", "/jobs/{job}", delete, operation="jobs.delete")
    plane.route("POST", "/jobs/{job}/terminate", terminate, operation="jobs.terminate")
    plane.route("POST", "/jobs/{job}/disable", disable)
    plane.route("POST", "/jobs/{job}/enable", enable)
    plane.route("GET", "/jobs/{job}/taskcounts", get_task_counts)


def require(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> store.Resource:
    """The job that the path names; 404 JobNotFound."""
    job = azure.store.find(f"{account.id}/jobs/{request.parameters['job']}")
    return problems.require(job, "Job")


def create(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    """201 without a body."""
    body = request.json(_SHAPE)
    _check_new(azure, account, body)
    job = store.Resource(
        id=f"{account.id}/jobs/{body['id']}",
        type=TYPE,
        document={
            "priority": 0,
            "maxParallelTasks": -1,
            "allowTaskPreemption": False,
            "onAllTasksComplete": "noaction",
            "onTaskFailure": "noaction",
            "usesTaskDependencies": False,
            **json.loads(json.dumps(body)),
            "creationTime": iso8601.timestamp(azure.now),
            "executionInfo": {
                "startTime": iso8601.timestamp(azure.now),
                "poolId": body["poolInfo"].get("poolId"),
            },
        },
    )
    given = body.get("constraints") or {}
    job.document["constraints"] = {"maxWallClockTime": NO_LIMIT, "maxTaskRetryCount": 0, **given}
    azure.store.add(job)
    scheduling.set_job_state(azure, job, "active")
    scheduling.finish_empty_job(azure, job)
    return odata.created(shown(job, request))


def list_jobs(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    items = [shown(job, request) for job in azure.store.children(account.id, TYPE)]
    return odata.listing(azure, request, "jobs", items)


def get(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    return odata.entity(request, "jobs", shown(require(azure, request, account), request))


def update(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    """200; `onAllTasksComplete` set after the last task was added ends a job that is done."""
    job = require(azure, request, account)
    odata.check_conditions(request, job)
    check_open(job)
    body = request.json(_SHAPE)
    for name in body:
        if name not in _CHANGEABLE:
            raise problems.invalid_value(name, name, body[name], "The property cannot be changed.")
    constraints = {**job.document["constraints"], **(body.get("constraints") or {})}
    job.document.update({**body, "constraints": constraints})
    odata.touch(azure, job)
    scheduling.finish_empty_job(azure, job)
    return odata.done(request, 200)


def delete(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    """202; the job is `deleting` for some seconds and then gone, with its tasks and files."""
    job = require(azure, request, account)
    if job.document["state"] == "deleting":
        raise problems.conflict("JobBeingDeleted", "The specified job is being deleted.")
    job.cancel()
    scheduling.set_job_state(azure, job, "deleting")
    _end_tasks(azure, job)
    azure.schedule(job, "deleted", azure.duration("jobs.delete", job))
    return odata.done(request, 202)


def terminate(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    """202; running tasks end, active ones stay active and never run."""
    job = require(azure, request, account)
    check_open(job)
    reason = request.json({"terminateReason": str}).get("terminateReason") or "UserTerminate"
    job.document["executionInfo"]["terminateReason"] = reason
    scheduling.set_job_state(azure, job, "terminating")
    _end_tasks(azure, job)
    azure.schedule(job, "terminated", azure.duration("jobs.terminate", job))
    return odata.done(request, 202)


def disable(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    """202; running tasks go back to waiting."""
    job = require(azure, request, account)
    check_open(job)
    scheduling.set_job_state(azure, job, "disabled")
    for task in azure.store.children(job.id, scheduling.TASK_TYPE):
        scheduling.requeue(azure, task)
    return odata.done(request, 202)


def enable(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    job = require(azure, request, account)
    if job.document["state"] != "active":
        check_open(job)
        scheduling.set_job_state(azure, job, "active")
        scheduling.assign_for_job(azure, job)
    return odata.done(request, 202)


def get_task_counts(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    """Counts that lag some seconds behind."""
    job = require(azure, request, account)
    tasks = azure.store.children(job.id, scheduling.TASK_TYPE)
    return odata.document(request, "taskcountsresult", task_states.counts(azure, tasks))


def check_open(job: store.Resource) -> None:
    """409 with the reason for which the job takes neither changes nor tasks."""
    codes = {
        "completed": "JobCompleted",
        "terminating": "JobTerminating",
        "deleting": "JobBeingDeleted",
    }
    code = codes.get(job.document["state"])
    if code is not None:
        message = f"The specified job is {job.document['state']}."
        raise problems.conflict(code, message)


def shown(job: store.Resource, request: model.Request) -> dict[str, Any]:
    url = planes.service_url(request, f"jobs/{job.document['id']}")
    return {**job.document, "url": url}


def _check_new(azure: context.Azure, account: store.Resource, body: model.JsonObject) -> None:
    job_id = str(body.get("id", ""))
    if not ID.fullmatch(job_id):
        reason = "Job ids have 1 to 64 letters, digits, hyphens and underscores."
        raise problems.invalid_value("id", "id", job_id, reason)
    pool = body.get("poolInfo") or {}
    if bool(pool.get("poolId")) == bool(pool.get("autoPoolSpecification")):
        raise problems.missing_property("poolInfo", "poolInfo.poolId")
    if azure.store.find(f"{account.id}/jobs/{job_id}") is not None:
        raise problems.conflict("JobExists", "The specified job already exists.")
    open_jobs = [
        job
        for job in azure.store.children(account.id, TYPE)
        if job.document["state"] not in {"completed", "deleting"}
    ]
    if len(open_jobs) >= quotas.of_account(azure, account)["activeJobAndJobScheduleQuota"]:
        message = "The account has reached its active job and job schedule quota."
        raise problems.conflict("ActiveJobAndScheduleQuotaReached", message)


def _end_tasks(azure: context.Azure, job: store.Resource) -> None:
    """Stop what runs; what waits loses its place on a node."""
    for task in azure.store.children(job.id, scheduling.TASK_TYPE):
        if task.document["state"] in {"running", "preparing"}:
            message = "Task was ended by user request"
            task_runs.end(azure, task, task_runs.failure("usererror", "TaskEnded", message))
        task.cancel()
        if task.document["state"] == "active":
            task.state.pop("node", None)


def _terminated(azure: context.Azure, job: store.Resource, data: model.JsonObject) -> None:
    scheduling.set_job_state(azure, job, "completed")
    job.document["executionInfo"]["endTime"] = iso8601.timestamp(azure.now)


def _deleted(azure: context.Azure, job: store.Resource, data: model.JsonObject) -> None:
    for item in [*azure.store.descendants(job.id), job]:
        azure.store.remove(item.id)
