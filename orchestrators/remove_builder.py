"""Remove what an image needed only while it was made: builder VM and network, newest first. Where
no image came of it, what was made for good goes as well.
"""

from __future__ import annotations

from orchestrators.undo import undo
from shared.base.errors import StepFailed
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model.cleanup_plans import MadeIn
from shared.model.plans import ImagePlan


class Removal(Wire):
    """Input: the image whose builder goes, and whether the image failed."""

    image: ImagePlan
    scope: StepContext
    failed: bool


def remove_builder(context: Context) -> Workflow:
    """Orchestration: `Removal` → `{"leftovers": [resource ids]}`. It works from the plan, reports
    what stays, and never raises.
    """
    work = Removal.from_wire(context.get_input())
    if work.image.keep_vm:
        kept = yield from _keep(context, work)
        if kept:
            return {"leftovers": kept}
    leftovers = []
    for step, resource in _order(work.image):
        try:
            yield from workflow.run(context, work.scope, step, step, work.image)
        except StepFailed:
            leftovers.append(resource)
    if work.failed and not leftovers:
        leftovers = yield from undo(context, work.scope, _made_in(work.image))
    return {"leftovers": leftovers}


def _made_in(image: ImagePlan) -> MadeIn:
    return MadeIn(
        build_id=image.build_id,
        subscription_id=image.subscription_id,
        resource_group=image.resource_group,
    )


def _order(image: ImagePlan) -> list[tuple[str, str]]:
    """Each removal and what it removes; what holds a thing goes before it."""
    removals = [("remove_builder_vm", image.vm_id)]
    if image.own_network:
        removals.append(("remove_network", image.virtual_network_id))
    if image.outbound == "nat":
        removals.append(("remove_nat_gateway", image.nat_gateway_id))
        removals.append(("remove_public_ip", image.public_ip_id))
    return removals


def _keep(context: Context, work: Removal) -> Workflow:
    """A person asked to keep the builder: it stays, deallocated, with the network it needs, until
    its expiry. Returns what stays; nothing where there is no VM to keep.
    """
    image = work.image
    try:
        told = yield from workflow.run(
            context, work.scope, "keep_builder", "deallocate_builder", image
        )
    except StepFailed:
        return image.builder_resources
    return image.builder_resources if told["kept"] else []
