"""The weekly rebuild: every enabled recipe becomes a build, some of them side by side."""

from __future__ import annotations

from shared.base import names
from shared.engine import workflow
from shared.engine.polling_loop import Context, Workflow
from shared.model.plans import BuildPlan, NoInput, RebuildGroup, RecipePlan

# A history grows by ten events with each build, and is told anew after each of them.
_GROUP = 25


def rebuild_images(context: Context) -> Workflow:
    """Orchestration: nothing → `{"started": {recipe: build id}, "skipped": {recipe: why}}` when all
    have ended. Group after group, each with a history of its own.
    """
    told = yield from workflow.note(context, "list_recipes", NoInput())
    enabled = [name for name, recipe in sorted(told["recipes"].items()) if recipe["enabled"]]
    day = workflow.now(context)[:10]
    started: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for start in range(0, len(enabled), _GROUP):
        some = RebuildGroup(recipes=enabled[start : start + _GROUP], day=day, width=told["width"])
        outcome = yield from workflow.run_child(
            context, names.Orchestrator.REBUILD_GROUP.value, f"group-{start}", some
        )
        started |= outcome.get("started", {})
        skipped |= outcome.get("skipped", {})
    return {"started": started, "skipped": skipped}


def rebuild_group(context: Context) -> Workflow:
    """Orchestration: `RebuildGroup` → the same of its recipes."""
    group = RebuildGroup.from_wire(context.get_input())
    accepted = yield from workflow.call_all(
        context,
        [("accept_recipe", RecipePlan(name=name, day=group.day)) for name in group.recipes],
    )
    work, started, skipped = [], {}, {}
    for name, answer in zip(group.recipes, accepted, strict=True):
        if "plan" in answer:
            plan = BuildPlan.from_wire(answer["plan"])
            started[name] = plan.build_id
            work.append((names.Orchestrator.BUILD.value, plan.build_id, plan))
        else:
            skipped[name] = answer["skipped"]
    yield from workflow.run_bounded(context, work, group.width, own_ids=True)
    return {"started": started, "skipped": skipped}
