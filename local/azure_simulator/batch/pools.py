"""Pools in Resource Manager: PUT and PATCH answer 200 at once, the nodes come later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from local.azure_simulator import arm, context, durations, model, operations, resource_ids, store
from local.azure_simulator.batch import (
    applications,
    autoscaling,
    iso8601,
    node_life,
    nodes,
    odata,
    planes,
    pool_body,
    pool_checks,
    pool_parts,
    problems,
    quotas,
    scaling,
)
from local.azure_simulator.identity import user_identities
from local.azure_simulator.network import writing

TYPE = planes.POOL_TYPE
RETRY_AFTER_SECONDS = (15,)


def register(azure: context.Azure) -> None:
    path = arm.path_of(TYPE)
    azure.shows(TYPE, show)
    azure.route("GET", path.rpartition("/")[0], list_pools)
    azure.route("GET", path, planes.stamping(get))
    azure.route("PUT", path, planes.stamping(put), operation="pools.create")
    azure.route("PATCH", path, planes.stamping(patch), operation="pools.update")
    azure.route("DELETE", path, planes.stamping(delete), operation="pools.delete")
    azure.route("POST", path + "/stopResize", planes.stamping(stop), operation="pools.stop")
    disable = planes.stamping(disable_auto_scale)
    azure.route("POST", path + "/disableAutoScale", disable, operation="pools.disableAutoScale")
    azure.operations.register(
        "pools.delete", durations.Duration(typical=75, source="estimate"), arm.vanish
    )


def show(
    azure: context.Azure,
    pool: store.Resource,
    request: model.Request,  # noqa: ARG001
) -> model.JsonObject:
    """The pool with its present number of nodes, and its identities with their ids. Not all that
    was written is shown.
    """
    dedicated, low_priority = nodes.counts(azure, pool)
    counted = {"currentDedicatedNodes": dedicated, "currentLowPriorityNodes": low_priority}
    shown = pool_body.shown(pool.properties)
    document = {**pool.document, "properties": {**shown, **counted}}
    identity = user_identities.shown(azure, document)
    return document if identity is None else {**document, "identity": identity}


def list_pools(azure: context.Azure, request: model.Request) -> model.Response:
    account = arm.require(azure, resource_ids.without_action(request.resource_id))
    pools = azure.store.children(account.id, TYPE)
    return arm.page(
        azure, request, pools, lambda pool: _selected(azure.show(pool, request), request)
    )


def _selected(document: model.JsonObject, request: model.Request) -> model.JsonObject:
    """`$select` names top-level properties, as `properties/vmSize`; the others are left out."""
    names = [name.strip() for name in request.query.get("$select", "").split(",") if name.strip()]
    if not names:
        return document
    properties = document["properties"]
    wanted = {n: v for n, v in properties.items() if f"properties/{n}" in names}
    return {**document, "properties": wanted}


def get(azure: context.Azure, request: model.Request) -> model.Response:
    pool = _require(azure, request.resource_id)
    return model.json_response(200, azure.show(pool, request), arm.version_headers(pool))


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """200 with the pool, `Resizing`. A second PUT replaces it, within the rules of updates."""
    arm.check_writable(azure, request.resource_id)
    account = arm.require(azure, resource_ids.parent(request.resource_id))
    if account.properties["provisioningState"] != "Succeeded":
        raise problems.invalid_for_state("The Batch account is not ready.")
    existing = azure.store.find(request.resource_id)
    arm.check_preconditions(request, existing)
    body = request.json(pool_body.SHAPE)
    pool_body.check_name(resource_ids.name(request.resource_id))
    if existing is not None:
        return _replace(azure, request, account, existing, body)
    return _answer(azure, request, create(azure, account, request.resource_id, body))


def create(
    azure: context.Azure, account: store.Resource, pool_id: str, body: Mapping[str, Any]
) -> store.Resource:
    """A new pool; refuses what can be none, a name that is taken, and one too many."""
    pool_body.check_name(resource_ids.name(pool_id))
    if azure.store.find(pool_id) is not None:
        raise problems.conflict("PoolExists", "The specified pool already exists.")
    pool_checks.check(azure, account, body)
    _check_pool_quota(azure, account)
    pool = _create(azure, pool_id, account, body)
    _stamp(azure, pool)
    return pool


def patch(azure: context.Azure, request: model.Request) -> model.Response:
    """200 with the pool. With nodes, only scale, start task, metadata and packages change."""
    pool = _require(azure, request.resource_id)
    arm.check_preconditions(request, pool)
    change(azure, pool, request.json(pool_body.SHAPE))
    return _answer(azure, request, pool)


def change(azure: context.Azure, pool: store.Resource, body: Mapping[str, Any]) -> None:
    """What a PATCH changes; refuses what a pool with nodes does not let change."""
    _check_staying(pool)
    given = dict(body.get("properties") or {})
    has_nodes = _has_nodes(azure, pool)
    pool_body.check_update(given, has_nodes=has_nodes)
    if has_nodes and "identity" in body:
        raise problems.cannot_be_updated("identity")
    _change(azure, pool, body, given)
    _stamp(azure, pool)


def delete(azure: context.Azure, request: model.Request) -> model.Response:
    """202 + Location; the nodes leave at once. 204 when absent."""
    pool = azure.store.find(request.resource_id)
    if pool is None:
        arm.require(azure, resource_ids.parent(request.resource_id))
        return model.empty_response(204)
    return operations.accepted_at_location(azure, request, begin_delete(azure, pool))


def stop(azure: context.Azure, request: model.Request) -> model.Response:
    """200 with the pool, `Stopping`."""
    pool = _require(azure, resource_ids.without_action(request.resource_id))
    _check_staying(pool)
    scaling.stop(azure, pool)
    return _answer(azure, request, pool)


def disable_auto_scale(azure: context.Azure, request: model.Request) -> model.Response:
    """200 with the pool, which keeps its present targets as a fixed scale."""
    pool = _require(azure, resource_ids.without_action(request.resource_id))
    _check_staying(pool)
    if autoscaling.is_enabled(pool):
        autoscaling.disable(azure, pool)
    return _answer(azure, request, pool)


def begin_delete(azure: context.Azure, pool: store.Resource) -> store.Resource:
    """The operation that removes the pool; the same one if it is already under way."""
    operation = azure.operations.running(pool)
    if operation is not None:
        return operation
    pool.cancel()
    now = iso8601.timestamp(azure.now)
    pool.properties.update(
        {"provisioningState": "Deleting", "provisioningStateTransitionTime": now}
    )
    for node in nodes.present(azure, pool):
        node_life.leave(azure, node)
    return azure.operations.begin("pools.delete", pool, retry_after=RETRY_AFTER_SECONDS)


def _create(
    azure: context.Azure, pool_id: str, account: store.Resource, body: Mapping[str, Any]
) -> store.Resource:
    now = iso8601.timestamp(azure.now)
    copied: model.JsonObject = json.loads(json.dumps(body))
    properties = pool_body.with_defaults(copied.get("properties") or {})
    properties.update(
        {
            "creationTime": now,
            "provisioningState": "Succeeded",
            "provisioningStateTransitionTime": now,
            "allocationState": "Steady",
            "allocationStateTransitionTime": now,
        }
    )
    document = {
        "id": pool_id,
        "name": resource_ids.name(pool_id),
        "type": TYPE,
        "properties": properties,
        **{field: copied[field] for field in ("identity", "tags") if copied.get(field)},
    }
    state: model.JsonObject = {"targets": [0, 0], "granted": [0, 0], "location": account.location}
    pool = azure.store.add(store.Resource(id=pool_id, type=TYPE, document=document, state=state))
    _note_subnet(pool)
    _apply_scale(azure, pool)
    return pool


def _replace(
    azure: context.Azure,
    request: model.Request,
    account: store.Resource,
    pool: store.Resource,
    body: Mapping[str, Any],
) -> model.Response:
    """A PUT on an existing pool: what it changes must be changeable now, and what it leaves out
    takes its default.
    """
    _check_staying(pool)
    pool_checks.check(azure, account, body)
    given = pool_body.with_defaults(body.get("properties") or {})
    before = pool_body.with_defaults(pool.properties)
    changed = {name: value for name, value in given.items() if value != before.get(name)}
    gone = dict.fromkeys(before.keys() - given.keys())
    pool_body.check_update({**changed, **gone}, has_nodes=_has_nodes(azure, pool))
    for name in gone:
        del pool.properties[name]
    _change(azure, pool, body, changed)
    return _answer(azure, request, pool)


def _change(
    azure: context.Azure,
    pool: store.Resource,
    body: Mapping[str, Any],
    given: Mapping[str, Any],
) -> None:
    """Write changed properties; a changed scale begins a resize."""
    if "scaleSettings" in given:
        scaling.check_steady(pool)
    merged = pool_body.with_defaults({**pool.properties, **given})
    if "identity" in body or not pool_body.UPDATABLE_WITH_NODES.issuperset(given):
        identity = body.get("identity") or pool.document.get("identity") or {}
        whole = {"identity": identity, "properties": merged}
        pool_checks.check(azure, scaling.account_of(azure, pool), whole)
    pool_checks.check_parts(given)
    pool_checks.check_kinds_of_nodes({**pool.properties, **given})
    applications.check(azure, scaling.account_of(azure, pool), given)
    pool_parts.check_start_task(merged, pool_body.identity_ids(pool.document))
    kept = {name: pool.properties[name] for name in pool.properties if name not in merged}
    kept.pop("startTask", None)
    pool.document["properties"] = {**kept, **merged}
    for field in ("identity", "tags"):
        if field in body:
            pool.document[field] = body[field]
    _note_subnet(pool)
    if "scaleSettings" in given:
        _apply_scale(azure, pool)


def _apply_scale(azure: context.Azure, pool: store.Resource) -> None:
    pool.cancel("evaluate")
    if autoscaling.is_enabled(pool):
        autoscaling.start(azure, pool)
    else:
        scaling.begin(azure, pool, pool_body.targets(pool.properties))


def _answer(azure: context.Azure, request: model.Request, pool: store.Resource) -> model.Response:
    """200 with the changed pool and its new ETag."""
    _stamp(azure, pool)
    return model.json_response(200, azure.show(pool, request), arm.version_headers(pool))


def _stamp(azure: context.Azure, pool: store.Resource) -> None:
    pool.properties["lastModified"] = iso8601.timestamp(azure.now)
    pool.document["etag"] = f'W/"{odata.new_etag(azure)}"'
    pool.state["modified"] = azure.now


def _require(azure: context.Azure, pool_id: str) -> store.Resource:
    """The pool; Batch itself says PoolNotFound where the account is there."""
    pool = azure.store.find(pool_id)
    if pool is None:
        arm.require(azure, resource_ids.parent(pool_id))
        raise problems.not_found("Pool")
    return pool


def _has_nodes(azure: context.Azure, pool: store.Resource) -> bool:
    """Nodes that are there, leaving, or on their way."""
    is_steady = pool.properties["allocationState"] == "Steady"
    return bool(nodes.of_pool(azure, pool)) or not is_steady


def _check_staying(pool: store.Resource) -> None:
    if pool.properties["provisioningState"] == "Deleting":
        raise problems.conflict("PoolBeingDeleted", "The specified pool is being deleted.")


def _check_pool_quota(azure: context.Azure, account: store.Resource) -> None:
    quota = quotas.of_account(azure, account)["poolQuota"]
    if len(azure.store.children(account.id, TYPE)) >= quota:
        message = f"The Batch account has reached its pool quota of {quota}."
        raise problems.conflict("PoolQuotaReached", message)


def _note_subnet(pool: store.Resource) -> None:
    """A subnet with a pool in it cannot be deleted."""
    network = pool.properties.get("networkConfiguration") or {}
    writing.set_uses(pool, network.get("subnetId"))
