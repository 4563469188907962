"""Resource groups: plain PUT, HEAD, and a DELETE that takes everything inside with it."""

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, operations, shapes, store
from local.azure_simulator.data import locations

TYPE = arm.GROUP_TYPE
_PATH = "/subscriptions/{subscription}/resourceGroups/{group}"


def register(azure: context.Azure) -> None:
    azure.route("GET", "/subscriptions/{subscription}/resourceGroups", list_groups)
    azure.route("GET", _PATH, get)
    azure.route("HEAD", _PATH, head)
    azure.route("PUT", _PATH, put, operation="resourceGroups.write")
    azure.route("PATCH", _PATH, patch, operation="resourceGroups.write")
    azure.route("DELETE", _PATH, delete, operation="resourceGroups.delete")
    takes = durations.Duration(typical=75, source="estimate, beside what it contains")
    azure.operations.register("resourceGroups.delete", takes, arm.vanish)


def list_groups(azure: context.Azure, request: model.Request) -> model.Response:
    wanted = arm.filter_by_tag(request.query.get("$filter", ""))
    groups = [group for group in azure.store.of_type(TYPE) if wanted(group)]
    return arm.page(azure, request, groups)


def get(azure: context.Azure, request: model.Request) -> model.Response:
    return model.json_response(200, _require(azure, request).document)


def head(azure: context.Azure, request: model.Request) -> model.Response:
    exists = azure.store.find(request.resource_id) is not None
    return model.empty_response(204 if exists else 404)


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """201 for a new group, 200 for an existing one; 409 in another location."""
    body = request.json(shapes.ENVELOPE)
    existing = azure.store.find(request.resource_id)
    location = body.get("location", "")
    if not locations.is_known(location):
        message = f"The provided location '{location}' is not available for resource group."
        model.refuse(400, "LocationNotAvailableForResourceGroup", message)
    if existing is not None:
        _check_update(existing, location)
    group = arm.file(azure, request, TYPE, body, existing)
    group.id = group.id.replace("/resourcegroups/", "/resourceGroups/")
    group.document["id"] = group.id
    group.document["location"] = locations.canonical(location)
    group.properties["provisioningState"] = "Succeeded"
    return model.json_response(201 if existing is None else 200, group.document)


def patch(azure: context.Azure, request: model.Request) -> model.Response:
    group = _require(azure, request)
    group.document["tags"] = request.json(shapes.ENVELOPE).get("tags", group.tags)
    return model.json_response(200, group.document)


def delete(azure: context.Azure, request: model.Request) -> model.Response:
    """202 + Location. Everything inside stays visible, and paid for, until it is gone."""
    group = _require(azure, request)
    operation = azure.operations.running(group)
    if operation is None:
        group.properties["provisioningState"] = "Deleting"
        operation = azure.operations.begin("resourceGroups.delete", group, retry_after=(15,))
    return operations.accepted_at_location(azure, request, operation)


def _require(azure: context.Azure, request: model.Request) -> store.Resource:
    group = arm.require_group(azure, request.resource_id)
    assert group is not None  # the path of these routes names one
    return group


def _check_update(group: store.Resource, location: str) -> None:
    if group.properties.get("provisioningState") == "Deleting":
        arm.refuse_group_being_deleted(group)
    if not locations.same(group.location, location):
        model.refuse(
            409,
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{location}'. The Resource group already exists in "
            f"location '{group.location}'.",
        )
