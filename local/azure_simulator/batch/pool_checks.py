"""What a new or changed pool may not say, as far as it depends on the rest of the world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.azure_simulator import context, resource_ids, store
from local.azure_simulator.batch import (
    autoscale,
    images,
    locations,
    pool_body,
    problems,
    support_ends,
)
from local.azure_simulator.data import locations as regions
from local.azure_simulator.data import skus
from local.azure_simulator.network import subnets

# The service's variables that formulas may read.
VARIABLES = (
    "$ActiveTasks",
    "$RunningTasks",
    "$PendingTasks",
    "$SucceededTasks",
    "$FailedTasks",
    "$TaskSlotsPerNode",
    "$CurrentDedicatedNodes",
    "$CurrentLowPriorityNodes",
    "$PreemptedNodeCount",
    "$UsableNodeCount",
    "$CPUPercent",
    "$TargetDedicatedNodes",
    "$TargetLowPriorityNodes",
)


def check(azure: context.Azure, account: store.Resource, body: Mapping[str, Any]) -> None:
    """Refuse a whole pool body: 400 with the first thing that is wrong."""
    properties = body.get("properties") or {}
    pool_body.check(body)
    size = size_of(properties, account)
    if support_ends.has_passed(azure, locations.end_of_support(azure, size)):
        reason = f"The VM size '{size.name}' is not supported any more."
        raise problems.invalid_value("vmSize", "properties.vmSize", size.name, reason)
    pool_body.check_task_slots(properties, size.cores)
    images.check(azure, pool_body.machine(properties))
    _check_identities(azure, body)
    _check_subnet(azure, account, properties.get("networkConfiguration") or {})
    check_parts(properties)


def size_of(properties: Mapping[str, Any], account: store.Resource) -> skus.Size:
    """The pool's size; 400 for one that Batch does not take in the account's region."""
    name = str(properties["vmSize"])
    size = skus.find(name)
    if size is None or not locations.is_supported(size, account.location):
        reason = f"The specified VM size '{name}' is not supported in {account.location}."
        raise problems.invalid_value("vmSize", "properties.vmSize", name, reason)
    return size


def check_parts(properties: Mapping[str, Any]) -> None:
    """The checks of what may change at any time: scale, its formula, the start task."""
    pool_body.check_scale(properties)
    pool_body.check_start_task(properties.get("startTask"))
    scale = (properties.get("scaleSettings") or {}).get("autoScale") or {}
    if scale.get("formula"):
        evaluate(scale["formula"], {})


def evaluate(formula: str, observed: Mapping[str, float], now: float = 0.0) -> autoscale.Evaluation:
    """Evaluate over a pool's variables, those not given being 0; 400 if that fails."""
    try:
        return autoscale.evaluate(formula, {**dict.fromkeys(VARIABLES, 0.0), **observed}, now)
    except autoscale.FormulaError as error:
        message = "The specified autoscale formula contains an error."
        values = {"Reason": str(error)}
        raise problems.refusal(400, "AutoScalingFormulaSyntaxError", message, values) from error


def _check_identities(azure: context.Azure, body: Mapping[str, Any]) -> None:
    for identity_id in pool_body.identity_ids(body):
        if azure.store.find(identity_id) is None:
            reason = "The specified managed identity is not found."
            raise problems.invalid_value("identity", "identity", identity_id, reason)


def _check_subnet(
    azure: context.Azure, account: store.Resource, network: Mapping[str, Any]
) -> None:
    """A subnet must exist, in a network of the account's region."""
    subnet_id = network.get("subnetId")
    if not subnet_id:
        return
    path = "properties.networkConfiguration.subnetId"
    vnet = azure.store.find(resource_ids.parent(subnet_id))
    if vnet is None or subnets.find(azure, subnet_id) is None:
        raise problems.invalid_value("subnetId", path, subnet_id, "The subnet is not found.")
    if not regions.same(vnet.location, account.location):
        reason = "The subnet is in another region than the Batch account."
        raise problems.invalid_value("subnetId", path, subnet_id, reason)
