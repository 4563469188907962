"""Pools whose nodes outlived a failure: Azure would not remove them, or what made the pool died.
Their records say so, and from these alone the sweep starts.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from activities import batch_pool
from shared.azure import failures
from shared.base.wire import replace
from shared.engine.activity import Json, NoInput, NoResult, PollState, Services, ShortActivity
from shared.engine.decisions import Decision, Done
from shared.model import abandoned_pools, planning, pool_records
from shared.model.cleanup_plans import PoolSettled, PoolsLeft
from shared.model.outcomes import PoolRecord
from shared.model.plans import BuildRef, PoolPlan
from shared.model.requests import Build, Mode
from shared.model.results import PoolEmptied

TYPE = "Microsoft.Batch/batchAccounts/pools"
_OF_SWEEPS = ("|empty_pool", "|remove_pool")  # steps that tell nothing of what the build makes
_MAKES_POOLS = {Mode.FULL, Mode.BATCH_ONLY}


# -- handing over ---------------------------------------------------------------------------------


def hand_over(services: Services, build: str, now: str) -> None:
    """What a build began to make and told nothing of is failed, and its nodes are the sweep's."""
    why = "it was not proved, and nothing makes it any more"
    for plan in _pools_of(services, build):
        if _is_untold(services, plan):
            record = pool_records.failed(plan, abandoned_pools.cut_off(plan), now)
            services.records.put_pool(abandoned_pools.handed_over(record, why))


def records_of(services: Services, build: str) -> list[PoolRecord]:
    """What is on record of the pools that a build made, without each check on each node."""
    plans = _pools_of(services, build)
    found = [services.records.pool(p.account.name, p.pool_id) for p in plans]
    return [replace(r, checks=[]) for r in found if r and r.build_id == build]


def _pools_of(services: Services, build: str) -> list[PoolPlan]:
    row = services.records.build(build)
    if row is None or row["Mode"] not in _MAKES_POOLS:
        return []
    return planning.plan_build(Build.from_wire(row["Request"]), services.azure.config).pools


def _is_untold(services: Services, plan: PoolPlan) -> bool:
    """Whether the build has done something about the pool since it told last what became of it."""
    if services.records.holder("pool", plan.resource.lower()) != plan.build_id:
        return False
    last = max(
        (
            str(step["SeenAt"])
            for step in services.records.steps(plan.build_id)
            if step.key.startswith(f"{plan.pool_id}|") and not step.key.endswith(_OF_SWEEPS)
        ),
        default="",
    )
    record = services.records.pool(plan.account.name, plan.pool_id)
    is_told = record is not None and record.build_id == plan.build_id and record.changed_at >= last
    return bool(last) and not is_told


def _hand_over(services: Services, plan: BuildRef, poll: PollState) -> NoResult:
    hand_over(services, plan.build_id, poll.now)
    return NoResult()


hand_over_pools = ShortActivity(
    name="hand_over_pools",
    plan=BuildRef,
    result=NoResult,
    verb="record the pools that were cut off",
    subject=lambda plan: plan.build_id,
    act=_hand_over,
)


# -- what there is --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A pool that was handed over, and why the sweep shrinks it or keeps away from it."""

    plan: PoolPlan
    shrinks: bool
    why: str


def standings(services: Services) -> list[Standing]:
    """Every pool that was handed over and has nodes, as Azure tells of it now."""
    found = (_standing(services, plan) for plan in _handed_over(services))
    return [standing for standing in found if standing is not None]


def _handed_over(services: Services) -> list[PoolPlan]:
    subscription = services.azure.config.subscription_id
    left = [record for record in services.records.pools() if record.nodes_left]
    return [abandoned_pools.plan_of(record, subscription) for record in left]


def _standing(services: Services, plan: PoolPlan) -> Standing | None:
    from azure.core.exceptions import AzureError

    why = f"its build {plan.build_id} failed and could not remove its nodes"
    try:
        observed = batch_pool.observe(services, plan, PollState(now=""))
    except AzureError as error:
        failure = failures.translate(error, attempted="look at it", resource=plan.resource)
        return Standing(plan=plan, shrinks=True, why=f"{why}; now: {failure.message}")
    if observed is None:
        return None
    if keeper := _keeper(services, plan, observed):
        return Standing(plan=plan, shrinks=False, why=keeper)
    is_empty = batch_pool.target_nodes(observed) == (0, 0) and batch_pool.is_empty(observed)
    return None if is_empty else Standing(plan=plan, shrinks=True, why=why)


def _keeper(services: Services, plan: PoolPlan, observed: Json) -> str | None:
    """Who has taken the pool over since its build failed, as a reason to leave it alone."""
    if build := services.records.at_work_on(plan.account.name, plan.pool_id, plan.resource):
        return f"build {build} is at work on it"
    if batch_pool.shaped_by(observed) != plan.build_id:
        return f"it is of {batch_pool.shaped_by(observed) or 'somebody else'} by now"
    record = services.records.pool(plan.account.name, plan.pool_id)
    if record is None or record.build_id != plan.build_id or not record.nodes_left:
        return "its record tells of no nodes any more"
    known = {
        None,
        (0, 0),
        (plan.pool.nodes, plan.pool.low_priority_nodes),
    }  # None: it scales itself
    return None if batch_pool.target_nodes(observed) in known else "somebody has resized it since"


def _list(services: Services, _plan: NoInput, _: PollState) -> PoolsLeft:
    return PoolsLeft(pools=_handed_over(services))


list_left_pools = ShortActivity(
    name="list_left_pools",
    plan=NoInput,
    result=PoolsLeft,
    verb="list the pools whose nodes could not be removed",
    subject=lambda _: "records",
    act=_list,
)


# -- shrinking it ---------------------------------------------------------------------------------


def _observe(services: Services, plan: PoolPlan, poll: PollState) -> Json | None:
    """The pool, then who has it: whatever takes it over after that changes its tag, and the tag
    goes with the request that shrinks it.
    """
    observed = batch_pool.observe(services, plan, poll)
    return observed and {**observed, "keeper": _keeper(services, plan, observed)}


def _decide(plan: PoolPlan, observed: Json | None, poll: PollState) -> Decision[PoolEmptied]:
    if observed is not None and observed.get("keeper"):
        return Done(result=PoolEmptied())
    return batch_pool.decide_emptied(plan, observed, poll)


empty_left_pool = dataclasses.replace(
    batch_pool.empty_pool, name="empty_left_pool", observe=_observe, decide=_decide
)


def _settle(services: Services, plan: PoolSettled, poll: PollState) -> NoResult:
    """Its record tells what became of it, unless somebody else writes that."""
    pool = plan.pool
    if services.records.at_work_on(pool.account.name, pool.pool_id, pool.resource):
        return NoResult()

    def change(record: PoolRecord) -> PoolRecord:
        if record.build_id != pool.build_id or not record.nodes_left:
            return record
        told = replace(abandoned_pools.settled(record), changed_at=poll.now)
        return abandoned_pools.without_nodes(told) if plan.emptied else told

    services.records.change_pool(pool.account.name, pool.pool_id, change)
    return NoResult()


settle_left_pool = ShortActivity(
    name="settle_left_pool",
    plan=PoolSettled,
    result=NoResult,
    verb="record that the pool's nodes are gone",
    subject=lambda plan: plan.pool.resource,
    act=_settle,
)
