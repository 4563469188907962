"""How network resources are written: one operation at a time, a new etag, references that exist."""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

from typing import Any, NoReturn

from local.azure_simulator import arm, context, model, operations, resource_ids, store
from local.azure_simulator.data import locations


def start(
    azure: context.Azure,
    request: model.Request,
    resource: store.Resource,
    operation_name: str,
    *,
    created: bool,
    retry_after: tuple[int, ...] = (),
) -> model.Response:
    """Begin the write of a filed resource: `Updating`, both for new and for changed ones."""
    resource.properties["provisioningState"] = "Updating"
    resource.properties.setdefault("resourceGuid", azure.new_guid("network", resource.key))
    stamp(azure, resource)
    operation = azure.operations.begin(operation_name, resource, retry_after=retry_after)
    return operations.put_started(azure, request, resource, operation, created=created)


def stamp(azure: context.Azure, resource: store.Resource) -> None:
    """Give the resource a new etag."""
    resource.document["etag"] = f'W/"{azure.new_guid("etag", resource.key)}"'


def finish(azure: context.Azure, resource: store.Resource, operation: store.Resource) -> None:
    resource.properties["provisioningState"] = "Succeeded"
    stamp(azure, resource)


def check_idle(azure: context.Azure, resource: store.Resource | None) -> None:
    """409 while another operation works on the resource."""
    running = None if resource is None else azure.operations.running(resource)
    if running is not None:
        model.refuse(
            409,
            "AnotherOperationInProgress",
            "Another operation on this or dependent resource is in progress. To retrieve status "
            f"of the operation use uri: {running.id}.",
        )


def check_reference(
    azure: context.Azure, referenced_id: str | None, by: str, location: str
) -> store.Resource | None:
    """The referenced resource, which must exist in the same region; None for no reference."""
    if not referenced_id:
        return None
    found = azure.store.find(referenced_id)
    if found is None or not locations.same(found.location, location):
        refuse_reference(referenced_id, by)
    return found


def refuse_reference(referenced_id: str, by: str) -> NoReturn:
    model.refuse(
        400,
        "InvalidResourceReference",
        f"Resource {referenced_id} referenced by resource {by} was not found. Please make sure "
        "that the referenced resource exists, and that both resources are in the same region.",
    )


def users_of(azure: context.Azure, resource_id: str) -> list[store.Resource]:
    """Resources whose hidden `uses` names this id: interfaces and pools in a subnet, and so on."""
    key = resource_ids.key(resource_id)
    return [item for item in azure.store.everything() if key in item.state.get("uses", ())]


def set_uses(resource: store.Resource, *used_ids: str | None) -> None:
    """Say what a resource uses, so that it cannot be deleted before."""
    resource.state["uses"] = [resource_ids.key(item) for item in used_ids if item]


def check_unused(azure: context.Azure, resource: store.Resource, code: str, message: str) -> None:
    """400 while something uses the resource; `{user}` in the message names it."""
    check_idle(azure, resource)
    users = users_of(azure, resource.id)
    if users:
        model.refuse(400, code, message.format(name=resource.name, user=users[0].id))


def require_put(
    azure: context.Azure, request: model.Request, properties: Any = dict
) -> tuple[model.JsonObject, store.Resource | None]:
    """`arm.prepare_put`, and nothing else may be at work on the resource."""
    body, existing = arm.prepare_put(azure, request, properties)
    check_idle(azure, existing)
    return body, existing
