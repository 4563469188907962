"""Batch accounts: created and deleted by Location alone, changed by PATCH alone."""

from __future__ import annotations

import re

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
)
from local.azure_simulator.batch import odata, planes, problems, quotas
from local.azure_simulator.data import locations

TYPE = planes.ACCOUNT_TYPE
NAME = re.compile(r"[a-z0-9]{3,24}")
NAME_RULE = (
    "Batch account names have 3 to 24 characters and use only numbers and lowercase letters."
)
RETRY_AFTER_SECONDS = (15,)  # recorded
_NAMES_OF_OTHERS = frozenset({"batch", "batchaccount", "demo", "mybatch", "test"})
_PROPERTIES = {
    "poolAllocationMode": str,
    "keyVaultReference": {"id": str, "url": str},
    "autoStorage": {"storageAccountId": str},
    "encryption": dict,
    "allowedAuthenticationModes": [str],
    "publicNetworkAccess": str,
}
_PATCHABLE = frozenset(
    {
        "autoStorage",
        "encryption",
        "publicNetworkAccess",
        "networkProfile",
        "allowedAuthenticationModes",
    }
)
_POOL_ALLOCATION_MODES = frozenset({"batchservice", "usersubscription"})


def register(azure: context.Azure) -> None:
    path = arm.path_of(TYPE)
    resource_types.register_reads(azure, TYPE)
    azure.shows(TYPE, show)
    azure.route("PUT", path, planes.stamping(put), operation="batchAccounts.create")
    azure.route("PATCH", path, planes.stamping(patch), operation="batchAccounts.update")
    azure.route("DELETE", path, planes.stamping(delete), operation="batchAccounts.delete")
    azure.operations.register(
        "batchAccounts.create", durations.Duration(typical=15, source="recorded"), _created, _failed
    )
    azure.operations.register(
        "batchAccounts.delete", durations.Duration(typical=30, source="estimate"), arm.vanish
    )


def show(azure: context.Azure, account: store.Resource, request: model.Request) -> model.JsonObject:
    """The account with its quotas; its endpoint is reached through the host that was asked."""
    endpoint = {"accountEndpoint": planes.endpoint(request, account)}
    properties = {**account.properties, **quotas.of_account(azure, account), **endpoint}
    return {**account.document, "properties": properties}


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """202 + Location for a new account. An existing one is answered with 200 and not changed."""
    body, existing = arm.prepare_put(azure, request, _PROPERTIES)
    if existing is not None:
        return _existing(azure, request, existing)
    name = resource_ids.name(request.resource_id)
    _check_new(azure, name, body)
    account = arm.file(azure, request, TYPE, body)
    account.document["properties"] = _properties(azure, account, body.get("properties") or {})
    account.document.setdefault("identity", {"type": "None"})
    account.state.update(host=request.host, dataPlane=planes.host_name(account))
    _stamp(azure, account)
    operation = azure.operations.begin(
        "batchAccounts.create", account, retry_after=RETRY_AFTER_SECONDS
    )
    return operations.accepted_at_location(azure, request, operation)


def patch(azure: context.Azure, request: model.Request) -> model.Response:
    """200 with the changed account: tags, identity, and the properties that may change."""
    account = arm.require(azure, request.resource_id)
    if account.properties["provisioningState"] != "Succeeded":
        raise problems.invalid_for_state("The account is being created or deleted.")
    body = request.json(shapes.resource(_PROPERTIES))
    given = body.get("properties") or {}
    for name in given:
        if name not in _PATCHABLE:
            raise problems.cannot_be_updated(name)
    account.properties.update(given)
    for field in ("tags", "identity"):
        if field in body:
            account.document[field] = body[field]
    _stamp(azure, account)
    return model.json_response(200, azure.show(account, request), arm.version_headers(account))


