"""What handlers of Resource Manager's resources share: finding, checking, filing, listing."""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar
from urllib import parse

from local.azure_simulator import context, model, operations, resource_ids, shapes, store, times
from local.azure_simulator.data import locations

ItemT = TypeVar("ItemT")

GROUP_TYPE = "Microsoft.Resources/resourceGroups"


def path_of(type_name: str) -> str:
    """Route template of a resource type, with placeholders `{subscription}`, `{group}`, `{name}`.

    A child type's ancestors are `{name1}`, `{name2}`, …: `…/galleries/{name1}/images/{name}`.
    """
    namespace, *kinds = type_name.split("/")
    path = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{namespace}"
    for depth, kind in enumerate(kinds, start=1):
        path += f"/{kind}/{{{'name' if depth == len(kinds) else f'name{depth}'}}}"
    return path


def get(azure: context.Azure, request: model.Request) -> model.Response:
    """The document of the resource whose id is the path."""
    resource = require(azure, request.resource_id)
    return model.json_response(200, azure.show(resource, request), version_headers(resource))


def version_headers(resource: store.Resource) -> dict[str, str]:
    """`ETag`, of the document or hidden, and `Last-Modified`, where the resource has them."""
    etag = resource.document.get("etag") or resource.state.get("etag")
    modified = resource.state.get("modified")
    headers = {} if etag is None else {"ETag": etag}
    return headers if modified is None else {**headers, "Last-Modified": times.http_date(modified)}


# --- finding -------------------------------------------------------------------------------


def require(azure: context.Azure, resource_id: str) -> store.Resource:
    """The resource; 404 `ResourceGroupNotFound` or `ResourceNotFound` otherwise."""
    resource = azure.store.find(resource_id)
    if resource is None:
        require_group(azure, resource_id)
        refuse_not_found(resource_id)
    return resource


