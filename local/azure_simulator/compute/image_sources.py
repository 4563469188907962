"""What an `imageReference` means: marketplace image, gallery version or definition, managed image.

The same resolution serves virtual machines and pools.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import NoReturn

from local.azure_simulator import context, model, resource_ids, store
from local.azure_simulator.compute import placement, published_galleries
from local.azure_simulator.data import images, locations, skus
from local.azure_simulator.machine import contents

VERSION_TYPE = "Microsoft.Compute/galleries/images/versions"
DEFINITION_TYPE = "Microsoft.Compute/galleries/images"
MANAGED_TYPE = "Microsoft.Compute/images"
BOTH_CONTROLLERS = "SCSI, NVMe"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """An image that a machine can be made from."""

    id: str
    """Id of the version or managed image; the URN of a marketplace image."""
    exact_version: str
    generation: str
    architecture: str
    disk_gb: int
    security_type: str
    """`Standard`, `TrustedLaunchSupported` or `TrustedLaunch`, of the definition."""
    disk_controllers: str
    plan: model.JsonObject | None
    is_generalized: bool
    contents: model.JsonObject
    """See `machine.contents`; a copy."""


def resolve(azure: context.Azure, reference: model.JsonObject, location: str) -> Source:
    """The image in that region; refuses what does not exist or is not replicated there."""
    published = reference.get("sharedGalleryImageId") or reference.get("communityGalleryImageId")
    image_id = reference.get("id") or published
    if not image_id:
        return _marketplace(azure, reference)
    resource = azure.store.find(image_id)
    if published:
        resource = published_galleries.find(azure, published)
    if resource is not None and resource.is_type(DEFINITION_TYPE):
        resource = latest_version(azure, resource, location)
    if resource is None:
        _refuse_gallery_image(image_id, location)
    if resource.is_type(MANAGED_TYPE):
        return _managed(resource)
    check_replicated(azure, resource, location)
    return _version(azure, resource)


def latest_version(
    azure: context.Azure, definition: store.Resource, location: str
) -> store.Resource | None:
    """The highest number that is not excluded and is replicated to the region."""
    found = [
        version
        for version in azure.store.children(definition.id, VERSION_TYPE)
        if not version.properties.get("publishingProfile", {}).get("excludeFromLatest")
        and is_replicated(azure, version, location)
    ]
    return max(found, key=lambda version: _numbers(version.name), default=None)


def is_replicated(azure: context.Azure, version: store.Resource, location: str) -> bool:
    """Whether the region has its copy. The hidden state `regions` says when each is complete."""
    ends_at = version.state["regions"].get(locations.canonical(location))
    is_usable = version.properties["provisioningState"] in {"Succeeded", "Updating"}
    return is_usable and ends_at is not None and ends_at["end"] <= azure.now


def check_replicated(azure: context.Azure, version: store.Resource, location: str) -> None:
    if not is_replicated(azure, version, location):
        _refuse_gallery_image(version.id, location)


def _refuse_gallery_image(image_id: str, location: str) -> NoReturn:
    model.refuse(
        404,
        "GalleryImageNotFound",
        f"The gallery image {image_id} is not available in {location} region. Please contact image "
        "owner to replicate to this region, or change your requested region.",
        target="imageReference",
    )


def check_fits(source: Source, size: skus.Size, security_type: str) -> None:
    """Generation, architecture, disk controller and security type of image, size and machine."""
    if source.generation not in size.generations.split(","):
        number = source.generation[1:]
        model.refuse(
            400,
            "BadRequest",
            f"The selected VM size '{size.name}' cannot boot Hypervisor Generation '{number}'. If "
            "this was a Create operation please check that the Hypervisor Generation of the Image "
            "matches the Hypervisor Generation of the selected VM Size. If this was an Update "
            f"operation please select a Hypervisor Generation '{number}' VM Size.",
        )
    if source.architecture != size.architecture:
        model.refuse(
            400,
            "BadRequest",
            f"Cannot create a VM of size '{size.name}' because this VM size only supports a CPU "
            f"Architecture of '{size.architecture}', but an image or disk with CPU Architecture "
            f"'{source.architecture}' was given. Please check that the CPU Architecture of the "
            "image or disk is compatible with that of the VM size.",
        )
    if size.disk_controllers == "NVMe" and source.disk_controllers != BOTH_CONTROLLERS:
        model.refuse(
            400,
            "InvalidParameter",
            f"The VM size '{size.name}' cannot boot with OS image or disk. Please check that disk "
            "controller types supported by the OS image or disk is one of the supported disk "
            "controller types for the VM size.",
        )
    _check_security(source, size, security_type)


_ONLY = {"trustedlaunch": "TrustedLaunch", "confidentialvm": "ConfidentialVM"}
"""Images with the state of a guest's firmware make machines of their own security type only."""
_NO_LAUNCH = {"standard", "confidentialvmsupported"}


