"""The records of builds that nothing runs any more: closed with an outcome and, before cleanup
takes what was kept, given up.
"""

from __future__ import annotations

from activities import cleanup_facts
from shared.base.errors import Failure, Kind
from shared.base.wire import replace
from shared.engine.activity import NoResult, PollState, Services, short_activity
from shared.model import pool_records
from shared.model.cleanup import LASTING, Cleanup
from shared.model.outcomes import BuildOutcome
from shared.model.plans import BuildRef, PoolPlan
from shared.model.requests import Mode
from shared.store import acceptance, build_rows
from shared.store.builds import StepMark, outcome_of
from shared.store.row_checks import ENDED
from shared.store.tables import Row

_AGAIN = "Resume the build: it creates only what is missing. Report this with the build's id."
_ADVICE = "Start the request again: what the build had kept has been removed."
_CLEANUP_STEPS = ("|empty_pool", "|remove_pool")  # they say nothing of what the build makes
_MAKES_POOLS = {Mode.FULL, Mode.BATCH_ONLY}


@short_activity(
    BuildRef, NoResult, verb="close a dead build's record", subject=lambda plan: plan.build_id
)
def close_build(services: Services, plan: BuildRef, poll: PollState) -> NoResult:
    """Record the outcome of a build whose orchestration died, with its recorded pools. One that had
    its image, and was resumed for its pools, can be resumed again.
    """
    build = plan.build_id
    row = services.records.build(build)
    if row is None or row["State"] in ENDED:
        return NoResult()
    _hand_over(services, build, poll.now)
    recorded = [services.records.pool(p.account.name, p.pool_id) for p in _pools(services, build)]
    own = [replace(r, checks=[]) for r in recorded if r and r.build_id == build]
    outcome = BuildOutcome(build_id=build, state="failed", pools=own, error=_died(build))
    earlier = BuildOutcome.from_wire(row["Outcome"]) if row.get("Outcome") else None
    if earlier is not None and earlier.image is not None:
        error = replace(_died(build), next_action=_AGAIN)
        outcome = replace(earlier, state="failed", pools=own, error=error)
    services.records.end_dead_build(outcome, poll.now)
    _report(services, row, outcome)
    return NoResult()


def _report(services: Services, row: Row, outcome: BuildOutcome) -> None:
    """The build and the steps that have no end, because nothing ran that could report it."""
    assert outcome.error is not None
    services.telemetry.build_ended(row, outcome)
    if not services.telemetry.is_on:
        return
    for step in services.records.steps(outcome.build_id):
        if step["State"] == "running":
            pool, _, name = step.key.rpartition("|")
            lost = StepMark(
                build=outcome.build_id, name=name, pool=pool or None, started_at=step["StartedAt"]
            )
            services.telemetry.step_ended(
                lost, {"state": "failed", "error": outcome.error.to_wire()}
            )


@short_activity(
    BuildRef, NoResult, verb="record pools that were cut off", subject=lambda plan: plan.build_id
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
            services.records.put_pool(pool_records.or_died(pool, _died(pool.resource), now))


def _died(resource: str) -> Failure:
    return Failure(
        code="Bug",
        kind=Kind.BUG,
        message="The orchestration died without an outcome; what only it needed goes.",
        resource=resource,
        next_action="Start the request again under a new id, and report this with the build's id.",
    )


def _pools(services: Services, build: str) -> list[PoolPlan]:
    row = services.records.build(build)
    if row is None or row["Mode"] not in _MAKES_POOLS:
        return []
    request, config = acceptance.stored_request(row), services.azure.config
    plan = request and acceptance.plan_again(services.records, row, request, config)
    return plan.pools if plan else []


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


@short_activity(Cleanup, Cleanup, verb="give the build up", subject=lambda work: work.key)
def give_up_build(services: Services, work: Cleanup, _: PollState) -> Cleanup:
    """Returns the items to remove: none if the build was resumed, only temporary ones if it made an
    image or pools.
    """
    known = cleanup_facts.of_records(services).builds.get(work.key)
    row = services.records.build(work.key)  # read last: a resume since then is seen here
    outcome = outcome_of(row) if row else None
    if row is None or outcome is None or known is None or not known.is_over:
        return Cleanup()
    if not known.imageless_in:
        return Cleanup(items=[item for item in work.items if item.kind not in LASTING])
    was_kept = outcome.resumable or build_rows.kept_leftovers(row)
    if was_kept and outcome.error is not None:
        error = replace(outcome.error, next_action=_ADVICE)
        given_up = replace(outcome, resumable=False, error=error)
        if not services.records.correct_outcome(row, given_up):
            return Cleanup()
    return work
