"""Failed pools whose nodes could not be removed: their records name them to the sweep. Pure."""

from __future__ import annotations

from shared.base.wire import replace
from shared.model.outcomes import PoolRecord
from shared.model.plans import AccountPlan, PoolPlan
from shared.model.pool_request import Pool
from shared.model.results import PoolEmptied

_STILL = "Its nodes may still cost money"  # with these begins the advice about a pool's nodes
_SHRUNK = "The pool was shrunk to zero nodes meanwhile."
_KEEPS = "The pool keeps as many nodes as it had before"
_SCALES = "The pool keeps the formula that it had before, which decides how many nodes it has."
_FIXED = "Its formula is lost: it has a fixed scale until it is asked for again."
_UNPROVED = "A resize has given it nodes since, which nothing has proved: ask for the pool again."


def handed_over(record: PoolRecord, why: str) -> PoolRecord:
    """The record of a failed pool that still has nodes: from now on the sweep removes them."""
    advice = (
        f"{_STILL}: {why.rstrip('.')}. The sweep goes on trying to remove them; "
        "./batch-prep.sh leftovers shows whether they are gone."
    )
    return replace(_advising(record, advice), nodes_left=True)


def settled(record: PoolRecord) -> PoolRecord:
    """The record of a pool whose nodes the sweep need not remove any more."""
    return replace(_advising(record, ""), nodes_left=False) if record.nodes_left else record


def shrunk(record: PoolRecord, found: PoolEmptied) -> PoolRecord:
    """The record of a failed pool after its build has removed the nodes that it added: those of
    another build's pool stay, and a pool that is not there has none.
    """
    if found.anothers:
        return _with_nodes(record, found) if found.is_counted else record
    end = record.expires_at
    if found.has_formula:
        record, end = _advising(record, _SCALES), found.expires_at
    elif kept := found.nodes + found.low_priority_nodes:
        about_nodes = f"{_KEEPS}: {kept}."
        record, end = _advising(record, _with_lost(found, about_nodes)), found.expires_at
    elif found.emptied:
        record = _advising(record, _with_lost(found, _SHRUNK))
    return replace(_with_nodes(record, found), expires_at=end)


def _with_nodes(record: PoolRecord, found: PoolEmptied | PoolRecord) -> PoolRecord:
    return replace(record, nodes=found.nodes, low_priority_nodes=found.low_priority_nodes)


def interrupted(record: PoolRecord, by: PoolRecord, now: str) -> PoolRecord:
    """The record of a pool that a later build was to change and did not: it may have taken its
    nodes before. `by` is what that build has to say of the pool.
    """
    new = _with_nodes(record, by)
    if new == record:
        return record
    nodes = by.nodes + by.low_priority_nodes
    note = (
        f"build {by.build_id} ended before it had changed the pool, which has a fixed scale of "
        f"{nodes} nodes now: ask for the pool again"
    )
    return replace(new, note=note, changed_at=now)


def _with_lost(found: PoolEmptied, about_nodes: str) -> str:
    return f"{about_nodes} {_FIXED}" if found.is_formula_lost else about_nodes


def cleaned_up(record: PoolRecord, build: str, left: PoolEmptied | None, now: str) -> PoolRecord:
    """The record of this build's pool after cleanup, which has shrunk the pool to what is `left`.
    Without `left`, cleanup keeps the pool because a build or a person has changed it since: its
    time no longer ends.
    """
    if record.build_id != build:
        return record
    new = replace(settled(record), changed_at=now)
    if left is not None and record.nodes_left:
        return shrunk(new, left)
    return replace(new, expires_at=None) if record.is_over(now) else new


def resized(record: PoolRecord, nodes: int, low_priority_nodes: int) -> PoolRecord:
    """The record of a pool to which a person gave so many nodes: from now on a person looks after
    them. Those of a failed pool were never verified.
    """
    new = replace(settled(record), nodes=nodes, low_priority_nodes=low_priority_nodes)
    if new.error is None:
        return new
    return _advising(new, _UNPROVED if nodes + low_priority_nodes else _SHRUNK)


def _advising(record: PoolRecord, about_nodes: str) -> PoolRecord:
    """The record with other advice about the pool's nodes, after that about the failure itself."""
    assert record.error is not None
    own = record.error.next_action or ""
    for earlier in (_STILL, _SHRUNK, _KEEPS, _SCALES, _UNPROVED):
        own = own.partition(earlier)[0].strip()
    advice = f"{own} {about_nodes}".strip() or None
    return replace(record, error=replace(record.error, next_action=advice))


def plan_of(resource: str, build: str) -> PoolPlan:
    """The part of a pool's plan that its removal needs, from the pool's resource id."""
    _, _, subscription, _, group, _, _, _, name, _, pool = resource.split("/")
    account = AccountPlan(
        build_id=build, subscription_id=subscription, name=name, resource_group=group, location=""
    )
    return PoolPlan(build_id=build, account=account, pool_id=pool, pool=Pool(id=pool), size="")
