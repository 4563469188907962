"""`remove_builder` removes the builder of a build that ends: the VM, its network and its snapshot,
as the build's own plan names them.
"""

from __future__ import annotations

from typing import Literal

from activities import builder_vm, cleanup, network, snapshots
from orchestrators.cleanup import carry_out
from shared.base import names
from shared.base.errors import Failure, StepFailed
from shared.base.wire import Wire, added
from shared.engine import workflow
from shared.engine.activity import Activity, NoResult
from shared.engine.orchestration import Child, orchestration
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.engine.workflow import Outcomes
from shared.model.cleanup import STEPS
from shared.model.plans import ImagePlan, MadeIn

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
        step = STEPS[names.type_of(resource).lower()]
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
    ended = yield from carry_out(context, work.scope, [each.plan for each in found.made])
    return [item.id for item in ended if item.ended == "failed"]


def removal_of(
    image: ImagePlan, step_context: StepContext, *, only: Half | None, failed: bool
) -> Child[BuilderRemoval, BuilderRemoved]:
    """The child that removes the builder, or `only` one half of what there is of it."""
    scope = step_context.for_cleanup()
    work = BuilderRemoval(image=image, scope=scope, failed=failed, only=only)
    identity = "cleanup-snapshot" if only == "snapshot" else "cleanup"
    return Child(orchestration=remove_builder, identity=identity, input=work)


def left_of(removal: Child[BuilderRemoval, BuilderRemoved], outcomes: Outcomes) -> list[str]:
    """The ids of what the removal left, which is everything if it died."""
    removed = outcomes[removal]
    return removal.input.resources if isinstance(removed, Failure) else removed.leftovers
