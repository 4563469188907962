"""One pool: created or updated, its nodes awaited, proved if asked, recorded."""

from __future__ import annotations

from shared import execution, planning, steps
from shared.errors import Failure, Kind, StepFailed
from shared.plans import CheckResult, PoolPlan, ReportPlan
from shared.steps import Context, Scope, Story
from shared.wire import Wire


class PoolWork(Wire):
    """Input: the pool and whose steps these are."""

    plan: PoolPlan
    scope: Scope


def create_pool(context: Context) -> Story:
    """Orchestration: `PoolWork` → `PoolRecord`, failed or not: one pool never stops another."""
    work = PoolWork.from_wire(context.get_input())
    plan = work.plan
    try:
        yield from steps.note(context, "claim_pool", plan)
        record = yield from _make(context, work)
    except StepFailed as failed:
        yield from _stop_paying(context, work, failed.failure)
        failed_at = {"changed_at": steps.now(context)}
        record = planning.failed_pool(plan, failed.failure).model_copy(update=failed_at)
    yield from steps.note(context, "record_pool", record)
    return record.to_wire()


def _make(context: Context, work: PoolWork) -> Story:
    plan, nodes = yield from _with_nodes(context, work)
    record = planning.pool_record(plan, steps.now(context))
    if not plan.pool.verify or not nodes:  # without nodes there is nothing to prove
        return record
    checks, how = yield from _verify(context, work.scope, plan, nodes)
    failed = [c for c in checks if c.status == "fail"]
    if failed:
        raise StepFailed(_not_verified(plan, failed))
    return record.model_copy(
        update={
            "verified": True,
            "checks": checks,
            "scripted": how["scripted"],
            "scripted_parts": how["scriptedParts"],
            "stand_in": how["standIn"],
            "changed_at": steps.now(context),
        }
    )


def _with_nodes(context: Context, work: PoolWork) -> Story:
    """The pool with its nodes, in the first size that Azure has capacity for."""
    sizes = [work.plan.size, *work.plan.other_sizes]
    for attempt, size in enumerate(sizes, 1):
        plan = work.plan.model_copy(update={"size": size})
        try:
            yield from steps.run(context, work.scope, "pool", "ensure_pool", plan, attempt)
            found = yield from steps.run(context, work.scope, "nodes", "await_nodes", plan, attempt)
        except StepFailed as failed:
            if failed.failure.kind is not Kind.CAPACITY or attempt == len(sizes):
                raise
        else:
            return plan, found["nodes"]
    raise AssertionError("a pool has at least one size")


def _verify(context: Context, scope: Scope, plan: PoolPlan, nodes: list[str]) -> Story:
    """Both halves: what the nodes' start tasks found, and container tasks on them."""
    work = ReportPlan(pool=plan, nodes=nodes)
    report = yield from steps.call(context, scope, "node_reports", "read_node_reports", work)
    try:
        job = yield from steps.run(context, scope, "verify", "run_verification_job", work)
    except StepFailed:
        yield from _remove_job(context, plan)
        raise
    yield from _remove_job(context, plan)
    checks = [CheckResult.from_wire(c) for c in [*report["checks"], *job["checks"]]]
    return checks, execution.together([report, job])


def _remove_job(context: Context, plan: PoolPlan) -> Story:
    """Jobs count against the account's quota; one that stays is no reason to fail a proved pool."""
    try:
        yield from steps.note(context, "remove_verification_job", plan)
    except StepFailed:
        return


def _not_verified(plan: PoolPlan, failed: list[CheckResult]) -> Failure:
    told = "; ".join(
        f"{c.id} on {c.node or 'no node'}: {c.code} {c.message or ''}".strip() for c in failed[:5]
    )
    return Failure(
        code="VerificationFailed",
        kind=Kind.SCRIPT,
        message=f"{len(failed)} checks of pool {plan.pool_id} failed: {told}",
        resource=plan.resource,
        next_action="Correct the image or the pool; the pool was shrunk to zero nodes meanwhile.",
    )


def _stop_paying(context: Context, work: PoolWork, failure: Failure) -> Story:
    """Nodes that cannot be used would bill until somebody notices."""
    if failure.kind is Kind.CONFLICT:
        return  # the pool is another's
    try:
        yield from steps.run(
            context, work.scope.for_cleanup(), "empty_pool", "empty_pool", work.plan
        )
    except StepFailed:
        return  # the pool's own failure says more
