"""Compute galleries."""

from __future__ import annotations

import re

from local.azure_simulator import (
    arm,
    context,
    durations,
    model,
    resource_ids,
    resource_types,
    shapes,
    store,
)
from local.azure_simulator.compute import published_galleries

TYPE = published_galleries.GALLERY_TYPE
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.]{0,78}[A-Za-z0-9])?")
"""Up to 80 letters, digits, underscores and periods, alphanumeric at both ends; no hyphens."""


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "galleries",
        put=put,
        write=durations.Duration(typical=12, source="estimate"),
        delete=durations.Duration(typical=20, source="estimate"),
        patch=patch,
        check_delete=check_no_children,
        delete_retry_after=(10,),
    )


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = arm.prepare_put(azure, request)
    if not _NAME.fullmatch(request.parameters["name"]):
        refuse_name("gallery", request.parameters["name"], "alphanumerics, underscores, periods")
    gallery = arm.file(azure, request, TYPE, body, existing)
    gallery.properties["identifier"] = {"uniqueName": f"{azure.subscription}-{gallery.name}"}
    published_galleries.name(azure, gallery)
    return write(azure, request, gallery, "galleries.write", created=existing is None)


def patch(azure: context.Azure, request: model.Request) -> model.Response:
    gallery = arm.require(azure, request.resource_id)
    change = request.json(shapes.ENVELOPE)
    gallery.document["tags"] = change.get("tags", gallery.tags)
    gallery.properties.update(change.get("properties", {}))
    published_galleries.name(azure, gallery)
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
    return arm.start_write(
        azure, request, resource, operation_name, created=created, retry_after=(10,)
    )


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
