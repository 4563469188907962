"""Remove what an image needed only while it was made: builder VM and network, newest first. Where
no image came of it, what was made for good goes as well.
"""

from __future__ import annotations

from shared import names, steps
from shared.errors import StepFailed
from shared.plans import ImagePlan
from shared.steps import Context, Scope, Story
from shared.sweep_plans import MadePlan
from shared.wire import Wire


class Removal(Wire):
    """Input: the image whose builder goes, and whether the image failed."""

    image: ImagePlan
    scope: Scope
    failed: bool


def remove_builder(context: Context) -> Story:
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
            yield from steps.run(context, work.scope, step, step, work.image)
        except StepFailed:
            leftovers.append(resource)
    if work.failed and not leftovers:
        leftovers = yield from _undo(context, work)
    return {"leftovers": leftovers}


def _undo(context: Context, work: Removal) -> Story:
    """Gallery, registry and resource group go as well, if this build made them and nobody else
    needs them. Returns what could not be removed: the group, where not even that could be asked.
    """
    try:
        told = yield from steps.note(context, "list_made", work.image)
    except StepFailed:
        return [work.image.group_id]
    stays: list[str] = []
    for found in told["made"]:
        made = MadePlan.from_wire(found["plan"])
        if stays and made.type == names.GROUP_TYPE:
            continue  # it holds what could not be removed
        try:
            yield from steps.run(context, work.scope, found["step"], "remove_made", made)
        except StepFailed:
            stays.append(made.id)
    return stays


def _order(image: ImagePlan) -> list[tuple[str, str]]:
    """Each removal and what it removes; what holds a thing goes before it."""
    removals = [("remove_builder_vm", image.vm_id)]
    if image.own_network:
        removals.append(("remove_network", image.virtual_network_id))
    if image.outbound == "nat":
        removals.append(("remove_nat_gateway", image.nat_gateway_id))
        removals.append(("remove_public_ip", image.public_ip_id))
    return removals


def _keep(context: Context, work: Removal) -> Story:
    """A person asked to keep the builder: it stays, deallocated, with the network it needs, until
    its expiry. Returns what stays; nothing where there is no VM to keep.
    """
    image = work.image
    try:
        told = yield from steps.run(
            context, work.scope, "keep_builder", "deallocate_builder", image
        )
    except StepFailed:
        return image.builder_resources
    return image.builder_resources if told["kept"] else []
