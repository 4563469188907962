"""What a region offers to Batch: quota of accounts, sizes, free names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from local.azure_simulator import arm, context, model
from local.azure_simulator.batch import accounts, planes, problems, quotas, support_ends
from local.azure_simulator.data import locations, skus

_PATH = "/subscriptions/{subscription}/providers/Microsoft.Batch/locations/{location}"
_FAMILY_FILTER = re.compile(r"familyName eq '(?P<family>[^']*)'", re.IGNORECASE)

# Families that Batch stops to support (announced 2026), as `batchSupportEndOfLife`.
_ENDS: Mapping[str, str] = {
    "standarddsv3family": "2028-11-15T00:00:00Z",
    "standardfsv2family": "2028-11-15T00:00:00Z",
}
# Of the Arm64 sizes Batch takes these, with Cobalt processors: https://github.com/Azure/Batch/issues/185
_ARM_FAMILIES = frozenset({"standarddpsv6family", "standarddplsv6family", "standardepsv6family"})


def register(azure: context.Azure) -> None:
    azure.route("GET", _PATH + "/quotas", planes.stamping(get_quotas))
    azure.route("GET", _PATH + "/virtualMachineSkus", planes.stamping(list_sizes))
    azure.route("POST", _PATH + "/checkNameAvailability", planes.stamping(check_name))


def get_quotas(azure: context.Azure, request: model.Request) -> model.Response:
    _location(azure, request)
    return model.json_response(200, {"accountQuota": quotas.accounts_per_region(azure)})


def list_sizes(azure: context.Azure, request: model.Request) -> model.Response:
    """`{name, familyName, capabilities[], batchSupportEndOfLife?}` of each size Batch takes."""
    location = _location(azure, request)
    wanted = _FAMILY_FILTER.fullmatch(request.query.get("$filter", "").strip())
    sizes = [
        size
        for size in skus.SIZES.values()
        if is_supported(size, location)
        and (wanted is None or size.family.lower() == wanted["family"].lower())
    ]
    shown, next_link = arm.slice_page(azure, request, sizes)
    document: model.JsonObject = {"value": [_shown(azure, size) for size in shown]}
    if next_link:
        document["nextLink"] = next_link
    return model.json_response(200, document)


def check_name(azure: context.Azure, request: model.Request) -> model.Response:
    location = _location(azure, request)
    body = request.json()
    if str(body.get("type", "")).lower() != accounts.TYPE.lower():
        raise problems.invalid_value("type", "type", body.get("type"), "Not a Batch account.")
    problem = accounts.name_problem(azure, str(body.get("name", "")), location)
    document: model.JsonObject = {"nameAvailable": problem is None}
    if problem is not None:
        document["reason"], document["message"] = problem
    return model.json_response(200, document)


def is_supported(size: skus.Size, location: str) -> bool:
    """Whether Batch makes nodes of this size in the region."""
    is_taken = size.architecture != "Arm64" or size.family.lower() in _ARM_FAMILIES
    return locations.canonical(location) in size.regions and is_taken


def _shown(azure: context.Azure, size: skus.Size) -> model.JsonObject:
    shown: model.JsonObject = {
        "name": size.name,
        "familyName": size.family,
        "capabilities": [{"name": n, "value": v} for n, v in size.capabilities().items()],
    }
    if ends := end_of_support(azure, size):
        shown["batchSupportEndOfLife"] = ends
    return shown


def end_of_support(azure: context.Azure, size: skus.Size) -> str:
    """ISO 8601; empty where none is announced."""
    return support_ends.date(azure, size.family, _ENDS.get(size.family.lower(), ""))


def _location(azure: context.Azure, request: model.Request) -> str:
    arm.check_registered(azure, "Microsoft.Batch")
    location = request.parameters["location"]
    if not locations.is_known(location):
        message = f"The location '{location}' is not available for subscription."
        raise model.Refusal(404, "LocationNotFound", message)
    return location
