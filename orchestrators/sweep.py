"""The second owner of everything temporary and of failed pools' nodes: closes builds that died,
removes resources that nobody needs and pools whose time is over.
"""

from __future__ import annotations

from typing import Any

from activities import expired_pools, giving_up, left_pools, leftovers
from orchestrators.undo import undo
from shared.base import timing
from shared.base.errors import Failure, StepFailed
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.activity import Activity, NoInput
from shared.engine.orchestration import Child, Orchestration, orchestration
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model.cleanup_plans import (
    BuildCleared,
    BuildLeft,
    LeftoverPlan,
    PoolExpired,
    PoolGroup,
    PoolSettled,
    PoolsLeft,
    SweepPlan,
)
from shared.model.plans import BuildRef, PoolPlan

_BUILDS_WIDTH = 10
# Of pools, side by side in a group with a history of its own; 200 at once use half of what Azure
# lets one identity write in a subscription.
_POOLS_A_GROUP = 50
_GROUPS_WIDTH = 4


class Swept(Wire):
    """Output: builds and resource ids by what was done with them; what failed is tried again by the
    next sweep.
    """

    closed: list[str] = []
    emptied: list[str] = []
    expired: list[str] = []
    removed: list[str] = []
    failed: list[str] = []
    error: Failure | None = None


class PoolSwept(Wire):
    """Output for one pool: whether it was shrunk or deleted."""

    done: bool = False
    error: Failure | None = None


class PoolsSwept(Wire):
    """Output for a group of pools; a pool in neither list needs nothing."""

    done: list[str] = []
    failed: list[str] = []


class BuildSwept(Wire):
    """Output for one build's leftovers."""

    removed: list[str] = []
    failed: list[str] = []
    error: Failure | None = None


@orchestration(SweepPlan, Swept)
def sweep(context: Context, plan: SweepPlan) -> Workflow[Swept]:
    """Run the parts of a sweep one after another; a part that fails does not stop the next."""
    parts = (_close_builds, _clear_builds, _expire_pools, _empty_pools)
    kinds = ("closed", "emptied", "expired", "removed", "failed")
    swept: dict[str, list[str]] = {kind: [] for kind in kinds}
    error: Failure | None = None
    for part in parts:
        try:
            yield from part(context, plan, swept)
        except StepFailed as failed:
            error = error or failed.failure
    return Swept.model_validate({**swept, "error": error})


def _close_builds(context: Context, plan: SweepPlan, swept: dict[str, list[str]]) -> Workflow[None]:
    for build in plan.dead:
        yield from workflow.call(context, giving_up.close_build, BuildRef(build_id=build))
        swept["closed"].append(build)


def _expire_pools(context: Context, _: SweepPlan, swept: dict[str, list[str]]) -> Workflow[None]:
    listing = expired_pools.list_expired_pools
    yield from _with_pools(context, listing, expire_pool, "expired", swept)


def _empty_pools(context: Context, _: SweepPlan, swept: dict[str, list[str]]) -> Workflow[None]:
    listing = left_pools.list_left_pools
    yield from _with_pools(context, listing, shrink_left_pool, "emptied", swept)


def _with_pools(
    context: Context,
    listing: Activity[NoInput, PoolsLeft],
    child: Orchestration[PoolPlan, PoolSwept],
    kind: str,
    swept: dict[str, list[str]],
) -> Workflow[None]:
    """Run a child for each pool that an activity lists, a group at a time."""
    found = yield from workflow.call(context, listing, NoInput())
    starts = range(0, len(found.pools), _POOLS_A_GROUP)
    groups = [
        Child(
            orchestration=sweep_pools,
            identity=f"{kind}-{number}",
            input=PoolGroup(child=child.name, pools=found.pools[s : s + _POOLS_A_GROUP]),
        )
        for number, s in enumerate(starts, 1)
    ]
    outcomes = yield from workflow.run_children(context, groups, _GROUPS_WIDTH)
    for group in groups:
        outcome = outcomes[group]
        if isinstance(outcome, Failure):
            swept["failed"] += [pool.resource for pool in group.input.pools]
        else:
            swept[kind] += outcome.done
            swept["failed"] += outcome.failed


@orchestration(PoolGroup, PoolsSwept)
def sweep_pools(context: Context, group: PoolGroup) -> Workflow[PoolsSwept]:
    """Run the group's child for each of its pools."""
    by_name: dict[str, Orchestration[PoolPlan, PoolSwept]] = {
        each.name: each for each in (shrink_left_pool, expire_pool)
    }
    children = [
        Child(
            orchestration=by_name[group.child],
            identity=f"{pool.account.name}-{pool.pool_id}",
            input=pool,
        )
        for pool in group.pools
    ]
    outcomes = yield from workflow.run_children(context, children, _POOLS_A_GROUP)
    done, failed = [], []
    for child in children:
        outcome = outcomes[child]
        if isinstance(outcome, Failure) or outcome.error is not None:
            failed.append(child.input.resource)
        elif outcome.done:
            done.append(child.input.resource)
    return PoolsSwept(done=done, failed=failed)


