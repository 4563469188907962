"""The record of a pool: created, verified, or failed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.base.errors import Failure, Kind
from shared.base.wire import replace
from shared.model import abandoned_pools, simulation_marks, verification
from shared.model.outcomes import PoolRecord
from shared.model.plans import PoolPlan
from shared.model.results import NodeReport, NodesReady
from shared.model.simulation_marks import Marks
from shared.model.verification import CheckResult, Proof


def ready(plan: PoolPlan, now: str, found: NodesReady | None = None) -> PoolRecord:
    """The record of a pool whose nodes are idle; `found` are these."""
    found = found or NodesReady()
    nodes, low_priority = plan.pool.nodes, plan.pool.low_priority_nodes
    return PoolRecord(
        batch_account=plan.account.name,
        pool_id=plan.pool_id,
        image_id=plan.image_id,
        vm_size=plan.size,
        nodes=nodes if found.dedicated is None else found.dedicated,
        low_priority_nodes=low_priority if found.low_priority is None else found.low_priority,
        note=found.note,
        state="ready",
        pending=plan.pending,
        resource_group=plan.account.resource_group,
        location=plan.account.location,
        build_id=plan.build_id,
        changed_at=now,
        expires_at=expiry(plan, now),
        scripted=found.scripted,
        scripted_parts=found.scripted_parts,
        stand_in=found.stand_in,
    )


def without_nodes(record: PoolRecord) -> PoolRecord:
    """The record of a pool that should be verified and has no nodes yet."""
    note = "it is not verified, because it has no nodes: ask for it again once it has some"
    return replace(record, note=note)


def failed(plan: PoolPlan, failure: Failure, now: str) -> PoolRecord:
    """The record of a pool that could not be created or used. Where Azure lacks capacity, it has
    been tried in all of its sizes, and has the last one.
    """
    size = plan.sizes[-1] if failure.kind is Kind.CAPACITY else plan.size
    return replace(ready(plan, now), state="failed", vm_size=size, error=failure)


def or_died(plan: PoolPlan, ended: PoolRecord | Failure, now: str) -> PoolRecord:
    """The record that a pool's orchestration returned; one that died leaves a failed pool, whose
    nodes the sweep removes.
    """
    if isinstance(ended, PoolRecord):
        return ended
    return abandoned_pools.handed_over(failed(plan, ended, now), "nothing looks after them now")


def dated(record: PoolRecord, plan: PoolPlan, now: str) -> PoolRecord:
    """The record as of `now`; the pool's `ttlHours` count from then."""
    return replace(record, changed_at=now, expires_at=expiry(plan, now))


def expiry(plan: PoolPlan, now: str) -> str | None:
    """When a pool whose record is written `now` is to be deleted, ISO 8601; None: never."""
    hours = plan.pool.ttl_hours
    if hours is None:
        return None
    end = datetime.fromisoformat(now) + timedelta(hours=hours)
    return end.strftime("%Y-%m-%dT%H:%M:%SZ")


def with_reports(record: PoolRecord, report: NodeReport) -> PoolRecord:
    """The record of a failed pool with what its nodes' start tasks found."""
    marked = _marked(record, report)
    proofs = verification.verdicts(report.checks)
    return replace(marked, checks=verification.shown(report.checks), proofs=proofs)


def verified(
    record: PoolRecord, plan: PoolPlan, reports: Sequence[NodeReport], now: str
) -> PoolRecord:
    """The record with a verdict for each check. These verdicts alone decide whether the pool counts
    as verified.
    """
    checks = [check for report in reports for check in report.checks]
    proofs = verification.verdicts(checks, len(plan.pool.checks))
    record = _marked(replace(record, changed_at=now), simulation_marks.combine(reports))
    record = replace(record, checks=verification.shown(checks), proofs=proofs)
    record = replace(record, note=_note_of_preempted(checks) or record.note)
    images = len(plan.container_images)
    if not verification.is_proved(proofs, gpus=plan.gpu_count, images=images):
        return replace(record, state="failed", error=_not_verified(plan, checks, proofs))
    return replace(record, verified=True, pending=verification.still_pending(plan.pending, proofs))


def _note_of_preempted(checks: Sequence[CheckResult]) -> str | None:
    away = sum(check.code == verification.PREEMPTED for check in checks)
    if not away:
        return None
    return f"Azure has preempted {away} of its nodes during the verification: the others prove it"


def _marked(record: PoolRecord, marks: Marks) -> PoolRecord:
    return replace(
        record,
        scripted=marks.scripted,
        scripted_parts=marks.scripted_parts,
        stand_in=marks.stand_in,
    )


def _not_verified(
    plan: PoolPlan, checks: Sequence[CheckResult], proofs: Sequence[Proof]
) -> Failure:
    """The failed checks by node, and the checks that no node made although the pool needs them."""
    bad = [c for c in checks if c.status == "fail"]
    reasons = [f"{c.id} on {c.node or 'no node'}: {c.code} {c.message or ''}".strip() for c in bad]
    needless = verification.pointless(gpus=plan.gpu_count, images=len(plan.container_images))
    missing = [
        p for p in proofs if p.check not in needless and (p.verdict == "skip" or not p.nodes)
    ]
    reasons += [f"{p.check}: {p.message or 'it was left out'}" for p in missing]
    return Failure(
        code="VerificationFailed",
        kind=Kind.SCRIPT,
        message=f"{len(reasons)} checks of pool {plan.pool_id} failed: {'; '.join(reasons[:5])}",
        resource=plan.resource,
        next_action="Correct the image or the pool.",
    )
