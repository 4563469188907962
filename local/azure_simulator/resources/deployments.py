"""Deployments of templates to a resource group, incremental: their resources are made in order.

Each resource is asked for as a client would ask, when those that it depends on are there. The first
one that is refused or fails ends the deployment; what was made stays.
"""

from __future__ import annotations

from typing import Any

from local.azure_simulator import (
    arm,
    context,
    durations,
    model,
    operations,
    resource_ids,
    resource_types,
    shapes,
    store,
    times,
)
from local.azure_simulator.resources import templates

TYPE = "Microsoft.Resources/deployments"
_PATH = arm.path_of(TYPE)
_OPERATIONS = "/subscriptions/{subscription}/resourceGroups/{group}/deployments/{name}/operations"
"""Without `providers`, unlike every other path."""
_LOOK_SECONDS = 5
_SHAPE = {
    "properties!": {
        "mode!": str,
        "template!": templates.SHAPE,
        "parameters": {"*": dict},
    },
    "tags": shapes.TAGS,
}
_DELETION = durations.Duration(typical=2, source="estimate")


def register(azure: context.Azure) -> None:
    resource_types.register_reads(azure, TYPE)
    azure.route("HEAD", _PATH, head)
    azure.route("PUT", _PATH, put, operation="deployments.write")
    azure.route("POST", _PATH + "/validate", validate)
    azure.route("GET", _OPERATIONS, list_operations)
    azure.operations.register(
        "deployments.write",
        durations.Duration(typical=60, source="not used: it ends with its resources"),
        arm.succeed,
    )
    resource_types.register_delete(azure, TYPE, "deployments", _DELETION)
    azure.on(TYPE, "look", _look)


def head(azure: context.Azure, request: model.Request) -> model.Response:
    exists = azure.store.find(request.resource_id) is not None
    return model.empty_response(204 if exists else 404)


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """201 (200 for one of that name that has ended) with `Accepted`."""
    arm.check_writable(azure, request.resource_id)
    body = request.json(_SHAPE)
    parts = _read(azure, request, body)
    existing = azure.store.find(request.resource_id)
    if existing is not None and azure.operations.running(existing) is not None:
        model.refuse(
            409,
            "DeploymentActive",
            f"Unable to edit or replace deployment '{existing.name}': previous deployment is still "
            "active.",
        )
    deployment = arm.file(azure, request, TYPE, {"tags": body.get("tags", {})}, existing)
    deployment.document["properties"] = _described(azure, deployment, body, parts)
    deployment.state.update(
        template=body["properties"]["template"],
        given=body["properties"].get("parameters") or {},
        base=request.base_url,
        began=azure.now,
        parts=[_as_json(part) for part in parts],
        asked=[],
    )
    operation = azure.operations.begin("deployments.write", deployment, is_open_ended=True)
    azure.schedule(deployment, "look", 0)
    return operations.put_started(azure, request, deployment, operation, created=existing is None)


def validate(azure: context.Azure, request: model.Request) -> model.Response:
    """200 for a template that can be read."""
    body = request.json(_SHAPE)
    parts = _read(azure, request, body)
    properties = {
        "mode": body["properties"]["mode"],
        "provisioningState": "Succeeded",
        "validatedResources": [{"id": part.id} for part in parts],
    }
    return model.json_response(200, {"properties": properties})


def list_operations(azure: context.Azure, request: model.Request) -> model.Response:
    path = request.resource_id.rpartition("/")[0]
    deployment = arm.require(azure, path.replace("/deployments/", f"/providers/{TYPE}/"))
    items = [
        {
            "id": f"{deployment.id}/operations/{number}",
            "operationId": str(number),
            "properties": {
                "provisioningOperation": "Create",
                "provisioningState": _state_of(azure, part["id"]) or "Running",
                "targetResource": _target(part["id"]),
            },
        }
        for number, part in enumerate(deployment.state["parts"], start=1)
        if part["id"] in deployment.state["asked"]
    ]
    return model.json_response(200, {"value": items})


def _read(
    azure: context.Azure, request: model.Request, body: model.JsonObject
) -> list[templates.Part]:
    group = arm.require_group(azure, request.resource_id)
    assert group is not None  # the path of these routes names one
    given = body["properties"]
    parameters = given.get("parameters") or {}
    where = given["template"], parameters, group.id, group.location
    templates.outputs(*where)  # refuses what they name and the template lacks
    return templates.read(*where)


