"""Read and write the records in Azure Table Storage."""

from __future__ import annotations

from activities import rebuild_changes
from shared.base import names
from shared.base.errors import RequestRefused
from shared.base.wire import replace
from shared.engine.activity import NoInput, NoResult, PollState, Services, short_activity
from shared.model import abandoned_pools, parsing, request_ids
from shared.model.outcomes import BuildOutcome, ImageRecord, PoolRecord, PoolReport
from shared.model.plans import BuildRef, ChangePlan
from shared.model.rebuilds import RecipePlan
from shared.model.results import BuildBegun, PoolChanged, RecipeAccepted, Recipes, StoredRecipe
from shared.store import acceptance


@short_activity(
    BuildRef, BuildBegun, verb="record that the build runs", subject=lambda plan: plan.build_id
)
def begin_build(services: Services, plan: BuildRef, poll: PollState) -> BuildBegun:
    services.records.begin_build(plan.build_id, poll.now)
    return BuildBegun(pace=services.records.pace())


@short_activity(
    BuildOutcome, NoResult, verb="record how the build ended", subject=lambda plan: plan.build_id
)
def end_build(services: Services, plan: BuildOutcome, poll: PollState) -> NoResult:
    before = services.records.build(plan.build_id) if services.telemetry.is_on else None
    services.records.end_build(plan, poll.now)
    services.records.learn_pace(plan.build_id)
    services.telemetry.build_ended(before, plan)
    return NoResult()


@short_activity(ImageRecord, NoResult, verb="record the image", subject=lambda plan: plan.image_id)
def record_image(services: Services, plan: ImageRecord, _: PollState) -> NoResult:
    services.records.put_image(plan)
    return NoResult()


@short_activity(
    PoolReport, NoResult, verb="record the pool", subject=lambda plan: plan.record.pool_id
)
def record_pool(services: Services, plan: PoolReport, poll: PollState) -> NoResult:
    """Write only if this build owns the pool, or no record exists and no other build is at work on
    the pool: that one records it. Another build's record gets the nodes that the pool has now.
    """
    record, records = plan.record, services.records
    if plan.is_ours or not (
        records.pool(record.batch_account, record.pool_id) or _others_work(services, record)
    ):
        records.put_pool(record)
    elif plan.is_counted and not _others_work(services, record):
        records.change_pool(
            record.batch_account,
            record.pool_id,
            lambda old: abandoned_pools.interrupted(old, record, poll.now),
        )
    return NoResult()


def _others_work(services: Services, record: PoolRecord) -> bool:
    resource = record.resource(services.azure.config.subscription_id)
    at_work = services.records.at_work_on(record.batch_account, record.pool_id, resource)
    return at_work is not None and at_work != record.build_id


@short_activity(
    ChangePlan, PoolChanged, verb="record the pool's change", subject=lambda plan: plan.resource
)
def record_pool_change(services: Services, plan: ChangePlan, poll: PollState) -> PoolChanged:
    """The record after a resize or a deletion."""
    old = services.records.pool(plan.account.name, plan.pool_id)
    if plan.nodes is None and plan.low_priority_nodes is None:
        services.records.remove_pool(plan.account.name, plan.pool_id)
        return PoolChanged(pool=old and _deleted(old, poll.now))
    if old is None:
        return PoolChanged()
    nodes = old.nodes if plan.nodes is None else plan.nodes
    low = old.low_priority_nodes if plan.low_priority_nodes is None else plan.low_priority_nodes
    new = replace(abandoned_pools.resized(old, nodes, low), changed_at=poll.now)
    services.records.put_pool(new)
    return PoolChanged(pool=new)


def _deleted(record: PoolRecord, now: str) -> PoolRecord:
    settled = abandoned_pools.settled(record)
    return replace(settled, state="deleted", nodes=0, low_priority_nodes=0, changed_at=now)


@short_activity(NoInput, Recipes, verb="read the recipes", subject=lambda _: "recipes")
def list_recipes(services: Services, _plan: NoInput, _: PollState) -> Recipes:
    stored = services.records.recipes().items()
    recipes = {name: StoredRecipe.from_wire(recipe) for name, recipe in stored}
    return Recipes(recipes=recipes, width=services.azure.config.rebuild_width)


@short_activity(
    RecipePlan, RecipeAccepted, verb="accept the recipe's request", subject=lambda plan: plan.name
)
def accept_recipe(services: Services, plan: RecipePlan, poll: PollState) -> RecipeAccepted:
    """Accept one build per recipe and day; a second rebuild on that day finds the first one."""
    recipe = services.records.recipes().get(plan.name)
    if recipe is None:
        return RecipeAccepted(skipped="the recipe is gone")
    request_id, config = request_ids.of_recipe(plan.name, plan.day), services.azure.config
    build = names.build_id(request_id)
    known = services.records.build(build)
    if known and known["State"] != "accepted":
        return RecipeAccepted(skipped=f"its build of today, {build}, is {known['State']}")
    try:
        asked = parsing.parse_build(recipe["request"], config).with_request_id(request_id)
        request, texts = asked.without_texts()
        if known is None and (same := rebuild_changes.unchanged(services, request)):
            return RecipeAccepted(skipped=f"nothing has changed since version {same}")
        for name, text in texts.items():
            services.outbox.put_context(name, text)
        accepted = acceptance.accept_parsed(services.records, request, config, now=poll.now)
    except RequestRefused as refused:
        return RecipeAccepted(skipped=str(refused))
    except acceptance.RequestConflict as taken:
        return RecipeAccepted(skipped=str(taken))
    if accepted.must_start:
        services.telemetry.triggered(accepted.plan.build_id, "weekly_rebuild", poll.now)
        return RecipeAccepted(plan=accepted.plan)
    return RecipeAccepted(skipped=f"it was built already, as {accepted.plan.build_id}")
