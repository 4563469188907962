"""A whole build: checks, Batch account, image, pools, and the removal of the builder."""

from __future__ import annotations

from activities import (
    builder_vm,
    closing,
    existing_image,
    pool_preflight,
    preflight,
    records,
)
from orchestrators import account, ground_steps
from orchestrators.build_image import ImageOutcome, ImageWork, build_image
from orchestrators.cleanup import BuilderRemoval, BuilderRemoved, remove_builder
from orchestrators.create_pool import PoolWork, create_pool
from shared.base.errors import Failure, StepFailed
from shared.engine import workflow
from shared.engine.activity import Activity
from shared.engine.orchestration import Child, orchestration
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model import build_outcomes, plan_updates, pool_records, resuming
from shared.model.outcomes import BuildOutcome, ImageRecord, PoolRecord
from shared.model.plans import BuildPlan, BuildRef, Earlier, ImagePlan, PoolPlan
from shared.model.results import Findings


@orchestration(BuildPlan, BuildOutcome)
def build(context: Context, plan: BuildPlan) -> Workflow[BuildOutcome]:
    """Run a build from its first check to its recorded outcome, which it never ends without.

    A resumed build runs the same way; steps that an earlier try has finished are not run again.
    """
    begun = yield from workflow.call(context, records.begin_build, BuildRef(build_id=plan.build_id))
    plan = plan_updates.stamped(plan, context.current_utc_datetime)
    step_context = StepContext(build=plan.build_id, pace=begun.pace)
    try:
        outcome = yield from _carry_out(context, plan, step_context)
    except StepFailed as failed:
        outcome = build_outcomes.failed(plan.build_id, failed.failure)
    yield from workflow.call(context, records.end_build, outcome)
    return outcome


def _carry_out(
    context: Context, plan: BuildPlan, step_context: StepContext
) -> Workflow[BuildOutcome]:
    if plan.earlier is not None:
        return (yield from _resume(context, plan, plan.earlier, step_context))
    findings = yield from workflow.call_all(context, [(check, plan) for check in checks_for(plan)])
    facts = build_outcomes.without_blockers(findings)
    plan = plan_updates.with_facts(plan, facts)
    if plan.image is not None:
        return (yield from _image_and_pools(context, plan, plan.image, step_context))
    assert facts.image is not None, "the checks found the image or a reason not to begin"
    plan = yield from account.with_account(context, plan, step_context)
    return (yield from _pools(context, plan, facts.image, step_context))


def checks_for(plan: BuildPlan) -> list[Activity[BuildPlan, Findings]]:
    """The checks before a build; they run side by side, and all blockers come in one answer."""
    checks: list[Activity[BuildPlan, Findings]] = [preflight.check_providers]
    if plan.image:
        checks += [preflight.check_image_source, preflight.check_builder]
    if plan.image_ref:
        checks.append(existing_image.check_image)
    if plan.account:
        checks.append(pool_preflight.check_batch)
    return checks


def _resume(
    context: Context, plan: BuildPlan, earlier: Earlier, step_context: StepContext
) -> Workflow[BuildOutcome]:
    """Publish the sealed builder, go on with one that waited for a registry, or create the pools
    that are missing. Nothing is checked again: what could have been short exists.
    """
    image = earlier.outcome.image
    if image is None:
        plan = resuming.as_built(plan, earlier)
        assert plan.image is not None
        if not resuming.is_sealed(earlier):
            try:
                start = builder_vm.start_builder
                yield from workflow.run_step(
                    context, step_context, "start_builder", start, plan.image
                )
            except StepFailed as failed:
                made = ImageOutcome(error=failed.failure)
                return (yield from _without_image(context, plan, plan.image, made, step_context))
        return (yield from _image_and_pools(context, plan, plan.image, step_context))
    try:
        plan = yield from account.with_account(context, plan, step_context)
    except StepFailed as failed:
        return build_outcomes.still_failed(earlier.outcome, failed.failure)
    return (yield from _pools(context, plan, image, step_context))


# -------------------------------------------------------------------------------------------------
# The image


