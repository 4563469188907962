"""The sweep carries out the list of cleanup. `remove_builder`, at the end of a build, works from
that build's own plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from activities import builder_vm, cleanup, closing, network
from shared.base import timing
from shared.base.errors import Failure, StepFailed
from shared.base.wire import Wire, replace
from shared.engine import workflow
from shared.engine.activity import Activity, NoInput, NoResult
from shared.engine.orchestration import Child, Orchestration, orchestration
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model.cleanup import (
    GROUP,
    LASTING,
    POOL,
    VM,
    Action,
    CleanupDone,
    CleanupItem,
    CleanupPart,
    CleanupWork,
    divide,
    removals,
)
from shared.model.plans import BuildRef, ImagePlan, MadeIn, SweepPlan
from shared.model.results import Removal

_BUILDS_WIDTH = 10
# Groups of 50 pools: 200 at once use half of what Azure lets one identity write in a subscription.
_POOLS_WIDTH = 4


class Swept(Wire):
    """Output: builds and resource ids. The next sweep tries again what failed."""

    closed: list[str] = []
    deleted: list[str] = []
    shrunk: list[str] = []
    failed: list[str] = []
    error: Failure | None = None


@orchestration(SweepPlan, Swept)
def clean_up(context: Context, plan: SweepPlan) -> Workflow[Swept]:
    """The sweep: builds that died, what builds left, pools. A part that fails stops no other."""
    closed: list[str] = []
    items: list[CleanupItem] = []
    ended: dict[str, str] = {}
    error: Failure | None = None
    try:
        for build in plan.dead:
            yield from workflow.call(context, closing.close_build, BuildRef(build_id=build))
            closed.append(build)
    except StepFailed as failed:
        error = failed.failure
    left, pools = CleanupPart(closed=plan.dead), CleanupPart(pools=True)
    for part, width in ((left, _BUILDS_WIDTH), (pools, _POOLS_WIDTH)):
        try:
            found = yield from workflow.call(context, cleanup.list_cleanup, part)
            items += found.items
            ended |= yield from _side_by_side(context, divide(found.items), width)
        except StepFailed as failed:
            error = error or failed.failure
    done = [item for item in items if ended.get(item.id) == "done" and not item.is_done]
    return Swept(
        closed=closed,
        deleted=[item.id for item in done if item.action is Action.DELETE],
        shrunk=[item.id for item in done if item.action is Action.SHRINK],
        failed=[id_ for id_, how in ended.items() if how == "failed"],
        error=error,
    )


def _side_by_side(
    context: Context, works: Sequence[CleanupWork], width: int
) -> Workflow[dict[str, str]]:
    children = [Child(orchestration=clean, identity=work.key, input=work) for work in works]
    outcomes = yield from workflow.run_children(context, children, width)
    ended: dict[str, str] = {}
    for child in children:
        outcome = outcomes[child]
        if isinstance(outcome, Failure):
            ended |= {item.id: "failed" for item in child.input.items}
        else:
            ended |= outcome.ended
    return ended


@orchestration(CleanupWork, CleanupDone)
def clean(context: Context, work: CleanupWork) -> Workflow[CleanupDone]:
    """A build's items one after another, or one pool; several pools side by side as children."""
    first, items = work.items[0], work.items
    if first.kind == POOL and len(items) > 1:
        ended = yield from _side_by_side(context, divide(items, pools=1), len(items))
        return CleanupDone(ended=ended)
    step_context = StepContext(build=first.build_id, cancellable=False)
    try:
        remove = _clean_pool if first.kind == POOL else _clean_build
        ended = yield from remove(context, step_context, work)
        done = CleanupDone(items=items, ended=ended)
        yield from workflow.call(context, cleanup.record_cleanup, done)
    except StepFailed:
        ended = {item.id: "failed" for item in items}
    return CleanupDone(ended=ended)


def _clean_pool(
    context: Context, step_context: StepContext, work: CleanupWork
) -> Workflow[dict[str, str]]:
    (item,) = work.items
    if item.is_done:
        return {item.id: "done"}
    step_context = step_context.of_pool(item.id.rpartition("/")[2])
    step = "empty_pool" if item.action is Action.SHRINK else "remove_pool"
    removed = yield from workflow.run_step(context, step_context, step, cleanup.clean_pool, item)
    return {item.id: "kept" if removed.kept else "done"}


def _clean_build(
    context: Context, step_context: StepContext, work: CleanupWork
) -> Workflow[dict[str, str]]:
    """Give the build up, so that it is resumed or cleaned up and never both, then remove its items.
    What lasts stays if the build has an image or pools by then.
    """
    items = work.items
    if work.gives_up:
        build = BuildRef(build_id=step_context.build)
        given_up = yield from workflow.call(context, closing.give_up_build, build)
        if not given_up.over:
            return {}
        items = [i for i in items if not given_up.has_results or i.kind not in LASTING]
    ended = yield from _remove(context, step_context, removals(i for i in items if not i.is_done))
    return {**{item.id: "done" for item in items if item.is_done}, **ended}


