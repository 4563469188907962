"""Pools that size themselves: the formula is evaluated when it is set, and at each interval."""

# ruff: noqa: ARG001 - events share one signature

from __future__ import annotations

from local.azure_simulator import context, model, resource_ids, store
from local.azure_simulator.batch import (
    autoscale,
    iso8601,
    nodes,
    planes,
    pool_checks,
    scaling,
    scheduling,
)


def register(azure: context.Azure) -> None:
    azure.on(planes.POOL_TYPE, "evaluate", _evaluate)


def start(azure: context.Azure, pool: store.Resource) -> None:
    """Evaluate now and from now on at each interval."""
    pool.cancel("evaluate")
    _evaluate(azure, pool, {})


def disable(azure: context.Azure, pool: store.Resource) -> None:
    """Keep the size the pool has."""
    pool.cancel("evaluate")
    pool.properties["scaleSettings"] = {}
    scaling.set_targets(pool, *pool.state["targets"])


def is_enabled(pool: store.Resource) -> bool:
    return "autoScale" in pool.properties["scaleSettings"]


def observed(azure: context.Azure, pool: store.Resource) -> dict[str, float]:
    """The service's variables for this pool, as they are now."""
    dedicated, low_priority = nodes.counts(azure, pool)
    states = [
        str(task.document["state"])
        for task in azure.store.of_type(scheduling.TASK_TYPE)
        if _is_of_pool(azure, task, pool)
    ]
    active, running = states.count("active"), states.count("running")
    return {
        "$ActiveTasks": active,
        "$RunningTasks": running,
        "$PendingTasks": active + running,
        "$TaskSlotsPerNode": float(pool.properties["taskSlotsPerNode"]),
        "$CurrentDedicatedNodes": dedicated,
        "$CurrentLowPriorityNodes": low_priority,
        "$UsableNodeCount": dedicated + low_priority,
        "$TargetDedicatedNodes": pool.state["targets"][0],
        "$TargetLowPriorityNodes": pool.state["targets"][1],
    }


def run(azure: context.Azure, pool: store.Resource, formula: str) -> autoscale.Evaluation:
    """Evaluate a formula over the pool; refuses (400) what cannot be evaluated."""
    return pool_checks.evaluate(formula, observed(azure, pool), azure.now)


def _evaluate(azure: context.Azure, pool: store.Resource, data: model.JsonObject) -> None:
    settings = pool.properties["scaleSettings"]["autoScale"]
    shown: model.JsonObject = {"evaluationTime": iso8601.timestamp(azure.now)}
    pool.properties["autoScaleRun"] = shown
    azure.schedule(pool, "evaluate", iso8601.seconds(settings["evaluationInterval"]))
    try:
        evaluation = run(azure, pool, settings["formula"])
    except model.Refusal as refusal:
        reason = refusal.details[0]["message"]
        shown["error"] = {"code": "AutoScalingFormulaEvaluationError", "message": reason}
        return
    shown["results"] = evaluation.results
    before = pool.state["targets"]
    targets = (
        before[0] if evaluation.dedicated is None else evaluation.dedicated,
        before[1] if evaluation.low_priority is None else evaluation.low_priority,
    )
    is_new = "resizeOperationStatus" not in pool.properties
    is_steady = pool.properties["allocationState"] == "Steady"
    if is_new or (is_steady and list(targets) != before):
        scaling.begin(azure, pool, targets)


def _is_of_pool(azure: context.Azure, task: store.Resource, pool: store.Resource) -> bool:
    job = azure.store.find(resource_ids.parent(task.id))
    assert job is not None  # tasks go with their job
    found = scheduling.pool_of_job(azure, job)
    return found is not None and found.key == pool.key
