"""Gallery image definitions: what all versions of one image have in common, mostly immutable."""

from __future__ import annotations

import json
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
from local.azure_simulator.compute import galleries

TYPE = "Microsoft.Compute/galleries/images"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9])?")
_IDENTIFIER_MAX = {"publisher": 128, "offer": 64, "sku": 64}
_PROPERTIES = {
    "osType": str,
    "osState": str,
    "hyperVGeneration": str,
    "architecture": str,
    "identifier": {"publisher": str, "offer": str, "sku": str},
    "features": [{"name!": str, "value!": str}],
    "purchasePlan": shapes.PLAN,
}
_IMMUTABLE = (
    "osType",
    "osState",
    "hyperVGeneration",
    "architecture",
    "identifier",
    "features",
    "purchasePlan",
)
_DEFAULTS = {"hyperVGeneration": "V2", "architecture": "x64"}
DEFAULT_SECURITY = "TrustedLaunchSupported"
"""Since gallery API 2025-03-03, for definitions that name no security type."""


def register(azure: context.Azure) -> None:
    resource_types.register(
        azure,
        TYPE,
        "galleryImages",
        put=put,
        write=durations.Duration(typical=12, source="estimate"),
        delete=durations.Duration(typical=20, source="estimate"),
        patch=patch,
        check_delete=galleries.check_no_children,
        delete_retry_after=(10,),
    )


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = arm.prepare_put(azure, request, _PROPERTIES)
    galleries.check_parent_stays(azure, request.resource_id)
    if not _NAME.fullmatch(request.parameters["name"]):
        galleries.refuse_name("galleryImage", request.parameters["name"], "alphanumerics, _ . -")
    wanted = {**body, "properties": _completed(body.get("properties", {}))}
    _check(wanted["properties"])
    _check_identifier(azure, request.resource_id, wanted["properties"]["identifier"])
    if existing is not None:
        _check_unchanged(existing, wanted["properties"])
    definition = arm.file(azure, request, TYPE, wanted, existing)
    return galleries.write(
        azure, request, definition, "galleryImages.write", created=existing is None
    )


def patch(azure: context.Azure, request: model.Request) -> model.Response:
    definition = arm.require(azure, request.resource_id)
    change = request.json(shapes.resource(_PROPERTIES))
    properties = change.get("properties", {})
    _check_unchanged(definition, {**definition.properties, **properties})
    definition.document["tags"] = change.get("tags", definition.tags)
    definition.properties.update(properties)
    return galleries.write(azure, request, definition, "galleryImages.write", created=False)


def _completed(properties: model.JsonObject) -> model.JsonObject:
    """Defaults filled in; `NVMe, SCSI` comes back as `SCSI, NVMe`."""
    given: model.JsonObject = {**_DEFAULTS, **json.loads(json.dumps(properties))}
    features = given.setdefault("features", [])
    if not any(item["name"] == "SecurityType" for item in features):
        features.append({"name": "SecurityType", "value": DEFAULT_SECURITY})
    for feature in features:
        if feature["name"] == "DiskControllerTypes" and feature["value"] == "NVMe, SCSI":
            feature["value"] = "SCSI, NVMe"
    return given


def _check(properties: model.JsonObject) -> None:
    for name in ("osType", "osState", "identifier"):
        if not properties.get(name):
            message = f"Required parameter 'galleryImage.properties.{name}' is missing (null)."
            model.refuse(400, "InvalidParameter", message, target=name)
    for name, longest in _IDENTIFIER_MAX.items():
        value = properties["identifier"].get(name, "")
        if not 0 < len(value) <= longest:
            message = f"The value of galleryImage.properties.identifier.{name} is invalid."
            model.refuse(400, "InvalidParameter", message, target=f"identifier.{name}")


def _check_identifier(
    azure: context.Azure, definition_id: str, identifier: model.JsonObject
) -> None:
    """Publisher, offer and SKU together are unique within a gallery."""
    for other in azure.store.children(resource_ids.parent(definition_id), TYPE):
        is_other = not resource_ids.same(other.id, definition_id)
        if is_other and other.properties["identifier"] == identifier:
            names = ", ".join(identifier[name] for name in _IDENTIFIER_MAX)
            model.refuse(
                409,
                "Conflict",
                f"Gallery image: {other.id} identified by ({names}) already exists. Choose a "
                "different publisher, offer, sku combination.",
            )


def _check_unchanged(definition: store.Resource, wanted: model.JsonObject) -> None:
    """The same values in another order are another value: features compare as they are."""
    for name in _IMMUTABLE:
        if definition.properties.get(name) != wanted.get(name):
            galleries.refuse_change(f"galleryImage.properties.{name}")
