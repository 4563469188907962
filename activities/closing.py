"""The records of builds that nothing runs any more: closed with an outcome and, before cleanup
takes what was kept, given up.
"""

from __future__ import annotations

from activities import cleanup_facts
from shared.base.errors import Failure, Kind
from shared.base.wire import replace
from shared.engine.activity import NoResult, PollState, Services, short_activity
from shared.model import abandoned_pools, planning, pool_records
from shared.model.outcomes import BuildOutcome
from shared.model.plans import BuildRef, PoolPlan
from shared.model.requests import Build, Mode
from shared.model.results import GivenUp
from shared.store.builds import ENDED, outcome_of

_ADVICE = "Start the request again: what the build had kept has been removed."
_CLEANUP_STEPS = ("|empty_pool", "|remove_pool")  # they say nothing of what the build makes
_MAKES_POOLS = {Mode.FULL, Mode.BATCH_ONLY}


@short_activity(
    BuildRef,
    NoResult,
    verb="close the record of a build that died",
    subject=lambda plan: plan.build_id,
)
def close_build(services: Services, plan: BuildRef, poll: PollState) -> NoResult:
    """A build whose orchestration died gets its outcome after all, with the pools on record."""
    build = plan.build_id
    row = services.records.build(build)
    if row is None or row["State"] in ENDED:
        return NoResult()
    _hand_over(services, build, poll.now)
    error = Failure(
        code="Bug",
        kind=Kind.BUG,
        message="The build's orchestration died without an outcome; what only it needed goes.",
        resource=build,
        next_action="Start the request again under a new id, and report this with the build's id.",
    )
    recorded = [services.records.pool(p.account.name, p.pool_id) for p in _pools(services, build)]
    own = [replace(r, checks=[]) for r in recorded if r and r.build_id == build]
    outcome = BuildOutcome(build_id=build, state="failed", pools=own, error=error)
    services.records.end_dead_build(outcome, poll.now)
    return NoResult()


@short_activity(
    BuildRef,
    NoResult,
    verb="record the pools that were cut off",
    subject=lambda plan: plan.build_id,
)
def hand_over_pools(services: Services, plan: BuildRef, poll: PollState) -> NoResult:
    """Mark pools that the build began and never reported as failed; the sweep removes their
    nodes.
    """
    _hand_over(services, plan.build_id, poll.now)
    return NoResult()


def _hand_over(services: Services, build: str, now: str) -> None:
    for pool in _pools(services, build):
        if _is_unreported(services, pool):
            record = pool_records.failed(pool, abandoned_pools.cut_off(pool), now)
            why = "it was not verified, and no build creates it any more"
            services.records.put_pool(abandoned_pools.handed_over(record, why))


def _pools(services: Services, build: str) -> list[PoolPlan]:
    row = services.records.build(build)
    if row is None or row["Mode"] not in _MAKES_POOLS:
        return []
    return planning.plan_build(Build.from_wire(row["Request"]), services.azure.config).pools


def _is_unreported(services: Services, plan: PoolPlan) -> bool:
    """Whether the build has done something about the pool since it last recorded it."""
    if services.records.holder("pool", plan.resource.lower()) != plan.build_id:
        return False
    seen = [
        str(step["SeenAt"])
        for step in services.records.steps(plan.build_id)
        if step.key.startswith(f"{plan.pool_id}|") and not step.key.endswith(_CLEANUP_STEPS)
    ]
    record = services.records.pool(plan.account.name, plan.pool_id)
    if not seen or record is None or record.build_id != plan.build_id:
        return bool(seen)
    return record.changed_at < max(seen)


@short_activity(
    BuildRef,
    GivenUp,
    verb="record that a build cannot be resumed any more",
    subject=lambda plan: plan.build_id,
)
def give_up_build(services: Services, plan: BuildRef, _: PollState) -> GivenUp:
    row = services.records.build(plan.build_id)
    outcome = outcome_of(row) if row else None
    if row is None or outcome is None:
        return GivenUp()
    if cleanup_facts.made_in(services, plan.build_id) is None:
        return GivenUp(over=True, has_results=True)
    was_kept = outcome.resumable or row["Request"]["image"].get("keepVm")
    if was_kept and outcome.error is not None:
        error = replace(outcome.error, next_action=_ADVICE)
        given_up = replace(outcome, resumable=False, error=error)
        if not services.records.correct_outcome(row, given_up):
            return GivenUp()
    return GivenUp(over=True)
