"""Remove what an image needed only while it was made: the builder VM and its network, newest
first.
"""

from __future__ import annotations

from shared import names, steps
from shared.errors import StepFailed
from shared.plans import ImagePlan
from shared.steps import Context, Scope, Story
from shared.wire import Wire


class Removal(Wire):
    """Input: the image whose builder goes, and whether the image failed."""

    image: ImagePlan
    scope: Scope
    failed: bool


def remove_builder(context: Context) -> Story:
    """Orchestration: `Removal` → `{"leftovers": [resource ids]}`. Works from the plan, reports,
    never raises.
    """
    work = Removal.from_wire(context.get_input())
    if work.image.keep_vm:
        return (yield from _keep(context, work))
    leftovers = []
    for step in _order(work.image):
        try:
            yield from steps.run(context, work.scope, step, step, work.image)
        except StepFailed as failed:
            leftovers.append(failed.failure.resource or step)
    return {"leftovers": leftovers}


def _order(image: ImagePlan) -> list[str]:
    """What holds a thing goes before it."""
    removals = ["remove_builder_vm"]
    if image.own_network:
        removals.append("remove_network")
    if image.outbound == "nat":
        removals += ["remove_nat_gateway", "remove_public_ip"]
    return removals


def _keep(context: Context, work: Removal) -> Story:
    """A person asked to keep the builder: it stays, deallocated, until its expiry."""
    try:
        yield from steps.run(context, work.scope, "keep_builder", "deallocate_builder", work.image)
    except StepFailed as failed:
        return {"leftovers": [failed.failure.resource or names.builder_vm(work.image.build_id)]}
    return {"leftovers": [work.image.vm_id]}