def require_group(azure: context.Azure, resource_id: str) -> store.Resource | None:
    """The resource group of an id (None for ids outside groups); 404 when it is absent."""
    group_id = resource_ids.group_id(resource_id)
    if not group_id:
        return None
    group = azure.store.find(group_id)
    if group is None:
        name = resource_ids.name(group_id)
        model.refuse(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
    return group


def refuse_not_found(resource_id: str) -> NoReturn:
    type_name = resource_ids.type_of(resource_id)
    group = resource_ids.part(resource_id, "resourceGroups")
    name = "/".join(resource_ids.segments(resource_id)[7::2]) or resource_ids.name(resource_id)
    model.refuse(
        404,
        "ResourceNotFound",
        f"The Resource '{type_name}/{name}' under resource group '{group}' was not found. For more "
        "details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


# --- writing -------------------------------------------------------------------------------


def prepare_put(
    azure: context.Azure, request: model.Request, properties: Any = dict
) -> tuple[model.JsonObject, store.Resource | None]:
    """The body of a PUT and what exists under its id, after the checks that all types share.

    `properties` is their shape (see `shapes`). Refuses: a body of another shape, unregistered
    namespace, absent or vanishing group, absent parent, missing or unknown location, a location
    other than the existing resource's, failed `If-Match`/`If-None-Match`.
    """
    check_writable(azure, request.resource_id)
    body = request.json(shapes.resource(properties))
    existing = azure.store.find(request.resource_id)
    check_preconditions(request, existing)
    check_location(body, existing, request.resource_id)
    return body, existing


def check_writable(azure: context.Azure, resource_id: str) -> None:
    """Namespace registered, group present and staying, parent present."""
    namespace = resource_ids.type_of(resource_id).partition("/")[0]
    check_registered(azure, namespace)
    group = require_group(azure, resource_id)
    if group is not None and group.properties.get("provisioningState") == "Deleting":
        refuse_group_being_deleted(group)
    parent_id = resource_ids.parent(resource_id)
    if azure.store.find(parent_id) is None:
        type_name = resource_ids.type_of(resource_id)
        model.refuse(
            404,
            "ParentResourceNotFound",
            f"Failed to perform 'write' on resource(s) of type '{type_name}', because the parent "
            f"resource '{parent_id}' could not be found.",
        )


def refuse_group_being_deleted(group: store.Resource) -> NoReturn:
    model.refuse(
        409,
        "ResourceGroupBeingDeleted",
        f"The resource group '{group.name}' is in deprovisioning state and cannot perform this "
        "operation.",
    )


def check_registered(azure: context.Azure, namespace: str) -> None:
    """409 `MissingSubscriptionRegistration` unless the provider is registered."""
    provider = azure.store.find(f"/subscriptions/{azure.subscription}/providers/{namespace}")
    if provider is not None and provider.document["registrationState"] != "Registered":
        model.refuse(
            409,
            "MissingSubscriptionRegistration",
            f"The subscription is not registered to use namespace '{namespace}'. See "
            "https://aka.ms/rps-not-found for how to register subscriptions.",
            details=[
                model.error_object(
                    "MissingSubscriptionRegistration",
                    "The subscription is not registered to use namespace "
                    f"'{namespace}'. See https://aka.ms/rps-not-found for how to register "
                    "subscriptions.",
                    target=namespace,
                )
            ],
        )


def check_location(
    body: model.JsonObject, existing: store.Resource | None, resource_id: str
) -> None:
    location = body.get("location")
    if not location:
        model.refuse(
            400,
            "LocationRequired",
            "The location property is required for this definition.",
        )
    type_name = resource_ids.type_of(resource_id)
    if not locations.is_known(location):
        model.refuse(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type "
            f"'{type_name}'. List of available regions for the resource type is "
            f"'{','.join(locations.DISPLAY_NAMES)}'.",
        )
    if existing is not None and not locations.same(location, existing.location):
        model.refuse(
            409,
            "InvalidResourceLocation",
            f"The resource '{existing.name}' already exists in location '{existing.location}' in "
            f"resource group '{resource_ids.part(resource_id, 'resourceGroups')}'. A resource with "
            f"the same name cannot be created in location '{location}'. Please select a new "
            "resource name.",
        )


def check_preconditions(request: model.Request, existing: store.Resource | None) -> None:
    """412 when `If-None-Match: *` or `If-Match` forbids the write."""
    if_match = request.headers.get("if-match")
    current = None if existing is None else existing.document.get("etag", "*")
    is_refused = (request.headers.get("if-none-match") == "*" and existing is not None) or (
        if_match is not None and if_match not in {current, "*"}
    )
    if is_refused or (if_match == "*" and existing is None):
        model.refuse(
            412, "PreconditionFailed", "The condition given in the request's headers is not met."
        )


def file(
    azure: context.Azure,
    request: model.Request,
    type_name: str,
    body: model.JsonObject,
    existing: store.Resource | None = None,
) -> store.Resource:
    """Store the body under the request's path, with id, name and type; or as an existing
    resource's new document, which keeps its hidden state."""
    resource_id = request.resource_id if existing is None else existing.id
    known = {"id": resource_id, "name": resource_ids.name(resource_id), "type": type_name}
    document: model.JsonObject = {**known, **json.loads(json.dumps(body)), **known}
    if existing is None:
        return azure.store.add(store.Resource(id=resource_id, type=type_name, document=document))
    existing.document = document
    return existing


def start_write(
    azure: context.Azure,
    request: model.Request,
    resource: store.Resource,
    operation_name: str,
    *,
    created: bool,
    retry_after: tuple[int, ...] = (),
) -> model.Response:
    """Begin the write of a filed resource, and answer as `operations.put_started` does."""
    resource.properties["provisioningState"] = "Creating" if created else "Updating"
    operation = azure.operations.begin(operation_name, resource, retry_after=retry_after)
    return operations.put_started(azure, request, resource, operation, created=created)


def succeed(
    azure: context.Azure,
    resource: store.Resource,
    operation: store.Resource,
) -> None:
    """The ordinary good ending of a create or update."""
    resource.properties["provisioningState"] = "Succeeded"


def vanish(
    azure: context.Azure,
    resource: store.Resource,
    operation: store.Resource,
) -> None:
    """The ordinary good ending of a delete: the resource and everything below it is gone.

    Each gets the event `vanish` before it goes.
    """
    for item in [*azure.store.descendants(resource.id), resource]:
        azure.emit(item, "vanish")
        azure.store.remove(item.id)


# --- lists ---------------------------------------------------------------------------------


def page(
    azure: context.Azure,
    request: model.Request,
    resources: Iterable[store.Resource],
    show: Callable[[store.Resource], model.JsonObject] | None = None,
) -> model.Response:
    """One page of a list: `{"value": […], "nextLink": …}`."""
    shown, next_link = slice_page(azure, request, list(resources))
    value = [show(item) if show else azure.show(item, request) for item in shown]
    document: model.JsonObject = {"value": value}
    if next_link:
        document["nextLink"] = next_link
    return model.json_response(200, document)


def slice_page(
    azure: context.Azure, request: model.Request, items: Sequence[ItemT], size: int | None = None
) -> tuple[Sequence[ItemT], str | None]:
    """The items of the page that the request's `$skiptoken` names, and the next page's URL."""
    start = request.number("$skiptoken", 0)
    end = start + (size or azure.page_size)
    if end >= len(items):
        return items[start:], None
    query = parse.urlencode({**request.query, "$skiptoken": str(end)})
    return items[start:end], f"{request.base_url}{request.path}?{query}"


_TAG_FILTER = re.compile(
    r"tagname eq '(?P<name>[^']*)'( and tagvalue eq '(?P<value>[^']*)')?", re.IGNORECASE
)
_GROUP_FILTER = re.compile(r"resourcegroup eq '(?P<group>[^']*)'", re.IGNORECASE)
_TYPE_FILTER = re.compile(r"resourcetype eq '(?P<type>[^']*)'", re.IGNORECASE)


def filter_by_tag(text: str) -> Callable[[store.Resource], bool]:
    """By tag (`tagName eq 'x' and tagValue eq 'y'`), `resourceType` or `resourceGroup`."""
    if not text:
        return lambda resource: True  # noqa: ARG005
    tag = _TAG_FILTER.fullmatch(text.strip())
    if tag is not None:
        name, value = tag["name"], tag["value"]
        return lambda resource: name in resource.tags and value in {None, resource.tags[name]}
    inside = _GROUP_FILTER.fullmatch(text.strip())
    if inside is not None:
        group = inside["group"].lower()
        return lambda item: resource_ids.part(item.id, "resourceGroups").lower() == group
    kind = _TYPE_FILTER.fullmatch(text.strip())
    if kind is None:
        model.refuse(400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified.")
    type_name = kind["type"]
    return lambda resource: resource.is_type(type_name)
