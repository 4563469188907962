"""A Batch pool: created, changed in place where Azure allows it, emptied first where it does not.

Everything is decided from the pool as it is; `pool_difference` says what must change. The pool's
metadata names the build that last shaped it: a repeated call finds its own work and goes on.
"""

from __future__ import annotations

import secrets

from shared.azure import batch_bodies, cache, pool_difference, pool_keeps, resource_state, sdk
from shared.azure.sdk import Started
from shared.base import names, scripts
from shared.base.errors import Failure, Kind, StepFailed
from shared.engine import decisions
from shared.engine.activity import Json, PollState, Reconciler, Services
from shared.engine.decisions import Decision, Done, Fail, Start, Wait
from shared.model.plans import ChangePlan, PoolPlan
from shared.model.pool_request import IfExists
from shared.model.results import PoolReady


def path(plan: PoolPlan | ChangePlan) -> tuple[str, str, str]:
    """Resource group, account and pool."""
    return plan.account.resource_group, plan.account.name, plan.pool_id


def observe(services: Services, plan: PoolPlan | ChangePlan, _: PollState) -> Json | None:
    """The pool as wire JSON, or None."""
    return sdk.fetch(services.azure.batch.pool.get, *path(plan))


# Of each existing pool; its start task alone has 13,000 characters.
_SHOWN = (
    "vmSize metadata scaleSettings allocationState currentDedicatedNodes currentLowPriorityNodes "
    "provisioningState"
)
_SELECT = ",".join(f"properties/{name}" for name in _SHOWN.split())


def listed(services: Services, account_id: str, now: str) -> list[Json]:
    """The pools of an account as of some seconds ago; none if it is gone."""
    from azure.core.exceptions import ResourceNotFoundError

    call, group = services.azure.batch.pool.list_by_batch_account, names.group_of(account_id)

    def ask() -> list[Json]:
        try:
            return sdk.listed(call, group, account_id.rpartition("/")[2], select=_SELECT)
        except ResourceNotFoundError:
            return []

    return services.cache.get(_list_key(account_id), now, ask, fresh=cache.A_MOMENT)


def _list_key(account_id: str) -> tuple[str, ...]:
    return ("pools", account_id.lower())


def claim(services: Services, plan: PoolPlan | ChangePlan) -> Json | None:
    """One build or change at a time works on a pool. Where another change has it, returns what is
    seen in place of the pool (`wait_for_change`). Raises StepFailed where another build has it.
    """
    holder = services.records.claim("pool", plan.resource.lower(), plan.build_id)
    if holder == plan.build_id:
        return None
    if services.records.is_change(holder):
        return {_CHANGED_BY: holder}
    raise StepFailed(
        Failure(
            code="Conflict",
            kind=Kind.CONFLICT,
            message=f"Build {holder} is at work on pool {plan.pool_id}.",
            resource=plan.resource,
            next_action=f"Wait for build {holder} to end, then ask again.",
        )
    )


def _observe_first(services: Services, plan: PoolPlan, poll: PollState) -> Json | None:
    """The first call sends no request for a pool that the list of a moment ago lacks: `_create`
    creates it only if there is none. While a change has the pool, returns that change in place of
    the pool, which is about to differ.
    """
    if taken := claim(services, plan):
        return taken
    if poll.started is None:
        there = services.cache.recall(_list_key(plan.account.account_id), poll.now, cache.A_MOMENT)
        if there is not None and not any(names.same(p["name"], plan.pool_id) for p in there):
            return None
    return observe(services, plan, poll)


_CHANGED_BY = "changedBy"  # in place of what Azure shows: the change that has the pool


def wait_for_change(observed: Json) -> Wait | None:
    """Wait where another resize or deletion is at work on the pool."""
    change = observed.get(_CHANGED_BY)
    return Wait(note=f"build {change} resizes or deletes the pool") if change else None


def _described(plan: PoolPlan) -> Json:
    """The whole pool as the plan describes it."""
    return batch_bodies.described_pool(plan, scripts.start_task_command())


# -- creating, updating, replacing ----------------------------------------------------------------


def _create(services: Services, plan: PoolPlan, _: PollState) -> Started:
    """Only where there is none: another request's pool is never overwritten."""
    from azure.core import MatchConditions

    only_if_absent = {"etag": "*", "match_condition": MatchConditions.IfMissing}
    body = _with_passwords(batch_bodies.pool(plan, scripts.start_task_command()))
    return sdk.send(services.azure.batch.pool.create, *path(plan), body, **only_if_absent)


