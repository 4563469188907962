"""The weekly rebuild: build every enabled recipe, several side by side."""

from __future__ import annotations

from activities import records
from orchestrators.build import build
from shared.base.errors import Failure
from shared.base.wire import Wire
from shared.engine import workflow
from shared.engine.activity import NoInput
from shared.engine.orchestration import Child, orchestration
from shared.engine.polling_loop import Context, Workflow
from shared.model.rebuilds import RebuildGroup, RecipePlan

# A history grows by ten events with each build and is replayed after each of them, so each group
# has a history of its own.
_GROUP = 25


class Rebuilt(Wire):
    """Output: the build of each recipe, and why the other recipes have none."""

    started: dict[str, str] = {}
    skipped: dict[str, str] = {}


@orchestration(NoInput, Rebuilt)
def rebuild_images(context: Context, _: NoInput) -> Workflow[Rebuilt]:
    """Build all enabled recipes, a group after another; return when all builds have ended."""
    stored = yield from workflow.call(context, records.list_recipes, NoInput())
    enabled = [name for name, recipe in sorted(stored.recipes.items()) if recipe.enabled]
    day = workflow.now(context)[:10]
    started: dict[str, str] = {}
    skipped: dict[str, str] = {}
    for start in range(0, len(enabled), _GROUP):
        names = enabled[start : start + _GROUP]
        group = RebuildGroup(recipes=names, day=day, width=stored.width)
        outcome = yield from workflow.run_child(context, rebuild_group, f"group-{start}", group)
        if not isinstance(outcome, Failure):
            started |= outcome.started
            skipped |= outcome.skipped
    return Rebuilt(started=started, skipped=skipped)


@orchestration(RebuildGroup, Rebuilt)
def rebuild_group(context: Context, group: RebuildGroup) -> Workflow[Rebuilt]:
    """Build the recipes of one group, at most `width` at a time."""
    accepted = yield from workflow.call_all(
        context,
        [(records.accept_recipe, RecipePlan(name=n, day=group.day)) for n in group.recipes],
    )
    builds, started, skipped = [], {}, {}
    for name, answer in zip(group.recipes, accepted, strict=True):
        if answer.plan is not None:
            started[name] = answer.plan.build_id
            identity = answer.plan.build_id
            builds.append(Child(orchestration=build, identity=identity, input=answer.plan))
        else:
            skipped[name] = answer.skipped or ""
    yield from workflow.run_children(context, builds, group.width, own_ids=True)
    return Rebuilt(started=started, skipped=skipped)