def _described(
    azure: context.Azure,
    deployment: store.Resource,
    body: model.JsonObject,
    parts: list[templates.Part],
) -> model.JsonObject:
    """Secure parameters come back without a value."""
    declared = body["properties"]["template"].get("parameters") or {}
    given = body["properties"].get("parameters") or {}
    kinds = {name: str(declared.get(name, {}).get("type", "")) for name in given}
    shown = {
        name: {"type": kind, **({} if kind.lower().startswith("secure") else given[name])}
        for name, kind in kinds.items()
    }
    types = sorted({resource_ids.type_of(part.id) for part in parts})
    return {
        "templateHash": str(int.from_bytes(azure.digest("template", deployment.key)[:8], "big")),
        "parameters": shown,
        "mode": body["properties"]["mode"],
        "provisioningState": "Accepted",
        "timestamp": times.zulu(azure.now),
        "duration": "PT0S",
        "correlationId": azure.new_guid("deployment", deployment.key),
        "providers": [
            {
                "namespace": kind.partition("/")[0],
                "resourceTypes": [{"resourceType": kind.partition("/")[2]}],
            }
            for kind in types
        ],
        "dependencies": [
            {"dependsOn": [_target(key) for key in part.waits_for], **_target(part.id)}
            for part in parts
            if part.waits_for
        ],
    }


def _as_json(part: templates.Part) -> model.JsonObject:
    return {
        "id": part.id,
        "apiVersion": part.api_version,
        "body": part.body,
        "waitsFor": list(part.waits_for),
    }


def _target(resource_id: str) -> model.JsonObject:
    return {
        "id": resource_id,
        "resourceType": resource_ids.type_of(resource_id),
        "resourceName": resource_ids.relative_name(resource_id),
    }


# --- how it goes on ------------------------------------------------------------------------


def _look(azure: context.Azure, deployment: store.Resource, data: model.JsonObject) -> None:  # noqa: ARG001
    """Ask for what can be made now; end when all is there, or something cannot be."""
    operation = azure.operations.running(deployment)
    if operation is None:
        return
    deployment.properties["provisioningState"] = "Running"
    parts, asked = deployment.state["parts"], deployment.state["asked"]
    states = {resource_ids.key(item): _state_of(azure, item) for item in asked}
    problem = _problem(azure, asked)
    for part in parts if problem is None else ():
        is_ready = all(states.get(key) == "Succeeded" for key in part["waitsFor"])
        if is_ready and part["id"] not in asked and problem is None:
            problem = _ask(azure, deployment, part)
            asked.append(part["id"])
    is_done = len(states) == len(parts) and all(s == "Succeeded" for s in states.values())
    if problem is None and not is_done:
        azure.schedule(deployment, "look", _LOOK_SECONDS)
        return
    _finish(azure, deployment)
    azure.operations.end_now(operation, problem)


def _ask(
    azure: context.Azure, deployment: store.Resource, part: model.JsonObject
) -> model.JsonObject | None:
    """Send one PUT; the deployment's error where it is refused."""
    url = f"{deployment.state['base']}{part['id']}?api-version={part['apiVersion']}"
    try:
        azure.dispatch("PUT", url, part["body"])
    except model.Refusal as refusal:
        return _failure(part["id"], refusal.error())
    return None


def _state_of(azure: context.Azure, resource_id: str) -> str:
    """A subnet is a part of its network."""
    is_subnet = resource_ids.type_of(resource_id).lower().endswith("/subnets")
    resource = azure.store.find(resource_ids.parent(resource_id) if is_subnet else resource_id)
    if resource is None:
        return "Failed"
    return str(resource.document.get("properties", {}).get("provisioningState", "Succeeded"))


def _problem(azure: context.Azure, asked: list[str]) -> model.JsonObject | None:
    """Of the first resource that failed after it was accepted."""
    for resource_id in asked:
        if _state_of(azure, resource_id) == "Failed":
            resource = azure.store.find(resource_id)
            known = resource.state.get("problem") if resource is not None else None
            message = (
                "The resource write operation failed to complete successfully, because it reached "
                "terminal provisioning state 'Failed'."
            )
            error = model.error_object("ResourceDeploymentFailure", message)
            return _failure(resource_id, {**error, "details": [known]} if known else error)
    return None


def _failure(resource_id: str, error: model.JsonObject) -> model.JsonObject:
    return model.error_object(
        "DeploymentFailed",
        "At least one resource deployment operation failed. Please list deployment operations for "
        "details. Please see https://aka.ms/arm-deployment-operations for usage details.",
        target=resource_id,
        details=[error],
    )


def _finish(azure: context.Azure, deployment: store.Resource) -> None:
    group = arm.require_group(azure, deployment.id)
    assert group is not None  # it holds the deployment
    state: dict[str, Any] = deployment.state
    deployment.properties.update(
        outputs=templates.outputs(state["template"], state["given"], group.id, group.location),
        outputResources=[{"id": item} for item in state["asked"]],
        timestamp=times.zulu(azure.now),
        duration=f"PT{azure.now - state['began']:g}S",
    )
