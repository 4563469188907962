"""Checks of the pools before a build creates anything; see `preflight`."""

from __future__ import annotations

from activities import (
    account_access,
    batch_pool,
    batch_systems,
    formula_check,
    named_resources,
    pool_conflicts,
    pool_disks,
    pool_impact,
    preflight,
)
from shared.azure import cache, quotas, resource_state, sdk
from shared.azure.quotas import Size
from shared.base import names
from shared.base.errors import Problem
from shared.engine.activity import Json, PollState, Services, short_activity
from shared.model import (
    catalogue,
    disk_size,
    drivers,
    field_words,
    image_choice,
    infiniband,
    plan_updates,
    support,
)
from shared.model.outcomes import ImageRecord
from shared.model.plans import AccountPlan, BuildPlan, PoolPlan
from shared.model.pool_request import Pool
from shared.model.results import Findings

# -- the Batch account ----------------------------------------------------------------------------


@short_activity(
    BuildPlan,
    Findings,
    verb="look up the Batch account and its quotas",
    subject=lambda plan: plan.account.account_id if plan.account else "",
)
def check_batch(services: Services, plan: BuildPlan, poll: PollState) -> Findings:
    """Check the sizes that Batch accepts and, where the account exists, its quotas and the node
    agents that it supports.
    """
    account = plan.account
    assert account is not None
    sizes, today = batch_sizes(services, account.location, poll)
    if not sizes:
        return Findings(blockers=[preflight.no_region(services, plan, poll)])
    disk = plan.image.os_disk_gib or disk_size.DEFAULT_GIB if plan.image else None
    problems = [
        p
        for i, pool in enumerate(plan.pools)
        if (p := _pool_problem(i, pool, sizes, today, disk, builds=plan.image is not None))
    ]
    warnings = _sizes_ending_soon(plan, sizes, today) + support.too_few_planned(plan)
    found = _batch_account(services, account, poll)
    is_there = _is_ready(found)
    elsewhere = pool_conflicts.region_problem(account, found) if found else None
    closed = account_access.problem(services, found) if found and is_there else None
    problems += [problem for problem in (elsewhere, closed) if problem]
    present: dict[str, str] = {}
    if found is not None and is_there and not problems:
        present = pool_impact.present_sizes(services, plan, poll)
        plan = plan_updates.in_present_sizes(plan, present)
        problems += _quota_problems(services, plan, found, sizes, poll)
        if plan.image is not None:  # otherwise `existing_image` knows what the pools get
            problems += interruptions(services, plan, None, poll)
        system = batch_systems.check(services, plan, found, poll)
        problems += system.blockers
        warnings += system.warnings
        problems += formula_check.problems(services, plan, found, poll)
    problems += named_resources.pool_problems(services, plan.pools)
    problems += named_resources.package_problems(services, plan.pools)
    if plan.image:
        problems += pool_disks.problems(plan.pools, [d.lun for d in plan.image.data_disks], sizes)
    problems += _zone_problems(services, plan, account.location, poll)
    unmade = _account_problem(services, account) if found is None else None
    problems += [unmade] if unmade else pool_conflicts.on_record_elsewhere(services, plan)
    counted = quotas.gpus_beyond_catalogue(sizes_of_pools(plan, sizes))
    rdma = infiniband.sizes_with_it(sizes_of_pools(plan, sizes))
    problems += infiniband.zonal_problems(plan.pools, rdma)
    if image := plan.image:
        warnings += infiniband.warnings(plan.pools, rdma, in_image=image.infiniband)
        unsuitable = drivers.pool_problems(plan.pools, counted, gpu=image.gpu, driver=image.driver)
        problems += image_choice.advised(unsuitable, services.records.images(), plan.pools, counted)
        problems += drivers.diagnosis_problems(
            plan.pools, counted, has_dcgm=image.dcgm, driver=image.driver
        )
    is_usable = is_there and closed is None and elsewhere is None
    endpoint = resource_state.properties(found).get("accountEndpoint") if is_usable else None
    return Findings(
        blockers=problems,
        warnings=warnings,
        endpoint=endpoint,
        gpus=counted,
        rdma_sizes=rdma,
        pool_sizes=present,
        busy_pools=pool_impact.at_work(services, plan, present, endpoint),
    )


def agent_problems(
    services: Services, plan: BuildPlan, image: ImageRecord, poll: PollState
) -> list[Problem]:
    """Whether the account, if it is there, lists the node agent of the image for Arm64."""
    account = plan.account
    assert account is not None
    found = _batch_account(services, account, poll)
    if image.architecture == catalogue.BUILT_FOR or found is None or not _is_ready(found):
        return []
    if account_access.problem(services, found):
        return []
    return batch_systems.check_agent(services, image.node_agent_sku, found, poll).blockers


