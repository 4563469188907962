"""The image a pool names: what Batch refuses at once, and what shows when nodes are allocated.

Batch looks at the reference when the pool is made: does it exist, is it one version of a gallery,
generalized, made for this agent? Whether compute can boot it on the pool's size and in this region
shows only later, as an error of the resize.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.azure_simulator import context, model, store
from local.azure_simulator.batch import (
    pool_body,
    problems,
    resizing,
    support_ends,
    supported_images,
)
from local.azure_simulator.compute import data_disks, image_sources, published_galleries
from local.azure_simulator.data import locations, skus

_PATH = "properties.deploymentConfiguration.virtualMachineConfiguration.imageReference"
_IMAGE_DISK_GIB = 30  # of the smallest Linux images
# The management plane of Batch spells the types in camel case, compute in Pascal case.
_COMPUTE_SECURITY_TYPES = {"trustedlaunch": "TrustedLaunch", "confidentialvm": "ConfidentialVM"}


def check(azure: context.Azure, configuration: Mapping[str, Any]) -> None:
    """Refuse an image that can never make nodes with this agent (400)."""
    reference = configuration["imageReference"]
    agent = configuration["nodeAgentSkuId"]
    announced = next((i.ends for i in supported_images.SUPPORTED_IMAGES if i.agent == agent), "")
    if support_ends.has_passed(azure, support_ends.date(azure, agent, announced)):
        reason = f"The node agent '{agent}' is not supported any more."
        raise problems.invalid_value("nodeAgentSkuId", _PATH, agent, reason)
    if reference.get("publisher"):
        _check_listed(reference, agent)
        return
    version = _version(azure, reference)
    definition = azure.store.find(version.id.rpartition("/versions/")[0])
    if definition is None or definition.properties["osState"] != "Generalized":
        raise _invalid(version.id, "The specified image is not generalized.")
    inside = version.state["contents"]
    system = inside["os"], inside["osVersion"], definition.properties["architecture"]
    if not supported_images.agent_runs_on(agent, *system):
        reason = f"The agent '{agent}' is not made for {' '.join(system)}."
        raise problems.invalid_value("nodeAgentSkuId", _PATH, agent, reason)


def allocate(
    azure: context.Azure, properties: Mapping[str, Any], size: skus.Size, location: str
) -> model.JsonObject | resizing.Error:
    """The hidden contents that nodes of the pool begin with; or why compute makes none."""
    configuration = pool_body.machine(properties)
    profile = configuration.get("securityProfile") or {}
    kind = str(profile.get("securityType") or "").lower()
    try:
        place = locations.canonical(location)
        source = image_sources.resolve(azure, configuration["imageReference"], place)
        image_sources.check_fits(source, size, _COMPUTE_SECURITY_TYPES.get(kind, "Standard"))
    except model.Refusal as refusal:
        return resizing.allocation_failed(refusal.code, refusal.message)
    return _disk_problem(configuration, source.contents, size) or source.contents


def _disk_problem(
    configuration: Mapping[str, Any], contents: model.JsonObject, size: skus.Size
) -> resizing.Error | None:
    """Nodes get the data disks of the image besides the empty ones of the pool, and the number of a
    disk serves once. An ephemeral disk must fit the cache of the size. Compute says so when it
    allocates. Recorded: https://github.com/cloudfoundry/bosh-azure-cpi-release/pull/674,
    https://github.com/Azure/azure-sdk-for-java/issues/1872
    """
    try:
        asked = [{**disk, "createOption": "Empty"} for disk in configuration.get("dataDisks") or []]
        data_disks.check(asked, contents, size)
    except model.Refusal as refusal:
        return resizing.allocation_failed(refusal.code, refusal.message)
    disk = configuration.get("osDisk") or {}
    if not disk.get("ephemeralOSDiskSettings"):
        return None
    cache = int(size.capabilities().get("CachedDiskBytes", "0")) // 2**30
    if cache >= int(disk.get("diskSizeGB") or _IMAGE_DISK_GIB):
        return None
    message = (
        f"OS disk of Ephemeral VM with size greater than {cache} GB is not allowed for VM size "
        f"{size.name} when the DiffDiskPlacement is CacheDisk."
    )
    return resizing.allocation_failed("NotSupported", message)


def has_secure_boot(properties: Mapping[str, Any]) -> bool:
    """Trusted launch boots securely unless the pool says otherwise."""
    profile = pool_body.machine(properties).get("securityProfile") or {}
    is_trusted = str(profile.get("securityType") or "").lower() == "trustedlaunch"
    settings = profile.get("uefiSettings") or {}
    return is_trusted and bool(settings.get("secureBootEnabled", True))


def _version(azure: context.Azure, reference: Mapping[str, Any]) -> store.Resource:
    image_id = str(reference.get("id") or reference)
    version = azure.store.find(image_id)
    published = reference.get("sharedGalleryImageId") or reference.get("communityGalleryImageId")
    if published:
        image_id, version = published, published_galleries.find(azure, published)
    if "/versions/" not in image_id.lower():
        reason = "The id must name an image version of a gallery (…/images/{name}/versions/{n})."
        raise _invalid(image_id, reason)
    if version is None or not version.is_type(image_sources.VERSION_TYPE):
        raise _invalid(image_id, "The specified image is not found.")
    if version.properties["provisioningState"] not in {"Succeeded", "Updating"}:
        raise _invalid(image_id, "The specified image version is not provisioned.")
    return version


def _check_listed(reference: Mapping[str, Any], agent: str) -> None:
    """Of the marketplace, only combinations of image and agent that the service lists."""
    names = [str(reference.get(part, "")).lower() for part in ("publisher", "offer", "sku")]
    for listed in supported_images.SUPPORTED_IMAGES:
        if [listed.publisher, listed.offer, listed.sku, listed.agent] == [*names, agent]:
            return
    raise _invalid(":".join(names), f"The image is not supported with agent '{agent}'.")


def _invalid(value: object, reason: str) -> model.Refusal:
    return problems.invalid_value("imageReference", _PATH, value, reason)
