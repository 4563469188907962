"""The last part of a build: its pools side by side and, beside them, the removal of the builder."""

from __future__ import annotations

from activities import closing
from orchestrators.builder_removal import left_of, removal_of
from orchestrators.create_pool import PoolWork, create_pool
from shared.base.errors import Failure
from shared.engine import workflow
from shared.engine.orchestration import Child
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.engine.workflow import Outcomes
from shared.model import build_outcomes, plan_updates, pool_records
from shared.model.outcomes import BuildOutcome, ImageRecord, PoolRecord
from shared.model.plans import BuildPlan, BuildRef


def create_pools(
    context: Context, plan: BuildPlan, image: ImageRecord, step_context: StepContext
) -> Workflow[BuildOutcome]:
    """Create the pools side by side and, at the same time, remove the builder."""
    creations = creations_of(plan, image, step_context)
    removals = [removal_of(plan.image, step_context, only=None, failed=False)] if plan.image else []
    width = plan.pool_width + len(removals)
    outcomes = yield from workflow.run_children(context, [*removals, *creations], width)
    left = [each for removal in removals for each in left_of(removal, outcomes)]
    return (yield from with_outcomes(context, plan, image, creations, outcomes, left))


def creations_of(
    plan: BuildPlan, image: ImageRecord, step_context: StepContext
) -> list[Child[PoolWork, PoolRecord]]:
    """The children that create the pools which are missing."""
    ready = build_outcomes.ready_pools(plan.earlier)
    pools = [plan_updates.with_image(p, image) for p in plan.pools if p.pool_id not in ready]
    return [
        Child(
            orchestration=create_pool,
            identity=f"pool-{pool.pool_id}",
            input=PoolWork(plan=pool, scope=step_context.of_pool(pool.pool_id)),
        )
        for pool in pools
    ]


def with_outcomes(
    context: Context,
    plan: BuildPlan,
    image: ImageRecord,
    creations: list[Child[PoolWork, PoolRecord]],
    outcomes: Outcomes,
    left: list[str],
) -> Workflow[BuildOutcome]:
    """The outcome of a build that has its image and whose children have ended. `left` is what could
    not be removed of the builder.
    """
    ready = build_outcomes.ready_pools(plan.earlier)
    pools = [creation.input.plan for creation in creations]
    ended = list(map(outcomes.__getitem__, creations))
    if any(isinstance(outcome, Failure) for outcome in ended):
        yield from workflow.call(context, closing.hand_over_pools, BuildRef(build_id=plan.build_id))
    now = workflow.now(context)
    made = {p.pool_id: pool_records.or_died(p, e, now) for p, e in zip(pools, ended, strict=True)}
    everything = [(made | ready)[pool.pool_id] for pool in plan.pools]
    return build_outcomes.with_pools(plan, image, everything, left)
