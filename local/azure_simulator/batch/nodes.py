"""The nodes of a pool: finding them, counting them, and their states."""

from __future__ import annotations

from local.azure_simulator import context, resource_ids, store
from local.azure_simulator.batch import iso8601
from local.azure_simulator.data import skus

TYPE = "simulator.batchNode"
_LOW_PRIORITY_SHARE = 0.2  # of the price of a dedicated node


def of_pool(azure: context.Azure, pool: store.Resource) -> list[store.Resource]:
    """All nodes that are listed, oldest first."""
    return azure.store.children(pool.id, TYPE)


def present(azure: context.Azure, pool: store.Resource) -> list[store.Resource]:
    """The nodes that stay."""
    return [node for node in of_pool(azure, pool) if node.document["state"] != "leavingpool"]


def counts(azure: context.Azure, pool: store.Resource) -> tuple[int, int]:
    """Staying nodes: dedicated and low priority."""
    kinds = [bool(node.document["isDedicated"]) for node in present(azure, pool)]
    return kinds.count(True), kinds.count(False)


def pool_of(azure: context.Azure, node: store.Resource) -> store.Resource:
    pool = azure.store.find(resource_ids.parent(node.id))
    assert pool is not None  # nodes go with their pool
    return pool


def size_of(pool: store.Resource) -> skus.Size:
    size = skus.find(pool.properties["vmSize"])
    assert size is not None  # checked when the pool was made
    return size


PREEMPTED_AFTER_SECONDS = 5.0


def perhaps_preempt(azure: context.Azure, node: store.Resource, operation: str) -> None:
    """An injected fault may take a Spot node while something runs on it."""
    if node.document["isDedicated"]:
        return
    fault = azure.faults.on_operation(operation, node, "preempt")
    if fault is not None:
        data = {"returnsAfter": fault.get("retryAfter", 600)}
        azure.schedule(node, "preempt", PREEMPTED_AFTER_SECONDS, data)


def set_state(azure: context.Azure, node: store.Resource, state: str) -> None:
    if node.document["state"] != state:
        node.document["state"] = state
        node.document["stateTransitionTime"] = iso8601.timestamp(azure.now)


def count_cost(azure: context.Azure, pool: store.Resource) -> None:
    """Nodes are paid for as long as they exist, whatever their state; one that was preempted has no
    machine.
    """
    dedicated, low_priority = counts(azure, pool)
    states = [node.document["state"] for node in present(azure, pool)]
    low_priority -= states.count("preempted")
    price = size_of(pool).price_per_hour
    pool.cost_per_hour = price * (dedicated + low_priority * _LOW_PRIORITY_SHARE)
