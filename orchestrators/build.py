"""A whole build: checks, the Batch account, the image, the pools, and the removal of what was only
needed meanwhile.
"""

from __future__ import annotations

from orchestrators.build_image import ImageWork
from orchestrators.create_pool import PoolWork
from orchestrators.remove_builder import Removal
from shared import names, planning, steps
from shared.errors import Failure, Kind, Problem, StepFailed
from shared.plans import (
    BaseImage,
    BuildOutcome,
    BuildPlan,
    GroupPlan,
    ImageRecord,
    Named,
    PoolRecord,
)
from shared.steps import Context, Json, Scope, Story
from shared.wire import Wire


def build(context: Context) -> Story:
    """Orchestration: `BuildPlan` → `BuildOutcome`. It never ends without a recorded outcome."""
    plan = BuildPlan.from_wire(context.get_input())
    begun = yield from steps.note(context, "begin_build", Named(build_id=plan.build_id))
    plan = planning.stamped(plan, context.current_utc_datetime)
    scope = Scope(build=plan.build_id, pace=begun["pace"])
    try:
        outcome = yield from _carry_out(context, plan, scope)
    except StepFailed as failed:
        outcome = _failed(plan, failed.failure)
    yield from steps.note(context, "end_build", outcome)
    return outcome.to_wire()


def _carry_out(context: Context, plan: BuildPlan, scope: Scope) -> Story:
    plan, image = yield from _preflight(context, plan)
    endpoint = yield from _ensure_account(context, plan, scope)
    if plan.image is None:
        assert image is not None
        return (yield from _make_pools(context, plan, scope, image, endpoint))
    reply = yield context.call_sub_orchestrator(
        names.Orchestrator.BUILD_IMAGE.value,
        ImageWork(image=plan.image, scope=scope).to_wire(),
        names.child_instance(plan.build_id, "image"),
    )
    if "error" in reply:
        outcome = _failed(plan, Failure.from_wire(reply["error"]))
        leftovers = yield from _remove_builder(context, plan, scope)
        return outcome.model_copy(update={"leftovers": leftovers})
    image = ImageRecord.from_wire(reply["image"])
    return (yield from _make_pools(context, plan, scope, image, endpoint))


def _preflight(context: Context, plan: BuildPlan) -> Story:
    """Every check side by side; all blockers in one answer. Returns the plan as Azure makes it
    possible.
    """
    answers = yield from steps.call_all(
        context, [(check, plan) for check in planning.checks_for(plan)]
    )
    facts = refuse_blockers(answers)
    if plan.image is None:
        return plan, ImageRecord.from_wire(facts["image"])
    image = planning.on_base(plan.image, BaseImage.from_wire(facts["base"]), facts["sizes"])
    return plan.model_copy(update={"image": image}), None


def refuse_blockers(answers: list[Json]) -> Json:
    """The facts of all checks together. Raises StepFailed if any check found a reason not to
    begin.
    """
    blockers = [Problem.from_wire(b) for answer in answers for b in answer["blockers"]]
    if blockers:
        raise StepFailed(
            Failure(
                code="Blocked",
                kind=Kind.REFUSED,
                message="; ".join(b.message for b in blockers),
                details=blockers,
                next_action="Correct what is named; nothing was created.",
            )
        )
    return {key: value for answer in answers for key, value in answer.items() if key != "blockers"}


def _ensure_account(context: Context, plan: BuildPlan, scope: Scope) -> Story:
    """First of all that is made: its quotas can only be asked once it exists, and an image costs
    more.
    """
    account = plan.account
    if account is None:
        return ""
    group = GroupPlan(name=account.resource_group, location=account.location, tags=account.tags)
    yield from steps.note(context, "ensure_resource_group", group)
    made = yield from steps.run(context, scope, "batch_account", "ensure_batch_account", account)
    if made["created"]:
        refuse_blockers((yield from steps.call_all(context, [("check_batch", plan)])))
    return made["endpoint"]


def _make_pools(
    context: Context, plan: BuildPlan, scope: Scope, image: ImageRecord, endpoint: str
) -> Story:
    """The pools side by side; the builder is removed meanwhile, off the critical path."""
    pools = [planning.with_image(pool, image, endpoint) for pool in plan.pools]
    work: list[tuple[str, str, Wire]] = [
        (
            names.Orchestrator.CREATE_POOL.value,
            f"pool-{pool.pool_id}",
            PoolWork(plan=pool, scope=scope.of_pool(pool.pool_id)),
        )
        for pool in pools
    ]
    width = plan.pool_width
    if plan.image is not None:
        removal = Removal(image=plan.image, scope=scope.for_cleanup(), failed=False)
        work.insert(0, (names.Orchestrator.REMOVE_BUILDER.value, "cleanup", removal))
        width += 1
    results = yield from steps.run_bounded(context, work, width)
    leftovers = results.pop(0)["leftovers"] if plan.image is not None else []
    records = [PoolRecord.from_wire(r) for r in results]
    return _outcome(plan, image, records, leftovers)


def _remove_builder(context: Context, plan: BuildPlan, scope: Scope) -> Story:
    assert plan.image is not None
    removal = Removal(image=plan.image, scope=scope.for_cleanup(), failed=True)
    work = [(names.Orchestrator.REMOVE_BUILDER.value, "cleanup", removal)]
    results = yield from steps.run_bounded(context, work, 1)
    return results[0]["leftovers"]


def _outcome(
    plan: BuildPlan, image: ImageRecord, pools: list[PoolRecord], leftovers: list[str]
) -> BuildOutcome:
    failed = [pool for pool in pools if pool.error is not None]
    error = _pools_failed(failed, len(pools)) if failed else None
    return BuildOutcome(
        build_id=plan.build_id,
        state=_state(error),
        image=image,
        pools=pools,
        leftovers=leftovers,
        error=error,
    )


def _pools_failed(failed: list[PoolRecord], asked: int) -> Failure:
    """One failed pool keeps its own words; several are summed up."""
    first = failed[0].error
    assert first is not None
    if asked == 1:
        return first
    told = "; ".join(f"{p.pool_id}: {p.error.message}" for p in failed if p.error)
    return first.model_copy(
        update={
            "code": "PoolsFailed",
            "message": f"{len(failed)} of {asked} pools failed ({told}). The others stay.",
            "next_action": "Ask for the failed pools alone, in mode batch-only.",
        }
    )


def _failed(plan: BuildPlan, failure: Failure) -> BuildOutcome:
    return BuildOutcome(build_id=plan.build_id, state=_state(failure), error=failure)


def _state(error: Failure | None) -> str:
    if error is None:
        return "succeeded"
    return "cancelled" if error.kind is Kind.CANCELLED else "failed"
