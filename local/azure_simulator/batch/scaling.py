"""How pools grow and shrink: `Resizing` for minutes, then `Steady`, perhaps with errors.

What a resize will get is decided when it begins, so that two pools never get the same cores of a
quota; the pool shows it when it ends.
"""

# ruff: noqa: ARG001 - events share one signature

from __future__ import annotations

from collections.abc import Sequence

from local.azure_simulator import context, model, resource_ids, store
from local.azure_simulator.batch import (
    images,
    iso8601,
    node_life,
    nodes,
    planes,
    pool_checks,
    problems,
    quotas,
    resizing,
)
from local.azure_simulator.data import skus

Errors = Sequence[resizing.Error]


def register(azure: context.Azure) -> None:
    azure.on(planes.POOL_TYPE, "resized", _resized)
    azure.on(planes.POOL_TYPE, "stopped", _stopped)


def account_of(azure: context.Azure, pool: store.Resource) -> store.Resource:
    account = azure.store.find(resource_ids.parent(pool.id))
    assert account is not None  # pools go with their account
    return account


def check_steady(pool: store.Resource) -> None:
    """409 while a resize is under way."""
    if pool.properties["allocationState"] != "Steady":
        raise problems.invalid_for_state("The pool is being resized.")


def set_targets(pool: store.Resource, dedicated: int, low_priority: int) -> None:
    """Write a fixed scale's targets, keeping its other values."""
    fixed = pool.properties["scaleSettings"].setdefault("fixedScale", {"resizeTimeout": "PT15M"})
    fixed.update({"targetDedicatedNodes": dedicated, "targetLowPriorityNodes": low_priority})


def begin(
    azure: context.Azure,
    pool: store.Resource,
    targets: tuple[int, int],
    *,
    leaving: Sequence[str] = (),
) -> None:
    """Start towards `targets` (dedicated, low priority); `leaving` names nodes to go first."""
    pool.state["targets"] = list(targets)
    removed = _let_leave(azure, pool, targets, leaving)
    growth = _growth(azure, pool, targets)
    grant = resizing.grant(growth)
    present = nodes.counts(azure, pool)
    granted = [present[0] + grant.dedicated, present[1] + grant.low_priority]
    seconds, errors = _duration(azure, pool, growth, grant, has_removals=removed)
    if errors != grant.errors:  # timed out: what was granted did not come
        granted = list(present)
    pool.state["granted"] = granted
    timeout = _timeout(pool)
    _set_allocation(azure, pool, "Resizing")
    pool.properties["resizeOperationStatus"] = {
        "targetDedicatedNodes": targets[0],
        "targetLowPriorityNodes": targets[1],
        "nodeDeallocationOption": _deallocation(pool),
        "resizeTimeout": timeout,
        "startTime": iso8601.timestamp(azure.now),
    }
    shown = [error.to_resource_manager() for error in errors]
    azure.schedule(pool, "resized", seconds, {"errors": shown})


def stop(azure: context.Azure, pool: store.Resource) -> None:
    """End a resize where it is: `Stopping`, then `Steady` with ResizeStopped."""
    if pool.properties["allocationState"] != "Resizing":
        raise problems.invalid_for_state("The pool is not being resized.")
    pool.cancel("resized")
    _set_allocation(azure, pool, "Stopping")
    pool.state["granted"] = list(nodes.counts(azure, pool))
    azure.schedule(pool, "stopped", azure.duration("pools.stop", pool))


def cores_used(
    azure: context.Azure, account: store.Resource, size: skus.Size
) -> tuple[int, int, int]:
    """Cores that the account's pools hold: dedicated, low priority, dedicated of this family."""
    dedicated = low_priority = family = 0
    for pool in azure.store.children(account.id, planes.POOL_TYPE):
        held = pool_checks.size_of(pool.properties, account)
        cores = [count * held.cores for count in pool.state["granted"]]
        dedicated, low_priority = dedicated + cores[0], low_priority + cores[1]
        family += cores[0] if held.family.lower() == size.family.lower() else 0
    return dedicated, low_priority, family


def _growth(
    azure: context.Azure, pool: store.Resource, targets: tuple[int, int]
) -> resizing.Growth:
    account = account_of(azure, pool)
    size = pool_checks.size_of(pool.properties, account)
    present = nodes.counts(azure, pool)
    pool.state["granted"] = list(present)
    wanted = [max(0, target - there) for target, there in zip(targets, present, strict=True)]
    return resizing.Growth(
        dedicated=wanted[0],
        low_priority=wanted[1],
        present=sum(present),
        cores_per_node=size.cores,
        quota=_free_quota(azure, account, size),
        communicates=str(pool.properties["interNodeCommunication"]).lower() == "enabled",
        refusals=_refusals(azure, pool, size) if any(wanted) else (),
    )


