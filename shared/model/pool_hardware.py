"""Network, disks and file systems of a pool's nodes, with Azure's own names and members."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.base.wire import Request
from shared.model import fields, pool_fields
from shared.model.pool_parts import IdentityReference

# -- file systems ---------------------------------------------------------------------------------


class BlobMount(Request):
    """A container of Azure Blob Storage, mounted as an identity."""

    account_name: pool_fields.StorageAccountName = Field(description="The storage account.")
    container_name: pool_fields.ContainerName = Field(description="The container of blobs.")
    relative_mount_path: pool_fields.RelativePath = Field(
        description="Where it is mounted, below $AZ_BATCH_NODE_MOUNTS_DIR."
    )
    blobfuse_options: pool_fields.MountOptions | None = Field(
        default=None, description="Options of blobfuse."
    )
    identity_reference: IdentityReference = Field(description="The identity that may read it.")


class NfsMount(Request):
    """A file system of an NFS server."""

    source: pool_fields.NfsSource = Field(description="HOST:/PATH.")
    relative_mount_path: pool_fields.RelativePath = Field(
        description="Where it is mounted, below $AZ_BATCH_NODE_MOUNTS_DIR."
    )
    mount_options: pool_fields.MountOptions | None = Field(
        default=None, description="Options of mount."
    )


class Mount(Request):
    """One file system, below $AZ_BATCH_NODE_MOUNTS_DIR on each node."""

    azure_blob_file_system_configuration: BlobMount | None = Field(
        default=None, description="A container of Azure Blob Storage."
    )
    nfs_mount_configuration: NfsMount | None = Field(
        default=None, description="A file system of an NFS server."
    )


# -- network --------------------------------------------------------------------------------------

PROVISIONS = ("BatchManaged", "UserManaged", "NoPublicIPAddresses")
Port = Annotated[int, Field(ge=1, le=65_535)]


class PublicAddresses(Request):
    """Batch's addresses, own ones, or none."""

    provision: Annotated[
        Literal["BatchManaged", "UserManaged", "NoPublicIPAddresses"],
        fields.in_any_case(*PROVISIONS),
    ] = Field(description="Who provides the addresses, or that there are none.")
    ip_address_ids: list[pool_fields.PublicAddressId] = Field(
        default=[], max_length=30, description="The ids of own addresses."
    )


class SecurityRule(Request):
    """Who may reach an endpoint."""

    priority: int = Field(
        ge=150, le=4096, description="Rules of lower numbers are looked at first."
    )
    access: Annotated[Literal["Allow", "Deny"], fields.in_any_case("Allow", "Deny")] = Field(
        description="Allow or Deny."
    )
    source_address_prefix: str = Field(
        min_length=1,
        max_length=128,
        description="Whom it is about: an address, a range, a tag or *.",
    )
    source_port_ranges: list[Annotated[str, Field(max_length=32)]] = Field(
        default=[], max_length=25, description="Ports that they come from."
    )


class InboundNatPool(Request):
    """A port of each node, reached from outside at a port of its own in a range."""

    name: pool_fields.EndpointName = Field(description="The name of the endpoint.")
    protocol: Annotated[Literal["TCP", "UDP"], fields.in_any_case("TCP", "UDP")] = Field(
        description="TCP or UDP."
    )
    backend_port: Port = Field(description="The port of the node.")
    frontend_port_range_start: Port = Field(description="The first port from outside.")
    frontend_port_range_end: Port = Field(description="The last port from outside.")
    network_security_group_rules: list[SecurityRule] = Field(
        default=[], max_length=25, description="Who may reach it."
    )


class Endpoints(Request):
    """Ports of nodes that can be reached from outside."""

    inbound_nat_pools: list[InboundNatPool] = Field(
        min_length=1, max_length=5, description="The endpoints."
    )


# -- disks and place ------------------------------------------------------------------------------

Caching = Annotated[
    Literal["None", "ReadOnly", "ReadWrite"], fields.in_any_case("None", "ReadOnly", "ReadWrite")
]
_DISK_TYPES = ("Standard_LRS", "Premium_LRS", "StandardSSD_LRS")


class ManagedDisk(Request):
    """What a disk is made of."""

    storage_account_type: Annotated[
        Literal["Standard_LRS", "Premium_LRS", "StandardSSD_LRS"], fields.in_any_case(*_DISK_TYPES)
    ] = Field(description="Its type.")


class EphemeralDisk(Request):
    """The disk of the system is in the cache of the machine, and costs nothing."""

    placement: Annotated[Literal["CacheDisk"], fields.in_any_case("CacheDisk")] = Field(
        description="Where it is: the cache."
    )


class OsDisk(Request):
    """The disk of the system; at least as large as that of the image."""

    caching: Caching | None = Field(default=None, description="How the host caches it.")
    disk_size_gb: int | None = Field(
        default=None,
        ge=30,
        le=4095,
        alias="diskSizeGB",
        description="Its size in GiB, at least that of the image.",
    )
    managed_disk: ManagedDisk | None = Field(default=None, description="What it is made of.")
    ephemeral_os_disk_settings: EphemeralDisk | None = Field(
        default=None,
        alias="ephemeralOSDiskSettings",
        description="Put it into the cache of the machine.",
    )


class DataDisk(Request):
    """An empty disk. A start task or, of an image, a step must format and mount it."""

    lun: int = Field(ge=0, le=63, description="Its number.")
    disk_size_gb: int = Field(ge=1, le=32_767, alias="diskSizeGB", description="Its size in GiB.")
    caching: Caching | None = Field(default=None, description="How the host caches it.")
    managed_disk: ManagedDisk | None = Field(default=None, description="What it is made of.")


class Placement(Request):
    """In one data centre of the region, or over its availability zones."""

    policy: Annotated[Literal["Regional", "Zonal"], fields.in_any_case("Regional", "Zonal")] = (
        Field(description="Regional or Zonal.")
    )


class SecurityProfile(Request):
    """The host of the machine encrypts its disks, the temporary one and caches included."""

    encryption_at_host: bool = Field(description="Whether the host encrypts all disks.")
