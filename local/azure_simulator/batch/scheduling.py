"""Which task runs on which node: active tasks onto free slots of idle or running nodes."""

from __future__ import annotations

from local.azure_simulator import context, resource_ids, store
from local.azure_simulator.batch import nodes, odata, task_states

JOB_TYPE = "simulator.batchJob"
TASK_TYPE = "simulator.batchTask"


def assign(azure: context.Azure, pool: store.Resource) -> None:
    """Give waiting tasks to nodes with room, by the job's priority and the task's age.

    A task begins a moment later (event `begin`); until then it is still `active`.
    """
    for task in _waiting(azure, pool):
        node = _choose(azure, pool, task)
        if node is not None:
            task.state["node"] = node.id
            azure.schedule(task, "begin", azure.duration("tasks.schedule", task))


def assign_for_job(azure: context.Azure, job: store.Resource) -> None:
    """Assign on the pool of a job, if there is such a pool."""
    pool = pool_of_job(azure, job)
    if pool is not None:
        assign(azure, pool)


def pool_of_job(azure: context.Azure, job: store.Resource) -> store.Resource | None:
    """The pool by name: it may be made after the job, and deleted before it."""
    pool_id = job.document["poolInfo"].get("poolId", "")
    return azure.store.find(f"{resource_ids.parent(job.id)}/pools/{pool_id}")


def tasks_on(azure: context.Azure, node: store.Resource) -> list[store.Resource]:
    """Tasks that occupy slots of the node."""
    return [
        task
        for task in azure.store.of_type(TASK_TYPE)
        if task.state.get("node") == node.id and task.document["state"] != "completed"
    ]


def requeue_tasks_of(azure: context.Azure, node: store.Resource) -> None:
    """The node takes no tasks any more: those it has go to others."""
    for task in tasks_on(azure, node):
        requeue(azure, task)
    note_running(azure, node)
    assign(azure, nodes.pool_of(azure, node))


def requeue(azure: context.Azure, task: store.Resource) -> None:
    """Take an unfinished task from its node; what had begun begins anew, and says so."""
    if task.document["state"] == "completed":
        return
    task.cancel()
    task.state.pop("node", None)
    if task.document["state"] != "active":
        information = task.document["executionInfo"]
        information["requeueCount"] += 1
        information.pop("startTime", None)
        task_states.move(azure, task, "active")


def release(azure: context.Azure, task: store.Resource) -> None:
    """The task needs its node no more: let the next one have the slot."""
    node = azure.store.find(task.state.get("node", ""))
    if node is not None:
        note_running(azure, node)
        assign(azure, nodes.pool_of(azure, node))


def note_running(azure: context.Azure, node: store.Resource) -> None:
    """Let the node show what runs on it: `idle` and `running` follow from that."""
    running = [t for t in tasks_on(azure, node) if t.document["state"] != "active"]
    node.document["runningTasksCount"] = len(running)
    node.document["runningTaskSlotsCount"] = sum(t.document["requiredSlots"] for t in running)
    if node.document["state"] in {"idle", "running"}:
        nodes.set_state(azure, node, "running" if running else "idle")


def finish_empty_job(azure: context.Azure, job: store.Resource) -> None:
    """A job that ends with its last task begins to end now."""
    wants_end = str(job.document.get("onAllTasksComplete")).lower() == "terminatejob"
    tasks = azure.store.children(job.id, TASK_TYPE)
    is_done = all(task.document["state"] == "completed" for task in tasks)
    if wants_end and is_done and job.document["state"] == "active":
        set_job_state(azure, job, "terminating")
        job.document["executionInfo"]["terminateReason"] = "AllTasksComplete"
        azure.schedule(job, "terminated", azure.duration("jobs.terminate", job))


def set_job_state(azure: context.Azure, job: store.Resource, state: str) -> None:
    task_states.move(azure, job, state)
    odata.touch(azure, job)


def _waiting(azure: context.Azure, pool: store.Resource) -> list[store.Resource]:
    account_id = resource_ids.parent(pool.id)
    jobs = [
        job
        for job in azure.store.children(account_id, JOB_TYPE)
        if job.document["state"] == "active"
        and str(job.document["poolInfo"].get("poolId", "")).lower() == pool.name.lower()
    ]
    jobs.sort(key=lambda job: -int(job.document["priority"]))
    return [
        task
        for job in jobs
        for task in azure.store.children(job.id, TASK_TYPE)
        if task.document["state"] == "active" and "node" not in task.state
    ]


def _choose(
    azure: context.Azure, pool: store.Resource, task: store.Resource
) -> store.Resource | None:
    """The node with room that the task asks for, else the fullest (pack) or emptiest (spread)."""
    slots = int(pool.properties["taskSlotsPerNode"])
    needed = int(task.document["requiredSlots"])
    free = {
        node.id: slots - sum(t.document["requiredSlots"] for t in tasks_on(azure, node))
        for node in nodes.present(azure, pool)
        if node.document["state"] in {"idle", "running"}
        and node.document["schedulingState"] == "enabled"
    }
    fitting = [node_id for node_id, room in free.items() if room >= needed]
    wanted = (task.document.get("affinityInfo") or {}).get("affinityId", "")
    preferred = [node_id for node_id in fitting if wanted == f"TVM:{resource_ids.name(node_id)}"]
    packs = str(pool.properties["taskSchedulingPolicy"]["nodeFillType"]).lower() == "pack"
    ordered = sorted(fitting, key=lambda node_id: free[node_id] if packs else -free[node_id])
    chosen = next(iter([*preferred, *ordered]), None)
    return None if chosen is None else azure.store.find(chosen)
