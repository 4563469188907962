"""The second owner of everything temporary: closes builds that died, removes what nobody needs."""

from __future__ import annotations

from shared import polling, steps
from shared.errors import StepFailed
from shared.plans import LeftoverPlan, Named, Nothing, SweepPlan
from shared.steps import Context, Scope, Story


def sweep(context: Context) -> Story:
    """Orchestration: `SweepPlan` → `{"closed": [...], "removed": [...], "failed": [...]}`."""
    plan = SweepPlan.from_wire(context.get_input())
    removed, failed = [], []
    try:
        for build in plan.dead:
            yield from steps.note(context, "close_build", Named(build_id=build))
        told = yield from steps.note(context, "list_leftovers", Nothing())
    except StepFailed as refused:  # the next sweep tries again
        return {"closed": [], "removed": [], "failed": [], "error": refused.failure.to_wire()}
    for number, found in enumerate(told["leftovers"], 1):
        leftover = LeftoverPlan.from_wire(found)
        step = f"sweep_{number}"
        scope = Scope(build=leftover.build_id, cancellable=False, pace=_pace(step, leftover))
        try:
            yield from steps.run(context, scope, step, "remove_leftover", leftover)
        except StepFailed:
            failed.append(leftover.id)  # the next sweep tries again
        else:
            removed.append(leftover.id)
    return {"closed": plan.dead, "removed": removed, "failed": failed}


def _pace(step: str, leftover: LeftoverPlan) -> dict[str, float]:
    """A VM takes its time to go, and is not looked at every few seconds meanwhile."""
    if not leftover.type.lower().endswith("/virtualmachines"):
        return {}
    return {step: polling.pace_of("remove_builder_vm").typical}
