"""HTTP: pools."""

from __future__ import annotations

import functools
from collections import Counter

from shared.azure import resource_state, sdk
from shared.base import names
from shared.base.errors import Failure, Kind
from shared.base.wire import replace
from shared.engine.activity import Services
from shared.model import build_outcomes, parsing, planning
from shared.model.documents import PoolList
from shared.model.outcomes import PoolRecord
from shared.model.plans import AccountPlan, ChangePlan
from shared.model.queries import PoolsQuery
from shared.model.requests import Mode, Resize
from triggers import builds, http
from triggers.http import Answer, Begin, Call


def list_pools(call: Call) -> Answer:
    """List the pools that builds have made, of all Batch accounts or of one."""
    query = call.asked(PoolsQuery)
    pools, last = call.services.records.list_pools(query.account, query.limit, query.place)
    return Answer(document=PoolList(pools=pools, **call.next_link(query, last)))


def show_pool(call: Call) -> Answer:
    """Show a pool, as `batch_metadata.json` holds it, with the states of its nodes now."""
    from azure.core.exceptions import AzureError

    account, pool = call.params["account"], call.params["pool"]
    record = call.services.records.pool(account, pool)
    if record is None:
        return _no_pool(account, pool)
    try:
        return Answer(document=_as_it_is(call.services, record))
    except AzureError:  # the record is of use without Azure, too
        return Answer(document=record)


def _as_it_is(services: Services, record: PoolRecord) -> PoolRecord:
    """The record with its nodes' states; `gone` where there is no such pool any more."""
    batch = services.azure.batch
    place = (record.resource_group, record.batch_account)
    account = sdk.fetch(batch.batch_account.get, *place)
    found = sdk.fetch(batch.pool.get, *place, record.pool_id) if account else None
    if account is None or found is None:
        return replace(record, state="gone", nodes=0, low_priority_nodes=0)
    service = services.azure.batch_service(resource_state.properties(account)["accountEndpoint"])
    nodes = sdk.listed(service.list_nodes, record.pool_id, select=["id", "state"])
    states = Counter(str(node.get("state", "unknown")).lower() for node in nodes)
    return replace(record, node_states=dict(sorted(states.items())))


def resize_pool(call: Call) -> Answer:
    """Resize a pool to a number of nodes."""
    resize = parsing.parse_resize(call.json())
    return _change(call, Mode.RESIZE_POOL, resize)


def delete_pool(call: Call) -> Answer:
    """Delete a pool with its nodes."""
    return _change(call, Mode.DELETE_POOL)


def _change(call: Call, mode: Mode, resize: Resize | None = None) -> Answer:
    account, pool = call.params["account"], call.params["pool"]
    record = call.services.records.pool(account, pool)
    if record is None:
        return _no_pool(account, pool)
    plan = planning.plan_change(
        request_id=call.services.new_id(),
        mode=mode,
        account=AccountPlan(
            build_id="",
            subscription_id=call.services.azure.config.subscription_id,
            name=record.batch_account,
            resource_group=record.resource_group,
            location=record.location,
        ),
        pool_id=record.pool_id,
        resize=resize,
    )
    if other := _accept_change(call, plan):
        message = (
            f"Build {other} is at work on pool {plan.pool_id}. Wait for it to end, or cancel it; "
            "then send the request again."
        )
        return http.error(409, "BuildRunning", message, build_id=other)
    return Answer(
        status=202,
        document=builds.accepted_document(call, plan.build_id),
        begin=Begin(orchestrator=names.Orchestrator.CHANGE_POOL, instance=plan.build_id, plan=plan),
        undo=functools.partial(_end_unbegun, call, plan),
    )


def _accept_change(call: Call, plan: ChangePlan) -> str | None:
    """Record the change and claim its pool. Where another build or change is at work on that pool,
    return that one; then nothing is recorded.
    """
    records, account = call.services.records, plan.account.name
    if other := records.at_work_on(account, plan.pool_id, plan.resource):
        return other
    changed = {"account": account, "pool": plan.pool_id}
    now = call.services.now()
    row = records.accept_build(plan.build_id, plan.mode, changed, now, caller=call.caller)
    holder = records.claim("pool", plan.resource.lower(), plan.build_id)
    if holder == plan.build_id:
        return None
    if row is not None:
        records.withdraw_build(row)
    return holder


def _end_unbegun(call: Call, plan: ChangePlan) -> None:
    """End the record of a change that could not begin, so that its pool is free. If Durable begins
    it after all, the record says that it runs again.
    """
    failure = Failure(
        code="NotBegun",
        kind=Kind.TRANSIENT,
        message="Durable Functions did not answer, so the change has not begun.",
        resource=plan.resource,
        next_action="Send the request again.",
    )
    outcome = build_outcomes.failed(plan.build_id, failure)
    call.services.records.end_dead_build(outcome, call.services.now())


def _no_pool(account: str, pool: str) -> Answer:
    """404: no record of such a pool."""
    message = f"There is no pool {pool} in account {account}. GET /api/pools lists them."
    return http.error(404, "NotFound", message)
