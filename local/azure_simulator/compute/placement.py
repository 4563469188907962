"""Whether a machine of some size can be placed: the size, its restrictions, the quota."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NoReturn

from local.azure_simulator import context, faults, model, store
from local.azure_simulator.data import locations, quotas, skus

VM_TYPE = "Microsoft.Compute/virtualMachines"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """One line of the usage list of a region."""

    name: str
    label: str
    used: int
    limit: int


def require_size(name: str, location: str) -> skus.Size:
    """The size; 400 where the region does not know it."""
    size = skus.find(name)
    if size is None or locations.canonical(location) not in size.regions:
        known = [item.name for item in skus.SIZES.values() if location in item.regions]
        model.refuse(
            400,
            "InvalidParameter",
            f"The value {name} provided for the VM size is not valid. The valid sizes in the "
            f"current region are: {', '.join(known)}. Find out more on the available VM sizes in "
            "each region at https://aka.ms/azure-regions.",
            target="vmSize",
        )
    return size


def is_restricted(azure: context.Azure, size: skus.Size, location: str) -> bool:
    is_listed = locations.canonical(location) in size.restricted_regions
    return bool(azure.setting(f"restricted:{size.name}", is_listed))


def check_available(
    azure: context.Azure, size: skus.Size, location: str, zones: Sequence[str] = ()
) -> None:
    """409 where the subscription may not use the size in the region, or in a zone asked for."""
    if is_restricted(azure, size, location) or set(zones) & set(size.restricted_zones):
        model.refuse(
            409,
            "SkuNotAvailable",
            "The requested VM size for resource 'Following SKUs have failed for Capacity "
            f"Restrictions: {size.name}' is currently not available in location '{location}'. "
            "Please try another size or deploy to a different location or different zone. See "
            "https://aka.ms/azureskunotavailable for details.",
        )


def check_quota(
    azure: context.Azure, size: skus.Size, location: str, *, is_spot: bool, freed: int = 0
) -> None:
    """409 OperationNotAllowed when the cores do not fit; `freed` cores of the family come back."""
    known = {usage.name: usage for usage in usages(azure, locations.canonical(location))}
    for name in ("lowPriorityCores",) if is_spot else (size.family, "cores"):
        usage = known[name]
        if usage.used - freed + size.cores > usage.limit:
            quota = {
                "name": usage.label if name != size.family else f"{size.family} Cores",
                "location": location,
                "limit": usage.limit,
                "usage": usage.used,
                "required": size.cores - freed,
            }
            model.refuse(409, "OperationNotAllowed", faults.quota_text(quota))


def usages(azure: context.Azure, location: str) -> list[Usage]:
    """Quota and use in a region. Stopped and deallocated machines count, as in Azure."""
    machines = [
        item for item in azure.store.of_type(VM_TYPE) if locations.same(item.location, location)
    ]
    cores: dict[str, int] = {}
    for machine in machines:
        for name in _quota_names(machine):
            cores[name] = cores.get(name, 0) + machine.state["cores"]
    families = dict.fromkeys(size.family for size in skus.SIZES.values())
    rows = [
        ("cores", "Total Regional Cores", quotas.TOTAL_CORES),
        ("lowPriorityCores", "Total Regional Low-priority Cores", quotas.LOW_PRIORITY_CORES),
        *((name, f"{name} vCPUs", quotas.FAMILY_CORES.get(name, quotas.DEFAULT_CORES))
          for name in families),
    ]  # fmt: skip
    found = [
        Usage(
            name=name,
            label=label,
            used=cores.get(name, 0),
            limit=int(azure.setting(f"quota:{name}", limit)),
        )
        for name, label, limit in rows
    ]
    machine_count = Usage(
        name="virtualMachines",
        label="Virtual Machines",
        used=len(machines),
        limit=int(azure.setting("quota:virtualMachines", quotas.VIRTUAL_MACHINES)),
    )
    return [machine_count, *found]


def _quota_names(machine: store.Resource) -> tuple[str, ...]:
    if machine.state["isSpot"]:
        return ("lowPriorityCores",)
    return ("cores", machine.state["family"])


def refuse_image(urn: str) -> NoReturn:
    model.refuse(
        404,
        "PlatformImageNotFound",
        f"The platform image '{urn}' is not available. Verify that all fields in the storage "
        "profile are correct. For more details about storage profile information, please refer "
        "to https://aka.ms/storageprofile",
        target="imageReference",
    )
