"""The sweep's work on the records: a build that died is closed, one whose kept builder goes cannot
be resumed, and none lists what is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from activities import left_pools, leftovers
from shared.base import names
from shared.base.errors import Failure, Kind
from shared.base.wire import replace
from shared.engine.activity import NoResult, PollState, Services, ShortActivity
from shared.model.cleanup_plans import BuildCleared, GivenUp, MadeIn
from shared.model.outcomes import BuildOutcome
from shared.model.plans import BuildRef
from shared.store.records import ENDED, outcome_of

if TYPE_CHECKING:
    from shared.store.tables import Row

_ADVICE = "Start the request again: what the build had kept has been removed."


def _close(services: Services, plan: BuildRef, poll: PollState) -> NoResult:
    """A build whose orchestration died gets its outcome after all; what it had not told of its
    pools becomes the sweep's.
    """
    row = services.records.build(plan.build_id)
    if row is None or row["State"] in ENDED:
        return NoResult()
    left_pools.hand_over(services, plan.build_id, poll.now)
    failure = Failure(
        code="Bug",
        kind=Kind.BUG,
        message="The build's orchestration died without an outcome; what only it needed goes.",
        resource=plan.build_id,
        next_action="Start the request again under a new id, and report this with the build's id.",
    )
    pools = left_pools.records_of(services, plan.build_id)
    outcome = BuildOutcome(build_id=plan.build_id, state="failed", pools=pools, error=failure)
    services.records.end_dead_build(outcome, poll.now)
    return NoResult()


close_build = ShortActivity(
    name="close_build",
    plan=BuildRef,
    result=NoResult,
    verb="close the record of a build that died",
    subject=lambda plan: plan.build_id,
    act=_close,
)


def _give_up(services: Services, plan: BuildRef, _: PollState) -> GivenUp:
    """`{"over": bool, "made": MadeIn?}`. It is not over where somebody has just resumed it; `made`
    tells where it made things for good, if nothing came of it.
    """
    ended = _ended(services, plan.build_id)
    if ended is None:
        return GivenUp(over=False)
    row, outcome = ended
    made = _made_in(services, row, outcome)
    if made is None:
        return GivenUp(over=True)
    was_kept = outcome.resumable or row["Request"]["image"].get("keepVm")
    if was_kept and outcome.error is not None:
        error = replace(outcome.error, next_action=_ADVICE)
        given_up = replace(outcome, resumable=False, error=error)
        if not services.records.correct_outcome(row, given_up):
            return GivenUp(over=False)
    return GivenUp(over=True, made=made)


def made_in(services: Services, build: str) -> MadeIn | None:
    """Where an ended build made things for good; None if something came of it."""
    ended = _ended(services, build)
    return None if ended is None else _made_in(services, *ended)


def _ended(services: Services, build: str) -> tuple[Row, BuildOutcome] | None:
    """A build's row and outcome; None while it runs, also again."""
    row = services.records.build(build)
    outcome = outcome_of(row) if row else None
    return (row, outcome) if row and outcome else None


def _made_in(services: Services, row: Row, outcome: BuildOutcome) -> MadeIn | None:
    image, config = row["Request"].get("image"), services.azure.config
    if not image or _came_of(services, outcome):
        return None
    return MadeIn(
        build_id=outcome.build_id,
        subscription_id=config.subscription_id,
        resource_group=image.get("resourceGroup") or config.default_resource_group,
    )


def _came_of(services: Services, outcome: BuildOutcome) -> bool:
    """Whether there is an image, or pools, that may need what the build made for good. Of a build
    that died only the records tell.
    """
    if outcome.image is not None or outcome.pools:
        return True
    return any(image.build_id == outcome.build_id for image in services.records.images())


give_up_build = ShortActivity(
    name="give_up_build",
    plan=BuildRef,
    result=GivenUp,
    verb="record that a build cannot be resumed any more",
    subject=lambda plan: plan.build_id,
    act=_give_up,
)


def _settle(services: Services, plan: BuildCleared, _: PollState) -> NoResult:
    """What could not be removed is listed, so that the next sweep tries again."""
    ended = _ended(services, plan.build_id)
    if ended is None:
        return NoResult()
    row, outcome = ended
    known = outcome.leftovers
    new = [id_ for id_ in plan.failed if not any(names.same(id_, k) for k in known)]
    seen_gone = {id_.lower() for id_ in plan.removed}
    listed = [id_ for id_ in [*known, *new] if id_.lower() not in seen_gone]
    stays = [id_ for id_ in listed if leftovers.is_there(services, id_)]
    services.records.correct_outcome(row, replace(outcome, leftovers=stays))
    return NoResult()


settle_build = ShortActivity(
    name="settle_build",
    plan=BuildCleared,
    result=NoResult,
    verb="record what is gone of a build's leftovers",
    subject=lambda plan: plan.build_id,
    act=_settle,
)
