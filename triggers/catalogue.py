"""HTTP: images, pools and recipes, from the records."""

from __future__ import annotations

import functools
import json
import re

from shared.base import names
from shared.base.errors import Failure, Kind, Problem, RequestRefused
from shared.base.wire import replace
from shared.model import build_outcomes, parsing, planning, recipes
from shared.model.documents import (
    BillOfMaterials,
    ImageList,
    PoolList,
    RecipeDeleted,
    RecipeDocument,
    RecipeList,
)
from shared.model.outcomes import ImageRecord
from shared.model.plans import AccountPlan, ChangePlan
from shared.model.queries import ImageQuery, ImagesQuery, PoolsQuery
from shared.model.requests import Mode, Resize
from shared.store import shared_definitions
from triggers import builds, http
from triggers.http import Answer, Begin, Call, Json


def list_images(call: Call) -> Answer:
    """List the image versions that builds have published."""
    query = call.asked(ImagesQuery)
    images, last = call.services.records.list_images(query.limit, query.place)
    return Answer(document=ImageList(images=images, **call.next_link(query, last)))


def show_image(call: Call) -> Answer:
    """Show an image version, as `image_metadata.json` holds it."""
    image = image_of(call, call.asked(ImageQuery))
    return no_image(call) if image is None else Answer(document=image)


def show_bill_of_materials(call: Call) -> Answer:
    """Show everything that an image version contains, as CycloneDX JSON."""
    image = image_of(call, call.asked(ImageQuery))
    if image is None:
        return no_image(call)
    kept = image.bill_of_materials and call.services.outbox.get_document(image.bill_of_materials)
    if not kept:
        why = image.bill_of_materials_note or "It was made before bills of materials were kept."
        message = f"Image {image.image_name} {image.version} has no bill of materials. {why}"
        return http.error(404, "NoBillOfMaterials", message)
    return Answer(document=BillOfMaterials.from_wire(json.loads(kept)))


def image_of(call: Call, asked: ImageQuery) -> ImageRecord | None:
    """The record of the image that the route names."""
    gallery, name, version = (call.params[k] for k in ("gallery", "name", "version"))
    return call.services.records.image(gallery, name, version, asked.resource_group)


def no_image(call: Call) -> Answer:
    """404: no record of such an image, or of `latest` only versions that are excluded from it."""
    gallery, name, version = (call.params[k] for k in ("gallery", "name", "version"))
    group = call.asked(ImageQuery).resource_group
    message = f"There is no image {gallery}/{name}/{version}."
    if call.services.records.image(gallery, name, version, group, excluded=True):
        message = (
            f"Every version of image {gallery}/{name} is withdrawn (excluded from latest): name "
            "one by its number."
        )
    return http.error(404, "NotFound", f"{message} GET /api/images lists them.")


def list_pools(call: Call) -> Answer:
    """List the pools that builds have made, of all Batch accounts or of one."""
    query = call.asked(PoolsQuery)
    pools, last = call.services.records.list_pools(query.account, query.limit, query.place)
    return Answer(document=PoolList(pools=pools, **call.next_link(query, last)))


def no_pool(account: str, pool: str) -> Answer:
    """404: no record of such a pool."""
    message = f"There is no pool {pool} in account {account}. GET /api/pools lists them."
    return http.error(404, "NotFound", message)


def resize_pool(call: Call) -> Answer:
    """Resize a pool to a number of nodes."""
    resize = parsing.parse_resize(call.json())
    return _change(call, Mode.RESIZE_POOL, resize)


def delete_pool(call: Call) -> Answer:
    """Delete a pool with its nodes."""
    return _change(call, Mode.DELETE_POOL)


