"""What happens to a task on its node: container made ready, command run, result kept.

Whether a pool has a container configuration and whether a task has container settings must agree;
the node finds out, so such a task fails rather than being refused.
"""

# ruff: noqa: ARG001 - events share one signature

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from local.azure_simulator import context, model, resource_ids, store
from local.azure_simulator.batch import (
    commands,
    containers,
    executing,
    iso8601,
    nodes,
    odata,
    pool_body,
    scheduling,
    start_tasks,
    task_states,
)
from local.azure_simulator.container_registry import image_names, pulls
from local.azure_simulator.machine import interface

TYPE = scheduling.TASK_TYPE


def register(azure: context.Azure) -> None:
    azure.on(TYPE, "begin", _begin)
    azure.on(TYPE, "ready", _ready)
    azure.on(TYPE, "finish", _finish)
    azure.on(TYPE, "look", _look)


def end(azure: context.Azure, task: store.Resource, outcome: Mapping[str, Any]) -> None:
    """Complete the task with `exitCode`, `result` and `failureInfo`, and free its slots."""
    information = task.document["executionInfo"]
    information.update(outcome)
    information["endTime"] = iso8601.timestamp(azure.machine_now)
    information.setdefault("startTime", information["endTime"])
    task_states.move(azure, task, "completed")
    odata.touch(azure, task)
    task.cancel()
    _count_on_node(azure, task)
    scheduling.release(azure, task)
    job = azure.store.find(resource_ids.parent(task.id))
    if job is not None:
        scheduling.finish_empty_job(azure, job)


def failure(category: str, code: str, message: str, **details: str) -> model.JsonObject:
    """`result` and `failureInfo` of a task that never ran its command."""
    information = {
        "category": category,
        "code": code,
        "message": message,
        "details": [{"name": name, "value": value} for name, value in details.items()],
    }
    return {"result": "failure", "failureInfo": information}


def _begin(azure: context.Azure, task: store.Resource, data: model.JsonObject) -> None:
    """The node takes the task: straight to running, or first a pull (`preparing`)."""
    node = _node_of(azure, task)
    pool = nodes.pool_of(azure, node)
    task.document["nodeInfo"] = _node_info(pool, node, task)
    fault = azure.faults.failure("tasks.run", task)
    problem = _settings_problem(pool, node, task)
    if fault is not None:
        problem = failure("servererror", fault["code"], fault["message"])
    if problem is not None:
        end(azure, task, problem)
        return
    settings = task.document.get("containerSettings")
    if settings and not containers.has_image(node.state["contents"], settings["imageName"]):
        task_states.move(azure, task, "preparing")
        scheduling.note_running(azure, node)
        azure.schedule(task, "ready", azure.duration("nodes.pullImage", node), {"pulls": True})
        return
    _ready(azure, task, {})


def _ready(azure: context.Azure, task: store.Resource, data: model.JsonObject) -> None:
    """The container's image is there, or cannot be; the command starts."""
    node = _node_of(azure, task)
    settings = task.document.get("containerSettings") or {}
    if data.get("pulls"):
        configuration = pool_body.machine(nodes.pool_of(azure, node).properties)
        contents, reference = node.state["contents"], settings["imageName"]
        try:
            containers.pull(azure, contents, configuration, reference, settings.get("registry"))
        except pulls.PullError as error:
            message = "One or more container images specified are invalid"
            details = {"ContainerImage": reference, "Message": str(error)}
            end(azure, task, failure("usererror", "ContainerInvalidImage", message, **details))
            return
    task_states.move(azure, task, "running")
    task.document["executionInfo"]["startTime"] = iso8601.timestamp(azure.machine_now)
    scheduling.note_running(azure, node)
    _run(azure, task)


def _run(azure: context.Azure, task: store.Resource) -> None:
    """Let the command end after its time, or at the task's wall-clock limit."""
    nodes.perhaps_preempt(azure, _node_of(azure, task), "tasks.run")
    task.state["fault"] = azure.faults.on_script(["task"], task)
    limit = iso8601.seconds(task.document["constraints"]["maxWallClockTime"])
    run = _real_run(azure, task)
    if run is not None:
        azure.schedule(task, "finish", limit, {"timedOut": True})
        _go_on(azure, task, azure.machine.run(run))
        return
    seconds = azure.duration("tasks.run", task)
    azure.schedule(task, "finish", min(seconds, limit), {"timedOut": seconds > limit})


def _real_run(azure: context.Azure, task: store.Resource) -> interface.ScriptRun | None:
    if task.state["fault"] is not None:
        return None
    return executing.task_run(azure, _node_of(azure, task), task, _environment(azure, task))


def _look(azure: context.Azure, task: store.Resource, data: model.JsonObject) -> None:
    run = _real_run(azure, task)
    assert run is not None  # it was started
    _go_on(azure, task, azure.machine.look(run))


def _go_on(azure: context.Azure, task: store.Resource, outcome: interface.Outcome | None) -> None:
    """Look again at what really runs, or conclude."""
    if outcome is None:
        azure.schedule(task, "look", executing.look_again_seconds(azure))
        return
    task.cancel("finish")
    ran = commands.Ran(exit_code=outcome.exit_code, stdout=outcome.stdout, stderr=outcome.stderr)
    system = azure.machine.stand_in(_node_of(azure, task).state["contents"])
    _conclude(azure, task, ran, {"standIn": system})


