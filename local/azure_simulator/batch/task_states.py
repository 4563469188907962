"""States of jobs and tasks with their times, and counts that lag behind them."""

from __future__ import annotations

from collections.abc import Iterable

from local.azure_simulator import context, model, store
from local.azure_simulator.batch import iso8601, timing


def move(azure: context.Azure, entity: store.Resource, state: str) -> None:
    """Change a job's or a task's state, remembering the one before."""
    document = entity.document
    if "state" in document:
        document["previousState"] = document["state"]
        document["previousStateTransitionTime"] = document["stateTransitionTime"]
    document["state"] = state
    document["stateTransitionTime"] = iso8601.timestamp(azure.now)
    entity.state.setdefault("history", []).append([azure.now, state])


def counts(azure: context.Azure, tasks: Iterable[store.Resource]) -> model.JsonObject:
    """`taskCounts` and `taskSlotCounts`, as they were some seconds ago."""
    number = dict.fromkeys(("active", "running", "completed", "succeeded", "failed"), 0)
    slots = dict(number)
    for task in tasks:
        for name in _counted_as(task, azure.now - timing.TASK_COUNTS_LAG_SECONDS):
            number[name] += 1
            slots[name] += int(task.document["requiredSlots"])
    return {"taskCounts": number, "taskSlotCounts": slots}


def _counted_as(task: store.Resource, moment: float) -> list[str]:
    known = [state for at, state in task.state["history"] if at <= moment]
    if not known:
        return []
    state = "running" if known[-1] == "preparing" else known[-1]
    if state != "completed":
        return [state]
    has_succeeded = task.document["executionInfo"].get("result") == "success"
    return ["completed", "succeeded" if has_succeeded else "failed"]
