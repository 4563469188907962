"""`clean_up` closes builds that died and carries out the list of cleanup."""

from __future__ import annotations

from collections.abc import Sequence

from activities import cleanup, closing, pool_costs, reconciling
from shared.base import resource_types as types
from shared.base.errors import Failure, StepFailed
from shared.base.wire import Wire, replace
from shared.engine import workflow
from shared.engine.activity import Activity, NoInput, P, R
from shared.engine.orchestration import Child, orchestration
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model.cleanup import LASTING, Action, Cleanup, CleanupItem, Ended, divide
from shared.model.plans import BuildRef, SweepPlan

# Builds or groups of pools, and pools of a group: 14 times 14 pools at once use half of what Azure
# lets one identity write in a subscription.
_WIDTH = 14


class Swept(Wire):
    """Output: builds and resource ids. The next cleanup tries again what failed."""

    closed: list[str] = []
    deleted: list[str] = []
    shrunk: list[str] = []
    failed: list[str] = []
    error: Failure | None = None


@orchestration(SweepPlan, Swept)
def clean_up(context: Context, plan: SweepPlan) -> Workflow[Swept]:
    """Close builds that died, and carry out the list. A part that fails stops no other."""
    errors: list[Failure] = []
    closed: list[str] = []
    for build in plan.dead:
        made = yield from _try(context, closing.close_build, BuildRef(build_id=build), errors)
        if made is not None:
            closed.append(build)
    for upkeep in (reconciling.reconcile_records, pool_costs.report_pool_costs):
        yield from _try(context, upkeep, NoInput(), errors)
    listed: list[CleanupItem] = []
    for listing in (cleanup.list_left, cleanup.list_pools):
        found = yield from _try(context, listing, NoInput(), errors)
        listed += found.items if found else []
    items = yield from _side_by_side(context, listed, _WIDTH)
    done = [item for item in items if item.ended == "done" and not item.is_done]
    return Swept(
        closed=closed,
        deleted=[item.id for item in done if item.action is Action.REMOVE],
        shrunk=[item.id for item in done if item.action is Action.SHRINK],
        failed=[item.id for item in items if item.ended == "failed"],
        error=errors[0] if errors else None,
    )


def _try(
    context: Context, activity: Activity[P, R], plan: P, errors: list[Failure]
) -> Workflow[R | None]:
    try:
        return (yield from workflow.call(context, activity, plan))
    except StepFailed as failed:
        errors.append(failed.failure)
        return None


def _side_by_side(
    context: Context, items: Sequence[CleanupItem], pools: int
) -> Workflow[list[CleanupItem]]:
    """Run `clean` as a child for each build and for each group of `pools` pools."""
    children = [Child(orchestration=clean, identity=w.key, input=w) for w in divide(items, pools)]
    outcomes = yield from workflow.run_children(context, children, _WIDTH)
    ended: list[CleanupItem] = []
    for child in children:
        outcome = outcomes[child]
        ended += _failed(child.input) if isinstance(outcome, Failure) else outcome.items
    return ended


def _failed(work: Cleanup) -> list[CleanupItem]:
    return [replace(item, ended="failed") for item in work.items]


@orchestration(Cleanup, Cleanup)
def clean(context: Context, work: Cleanup) -> Workflow[Cleanup]:
    """A build's items one after another, or one pool; several pools side by side as children. A
    build is given up first, so that it is resumed or cleaned up and never both.
    """
    first = work.items[0]
    if first.kind == types.POOL and len(work.items) > 1:
        return Cleanup(items=(yield from _side_by_side(context, work.items, 1)))
    step_context = StepContext(build=first.build_id, cancellable=False)
    try:
        if work.gives_up:
            work = yield from workflow.call(context, closing.give_up_build, work)
        ended = Cleanup(items=(yield from carry_out(context, step_context, work.items)))
        if ended.items:
            yield from workflow.call(context, cleanup.record_cleanup, ended)
    except StepFailed:
        return Cleanup(items=_failed(work))
    return ended


def carry_out(
    context: Context, step_context: StepContext, items: Sequence[CleanupItem]
) -> Workflow[list[CleanupItem]]:
    """Remove or shrink one after another; returns what was tried, and how it ended. Skip lasting
    resources after a temporary one has failed, and the resource group after any failure.
    """
    ended: list[CleanupItem] = []
    for item in items:
        failed = [each.kind for each in ended if each.ended == "failed"]
        is_blocked = failed and (item.kind == types.RESOURCE_GROUP or failed[0] not in LASTING)
        if item.is_done:
            ended.append(replace(item, ended="done"))
        elif item.kind not in LASTING or not is_blocked:
            pool = item.id.rpartition("/")[2] if item.kind == types.POOL else None
            scope, remove = replace(step_context, pool=pool), cleanup.remove_made
            nth = 1 + sum(each.kind == item.kind for each in ended)
            removed = yield from workflow.try_step(
                context, scope, item.step, remove, item, attempt=nth
            )
            how: Ended = "failed" if removed is None else "kept" if removed.kept else "done"
            ended.append(replace(item, ended=how))
    return ended