def _change(call: Call, mode: Mode, resize: Resize | None = None) -> Answer:
    account, pool = call.params["account"], call.params["pool"]
    record = call.services.records.pool(account, pool)
    if record is None:
        return no_pool(account, pool)
    plan = planning.plan_change(
        request_id=call.services.new_id(),
        mode=mode,
        account=AccountPlan(
            build_id="",
            subscription_id=call.services.azure.config.subscription_id,
            name=record.batch_account,
            resource_group=record.resource_group,
            location=record.location,
        ),
        pool_id=record.pool_id,
        resize=resize,
    )
    if other := _accept_change(call, plan):
        message = (
            f"Build {other} is at work on pool {plan.pool_id}. Wait for it to end, or cancel it; "
            "then send the request again."
        )
        return http.error(409, "BuildRunning", message, build_id=other)
    return Answer(
        status=202,
        document=builds.accepted_document(call, plan.build_id),
        begin=Begin(orchestrator=names.Orchestrator.CHANGE_POOL, instance=plan.build_id, plan=plan),
        undo=functools.partial(_end_unbegun, call, plan),
    )


def _accept_change(call: Call, plan: ChangePlan) -> str | None:
    """Record the change and claim its pool. Where another build or change is at work on that pool,
    return that one; then nothing is recorded.
    """
    records, account = call.services.records, plan.account.name
    if other := records.at_work_on(account, plan.pool_id, plan.resource):
        return other
    changed = {"account": account, "pool": plan.pool_id}
    now = call.services.now()
    row = records.accept_build(plan.build_id, plan.mode, changed, now, caller=call.caller)
    holder = records.claim("pool", plan.resource.lower(), plan.build_id)
    if holder == plan.build_id:
        return None
    if row is not None:
        records.withdraw_build(row)
    return holder


def _end_unbegun(call: Call, plan: ChangePlan) -> None:
    """End the record of a change that could not begin, so that its pool is free. If Durable begins
    it after all, the record says that it runs again.
    """
    failure = Failure(
        code="NotBegun",
        kind=Kind.TRANSIENT,
        message="Durable Functions did not answer, so the change has not begun.",
        resource=plan.resource,
        next_action="Send the request again.",
    )
    outcome = build_outcomes.failed(plan.build_id, failure)
    call.services.records.end_dead_build(outcome, call.services.now())


# -- recipes --------------------------------------------------------------------------------------


def list_recipes(call: Call) -> Answer:
    """List the recipes that the weekly rebuild builds, and those that are disabled."""
    found = sorted(call.services.records.recipes().items())
    return Answer(document=RecipeList(recipes=[_recipe(name, recipe) for name, recipe in found]))


def show_recipe(call: Call) -> Answer:
    """Show a recipe."""
    name = call.params["name"]
    recipe = call.services.records.recipes().get(name)
    return _no_recipe(name) if recipe is None else Answer(document=_recipe(name, recipe))


def put_recipe(call: Call) -> Answer:
    """Store a recipe, as its owner wrote it, under a name, in the place of an earlier one.

    Where another enabled recipe publishes into the same image definition, a warning names it.
    """
    name = call.params["name"]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        message = "1 to 63 letters, digits, . _ and -, beginning with a letter or digit"
        raise RequestRefused([Problem(field="name", code="InvalidName", message=message)])
    data = call.json()
    recipe = parsing.parse_recipe(data, name, call.services.azure.config)
    assert isinstance(data, dict)
    request, texts = recipe.request.without_texts()
    for context, text in texts.items():
        call.services.outbox.put_context(context, text)
    stored = {"enabled": recipe.enabled, "request": recipes.written(data["request"], request)}
    records, config = call.services.records, call.services.azure.config
    warnings = shared_definitions.warnings(records, name, stored, config)
    records.put_recipe(name, stored)
    document = _recipe(name, stored)
    return Answer(document=replace(document, warnings=warnings) if warnings else document)


def delete_recipe(call: Call) -> Answer:
    """Remove a recipe; the images that were built from it stay."""
    name = call.params["name"]
    if name not in call.services.records.recipes():
        return _no_recipe(name)
    call.services.records.remove_recipe(name)
    return Answer(document=RecipeDeleted(name=name, state="deleted"))


def _recipe(name: str, stored: Json) -> RecipeDocument:
    return RecipeDocument.from_wire({"name": name, **stored})


def _no_recipe(name: str) -> Answer:
    return http.error(404, "NotFound", f"There is no recipe {name}. GET /api/recipes lists them.")
