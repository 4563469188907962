"""A whole build: checks, the Batch account, the image, the pools, and the removal of what was only
needed meanwhile.
"""

from __future__ import annotations

from orchestrators.build_image import ImageWork, ground
from orchestrators.create_pool import PoolWork
from orchestrators.remove_builder import Removal
from shared.base import names
from shared.base.errors import Failure, Kind, Problem, StepFailed
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.polling_loop import Context, Json, StepContext, Workflow
from shared.engine.workflow import Step
from shared.model import abandoned_pools, planning, resuming, verification
from shared.model.plans import (
    AccountPlan,
    BaseImage,
    BuildOutcome,
    BuildPlan,
    BuildRef,
    Earlier,
    GroupPlan,
    ImagePlan,
    ImageRecord,
    PoolPlan,
    PoolRecord,
)

_LASTING = {Kind.REFUSED, Kind.CONFLICT, Kind.QUOTA, Kind.PERMISSION, Kind.POLICY, Kind.MISSING}


def build(context: Context) -> Workflow:
    """Orchestration: `BuildPlan` → `BuildOutcome`. It never ends without a recorded outcome.

    A resumed build is the same story; what an earlier try has finished is not told again.
    """
    plan = BuildPlan.from_wire(context.get_input())
    begun = yield from workflow.note(context, "begin_build", BuildRef(build_id=plan.build_id))
    plan = planning.stamped(plan, context.current_utc_datetime)
    scope = StepContext(build=plan.build_id, pace=begun["pace"])
    try:
        outcome = yield from _carry_out(context, plan, scope)
    except StepFailed as failed:
        outcome = _failed(plan, failed.failure)
    yield from workflow.note(context, "end_build", outcome)
    return outcome.to_wire()


def _carry_out(context: Context, plan: BuildPlan, scope: StepContext) -> Workflow:
    if plan.earlier is not None:
        return (yield from _go_on(context, plan, scope, plan.earlier))
    plan, image, endpoint = yield from _preflight(context, plan)
    if plan.image is not None:
        return (yield from _image_and_pools(context, plan, plan.image, scope, endpoint))
    endpoint = endpoint or (yield from _account_endpoint(context, plan, scope))
    return (yield from _make_pools(context, plan, scope, image, endpoint))


def _go_on(context: Context, plan: BuildPlan, scope: StepContext, earlier: Earlier) -> Workflow:
    """A resumed build: its builder is sealed and only to be published, or the image is there and
    only pools are left. Nothing is checked again: what could have been short is made.
    """
    image = earlier.outcome.image
    if image is None:
        assert plan.image is not None
        builder = resuming.as_built(plan.image, earlier.steps["builder_vm"])
        plan = plan.model_copy(update={"image": builder})
        return (yield from _image_and_pools(context, plan, builder, scope, ""))
    try:
        endpoint = yield from _account_endpoint(context, plan, scope)
    except StepFailed as failed:  # no pool was begun: what was told of them still holds
        return _ended_again(earlier.outcome, failed.failure)
    return (yield from _make_pools(context, plan, scope, image, endpoint))


def _ended_again(outcome: BuildOutcome, failure: Failure) -> BuildOutcome:
    """The earlier outcome, with why it is still no success."""
    is_cancelled = failure.kind is Kind.CANCELLED
    if not is_cancelled:
        advice = _and_then(failure, "Resume the build: only what is missing is made.")
        failure = failure.model_copy(update={"next_action": advice})
    news = {"state": _state(failure), "error": failure, "resumable": not is_cancelled}
    return outcome.model_copy(update=news)


def _image_and_pools(
    context: Context, plan: BuildPlan, image: ImagePlan, scope: StepContext, endpoint: str
) -> Workflow:
    try:
        made, endpoint = yield from _make_image(context, plan, image, scope, endpoint)
    except StepFailed as failed:
        is_sealed = plan.earlier is not None or isinstance(failed, SealedOnly)
        return (yield from _give_up(context, plan, scope, failed.failure, is_sealed))
    return (yield from _make_pools(context, plan, scope, made, endpoint))


class SealedOnly(StepFailed):
    """No image, but a sealed builder: a second try needs only to publish it."""


