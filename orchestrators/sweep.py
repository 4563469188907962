"""The second owner of everything temporary and of failed pools' nodes: closes builds that died,
removes what nobody needs and pools whose time is over.
"""

from __future__ import annotations

from orchestrators.undo import undo
from shared.base import names, timing
from shared.base.errors import StepFailed
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.polling_loop import Context, Json, StepContext, Workflow
from shared.model.cleanup_plans import (
    BuildCleared,
    BuildLeft,
    LeftoverPlan,
    MadeIn,
    PoolExpired,
    PoolGroup,
    PoolSettled,
    SweepPlan,
)
from shared.model.plans import BuildRef, NoInput, PoolPlan

_BUILDS_WIDTH = 10
# Of pools, side by side in a group with a history of its own; 200 at once use half of what Azure
# lets one identity write in a subscription.
_POOLS_A_GROUP = 50
_GROUPS_WIDTH = 4


def sweep(context: Context) -> Workflow:
    """Orchestration: `SweepPlan` → `{"closed": [...], "emptied": [...], "expired": [...],
    "removed": [...], "failed": [...], "error": {...}?}`. What failed is the next sweep's.
    """
    plan = SweepPlan.from_wire(context.get_input())
    parts = (_close_builds, _clear_builds, _expire_pools, _empty_pools)
    kinds = ("closed", "emptied", "expired", "removed", "failed")
    swept: dict[str, list[str]] = {kind: [] for kind in kinds}
    refused: Json = {}
    for part in parts:  # one does not stop the next
        try:
            yield from part(context, plan, swept)
        except StepFailed as failed:
            refused = refused or {"error": failed.failure.to_wire()}
    return {**swept, **refused}


def _close_builds(context: Context, plan: SweepPlan, swept: dict[str, list[str]]) -> Workflow:
    for build in plan.dead:
        yield from workflow.note(context, "close_build", BuildRef(build_id=build))
        swept["closed"].append(build)


def _expire_pools(context: Context, _: SweepPlan, swept: dict[str, list[str]]) -> Workflow:
    child = names.Orchestrator.EXPIRE_POOL
    yield from _with_pools(context, "list_expired_pools", child, "expired", swept)


def _empty_pools(context: Context, _: SweepPlan, swept: dict[str, list[str]]) -> Workflow:
    child = names.Orchestrator.SHRINK_LEFT_POOL
    yield from _with_pools(context, "list_left_pools", child, "emptied", swept)


def _with_pools(
    context: Context,
    listing: str,
    child: names.Orchestrator,
    kind: str,
    swept: dict[str, list[str]],
) -> Workflow:
    """A child for each pool that an activity lists, a group at a time. What is done of them is
    `kind` now.
    """
    told = yield from workflow.note(context, listing, NoInput())
    plans = [PoolPlan.from_wire(found) for found in told["pools"]]
    starts = range(0, len(plans), _POOLS_A_GROUP)
    groups = [PoolGroup(child=child.value, pools=plans[s : s + _POOLS_A_GROUP]) for s in starts]
    name = names.Orchestrator.SWEEP_POOLS.value
    work: list[tuple[str, str, Wire]] = [
        (name, f"{kind}-{number}", group) for number, group in enumerate(groups, 1)
    ]
    results = yield from workflow.run_bounded(context, work, _GROUPS_WIDTH)
    for group, result in zip(groups, results, strict=True):
        everything = [pool.resource for pool in group.pools]
        swept[kind] += result.get("done", [])
        swept["failed"] += result.get("failed", everything)


def sweep_pools(context: Context) -> Workflow:
    """Orchestration: `PoolGroup` → `{"done": [...], "failed": [...]}`, resource ids; what is in
    neither needs nothing.
    """
    group = PoolGroup.from_wire(context.get_input())
    work: list[tuple[str, str, Wire]] = [
        (group.child, f"{pool.account.name}-{pool.pool_id}", pool) for pool in group.pools
    ]
    results = yield from workflow.run_bounded(context, work, _POOLS_A_GROUP)
    told = list(zip([pool.resource for pool in group.pools], results, strict=True))
    return {
        "done": [resource for resource, result in told if result.get("done")],
        "failed": [resource for resource, result in told if "error" in result],
    }


