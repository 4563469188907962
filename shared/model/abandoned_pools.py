"""A failed pool whose nodes could not be removed: its record hands it over to the sweep. Pure."""

from __future__ import annotations

from shared.base.errors import Failure, Kind
from shared.base.wire import replace
from shared.model.outcomes import PoolRecord
from shared.model.plans import AccountPlan, PoolPlan
from shared.model.requests import Pool

_STILL = "Its nodes may still cost money"  # where the advice about them begins
_SHRUNK = "The pool was shrunk to zero nodes meanwhile."


def is_anothers(failure: Failure) -> bool:
    """Whether a pool failed because it is another's: we refused to touch it. What Azure refuses
    with a conflict is another matter.
    """
    return failure.kind is Kind.CONFLICT and failure.azure_code is None


def handed_over(record: PoolRecord, why: str) -> PoolRecord:
    """The record of a failed pool whose nodes are there: from now on the sweep removes them."""
    assert record.error is not None
    told = (
        f"{_own_advice(record.error)} {_STILL}: {why.rstrip('.')}. The sweep goes on trying to "
        "remove them; ./batch-prep.sh leftovers shows whether they are gone."
    )
    error = replace(record.error, next_action=told.strip())
    return replace(record, error=error, nodes_left=True)


def settled(record: PoolRecord) -> PoolRecord:
    """The record once nothing of its nodes is the sweep's any more."""
    if record.error is None or not record.nodes_left:
        return record
    error = replace(record.error, next_action=_own_advice(record.error) or None)
    return replace(record, error=error, nodes_left=False)


def without_nodes(record: PoolRecord) -> PoolRecord:
    """The record of a failed pool that was shrunk to zero nodes."""
    assert record.error is not None
    advice = f"{_own_advice(record.error)} {_SHRUNK}".strip()
    error = replace(record.error, next_action=advice)
    return replace(record, nodes=0, low_priority_nodes=0, error=error)


def _own_advice(failure: Failure) -> str:
    """What to do about the failure itself."""
    return (failure.next_action or "").partition(_STILL)[0].strip()


def cut_off(plan: PoolPlan) -> Failure:
    """Why a pool failed whose orchestration died."""
    return Failure(
        code="Bug",
        kind=Kind.BUG,
        message=f"What made pool {plan.pool_id} died before it had told what became of it.",
        resource=plan.resource,
        next_action="Ask for the pool again, and report this with the build's id.",
    )


def plan_of(resource: str, build: str) -> PoolPlan:
    """As much of a pool's plan as its removal needs, from the pool's resource id."""
    _, _, subscription, _, group, _, _, _, account, _, pool = resource.split("/")
    of = AccountPlan(
        build_id=build,
        subscription_id=subscription,
        name=account,
        resource_group=group,
        location="",
    )
    return PoolPlan(build_id=build, account=of, pool_id=pool, pool=Pool(id=pool), size="")
