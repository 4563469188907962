"""Gallery, registry, identity and resource group of a build of which nothing came: remove them if
this build made them and nobody else needs them.
"""

from __future__ import annotations

from activities import made
from shared.base import names
from shared.base.errors import StepFailed
from shared.engine import workflow
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model.cleanup_plans import MadeIn


def undo(context: Context, step_context: StepContext, where: MadeIn) -> Workflow[list[str]]:
    """Return the ids of what could not be removed: the group's, where not even that is known."""
    try:
        found = yield from workflow.call(context, made.list_made, where)
    except StepFailed:
        return [where.group_id]
    stays: list[str] = []
    for removal in found.made:
        if stays and removal.plan.type == names.GROUP_TYPE:
            continue  # it contains what could not be removed
        try:
            yield from workflow.run_step(
                context, step_context, removal.step, made.remove_made, removal.plan
            )
        except StepFailed:
            stays.append(removal.plan.id)
    return stays
