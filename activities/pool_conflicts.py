"""Conflicts of a build with an existing Batch account and its pools; see `preflight`."""

from __future__ import annotations

from collections.abc import Sequence

from activities import batch_pool
from shared.azure import resource_state
from shared.base import names
from shared.base.errors import Problem
from shared.engine.activity import Json, Services
from shared.model.plans import AccountPlan, BuildPlan, PoolPlan
from shared.model.pool_request import IfExists


def region_problem(account: AccountPlan, found: Json) -> Problem | None:
    """Whether the account that Azure has `found` is in another region than the request says."""
    where = found.get("location")
    if names.same(where, account.location):
        return None
    message = (
        f"Batch account {account.name} (resource group {account.resource_group}) is in {where}, "
        f"not in {account.location}: give {where}, or name another account"
    )
    return Problem(field="batchAccount.location", code="Conflict", message=message)


def with_pools(plan: BuildPlan, there: Sequence[Json]) -> list[Problem]:
    """Which pools the account has already, although batch-prep did not make them or the request
    says that there must be none. One that is being deleted is not in the way.
    """
    by_name = {
        pool["name"].lower(): pool
        for pool in there
        if resource_state.provisioning(pool) != "deleting"
    }
    problems = []
    for index, pool in enumerate(plan.pools):
        found = by_name.get(pool.pool_id.lower())
        if found is not None and (refused := refusal(pool, found)):
            code, message = refused
            problems.append(Problem(field=f"pools[{index}].id", code=code, message=message))
    return problems


def refusal(pool: PoolPlan, found: Json) -> tuple[str, str] | None:
    """Code and message, where the request may not change the pool that is there."""
    if batch_pool.shaped_by(found) is None:
        message = f"pool {pool.pool_id} exists, and batch-prep did not make it: choose another id"
        return "Conflict", message
    if pool.pool.if_exists is IfExists.FAIL:
        message = f'pool {pool.pool_id} exists already: say "ifExists": "update" or "replace"'
        return "PoolExists", message
    return None


def on_record_elsewhere(services: Services, plan: BuildPlan) -> list[Problem]:
    """Which pools are on record as pools of another account of that name, in another resource
    group: a record is found by the names of account and pool, and there can be only one.
    """
    problems = []
    for index, pool in enumerate(plan.pools):
        record = services.records.pool(pool.account.name, pool.pool_id)
        if record is None or record.state == "gone":
            continue
        if names.same(record.resource(pool.account.subscription_id), pool.resource):
            continue
        message = (
            f"pool {record.pool_id} is on record as a pool of another Batch account "
            f"{record.batch_account}, in resource group {record.resource_group} "
            f"({record.location}): choose another id, or delete that pool first"
        )
        problems.append(Problem(field=f"pools[{index}].id", code="Conflict", message=message))
    return problems
