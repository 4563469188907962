"""What a plan says about the pools that exist: what would be done to each, and what is refused."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

from activities import pool_impact
from activities.pool_impact import Impact
from shared.base.errors import Problem
from shared.engine.activity import PollState, Services
from shared.model.plan_documents import PoolChange
from shared.model.plans import BuildPlan, PoolPlan
from shared.model.results import Findings

_ANY_TIME = PollState(now="2000-01-01T00:00:00Z")  # what is asked here depends on no time
_SIDE_BY_SIDE = 8
_BUSY = "BuildRunning"


def impacts(plan: BuildPlan, found: Findings, services: Services) -> list[tuple[PoolPlan, Impact]]:
    """What the build would do to each pool: without a Batch account, it creates them all. Nothing
    is known without an image that should be there, or where a blocker hides the account.
    """
    endpoint = plan.account.endpoint if plan.account else None
    if plan.image is None and found.image is None:
        return []
    if endpoint is None:
        return [] if found.blockers else [(p, Impact(action="create")) for p in plan.pools]

    def look(pool: PoolPlan) -> Impact:
        impact = pool_impact.of(services, pool, found.image, _ANY_TIME, endpoint)
        return impact if impact.refused else _or_busy(services, pool, impact)

    with ThreadPoolExecutor(max_workers=_SIDE_BY_SIDE) as workers:
        return list(zip(plan.pools, workers.map(look, plan.pools), strict=True))


def _or_busy(services: Services, pool: PoolPlan, impact: Impact) -> Impact:
    """The impact, refused where another build is at work on the pool; it waits for a change."""
    at_work = services.records.at_work_on(pool.account.name, pool.pool_id, pool.resource)
    if at_work is None or at_work == pool.build_id or services.records.is_change(at_work):
        return impact
    message = f"build {at_work} is at work on pool {pool.pool_id}: wait for it to end"
    return dataclasses.replace(impact, refused=_BUSY, message=message)


def shown(found: list[tuple[PoolPlan, Impact]]) -> list[PoolChange]:
    """The changes as the answer has them."""
    return [
        PoolChange(
            pool=pool.pool_id,
            action=impact.action,
            reasons=impact.reasons,
            removed_nodes=impact.removed,
            running_nodes=impact.running,
        )
        for pool, impact in found
    ]


def problems(plan: BuildPlan, found: list[tuple[PoolPlan, Impact]]) -> list[Problem]:
    """What the step of a pool would refuse. A build that makes an image finds it in its checks."""
    return [] if plan.image is not None else _refusals(found)


def warnings(plan: BuildPlan, found: list[tuple[PoolPlan, Impact]]) -> list[Problem]:
    """The pools that other builds shape: they may do so no longer when the image is there."""
    return [] if plan.image is None else [p for p in _refusals(found) if p.code == _BUSY]


def _refusals(found: list[tuple[PoolPlan, Impact]]) -> list[Problem]:
    return [
        Problem(field=f"pools[{index}].id", code=impact.refused, message=impact.message)
        for index, (_, impact) in enumerate(found)
        if impact.refused
    ]