def delete(azure: context.Azure, request: model.Request) -> model.Response:
    """202 + Location, with everything in it; 204 when absent."""
    account = azure.store.find(request.resource_id)
    if account is None:
        arm.require_group(azure, request.resource_id)
        return model.empty_response(204)
    operation = azure.operations.running(account)
    if operation is None or operation.state["operation"] != "batchAccounts.delete":
        azure.operations.preempt(account, "delete")
        account.properties["provisioningState"] = "Deleting"
        operation = azure.operations.begin(
            "batchAccounts.delete", account, retry_after=RETRY_AFTER_SECONDS
        )
    return operations.accepted_at_location(azure, request, operation)


def name_problem(azure: context.Azure, name: str, location: str) -> tuple[str, str] | None:
    """Why an account cannot have this name in this region: (reason, message); None if it can."""
    if not NAME.fullmatch(name):
        return "Invalid", NAME_RULE
    is_taken = name in _NAMES_OF_OTHERS or any(
        account.name.lower() == name and locations.same(account.location, location)
        for account in azure.store.of_type(TYPE)
    )
    return ("AlreadyExists", f"An account named '{name}' is already in use.") if is_taken else None


def _existing(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    operation = azure.operations.running(account)
    if account.properties["provisioningState"] == "Deleting":
        raise problems.invalid_for_state("The account is being deleted.")
    if operation is not None:
        return operations.accepted_at_location(azure, request, operation)
    return model.json_response(200, azure.show(account, request), arm.version_headers(account))


def _stamp(azure: context.Azure, account: store.Resource) -> None:
    """A new version; the document of an account does not show it."""
    account.state.update(etag=f'"{odata.new_etag(azure)}"', modified=azure.now)


def _check_new(azure: context.Azure, name: str, body: model.JsonObject) -> None:
    problem = name_problem(azure, name, body["location"])
    if problem is not None:
        reason, message = problem
        if reason == "Invalid":
            raise problems.invalid_value("accountName", "name", name, message)
        raise problems.conflict("AccountAlreadyExists", message)
    properties = body.get("properties") or {}
    mode = str(properties.get("poolAllocationMode", "BatchService"))
    if mode.lower() not in _POOL_ALLOCATION_MODES:
        path = "properties.poolAllocationMode"
        raise problems.invalid_value("poolAllocationMode", path, mode, "Not an allocation mode.")
    vault = properties.get("keyVaultReference") or {}
    if mode.lower() == "usersubscription" and not (vault.get("id") and vault.get("url")):
        raise problems.missing_property("keyVaultReference", "properties.keyVaultReference")
    _check_quota(azure, body["location"])


def _check_quota(azure: context.Azure, location: str) -> None:
    accounts = azure.store.of_type(TYPE)
    in_region = sum(locations.same(account.location, location) for account in accounts)
    quota = quotas.accounts_per_region(azure)
    if in_region >= quota:
        message = (
            f"The regional account quota of {quota} accounts for the specified subscription has "
            "been reached."
        )
        raise problems.conflict("SubscriptionQuotaExceeded", message)


def _properties(
    azure: context.Azure, account: store.Resource, given: model.JsonObject
) -> model.JsonObject:
    """What a new account is made of, beside its quotas."""
    location = locations.canonical(account.location)
    service = azure.new_guid("batch", account.key)
    return {
        "poolAllocationMode": "BatchService",
        "publicNetworkAccess": "Enabled",
        "allowedAuthenticationModes": ["SharedKey", "AAD", "TaskAuthenticationToken"],
        "encryption": {"keySource": "Microsoft.Batch"},
        **given,
        "nodeManagementEndpoint": f"{service}.{location}.service.batch.azure.com",
        "provisioningState": "Creating",
    }


def _created(azure: context.Azure, account: store.Resource, operation: store.Resource) -> None:
    arm.succeed(azure, account, operation)
    asked = model.Request(method="GET", path=account.id, host=account.state["host"])
    operation.state["result"] = show(azure, account, asked)


def _failed(
    azure: context.Azure,
    account: store.Resource,
    operation: store.Resource,  # noqa: ARG001
    error: model.JsonObject,  # noqa: ARG001
) -> None:
    """An account that could not be created is not there."""
    azure.store.remove(account.id)
