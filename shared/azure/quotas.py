"""Check from Azure's lists whether sizes are offered and quotas suffice. Pure: Azure's JSON in,
problems out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from shared.azure import resource_state
from shared.base.errors import Problem
from shared.base.wire import Wire
from shared.model import catalogue

Json = dict[str, Any]


class Size(Wire):
    """A VM size as a region offers it."""

    name: str
    family: str
    cores: int
    generations: list[str]
    architecture: str
    trusted_launch: bool
    gpus: int
    controllers: list[str] = ["SCSI"]  # of disks
    ends: str | None = None  # when Batch ends its support of the size, if that is announced
    cache_gib: int = 0  # for an ephemeral disk of the system
    data_disks: int = 0
    accelerated_networking: bool = False
    encryption_at_host: bool = False
    rdma: bool = False  # it has InfiniBand

    @property
    def needs_nvme(self) -> bool:
        """Whether it boots only images whose definition says that they know NVMe."""
        return self.controllers == ["NVMe"]


def sizes_by_name(skus: list[Json]) -> dict[str, Json]:
    """The VM sizes among Azure's resource SKUs, by lower-case name."""
    return {s["name"].lower(): s for s in skus if s.get("resourceType") == "virtualMachines"}


def read_size(sku: Json) -> Size:
    """One of Azure's SKUs (their capabilities are all strings)."""
    found = {c["name"]: c["value"] for c in sku.get("capabilities") or []}
    return Size(
        name=sku["name"],
        family=sku.get("family") or sku.get("familyName") or "",
        cores=int(float(found.get("vCPUsAvailable") or found.get("vCPUs") or 0)),
        generations=found.get("HyperVGenerations", "V1,V2").split(","),
        architecture=found.get("CpuArchitectureType", "x64"),
        trusted_launch=found.get("TrustedLaunchDisabled", "False") != "True",
        gpus=int(float(found.get("GPUs") or 0)),
        controllers=re.split(r",\s*", found.get("DiskControllerTypes") or "SCSI"),
        ends=sku.get("batchSupportEndOfLife"),
        cache_gib=int(found.get("CachedDiskBytes") or 0) // 2**30
        if found.get("EphemeralOSDiskSupported") == "True"
        else 0,
        data_disks=int(found.get("MaxDataDiskCount") or 0),
        encryption_at_host=found.get("EncryptionAtHostSupported") == "True",
        accelerated_networking=found.get("AcceleratedNetworkingEnabled") == "True",
        rdma=found.get("RdmaEnabled") == "True",
    )


def gpus_beyond_catalogue(sizes: Iterable[Size]) -> dict[str, int]:
    """By lower-case name, how many GPUs Azure counts where the catalogue of sizes says otherwise.

    A size that the catalogue knows keeps its count where Azure's list leaves the capability out.
    """
    return {
        size.name.lower(): size.gpus
        for size in sizes
        if size.gpus != catalogue.gpus_in(size.name, {})
        and (size.gpus or catalogue.gpu_of(size.name) is None)
    }


def offered(sku: Json | None, location: str) -> bool:
    """Whether a size may be used in a region: a restriction of the whole location forbids it."""
    if sku is None:
        return False
    for restriction in sku.get("restrictions") or []:
        where = (
            (restriction.get("restrictionInfo") or {}).get("locations")
            or restriction.get("values")
            or []
        )
        if restriction.get("type") == "Location" and location.lower() in {w.lower() for w in where}:
            return False
    return True


