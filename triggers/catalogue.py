"""HTTP: images, pools and recipes, from the records."""

from __future__ import annotations

import json
import re

from shared.base import names
from shared.base.errors import Problem, RequestRefused
from shared.model import parsing, planning
from shared.model.outcomes import ImageRecord
from shared.model.plans import AccountPlan
from shared.model.requests import Mode
from triggers import builds, http
from triggers.http import Answer, Begin, Call


def list_images(call: Call) -> Answer:
    """GET /api/images."""
    return Answer(body={"images": [i.to_wire() for i in call.services.records.images()]})


def show_image(call: Call) -> Answer:
    """GET /api/images/{gallery}/{name}/{version}: `image_metadata.json`."""
    image = _image(call)
    return _no_image(call) if image is None else Answer(body=image.to_wire())


def show_bill_of_materials(call: Call) -> Answer:
    """GET /api/images/{gallery}/{name}/{version}/bom: what is in it, as CycloneDX JSON."""
    image = _image(call)
    if image is None:
        return _no_image(call)
    kept = image.bill_of_materials and call.services.outbox.get_document(image.bill_of_materials)
    if not kept:
        why = image.bill_of_materials_note or "It was made before bills of materials were kept."
        message = f"Image {image.image_name} {image.version} has no bill of materials. {why}"
        return http.error(404, "NoBillOfMaterials", message)
    return Answer(body=json.loads(kept))


def _image(call: Call) -> ImageRecord | None:
    gallery, name, version = (call.params[k] for k in ("gallery", "name", "version"))
    return call.services.records.image(gallery, name, version, call.query.get("resourceGroup"))


def _no_image(call: Call) -> Answer:
    wanted = "/".join(call.params[k] for k in ("gallery", "name", "version"))
    message = f"There is no image {wanted}. GET /api/images lists them."
    return http.error(404, "NotFound", message)


def list_pools(call: Call) -> Answer:
    """GET /api/pools, of all accounts or of ?account=."""
    found = call.services.records.pools(call.query.get("account"))
    return Answer(body={"pools": [p.to_wire() for p in found]})


def show_pool(call: Call) -> Answer:
    """GET /api/pools/{account}/{pool}: `batch_metadata.json`."""
    account, pool = call.params["account"], call.params["pool"]
    record = call.services.records.pool(account, pool)
    return _no_pool(account, pool) if record is None else Answer(body=record.to_wire())


def _no_pool(account: str, pool: str) -> Answer:
    message = f"There is no pool {pool} in account {account}. GET /api/pools lists them."
    return http.error(404, "NotFound", message)


def resize_pool(call: Call) -> Answer:
    """PATCH /api/pools/{account}/{pool}."""
    resize = parsing.parse_resize(call.json())
    return _change(call, Mode.RESIZE_POOL, resize.nodes, resize.low_priority_nodes)


def delete_pool(call: Call) -> Answer:
    """DELETE /api/pools/{account}/{pool}."""
    return _change(call, Mode.DELETE_POOL, None, None)


def _change(call: Call, mode: Mode, nodes: int | None, low: int | None) -> Answer:
    account, pool = call.params["account"], call.params["pool"]
    record = call.services.records.pool(account, pool)
    if record is None:
        return _no_pool(account, pool)
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
        nodes=nodes,
        low_priority_nodes=low,
    )
    changed = {"account": record.batch_account, "pool": record.pool_id}
    call.services.records.accept_build(plan.build_id, mode, changed)
    return Answer(
        status=202,
        body={"buildId": plan.build_id, "statusUrl": builds.status_url(call, plan.build_id)},
        begin=Begin(orchestrator=names.Orchestrator.CHANGE_POOL, instance=plan.build_id, plan=plan),
    )


# -- recipes --------------------------------------------------------------------------------------


def list_recipes(call: Call) -> Answer:
    """GET /api/recipes."""
    found = call.services.records.recipes()
    return Answer(body={"recipes": [{"name": n, **r} for n, r in sorted(found.items())]})


def show_recipe(call: Call) -> Answer:
    """GET /api/recipes/{name}."""
    name = call.params["name"]
    recipe = call.services.records.recipes().get(name)
    return _no_recipe(name) if recipe is None else Answer(body={"name": name, **recipe})


def put_recipe(call: Call) -> Answer:
    """PUT /api/recipes/{name}: `{"enabled": true, "request": {...}}`."""
    name = call.params["name"]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        message = "1 to 63 letters, digits, . _ and -, beginning with a letter or digit"
        raise RequestRefused([Problem(field="name", code="InvalidName", message=message)])
    recipe = parsing.parse_recipe(call.json()).to_wire()
    call.services.records.put_recipe(name, recipe)
    return Answer(body={"name": name, **recipe})


def delete_recipe(call: Call) -> Answer:
    """DELETE /api/recipes/{name}."""
    name = call.params["name"]
    if name not in call.services.records.recipes():
        return _no_recipe(name)
    call.services.records.remove_recipe(name)
    return Answer(body={"name": name, "state": "deleted"})


def _no_recipe(name: str) -> Answer:
    return http.error(404, "NotFound", f"There is no recipe {name}. GET /api/recipes lists them.")
