"""Start tasks: what runs on a node before it takes tasks, and what it leaves behind.

batch-prep's verification really runs where the node has a machine that executes; elsewhere it is
judged from the node's hidden contents. Other commands are imitated.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping
from typing import Any

from local.azure_simulator import context, model, resource_ids, store
from local.azure_simulator.batch import commands, executing, images, iso8601, verification
from local.azure_simulator.data import skus
from local.azure_simulator.machine import interface

STEP = "verify"
_RETRIES_MAX = 100  # for maxTaskRetryCount -1, which means without limit
_KILLED = 137
_RESULT = "batch-prep-result "


def run(azure: context.Azure, pool: store.Resource, node: store.Resource) -> None:
    """Run the start task once; `startTaskEnded` happens to the node when it is over."""
    node.state["runs"] = node.state.get("runs", 0) + 1
    command, environment = node.document["startTask"]["commandLine"], environment_of(node)
    is_verification = _is_verification(command, environment)
    fault = azure.faults.on_script([STEP if is_verification else ""], node)
    can_run = is_verification and host_of(azure, pool, node).is_elevated and fault is None
    if can_run and executing.has_machine(azure, pool, node):
        _go_on(azure, node, azure.machine.run(_script_run(azure, pool, node)))
    else:
        imitated = _imitate(azure, pool, node, fault, is_verification=is_verification)
        _end_later(azure, node, imitated, {"scripted": True})


def look(azure: context.Azure, node: store.Resource, data: model.JsonObject) -> None:  # noqa: ARG001
    """Ask a real machine again."""
    pool = azure.store.find(resource_ids.parent(node.id))
    assert pool is not None  # a node goes with its pool
    _go_on(azure, node, azure.machine.look(_script_run(azure, pool, node)))


def _go_on(azure: context.Azure, node: store.Resource, outcome: interface.Outcome | None) -> None:
    if outcome is None:
        azure.schedule(node, "startTaskLook", executing.look_again_seconds(azure))
    else:
        _end_later(azure, node, outcome, _how(azure, node, outcome))


def note_end(azure: context.Azure, node: store.Resource, data: model.JsonObject) -> bool:
    """Write down how a run ended. True if it must be run again."""
    info = node.document["startTaskInfo"]
    files = node.document["startTask"].get("resourceFiles") or []
    node.state["files"] = {
        "startup/stdout.txt": data["stdout"],
        "startup/stderr.txt": data["stderr"],
        **{f"startup/wd/{file['filePath']}": "" for file in files if file.get("httpUrl")},
    }
    retries = int(node.document["startTask"].get("maxTaskRetryCount") or 0)
    limit = _RETRIES_MAX if retries < 0 else retries
    if data["exitCode"] and info["retryCount"] < limit:
        info["retryCount"] += 1
        info["lastRetryTime"] = iso8601.timestamp(azure.machine_now)
        return True
    info.update({"state": "completed", "endTime": iso8601.timestamp(azure.machine_now)})
    info.update(data.get("how") or {})
    info.update(result_of(data["exitCode"]))
    return False


def result_of(exit_code: int) -> model.JsonObject:
    """`exitCode`, `result` and, for a failure, `failureInfo`, as start tasks and tasks have it."""
    if exit_code == 0:
        return {"exitCode": 0, "result": "success"}
    message = "The task exited with an exit code representing a failure"
    failure = {
        "category": "usererror",
        "code": "FailureExitCode",
        "message": message,
        "details": [{"name": "Message", "value": message}],
    }
    return {"exitCode": exit_code, "result": "failure", "failureInfo": failure}


def shown(start_task: Mapping[str, Any]) -> model.JsonObject:
    """The start task as the data plane shows it: enumerations in lower case."""
    user = dict((start_task.get("userIdentity") or {}).get("autoUser") or {})
    lowered = {name: str(value).lower() for name, value in user.items()}
    return {**start_task, "userIdentity": {"autoUser": lowered}} if user else dict(start_task)


def environment_of(node: store.Resource) -> dict[str, str]:
    """The variables that the command sees."""
    settings = node.document["startTask"].get("environmentSettings") or []
    pool_id = resource_ids.name(resource_ids.parent(node.id))
    return {
        "AZ_BATCH_POOL_ID": pool_id,
        "AZ_BATCH_NODE_ID": node.name,
        "AZ_BATCH_NODE_STARTUP_DIR": "/mnt/batch/tasks/startup",
        "AZ_BATCH_NODE_MOUNTS_DIR": "/mnt/batch/tasks/fsmounts",
        **{item["name"]: str(item.get("value", "")) for item in settings},
    }


def host_of(azure: context.Azure, pool: store.Resource, node: store.Resource) -> verification.Host:
    """The node as the verification sees it."""
    size = skus.find(pool.properties["vmSize"])
    assert size is not None  # checked when the pool was made
    user = (node.document.get("startTask") or {}).get("userIdentity") or {}
    level = (user.get("autoUser") or {}).get("elevationLevel", "NonAdmin")
    return verification.Host(
        contents=node.state["contents"],
        size=size,
        is_elevated=str(level).lower() == "admin",
        has_secure_boot=images.has_secure_boot(pool.properties),
        failing_gpu_test=str(azure.setting("failingGpuTest", "")),
        users=frozenset(a["name"] for a in pool.properties.get("userAccounts") or []),
    )


def _imitate(
    azure: context.Azure,
    pool: store.Resource,
    node: store.Resource,
    fault: model.JsonObject | None,
    *,
    is_verification: bool,
) -> interface.Outcome:
    command, environment = node.document["startTask"]["commandLine"], environment_of(node)
    host = host_of(azure, pool, node)
    seconds = azure.duration("nodes.startTask", node)
    if is_verification:
        ran = verification.judge(host, environment, iso8601.timestamp(azure.machine_now))
    else:
        ran = commands.run(command, environment, host.gpus())
    outcome = interface.Outcome(
        seconds=seconds, exit_code=ran.exit_code, stdout=ran.stdout, stderr=ran.stderr
    )
    if fault is None:
        return outcome
    if is_verification and fault["effect"] == "script" and "stdout" not in fault:
        code, message = int(fault.get("exitCode", 1)), str(fault.get("message", "injected failure"))
        line = verification.result_line(environment, code, message, {"checks": []})
        fault = {**fault, "stdout": line}
    return _faulty(outcome, fault)


def _is_verification(command: str, environment: Mapping[str, str]) -> bool:
    """Whether the command runs the step: the text is there, and a shell to read it."""
    if commands.start_problem(command) is not None:
        return False
    has_shell = commands.shell_script(commands.words_of(command)) is not None
    return has_shell and verification.is_verification(command, environment)


def _faulty(outcome: interface.Outcome, fault: model.JsonObject) -> interface.Outcome:
    match fault["effect"]:
        case "silent":
            return dataclasses.replace(outcome, exit_code=0, stdout="")
        case "crash":
            return dataclasses.replace(outcome, exit_code=_KILLED, stdout="", crashes=True)
        case _:
            return dataclasses.replace(
                outcome,
                exit_code=int(fault.get("exitCode", 1)),
                stdout=fault.get("stdout", outcome.stdout),
                stderr=fault.get("message", ""),
            )


def _script_run(
    azure: context.Azure, pool: store.Resource, node: store.Resource
) -> interface.ScriptRun:
    """The command as the node's agent starts it: no shell reads it but the one that it names."""
    words = commands.words_of(node.document["startTask"]["commandLine"])
    environment = environment_of(node)
    now = iso8601.timestamp(azure.machine_now)
    return interface.ScriptRun(
        id=f"{node.id}/startTask/{node.state['runs']}",
        script=f"#!/bin/bash\n# batch-prep step: {STEP}\nexec {shlex.join(words)}\n",
        environment=environment,
        vm=node.state["contents"],
        imagined=verification.findings(host_of(azure, pool, node), environment, now),
    )


def _how(
    azure: context.Azure, node: store.Resource, outcome: interface.Outcome
) -> model.JsonObject:
    """How real it was, as its result line says it, or the system that ran it. Azure has no such
    fields.
    """
    _, found, line = outcome.stdout.rpartition(_RESULT)
    if not found:
        return {"standIn": azure.machine.stand_in(node.state["contents"])}
    return {key: value for key, value in json.loads(line).items() if key in {"scripted", "standIn"}}


def _end_later(
    azure: context.Azure, node: store.Resource, outcome: interface.Outcome, how: model.JsonObject
) -> None:
    node.state["contents"].update(outcome.changes)
    data = {
        "exitCode": outcome.exit_code,
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "crashes": outcome.crashes,
        "how": how,
    }
    azure.schedule(node, "startTaskEnded", outcome.seconds, data)
