"""Role assignments, an extension resource of any scope: plain PUT and DELETE.

An assignment works some minutes after it was made (`holds`), and a principal made a moment ago is
only known to the directory when the request says what type it is.
"""

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, resource_ids, store, times
from local.azure_simulator.identity import user_identities

TYPE = "Microsoft.Authorization/roleAssignments"
_COLLECTION = "{scope}/providers/Microsoft.Authorization/roleAssignments"
_PROPERTIES = {
    "roleDefinitionId!": str,
    "principalId!": str,
    "principalType": str,
    "condition": str,
    "conditionVersion": str,
}
_DIRECTORY_LAG_SECONDS = 120
"""Replication of a new principal in the directory takes a minute or two."""


def register(azure: context.Azure) -> None:
    azure.durations.add(
        {
            "roleAssignments.propagate": durations.Duration(
                typical=90, band=(0.3, 3), source="documented: minutes, up to ten"
            )
        }
    )
    azure.route("GET", f"/{_COLLECTION}", list_assignments)
    azure.route("GET", f"/{_COLLECTION}/{{name}}", arm.get)
    azure.route("PUT", f"/{_COLLECTION}/{{name}}", put, operation="roleAssignments.write")
    azure.route("DELETE", f"/{_COLLECTION}/{{name}}", delete, operation="roleAssignments.delete")


def put(azure: context.Azure, request: model.Request) -> model.Response:
    scope = request.parameters["scope"]
    if azure.store.find(scope) is None and len(resource_ids.segments(scope)) > 2:
        arm.require(azure, scope)
    properties = dict(request.json({"properties!": _PROPERTIES})["properties"])
    _check_principal(azure, properties)
    _check_unique(azure, scope, properties)
    document = {
        "id": request.resource_id,
        "name": resource_ids.name(request.resource_id),
        "type": TYPE,
        "properties": {**properties, "scope": scope, "createdOn": times.zulu(azure.now)},
    }
    assignment = store.Resource(id=request.resource_id, type=TYPE, document=document)
    azure.store.add(assignment)
    assignment.state["worksAt"] = azure.now + azure.duration(
        "roleAssignments.propagate", assignment
    )
    return model.json_response(201, document)


def delete(azure: context.Azure, request: model.Request) -> model.Response:
    assignment = azure.store.find(request.resource_id)
    if assignment is None:
        return model.empty_response(204)
    azure.store.remove(assignment.id)
    return model.json_response(200, assignment.document)


def list_assignments(azure: context.Azure, request: model.Request) -> model.Response:
    """Those at the scope, above and below; `$filter`: `atScope()` leaves out those below, and
    `principalId eq '…'` those of other principals.
    https://learn.microsoft.com/azure/role-based-access-control/role-assignments-list-rest
    """
    scope = resource_ids.key(request.parameters["scope"])
    text = request.query.get("$filter", "")
    principal = text.rpartition("principalId eq '")[2].rstrip("'") if "principalId" in text else ""
    found = [
        item
        for item in azure.store.of_type(TYPE)
        if covers(item.properties["scope"], scope)
        or ("atScope()" not in text and covers(scope, item.properties["scope"]))
        if not principal or item.properties["principalId"] == principal
    ]
    return arm.page(azure, request, found)


def holds(azure: context.Azure, principal_id: str, role_definition: str, scope: str) -> bool:
    """Whether a principal has a role (its GUID) at a scope now, propagation included."""
    return any(
        item.properties["principalId"] == principal_id
        and item.properties["roleDefinitionId"].lower().endswith(role_definition.lower())
        and covers(item.properties["scope"], scope)
        and item.state["worksAt"] <= azure.now
        for item in azure.store.of_type(TYPE)
    )


def covers(outer: str, inner: str) -> bool:
    """Whether a scope holds another one, or is it."""
    return f"{resource_ids.key(inner)}/".startswith(f"{resource_ids.key(outer)}/")


def _check_principal(azure: context.Azure, properties: model.JsonObject) -> None:
    principal_id = properties.get("principalId", "")
    if properties.get("principalType"):
        return
    for identity in azure.store.of_type(user_identities.TYPE):
        is_fresh = identity.state.get("createdAt", 0) + _DIRECTORY_LAG_SECONDS > azure.now
        if identity.properties["principalId"] == principal_id and is_fresh:
            model.refuse(
                400,
                "PrincipalNotFound",
                f"Principal {principal_id.replace('-', '')} does not exist in the directory "
                f"{azure.tenant}. Check that you have the correct principal ID. If you "
                "are creating this principal and then immediately assigning a role, this error "
                "might be related to a replication delay. In this case, set the role assignment "
                "principalType property to a value, such as ServicePrincipal.",
            )


def _check_unique(azure: context.Azure, scope: str, properties: model.JsonObject) -> None:
    for item in azure.store.of_type(TYPE):
        is_same = (
            resource_ids.same(item.properties["scope"], scope)
            and item.properties["principalId"] == properties.get("principalId")
            and resource_ids.same(
                item.properties["roleDefinitionId"], properties.get("roleDefinitionId")
            )
        )
        if is_same:
            message = (
                "The role assignment already exists. The ID of the conflicting role assignment is "
                f"{item.name.replace('-', '')}."
            )
            model.refuse(409, "RoleAssignmentExists", message)