def _make_image(
    context: Context, plan: BuildPlan, image: ImagePlan, scope: StepContext, endpoint: str
) -> Workflow:
    """The image's record, and the account's endpoint."""
    done = plan.earlier.steps if plan.earlier else {}
    if plan.account is not None and not endpoint:
        done = yield from _ensure_account(context, plan, plan.account, scope, image, done)
        endpoint = done["batch_account"]["endpoint"]
    work = ImageWork(image=image, scope=scope, done=done)
    reply = yield from workflow.run_child(
        context, names.Orchestrator.BUILD_IMAGE.value, "image", work
    )
    if "error" in reply:
        kind = SealedOnly if reply.get("sealed") else StepFailed
        raise kind(Failure.from_wire(reply["error"]))
    return ImageRecord.from_wire(reply["image"]), endpoint


def _account_endpoint(context: Context, plan: BuildPlan, scope: StepContext) -> Workflow:
    """Of the account, which is made if it is not there."""
    if plan.account is None:
        return ""
    done = yield from _ensure_account(context, plan, plan.account, scope, None, {})
    return done["batch_account"]["endpoint"]


def _ensure_account(
    context: Context,
    plan: BuildPlan,
    account: AccountPlan,
    scope: StepContext,
    image: ImagePlan | None,
    done: dict[str, Json],
) -> Workflow:
    """The Batch account, its quotas, and beside them the image's ground, which costs next to
    nothing. All else waits: an account's quotas can only be asked once it exists, and nobody pays
    for an image that no pool can use. Returns what is done now.
    """
    beside = ground(image) if image else []
    group = Step(name="account_group", activity="ensure_resource_group", plan=_group_of(account))
    if image and names.same(image.resource_group, account.resource_group):
        group, *beside = beside  # it is made once
    story = [
        group,
        Step(
            name="batch_account",
            activity="ensure_batch_account",
            plan=account,
            after=(group.name,),
        ),
        Step(
            name="quotas",
            activity="check_batch",
            plan=plan,
            after=("batch_account",),
            when=lambda done: bool(done["batch_account"]["waited"]),  # else they were asked before
        ),
        *beside,
    ]
    laid = yield from workflow.follow(context, scope, story, done)
    if "blockers" in laid["quotas"]:
        refuse_blockers([laid["quotas"]], "only the Batch account was made, which costs nothing")
    return {**done, **laid}


def _group_of(account: AccountPlan) -> GroupPlan:
    return GroupPlan(name=account.resource_group, location=account.location, tags=account.tags)


def _give_up(
    context: Context, plan: BuildPlan, scope: StepContext, failure: Failure, is_sealed: bool
) -> Workflow:
    """No image. A sealed builder is worth keeping for `resume`; all else goes at once."""
    assert plan.image is not None
    outcome = _failed(plan, failure)
    # Ours stays ours: the number that this build claimed is another's by now.
    if is_sealed and outcome.state == "failed" and not abandoned_pools.is_anothers(failure):
        advice = _and_then(failure, _how_long(context, plan.image))
        kept = failure.model_copy(update={"next_action": advice})
        return outcome.model_copy(
            update={"error": kept, "leftovers": plan.image.builder_resources, "resumable": True}
        )
    removal = Removal(image=plan.image, scope=scope.for_cleanup(), failed=True)
    told = yield from workflow.run_child(
        context, names.Orchestrator.REMOVE_BUILDER.value, "cleanup", removal
    )
    leftovers = told.get("leftovers", plan.image.builder_resources)
    if plan.image.keep_vm and plan.image.vm_id in leftovers:
        kept = failure.model_copy(update={"next_action": _how_to_look(plan.image)})
        outcome = outcome.model_copy(update={"error": kept})
    return outcome.model_copy(update={"leftovers": leftovers})


def _and_then(failure: Failure, advice: str) -> str:
    """What time does not cure is cured first: the same request would fail in the same way."""
    cure = failure.next_action if failure.kind in _LASTING else None
    return f"{cure} {advice}" if cure else advice


def _how_long(context: Context, image: ImagePlan) -> str:
    until = image.tags[names.TAG_EXPIRES]
    if until > workflow.now(context):
        return f"Resume the build: what it needs is kept until {until}."
    return (
        f"Resume the build at once: what it needs was kept until {until}; the next sweep takes it."
    )


def _how_to_look(image: ImagePlan) -> str:
    """Where a kept builder is and how to get at what went wrong on it."""
    until = image.tags[names.TAG_EXPIRES]
    return (
        f"The builder is kept, deallocated, until {until}. Start it: az vm start --ids "
        f"{image.vm_id}; read its logs: az vm run-command invoke --command-id RunShellScript "
        f"--scripts 'tail -n 50 /var/log/batch-prep/*.log' --ids {image.vm_id}; or use the serial "
        "console or Bastion. Deallocate or delete it when you are done."
    )


