"""Gallery image versions: captured from a source, copied to regions, never overwritten.

Hidden state: `contents` (what is inside, see `machine.contents`), `diskGb`, and `regions`:
`{region: {"start", "end"}}`, the simulated times of each copy. A region is usable from its `end`
on, if the version succeeded.
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import json
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
    times,
)
from local.azure_simulator.compute import data_disks, galleries, version_sources
from local.azure_simulator.data import locations

TYPE = "Microsoft.Compute/galleries/images/versions"
_NAME = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_REGION = {"name!": str, "regionalReplicaCount": int, "storageAccountType": str}
_PROPERTIES = {
    "publishingProfile": {
        "targetRegions": [_REGION],
        "replicaCount": int,
        "replicationMode": str,
        "storageAccountType": str,
        "excludeFromLatest": bool,
        "endOfLifeDate": str,
    },
    "storageProfile": {
        "source": {"id": str, "virtualMachineId": str},
        "osDiskImage": {"source": {"id": str}, "hostCaching": str, "sizeInGB": int},
    },
    "safetyProfile": dict,
}
_STORAGE_TYPES = frozenset({"Standard_LRS", "Standard_ZRS", "Premium_LRS"})
_SAFETY = {"allowDeletionOfReplicatedLocations": False}
_INT32_MAX = 2**31 - 1
_COST_PER_GB_HOUR = 0.05 / 730
"""One replica on standard storage, US dollars."""
_PARTS = {
    "galleryVersions.createShallow": durations.Duration(typical=60, source="estimate: no copy"),
    "galleryVersions.replicate": durations.Duration(
        typical=240, source="estimate, per further region"
    ),
}
"""What a version takes when it is not copied, and per further region when it is."""


def register(azure: context.Azure) -> None:
    resource_types.register_reads(azure, TYPE)
    azure.shows(TYPE, show)
    azure.route("PUT", arm.path_of(TYPE), put, operation="galleryVersions.create")
    azure.route("PATCH", arm.path_of(TYPE), patch, operation="galleryVersions.update")
    azure.on(TYPE, "vanish", _vanish)
    azure.operations.register(
        "galleryVersions.create",
        durations.Duration(typical=450, source="recorded exchange with the service, one region"),
        _created,
    )
    azure.operations.register(
        "galleryVersions.update",
        durations.Duration(typical=20, source="estimate, without new regions"),
        arm.succeed,
    )
    azure.durations.add(_PARTS)
    takes = durations.Duration(typical=40, source="estimate")
    resource_types.register_delete(azure, TYPE, "galleryVersions", takes, retry_after=(10,))


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = arm.prepare_put(azure, request, _PROPERTIES)
    galleries.check_parent_stays(azure, request.resource_id)
    _check_name(request.parameters["name"])
    properties = body.get("properties", {})
    _check_source(properties)
    profile = properties.get("publishingProfile") or {}
    _check_regions(profile, body["location"])
    if existing is not None:
        _check_unchanged(existing, properties)
        if existing.properties["provisioningState"] != "Failed":
            return _update(azure, request, existing, body)
    definition = arm.require(azure, resource_ids.parent(request.resource_id))
    source = version_sources.find(azure, definition, body)
    if existing is not None:
        azure.machine.discard(existing.state["contents"])
    version = arm.file(azure, request, TYPE, body, existing)
    contents = azure.machine.capture(source.contents)
    version.state.update(contents=contents, diskGb=source.disk_gb, source=source.id, regions={})
    version.properties["publishingProfile"] = _completed(azure, profile, version.location)
    given = version.properties.get("safetyProfile") or {}
    version.properties["safetyProfile"] = {**_SAFETY, **given, "reportedForPolicyViolation": False}
    seconds = _replicate(azure, version, is_new=True)
    version.properties["provisioningState"] = "Creating"
    operation = azure.operations.begin(
        "galleryVersions.create", version, seconds=seconds, retry_after=(60,)
    )
    return operations.put_started(azure, request, version, operation, created=existing is None)


def patch(azure: context.Azure, request: model.Request) -> model.Response:
    version = arm.require(azure, request.resource_id)
    change = request.json(shapes.resource(_PROPERTIES))
    profile = {
        **version.properties["publishingProfile"],
        **change.get("properties", {}).get("publishingProfile", {}),
    }
    _check_regions(profile, version.location)
    properties = {**version.properties, "publishingProfile": profile}
    _check_unchanged(version, properties)
    body = {"tags": change.get("tags", version.tags), "properties": properties}
    return _update(azure, request, version, body)


def show(azure: context.Azure, version: store.Resource, request: model.Request) -> model.JsonObject:
    """Regions by their display names; with `$expand=ReplicationStatus` how far the copies are."""
    document: model.JsonObject = json.loads(json.dumps(version.document))
    for region in document["properties"]["publishingProfile"]["targetRegions"]:
        region["name"] = locations.display_name(region["name"])
    if request.query.get("$expand", "").lower() == "replicationstatus":
        document["properties"]["replicationStatus"] = _replication(azure, version)
    return document


def _vanish(azure: context.Azure, version: store.Resource, data: model.JsonObject) -> None:
    azure.machine.discard(version.state["contents"])


def _created(
    azure: context.Azure, version: store.Resource, operation: store.Resource
) -> model.JsonObject | None:
    """The source must have lasted until the copy was made."""
    if azure.store.find(version.state["source"]) is None:
        message = f"Source {version.state['source']} was deleted while the image was created."
        return model.error_object("NotFound", message)
    version.properties["provisioningState"] = "Succeeded"
    given = version.properties["storageProfile"].get("osDiskImage") or {}
    version.properties["storageProfile"]["osDiskImage"] = {
        "hostCaching": "ReadWrite",
        **given,
        "sizeInGB": version.state["diskGb"],
    }
    if of_data := data_disks.of(version.state["contents"]):
        version.properties["storageProfile"]["dataDiskImages"] = of_data
    replicas = sum(
        region["regionalReplicaCount"]
        for region in version.properties["publishingProfile"]["targetRegions"]
    )
    size = version.state["diskGb"] + data_disks.size_gb(version.state["contents"])
    version.cost_per_hour = replicas * size * _COST_PER_GB_HOUR
    return None


def _update(
    azure: context.Azure, request: model.Request, version: store.Resource, body: model.JsonObject
) -> model.Response:
    running = azure.operations.running(version)
    if running is not None:
        return operations.put_started(azure, request, version, running, created=False)
    profile = body["properties"].get("publishingProfile") or {}
    version.document["tags"] = body.get("tags", version.tags)
    version.properties["publishingProfile"] = _completed(azure, profile, version.location)
    seconds = _replicate(azure, version, is_new=False)
    version.properties["provisioningState"] = "Updating"
    operation = azure.operations.begin(
        "galleryVersions.update", version, seconds=seconds, retry_after=(60,)
    )
    return operations.put_started(azure, request, version, operation, created=False)


# --- replication ---------------------------------------------------------------------------


def _replicate(azure: context.Azure, version: store.Resource, *, is_new: bool) -> float:
    """Start the copies that are missing, forget those not wanted. Seconds until all are there."""
    profile = version.properties["publishingProfile"]
    is_shallow = profile.get("replicationMode") == "Shallow"
    wanted = [locations.canonical(region["name"]) for region in profile["targetRegions"]]
    capture = 0.0
    if is_new:
        name = "galleryVersions.createShallow" if is_shallow else "galleryVersions.create"
        capture = azure.duration(name, version)
    base = capture or azure.duration("galleryVersions.update", version)
    regions = {name: span for name, span in version.state["regions"].items() if name in wanted}
    for name in wanted:
        is_home = locations.same(name, version.location)
        copy = 0.0 if is_home else azure.duration("galleryVersions.replicate", version)
        regions.setdefault(name, {"start": azure.now, "end": azure.now + base + copy})
    version.state["regions"] = regions
    ends_at = max(span["end"] for span in regions.values())
    return float(max(ends_at - azure.now, 0 if is_new else base))


def _replication(azure: context.Azure, version: store.Resource) -> model.JsonObject:
    has_failed = version.properties["provisioningState"] == "Failed"
    summary = [
        _region_status(azure.now, name, span, has_failed=has_failed)
        for name, span in version.state["regions"].items()
    ]
    states = {item["state"] for item in summary}
    aggregated = "Completed" if states == {"Completed"} else "InProgress"
    return {"aggregatedState": "Failed" if has_failed else aggregated, "summary": summary}


def _region_status(
    now: float, name: str, span: model.JsonObject, *, has_failed: bool
) -> model.JsonObject:
    share = min(1.0, (now - span["start"]) / max(span["end"] - span["start"], 1e-9))
    state = "Completed" if now >= span["end"] else "Replicating"
    return {
        "region": locations.display_name(name),
        "state": "Failed" if has_failed else state,
        "details": "",
        "progress": int(100 * share),
    }


# --- checks --------------------------------------------------------------------------------


def _check_source(properties: model.JsonObject) -> None:
    if not properties.get("storageProfile"):
        name = "galleryImageVersion.properties.storageProfile"
        message = f"Required parameter '{name}' is missing (null)."
        model.refuse(400, "InvalidParameter", message, target=name)


def _check_name(name: str) -> None:
    parts = _NAME.fullmatch(name)
    if parts is None or any(int(part) > _INT32_MAX for part in parts.groups()):
        galleries.refuse_name("galleryImageVersion", name, "Major.Minor.Patch, each an int32")


def _check_regions(profile: model.JsonObject, location: str) -> None:
    """The version's own region among the targets, none twice, all known."""
    names = [region.get("name", "") for region in profile.get("targetRegions") or []]
    unknown = [name for name in names if not locations.is_known(name)]
    if unknown:
        message = f"The target region '{unknown[0]}' is not available for gallery images."
        model.refuse(400, "InvalidParameter", message, target="targetRegions")
    canonical = [locations.canonical(name) for name in names]
    if canonical and locations.canonical(location) not in canonical:
        message = (
            f"Gallery image version publishing profile regions '{', '.join(names)}' must contain "
            f"the location of image version '{location}'."
        )
        model.refuse(400, "InvalidParameter", message, target="targetRegions")
    if len(set(canonical)) != len(canonical):
        message = "Gallery image version publishing profile contains duplicate regions."
        model.refuse(400, "InvalidParameter", message, target="targetRegions")
    for region in profile.get("targetRegions") or []:
        _check_storage(region)