def _with_passwords(body: Json) -> Json:
    """Azure requires a password for each user account. Each gets a random one, which is stored
    nowhere; tasks need none.
    """
    for account in body["properties"].get("userAccounts", []):
        account["password"] = f"aA1-{secrets.token_urlsafe(48)}"
    return body


def _change(services: Services, plan: PoolPlan, poll: PollState) -> Started:
    """The properties that differ, and nothing else: Azure refuses even an equal rest while there
    are nodes.
    """
    body = pool_difference.change_body(_described(plan), poll.memory["properties"])
    body["properties"]["metadata"] += _kept(services, plan, poll)
    return update(services, plan, body, poll)


def _kept(services: Services, plan: PoolPlan, poll: PollState) -> list[Json]:
    """What the pool keeps if this build fails: the nodes that it had, its formula, and the date of
    its deletion; where a failed build left nodes, what that one was to leave. It is metadata, so it
    is written with the change itself.
    """
    record = services.records.pool(plan.account.name, plan.pool_id)
    changes = "scaleSettings" in poll.memory["properties"]
    if record and record.nodes_left and record.build_id != plan.build_id:
        return pool_keeps.handed_on(observe(services, plan, poll) or {}, scale_changes=changes)
    dedicated, low = poll.memory["keeps"]
    keeps = pool_keeps.Kept(
        nodes=(dedicated, low),
        expires_at=record.expires_at if record else None,
        auto_scale=poll.memory.get("autoScale"),
        is_formula_lost=poll.memory.get("isFormulaLost", False),
    )
    return pool_keeps.metadata(keeps, scale_changes=changes)


def _reshape(services: Services, plan: PoolPlan, poll: PollState) -> Started:
    """Everything anew, in a pool without nodes. A PATCH would keep what the body leaves out; a PUT
    gives it its default.
    """
    body = _with_passwords(batch_bodies.whole_pool(plan, scripts.start_task_command()))
    calls = services.azure.batch.pool
    return sdk.send(calls.create, *path(plan), body, **_as_seen(poll))


def empty(services: Services, plan: PoolPlan, poll: PollState) -> Started:
    """To zero nodes: most properties can be changed only then. Where the pool keeps nodes, tasks
    end first on those that leave: Batch chooses which these are. Or back to a kept formula.
    """
    if auto_scale := poll.memory.get("autoScale"):
        body = {"properties": {"scaleSettings": {"autoScale": auto_scale}}}
        return update(services, plan, body, poll)
    nodes = poll.memory.get("nodes", [0, 0])
    fixed = batch_bodies.fixed_scale(*nodes)
    if any(nodes):
        fixed["nodeDeallocationOption"] = "TaskCompletion"
    return update(services, plan, {"properties": {"scaleSettings": {"fixedScale": fixed}}}, poll)


def seen(observed: Json) -> Json:
    """The pool's ETag as observed; the next change is conditional on it."""
    return {"etag": observed.get("etag")}


def update(services: Services, plan: PoolPlan, body: Json, poll: PollState) -> Started:
    """Change the pool as it was seen; 412 where it has changed since."""
    return sdk.send(services.azure.batch.pool.update, *path(plan), body, **_as_seen(poll))


def _as_seen(poll: PollState) -> Json:
    from azure.core import MatchConditions

    etag = poll.memory.get("etag")
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}


def delete(services: Services, plan: PoolPlan | ChangePlan, _: PollState) -> Started:
    """Ask for its deletion, with all its nodes."""
    return sdk.send_delete(services.azure.batch.pool.begin_delete, *path(plan))


def shaped_by(observed: Json) -> str | None:
    """The build that last created or updated this pool."""
    return resource_state.metadata(observed).get(names.TAG_BUILD)


def is_expired(observed: Json) -> bool:
    """Whether its deletion has begun: the sweep has marked it, so no build takes it over."""
    return names.TAG_EXPIRED in resource_state.metadata(observed)


def is_empty(observed: Json) -> bool:
    """No nodes, and none coming or going."""
    return current_nodes(observed) == (0, 0) and is_steady(observed)


def current_nodes(observed: Json) -> tuple[int, int]:
    """Dedicated and low-priority nodes that it has."""
    found = resource_state.properties(observed)
    kinds = ("Dedicated", "LowPriority")
    dedicated, low = (int(found.get(f"current{kind}Nodes") or 0) for kind in kinds)
    return dedicated, low