def compute_shortage(
    field: str, size: Size, usages: list[Json], others: Iterable[Size], *, spot: bool, location: str
) -> Problem | None:
    """Whether one more VM of this size fits the subscription's compute quotas; where it does not,
    which of the `others` would.
    """
    free = {
        str((u.get("name") or {}).get("value", "")).lower(): int(u["limit"])
        - int(u["currentValue"])
        for u in usages
    }

    def room(other: Size) -> int:
        names = ["lowprioritycores"] if spot else ["cores", other.family.lower()]
        return min(free.get(name, other.cores) for name in names)

    wanted = {"lowprioritycores"} if spot else {"cores", size.family.lower()}
    for usage in usages:
        name = str((usage.get("name") or {}).get("value", ""))
        if name.lower() in wanted and free[name.lower()] < size.cores:
            message = (
                f"{size.name} needs {size.cores} cores of quota {name!r} in {location}: the limit "
                f"is {usage['limit']}, {usage['currentValue']} are in use, so "
                f"{max(free[name.lower()], 0)} are free. {_fitting(size, 1, others, room)}"
            )
            return Problem(field=field, code="QuotaExceeded", message=message)
    return None


_SUGGESTIONS = 3


def _fitting(size: Size, nodes: int, others: Iterable[Size], room: Callable[[Size], int]) -> str:
    """The sizes most like `size` of which so many nodes fit; `room` returns a size's free cores."""
    like = [
        other
        for other in others
        if bool(other.gpus) == bool(size.gpus)
        and other.architecture == size.architecture
        and "V2" in other.generations
        and 0 < other.cores * nodes <= room(other)
    ]
    like.sort(key=lambda o: (o.family != size.family, abs(o.cores - size.cores), o.name))
    if not like:
        asked = f"{nodes} nodes of a like size" if nodes > 1 else "a like size"
        return f"There is no room for {asked}; ask for a higher quota."
    names = ", ".join(other.name for other in like[:_SUGGESTIONS])
    return f"What would fit: {names}. Or ask for a higher quota."


def used_cores(pools: list[Json], sizes: dict[str, Size], except_: set[str]) -> dict[str, int]:
    """Cores that existing pools claim, by family in lower case ("" for the sum): Batch has no such
    number itself.
    """
    used: dict[str, int] = {"": 0}
    for size, nodes in _claimed(pools, sizes, except_, "Dedicated"):
        used[""] += nodes * size.cores
        family = size.family.lower()
        used[family] = used.get(family, 0) + nodes * size.cores
    return used


def used_low_priority_cores(pools: list[Json], sizes: dict[str, Size], except_: set[str]) -> int:
    """Cores that the low-priority nodes of existing pools claim."""
    claimed = _claimed(pools, sizes, except_, "LowPriority")
    return sum(size.cores * nodes for size, nodes in claimed)


def _claimed(
    pools: list[Json], sizes: dict[str, Size], except_: set[str], kind: str
) -> Iterator[tuple[Size, int]]:
    """The size of each pool, and how many nodes of a kind it has or is to have."""
    for pool in pools:
        found = resource_state.properties(pool)
        size = sizes.get(str(found.get("vmSize", "")).lower())
        if size is None or pool.get("name", "").lower() in except_:
            continue
        fixed = (found.get("scaleSettings") or {}).get("fixedScale") or {}
        target = int(fixed.get(f"target{kind}Nodes") or 0)
        yield size, max(target, int(found.get(f"current{kind}Nodes") or 0))


def low_priority_shortage(
    account: Json, needs: list[tuple[str, Size, int]], used: int
) -> Problem | None:
    """Whether the low-priority nodes of all pools together exceed the account's quota, which is one
    for all families.
    """
    found = resource_state.properties(account)
    limit = found.get("lowPriorityCoreQuota")
    cores = sum(size.cores * nodes for _, size, nodes in needs)
    if limit is None or used + cores <= int(limit):  # None: the subscription's quotas apply
        return None
    message = (
        f"{sum(n for *_, n in needs)} low-priority nodes need {cores} cores: the account's limit "
        f"of low-priority cores is {limit}, {used} are claimed. Ask for fewer lowPriorityNodes or "
        "a higher quota"
    )
    field = needs[0][0] if len(needs) == 1 else "pools"
    return Problem(field=field, code="QuotaExceeded", message=message)