def _free_quota(azure: context.Azure, account: store.Resource, size: skus.Size) -> resizing.Quota:
    properties = quotas.of_account(azure, account)
    used = cores_used(azure, account, size)
    limits = (properties["dedicatedCoreQuota"], properties["lowPriorityCoreQuota"])
    free = [
        None if limit is None else limit - taken
        for limit, taken in zip(limits, used[:2], strict=True)
    ]
    family: int | None = None
    if properties["dedicatedCoreQuotaPerVMFamilyEnforced"]:
        listed = {
            item["name"].lower(): item["coreQuota"]
            for item in properties["dedicatedCoreQuotaPerVMFamily"]
        }
        family = listed.get(size.family.lower(), 0) - used[2]
    return resizing.Quota(
        account_dedicated=free[0],
        account_low_priority=free[1],
        family_dedicated=family,
        family=size.family,
    )


def _refusals(azure: context.Azure, pool: store.Resource, size: skus.Size) -> Errors:
    """Why no machine can be made at all: an injected failure, or the image."""
    fault = azure.faults.failure("pools.allocate", pool)
    if fault is not None:
        return (resizing.from_fault(fault),)
    location = account_of(azure, pool).location
    allocated = images.allocate(azure, pool.properties, size, location)
    if isinstance(allocated, resizing.Error):
        return (allocated,)
    pool.state["contents"] = allocated
    return ()


def _duration(
    azure: context.Azure,
    pool: store.Resource,
    growth: resizing.Growth,
    grant: resizing.Grant,
    *,
    has_removals: bool,
) -> tuple[float, Errors]:
    """Seconds until the resize ends, and with which errors: its time-out may come first."""
    operation = "pools.settle"
    if grant.dedicated + grant.low_priority > 0:
        operation = "pools.allocate"
    elif growth.dedicated + growth.low_priority > 0:
        operation = "pools.refuse"
    elif has_removals:
        operation = "pools.shrink"
    seconds = azure.duration(operation, pool)
    timeout = iso8601.seconds(_timeout(pool))
    if operation == "pools.allocate" and seconds > timeout:
        return timeout, (*grant.errors, resizing.allocation_timed_out())
    return seconds, grant.errors


def _let_leave(
    azure: context.Azure,
    pool: store.Resource,
    targets: tuple[int, int],
    named: Sequence[str],
) -> bool:
    """Mark the surplus as leaving: nodes named first, then the newest of each kind."""
    leaving = [node for node in nodes.present(azure, pool) if node.name in named]
    for node in leaving:
        node_life.leave(azure, node)
    for is_dedicated, target in zip((True, False), targets, strict=True):
        kept = [
            node
            for node in nodes.present(azure, pool)
            if node.document["isDedicated"] == is_dedicated
        ]
        for node in kept[target:]:
            node_life.leave(azure, node)
            leaving.append(node)
    return bool(leaving)


def _resized(azure: context.Azure, pool: store.Resource, data: model.JsonObject) -> None:
    _end(azure, pool, data["errors"])
    wanted = pool.state["granted"]
    for is_dedicated, count, there in zip(
        (True, False), wanted, nodes.counts(azure, pool), strict=True
    ):
        for _ in range(count - there):
            node_life.create(azure, pool, is_dedicated=is_dedicated)
    nodes.count_cost(azure, pool)


def _stopped(azure: context.Azure, pool: store.Resource, data: model.JsonObject) -> None:
    _end(azure, pool, [resizing.resize_stopped().to_resource_manager()])
    nodes.count_cost(azure, pool)


def _end(azure: context.Azure, pool: store.Resource, errors: list[model.JsonObject]) -> None:
    node_life.remove_leaving(azure, pool)
    _set_allocation(azure, pool, "Steady")
    if errors:
        pool.properties["resizeOperationStatus"]["errors"] = errors


def _set_allocation(azure: context.Azure, pool: store.Resource, state: str) -> None:
    pool.properties["allocationState"] = state
    pool.properties["allocationStateTransitionTime"] = iso8601.timestamp(azure.now)


def _timeout(pool: store.Resource) -> str:
    fixed = pool.properties["scaleSettings"].get("fixedScale") or {}
    return str(fixed.get("resizeTimeout") or "PT15M")


def _deallocation(pool: store.Resource) -> str:
    fixed = pool.properties["scaleSettings"].get("fixedScale") or {}
    return str(fixed.get("nodeDeallocationOption") or "Requeue")
