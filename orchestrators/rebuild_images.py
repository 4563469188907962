"""The weekly rebuild: every enabled recipe becomes a build, some of them side by side."""

from __future__ import annotations

from shared import names, steps
from shared.plans import BuildPlan, Nothing, RecipePlan
from shared.steps import Context, Story


def rebuild_images(context: Context) -> Story:
    """Orchestration: nothing → `{"started": {recipe: build id}, "skipped": {recipe: why}}` when all
    have ended.
    """
    told = yield from steps.note(context, "list_recipes", Nothing())
    enabled = [name for name, recipe in sorted(told["recipes"].items()) if recipe["enabled"]]
    day = steps.now(context)[:10]
    accepted = yield from steps.call_all(
        context, [("accept_recipe", RecipePlan(name=name, day=day)) for name in enabled]
    )
    work, started, skipped = [], {}, {}
    for name, answer in zip(enabled, accepted, strict=True):
        if "plan" in answer:
            plan = BuildPlan.from_wire(answer["plan"])
            started[name] = plan.build_id
            work.append((names.Orchestrator.BUILD.value, plan.build_id, plan))
        else:
            skipped[name] = answer["skipped"]
    yield from steps.run_bounded(context, work, told["width"], own_ids=True)
    return {"started": started, "skipped": skipped}