def _remove(
    context: Context, step_context: StepContext, found: Sequence[Removal]
) -> Workflow[dict[str, str]]:
    """Remove one resource after another; returns whether each is done, kept or failed. What lasts
    is left alone once anything temporary failed, and the group once anything did.
    """
    ended: dict[str, str] = {}
    failed: list[str] = []
    for removal in found:
        kind = removal.plan.type.lower()
        if failed and (kind == GROUP or (kind in LASTING and failed[0] not in LASTING)):
            continue
        if kind == VM:  # takes its time, and is not polled every few seconds meanwhile
            typical = {removal.step: timing.pace_of("remove_builder_vm").typical}
            step_context = replace(step_context, pace=typical)
        try:
            removed = yield from workflow.run_step(
                context, step_context, removal.step, cleanup.remove_made, removal.plan
            )
            ended[removal.plan.id] = "kept" if removed.kept else "done"
        except StepFailed:
            ended[removal.plan.id] = "failed"
            failed.append(kind)
    return ended


# -- the end of a build ---------------------------------------------------------------------------


class BuilderRemoval(Wire):
    """Input: the image whose builder is removed, and whether the image failed."""

    image: ImagePlan
    scope: StepContext
    failed: bool


class BuilderRemoved(Wire):
    """Output: the ids of the resources that stay."""

    leftovers: list[str] = []


@orchestration(BuilderRemoval, BuilderRemoved)
def remove_builder(context: Context, work: BuilderRemoval) -> Workflow[BuilderRemoved]:
    """Remove what the image needed only while it was built, newest first; where the image failed,
    also what lasts and no other build needs. Returns what stays instead of raising.
    """
    if work.image.keep_vm:
        kept = yield from _keep(context, work)
        if kept:
            return BuilderRemoved(leftovers=kept)
    leftovers = []
    for activity, resource in _order(work.image):
        try:
            yield from workflow.run_step(context, work.scope, activity.name, activity, work.image)
        except StepFailed:
            leftovers.append(resource)
    if work.failed and not leftovers:
        leftovers = yield from _undo(context, work)
    return BuilderRemoved(leftovers=leftovers)


def _order(image: ImagePlan) -> list[tuple[Activity[ImagePlan, NoResult], str]]:
    """Each removal and the resource that it removes; a resource goes before those that it uses."""
    order: list[tuple[Activity[ImagePlan, NoResult], str]] = [
        (builder_vm.remove_builder_vm, image.vm_id)
    ]
    if image.own_network:
        order.append((network.remove_network, image.virtual_network_id))
    if image.outbound == "nat":
        order.append((network.remove_nat_gateway, image.nat_gateway_id))
        order.append((network.remove_public_ip, image.public_ip_id))
    return order


def _keep(context: Context, work: BuilderRemoval) -> Workflow[list[str]]:
    """Deallocate a builder that a person asked to keep; it stays with its network until its expiry.
    Returns the resources that stay, none where there is no VM to keep.
    """
    image = work.image
    try:
        kept = yield from workflow.run_step(
            context, work.scope, "keep_builder", builder_vm.deallocate_builder, image
        )
    except StepFailed:
        return image.builder_resources
    return image.builder_resources if kept.kept else []


def _undo(context: Context, work: BuilderRemoval) -> Workflow[list[str]]:
    """Returns what could not be removed: the group, if its contents could not even be listed."""
    image = work.image
    where = MadeIn(
        build_id=image.build_id,
        subscription_id=image.subscription_id,
        resource_group=image.resource_group,
    )
    try:
        found = yield from workflow.call(context, cleanup.list_made, where)
    except StepFailed:
        return [where.group_id]
    ended = yield from _remove(context, work.scope, found.made)
    return [id_ for id_, how in ended.items() if how == "failed"]


# -- the sweeps of 0.1.0 --------------------------------------------------------------------------


def _end(_context: Context, _: NoInput) -> Workflow[NoResult]:
    """End a sweep, or a part of one, that 0.1.0 began: the next `clean_up` does its work. Remove
    these names once no app is upgraded from 0.1.0 any more.
    """
    yield from ()
    return NoResult()


sweep, clear_build, sweep_pools, shrink_left_pool, expire_pool = (
    Orchestration(name=name, input=NoInput, output=NoResult, body=_end)
    for name in ("sweep", "clear_build", "sweep_pools", "shrink_left_pool", "expire_pool")
)
