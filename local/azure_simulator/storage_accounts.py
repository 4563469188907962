"""Storage accounts: what the role assignments of a container of logs are scoped to.

Their contents are Azurite's. `deploy_log_account` makes what an operator makes before the first
build: the account of the scripts' logs, and an identity that may append to its containers.
"""

from __future__ import annotations

from local.azure_simulator import arm, context, durations, model, resource_types, store
from local.azure_simulator.identity import role_assignments, user_identities

TYPE = "Microsoft.Storage/storageAccounts"
# Built-in roles: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
_MAY_WRITE = ("ba92f5b4-2d11-453d-a403-e96b0029c9fe", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b")
_GROUP = "batch-prep-operations"
LOG_CLIENT_ID = "00000000-0000-0000-0000-00000000109e"


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "storageAccounts",
        put=put,
        write=durations.Duration(typical=20, source="estimate"),
        delete=durations.Duration(typical=5, source="estimate"),
    )


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = arm.prepare_put(azure, request)
    account = arm.file(azure, request, TYPE, body, existing)
    return arm.start_write(
        azure, request, account, "storageAccounts.write", created=existing is None
    )


def may_write(azure: context.Azure, principal_id: str, account: str, container: str) -> bool:
    """Whether a principal has a role now that lets it write blobs of the container."""
    for found in azure.store.of_type(TYPE):
        scope = f"{found.id}/blobServices/default/containers/{container}"
        if found.name.lower() == account.lower():
            holds = (role_assignments.holds(azure, principal_id, r, scope) for r in _MAY_WRITE)
            return any(holds)
    return False


def log_identity_id(subscription: str) -> str:
    """The resource id of the identity that `deploy_log_account` makes."""
    group = f"/subscriptions/{subscription}/resourceGroups/{_GROUP}"
    return f"{group}/providers/{user_identities.TYPE}/batch-prep-logs"


def deploy_log_account(azure: context.Azure, account: str) -> None:
    """File the account, the identity and its role, unless a restart finds them."""
    group = f"/subscriptions/{azure.subscription}/resourceGroups/{_GROUP}"
    identity, account_id = (
        log_identity_id(azure.subscription),
        f"{group}/providers/{TYPE}/{account}",
    )
    principal = azure.new_guid("principal", identity)
    ids = {"principalId": principal, "clientId": LOG_CLIENT_ID, "tenantId": azure.tenant}
    role = f"{account_id}/providers/{role_assignments.TYPE}/{azure.new_guid('role', identity)}"
    granted = {
        "principalId": principal,
        "roleDefinitionId": f"/subscriptions/{azure.subscription}/providers/"
        f"Microsoft.Authorization/roleDefinitions/{_MAY_WRITE[0]}",
        "scope": account_id,
    }
    for id_, type_name, properties in (
        (group, arm.GROUP_TYPE, {"provisioningState": "Succeeded"}),
        (account_id, TYPE, {"provisioningState": "Succeeded"}),
        (identity, user_identities.TYPE, ids),
        (role, role_assignments.TYPE, granted),
    ):
        if azure.store.find(id_) is None:
            _file(azure, id_, type_name, properties)


def _file(azure: context.Azure, id_: str, type_name: str, properties: model.JsonObject) -> None:
    name = id_.rpartition("/")[2]
    document = {"id": id_, "name": name, "type": type_name, "properties": properties}
    if type_name != role_assignments.TYPE:
        document |= {"location": "swedencentral", "tags": {}}
    resource = store.Resource(id=id_, type=type_name, document=document)
    resource.state |= {"createdAt": azure.now, "worksAt": azure.now}
    azure.store.add(resource)
