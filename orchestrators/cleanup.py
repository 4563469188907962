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
    Cleanup,
    CleanupItem,
    by_build,
    in_groups,
)
from shared.model.plans import BuildRef, ImagePlan, MadeIn, SweepPlan

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
    error: Failure | None = None
    try:
        for build in plan.dead:
            yield from workflow.call(context, closing.close_build, BuildRef(build_id=build))
            closed.append(build)
    except StepFailed as failed:
        error = failed.failure
    parts = (
        (workflow.call(context, cleanup.list_left, plan), by_build, _BUILDS_WIDTH),
        (workflow.call(context, cleanup.list_pools, NoInput()), in_groups, _POOLS_WIDTH),
    )
    for listing, divide, width in parts:
        try:
            found = yield from listing
            items += yield from _side_by_side(context, divide(found.items), width)
        except StepFailed as failed:
            error = error or failed.failure
    done = [item for item in items if item.ended == "done" and not item.is_done]
    return Swept(
        closed=closed,
        deleted=[item.id for item in done if item.action is Action.REMOVE],
        shrunk=[item.id for item in done if item.action is Action.SHRINK],
        failed=[item.id for item in items if item.ended == "failed"],
        error=error,
    )


def _side_by_side(
    context: Context, works: Sequence[Cleanup], width: int
) -> Workflow[list[CleanupItem]]:
    children = [Child(orchestration=clean, identity=work.key, input=work) for work in works]
    outcomes = yield from workflow.run_children(context, children, width)
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
    if first.kind == POOL and len(work.items) > 1:
        pools = in_groups(work.items, 1)
        return Cleanup(items=(yield from _side_by_side(context, pools, len(pools))))
    step_context = StepContext(build=first.build_id, cancellable=False)
    try:
        goes = work
        if work.gives_up:
            goes = yield from workflow.call(context, closing.give_up_build, work)
        ended = Cleanup(items=(yield from _carry_out(context, step_context, goes.items)))
        yield from workflow.call(context, cleanup.record_cleanup, ended)
    except StepFailed:
        return Cleanup(items=_failed(work))
    return ended


def _carry_out(
    context: Context, step_context: StepContext, items: Sequence[CleanupItem]
) -> Workflow[list[CleanupItem]]:
    """Remove or shrink one after another; returns what was tried, and how it ended. What lasts is
    left alone once anything temporary failed, and the group once anything did.
    """
    ended: list[CleanupItem] = []
    for number, item in enumerate(items, 1):
        failed = [each.kind for each in ended if each.ended == "failed"]
        is_blocked = failed and (item.kind == GROUP or failed[0] not in LASTING)
        if item.is_done:
            ended.append(replace(item, ended="done"))
        elif item.kind not in LASTING or not is_blocked:
            how = yield from _remove(context, step_context, item, number)
            ended.append(replace(item, ended=how))
    return ended


def _remove(
    context: Context, step_context: StepContext, item: CleanupItem, number: int
) -> Workflow[str]:
    """Remove or shrink one resource; returns how that ended."""
    step = item.step(number)
    if item.kind == POOL:
        step_context = step_context.of_pool(item.id.rpartition("/")[2])
    if item.kind == VM:  # takes its time, and is not polled every few seconds meanwhile
        typical = {step: timing.pace_of("remove_builder_vm").typical}
        step_context = replace(step_context, pace=typical)
    try:
        activity = cleanup.remove_made
        removed = yield from workflow.run_step(context, step_context, step, activity, item)
    except StepFailed:
        return "failed"
    return "kept" if removed.kept else "done"


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
    ended = yield from _carry_out(context, work.scope, [each.plan for each in found.made])
    return [item.id for item in ended if item.ended == "failed"]


# -- the sweeps of 0.1.0 --------------------------------------------------------------------------


def _end_at_once(_context: Context, _: NoInput) -> Workflow[NoResult]:
    """End a sweep, or a part of one, that 0.1.0 began: the next `clean_up` does its work. Remove
    these names once no app is upgraded from 0.1.0 any more.
    """
    yield from ()
    return NoResult()


sweep, clear_build, sweep_pools, shrink_left_pool, expire_pool = (
    Orchestration(name=name, input=NoInput, output=NoResult, body=_end_at_once)
    for name in ("sweep", "clear_build", "sweep_pools", "shrink_left_pool", "expire_pool")
)
