"""A builder of Packer's azure-arm -> `image` of a request, in mode image-only.

https://developer.hashicorp.com/packer/integrations/hashicorp/azure/latest/components/builder/arm
"""

from __future__ import annotations

import dataclasses
from pathlib import Path as File
from typing import Any

from cli import request_schema
from cli.imports import packer_base, packer_steps, systems
from cli.imports.draft import NO_FIELD, Draft, Path, Unresolved
from cli.imports.tables import NOTHING, Source, Table, follow, left, to

_SIGN_IN = left("the service signs in to Azure with its own identity, in its own subscription")
_NO_SSH = left("batch-prep runs the steps by Azure's Run Command, without SSH")
_OWN_NAMES = left("batch-prep names what it makes for a build, and removes it afterwards")
_OWN_WAITS = left("each step of a build has its own time limit")
_NO_VHD = left("batch-prep publishes versions of a gallery")
_IN_A_STEP = left("it runs at the first boot of the builder: let a step do its work")
_NO_BASE = left(
    "a build starts from a system (image.os), an image of the marketplace or one that is there "
    "(image.base)"
)
_DISKS = left("give image.dataDisks with a lun each; a step must format and mount them")


def region(name: Any) -> str:
    """`West Europe` as `westeurope`."""
    return str(name).replace(" ", "").lower()


def _date(moment: Any) -> str:
    """`2027-06-30T00:00:00.00Z` as `2027-06-30`."""
    return str(moment)[:10]


BUILDER: Table = {
    "type": NOTHING,
    "name": NOTHING,
    "communicator": NOTHING,
    "os_type": NOTHING,  # Windows is refused before
    # what the image is
    "location": to("image.location", region),
    "vm_size": to("image.builderVmSize"),
    "os_disk_size_gb": to("image.osDiskSizeGiB"),
    "azure_tags.*": to("image.tags.*"),
    "shared_image_gallery_destination.resource_group": to("image.resourceGroup"),
    "shared_image_gallery_destination.gallery_name": to("image.gallery"),
    "shared_image_gallery_destination.image_name": to("image.name"),
    "shared_image_gallery_destination.image_version": to("image.version"),
    "shared_image_gallery_destination.replication_regions[]": to(
        "image.targetRegions[].name", region
    ),
    "shared_image_gallery_destination.target_region[].name": to(
        "image.targetRegions[].name", region
    ),
    "shared_image_gallery_destination.target_region[].replicas": to(
        "image.targetRegions[].replicas"
    ),
    "shared_image_gallery_destination.storage_account_type": to("image.storageAccountType"),
    "shared_image_gallery_destination.subscription": _SIGN_IN,
    "shared_image_gallery_destination.specialized": left("Batch takes generalized images only"),
    "shared_image_gallery_destination.use_shallow_replication": left(
        "every region gets a full replica, from which nodes boot faster"
    ),
    "shared_gallery_image_version_end_of_life_date": to("image.endOfLifeDate", _date),
    "shared_gallery_image_version_exclude_from_latest": to("image.excludeFromLatest"),
    "image_url": _NO_BASE,
    "plan_info": left("Azure knows the plan of image.base; accept its terms once"),
    "disk_additional_size": _DISKS,
    "disk_encryption_set_id": left("Batch does not take images with customer-managed keys"),
    "security_encryption_type": left("batch-prep builds no images for confidential VMs"),
    "encryption_at_host": left("the builder is removed after the build"),
    "disk_caching_type": left("pools have osDisk.caching"),
    "license_type": left("nodes of Batch pay as they run"),
    "managed_image_storage_account_type": to("image.osDiskStorageAccountType"),
    "managed_image_*": _NO_VHD,
    "keep_os_disk": left("keepVm of a request keeps the builder"),
    # how it is built
    "client_*": _SIGN_IN,
    "tenant_id": _SIGN_IN,
    "object_id": _SIGN_IN,
    "subscription_id": _SIGN_IN,
    "cloud_environment_name": _SIGN_IN,
    "metadata_host": _SIGN_IN,
    "use_azure_cli_auth": _SIGN_IN,
    "use_interactive_auth": _SIGN_IN,
    "oidc_*": _SIGN_IN,
    "ssh_*": _NO_SSH,
    "winrm_*": _NO_SSH,
    "pause_before_connecting": _NO_SSH,
    "public_ip_sku": _NO_SSH,
    "allowed_inbound_ip_addresses": _NO_SSH,
    "private_virtual_network_with_public_ip": _NO_SSH,
    "temp_*": _OWN_NAMES,
    "build_resource_group_name": _OWN_NAMES,
    "build_key_vault_*": _OWN_NAMES,
    "skip_create_build_key_vault": _OWN_NAMES,
    "custom_resource_build_prefix": _OWN_NAMES,
    "async_resourcegroup_delete": _OWN_NAMES,
    "polling_duration_timeout": _OWN_WAITS,
    "shared_image_gallery_timeout": _OWN_WAITS,
    "sas_token_duration": _NO_VHD,
    "capture_*": _NO_VHD,
    "storage_account": _NO_VHD,
    "resource_group_name": _NO_VHD,
    "skip_create_image": left("POST /api/plan shows a build without starting it"),
    "boot_diag_storage_account": left("the log of each step is kept, see STEP_LOG_CONTAINER_URL"),
    "custom_data*": _IN_A_STEP,
    "user_data*": _IN_A_STEP,
    "custom_script": _IN_A_STEP,
    "accelerated_networking": left("the builder has what Azure gives its size"),
}
_FEATURES = {"secure_boot_enabled": "secureBoot", "vtpm_enabled": "vTpm"}  # of TrustedLaunch
_SINGLE = ("shared_image_gallery_destination", "shared_image_gallery", "plan_info", "spot")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """One builder with what is to be run on it, whichever form the template had."""

    builder: dict[str, Any]
    place: Path
    provisioners: list[packer_steps.Provisioner]
    left: dict[str, str]  # parts of the template that are not mapped at all, with the reason