def _image_and_pools(
    context: Context, plan: BuildPlan, image: ImagePlan, step_context: StepContext
) -> Workflow[BuildOutcome]:
    done = plan.earlier.steps if plan.earlier else {}
    made: ImageOutcome | Failure
    try:
        if plan.account is not None and plan.account.endpoint is None:
            ground = ground_steps.plan_ground(image).all
            plan, done = yield from account.ensure_account(
                context, plan, plan.account, step_context, ground, done
            )
        work = ImageWork(image=image, scope=step_context, done=done)
        made = yield from workflow.run_child(context, build_image, "image", work)
    except StepFailed as failed:
        made = failed.failure
    if isinstance(made, Failure):
        made = ImageOutcome(error=made)
    if made.image is None:
        return (yield from _without_image(context, plan, image, made, step_context))
    return (yield from _pools(context, plan, made.image, step_context))


def _without_image(
    context: Context,
    plan: BuildPlan,
    image: ImagePlan,
    made: ImageOutcome,
    step_context: StepContext,
) -> Workflow[BuildOutcome]:
    """Keep a builder for a resume; remove everything else at once. One that is not sealed still
    runs, and is deallocated.
    """
    assert made.error is not None
    if build_outcomes.can_resume(plan, made.error, is_sealed=made.sealed):
        if not (made.sealed or (plan.earlier and resuming.is_sealed(plan.earlier))):
            yield from _pause(context, image, step_context)
        return build_outcomes.resumable(plan, image, made.error, workflow.now(context))
    work = BuilderRemoval(image=image, scope=step_context.for_cleanup(), failed=True)
    removed = yield from workflow.run_child(context, remove_builder, "cleanup", work)
    left = image.builder_resources if isinstance(removed, Failure) else removed.leftovers
    return build_outcomes.without_image(plan, image, made.error, left)


def _pause(context: Context, image: ImagePlan, step_context: StepContext) -> Workflow[None]:
    """Deallocate the builder. Where Azure refuses that it runs on until its expiry."""
    try:
        keep, scope = builder_vm.deallocate_builder, step_context.for_cleanup()
        yield from workflow.run_step(context, scope, "keep_builder", keep, image)
    except StepFailed:
        pass


# -------------------------------------------------------------------------------------------------
# The pools


def _pools(
    context: Context, plan: BuildPlan, image: ImageRecord, step_context: StepContext
) -> Workflow[BuildOutcome]:
    """Create the pools side by side and, at the same time, remove the builder."""
    ready = build_outcomes.ready_pools(plan.earlier)
    pools = [plan_updates.with_image(p, image) for p in plan.pools if p.pool_id not in ready]
    creations = [_creation(pool, step_context) for pool in pools]
    removals = [_removal(plan.image, step_context)] if plan.image else []
    width = plan.pool_width + len(removals)
    outcomes = yield from workflow.run_children(context, [*removals, *creations], width)
    leftovers = []
    for removal in removals:
        removed = outcomes[removal]
        builder = removal.input.image.builder_resources
        leftovers = builder if isinstance(removed, Failure) else removed.leftovers
    ended: list[PoolRecord | Failure] = []
    for creation in creations:
        outcome = outcomes[creation]
        ended.append(outcome)
    if any(isinstance(outcome, Failure) for outcome in ended):
        yield from workflow.call(context, closing.hand_over_pools, BuildRef(build_id=plan.build_id))
    now = workflow.now(context)
    made = {p.pool_id: pool_records.or_died(p, e, now) for p, e in zip(pools, ended, strict=True)}
    everything = [(made | ready)[pool.pool_id] for pool in plan.pools]
    return build_outcomes.with_pools(plan, image, everything, leftovers)


def _creation(pool: PoolPlan, step_context: StepContext) -> Child[PoolWork, PoolRecord]:
    work = PoolWork(plan=pool, scope=step_context.of_pool(pool.pool_id))
    return Child(orchestration=create_pool, identity=f"pool-{pool.pool_id}", input=work)


def _removal(image: ImagePlan, step_context: StepContext) -> Child[BuilderRemoval, BuilderRemoved]:
    work = BuilderRemoval(image=image, scope=step_context.for_cleanup(), failed=False)
    return Child(orchestration=remove_builder, identity="cleanup", input=work)
