"""Compute galleries."""

from __future__ import annotations

import re

from local.azure_simulator import arm, context, model, operations, resource_ids, store

TYPE = "Microsoft.Compute/galleries"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.]{0,78}[A-Za-z0-9])?")
"""Up to 80 letters, digits, underscores and periods, alphanumeric at both ends; no hyphens."""


def register(azure: context.Azure) -> None:
    arm.register_reads(azure, TYPE)
    azure.route("PUT", arm.path_of(TYPE), put, operation="galleries.write")
    azure.route("PATCH", arm.path_of(TYPE), patch, operation="galleries.write")
    azure.route(
        "DELETE",
        arm.path_of(TYPE),
        arm.delete("galleries.delete", check=check_no_children, retry_after=(10,)),
        operation="galleries.delete",
    )
    azure.operations.register("galleries.write", arm.succeed)
    azure.operations.register("galleries.delete", arm.vanish)


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = arm.prepare_put(azure, request)
    if not _NAME.fullmatch(request.parameters["name"]):
        refuse_name("gallery", request.parameters["name"], "alphanumerics, underscores, periods")
    gallery = arm.file(azure, request, TYPE, body, existing)
    gallery.properties["identifier"] = {"uniqueName": f"{azure.subscription}-{gallery.name}"}
    return write(azure, request, gallery, "galleries.write", created=existing is None)


def patch(azure: context.Azure, request: model.Request) -> model.Response:
    gallery = arm.require(azure, request.resource_id)
    change = request.json()
    gallery.document["tags"] = change.get("tags", gallery.tags)
    gallery.properties.update(change.get("properties", {}))
    return write(azure, request, gallery, "galleries.write", created=False)


def write(
    azure: context.Azure,
    request: model.Request,
    resource: store.Resource,
    operation_name: str,
    *,
    created: bool,
) -> model.Response:
    """Begin the write of a gallery or definition."""
    resource.properties["provisioningState"] = "Creating" if created else "Updating"
    operation = azure.operations.begin(operation_name, resource, retry_after=(10,))
    return operations.put_started(azure, request, resource, operation, created=created)


def check_parent_stays(azure: context.Azure, resource_id: str) -> None:
    """What is being deleted takes nothing new."""
    parent = azure.store.find(resource_ids.parent(resource_id))
    if parent is not None and parent.properties.get("provisioningState") == "Deleting":
        message = f"The parent resource '{parent.id}' is being deleted and takes nothing new."
        model.refuse(409, "Conflict", message)


def check_no_children(azure: context.Azure, resource: store.Resource) -> None:
    """Versions before definitions, definitions before galleries."""
    if azure.store.children(resource.id):
        model.refuse(
            409,
            "CannotDeleteResource",
            "Can not delete resource before nested resources are deleted.",
        )


def refuse_name(kind: str, name: str, rule: str) -> None:
    model.refuse(
        400,
        "InvalidParameter",
        f"The entity name '{name}' is invalid according to its validation rule for {kind}: {rule}.",
        target=f"{kind}Name",
    )


def refuse_change(path: str) -> None:
    """409: the field is immutable."""
    model.refuse(
        409, "PropertyChangeNotAllowed", f"Changing property '{path}' is not allowed.", target=path
    )
