"""Changes to an existing pool: resize or delete it."""

from __future__ import annotations

from activities import batch_pool, pool_nodes
from shared.azure import batch_bodies, resource_state, sdk
from shared.azure.sdk import Started
from shared.base.errors import Failure, Kind
from shared.base.wire import replace
from shared.engine import decisions
from shared.engine.activity import Json, NoResult, PollState, Reconciler, Services, short_activity
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model import abandoned_pools
from shared.model.outcomes import PoolRecord
from shared.model.plans import ChangePlan


def _observe_claimed(services: Services, plan: ChangePlan, poll: PollState) -> Json | None:
    """The pool, which this change claims as builds do; one that 0.1.0 has begun claims it here."""
    return batch_pool.claim(services, plan) or batch_pool.observe(services, plan, poll)


def _target(plan: ChangePlan, observed: Json) -> tuple[int, int]:
    nodes, low = batch_pool.target_nodes(observed) or (0, 0)
    return (
        nodes if plan.nodes is None else plan.nodes,
        low if plan.low_priority_nodes is None else plan.low_priority_nodes,
    )


def _resize(services: Services, plan: ChangePlan, poll: PollState) -> Started:
    observed = batch_pool.observe(services, plan, poll) or {}
    fixed = batch_bodies.fixed_scale(*_target(plan, observed))
    if plan.node_deallocation_option:
        fixed["nodeDeallocationOption"] = plan.node_deallocation_option
    body = {"properties": {"scaleSettings": {"fixedScale": fixed}}}
    return sdk.send(services.azure.batch.pool.update, *batch_pool.path(plan), body)


def _decide_resized(plan: ChangePlan, observed: Json | None, poll: PollState) -> Decision[NoResult]:
    if observed is None:
        return Fail(failure=_no_such_pool(plan))
    if being_changed := batch_pool.wait_for_change(observed):
        return being_changed
    if refusal := _refusal(plan, observed):
        return Fail(failure=refusal)
    nodes, low = _target(plan, observed)
    if not batch_pool.is_steady(observed):
        return Wait(note="nodes come or go")
    if batch_pool.target_nodes(observed) != (nodes, low):
        return Start(action="resize")
    if problem := pool_nodes.resize_problem(plan.resource, observed):
        return Fail(failure=problem)
    if batch_pool.current_nodes(observed) != (nodes, low) and poll.started is None:
        return Start(action="resize")
    return Done(result=NoResult())


def _refusal(plan: ChangePlan, observed: Json) -> Failure | None:
    """Why this pool is never resized."""
    if batch_pool.shaped_by(observed) is None:
        return _not_ours(plan)
    return _scales_itself(plan) if batch_pool.target_nodes(observed) is None else None


def _not_ours(plan: ChangePlan) -> Failure:
    advice = "Change it yourself: batch-prep changes only pools that it created."
    return decisions.foreign(plan.resource, "batch-prep did not make it", advice)


def _scales_itself(plan: ChangePlan) -> Failure:
    return Failure(
        code="PoolScalesItself",
        kind=Kind.REFUSED,
        message=f"A formula decides how many nodes pool {plan.pool_id} has.",
        resource=plan.resource,
        next_action="Ask for the pool again, with nodes instead of autoscaleFormula.",
    )


def _no_such_pool(plan: ChangePlan) -> Failure:
    return Failure(
        code="NotFound",
        kind=Kind.MISSING,
        message=f"There is no pool {plan.pool_id} in account {plan.account.name}.",
        resource=plan.resource,
        next_action="GET /api/pools lists the pools.",
    )


resize_pool = Reconciler(
    name="resize_pool",
    plan=ChangePlan,
    result=NoResult,
    verb="resize the pool",
    subject=lambda plan: plan.resource,
    observe=_observe_claimed,
    decide=_decide_resized,
    actions={"resize": _resize},
)


@short_activity(
    ChangePlan,
    NoResult,
    verb="record the nodes that the pool has",
    subject=lambda plan: plan.resource,
)
def record_pool_size(services: Services, plan: ChangePlan, poll: PollState) -> NoResult:
    """Record the nodes that the pool has or is getting, if the record's build owns the pool."""
    observed = batch_pool.observe(services, plan, poll)
    if observed is None or (asked := batch_pool.target_nodes(observed)) is None:
        return NoResult()
    is_steady = batch_pool.is_steady(observed)
    nodes, low = batch_pool.current_nodes(observed) if is_steady else asked

    def change(record: PoolRecord) -> PoolRecord:
        if record.build_id != batch_pool.shaped_by(observed):
            return record
        if record.nodes_left:
            return replace(record, nodes=nodes, low_priority_nodes=low, changed_at=poll.now)
        return replace(abandoned_pools.resized(record, nodes, low), changed_at=poll.now)

    services.records.change_pool(plan.account.name, plan.pool_id, change)
    return NoResult()


def _decide_deleted(plan: ChangePlan, observed: Json | None, poll: PollState) -> Decision[NoResult]:
    """Delete the pool if batch-prep created it. One that was made since then is another pool."""
    if observed is None:
        return Done(result=NoResult())
    if being_changed := batch_pool.wait_for_change(observed):
        return being_changed
    pool = {"made": resource_state.properties(observed).get("creationTime")}
    if poll.started == "delete" and poll.memory and poll.memory != pool:
        return Done(result=NoResult())
    if batch_pool.shaped_by(observed) is None:
        return Fail(failure=_not_ours(plan))
    result = NoResult()
    decision = decisions.removed(plan.resource, observed, started=poll.started, result=result)
    if isinstance(decision, Start):
        return Start(action=decision.action, memory=pool)
    return decision


delete_pool = Reconciler(
    name="delete_pool",
    plan=ChangePlan,
    result=NoResult,
    verb="delete the pool",
    subject=lambda plan: plan.resource,
    observe=_observe_claimed,
    decide=_decide_deleted,
    actions={"delete": batch_pool.delete},
)