def _check_security(source: Source, size: skus.Size, security_type: str) -> None:
    """https://learn.microsoft.com/azure/confidential-computing/create-confidential-vm-from-compute-gallery:
    "ConfidentialVMSupported" images make confidential or ordinary machines.
    """
    kind = source.security_type.lower()
    only = _ONLY.get(kind, security_type)
    if security_type != only:
        model.refuse(
            400,
            "BadRequest",
            "The provided gallery image only supports creation of VMs and VM Scale Sets with "
            f"'{only}' security type.",
        )
    # Recorded: https://github.com/confidential-containers/cloud-api-adaptor/issues/1742
    if security_type == "ConfidentialVM":  # no size of the simulator can
        model.refuse(
            400,
            "BadRequest",
            f"The VM size '{size.name}' is not supported for creation of VMs and Virtual Machine "
            "Scale Set with 'ConfidentialVM' security type.",
        )
    is_capable = source.generation == "V2" and size.is_trusted_launch_capable
    can_launch = is_capable and kind not in _NO_LAUNCH
    if security_type == "TrustedLaunch" and not can_launch:
        model.refuse(
            400,
            "BadRequest",
            "Use of TrustedLaunch setting is not supported for the provided image or VM size. "
            "Please select Trusted Launch Supported Gen2 OS Image and size. For more information, "
            "see https://aka.ms/TrustedLaunch-FAQ.",
        )


def plan_problem(
    source: Source, plan: model.JsonObject | None, vm_name: str
) -> model.JsonObject | None:
    """The asynchronous error of a wrong or missing purchase plan; None when it fits."""
    if source.plan == plan:
        return None
    message = (
        "Creating a virtual machine from Marketplace image or a custom image sourced from a "
        f"Marketplace image requires Plan information in the request. VM: '{vm_name}'."
    )
    if source.plan is None:
        message = (
            "Creating a virtual machine from a non Marketplace image does not need Plan "
            f"information. Please remove the Plan information in the request. VM: '{vm_name}'."
        )
    return model.error_object("VMMarketplaceInvalidInput", message)


def _marketplace(azure: context.Azure, reference: model.JsonObject) -> Source:
    publisher, offer, sku, version = (
        str(reference.get(name, "")) for name in ("publisher", "offer", "sku", "version")
    )
    image = images.find(publisher, offer, sku)
    if image is None or version not in (*image.versions, "latest"):
        placement.refuse_image(f"{publisher}:{offer}:{sku}:{version}")
    exact = image.latest if version == "latest" else version
    plan = None
    if image.plan is not None:
        plan = dict(zip(("name", "publisher", "product"), image.plan, strict=True))
    inside = contents.new(
        source=image.urn(exact),
        os=image.os,
        os_version=image.os_version,
        kernel=str(azure.setting("baseImageKernel", image.kernel)),
        driver_fails_for=azure.setting("driverFailsFor", []),
        volumes=azure.setting("baseImageVolumes", dict(image.volumes)),
        has_docker=image.has_docker,
        has_driver=image.has_driver,
    )
    return Source(
        id=image.urn(exact),
        exact_version=exact,
        generation=image.generation,
        architecture=image.architecture,
        disk_gb=disk_gb_of(azure, image),
        security_type="TrustedLaunchSupported" if image.generation == "V2" else "Standard",
        disk_controllers=BOTH_CONTROLLERS,
        plan=plan,
        is_generalized=True,
        contents=inside,
    )


def disk_gb_of(azure: context.Azure, image: images.Image) -> int:
    """Of a marketplace image, in GiB. A setting can say otherwise."""
    return int(azure.setting("baseImageDiskGiB", image.disk_gb))


def _version(azure: context.Azure, version: store.Resource) -> Source:
    definition = azure.store.find(resource_ids.parent(version.id))
    assert definition is not None  # a definition outlives its versions
    properties = definition.properties
    features = {item["name"]: item["value"] for item in properties.get("features", [])}
    return Source(
        id=version.id,
        exact_version=version.name,
        generation=properties["hyperVGeneration"],
        architecture=properties["architecture"],
        disk_gb=version.state["diskGb"],
        security_type=features.get("SecurityType", "Standard"),
        disk_controllers=features.get("DiskControllerTypes", "SCSI"),
        plan=properties.get("purchasePlan"),
        is_generalized=properties["osState"] == "Generalized",
        contents=copy.deepcopy(version.state["contents"]),
    )


def _managed(image: store.Resource) -> Source:
    return Source(
        id=image.id,
        exact_version=image.name,
        generation=image.properties["hyperVGeneration"],
        architecture="x64",
        disk_gb=image.state["diskGb"],
        security_type="Standard",
        disk_controllers="SCSI",
        plan=image.state["plan"],
        is_generalized=True,
        contents=copy.deepcopy(image.state["contents"]),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