@orchestration(PoolPlan, PoolSwept)
def shrink_left_pool(context: Context, plan: PoolPlan) -> Workflow[PoolSwept]:
    """Shrink a failed pool, unless it is gone or belongs to another build by now."""
    step_context = StepContext(build=plan.build_id, pool=plan.pool_id, cancellable=False)
    try:
        shrunk = yield from workflow.run_step(
            context, step_context, "empty_pool", left_pools.empty_left_pool, plan
        )
        done = PoolSettled(pool=plan, emptied=shrunk.emptied)
        yield from workflow.call(context, left_pools.settle_left_pool, done)
    except StepFailed as failed:
        return PoolSwept(error=failed.failure)
    return PoolSwept(done=shrunk.emptied)


@orchestration(PoolPlan, PoolSwept)
def expire_pool(context: Context, plan: PoolPlan) -> Workflow[PoolSwept]:
    """Delete a pool whose time is over, unless another build has taken it over."""
    step_context = StepContext(build=plan.build_id, pool=plan.pool_id, cancellable=False)
    try:
        deleted = yield from workflow.run_step(
            context, step_context, "remove_pool", expired_pools.delete_expired_pool, plan
        )
        is_gone = deleted.kept is None
        if is_gone or deleted.is_anothers:
            done = PoolExpired(pool=plan, is_gone=is_gone)
            yield from workflow.call(context, expired_pools.settle_expired_pool, done)
    except StepFailed as failed:
        return PoolSwept(error=failed.failure)
    return PoolSwept(done=is_gone)


def _clear_builds(context: Context, plan: SweepPlan, swept: dict[str, list[str]]) -> Workflow[None]:
    """Clear each build that has left something or has just died."""
    found = yield from workflow.call(context, leftovers.list_leftovers, NoInput())
    dead = set(plan.dead) - {each.build_id for each in found.builds}
    left = [*found.builds, *(BuildLeft(build_id=build) for build in sorted(dead))]
    children = [
        Child(orchestration=clear_build, identity=each.build_id, input=each) for each in left
    ]
    outcomes = yield from workflow.run_children(context, children, _BUILDS_WIDTH)
    for child in children:
        outcome = outcomes[child]
        if isinstance(outcome, Failure) or outcome.error is not None:
            swept["failed"] += [leftover.id for leftover in child.input.leftovers]
        else:
            swept["removed"] += outcome.removed
            swept["failed"] += outcome.failed


@orchestration(BuildLeft, BuildSwept)
def clear_build(context: Context, left: BuildLeft) -> Workflow[BuildSwept]:
    """Remove a build's leftovers. It is given up first, so that nobody resumes it meanwhile; where
    nothing came of it, its lasting resources are removed as well.
    """
    try:
        cleared = yield from _clear(context, left)
    except StepFailed as failed:
        return BuildSwept(error=failed.failure)
    return cleared


def _clear(context: Context, left: BuildLeft) -> Workflow[BuildSwept]:
    made_in = None
    if not left.keeps:
        given_up = yield from workflow.call(
            context, giving_up.give_up_build, BuildRef(build_id=left.build_id)
        )
        if not given_up.over:
            return BuildSwept()
        made_in = given_up.made
    removed, failed = yield from _remove(context, left)
    if made_in and not failed:
        step_context = StepContext(build=left.build_id, cancellable=False)
        failed = yield from undo(context, step_context, made_in)
    done = BuildCleared(build_id=left.build_id, removed=removed, failed=failed)
    yield from workflow.call(context, giving_up.settle_build, done)
    return BuildSwept(removed=removed, failed=failed)


def _remove(context: Context, left: BuildLeft) -> Workflow[tuple[list[str], list[str]]]:
    removed, failed = [], []
    for number, leftover in enumerate(left.leftovers, 1):
        step = f"sweep_{number}"
        pace = _pace(step, leftover)
        step_context = StepContext(build=left.build_id, cancellable=False, pace=pace)
        try:
            yield from workflow.run_step(
                context, step_context, step, leftovers.remove_leftover, leftover
            )
        except StepFailed:
            failed.append(leftover.id)
        else:
            removed.append(leftover.id)
    return removed, failed


def _pace(step: str, leftover: LeftoverPlan) -> dict[str, Any]:
    """A VM takes its time to be deleted, and is not polled every few seconds meanwhile."""
    if not leftover.type.lower().endswith("/virtualmachines"):
        return {}
    return {step: timing.pace_of("remove_builder_vm").typical}
