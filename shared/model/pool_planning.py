"""From a request and the settings to the plans of its Batch account and its pools. Pure."""

from __future__ import annotations

from shared.base import names
from shared.base.settings import Settings
from shared.base.wire import replace
from shared.model import catalogue
from shared.model.plans import AccountPlan, PoolPlan
from shared.model.pool_request import Pool
from shared.model.requests import Build, Mode


def account_location(request: Build, settings: Settings) -> str:
    """Where the account is, or will be."""
    account = request.batch_account
    return (
        (account.location if account else None)
        or request.image.location
        or settings.default_location
    )


def plan_account(build: str, request: Build, settings: Settings) -> AccountPlan | None:
    """The account of the request's pools; None where it has no pools."""
    if request.mode is Mode.IMAGE_ONLY:
        return None
    group = request.image.resource_group or settings.default_resource_group
    account = request.batch_account
    usual = settings.default_batch_account or _default_account(settings, group)
    return AccountPlan(
        build_id=build,
        subscription_id=settings.subscription_id,
        name=account.name if account else usual,
        resource_group=(account.resource_group if account else None) or group,
        location=account_location(request, settings),
    )


def _default_account(settings: Settings, group: str) -> str:
    """The same group always gets the same account; the name is unique in its region."""
    return "batch" + names.digest("account", settings.subscription_id, group.lower())


def plan_pool(
    build: str, account: AccountPlan, pool: Pool, request: Build, settings: Settings
) -> PoolPlan:
    """One pool, which is verified also where it only has checks."""
    default = settings.default_gpu_vm_size if request.image.gpu else settings.default_vm_size
    sizes = sizes_of(pool) or [default]
    if pool.checks or pool.dcgm:  # they are part of the verification
        pool = replace(pool, verify=True)
    return PoolPlan(
        build_id=build,
        account=account,
        pool_id=pool.id or settings.default_pool_id,
        pool=pool,
        size=sizes[0],
        other_sizes=sizes[1:],
        gpu_count=catalogue.gpus_in(sizes[0], {}),
        verify_image=settings.verify_image,
    )


def sizes_of(pool: Pool) -> list[str]:
    """The sizes that are tried in turn; none where the request names none."""
    return pool.vm_sizes or ([pool.vm_size] if pool.vm_size else [])
