"""A change to one existing pool: a resize, or its deletion."""

from __future__ import annotations

from shared.base.errors import Kind, StepFailed
from shared.engine import workflow
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model.plans import BuildOutcome, BuildRef, PoolChange, PoolRecord
from shared.model.requests import Mode


def change_pool(context: Context) -> Workflow:
    """Orchestration: `PoolChange` → `BuildOutcome`."""
    plan = PoolChange.from_wire(context.get_input())
    begun = yield from workflow.note(context, "begin_build", BuildRef(build_id=plan.build_id))
    scope = StepContext(build=plan.build_id, pool=plan.pool_id, pace=begun["pace"])
    step, activity = ("remove_pool", "delete_pool")
    if plan.mode is Mode.RESIZE_POOL:
        step, activity = ("resize", "resize_pool")
    try:
        yield from workflow.run(context, scope, step, activity, plan)
        changed = yield from workflow.note(context, "record_pool_change", plan)
        pools = [PoolRecord.from_wire(changed["pool"])] if "pool" in changed else []
        outcome = BuildOutcome(build_id=plan.build_id, state="succeeded", pools=pools)
    except StepFailed as failed:
        yield from _tell_size(context, plan)
        state = "cancelled" if failed.failure.kind is Kind.CANCELLED else "failed"
        outcome = BuildOutcome(build_id=plan.build_id, state=state, error=failed.failure)
    yield from workflow.note(context, "end_build", outcome)
    return outcome.to_wire()


def _tell_size(context: Context, plan: PoolChange) -> Workflow:
    """What a resize has come to before it failed or was cancelled."""
    if plan.mode is not Mode.RESIZE_POOL:
        return
    try:
        yield from workflow.note(context, "record_pool_size", plan)
    except StepFailed:
        return  # the change's own failure says more
