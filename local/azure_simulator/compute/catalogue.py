"""What compute offers: sizes (Resource SKUs), usage and quota, marketplace images."""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import re

from local.azure_simulator import arm, context, model
from local.azure_simulator.compute import image_sources, placement
from local.azure_simulator.data import images, locations, skus

_COMPUTE = "/subscriptions/{subscription}/providers/Microsoft.Compute"
_PUBLISHERS = _COMPUTE + "/locations/{location}/publishers"
_OFFERS = _PUBLISHERS + "/{publisher}/artifacttypes/vmimage/offers"
_SKUS = _OFFERS + "/{offer}/skus"
_VERSIONS = _SKUS + "/{sku}/versions"
_FOOTER_BYTES = 512  # that end a virtual hard disk
_LOCATION_FILTER = re.compile(r"location eq '([^']*)'")


def register(azure: context.Azure) -> None:
    azure.route("GET", _COMPUTE + "/skus", list_sizes)
    azure.route("GET", _COMPUTE + "/locations/{location}/usages", list_usages)
    azure.route("GET", _PUBLISHERS, list_publishers)
    azure.route("GET", _OFFERS, list_offers)
    azure.route("GET", _SKUS, list_skus)
    azure.route("GET", _VERSIONS, list_versions)
    azure.route("GET", _VERSIONS + "/{version}", get_version)


# --- sizes and usage -----------------------------------------------------------------------


def list_sizes(azure: context.Azure, request: model.Request) -> model.Response:
    """Every size in every region, or with `location eq 'x'` (the only filter) in one."""
    found = _LOCATION_FILTER.fullmatch(request.query.get("$filter", "").strip())
    wanted = [locations.canonical(found[1])] if found else list(locations.NAMES)
    listed = [
        _size_in(azure, size, location)
        for location in wanted
        for size in skus.SIZES.values()
        if location in size.regions
    ]
    shown, next_link = arm.slice_page(azure, request, listed)
    document: model.JsonObject = {"value": list(shown)}
    if next_link:
        document["nextLink"] = next_link
    return model.json_response(200, document)


def list_usages(azure: context.Azure, request: model.Request) -> model.Response:
    location = locations.canonical(request.parameters["location"])
    value = [
        {
            "unit": "Count",
            "currentValue": usage.used,
            "limit": usage.limit,
            "name": {"value": usage.name, "localizedValue": usage.label},
        }
        for usage in placement.usages(azure, location)
    ]
    return model.json_response(200, {"value": value})


def _size_in(azure: context.Azure, size: skus.Size, location: str) -> model.JsonObject:
    zones = ["1", "2", "3"] if locations.has_zones(location) else []
    restrictions = []
    if placement.is_restricted(azure, size, location):
        restrictions.append(_restriction("Location", [location], {"locations": [location]}))
    if size.restricted_zones:
        zones_gone = {"locations": [location], "zones": list(size.restricted_zones)}
        restrictions.append(_restriction("Zone", [location], zones_gone))
    return {
        "resourceType": "virtualMachines",
        "name": size.name,
        "tier": "Standard",
        "size": size.name.removeprefix("Standard_"),
        "family": size.family,
        "locations": [location],
        "locationInfo": [{"location": location, "zones": zones, "zoneDetails": []}],
        "capabilities": [
            {"name": name, "value": value} for name, value in size.capabilities().items()
        ],
        "restrictions": restrictions,
    }


def _restriction(kind: str, values: list[str], information: model.JsonObject) -> model.JsonObject:
    return {
        "type": kind,
        "values": values,
        "restrictionInfo": information,
        "reasonCode": "NotAvailableForSubscription",
    }


# --- marketplace images --------------------------------------------------------------------


def list_publishers(azure: context.Azure, request: model.Request) -> model.Response:
    return _names(request, [image.publisher for image in images.IMAGES])


def list_offers(azure: context.Azure, request: model.Request) -> model.Response:
    return _names(request, [image.offer for image in _matching(request, "publisher")])


def list_skus(azure: context.Azure, request: model.Request) -> model.Response:
    return _names(request, [image.sku for image in _matching(request, "publisher", "offer")])


def list_versions(azure: context.Azure, request: model.Request) -> model.Response:
    """`$orderby=name desc` and `$top` work, as for the newest version."""
    found = _matching(request, "publisher", "offer", "sku")
    versions = sorted(version for image in found for version in image.versions)
    if "desc" in request.query.get("$orderby", ""):
        versions.reverse()
    top = request.number("$top", len(versions))
    return _names(request, versions[:top])


def get_version(azure: context.Azure, request: model.Request) -> model.Response:
    found = _matching(request, "publisher", "offer", "sku")
    version = request.parameters["version"]
    image = next((image for image in found if version in (*image.versions, "latest")), None)
    if image is None:
        urn = ":".join(request.parameters[name] for name in ("publisher", "offer", "sku"))
        placement.refuse_image(f"{urn}:{version}")
    disk_gb = image_sources.disk_gb_of(azure, image)
    properties: model.JsonObject = {
        "osDiskImage": {
            "operatingSystem": "Linux",
            "sizeInGb": disk_gb,
            "sizeInBytes": disk_gb * 2**30 + _FOOTER_BYTES,
        },
        "replicaType": "Unmanaged",
        "dataDiskImages": [],
        "hyperVGeneration": image.generation,
        "architecture": image.architecture,
        "features": _features(azure, image),
        "disallowed": {"vmDiskType": "None"},
        "imageDeprecationStatus": {"imageState": "Active"},
    }
    if image.plan is not None:
        name, publisher, product = image.plan
        properties["plan"] = {"name": name, "publisher": publisher, "product": product}
    name = image.latest if version == "latest" else version
    return model.json_response(200, {**_named(request, name), "properties": properties})


def _features(azure: context.Azure, image: images.Image) -> list[model.JsonObject]:
    """Only generation 2 knows trusted launch and NVMe disks. A setting can say otherwise."""
    given = azure.setting("baseImageFeatures")
    if given is not None:
        return list(given)
    found = {"IsAcceleratedNetworkSupported": "True", "IsHibernateSupported": "True"}
    if image.generation == "V2":
        found |= {"SecurityType": "TrustedLaunchSupported", "DiskControllerTypes": "SCSI, NVMe"}
    return [{"name": name, "value": value} for name, value in found.items()]


def _matching(request: model.Request, *fields: str) -> list[images.Image]:
    """Images that agree with the path; 404 when there is none."""
    found = [
        image
        for image in images.IMAGES
        if all(getattr(image, name).lower() == request.parameters[name].lower() for name in fields)
    ]
    if not found:
        wanted = "/".join(request.parameters[name] for name in fields)
        model.refuse(404, "NotFound", f"Artifact: VMImage '{wanted}' was not found.")
    return found


def _names(request: model.Request, names: list[str]) -> model.Response:
    """These lists are bare arrays."""
    unique = list(dict.fromkeys(names))
    return model.json_response(200, [_named(request, name) for name in unique])


def _named(request: model.Request, name: str) -> model.JsonObject:
    path = request.resource_id
    resource_id = path if path.endswith(f"/{name}") else f"{path}/{name}"
    return {"location": request.parameters["location"], "name": name, "id": resource_id}
