"""A change to one existing pool: a resize, or its deletion."""

from __future__ import annotations

from shared import steps
from shared.errors import Kind, StepFailed
from shared.looks import Context, Scope, Story
from shared.plans import BuildOutcome, Named, PoolChange, PoolRecord
from shared.requests import Mode


def change_pool(context: Context) -> Story:
    """Orchestration: `PoolChange` → `BuildOutcome`."""
    plan = PoolChange.from_wire(context.get_input())
    begun = yield from steps.note(context, "begin_build", Named(build_id=plan.build_id))
    scope = Scope(build=plan.build_id, pool=plan.pool_id, pace=begun["pace"])
    step, activity = ("remove_pool", "delete_pool")
    if plan.mode is Mode.RESIZE_POOL:
        step, activity = ("resize", "resize_pool")
    try:
        yield from steps.run(context, scope, step, activity, plan)
        changed = yield from steps.note(context, "record_pool_change", plan)
        pools = [PoolRecord.from_wire(changed["pool"])] if "pool" in changed else []
        outcome = BuildOutcome(build_id=plan.build_id, state="succeeded", pools=pools)
    except StepFailed as failed:
        yield from _tell_size(context, plan)
        state = "cancelled" if failed.failure.kind is Kind.CANCELLED else "failed"
        outcome = BuildOutcome(build_id=plan.build_id, state=state, error=failed.failure)
    yield from steps.note(context, "end_build", outcome)
    return outcome.to_wire()


def _tell_size(context: Context, plan: PoolChange) -> Story:
    """What a resize has come to before it failed or was cancelled."""
    if plan.mode is not Mode.RESIZE_POOL:
        return
    try:
        yield from steps.note(context, "record_pool_size", plan)
    except StepFailed:
        return  # the change's own failure says more
