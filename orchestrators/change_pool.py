"""A change to one existing pool: resize or delete it."""

from __future__ import annotations

from activities import pool_change, records
from shared.base.errors import StepFailed
from shared.engine import workflow
from shared.engine.orchestration import orchestration
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model import build_outcomes
from shared.model.outcomes import BuildOutcome
from shared.model.plans import BuildRef, ChangePlan
from shared.model.requests import Mode


@orchestration(ChangePlan, BuildOutcome)
def change_pool(context: Context, plan: ChangePlan) -> Workflow[BuildOutcome]:
    """Carry out the change and record its outcome."""
    begun = yield from workflow.call(context, records.begin_build, BuildRef(build_id=plan.build_id))
    step_context = StepContext(build=plan.build_id, pool=plan.pool_id, pace=begun.pace)
    step, activity = "remove_pool", pool_change.delete_pool
    if plan.mode is Mode.RESIZE_POOL:
        step, activity = "resize", pool_change.resize_pool
    try:
        yield from workflow.run_step(context, step_context, step, activity, plan)
        changed = yield from workflow.call(context, records.record_pool_change, plan)
        pools = [changed.pool] if changed.pool else []
        outcome = BuildOutcome(build_id=plan.build_id, state="succeeded", pools=pools)
    except StepFailed as failed:
        yield from _record_size(context, plan)
        outcome = build_outcomes.failed(plan.build_id, failed.failure)
    yield from workflow.call(context, records.end_build, outcome)
    return outcome


def _record_size(context: Context, plan: ChangePlan) -> Workflow[None]:
    """Record how many nodes the pool has after a resize that failed or was cancelled."""
    if plan.mode is not Mode.RESIZE_POOL:
        return
    try:
        yield from workflow.call(context, pool_change.record_pool_size, plan)
    except StepFailed:
        return  # the resize's own failure is the useful one