def into(draft: Draft, template: Template, folder: File) -> None:
    """Map a template; `folder` is the one that its paths are relative to."""
    draft.request["mode"] = "image-only"
    draft.left.update(template.left)
    builder = {
        # A block of HCL is a list of objects.
        name: value[0] if name in _SINGLE and isinstance(value, list) and value else value
        for name, value in template.builder.items()
    }
    source = Source(builder, template.place)
    systems.refuse_windows(str(source.peek("os_type")), str(source.peek("communicator")))
    packer_base.into(draft, source)
    _security(draft, source)
    _managed_image(draft, source)
    _network(draft, source)
    _lists(draft, source)
    if source.peek("spot") is not None:
        source.take("spot", "eviction_policy")
        draft.put(("image", "spot"), True, source.place("spot"))
    replicas = source.take("shared_image_gallery_replica_count") or source.take(
        "shared_gallery_image_version_replica_count"
    )
    follow(BUILDER, source, draft, below=(), same_names=False)
    for index in range(len(draft.request.get("image", {}).get("targetRegions", []))):
        target: Path = ("image", "targetRegions", index, "replicas")
        if replicas and not draft.has(*target):
            draft.put(target, replicas, source.place("shared_image_gallery_replica_count"))
    packer_steps.into(draft, template.provisioners, folder)


def _security(draft: Draft, source: Source) -> None:
    """Secure Boot and vTPM together are what Azure calls TrustedLaunch."""
    for name in ("security_type", *_FEATURES):
        if isinstance(value := source.peek(name), Unresolved):
            draft.leave(source.place(name), f"the file has no value of {value}")
    kind = source.take("security_type")
    if str(kind).lower() == "confidentialvm":
        draft.leave(
            source.place("security_type"), "batch-prep builds no images for confidential VMs"
        )
    asked = {name: source.take(name) for name in _FEATURES}
    wanted = [name for name, value in asked.items() if str(value).lower() == "true"]
    if wanted or str(kind).lower() == "trustedlaunch":
        place = source.place(*(wanted[:1] or ["security_type"]))
        draft.put(("image", "securityType"), "TrustedLaunch", place)
        for name, field in _FEATURES.items():
            if asked[name] is not None and request_schema.at(("image", field)).exists:
                draft.put(("image", field), asked[name], source.place(name))


def _managed_image(draft: Draft, source: Source) -> None:
    """A template without a gallery names its image by these."""
    if source.peek("shared_image_gallery_destination") is not None:
        return
    name = source.take("managed_image_name")
    group = source.take("managed_image_resource_group_name")
    if group:
        place = source.place("managed_image_resource_group_name")
        draft.put(("image", "resourceGroup"), group, place)
    if name:
        place = source.place("managed_image_name")
        draft.put(("image", "name"), name, place)
        if not draft.has("image", "securityType"):
            draft.put(("image", "managedImage"), True, place)
            draft.remarks.append("The managed image is made beside a version of the gallery.")


def _network(draft: Draft, source: Source) -> None:
    names = (
        "virtual_network_name",
        "virtual_network_subnet_name",
        "virtual_network_resource_group_name",
    )
    network, subnet, group = (source.take(name) for name in names)
    subscription = source.peek("subscription_id")
    parts = (subscription, group, network, subnet)
    if all(part and not isinstance(part, Unresolved) for part in parts):
        id_ = (
            f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network"
            f"/virtualNetworks/{network}/subnets/{subnet}"
        )
        draft.put(("image", "outbound", "subnetId"), id_, source.place(names[0]))
        return
    for name, value in zip(names, (network, subnet, group), strict=True):
        if value:
            why = "give image.outbound.subnetId: the file does not have the whole id of the subnet"
            draft.leave(source.place(name), why)


def _lists(draft: Draft, source: Source) -> None:
    identities = source.take("user_assigned_managed_identities") or []
    for index, identity in enumerate(identities if isinstance(identities, list) else [identities]):
        place = source.place("user_assigned_managed_identities", index)
        if index:
            draft.leave(place, "the builder has one identity")
        else:
            draft.put(("image", "identity"), identity, place)
    tags = source.take("azure_tag") or []
    for index, tag in enumerate(tags if isinstance(tags, list) else [tags]):
        place = source.place("azure_tag", index)
        if isinstance(tag, dict) and tag.get("name") and tag.keys() <= {"name", "value"}:
            draft.put(("image", "tags", str(tag["name"])), tag.get("value", ""), place)
        else:
            draft.leave(place, NO_FIELD)
