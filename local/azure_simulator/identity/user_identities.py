"""User-assigned managed identities: plain PUT, plain DELETE."""

from __future__ import annotations

from local.azure_simulator import arm, context, model, resource_types

TYPE = "Microsoft.ManagedIdentity/userAssignedIdentities"


def register(azure: context.Azure) -> None:
    resource_types.register_reads(azure, TYPE)
    azure.route("PUT", arm.path_of(TYPE), put, operation="userAssignedIdentities.write")
    azure.route("DELETE", arm.path_of(TYPE), delete, operation="userAssignedIdentities.delete")


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """201 with new principal and client ids; 200 and the same ids for an existing one."""
    body, existing = arm.prepare_put(azure, request)
    known = {} if existing is None else dict(existing.properties)
    identity = arm.file(azure, request, TYPE, body, existing)
    identity.document["properties"] = known or {
        "tenantId": azure.tenant,
        "principalId": azure.new_guid("principal", identity.key),
        "clientId": azure.new_guid("client", identity.key),
    }
    identity.state.setdefault("createdAt", azure.now)
    return model.json_response(201 if existing is None else 200, identity.document)


def delete(azure: context.Azure, request: model.Request) -> model.Response:
    if azure.store.find(request.resource_id) is None:
        return model.empty_response(204)
    azure.store.remove(request.resource_id)
    return model.empty_response(200)


def client_id(azure: context.Azure, identity_id: str) -> str | None:
    """Client id of an identity that exists."""
    identity = azure.store.find(identity_id)
    return None if identity is None else str(identity.properties["clientId"])


def check_attached(azure: context.Azure, body: model.JsonObject) -> None:
    """400 when a resource's `identity` names user-assigned identities that do not exist."""
    for identity_id in (body.get("identity") or {}).get("userAssignedIdentities") or {}:
        if azure.store.find(identity_id) is None:
            model.refuse(
                400,
                "FailedIdentityOperation",
                f"Identity operation failed with error 'Failed to perform resource identity "
                f"operation. The resource '{identity_id}' was not found.'",
            )


def shown(azure: context.Azure, body: model.JsonObject) -> model.JsonObject | None:
    """The `identity` of a resource as answers carry it: with principal and client ids."""
    given = body.get("identity")
    if not given:
        return None
    attached = {}
    for identity_id in given.get("userAssignedIdentities") or {}:
        identity = azure.store.find(identity_id)
        properties = {} if identity is None else identity.properties
        attached[identity_id] = {
            "principalId": properties.get("principalId"),
            "clientId": properties.get("clientId"),
        }
    return {**given, "userAssignedIdentities": attached} if attached else dict(given)