def shrink_left_pool(context: Context) -> Workflow:
    """Orchestration: `PoolPlan` → `{"done": bool}`, not so if it is another's by now or gone; or
    `{"error": {...}}`.
    """
    plan = PoolPlan.from_wire(context.get_input())
    scope = StepContext(build=plan.build_id, pool=plan.pool_id, cancellable=False)
    try:
        told = yield from workflow.run(context, scope, "empty_pool", "empty_left_pool", plan)
        done = PoolSettled(pool=plan, emptied=told.get("emptied", False))
        yield from workflow.note(context, "settle_left_pool", done)
    except StepFailed as failed:
        return {"error": failed.failure.to_wire()}
    return {"done": done.emptied}


def expire_pool(context: Context) -> Workflow:
    """Orchestration: `PoolPlan` → `{"done": bool}`, not so if somebody has taken it over; or
    `{"error": {...}}`.
    """
    plan = PoolPlan.from_wire(context.get_input())
    scope = StepContext(build=plan.build_id, pool=plan.pool_id, cancellable=False)
    try:
        told = yield from workflow.run(context, scope, "remove_pool", "delete_expired_pool", plan)
        is_gone = "kept" not in told
        if is_gone or told["isAnothers"]:
            done = PoolExpired(pool=plan, is_gone=is_gone)
            yield from workflow.note(context, "settle_expired_pool", done)
    except StepFailed as failed:
        return {"error": failed.failure.to_wire()}
    return {"done": is_gone}


def _clear_builds(context: Context, plan: SweepPlan, swept: dict[str, list[str]]) -> Workflow:
    """What has left something, and what has just died: each on its own."""
    told = yield from workflow.note(context, "list_leftovers", NoInput())
    left = [BuildLeft.from_wire(found) for found in told["builds"]]
    dead = set(plan.dead) - {each.build_id for each in left}
    left += [BuildLeft(build_id=build) for build in sorted(dead)]
    child = names.Orchestrator.CLEAR_BUILD.value
    work: list[tuple[str, str, Wire]] = [(child, each.build_id, each) for each in left]
    results = yield from workflow.run_bounded(context, work, _BUILDS_WIDTH)
    for each, result in zip(left, results, strict=True):
        if "error" in result:
            swept["failed"] += [leftover.id for leftover in each.leftovers]
        else:
            swept["removed"] += result["removed"]
            swept["failed"] += result["failed"]


def clear_build(context: Context) -> Workflow:
    """Orchestration: `BuildLeft` → `{"removed": [...], "failed": [...]}` or `{"error": {...}}`. The
    build is given up first, so that nobody resumes it meanwhile; where nothing came of it, what it
    made for good goes as well.
    """
    left = BuildLeft.from_wire(context.get_input())
    try:
        cleared = yield from _clear(context, left)
    except StepFailed as failed:
        return {"error": failed.failure.to_wire()}
    return cleared


def _clear(context: Context, left: BuildLeft) -> Workflow:
    told: Json = {"over": True}
    if not left.keeps:
        told = yield from workflow.note(context, "give_up_build", BuildRef(build_id=left.build_id))
    if not told["over"]:
        return {"removed": [], "failed": []}
    removed, failed = yield from _remove(context, left)
    if told.get("made") and not failed:
        scope = StepContext(build=left.build_id, cancellable=False)
        failed = yield from undo(context, scope, MadeIn.from_wire(told["made"]))
    done = BuildCleared(build_id=left.build_id, removed=removed, failed=failed)
    yield from workflow.note(context, "settle_build", done)
    return {"removed": removed, "failed": failed}


def _remove(context: Context, left: BuildLeft) -> Workflow:
    removed, failed = [], []
    for number, leftover in enumerate(left.leftovers, 1):
        step = f"sweep_{number}"
        scope = StepContext(build=left.build_id, cancellable=False, pace=_pace(step, leftover))
        try:
            yield from workflow.run(context, scope, step, "remove_leftover", leftover)
        except StepFailed:
            failed.append(leftover.id)
        else:
            removed.append(leftover.id)
    return removed, failed


def _pace(step: str, leftover: LeftoverPlan) -> dict[str, float]:
    """A VM takes its time to go, and is not looked at every few seconds meanwhile."""
    if not leftover.type.lower().endswith("/virtualmachines"):
        return {}
    return {step: timing.pace_of("remove_builder_vm").typical}
