"""Lists across resource types: the resources of a subscription or of a group, filtered."""

from __future__ import annotations

from local.azure_simulator import arm, context, model, resource_ids, store

_FIELDS = (
    "id", "name", "type", "location", "tags", "sku", "kind", "identity", "plan", "managedBy",
)  # fmt: skip


def register(azure: context.Azure) -> None:
    azure.route("GET", "/subscriptions/{subscription}/resources", list_all)
    path = "/subscriptions/{subscription}/resourceGroups/{group}/resources"
    azure.route("GET", path, list_in_group)


def list_all(azure: context.Azure, request: model.Request) -> model.Response:
    return _list(azure, request, azure.store.everything())


def list_in_group(azure: context.Azure, request: model.Request) -> model.Response:
    """Nested ones, too: an image definition is listed beside its gallery."""
    group = arm.require_group(azure, request.resource_id)
    inside = f"{group.key}/" if group else ""
    within = [item for item in azure.store.everything() if inside and item.key.startswith(inside)]
    return _list(azure, request, within)


def _list(
    azure: context.Azure, request: model.Request, resources: list[store.Resource]
) -> model.Response:
    """Tracked resources only: those with a location, as Resource Manager indexes them. A list that
    is filtered by a tag has no `tags`: https://learn.microsoft.com/rest/api/resources/resources/list
    """
    text = request.query.get("$filter", "")
    wanted = arm.filter_by_tag(text)
    shown = set(_FIELDS) - ({"tags"} if "tagname" in text.lower() else set())
    found = [
        resource
        for resource in resources
        if resource.type.startswith("Microsoft.")
        and resource.type != arm.GROUP_TYPE
        and resource.location
        and wanted(resource)
    ]

    def summary(resource: store.Resource) -> model.JsonObject:
        """A nested resource's name has the names of those that it lies in."""
        found = {name: value for name, value in resource.document.items() if name in shown}
        return {**found, "name": resource_ids.relative_name(resource.id)}

    return arm.page(azure, request, found, show=summary)
