"""`clean_up` carries out the list of cleanup. `remove_builder`, at the end of a build, works from
that build's own plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from activities import builder_vm, cleanup, closing, network, snapshots
from shared.base import names
from shared.base.errors import Failure, StepFailed
from shared.base.wire import Wire, added, replace
from shared.engine import workflow
from shared.engine.activity import Activity, NoInput, NoResult
from shared.engine.orchestration import Child, Orchestration, orchestration
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model.cleanup import (
    GROUP,
    HANDLING,
    LASTING,
    POOL,
    Action,
    Cleanup,
    CleanupItem,
    divide,
)
from shared.model.plans import BuildRef, ImagePlan, MadeIn, SweepPlan

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
    closed: list[str] = []
    listed: list[CleanupItem] = []
    error: Failure | None = None
    try:
        for build in plan.dead:
            yield from workflow.call(context, closing.close_build, BuildRef(build_id=build))
            closed.append(build)
    except StepFailed as failed:
        error = failed.failure
    for listing in (cleanup.list_left, cleanup.list_pools):
        try:
            listed += (yield from workflow.call(context, listing, NoInput())).items
        except StepFailed as failed:
            error = error or failed.failure
    items = yield from _side_by_side(context, listed, _WIDTH)
    done = [item for item in items if item.ended == "done" and not item.is_done]
    return Swept(
        closed=closed,
        deleted=[item.id for item in done if item.action is Action.REMOVE],
        shrunk=[item.id for item in done if item.action is Action.SHRINK],
        failed=[item.id for item in items if item.ended == "failed"],
        error=error,
    )


def _side_by_side(
    context: Context, items: Sequence[CleanupItem], pools: int
) -> Workflow[list[CleanupItem]]:
    """What each build left, and so many pools, in an orchestration of its own."""
    works = divide(items, pools)
    children = [Child(orchestration=clean, identity=work.key, input=work) for work in works]
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
    if first.kind == POOL and len(work.items) > 1:
        return Cleanup(items=(yield from _side_by_side(context, work.items, 1)))
    step_context = StepContext(build=first.build_id, cancellable=False)
    try:
        goes = work
        if work.gives_up:
            goes = yield from workflow.call(context, closing.give_up_build, work)
        ended = Cleanup(items=(yield from _carry_out(context, step_context, goes.items)))
        if ended.items:
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
    for item in items:
        failed = [each.kind for each in ended if each.ended == "failed"]
        is_blocked = failed and (item.kind == GROUP or failed[0] not in LASTING)
        if item.is_done:
            ended.append(replace(item, ended="done"))
        elif item.kind not in LASTING or not is_blocked:
            pool = item.id.rpartition("/")[2] if item.kind == POOL else None
            scope, remove = replace(step_context, pool=pool), cleanup.remove_made
            nth = 1 + sum(each.kind == item.kind for each in ended)
            removed = yield from workflow.try_step(
                context, scope, item.step, remove, item, attempt=nth
            )
            how = "failed" if removed is None else "kept" if removed.kept else "done"
            ended.append(replace(item, ended=how))
    return ended


# -- the end of a build ---------------------------------------------------------------------------


Half = Literal["builder", "snapshot"]


class BuilderRemoval(Wire):
    """Input: the image whose builder is removed, and whether the image failed. `only` names the
    half to remove while the other is needed or gone.
    """

    image: ImagePlan
    scope: StepContext
    failed: bool
    only: Half | None = added(None)

    @property
    def resources(self) -> list[str]:
        """The ids of what is removed, each before those that it uses."""
        image = self.image
        has_snapshot = image.from_snapshot and self.only != "builder"
        snapshot = [image.snapshot_id] if has_snapshot else []
        return [*snapshot, *([] if self.only == "snapshot" else image.builder_resources)]


class BuilderRemoved(Wire):
    """Output: the ids of the resources that stay."""

    leftovers: list[str] = []


_REMOVALS: dict[str, Activity[ImagePlan, NoResult]] = {
    "remove_snapshot": snapshots.remove_snapshot,
    "remove_builder_vm": builder_vm.remove_builder_vm,
    "remove_network": network.remove_network,
    "remove_nat_gateway": network.remove_nat_gateway,
    "remove_public_ip": network.remove_public_ip,
}


@orchestration(BuilderRemoval, BuilderRemoved)
def remove_builder(context: Context, work: BuilderRemoval) -> Workflow[BuilderRemoved]:
    """Remove what the image needed only while it was built, or deallocate a builder that a person
    asked to keep: it stays with its network until its expiry. Where the image failed, also remove
    what lasts and no other build needs. Returns what stays instead of raising.
    """
    image, scope = work.image, work.scope
    kept: list[str] = []
    if image.keep_vm and work.only != "snapshot":
        keep = builder_vm.deallocate_builder
        found = yield from workflow.try_step(context, scope, "keep_builder", keep, image)
        kept = image.builder_resources if found is None or found.kept else []
    leftovers = [*kept]
    for resource in [each for each in work.resources if each not in kept]:
        step = HANDLING[names.type_of(resource).lower()].step
        if (yield from workflow.try_step(context, scope, step, _REMOVALS[step], image)) is None:
            leftovers.append(resource)
    if work.failed and not leftovers:
        leftovers = yield from _undo(context, work)
    return BuilderRemoved(leftovers=leftovers)


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
