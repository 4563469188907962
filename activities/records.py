"""Writing and reading the records."""

from __future__ import annotations

from shared.base.errors import RequestRefused
from shared.engine.activity import Json, PollState, Services, ShortActivity
from shared.model import abandoned_pools
from shared.model.plans import (
    BuildOutcome,
    BuildRef,
    ImageRecord,
    NoInput,
    PoolChange,
    PoolTold,
    RecipePlan,
)
from shared.store import acceptance


def _begin(services: Services, plan: BuildRef, poll: PollState) -> Json:
    services.records.begin_build(plan.build_id, poll.now)
    return {"pace": services.records.pace()}


begin_build = ShortActivity(
    name="begin_build",
    plan=BuildRef,
    verb="record that the build runs",
    subject=lambda plan: plan.build_id,
    act=_begin,
)


def _end(services: Services, plan: BuildOutcome, poll: PollState) -> Json:
    services.records.end_build(plan, poll.now)
    services.records.learn_pace(plan.build_id)
    return {}


end_build = ShortActivity(
    name="end_build",
    plan=BuildOutcome,
    verb="record how the build ended",
    subject=lambda plan: plan.build_id,
    act=_end,
)


def _put_image(services: Services, plan: ImageRecord, _: PollState) -> Json:
    services.records.put_image(plan)
    return {}


record_image = ShortActivity(
    name="record_image",
    plan=ImageRecord,
    verb="record the image",
    subject=lambda plan: plan.image_id,
    act=_put_image,
)


def _put_pool(services: Services, plan: PoolTold, _: PollState) -> Json:
    """A build that left a pool as another had made it does not tell what became of it."""
    record = plan.record
    if plan.is_ours or services.records.pool(record.batch_account, record.pool_id) is None:
        services.records.put_pool(record)
    return {}


record_pool = ShortActivity(
    name="record_pool",
    plan=PoolTold,
    verb="record the pool",
    subject=lambda plan: plan.record.pool_id,
    act=_put_pool,
)


def _deleted(poll: PollState) -> Json:
    return {"state": "deleted", "nodes": 0, "low_priority_nodes": 0, "changed_at": poll.now}


def _change_pool(services: Services, plan: PoolChange, poll: PollState) -> Json:
    """The record after a resize or a deletion."""
    old = services.records.pool(plan.account.name, plan.pool_id)
    if plan.nodes is None and plan.low_priority_nodes is None:
        services.records.remove_pool(plan.account.name, plan.pool_id)
        gone = old and abandoned_pools.settled(old).model_copy(update=_deleted(poll))
        return {"pool": gone.to_wire()} if gone else {}
    if old is None:
        return {}
    changes = {
        "nodes": old.nodes if plan.nodes is None else plan.nodes,
        "low_priority_nodes": old.low_priority_nodes
        if plan.low_priority_nodes is None
        else plan.low_priority_nodes,
        "changed_at": poll.now,
    }
    new = abandoned_pools.settled(old).model_copy(update=changes)  # the nodes are a person's now
    services.records.put_pool(new)
    return {"pool": new.to_wire()}


record_pool_change = ShortActivity(
    name="record_pool_change",
    plan=PoolChange,
    verb="record the pool's change",
    subject=lambda plan: plan.resource,
    act=_change_pool,
)


def _recipes(services: Services, _plan: NoInput, _: PollState) -> Json:
    width = services.azure.config.rebuild_width
    return {"recipes": services.records.recipes(), "width": width}


list_recipes = ShortActivity(
    name="list_recipes",
    plan=NoInput,
    verb="read the recipes",
    subject=lambda _: "recipes",
    act=_recipes,
)


def _accept_recipe(services: Services, plan: RecipePlan, _: PollState) -> Json:
    """One build per recipe and day: a second rebuild on a day finds the first one's build."""
    recipe = services.records.recipes().get(plan.name)
    if recipe is None:
        return {"skipped": "the recipe is gone"}
    request = {**recipe["request"], "requestId": f"recipe-{plan.name}-{plan.day}"}
    try:
        accepted = acceptance.accept(services.records, request, services.azure.config)
    except RequestRefused as refused:
        return {"skipped": str(refused)}
    except acceptance.RequestConflict as taken:
        return {"skipped": str(taken)}
    if accepted.is_new:
        return {"plan": accepted.plan.to_wire()}
    return {"skipped": f"it was built already, as {accepted.plan.build_id}"}


accept_recipe = ShortActivity(
    name="accept_recipe",
    plan=RecipePlan,
    verb="accept the recipe's request",
    subject=lambda plan: plan.name,
    act=_accept_recipe,
)