def _finish(azure: context.Azure, task: store.Resource, data: model.JsonObject) -> None:
    if not data["timedOut"]:
        _conclude(azure, task, _imitated(azure, task), {"scripted": True})
        return
    run = _real_run(azure, task)
    if run is not None:
        azure.machine.kill(run)
    message = "The task exceeded its maximum wall-clock time"
    end(azure, task, failure("usererror", "TaskEnded", message))


def _conclude(
    azure: context.Azure, task: store.Resource, ran: commands.Ran, marks: model.JsonObject
) -> None:
    """Keep what it printed; begin again or complete it. `marks` says how real that was."""
    task.state["files"] = {"stdout.txt": ran.stdout, "stderr.txt": ran.stderr}
    information = task.document["executionInfo"]
    retries = int(task.document["constraints"]["maxTaskRetryCount"])
    if ran.exit_code and (retries < 0 or information["retryCount"] < retries):
        information["retryCount"] += 1
        information["lastRetryTime"] = iso8601.timestamp(azure.machine_now)
        _run(azure, task)
        return
    outcome = start_tasks.result_of(ran.exit_code) | marks
    if "containerSettings" in task.document:
        identifier = azure.digest("container", task.key).hex()
        outcome["containerInfo"] = {"containerId": identifier, "state": "exited", "error": ""}
    end(azure, task, outcome)


def _imitated(azure: context.Azure, task: store.Resource) -> commands.Ran:
    """What the command would print; an injected script fault decides before anything else."""
    fault = task.state["fault"]
    if fault is not None:
        exit_code = int(fault.get("exitCode", 1))
        return commands.Ran(exit_code=exit_code, stdout=fault.get("stdout", ""))
    node = _node_of(azure, task)
    host = start_tasks.host_of(azure, nodes.pool_of(azure, node), node)
    gpus = host.gpus()
    settings = task.document.get("containerSettings")
    if settings and not containers.runs_nvidia_tools(settings["imageName"]):
        gpus = dataclasses.replace(gpus, is_installed=False)
    return commands.run(task.document["commandLine"], _environment(azure, task), gpus)


def _environment(azure: context.Azure, task: store.Resource) -> dict[str, str]:
    job, name = resource_ids.name(resource_ids.parent(task.id)), str(task.document["id"])
    return {
        "AZ_BATCH_JOB_ID": job,
        "AZ_BATCH_TASK_ID": name,
        "AZ_BATCH_TASK_WORKING_DIR": executing.working_folder(job, name),
        "AZ_BATCH_NODE_ID": _node_of(azure, task).name,
        **{
            item["name"]: str(item.get("value", ""))
            for item in task.document.get("environmentSettings") or []
        },
    }


def _settings_problem(
    pool: store.Resource, node: store.Resource, task: store.Resource
) -> model.JsonObject | None:
    """Why the node cannot start the task's container, or must not run it without one."""
    settings = task.document.get("containerSettings")
    has_containers = "containerConfiguration" in pool_body.machine(pool.properties)
    if bool(settings) != has_containers:
        message = (
            "The task has container settings but its pool has no container configuration"
            if settings
            else "The task has no container settings but its pool has a container configuration"
        )
        return failure("usererror", "ContainerInvalidSettings", message)
    if not settings:
        return None
    if "--gpus" in str(settings.get("containerRunOptions") or ""):
        message = "At least one value of specified task container settings is invalid"
        reason = "The option '--gpus' is not recognized or unsupported"
        return failure("usererror", "ContainerInvalidSettings", message, Message=reason)
    return _container_problem(pool, node, settings)


def _container_problem(
    pool: store.Resource, node: store.Resource, settings: Mapping[str, Any]
) -> model.JsonObject | None:
    try:
        image_names.parse(settings["imageName"])
    except image_names.BadReferenceError as error:
        message = "One or more container images specified are invalid"
        return failure("usererror", "ContainerInvalidImage", message, Message=str(error))
    contents = node.state["contents"]
    if nodes.size_of(pool).gpus and contents["driver"] and not contents["toolkit"]:
        # Batch asks Docker for the GPUs by itself wherever it sees a driver.
        message = "At least one value of specified task container settings is invalid"
        reason = 'could not select device driver "" with capabilities: [[gpu]]'
        return failure("usererror", "ContainerInvalidSettings", message, Message=reason)
    return None


def _node_of(azure: context.Azure, task: store.Resource) -> store.Resource:
    node = azure.store.find(task.state["node"])
    assert node is not None  # tasks of a leaving node are requeued
    return node


def _node_info(
    pool: store.Resource, node: store.Resource, task: store.Resource
) -> model.JsonObject:
    job_id = resource_ids.name(resource_ids.parent(task.id))
    return {
        "affinityId": node.document["affinityId"],
        "poolId": pool.name,
        "nodeId": node.name,
        "taskRootDirectory": f"workitems/{job_id}/job-1/{task.document['id']}",
    }


def _count_on_node(azure: context.Azure, task: store.Resource) -> None:
    node = azure.store.find(task.state.get("node", ""))
    if node is not None:
        has_succeeded = task.document["executionInfo"]["result"] == "success"
        node.document["totalTasksRun"] += 1
        node.document["totalTasksSucceeded"] += int(has_succeeded)
