"""Cleanup on Azure: the list, the removal of one resource, and the record of what was done.

Right before its removal, a pool or a lasting resource is planned again, from fresh facts.
"""

from __future__ import annotations

from activities import batch_pool, cleanup_facts, pool_shrinking, registry, snapshots
from activities.arm_resource import is_tagged
from shared.azure import batch_bodies, by_id, resource_state
from shared.azure.sdk import Started
from shared.base import names
from shared.base import resource_types as types
from shared.base.wire import replace
from shared.engine import decisions
from shared.engine.activity import (
    Json,
    NoInput,
    NoResult,
    PollState,
    Reconciler,
    Services,
    short_activity,
)
from shared.engine.decisions import Decision, Done, Start
from shared.model import abandoned_pools, cleanup
from shared.model.cleanup import Action, Cleanup, CleanupItem, Facts
from shared.model.plans import MadeIn, PoolPlan
from shared.model.results import Made, MadeList, Removed
from shared.store.builds import outcome_of

# -- the list -------------------------------------------------------------------------------------


@short_activity(NoInput, Cleanup, verb="list what builds left", subject=lambda _: "subscription")
def list_left(services: Services, _: NoInput, poll: PollState) -> Cleanup:
    facts, _now = cleanup_facts.of_builds(services)
    items = cleanup.plan_cleanup(facts, poll.now)
    due = [(item, facts.builds[item.build_id]) for item in items if item.action is Action.REMOVE]
    left = [
        item for item, build in due if build.lists(item.id) and item.id.lower() not in build.kept
    ]
    services.telemetry.gauge("batch_prep.leftovers", len(left))
    return Cleanup(items=items)


@short_activity(NoInput, Cleanup, verb="list the pools to clean up", subject=lambda _: "pools")
def list_pools(services: Services, _: NoInput, poll: PollState) -> Cleanup:
    facts = Facts(pools=cleanup_facts.of_pools(services, poll.now))
    return Cleanup(items=cleanup.plan_cleanup(facts, poll.now))


@short_activity(MadeIn, MadeList, verb="list what the build made", subject=lambda of: of.group_id)
def list_made(services: Services, plan: MadeIn, poll: PollState) -> MadeList:
    group = by_id.fetch(services.azure, plan.group_id)
    items = _plan_lasting(services, plan.build_id, group, poll) if group else []
    return MadeList(made=[Made(plan=item) for item in items])


def _plan_lasting(services: Services, build: str, of: Json, poll: PollState) -> list[CleanupItem]:
    facts = cleanup_facts.around(services, build, of)
    return cleanup.plan_lasting(build, names.group_of(of["id"]), facts, poll.now, is_cleared=True)


# -- the removal of one resource ------------------------------------------------------------------


def _observe(services: Services, item: CleanupItem, poll: PollState) -> Json | None:
    """The resource, with the reason under `kept` if the new plan differs. The ETag in the change
    below guards against later changes of a pool.
    """
    observed = by_id.fetch(services.azure, item.id)
    if observed is None or _is_marked(item, observed):
        return observed
    again = _plan_again(services, item, observed, poll)
    if again and again.action is item.action:
        return observed
    reason = again.reason if again else "another build uses or needs it"
    return {**observed, "kept": reason}


def _plan_again(
    services: Services, item: CleanupItem, observed: Json, poll: PollState
) -> CleanupItem | None:
    """The item by the facts of this moment; None if it is no longer on the list."""
    if item.kind == types.POOL:
        return _plan_pool(services, item, observed, poll)
    # A deletion that failed on Azure is started again, minutes after the first one.
    is_leaving = poll.started is not None and resource_state.provisioning(observed) != "broken"
    if item.kind in cleanup.LASTING and not is_leaving:
        planned = _plan_lasting(services, item.build_id, observed, poll)
        return next((each for each in planned if names.same(each.id, item.id)), None)
    if not is_tagged(observed, item.build_id):
        return None
    is_idle = item.kind == types.SNAPSHOT and poll.started is None
    if is_idle and snapshots.is_copied(services, item.build_id):
        return replace(item, action=Action.KEEP, reason=cleanup.COPIED)
    return item