def batch_shortages(
    account: Json,
    needs: list[tuple[str, Size, int]],
    used: dict[str, int],
    others: Iterable[Size] = (),
) -> list[Problem]:
    """Which core quotas of the account the asked pools exceed together, one problem for each, and
    which of the `others` would fit. `needs` is (field, size, nodes) of each pool.
    """
    found = resource_state.properties(account)
    if found.get("poolAllocationMode") == "UserSubscription":
        return []  # the subscription's own quotas apply
    families = {
        f["name"].lower(): int(f["coreQuota"])
        for f in found.get("dedicatedCoreQuotaPerVMFamily") or []
    }
    enforced = bool(found.get("dedicatedCoreQuotaPerVMFamilyEnforced"))
    total = int(found.get("dedicatedCoreQuota") or 0)
    others = list(others)

    def room(size: Size) -> int:
        return min(_free(quota, used) for quota in quotas_of(size))

    def quotas_of(size: Size) -> list[tuple[str, str, int]]:
        """The quotas of one size: name, family in lower case, limit."""
        of_family = (size.family, size.family.lower(), families.get(size.family.lower(), 0))
        return [*([of_family] if enforced else []), ("all families", "", total)]

    concerned: dict[tuple[str, str, int], list[tuple[str, Size, int]]] = {}
    for need in needs:
        for quota in quotas_of(need[1]):
            concerned.setdefault(quota, []).append(need)
    return [
        _shortage(quota, used, pools, others, room)
        for quota, pools in concerned.items()
        if sum(size.cores * nodes for _, size, nodes in pools) > _free(quota, used)
    ]


def _free(quota: tuple[str, str, int], used: dict[str, int]) -> int:
    _, family, limit = quota
    return max(0, limit - used.get(family, 0))


def _shortage(
    quota: tuple[str, str, int],
    used: dict[str, int],
    pools: list[tuple[str, Size, int]],
    others: list[Size],
    room: Callable[[Size], int],
) -> Problem:
    """One quota that the pools exceed together, and how many nodes of their sizes fit in all."""
    name, family, limit = quota
    cores = sum(size.cores * nodes for _, size, nodes in pools)
    (field, first, _), nodes = pools[0], sum(nodes for *_, nodes in pools)
    sizes = {size.name: size for _, size, _ in pools}
    fitting = [
        f"{room(size) // max(1, size.cores)} nodes of {name}" for name, size in sizes.items()
    ]
    who = f"{nodes} nodes of {' and '.join(sizes)}"
    message = (
        f"{who}{f' in {len(pools)} pools' if len(pools) > 1 else ''} need {cores} cores ({name}): "
        f"the account's limit is {limit}, {used.get(family, 0)} are claimed. "
        f"{' or '.join(fitting)} would fit in all. {_fitting(first, nodes, others, room)}"
    )
    return Problem(
        field=field if len(pools) == 1 else "pools", code="QuotaExceeded", message=message
    )


# -- for the metrics ------------------------------------------------------------------------------

Use = tuple[str, int, int]
"""Of one quota: its name, the cores in use, the limit."""


def compute_uses(usages: list[Json]) -> list[Use]:
    """The core quotas of a region of which something is in use."""
    named = [(str((u.get("name") or {}).get("value", "")), u) for u in usages]
    cores = [(name, u) for name, u in named if name.lower().endswith(("cores", "family"))]
    found = [(name, int(u["currentValue"]), int(u["limit"])) for name, u in cores]
    return [use for use in found if use[1]]


def batch_uses(account: Json, pools: list[Json], sizes: dict[str, Size]) -> list[Use]:
    """The core quotas of a Batch account of which its pools claim something."""
    found = resource_state.properties(account)
    families = found.get("dedicatedCoreQuotaPerVMFamily") or []
    limits = {f["name"].lower(): int(f["coreQuota"]) for f in families}
    limits[""] = int(found.get("dedicatedCoreQuota") or 0)
    used = used_cores(pools, sizes, set())
    return [(name or "cores", cores, limits.get(name, 0)) for name, cores in used.items() if cores]