def decide_pool(plan: PoolPlan, observed: Json | None, poll: PollState) -> Decision[PoolReady]:
    """Create, leave, change, empty and change, or delete and create: what the request's `ifExists`
    allows. The result is `fresh` where the pool was created now: its nodes have only begun to come.
    """
    if observed is None:
        return Start(action="create")
    if being_changed := wait_for_change(observed):
        return being_changed
    if resource_state.provisioning(observed) == "deleting":
        return Wait(note="the old pool is being deleted")
    return (
        Start(action="delete") if is_expired(observed) else _decide_existing(plan, observed, poll)
    )


def _decide_existing(plan: PoolPlan, observed: Json, poll: PollState) -> Decision[PoolReady]:
    if shaped_by(observed) is None:
        advice = "Choose another id: batch-prep changes only pools that it made."
        return Fail(failure=decisions.foreign(plan.resource, "batch-prep did not make it", advice))
    if shaped_by(observed) == plan.build_id:
        return _decide_own(plan, observed, poll)
    match plan.pool.if_exists:
        case IfExists.FAIL:
            return Fail(failure=_exists(plan))
        case IfExists.REPLACE:
            return Start(action="delete")
        case IfExists.UPDATE:
            return _decide_update(plan, observed)


def _decide_own(plan: PoolPlan, observed: Json, poll: PollState) -> Decision[PoolReady]:
    """For a pool that this build shaped before, perhaps in a size that had no capacity. If this
    step wrote the pool, it is done, although Azure may show properties in another form.
    """
    if poll.started in _WRITES and pool_difference.carries_record(_described(plan), observed):
        is_fresh = poll.started == "create" and plan.nodes_asked > 0
        return Done(result=PoolReady(fresh=is_fresh))
    return _decide_update(plan, observed)


_WRITES = ("create", "change", "reshape")


def target_nodes(observed: Json) -> tuple[int, int] | None:
    """Dedicated and low-priority nodes that a pool of fixed scale wants."""
    fixed = (resource_state.properties(observed).get("scaleSettings") or {}).get("fixedScale")
    if fixed is None:
        return None
    return (
        int(fixed.get("targetDedicatedNodes") or 0),
        int(fixed.get("targetLowPriorityNodes") or 0),
    )


def _decide_update(plan: PoolPlan, observed: Json) -> Decision[PoolReady]:
    match pool_difference.compare(_described(plan), observed):
        case pool_difference.Nothing():
            return Done(result=PoolReady(fresh=False))
        case pool_difference.Change(properties=properties):
            is_own = shaped_by(observed) == plan.build_id
            keeps = pool_keeps.of(observed) if is_own else _here(observed)
            memory = {
                **seen(observed),
                "properties": properties,
                "keeps": list(keeps.nodes),
                "autoScale": keeps.auto_scale,
                "isFormulaLost": keeps.is_formula_lost,
            }
            return Start(action="change", memory=memory)
        case pool_difference.Reshape() as reshape:
            return _decide_reshape(observed, str(reshape))


def _here(observed: Json) -> pool_keeps.Kept:
    auto_scale = pool_keeps.auto_scale(observed)
    return pool_keeps.Kept(nodes=current_nodes(observed), auto_scale=auto_scale)


def _decide_reshape(observed: Json, reasons: str) -> Decision[PoolReady]:
    """The nodes must go first; the step's note says why while they do. Nodes that Azure could not
    give go as well: it begins no resize to a number that the pool wants already.
    """
    target = target_nodes(observed)
    if is_empty(observed) and target in {None, (0, 0)}:
        return Start(action="reshape", memory=seen(observed))
    if target == (0, 0) or not is_steady(observed):
        return Wait(note=f"the pool is emptied, to change {reasons}")
    return Start(action="empty", memory=seen(observed))


def _exists(plan: PoolPlan) -> Failure:
    return Failure(
        code="PoolExists",
        kind=Kind.CONFLICT,
        message=f"Pool {plan.pool_id} exists already in account {plan.account.name}.",
        resource=plan.resource,
        next_action='Say "ifExists": "update" or "replace", or choose another id.',
    )


ensure_pool = Reconciler(
    name="ensure_pool",
    plan=PoolPlan,
    result=PoolReady,
    verb="create the pool",
    subject=lambda plan: plan.resource,
    observe=_observe_first,
    decide=decide_pool,
    actions={
        "create": _create,
        "change": _change,
        "reshape": _reshape,
        "empty": empty,
        "delete": delete,
    },
)


def is_steady(observed: Json) -> bool:
    """Whether no resize is under way."""
    return str(resource_state.properties(observed).get("allocationState", "")).lower() == "steady"
