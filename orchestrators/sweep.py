"""The second owner of everything temporary and of failed pools' nodes: closes builds that died,
removes what nobody needs.
"""

from __future__ import annotations

from shared import names, polling, steps
from shared.errors import StepFailed
from shared.plans import Named, Nothing, PoolPlan
from shared.steps import Context, Json, Scope, Story
from shared.sweep_plans import LeftoverPlan, PoolSettled, SweepPlan
from shared.wire import Wire

_POOLS_WIDTH = 10  # side by side: one that Azure does not shrink is tried for half an hour


def sweep(context: Context) -> Story:
    """Orchestration: `SweepPlan` → `{"closed": [...], "emptied": [...], "removed": [...],
    "failed": [...], "error": {...}?}`. What failed is the next sweep's.
    """
    plan = SweepPlan.from_wire(context.get_input())
    swept: dict[str, list[str]] = {"closed": [], "emptied": [], "removed": [], "failed": []}
    refused: Json = {}
    for part in (_close_builds, _remove_leftovers, _empty_pools):  # one does not stop the next
        try:
            yield from part(context, plan, swept)
        except StepFailed as failed:
            refused = refused or {"error": failed.failure.to_wire()}
    return {**swept, **refused}


def _close_builds(context: Context, plan: SweepPlan, swept: dict[str, list[str]]) -> Story:
    for build in plan.dead:
        yield from steps.note(context, "close_build", Named(build_id=build))
        swept["closed"].append(build)


def _empty_pools(context: Context, _: SweepPlan, swept: dict[str, list[str]]) -> Story:
    told = yield from steps.note(context, "list_left_pools", Nothing())
    plans = [PoolPlan.from_wire(found) for found in told["pools"]]
    child = names.Orchestrator.SHRINK_LEFT_POOL.value
    work: list[tuple[str, str, Wire]] = [
        (child, f"{plan.account.name}-{plan.pool_id}", plan) for plan in plans
    ]
    results = yield from steps.run_bounded(context, work, _POOLS_WIDTH)
    for plan, result in zip(plans, results, strict=True):
        if "error" in result:
            swept["failed"].append(plan.resource)
        elif result["emptied"]:
            swept["emptied"].append(plan.resource)


def shrink_left_pool(context: Context) -> Story:
    """Orchestration: `PoolPlan` → `{"emptied": bool}`, not so if it is another's by now or gone; or
    `{"error": {...}}`.
    """
    plan = PoolPlan.from_wire(context.get_input())
    scope = Scope(build=plan.build_id, pool=plan.pool_id, cancellable=False)
    try:
        told = yield from steps.run(context, scope, "empty_pool", "empty_left_pool", plan)
        done = PoolSettled(pool=plan, emptied=told.get("emptied", False))
        yield from steps.note(context, "settle_left_pool", done)
    except StepFailed as failed:
        return {"error": failed.failure.to_wire()}
    return {"emptied": done.emptied}


def _remove_leftovers(context: Context, _: SweepPlan, swept: dict[str, list[str]]) -> Story:
    told = yield from steps.note(context, "list_leftovers", Nothing())
    for number, found in enumerate(told["leftovers"], 1):
        leftover = LeftoverPlan.from_wire(found)
        step = f"sweep_{number}"
        scope = Scope(build=leftover.build_id, cancellable=False, pace=_pace(step, leftover))
        try:
            yield from steps.run(context, scope, step, "remove_leftover", leftover)
        except StepFailed:
            swept["failed"].append(leftover.id)
        else:
            swept["removed"].append(leftover.id)


def _pace(step: str, leftover: LeftoverPlan) -> dict[str, float]:
    """A VM takes its time to go, and is not looked at every few seconds meanwhile."""
    if not leftover.type.lower().endswith("/virtualmachines"):
        return {}
    return {step: polling.pace_of("remove_builder_vm").typical}