def interruptions(
    services: Services, plan: BuildPlan, image: ImageRecord | None, poll: PollState
) -> list[Problem]:
    """Which pools' tasks the request would interrupt without saying so."""
    account = plan.account
    assert account is not None
    found = _batch_account(services, account, poll)
    if found is None or not _is_ready(found) or account_access.problem(services, found):
        return []
    there = pool_impact.present_sizes(services, plan, poll)
    plan = plan_updates.in_present_sizes(plan, there)
    pools = [(i, pool) for i, pool in enumerate(plan.pools) if pool.pool_id.lower() in there]
    endpoint = resource_state.properties(found)["accountEndpoint"]
    return pool_impact.interruptions(services, pools, image, poll, endpoint)


def sizes_of_pools(plan: BuildPlan, sizes: dict[str, Size]) -> list[Size]:
    """Those that Batch takes, as it describes them."""
    named = [name for pool in plan.pools for name in pool.sizes]
    return [sizes[name.lower()] for name in named if name.lower() in sizes]


def _account_problem(services: Services, account: AccountPlan) -> Problem | None:
    """Why the account cannot be created, or None."""
    lacking = _no_more_accounts(services, account)
    return lacking or named_resources.account_problem(services, account)


def _no_more_accounts(services: Services, account: AccountPlan) -> Problem | None:
    """Whether the region has as many Batch accounts as the subscription may have there."""
    limits = sdk.fetch(services.azure.batch.location.get_quotas, account.location) or {}
    here = [
        f"{found['name']} (resource group {found['id'].split('/')[4]})"
        for found in sdk.listed(services.azure.batch.batch_account.list)
        if names.same(found.get("location"), account.location)
    ]
    limit = limits.get("accountQuota")
    if limit is None or len(here) < int(limit):
        return None
    message = (
        f"the subscription may have {limit} Batch accounts in {account.location}, and has "
        f"{', '.join(sorted(here))}: name one of them, or ask for a higher quota"
    )
    return Problem(field="batchAccount.name", code="QuotaExceeded", message=message)


def _batch_account(services: Services, account: AccountPlan, poll: PollState) -> Json | None:
    """The account; one that exists is cached for a minute, because pool requests come in bursts."""

    def ask() -> Json | None:
        calls = services.azure.batch.batch_account
        return sdk.fetch(calls.get, account.resource_group, account.name)

    key = ("batch account", account.account_id.lower())
    return services.cache.get(key, poll.now, ask, _is_ready, cache.A_MINUTE)


def _is_ready(found: Json | None) -> bool:
    return resource_state.provisioning(found) == "ready"


def batch_sizes(
    services: Services, location: str, poll: PollState
) -> tuple[dict[str, Size], str | None]:
    """The sizes that Batch takes in a region, by lower-case name, and when Azure said so. There are
    none where it is not offered.
    """
    from azure.core.exceptions import ResourceNotFoundError

    def ask() -> tuple[dict[str, Size], str | None]:
        calls = services.azure.batch.location
        try:
            listed, at = sdk.listed_at(calls.list_supported_virtual_machine_skus, location)
        except ResourceNotFoundError:
            return {}, None
        return {s["name"].lower(): quotas.read_size(s) for s in listed}, at

    return services.cache.get(("batch sizes", location), poll.now, ask)


def _sizes_ending_soon(plan: BuildPlan, sizes: dict[str, Size], today: str | None) -> list[Problem]:
    return [
        warning
        for index, pool in enumerate(plan.pools)
        for name in pool.sizes
        if (size := sizes.get(name.lower()))
        for warning in support.ends_soon(f"pools[{index}].vmSize", size.name, size.ends, today)
    ]


def _pool_problem(
    index: int,
    pool: PoolPlan,
    sizes: dict[str, Size],
    today: str | None,
    disk: int | None,
    *,
    builds: bool,
) -> Problem | None:
    """Why none of the pool's sizes can be used; None where at least one can. `disk` is the size of
    the image's disk, if it is known.
    """
    reasons = []
    for name in pool.sizes:
        size = sizes.get(name.lower())
        if size is None:
            reasons.append(
                (
                    "SizeNotOffered",
                    f"Batch does not take {name} in {pool.account.location}"
                    + field_words.near(name, (each.name for each in sizes.values()), most=3),
                )
            )
        elif mismatch := preflight.size_mismatch(
            size, pool.security_type, builds=builds
        ) or _lacking(size, pool.pool, disk):
            reasons.append(("SizeUnsuitable", mismatch))
        elif support.is_over(size.ends, today):
            reasons.append(("SupportEnded", support.ended(size.name, size.ends)))
        else:
            return None
    code, _ = reasons[0]
    message = "; ".join(text for _, text in reasons)
    return Problem(field=f"pools[{index}].vmSize", code=code, message=message)


