"""Whether Batch understands a pool's autoscale formula, asked before anything is created.

Batch evaluates a formula only over a pool that scales itself already. Where the account has none,
the PUT of the pool is the first evaluation; Batch then refuses a formula with a mistake in it.
"""

from __future__ import annotations

from activities import batch_pool
from shared.azure import failures, pool_keeps, resource_state, sdk
from shared.base import names
from shared.base.errors import Problem
from shared.engine.activity import Json, PollState, Services
from shared.model.plans import BuildPlan, PoolPlan


def problems(services: Services, plan: BuildPlan, account: Json, poll: PollState) -> list[Problem]:
    """The formulas that cannot be evaluated; each is evaluated over the pool of its own name, if
    that scales itself, else over any other.
    """
    asked = [(i, pool, pool.pool.formula) for i, pool in enumerate(plan.pools) if pool.pool.formula]
    if not asked or plan.account is None:
        return []
    pools = batch_pool.listed(services, plan.account.account_id, poll.now)
    scaling = [pool["name"] for pool in pools if pool_keeps.auto_scale(pool)]
    endpoint = resource_state.properties(account)["accountEndpoint"]
    found = []
    for index, pool, formula in asked if scaling else []:
        why = _problem(services, endpoint, _over(pool, scaling), formula)
        if why:
            field = f"pools[{index}].{'autoscale' if pool.pool.autoscale else 'autoscaleFormula'}"
            message = f"Batch cannot evaluate it: {why}"
            found.append(Problem(field=field, code="FormulaInvalid", message=message))
    return found


def _over(pool: PoolPlan, scaling: list[str]) -> str:
    return next((name for name in scaling if names.same(name, pool.pool_id)), scaling[0])


def _problem(services: Services, endpoint: str, pool: str, formula: str | None) -> str | None:
    """What Batch says of the formula; None where it can be evaluated, or the pool has gone."""
    from azure.core.exceptions import HttpResponseError

    service = services.azure.batch_service(endpoint)
    try:
        run = sdk.fetch(service.evaluate_pool_auto_scale, pool, {"autoScaleFormula": formula})
    except HttpResponseError as error:
        if error.status_code != 400:
            return None  # another request has changed that pool: its PUT evaluates
        code, message = failures.code_and_message(error.response)
        return f"{code}: {message}"
    failed = (run or {}).get("error") or {}
    return f"{failed.get('code')}: {failed.get('message')}" if failed else None