def _check_storage(region: model.JsonObject) -> None:
    """Zone-redundant storage exists only where there are zones."""
    kind = region.get("storageAccountType", "Standard_LRS")
    if kind not in _STORAGE_TYPES:
        message = f"Storage account type '{kind}' is not supported for gallery images."
        model.refuse(400, "InvalidParameter", message, target="storageAccountType")
    if kind == "Standard_ZRS" and not locations.has_zones(region["name"]):
        message = f"Storage account type '{kind}' is not supported in region '{region['name']}'."
        model.refuse(400, "InvalidParameter", message, target="storageAccountType")


def _check_unchanged(version: store.Resource, wanted: model.JsonObject) -> None:
    """Source, replication mode and storage types are immutable."""
    stem = "galleryImageVersion.properties"
    storage = wanted.get("storageProfile") or {}
    if storage.get("source") != version.properties["storageProfile"].get("source"):
        galleries.refuse_change(f"{stem}.storageProfile.source.id")
    if _disk_source(storage) != _disk_source(version.properties["storageProfile"]):
        galleries.refuse_change(f"{stem}.storageProfile.osDiskImage.source.id")
    profile = version.properties["publishingProfile"]
    wished = wanted.get("publishingProfile") or {}
    if wished.get("replicationMode", profile["replicationMode"]) != profile["replicationMode"]:
        galleries.refuse_change(f"{stem}.publishingProfile.replicationMode")
    kinds = {
        locations.canonical(region["name"]): region.get("storageAccountType")
        for region in profile["targetRegions"]
    }
    for region in wished.get("targetRegions") or []:
        known = kinds.get(locations.canonical(region["name"]))
        if known and region.get("storageAccountType", known) != known:
            galleries.refuse_change(f"{stem}.publishingProfile.targetRegions.storageAccountType")


def _disk_source(storage: model.JsonObject) -> object:
    return (storage.get("osDiskImage") or {}).get("source")


def _completed(azure: context.Azure, profile: model.JsonObject, location: str) -> model.JsonObject:
    """The publishing profile with its defaults; no region means the version's own."""
    completed: model.JsonObject = json.loads(json.dumps(profile))
    completed.setdefault("replicaCount", 1)
    completed.setdefault("replicationMode", "Full")
    completed.setdefault("excludeFromLatest", False)
    completed.setdefault("storageAccountType", "Standard_LRS")
    completed.setdefault("publishedDate", times.text(azure.now))
    completed["targetRegions"] = completed.get("targetRegions") or [{"name": location}]
    for region in completed["targetRegions"]:
        region.setdefault("regionalReplicaCount", completed["replicaCount"])
        region.setdefault("storageAccountType", completed["storageAccountType"])
    return completed
