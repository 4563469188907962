"""Cleanup on Azure: the list, the removal of one resource, and the record of what was done.

Right before a removal the resource is planned again, from the facts of that moment.
"""

from __future__ import annotations

from activities import batch_pool, cleanup_facts
from shared.azure import batch_bodies, sdk
from shared.azure.sdk import Started
from shared.base import names
from shared.base.wire import replace
from shared.engine import decisions
from shared.engine.activity import Json, NoResult, PollState, Reconciler, Services, short_activity
from shared.engine.decisions import Decision, Done, Start, Wait
from shared.model import abandoned_pools, cleanup
from shared.model.cleanup import Action, CleanupDone, CleanupItem, CleanupList, CleanupPart
from shared.model.outcomes import PoolRecord
from shared.model.plans import MadeIn, MadePlan, PoolPlan
from shared.model.results import RemovalList, Removed
from shared.store.builds import outcome_of

# -- the list -------------------------------------------------------------------------------------


@short_activity(
    CleanupPart,
    CleanupList,
    verb="list what is to be cleaned up",
    subject=lambda part: "pools" if part.pools else "subscription",
)
def list_cleanup(services: Services, part: CleanupPart, poll: PollState) -> CleanupList:
    if part.pools:
        facts = cleanup.Facts(pools=cleanup_facts.of_pools(services, poll.now))
    else:
        facts, _ = cleanup_facts.of_builds(services, poll.now, part.closed)
    return CleanupList(items=cleanup.plan_cleanup(facts, poll.now))


@short_activity(
    MadeIn, RemovalList, verb="list what the build made", subject=lambda plan: plan.group_id
)
def list_made(services: Services, plan: MadeIn, poll: PollState) -> RemovalList:
    builds = cleanup_facts.builds_of(services)
    group = cleanup_facts.group_of(services, plan.build_id, plan.resource_group, builds)
    if group is None:
        return RemovalList()
    items = cleanup.plan_group(plan.build_id, group, builds, poll.now, is_cleared=True)
    return RemovalList(made=cleanup.removals(items))


# -- what builds made -----------------------------------------------------------------------------


def _observe(services: Services, plan: MadePlan, poll: PollState) -> Json | None:
    """The resource, and why it is kept. Azure refuses to delete a gallery or a definition that is
    not empty, so only the group's contents are listed again.
    """
    observed = cleanup_facts.fetch(services, plan.id)
    if observed is None or poll.started is not None or plan.type.lower() not in cleanup.LASTING:
        return observed
    builds = cleanup_facts.builds_of(services)
    group = cleanup_facts.group_around(services, plan, observed)
    planned = cleanup.plan_group(plan.build_id, group, builds, poll.now, is_cleared=True)
    is_planned = any(names.same(item.id, plan.id) for item in planned)
    return observed if is_planned else {**observed, "kept": "another build may need it"}


def _decide(plan: MadePlan, observed: Json | None, poll: PollState) -> Decision[Removed]:
    if observed is not None and cleanup_facts.build_of(observed) != plan.build_id:
        return Done(result=Removed(kept="its tag names another build"))
    if observed is not None and "kept" in observed:
        return Done(result=Removed(kept=observed["kept"]))
    return decisions.removed(plan.id, observed, started=poll.started, result=Removed())


def _delete(services: Services, plan: MadePlan, _: PollState) -> Started:
    call = services.azure.resources.resources.begin_delete_by_id
    version = cleanup_facts.version_of(plan.type)
    return sdk.send_delete(call, plan.id.lstrip("/"), api_version=version)


remove_made = Reconciler(
    name="remove_made",
    plan=MadePlan,
    result=Removed,
    verb="remove what the build made",
    subject=lambda plan: plan.id,
    observe=_observe,
    decide=_decide,
    actions={"delete": _delete},
)


# -- pools ----------------------------------------------------------------------------------------


def _plan_pool(
    services: Services, pool: PoolPlan, observed: Json | None, now: str
) -> CleanupItem | None:
    record = services.records.pool(pool.account.name, pool.pool_id)
    if record is None or record.build_id != pool.build_id:
        return None
    at_work = services.records.at_work_on(pool.account.name, pool.pool_id, pool.resource)
    facts = cleanup_facts.pool_facts(pool.resource, record, observed, at_work)
    return cleanup.plan_pool(facts, now)


def _pool(item: CleanupItem) -> PoolPlan:
    return abandoned_pools.plan_of(item.id, item.build_id)


