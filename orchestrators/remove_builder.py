"""Remove what an image needed only while it was built: builder VM and network, newest first. Where
no image came of it, remove the lasting resources as well.
"""

from __future__ import annotations

from activities import builder_vm, network
from orchestrators.undo import undo
from shared.base.errors import StepFailed
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.activity import Activity, NoResult
from shared.engine.orchestration import orchestration
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model.cleanup_plans import MadeIn
from shared.model.plans import ImagePlan


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
    """Work from the plan, and return what stays instead of raising."""
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
        leftovers = yield from undo(context, work.scope, _made_in(work.image))
    return BuilderRemoved(leftovers=leftovers)


def _made_in(image: ImagePlan) -> MadeIn:
    return MadeIn(
        build_id=image.build_id,
        subscription_id=image.subscription_id,
        resource_group=image.resource_group,
    )


def _order(image: ImagePlan) -> list[tuple[Activity[ImagePlan, NoResult], str]]:
    """Each removal and the resource that it removes; a resource goes before those that it uses."""
    removals: list[tuple[Activity[ImagePlan, NoResult], str]] = [
        (builder_vm.remove_builder_vm, image.vm_id)
    ]
    if image.own_network:
        removals.append((network.remove_network, image.virtual_network_id))
    if image.outbound == "nat":
        removals.append((network.remove_nat_gateway, image.nat_gateway_id))
        removals.append((network.remove_public_ip, image.public_ip_id))
    return removals


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
