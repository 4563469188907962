"""Adds to a plan what becomes known while a build runs: tags, facts of Azure, the image. Pure."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime, timedelta

from shared.base import names
from shared.base.wire import replace
from shared.model import catalogue
from shared.model.outcomes import ImageRecord
from shared.model.plans import AccountPlan, BuildPlan, GroupPlan, PoolPlan
from shared.model.pool_request import IfExists
from shared.model.results import Findings


def stamped(plan: BuildPlan, now: datetime) -> BuildPlan:
    """The plan with the tags that everything it creates carries: build, creation, expiry; what is
    made for the image also has those of the request.
    """
    hours = plan.image.keep_hours if plan.image else 4.0
    tags = {
        names.TAG_BUILD: plan.build_id,
        names.TAG_CREATED: _iso(now),
        names.TAG_EXPIRES: _iso(now + timedelta(hours=hours)),
    }
    image = plan.image
    if image is not None:
        registry = image.registry
        if registry is not None:
            registry = replace(registry, tags=image.tags | tags)
        image = replace(image, tags=image.tags | tags, registry=registry)
    account = replace(plan.account, tags=tags) if plan.account else None
    pools = [replace(pool, tags=tags, account=account or pool.account) for pool in plan.pools]
    return replace(plan, image=image, account=account, pools=pools)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def group_of(account: AccountPlan) -> GroupPlan:
    """The resource group of a Batch account."""
    return GroupPlan(name=account.resource_group, location=account.location, tags=account.tags)


def with_facts(plan: BuildPlan, facts: Findings) -> BuildPlan:
    """The plan with what the checks found: the marketplace image and the builder sizes that Azure
    offers, the endpoint of a Batch account that exists, and the warnings.
    """
    plan = with_warnings(plan, facts)
    if facts.endpoint:
        plan = with_endpoint(plan, facts.endpoint)
    if facts.rdma_sizes:
        pools = [replace(pool, rdma_sizes=facts.rdma_sizes) for pool in plan.pools]
        plan = replace(plan, pools=pools)
    if facts.gpus:
        pools = [_with_gpus(pool, facts.gpus) for pool in plan.pools]
        image = replace(plan.image, gpus=facts.gpus) if plan.image else None
        plan = replace(plan, image=image, pools=pools)
    plan = in_present_sizes(plan, facts.pool_sizes, facts.busy_pools)
    if plan.image is None or facts.base is None:
        return plan
    size, *others = facts.sizes or plan.image.sizes
    disk = plan.image.os_disk_gib or facts.os_disk_gib
    image = replace(plan.image, base=facts.base, size=size, other_sizes=others, os_disk_gib=disk)
    image = replace(image, identity_client_id=facts.identity_client_id)
    return replace(plan, image=replace(image, last_good_kernel=facts.last_good_kernel))


def with_warnings(plan: BuildPlan, facts: Findings) -> BuildPlan:
    """The plan with the warnings of checks, each once however often its check ran."""
    new = [warning for warning in facts.warnings if warning not in plan.warnings]
    return replace(plan, warnings=[*plan.warnings, *new])


def _with_gpus(pool: PoolPlan, gpus: dict[str, int]) -> PoolPlan:
    return replace(pool, gpus=gpus, gpu_count=catalogue.gpus_in(pool.size, gpus))


def with_endpoint(plan: BuildPlan, endpoint: str) -> BuildPlan:
    """The plan with the endpoint of its Batch account."""
    assert plan.account is not None
    account = replace(plan.account, endpoint=endpoint)
    pools = [replace(pool, account=account) for pool in plan.pools]
    return replace(plan, account=account, pools=pools)


def with_image(pool: PoolPlan, image: ImageRecord) -> PoolPlan:
    """The pool's plan once its image is known. It does not name the images that were pulled with a
    user's credentials: the nodes have them, and could not ask their registry for them.
    """
    private = image.registry_login_server is not None
    return replace(
        pool,
        endpoint=pool.account.endpoint or "",
        image_id=image.image_id,
        node_agent=image.node_agent_sku,
        security_type=image.security_type,
        secure_boot=image.secure_boot,
        v_tpm=image.v_tpm,
        container_images=[
            i.name
            for i in image.container_images
            if i.name.partition("/")[0] not in image.signed_registries
        ],
        infiniband=image.infiniband_version is not None,
        pending=image.pending,
        registry_login_server=image.registry_login_server if private else None,
        pull_identity_id=image.pull_identity_id if private else None,
        pull_identities=image.pull_identities,
    )


def in_present_sizes(
    plan: BuildPlan, present: dict[str, str], busy: Container[str] = ()
) -> BuildPlan:
    """The plan of an existing image in which a pool stays in the size that it has, if the request
    names that among others: it got this one where Azure had no capacity for those before it. A
    `busy` pool is tried in no other size, because that takes its nodes.
    """
    if plan.image is not None or not present:
        return plan
    pools = [_first_in(pool, present.get(pool.pool_id.lower(), ""), busy) for pool in plan.pools]
    return replace(plan, pools=pools)


def _first_in(pool: PoolPlan, size: str, busy: Container[str]) -> PoolPlan:
    own = next((each for each in pool.sizes if names.same(each, size)), None)
    if own is None or pool.pool.if_exists is not IfExists.UPDATE:
        return pool
    stays = pool.pool_id.lower() in busy and not pool.pool.interrupt_tasks
    others = [] if stays else [each for each in pool.sizes if each != own]
    return in_size(replace(pool, other_sizes=others), own)


def in_size(pool: PoolPlan, size: str) -> PoolPlan:
    """The pool's plan in another of its sizes, which may have more GPUs or fewer."""
    return replace(pool, size=size, gpu_count=catalogue.gpus_in(size, pool.gpus))
