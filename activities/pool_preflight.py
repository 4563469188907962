"""Checks of the pools before a build creates anything; see `preflight`."""

from __future__ import annotations

import difflib

from activities import batch_pool, batch_systems, preflight
from shared.azure import cache, quotas, resource_state, sdk
from shared.azure.quotas import Size
from shared.base import names
from shared.base.errors import Problem
from shared.base.wire import replace
from shared.engine.activity import Json, PollState, Services, short_activity
from shared.model import catalogue, drivers, support
from shared.model.outcomes import ImageRecord
from shared.model.plans import AccountPlan, BuildPlan, ImageReference, PoolPlan
from shared.model.requests import IfExists
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
    sizes, today = _batch_sizes(services, account.location, poll)
    problems = [
        p for i, pool in enumerate(plan.pools) if (p := _pool_problem(i, pool, sizes, today))
    ]
    warnings = _sizes_ending_soon(plan, sizes, today) + support.too_few_planned(plan)
    found = _batch_account(services, account, poll)
    is_there = _is_ready(found)
    if found is not None and is_there and not problems:
        problems += _quota_problems(services, plan, found, sizes, poll)
        system = batch_systems.check(services, plan, found, poll)
        problems += system.blockers
        warnings += system.warnings
    if found is None and (problem := _no_more_accounts(services, account)):
        problems.append(problem)
    counted = quotas.gpus_beyond_catalogue(_sizes_of_pools(plan, sizes))
    if image := plan.image:
        problems += drivers.pool_problems(plan.pools, counted, gpu=image.gpu, driver=image.driver)
    endpoint = None
    if is_there and names.same((found or {}).get("location"), account.location):
        endpoint = resource_state.properties(found).get("accountEndpoint")
    return Findings(blockers=problems, warnings=warnings, endpoint=endpoint, gpus=counted)


def _sizes_of_pools(plan: BuildPlan, sizes: dict[str, Size]) -> list[Size]:
    """Those that Batch takes, as it describes them."""
    named = [name for pool in plan.pools for name in pool.sizes]
    return [sizes[name.lower()] for name in named if name.lower() in sizes]


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


def _batch_sizes(
    services: Services, location: str, poll: PollState
) -> tuple[dict[str, Size], str | None]:
    """By lower-case name, and when Azure said so."""

    def ask() -> tuple[dict[str, Size], str | None]:
        calls = services.azure.batch.location
        listed, at = sdk.listed_at(calls.list_supported_virtual_machine_skus, location)
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
    index: int, pool: PoolPlan, sizes: dict[str, Size], today: str | None
) -> Problem | None:
    """Why none of the pool's sizes can be used; None where at least one can."""
    reasons = []
    for name in pool.sizes:
        size = sizes.get(name.lower())
        if size is None:
            reasons.append(
                ("SizeNotOffered", f"Batch does not take {name} in {pool.account.location}")
            )
        elif mismatch := preflight.size_mismatch(size, pool.security_type):
            reasons.append(("SizeUnsuitable", mismatch))
        elif support.is_over(size.ends, today):
            reasons.append(("SupportEnded", support.ended(size.name, size.ends)))
        else:
            return None
    code, _ = reasons[0]
    message = "; ".join(text for _, text in reasons)
    return Problem(field=f"pools[{index}].vmSize", code=code, message=message)


def _quota_problems(
    services: Services, plan: BuildPlan, account: Json, sizes: dict[str, Size], poll: PollState
) -> list[Problem]:
    assert plan.account is not None
    pools = batch_pool.listed(services, plan.account, poll)
    asked = {p.pool_id.lower() for p in plan.pools}
    needs = [
        (f"pools[{i}].nodes", sizes[p.size.lower()], p.pool.nodes)
        for i, p in enumerate(plan.pools)
        if not p.pool.autoscale_formula and p.size.lower() in sizes
    ]
    used = quotas.used_cores(pools, sizes, asked)
    problems = quotas.batch_shortages(account, needs, used, sizes.values())
    limit = int(resource_state.properties(account).get("poolQuota") or 0)
    new = asked - {p["name"].lower() for p in pools}
    if plan.image is not None:  # otherwise the pool step finds this before anything is created
        problems += _existing(plan, {p["name"].lower() for p in pools})
    if len(pools) + len(new) > limit:
        message = f"the account may have {limit} pools, has {len(pools)}, and would get {len(new)}"
        problems.append(Problem(field="pools", code="QuotaExceeded", message=message))
    return problems


def _existing(plan: BuildPlan, there: set[str]) -> list[Problem]:
    return [
        Problem(
            field=f"pools[{index}].id",
            code="PoolExists",
            message=f'pool {pool.pool_id} exists already: say "ifExists": "update" or "replace"',
        )
        for index, pool in enumerate(plan.pools)
        if pool.pool.if_exists is IfExists.FAIL and pool.pool_id.lower() in there
    ]


# -- an existing image (batch-only) ---------------------------------------------------------------


