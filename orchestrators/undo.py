"""Gallery, registry, identity and resource group of a build of which nothing came: they go as well,
if this build made them and nobody else needs them.
"""

from __future__ import annotations

from shared.base import names
from shared.base.errors import StepFailed
from shared.engine import workflow
from shared.engine.polling_loop import Context, StepContext, Workflow
from shared.model.cleanup_plans import MadeIn, MadePlan


def undo(context: Context, scope: StepContext, where: MadeIn) -> Workflow:
    """Returns what could not be removed: the group, where not even that could be asked."""
    try:
        told = yield from workflow.note(context, "list_made", where)
    except StepFailed:
        return [where.group_id]
    stays: list[str] = []
    for found in told["made"]:
        made = MadePlan.from_wire(found["plan"])
        if stays and made.type == names.GROUP_TYPE:
            continue  # it holds what could not be removed
        try:
            yield from workflow.run(context, scope, found["step"], "remove_made", made)
        except StepFailed:
            stays.append(made.id)
    return stays