def _preflight(context: Context, plan: BuildPlan) -> Workflow:
    """Every check side by side; all blockers in one answer. Returns the plan as Azure makes it
    possible, the image to use if it is there, and the endpoint of the account if that is.
    """
    answers = yield from workflow.call_all(
        context, [(check, plan) for check in planning.checks_for(plan)]
    )
    facts = refuse_blockers(answers)
    if plan.image is None:
        return plan, ImageRecord.from_wire(facts["image"]), facts.get("endpoint")
    image = planning.on_base(plan.image, BaseImage.from_wire(facts["base"]), facts["sizes"])
    return plan.model_copy(update={"image": image}), None, facts.get("endpoint")


def refuse_blockers(answers: list[Json], made: str = "nothing was created") -> Json:
    """The facts of all checks together. Raises StepFailed if one found a reason not to begin."""
    blockers = [Problem.from_wire(b) for answer in answers for b in answer["blockers"]]
    if blockers:
        raise StepFailed(
            Failure(
                code="Blocked",
                kind=Kind.REFUSED,
                message="; ".join(b.message for b in blockers),
                details=blockers,
                next_action=f"Correct what is named; {made}.",
            )
        )
    return {key: value for answer in answers for key, value in answer.items() if key != "blockers"}


def _make_pools(
    context: Context, plan: BuildPlan, scope: StepContext, image: ImageRecord, endpoint: str
) -> Workflow:
    """The pools side by side; the builder is removed meanwhile, off the critical path."""
    ready = _ready(plan.earlier)
    pools = [
        planning.with_image(pool, image, endpoint)
        for pool in plan.pools
        if pool.pool_id not in ready
    ]
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
    results = yield from workflow.run_bounded(context, work, width)
    leftovers = []
    if plan.image is not None:
        leftovers = results.pop(0).get("leftovers", plan.image.builder_resources)
    if not all(_is_told(result) for result in results):
        yield from workflow.note(context, "hand_over_pools", BuildRef(build_id=plan.build_id))
    made = {pool.pool_id: _pool(pool, r) for pool, r in zip(pools, results, strict=True)} | ready
    return _outcome(plan, image, [made[p.pool_id] for p in plan.pools], leftovers)


def _ready(earlier: Earlier | None) -> dict[str, PoolRecord]:
    """The pools that an earlier try has finished."""
    told = earlier.outcome.pools if earlier else []
    return {pool.pool_id: pool for pool in told if pool.error is None}


def _is_told(result: Json) -> bool:
    """Whether a pool's orchestration told what became of the pool; otherwise it died."""
    return "poolId" in result


def _pool(plan: PoolPlan, result: Json) -> PoolRecord:
    """What a pool's orchestration told; one that died leaves a failed pool to the sweep."""
    if _is_told(result):
        return PoolRecord.from_wire(result)
    failed = planning.failed_pool(plan, Failure.from_wire(result["error"]))
    return abandoned_pools.handed_over(failed, "nothing looks after them now")


def _outcome(
    plan: BuildPlan, image: ImageRecord, pools: list[PoolRecord], leftovers: list[str]
) -> BuildOutcome:
    failed = [pool for pool in pools if pool.error is not None]
    error = _pools_failed(failed, len(pools)) if failed else None
    return BuildOutcome(
        build_id=plan.build_id,
        state=_state(error),
        image=image,
        pools=[_in_brief(pool, verification.RESULTS_MAX // len(pools)) for pool in pools],
        leftovers=leftovers,
        error=error,
        resumable=error is not None and error.kind is not Kind.CANCELLED,
    )


def _in_brief(pool: PoolRecord, results: int) -> PoolRecord:
    """All pools of a build share one row; each pool's own record tells everything."""
    return pool.model_copy(update={"checks": verification.shown(pool.checks, results)})


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
            "next_action": _and_then(
                first, "Resume the build: only the failed pools are made again."
            ),
        }
    )


def _failed(plan: BuildPlan, failure: Failure) -> BuildOutcome:
    return BuildOutcome(build_id=plan.build_id, state=_state(failure), error=failure)


def _state(error: Failure | None) -> str:
    if error is None:
        return "succeeded"
    return "cancelled" if error.kind is Kind.CANCELLED else "failed"
