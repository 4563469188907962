"""One pool: created or updated, its nodes awaited, proved if asked, recorded."""

from __future__ import annotations

from typing import Any

from shared.base.errors import Failure, Kind, StepFailed
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model import abandoned_pools, planning, simulation_marks, verification
from shared.model.plans import NODES_A_CALL, PoolPlan, PoolRecord, PoolTold, ReportPlan
from shared.model.verification import CheckResult, Proof


class PoolWork(Wire):
    """Input: the pool and whose steps these are."""

    plan: PoolPlan
    scope: StepContext


def create_pool(context: Context) -> Workflow:
    """Orchestration: `PoolWork` → `PoolRecord`, failed or not: one pool never stops another."""
    work = PoolWork.from_wire(context.get_input())
    plan = work.plan
    try:
        record = yield from _make(context, work)
    except StepFailed as failed:
        record = planning.failed_pool(plan, failed.failure)
        if failed.failure.code == "NodesUnusable":
            record = yield from _with_reports(context, work, record)
    is_ours = True
    if record.error is not None:
        record, is_ours = yield from _stop_paying(context, work, record, record.error)
        now = workflow.now(context)
        told = {"changed_at": now, "expires_at": planning.pool_expiry(plan, now)}
        record = record.model_copy(update=told)
    yield from workflow.note(context, "record_pool", PoolTold(record=record, is_ours=is_ours))
    return record.to_wire()


def _make(context: Context, work: PoolWork) -> Workflow:
    plan, nodes = yield from _with_nodes(context, work)
    record = planning.pool_record(plan, workflow.now(context))
    if not plan.pool.verify or not nodes:  # without nodes there is nothing to prove
        return record
    checks, how = yield from _verify(context, work.scope, plan, nodes)
    record = record.model_copy(update={**_told(how), "changed_at": workflow.now(context)})
    return _with_proofs(plan, record, checks)


def _with_proofs(plan: PoolPlan, record: PoolRecord, checks: list[CheckResult]) -> PoolRecord:
    """The record with a verdict for each check; a pool counts as verified by them alone."""
    found = verification.verdicts(checks, len(plan.pool.checks))
    told = {"checks": verification.shown(checks), "proofs": found}
    proved = verification.is_proved(found, gpus=plan.gpu_count, images=len(plan.container_images))
    if not proved:
        told |= {"state": "failed", "error": _not_verified(plan, checks, found)}
    else:
        told |= {"verified": True, "pending": verification.still_pending(plan.pending, found)}
    return record.model_copy(update=told)


def _with_reports(context: Context, work: PoolWork, record: PoolRecord) -> Workflow:
    """The failed pool's record with what its nodes have told, while there are nodes."""
    everything = ReportPlan(pool=work.plan, nodes=[])
    try:
        report = yield from workflow.call(
            context, work.scope.for_cleanup(), "node_reports", "read_node_reports", everything
        )
    except StepFailed:
        return record  # the pool's own failure says more
    checks = [CheckResult.from_wire(c) for c in report["checks"]]
    found = verification.verdicts(checks)
    told = {"checks": verification.shown(checks), "proofs": found, **_told(report)}
    return record.model_copy(update=told)


def _told(how: dict[str, Any]) -> dict[str, Any]:
    """What `execution` says of a proof, as fields of the record."""
    return {
        "scripted": how["scripted"],
        "scripted_parts": how.get("scriptedParts") or [],
        "stand_in": how.get("standIn") or "",
    }


def _with_nodes(context: Context, work: PoolWork) -> Workflow:
    """The pool with its nodes, in the first size that Azure has capacity for."""
    sizes = [work.plan.size, *work.plan.other_sizes]
    for attempt, size in enumerate(sizes, 1):
        plan = planning.in_size(work.plan, size)
        try:
            pool = yield from workflow.call(
                context, work.scope, "pool", "ensure_pool", plan, then="nodes"
            )
            found = yield from workflow.run(
                context,
                work.scope,
                "nodes",
                "await_nodes",
                plan,
                attempt,
                later=pool.get("fresh", False),
            )
        except StepFailed as failed:
            if failed.failure.kind is not Kind.CAPACITY or attempt == len(sizes):
                raise
        else:
            return plan, found["nodes"]
    raise AssertionError("a pool has at least one size")


def _verify(context: Context, scope: StepContext, plan: PoolPlan, nodes: list[str]) -> Workflow:
    """Both halves: what the nodes' start tasks found, and container tasks on them."""
    report = yield from _read_reports(context, scope, plan, nodes)
    work = ReportPlan(pool=plan, nodes=nodes)
    try:
        job = yield from workflow.run(context, scope, "verify", "run_verification_job", work)
    except StepFailed:
        yield from _remove_job(context, plan)
        raise
    yield from _remove_job(context, plan)
    checks = [CheckResult.from_wire(c) for c in [*report["checks"], *job["checks"]]]
    return checks, simulation_marks.together([report, job])


def _read_reports(
    context: Context, scope: StepContext, plan: PoolPlan, nodes: list[str]
) -> Workflow:
    """What the start tasks of all nodes found, some nodes at a time: each is a request."""
    reports = []
    for start in range(0, len(nodes), NODES_A_CALL):
        some = ReportPlan(pool=plan, nodes=nodes[start : start + NODES_A_CALL])
        report = yield from workflow.call(context, scope, "node_reports", "read_node_reports", some)
        reports.append(report)
    checks = [check for report in reports for check in report["checks"]]
    return {"checks": checks, **simulation_marks.together(reports)}


def _remove_job(context: Context, plan: PoolPlan) -> Workflow:
    """Jobs count against the account's quota; one that stays is no reason to fail a proved pool."""
    try:
        yield from workflow.note(context, "remove_verification_job", plan)
    except StepFailed:
        return


def _not_verified(plan: PoolPlan, checks: list[CheckResult], found: list[Proof]) -> Failure:
    failed = [c for c in checks if c.status == "fail"]
    told = [f"{c.id} on {c.node or 'no node'}: {c.code} {c.message or ''}".strip() for c in failed]
    needless = verification.pointless(gpus=plan.gpu_count, images=len(plan.container_images))
    missing = [p for p in found if p.check not in needless and (p.verdict == "skip" or not p.nodes)]
    told += [f"{p.check}: {p.message or 'it was left out'}" for p in missing]
    return Failure(
        code="VerificationFailed",
        kind=Kind.SCRIPT,
        message=f"{len(told)} checks of pool {plan.pool_id} failed: {'; '.join(told[:5])}",
        resource=plan.resource,
        next_action="Correct the image or the pool.",
    )


def _stop_paying(
    context: Context, work: PoolWork, record: PoolRecord, failure: Failure
) -> Workflow:
    """Nodes that cannot be used would bill until somebody notices. Where they cannot be removed
    now, the record hands the pool over to the sweep. Returns the record, and whether the pool is
    this build's.
    """
    if abandoned_pools.is_anothers(failure):
        return record, False
    try:
        told = yield from workflow.run(
            context, work.scope.for_cleanup(), "empty_pool", "empty_pool", work.plan
        )
    except StepFailed as stuck:
        return abandoned_pools.handed_over(record, stuck.failure.message), True
    record = abandoned_pools.without_nodes(record) if told.get("emptied") else record
    return record, not told.get("anothers")
