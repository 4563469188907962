"""What a node's machine really executes: the verification, and container tasks without a GPU.

A node has such a machine where its image has a disk (`machine.nspawn`). A node that pulled images
the disk lacks has none: its machine did not pull them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from local.azure_simulator import context, model, store
from local.azure_simulator.batch import nodes
from local.azure_simulator.machine import interface

_LOOK_SECONDS = 15.0
_TASKS = "/mnt/batch/tasks"
_OWN_FOLDER = "taskworkingdirectory"


def has_machine(azure: context.Azure, pool: store.Resource, node: store.Resource) -> bool:
    here, in_image = (_names(item.state["contents"]) for item in (node, pool))
    return bool(azure.machine.stand_in(node.state["contents"])) and here <= in_image


def look_again_seconds(azure: context.Azure) -> float:
    """Seconds until the machine is asked again, counted from the present.

    An event may run late; the looks that were missed in between are not repeated.
    """
    return max(0.0, azure.clock.now() - azure.now) + _LOOK_SECONDS


def task_run(
    azure: context.Azure,
    node: store.Resource,
    task: store.Resource,
    environment: Mapping[str, str],
) -> interface.ScriptRun | None:
    """A container task as a script for the node's machine; None where it cannot really run."""
    pool, settings = nodes.pool_of(azure, node), task.document.get("containerSettings")
    if not settings or nodes.size_of(pool).gpus or not has_machine(azure, pool, node):
        return None
    try:
        words = shlex.split(task.document["commandLine"])
        options = shlex.split(settings.get("containerRunOptions") or "")
    except ValueError:
        return None
    information = task.document["executionInfo"]
    tried = f"{information['requeueCount']}.{information['retryCount']}"
    return interface.ScriptRun(
        id=f"{task.key}@{node.name}#{tried}",
        script=_script(settings, options, words, environment),
        environment=environment,
        vm=node.state["contents"],
    )


def _script(
    settings: model.JsonObject, options: list[str], words: list[str], environment: Mapping[str, str]
) -> str:
    """The container sees the tasks' folders and variables, as the service gives them to it."""
    folder = environment["AZ_BATCH_TASK_WORKING_DIR"]
    docker = ["docker", "run", "--rm", "--pull=never", f"--volume={_TASKS}:{_TASKS}"]
    docker += [f"--env={name}" for name in environment]
    if str(settings.get("workingDirectory") or _OWN_FOLDER).lower() == _OWN_FOLDER:
        docker.append(f"--workdir={folder}")
    line = shlex.join([*docker, *options, settings["imageName"], *words])
    return f"#!/bin/bash\nmkdir -p {shlex.quote(folder)}\nexec {line}\n"


def working_folder(job: str, task: str) -> str:
    """Of a task on its node."""
    return f"{_TASKS}/workitems/{job}/job-1/{task}/wd"


def _names(contents: model.JsonObject) -> set[str]:
    return {str(image["name"]) for image in contents["images"]}