@short_activity(
    BuildPlan,
    Findings,
    verb="find the image",
    subject=lambda plan: plan.image_ref.definition if plan.image_ref else "",
)
def check_image(services: Services, plan: BuildPlan, poll: PollState) -> Findings:
    """Find the image to use on Azure, and its contents in the records."""
    wanted, account = plan.image_ref, plan.account
    assert wanted is not None
    assert account is not None
    newest = services.records.image(
        wanted.gallery, wanted.definition, "latest", wanted.resource_group
    )
    found, others = _find_image(services, wanted, newest, poll)
    if found is None:
        return Findings(blockers=[_not_found(services, wanted, others)])
    replicas = _replicas(found)
    regions = list(replicas)
    if account.location not in regions:
        message = (
            f"version {found['name']} has no replica in {account.location}, where the account is; "
            f"it is in {', '.join(regions)}"
        )
        problem = Problem(field="image", code="ImageNotInRegion", message=message)
        return Findings(blockers=[problem])
    image = _describe(services, wanted, found, regions)
    if wanted.gpu and not image.gpu_enabled:
        message = (
            f"version {image.version} of {image.image_name} has no GPU driver ({image.base_os})"
        )
        problem = Problem(field="image.gpu", code="ImageUnsuitable", message=message)
        return Findings(blockers=[problem])
    sizes, _ = _batch_sizes(services, account.location, poll)
    counted = quotas.gpus_beyond_catalogue(_sizes_of_pools(plan, sizes))
    if not image.build_id and any(
        catalogue.gpus_in(name, counted) for pool in plan.pools for name in pool.sizes
    ):
        image = replace(image, gpu_enabled=True)  # no record says so: the nodes will prove it
    unsuitable = drivers.pool_problems(
        plan.pools, counted, gpu=image.gpu_enabled, driver=image.driver_kind
    )
    unsuitable += _controller_problems(services, plan, wanted, sizes)
    warnings = support.too_few_in_image(plan.pools, image, replicas)
    return Findings(blockers=unsuitable, warnings=warnings, image=image)


def _replicas(version: Json) -> dict[str, int]:
    """How many replicas an image version has, by region."""
    profile = resource_state.properties(version).get("publishingProfile") or {}
    return {
        str(region.get("name", "")).replace(" ", "").lower(): int(
            region.get("regionalReplicaCount") or profile.get("replicaCount") or 1
        )
        for region in profile.get("targetRegions") or []
    }


def _controller_problems(
    services: Services, plan: BuildPlan, wanted: ImageReference, sizes: dict[str, Size]
) -> list[Problem]:
    """Which pools' sizes boot from NVMe disks only, where the image cannot."""
    if not any(size.needs_nvme for size in _sizes_of_pools(plan, sizes)):
        return []
    calls = services.azure.compute.gallery_images
    path = (wanted.resource_group, wanted.gallery, wanted.definition)
    features = resource_state.features(sdk.fetch(calls.get, *path))
    return [
        Problem(field=f"pools[{index}].vmSize", code="SizeUnsuitable", message=why)
        for index, pool in enumerate(plan.pools)
        for name in pool.sizes
        if name.lower() in sizes
        if (why := preflight.nvme_mismatch(sizes[name.lower()], features))
    ]


def _find_image(
    services: Services, wanted: ImageReference, newest: ImageRecord | None, poll: PollState
) -> tuple[Json | None, list[Json]]:
    """The version to use, and all versions. One that is found is cached for a minute or until a
    newer one is recorded, because pool requests for one image come in bursts.
    """

    def ask() -> tuple[Json | None, list[Json]]:
        versions = _versions(services, wanted)
        if wanted.version == "latest":
            return _newest(versions), versions
        return next((v for v in versions if v["name"] == wanted.version), None), versions

    image = (wanted.resource_group, wanted.gallery, wanted.definition, wanted.version)
    key = ("image", *image, newest.version if newest else "")
    return services.cache.get(key, poll.now, ask, lambda f: f[0] is not None, cache.A_MINUTE)


def _versions(services: Services, wanted: ImageReference) -> list[Json]:
    from azure.core.exceptions import ResourceNotFoundError

    calls = services.azure.compute.gallery_image_versions
    path = (wanted.resource_group, wanted.gallery, wanted.definition)
    try:
        return sdk.listed(calls.list_by_gallery_image, *path)
    except ResourceNotFoundError:
        return []


def _newest(versions: list[Json]) -> Json | None:
    """The version that Azure resolves `latest` to: the highest number that is ready and not
    excluded.
    """
    usable = [
        v
        for v in versions
        if resource_state.provisioning(v) == "ready"
        and not (resource_state.properties(v).get("publishingProfile") or {}).get(
            "excludeFromLatest"
        )
    ]
    return max(usable, key=lambda v: names.parse_version(v["name"]) or (0, 0, 0), default=None)


def _not_found(services: Services, wanted: ImageReference, versions: list[Json]) -> Problem:
    """The blocker, with the existing versions or, by similarity, the images' names."""
    if versions:
        there = ", ".join(sorted(v["name"] for v in versions))
        message = f"{wanted.definition} has no usable version {wanted.version}; it has: {there}"
        return Problem(field="image.version", code="ImageNotFound", message=message)
    there_are = {f"{i.gallery_name}/{i.image_name}" for i in services.records.images()}
    name = f"{wanted.gallery}/{wanted.definition}"
    near = difflib.get_close_matches(name, there_are, n=5, cutoff=0.0)
    there = f"known images are: {', '.join(near)}" if near else "no image has been built yet"
    message = f"there is no image {name} in resource group {wanted.resource_group}; {there}"
    return Problem(field="image.name", code="ImageNotFound", message=message)


def _describe(
    services: Services, wanted: ImageReference, found: Json, regions: list[str]
) -> ImageRecord:
    group = wanted.resource_group
    version = found["name"]
    record = services.records.image(wanted.gallery, wanted.definition, version, group)
    if record is not None:
        return record
    return ImageRecord(  # not built by batch-prep: only the request describes it
        image_id=found["id"],
        node_agent_sku=wanted.node_agent,
        gallery_name=wanted.gallery,
        image_name=wanted.definition,
        version=version,
        vm_size="",
        location=found["location"],
        base_os=wanted.os,
        gpu_enabled=wanted.gpu,
        resource_group=group,
        build_id="",
        created_at="",
        target_regions=regions,
    )
