"""One pool: create or update it, await its nodes, verify it if asked, record it."""

from __future__ import annotations

from activities import batch_pool, pool_nodes, pool_shrinking, records, verification_job
from shared.base.errors import Failure, Kind, StepFailed
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.orchestration import orchestration
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model import abandoned_pools, plan_updates, pool_records
from shared.model.outcomes import PoolRecord, PoolReport
from shared.model.plans import NODES_A_CALL, PoolPlan, ReportPlan
from shared.model.results import NodeReport, NodesReady, PoolEmptied


class PoolWork(Wire):
    """Input: the pool, and the context of its steps."""

    plan: PoolPlan
    scope: StepContext


@orchestration(PoolWork, PoolRecord)
def create_pool(context: Context, work: PoolWork) -> Workflow[PoolRecord]:
    """Return the pool's record, also where it failed: one pool never stops another."""
    try:
        record = yield from _create_and_verify(context, work)
    except StepFailed as failed:
        record = pool_records.failed(work.plan, failed.failure, workflow.now(context))
        if failed.failure.code == "NodesUnusable":
            record = yield from _with_node_reports(context, work, record)
    report = PoolReport(record=record)
    if record.error is not None:
        report = yield from _stop_billing(context, work, record, record.error)
    yield from workflow.call(context, records.record_pool, report)
    return report.record


def _create_and_verify(context: Context, work: PoolWork) -> Workflow[PoolRecord]:
    plan, found = yield from _with_nodes(context, work)
    record = pool_records.ready(plan, workflow.now(context), found)
    if not plan.pool.verify:
        return record
    if not found.nodes:
        return pool_records.without_nodes(record)
    reports = yield from _verify(context, work.scope, plan, found.nodes)
    return pool_records.verified(record, plan, reports, workflow.now(context))


def _with_nodes(context: Context, work: PoolWork) -> Workflow[tuple[PoolPlan, NodesReady]]:
    """Create the pool in the first size that Azure has capacity for, and await its nodes."""
    sizes = work.plan.sizes
    for attempt, size in enumerate(sizes, 1):
        plan = plan_updates.in_size(work.plan, size)
        try:
            pool = yield from workflow.poll_step(
                context, work.scope, "pool", batch_pool.ensure_pool, plan, then="nodes"
            )
            ready = yield from workflow.run_step(
                context,
                work.scope,
                "nodes",
                pool_nodes.await_nodes,
                plan,
                attempt=attempt,
                later=pool.fresh,
            )
        except StepFailed as failed:
            if failed.failure.kind is not Kind.CAPACITY or attempt == len(sizes):
                raise
        else:
            return plan, ready
    raise AssertionError("a pool has at least one size")


def _verify(
    context: Context, scope: StepContext, plan: PoolPlan, nodes: list[str]
) -> Workflow[list[NodeReport]]:
    """Verify a pool in two halves: the checks of the nodes' start tasks, then container tasks."""
    reports = yield from _read_reports(context, scope, plan, nodes)
    work = ReportPlan(pool=plan, nodes=nodes)
    try:
        job = yield from workflow.run_step(
            context, scope, "verify", verification_job.run_verification_job, work
        )
    except StepFailed:
        yield from _remove_job(context, plan)
        raise
    yield from _remove_job(context, plan)
    return [*reports, job]


def _read_reports(
    context: Context, scope: StepContext, plan: PoolPlan, nodes: list[str]
) -> Workflow[list[NodeReport]]:
    """Read the start tasks' reports, a group of nodes per call: each node costs a request."""
    reports = []
    for start in range(0, len(nodes), NODES_A_CALL):
        group = ReportPlan(pool=plan, nodes=nodes[start : start + NODES_A_CALL])
        report = yield from workflow.poll_step(
            context, scope, "node_reports", verification_job.read_node_reports, group
        )
        reports.append(report)
    return reports


def _remove_job(context: Context, plan: PoolPlan) -> Workflow[None]:
    """Delete the verification job, which counts against the account's quota. A job that cannot be
    deleted does not fail a verified pool.
    """
    try:
        yield from workflow.call(context, verification_job.remove_verification_job, plan)
    except StepFailed:
        return


def _with_node_reports(
    context: Context, work: PoolWork, record: PoolRecord
) -> Workflow[PoolRecord]:
    """Add the nodes' reports to a failed pool's record while there are nodes to ask."""
    everything = ReportPlan(pool=work.plan, nodes=[])
    cleanup = work.scope.for_cleanup()
    try:
        report = yield from workflow.poll_step(
            context, cleanup, "node_reports", verification_job.read_node_reports, everything
        )
    except StepFailed:
        return record  # the pool's own failure is the useful one
    return pool_records.with_reports(record, report)


def _stop_billing(
    context: Context, work: PoolWork, record: PoolRecord, failure: Failure
) -> Workflow[PoolReport]:
    """Shrink a failed pool to zero nodes, or to those that it had before this build. Where that
    fails, the record marks the pool for the sweep. A pool of another build stays as it is.
    """
    shrunk: PoolEmptied | None = None
    is_ours = not failure.is_own_conflict
    if is_ours:
        try:
            shrunk = yield from workflow.run_step(
                context,
                work.scope.for_cleanup(),
                "empty_pool",
                pool_shrinking.empty_pool,
                work.plan,
            )
        except StepFailed as stuck:
            record = abandoned_pools.handed_over(record, stuck.failure.message)
        else:
            is_ours = not shrunk.anothers
    record = pool_records.dated(record, work.plan, workflow.now(context))
    if shrunk is not None:
        record = abandoned_pools.shrunk(record, shrunk)
    is_counted = shrunk is not None and shrunk.is_counted
    return PoolReport(record=record, is_ours=is_ours, is_counted=is_counted)