def _plan_pool(
    services: Services, item: CleanupItem, observed: Json | None, poll: PollState
) -> CleanupItem | None:
    pool = cleanup_facts.of_pool(services, item.id, item.build_id, observed)
    return cleanup.plan_pool(pool, poll.now) if pool else None


def _is_marked(item: CleanupItem, observed: Json) -> bool:
    is_pool = item.kind == types.POOL and item.action is Action.REMOVE
    return is_pool and batch_pool.is_expired(observed)


def _decide(item: CleanupItem, observed: Json | None, poll: PollState) -> Decision[Removed]:
    """A pool is marked under its ETag before it is deleted (decision 0005)."""
    if observed is not None and "kept" in observed:
        return Done(result=Removed(kept=observed["kept"]))
    if observed is None or item.kind != types.POOL or _is_marked(item, observed):
        return decisions.removed(item.id, observed, started=poll.started, result=Removed())
    if item.action is Action.REMOVE:
        return Start(action="mark", memory=batch_pool.seen(observed))
    return pool_shrinking.decide_shrunk(observed, poll, Removed())


def _delete(services: Services, item: CleanupItem, _: PollState) -> Started:
    if item.kind == types.IDENTITY and (identity := by_id.fetch(services.azure, item.id)):
        registry.revoke_pulls(services, identity)
    return by_id.send_delete(services.azure, item.id)


remove_made = Reconciler(
    name="remove_made",
    plan=CleanupItem,
    result=Removed,
    verb="clean up the resource",
    subject=lambda item: item.id,
    observe=_observe,
    decide=_decide,
    actions={
        "delete": _delete,
        "mark": lambda services, item, poll: batch_pool.update(
            services, _pool(item), batch_bodies.expired(item.build_id), poll
        ),
        "empty": lambda services, item, poll: batch_pool.empty(services, _pool(item), poll),
    },
)


def _pool(item: CleanupItem) -> PoolPlan:
    return abandoned_pools.plan_of(item.id, item.build_id)


# -- the record -----------------------------------------------------------------------------------


@short_activity(Cleanup, NoResult, verb="record what was cleaned up", subject=lambda _: "records")
def record_cleanup(services: Services, work: Cleanup, poll: PollState) -> NoResult:
    """Of a build's items, or of one pool."""
    first = work.items[0]
    if first.kind != types.POOL:
        _record_build(services, first.build_id, work.items)
    elif first.ended != "failed":
        _record_pool(services, first, poll)
    return NoResult()


def _record_build(services: Services, build: str, ended: list[CleanupItem]) -> None:
    """The build lists what could not be removed, so that the next sweep tries again, and nothing
    that is gone.
    """
    row = services.records.build(build)
    outcome = outcome_of(row) if row else None
    if row is None or outcome is None:
        return
    failed = [item.id for item in ended if item.ended == "failed"]
    tried = {id_.lower() for id_ in failed}
    rest = [id_ for id_ in outcome.leftovers if id_.lower() not in tried]
    stays = [id_ for id_ in rest if is_tagged(by_id.fetch(services.azure, id_), build)]
    services.records.correct_outcome(row, replace(outcome, leftovers=[*stays, *failed]))


def _record_pool(services: Services, item: CleanupItem, poll: PollState) -> None:
    """A pool's record follows the pool as it is now: gone, without nodes, or another build's."""
    observed = by_id.fetch(services.azure, item.id)
    planned = _plan_pool(services, item, observed, poll)
    if planned is None or not planned.is_done:
        return
    pool, build = _pool(item), item.build_id
    if planned.action is Action.REMOVE:
        services.records.release("pool", item.id.lower(), build)
        services.records.remove_pool(pool.account.name, pool.pool_id)
        return
    shrunk = observed if planned.action is Action.SHRINK else None
    left = pool_shrinking.emptied(shrunk) if shrunk else None
    services.records.change_pool(
        pool.account.name,
        pool.pool_id,
        lambda old: abandoned_pools.cleaned_up(old, build, left, poll.now),
    )
