"""A pool whose build failed: it shrinks to zero nodes, or is scaled as it was before."""

from __future__ import annotations

from activities import batch_pool
from shared.azure import pool_keeps, resource_state
from shared.engine.activity import Json, PollState, R, Reconciler
from shared.engine.decisions import Decision, Done, Start, Wait
from shared.model.outcomes import PoolRecord
from shared.model.plans import PoolPlan
from shared.model.results import PoolEmptied


def decide_emptied(plan: PoolPlan, observed: Json | None, poll: PollState) -> Decision[PoolEmptied]:
    """Shrink it, as long as it is still this build's."""
    if observed is None:
        return Done(result=PoolEmptied())
    if resource_state.provisioning(observed) == "deleting":  # by this build, which replaces it
        return Wait(note="the pool is being deleted")
    if batch_pool.shaped_by(observed) != plan.build_id:
        return Done(result=_anothers(observed))
    return decide_shrunk(observed, poll, emptied(observed))


def _anothers(observed: Json) -> PoolEmptied:
    """The nodes of a pool that another build shaped last; this build may have emptied it."""
    target, here = batch_pool.target_nodes(observed), batch_pool.current_nodes(observed)
    nodes, low = here if target is None or batch_pool.is_steady(observed) else target
    return PoolEmptied(
        anothers=True, nodes=nodes, low_priority_nodes=low, is_counted=target is not None
    )


def emptied(observed: Json) -> PoolEmptied:
    """What is left of a failed pool."""
    kept = pool_keeps.of(observed)
    has_formula = kept.auto_scale is not None
    here = batch_pool.current_nodes(observed)
    nodes, low = here if has_formula else shrunk_nodes(observed)
    return PoolEmptied(
        emptied=True,
        nodes=nodes,
        low_priority_nodes=low,
        expires_at=kept.expires_at,
        has_formula=has_formula,
        is_formula_lost=kept.is_formula_lost,
    )


def shrunk_nodes(observed: Json) -> tuple[int, int]:
    """To how many nodes the pool shrinks where its build failed: never to more than it wants."""
    dedicated, low = pool_keeps.of(observed).nodes
    most = batch_pool.target_nodes(observed) or batch_pool.current_nodes(observed)
    return min(dedicated, most[0]), min(low, most[1])


def is_shrunk(observed: Json) -> bool:
    """Whether a failed pool scales itself as it did, or has no node more than it keeps, and none
    comes or goes.
    """
    if auto_scale := pool_keeps.of(observed).auto_scale:
        return pool_keeps.auto_scale(observed) == auto_scale
    nodes, here = shrunk_nodes(observed), batch_pool.current_nodes(observed)
    has_more = here[0] > nodes[0] or here[1] > nodes[1]
    return (
        batch_pool.target_nodes(observed) == nodes
        and not has_more
        and batch_pool.is_steady(observed)
    )


def is_resized(observed: Json, record: PoolRecord) -> bool:
    """Whether somebody has given the failed pool other nodes than its record names and its build
    left. A formula that decides about them is no such change.
    """
    recorded = (record.nodes, record.low_priority_nodes)
    given = {None, (0, 0), shrunk_nodes(observed), recorded}
    return batch_pool.target_nodes(observed) not in given


def decide_shrunk(observed: Json, poll: PollState, result: R) -> Decision[R]:
    """Shrink the pool to the nodes that it keeps, mostly none, and wait until the others have left.
    Nodes that Azure could not give might still come. One that scaled itself does so again.
    """
    if is_shrunk(observed):
        return Done(result=result)
    if auto_scale := pool_keeps.of(observed).auto_scale:
        return _decide_scaling(observed, poll, auto_scale, result)
    nodes = shrunk_nodes(observed)
    if not poll.started and (
        batch_pool.target_nodes(observed) != nodes or batch_pool.is_steady(observed)
    ):
        return Start(action="empty", memory={**batch_pool.seen(observed), "nodes": list(nodes)})
    return Wait(note="the nodes are leaving")


def _decide_scaling(observed: Json, poll: PollState, auto_scale: Json, result: R) -> Decision[R]:
    """Give the pool its formula back. Azure takes none while it resizes the pool, and may show it
    in another form.
    https://learn.microsoft.com/rest/api/batchservice/pools/enable-pool-auto-scale
    """
    if poll.started and pool_keeps.auto_scale(observed):
        return Done(result=result)
    if poll.started or not batch_pool.is_steady(observed):
        return Wait(note="nodes come or go")
    return Start(action="empty", memory={**batch_pool.seen(observed), "autoScale": auto_scale})


empty_pool = Reconciler(
    name="empty_pool",
    plan=PoolPlan,
    result=PoolEmptied,
    verb="shrink the failed pool",
    subject=lambda plan: plan.resource,
    observe=batch_pool.observe,
    decide=decide_emptied,
    actions={"empty": batch_pool.empty},
)
