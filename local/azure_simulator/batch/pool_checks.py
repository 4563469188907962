"""What a new or changed pool may not say, as far as it depends on the rest of the world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.azure_simulator import context, resource_ids, store
from local.azure_simulator.batch import (
    applications,
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
    network = properties.get("networkConfiguration") or {}
    _check_subnet(azure, account, network)
    _check_addresses(azure, account, network)
    _check_size_fits(pool_body.machine(properties), network, size)
    _check_placement(account, pool_body.machine(properties))
    _check_communication(properties, size)
    applications.check(azure, account, properties)
    check_parts(properties)
    check_kinds_of_nodes(properties)


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


def _check_addresses(
    azure: context.Azure, account: store.Resource, network: Mapping[str, Any]
) -> None:
    """Own public addresses are static ones of the account's region.
    https://learn.microsoft.com/azure/batch/create-pool-public-ip
    """
    public = network.get("publicIPAddressConfiguration") or {}
    path = "properties.networkConfiguration.publicIPAddressConfiguration.ipAddressIds"
    for address_id in public.get("ipAddressIds") or []:
        address = azure.store.find(address_id)
        if address is None or not address.is_type("Microsoft.Network/publicIPAddresses"):
            raise problems.invalid_value("ipAddressIds", path, address_id, "It is not found.")
        is_static = address.properties.get("publicIPAllocationMethod") == "Static"
        if not is_static or not regions.same(address.location, account.location):
            reason = "It must be static and in the region of the Batch account."
            raise problems.invalid_value("ipAddressIds", path, address_id, reason)


def _check_size_fits(
    configuration: Mapping[str, Any], network: Mapping[str, Any], size: skus.Size
) -> None:
    """What a size cannot do, as far as Batch looks at it before anything is allocated."""
    able = size.capabilities()
    disks = configuration.get("dataDisks") or []
    if len(disks) > int(able["MaxDataDiskCount"]):
        reason = f"The size takes {able['MaxDataDiskCount']} data disks."
        raise problems.invalid_value("dataDisks", "properties.dataDisks", len(disks), reason)
    if (
        network.get("enableAcceleratedNetworking")
        and able["AcceleratedNetworkingEnabled"] != "True"
    ):
        reason = f"{size.name} has no accelerated networking."
        raise problems.invalid_value("enableAcceleratedNetworking", "properties", True, reason)


def _check_placement(account: store.Resource, configuration: Mapping[str, Any]) -> None:
    policy = (configuration.get("nodePlacementConfiguration") or {}).get("policy", "")
    if str(policy).lower() == "zonal" and not regions.has_zones(account.location):
        reason = f"The region {account.location} has no availability zones."
        raise problems.invalid_value("policy", "properties", policy, reason)


def _communicates(properties: Mapping[str, Any]) -> bool:
    return str(properties.get("interNodeCommunication", "")).lower() == "enabled"


def _check_communication(properties: Mapping[str, Any], size: skus.Size) -> None:
    """InfiniBand does not reach from zone to zone.
    https://learn.microsoft.com/azure/batch/create-pool-availability-zones
    """
    placement = pool_body.machine(properties).get("nodePlacementConfiguration") or {}
    is_zonal = str(placement.get("policy", "")).lower() == "zonal"
    if is_zonal and size.has_infiniband and _communicates(properties):
        reason = "Zonal pools of this size cannot have inter-node communication."
        raise problems.invalid_value("policy", "properties", placement["policy"], reason)


def check_kinds_of_nodes(properties: Mapping[str, Any]) -> None:
    """The text is the service's: https://github.com/Azure/aztk/issues/226"""
    fixed = (properties.get("scaleSettings") or {}).get("fixedScale") or {}
    targets = [fixed.get(f"target{kind}Nodes") or 0 for kind in ("Dedicated", "LowPriority")]
    if _communicates(properties) and all(targets):
        message = (
            "Pool cannot have both TargetDedicatedNodes and TargetLowPriorityNodes specified if "
            "communication is enabled."
        )
        raise problems.refusal(400, "InvalidPropertyValue", message, {})