def _observe_pool(services: Services, item: CleanupItem, poll: PollState) -> Json | None:
    """The pool, and why it is kept. A build that changes the pool later changes its ETag, and the
    request that marks or shrinks the pool depends on the ETag.
    """
    observed = batch_pool.observe(services, _pool(item), poll)
    if observed is None:
        return None
    planned = _plan_pool(services, _pool(item), observed, poll.now)
    if _is_marked(item, observed) or (planned and planned.action is item.action):
        return observed
    return {**observed, "kept": planned.reason if planned else "its record has changed"}


def _is_marked(item: CleanupItem, observed: Json) -> bool:
    return item.action is Action.REMOVE and batch_pool.is_expired(observed)


def _decide_pool(item: CleanupItem, observed: Json | None, poll: PollState) -> Decision[Removed]:
    """A pool is marked under its ETag before it is deleted (decision 0005)."""
    if observed is None or _is_marked(item, observed):
        return decisions.removed(item.id, observed, started=poll.started, result=Removed())
    if "kept" in observed:
        return Done(result=Removed(kept=observed["kept"]))
    if item.action is Action.REMOVE:
        return Start(action="mark", memory=batch_pool.seen(observed))
    if batch_pool.target_nodes(observed) != (0, 0):
        return Wait() if poll.started else Start(action="empty", memory=batch_pool.seen(observed))
    is_empty = batch_pool.is_empty(observed)
    return Done(result=Removed()) if is_empty else Wait(note="the nodes are leaving")


clean_pool = Reconciler(
    name="clean_pool",
    plan=CleanupItem,
    result=Removed,
    verb="delete or shrink the pool",
    subject=lambda item: item.id,
    observe=_observe_pool,
    decide=_decide_pool,
    actions={
        "mark": lambda services, item, poll: batch_pool.update(
            services, _pool(item), batch_bodies.expired(item.build_id), poll
        ),
        "delete": lambda services, item, poll: batch_pool.delete(services, _pool(item), poll),
        "empty": lambda services, item, poll: batch_pool.empty(services, _pool(item), poll),
    },
)


# -- the record -----------------------------------------------------------------------------------


@short_activity(
    CleanupDone, NoResult, verb="record what was cleaned up", subject=lambda _: "records"
)
def record_cleanup(services: Services, work: CleanupDone, poll: PollState) -> NoResult:
    ended = [item for item in work.items if item.id in work.ended]
    for item in ended:
        if item.kind == cleanup.POOL and work.ended[item.id] != "failed":
            _record_pool(services, _pool(item), poll)
    for build in {item.build_id for item in ended if item.kind != cleanup.POOL}:
        _record_build(services, build, work.ended)
    return NoResult()


def _record_build(services: Services, build: str, ended: dict[str, str]) -> None:
    """The build lists what could not be removed, so that the next sweep tries again, and nothing
    that is gone.
    """
    row = services.records.build(build)
    outcome = outcome_of(row) if row else None
    if row is None or outcome is None:
        return
    failed = [id_ for id_, how in ended.items() if how == "failed"]
    known = {id_.lower() for id_, how in ended.items() if how != "kept"}
    rest = [id_ for id_ in outcome.leftovers if id_.lower() not in known]
    stays = [id_ for id_ in rest if cleanup_facts.is_of(services, id_, build)]
    services.records.correct_outcome(row, replace(outcome, leftovers=[*stays, *failed]))


def _record_pool(services: Services, pool: PoolPlan, poll: PollState) -> None:
    """A pool's record follows the pool as it is now: gone, without nodes, or another build's."""
    observed = batch_pool.observe(services, pool, poll)
    planned = _plan_pool(services, pool, observed, poll.now)
    if planned is None or not planned.is_done:
        return
    if planned.action is Action.REMOVE:
        services.records.release("pool", pool.resource.lower(), pool.build_id)
        services.records.remove_pool(pool.account.name, pool.pool_id)
        return

    def change(record: PoolRecord) -> PoolRecord:
        if record.build_id != pool.build_id:
            return record
        new = replace(abandoned_pools.settled(record), changed_at=poll.now)
        if planned.action is Action.SHRINK and observed is not None and record.nodes_left:
            return abandoned_pools.without_nodes(new)
        return replace(new, expires_at=None) if cleanup.is_over(record, poll.now) else new

    services.records.change_pool(pool.account.name, pool.pool_id, change)