def _lacking(size: Size, pool: Pool, disk: int | None) -> str | None:
    """What the pool asks of a size that this one does not have, or None."""
    slots = _SLOTS_OF_A_CORE * size.cores
    if slots and pool.task_slots_per_node > slots:
        return f"{size.name} takes {slots} tasks at once, not {pool.task_slots_per_node}"
    if len(pool.data_disks) > size.data_disks:
        return f"{size.name} takes {size.data_disks} data disks, not {len(pool.data_disks)}"
    if pool.enable_accelerated_networking and not size.accelerated_networking:
        return f"{size.name} has no accelerated networking"
    encrypts = pool.security_profile and pool.security_profile.encryption_at_host
    if encrypts and not size.encryption_at_host:
        return f"{size.name} has no encryption at host"
    if pool.os_disk and pool.os_disk.ephemeral_os_disk_settings:
        needed = pool.os_disk.disk_size_gb or disk or _LINUX_DISK_GIB
        if size.cache_gib < needed:
            return (
                f"{size.name} has a cache of {size.cache_gib} GiB, and an ephemeral disk of the "
                f"system needs {needed} GiB"
            )
    return None


def _zone_problems(
    services: Services, plan: BuildPlan, region: str, poll: PollState
) -> list[Problem]:
    """Pools over zones that their region does not have."""
    zonal = [
        index
        for index, pool in enumerate(plan.pools)
        if (placement := pool.pool.node_placement_configuration) and placement.policy == "Zonal"
    ]
    if not zonal or preflight.has_zones(services, region, poll):
        return []
    message = f"{region} has no availability zones"
    field = "nodePlacementConfiguration.policy"
    return [
        Problem(field=f"pools[{index}].{field}", code="ZonesNotOffered", message=message)
        for index in zonal
    ]


_LINUX_DISK_GIB = 30  # of Azure's smallest images
# https://learn.microsoft.com/rest/api/batchmanagement/pool/create (taskSlotsPerNode)
_SLOTS_OF_A_CORE = 4


def _quota_problems(
    services: Services, plan: BuildPlan, account: Json, sizes: dict[str, Size], poll: PollState
) -> list[Problem]:
    assert plan.account is not None
    pools = batch_pool.listed(services, plan.account.account_id, poll.now)
    uses = quotas.batch_uses(account, pools, sizes)
    services.telemetry.quotas(plan.account.name, plan.account.location, uses)
    asked = {p.pool_id.lower() for p in plan.pools}
    needs = [
        (f"pools[{i}].nodes", sizes[p.size.lower()], p.pool.nodes)
        for i, p in enumerate(plan.pools)
        if not p.pool.formula and p.size.lower() in sizes
    ]
    used = quotas.used_cores(pools, sizes, asked)
    problems = quotas.batch_shortages(account, needs, used, sizes.values())
    problems += _low_priority_problems(plan, account, pools, sizes, asked)
    problems += _job_problems(plan, account)
    limit = int(resource_state.properties(account).get("poolQuota") or 0)
    new = asked - {p["name"].lower() for p in pools}
    if plan.image is not None:  # otherwise the pool step finds this before anything is created
        problems += pool_conflicts.with_pools(plan, pools)
    if len(pools) + len(new) > limit:
        message = f"the account may have {limit} pools, has {len(pools)}, and would get {len(new)}"
        problems.append(Problem(field="pools", code="QuotaExceeded", message=message))
    return problems


def _low_priority_problems(
    plan: BuildPlan, account: Json, pools: list[Json], sizes: dict[str, Size], asked: set[str]
) -> list[Problem]:
    needs = [
        (f"pools[{i}].lowPriorityNodes", sizes[p.size.lower()], p.pool.low_priority_nodes)
        for i, p in enumerate(plan.pools)
        if p.pool.low_priority_nodes and p.size.lower() in sizes
    ]
    used = quotas.used_low_priority_cores(pools, sizes, asked)
    problem = quotas.low_priority_shortage(account, needs, used)
    return [problem] if problem else []


def _job_problems(plan: BuildPlan, account: Json) -> list[Problem]:
    """The verification needs an active job. Azure shows the quota of these and not how many are
    active, so only a quota of zero is a problem.
    """
    if resource_state.properties(account).get("activeJobAndJobScheduleQuota") != 0:
        return []
    message = "the account may have no active job, and the verification is one"
    return [
        Problem(field=f"pools[{i}].verify", code="QuotaExceeded", message=message)
        for i, pool in enumerate(plan.pools)
        if pool.pool.verify
    ]
