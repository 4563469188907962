"""Applications of an account and their packages, as far as pools name them. A package's content is
uploaded to storage and is not kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.azure_simulator import arm, context, model, resource_ids, store
from local.azure_simulator.batch import planes, problems

TYPE = f"{planes.ACCOUNT_TYPE}/applications"
PACKAGE_TYPE = f"{TYPE}/versions"


def register(azure: context.Azure) -> None:
    for kind, put in ((TYPE, put_application), (PACKAGE_TYPE, put_package)):
        azure.route("GET", arm.path_of(kind), planes.stamping(arm.get))
        azure.route("PUT", arm.path_of(kind), planes.stamping(put))
    activated = arm.path_of(PACKAGE_TYPE) + "/activate"
    azure.route("POST", activated, planes.stamping(activate))


def put_application(azure: context.Azure, request: model.Request) -> model.Response:
    """200; `defaultVersion` must be a version that is there."""
    body = request.json({"properties": {"defaultVersion": str, "displayName": str}})
    return _filed(azure, request, TYPE, {"properties": body.get("properties") or {}})


def put_package(azure: context.Azure, request: model.Request) -> model.Response:
    """200, Pending: the content is uploaded next, then the package is activated."""
    return _filed(azure, request, PACKAGE_TYPE, {"properties": {"state": "Pending"}})


def activate(azure: context.Azure, request: model.Request) -> model.Response:
    package = arm.require(azure, resource_ids.without_action(request.resource_id))
    package.properties["state"] = "Active"
    return model.json_response(200, package.document)


def check(azure: context.Azure, account: store.Resource, properties: Mapping[str, Any]) -> None:
    """Each reference is to an active package of the account; without a version, to the default.
    https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes
    """
    for reference in properties.get("applicationPackages") or []:
        application = azure.store.find(str(reference["id"]))
        is_own = application is not None and application.id.lower().startswith(account.id.lower())
        version = reference.get("version") or (
            application.properties.get("defaultVersion") if application else None
        )
        package = azure.store.find(f"{reference['id']}/versions/{version}") if version else None
        if not is_own or package is None or package.properties["state"] != "Active":
            message = "One or more application package references could not be satisfied."
            values = {reference["id"]: "The specified application package does not exist."}
            raise problems.refusal(409, "InvalidApplicationPackageReferences", message, values)


def _filed(
    azure: context.Azure, request: model.Request, kind: str, body: model.JsonObject
) -> model.Response:
    arm.check_writable(azure, request.resource_id)
    resource = arm.file(azure, request, kind, body, azure.store.find(request.resource_id))
    return model.json_response(200, resource.document)
