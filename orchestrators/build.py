"""A whole build: checks, Batch account, image, pools, and the removal of the builder."""

from __future__ import annotations

from typing import Any

from activities import (
    builder_vm,
    existing_image,
    pool_preflight,
    preflight,
    records,
)
from orchestrators import account, prerequisite_steps
from orchestrators.build_image import ImageOutcome, ImageWork, build_image
from orchestrators.build_pools import create_pools, creations_of, with_outcomes
from orchestrators.builder_removal import Half, left_of, removal_of
from orchestrators.create_pool import PoolWork
from shared.base.errors import Failure, StepFailed
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.activity import Activity
from shared.engine.orchestration import Child, orchestration
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model import build_outcomes, plan_updates, resuming
from shared.model.outcomes import BuildOutcome, PoolRecord
from shared.model.plans import BuildPlan, BuildRef, Earlier, ImagePlan
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
    return (yield from create_pools(context, plan, facts.image, step_context))


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
    that are missing. Nothing is checked again: what could have been short exists, and the resume
    was refused where another build has one of the pools.
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
    return (yield from create_pools(context, plan, image, step_context))


# -------------------------------------------------------------------------------------------------
# The image


def _image_and_pools(
    context: Context, plan: BuildPlan, image: ImagePlan, step_context: StepContext
) -> Workflow[BuildOutcome]:
    done = plan.earlier.steps if plan.earlier else {}
    made: ImageOutcome | Failure
    try:
        if plan.account is not None and plan.account.endpoint is None:
            prerequisites = prerequisite_steps.plan_prerequisites(image).all
            plan, done = yield from account.ensure_account(
                context, plan, plan.account, step_context, prerequisites, done
            )
        publishes = not image.from_snapshot
        work = ImageWork(image=image, scope=step_context, done=done, publishes=publishes)
        made = yield from workflow.run_child(context, build_image, "image", work)
    except StepFailed as failed:
        made = failed.failure
    if isinstance(made, Failure):
        made = ImageOutcome(error=made)
    if made.image is None and made.error is None:
        return (yield from _publish(context, plan, image, made, step_context))
    if made.image is None:
        return (yield from _without_image(context, plan, image, made, step_context))
    return (yield from create_pools(context, plan, made.image, step_context))


def _publish(
    context: Context,
    plan: BuildPlan,
    image: ImagePlan,
    sealed: ImageOutcome,
    step_context: StepContext,
) -> Workflow[BuildOutcome]:
    """Publish the snapshot of the sealed builder while the builder is removed. The pools begin as
    soon as the image is there, and wait for nothing else.
    """
    removal = removal_of(image, step_context, only="builder", failed=False)
    source = removal_of(image, step_context, only="snapshot", failed=False)
    work = ImageWork(image=image, scope=step_context, done=sealed.done)
    publication = Child(orchestration=build_image, identity="publication", input=work)
    creations: list[Child[PoolWork, PoolRecord]] = []

    def then(child: Child[Any, Any], outcome: Wire) -> list[Child[Any, Any]]:
        if child is not publication or not isinstance(outcome, ImageOutcome) or not outcome.image:
            return []
        creations.extend(creations_of(plan, outcome.image, step_context))
        return [source, *creations]

    width = plan.pool_width + 2
    outcomes = yield from workflow.run_children(context, [publication, removal], width, then=then)
    made, left = outcomes[publication], left_of(removal, outcomes)
    if isinstance(made, Failure):
        made = ImageOutcome(error=made, is_captured=True)
    if made.image is None:
        return (yield from _without_image(context, plan, image, made, step_context, left))
    left = [*left, *left_of(source, outcomes)]
    return (yield from with_outcomes(context, plan, made.image, creations, outcomes, left))


def _without_image(
    context: Context,
    plan: BuildPlan,
    image: ImagePlan,
    made: ImageOutcome,
    step_context: StepContext,
    left: list[str] | None = None,
) -> Workflow[BuildOutcome]:
    """Keep a builder or its snapshot for a resume; remove everything else at once. A builder that
    may still be allocated is deallocated; a sealed one stays only if it cannot start again. `left`
    is what of the builder could not be removed, where that was tried already.
    """
    assert made.error is not None
    scope, is_sealed = step_context.for_cleanup(), made.is_sealed or made.is_captured
    keeps = build_outcomes.can_resume(plan, made.error, is_sealed=is_sealed)
    locks = is_sealed and not made.is_captured
    if keeps and locks:
        lock = builder_vm.generalize_builder
        locked = yield from workflow.try_step(context, scope, "keep_builder", lock, image)
        keeps = locked is not None
    if keeps:
        kept = build_outcomes.kept(plan, image, left, is_captured=made.is_captured)
        is_off = locks or left is not None or image.vm_id not in kept
        if not is_off and build_outcomes.may_run(plan, image, is_captured=made.is_captured):
            off = builder_vm.deallocate_builder  # where Azure refuses, it runs until its expiry
            yield from workflow.try_step(context, scope, "keep_builder", off, image)
        return build_outcomes.resumable(plan, image, made.error, workflow.now(context), kept)
    only: Half | None = None if left is None else "snapshot"
    removal = removal_of(image, step_context, only=only, failed=not left)
    outcomes = yield from workflow.run_children(context, [removal], 1)
    left = [*(left or []), *left_of(removal, outcomes)]
    return build_outcomes.without_image(plan, image, made.error, left)
