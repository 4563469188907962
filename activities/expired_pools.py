"""Pools that were asked for with a `ttlHours`: once that is over, the sweep deletes them, unless
somebody has taken them over since.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from activities import batch_pool
from activities.leftovers import Finding
from shared.azure import batch_bodies, failures
from shared.azure.sdk import Started
from shared.base import names
from shared.base.wire import replace
from shared.engine import decisions
from shared.engine.activity import (
    Json,
    NoInput,
    NoResult,
    PollState,
    Reconciler,
    Services,
    ShortActivity,
)
from shared.engine.decisions import Decision, Done, Start
from shared.model import abandoned_pools
from shared.model.cleanup_plans import PoolDeletion, PoolExpired, PoolsLeft
from shared.model.outcomes import PoolRecord
from shared.model.plans import PoolPlan

# -- what there is --------------------------------------------------------------------------------


def _is_over(record: PoolRecord, now: str) -> bool:
    return record.expires_at is not None and record.expires_at <= now


def _timed(services: Services) -> Iterator[tuple[PoolRecord, PoolPlan]]:
    """Every recorded pool that has an end."""
    subscription = services.azure.config.subscription_id
    for record in services.records.pools():
        if record.expires_at:
            yield record, abandoned_pools.plan_of(record, subscription)


def _list(services: Services, _plan: NoInput, poll: PollState) -> PoolsLeft:
    over = [plan for record, plan in _timed(services) if _is_over(record, poll.now)]
    return PoolsLeft(pools=over)


list_expired_pools = ShortActivity(
    name="list_expired_pools",
    plan=NoInput,
    result=PoolsLeft,
    verb="list the pools whose time is over",
    subject=lambda _: "records",
    act=_list,
)


def findings(services: Services, now: str) -> list[Finding]:
    """Every pool that has an end, and what a sweep would do with it now."""
    with ThreadPoolExecutor(max_workers=8) as workers:
        found = list(workers.map(lambda t: _finding(services, t[0], t[1], now), _timed(services)))
    return [finding for finding in found if finding is not None]


def _finding(services: Services, record: PoolRecord, plan: PoolPlan, now: str) -> Finding | None:
    known = {"id": plan.resource, "type": names.type_of(plan.resource), "build_id": plan.build_id}
    if not _is_over(record, now):
        why = "it was asked for until then"
        return Finding(**known, verdict="keep", why=why, until=record.expires_at)
    why = f"it was asked for until {record.expires_at}"
    from azure.core.exceptions import AzureError

    try:
        observed = batch_pool.observe(services, plan, PollState(now=now))
    except AzureError as error:
        failure = failures.translate(error, attempted="look at it", resource=plan.resource)
        return Finding(**known, verdict="remove", why=f"{why}; now: {failure.message}", until=now)
    if observed is None:
        return None
    if keeper := _keeper(services, plan, observed, now):
        return Finding(**known, verdict="keep", why=keeper)
    return Finding(**known, verdict="remove", why=why, until=now)


def _keeper(services: Services, plan: PoolPlan, observed: Json, now: str) -> str | None:
    """Who has taken the pool over since, as a reason to leave it alone."""
    if batch_pool.is_expired(observed):
        return None
    if build := services.records.builder_of_pool(plan.resource):
        return f"build {build} is at work on it"
    record = services.records.pool(plan.account.name, plan.pool_id)
    if record is None or record.build_id != plan.build_id or not _is_over(record, now):
        return "its record does not give it an end any more"
    if batch_pool.shaped_by(observed) != plan.build_id:
        return f"it is of {batch_pool.shaped_by(observed) or 'somebody else'} by now"
    return None


# -- deleting it ----------------------------------------------------------------------------------


def _observe(services: Services, plan: PoolPlan, poll: PollState) -> Json | None:
    """The pool, and who has it."""
    observed = batch_pool.observe(services, plan, poll)
    return observed and {**observed, "keeper": _keeper(services, plan, observed, poll.now)}


def _decide(plan: PoolPlan, observed: Json | None, poll: PollState) -> Decision[PoolDeletion]:
    """Azure deletes whatever it finds, but changes only what was seen. So the pool is marked first:
    whoever takes it over at this moment is either seen, or sees the mark and makes a new one.
    """
    if observed is None or batch_pool.is_expired(observed):
        gone = PoolDeletion()
        return decisions.removed(plan.resource, observed, started=poll.started, result=gone)
    if keeper := observed.get("keeper"):
        is_anothers = batch_pool.shaped_by(observed) != plan.build_id
        return Done(result=PoolDeletion(kept=keeper, is_anothers=is_anothers))
    return Start(action="mark", memory=batch_pool.seen(observed))


def _mark(services: Services, plan: PoolPlan, poll: PollState) -> Started:
    return batch_pool.update(services, plan, batch_bodies.expired(plan.build_id), poll)


delete_expired_pool = Reconciler(
    name="delete_expired_pool",
    plan=PoolPlan,
    result=PoolDeletion,
    verb="delete the pool, whose time is over",
    subject=lambda plan: plan.resource,
    observe=_observe,
    decide=_decide,
    actions={"mark": _mark, "delete": batch_pool.delete},
)


def _settle(services: Services, plan: PoolExpired, _: PollState) -> NoResult:
    """Its record goes with it, and its build has it no longer. Another's pool is left alone from
    now on.
    """
    pool = plan.pool
    account, name = pool.account.name, pool.pool_id
    record = services.records.pool(account, name)
    at_work = services.records.builder_of_pool(pool.resource)
    if at_work or record is None or record.build_id != pool.build_id:
        return NoResult()
    if plan.is_gone:
        services.records.release("pool", pool.resource.lower(), pool.build_id)
        services.records.remove_pool(account, name)
        return NoResult()
    services.records.change_pool(account, name, lambda found: replace(found, expires_at=None))
    return NoResult()


settle_expired_pool = ShortActivity(
    name="settle_expired_pool",
    plan=PoolExpired,
    result=NoResult,
    verb="forget the pool that is gone",
    subject=lambda plan: plan.pool.resource,
    act=_settle,
)
