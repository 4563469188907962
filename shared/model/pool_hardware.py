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

    account_name: pool_fields.StorageAccountName
    container_name: pool_fields.ContainerName
    relative_mount_path: pool_fields.RelativePath
    blobfuse_options: pool_fields.MountOptions | None = None
    identity_reference: IdentityReference


class NfsMount(Request):
    """A file system of an NFS server."""

    source: pool_fields.NfsSource
    relative_mount_path: pool_fields.RelativePath
    mount_options: pool_fields.MountOptions | None = None


class Mount(Request):
    """One file system, below $AZ_BATCH_NODE_MOUNTS_DIR on each node."""

    azure_blob_file_system_configuration: BlobMount | None = None
    nfs_mount_configuration: NfsMount | None = None


# -- network --------------------------------------------------------------------------------------

PROVISIONS = ("BatchManaged", "UserManaged", "NoPublicIPAddresses")
Port = Annotated[int, Field(ge=1, le=65_535)]


class PublicAddresses(Request):
    """Batch's addresses, own ones, or none."""

    provision: Annotated[
        Literal["BatchManaged", "UserManaged", "NoPublicIPAddresses"],
        fields.in_any_case(*PROVISIONS),
    ]
    ip_address_ids: list[pool_fields.PublicAddressId] = Field(default=[], max_length=30)


class SecurityRule(Request):
    """Who may reach an endpoint."""

    priority: int = Field(ge=150, le=4096)
    access: Annotated[Literal["Allow", "Deny"], fields.in_any_case("Allow", "Deny")]
    source_address_prefix: str = Field(min_length=1, max_length=128)
    source_port_ranges: list[Annotated[str, Field(max_length=32)]] = Field(
        default=[], max_length=25
    )


class InboundNatPool(Request):
    """A port of each node, reached from outside at a port of its own in a range."""

    name: pool_fields.EndpointName
    protocol: Annotated[Literal["TCP", "UDP"], fields.in_any_case("TCP", "UDP")]
    backend_port: Port
    frontend_port_range_start: Port
    frontend_port_range_end: Port
    network_security_group_rules: list[SecurityRule] = Field(default=[], max_length=25)


class Endpoints(Request):
    """Ports of nodes that can be reached from outside."""

    inbound_nat_pools: list[InboundNatPool] = Field(min_length=1, max_length=5)


# -- disks and place ------------------------------------------------------------------------------

Caching = Annotated[
    Literal["None", "ReadOnly", "ReadWrite"], fields.in_any_case("None", "ReadOnly", "ReadWrite")
]
_DISK_TYPES = ("Standard_LRS", "Premium_LRS", "StandardSSD_LRS")


class ManagedDisk(Request):
    """What a disk is made of."""

    storage_account_type: Annotated[
        Literal["Standard_LRS", "Premium_LRS", "StandardSSD_LRS"], fields.in_any_case(*_DISK_TYPES)
    ]


class EphemeralDisk(Request):
    """The disk of the system is in the cache of the machine, and costs nothing."""

    placement: Annotated[Literal["CacheDisk"], fields.in_any_case("CacheDisk")]


class OsDisk(Request):
    """The disk of the system; at least as large as that of the image."""

    caching: Caching | None = None
    disk_size_gb: int | None = Field(default=None, ge=30, le=4095, alias="diskSizeGB")
    managed_disk: ManagedDisk | None = None
    ephemeral_os_disk_settings: EphemeralDisk | None = Field(
        default=None, alias="ephemeralOSDiskSettings"
    )


class DataDisk(Request):
    """An empty disk; the start task must format and mount it."""

    lun: int = Field(ge=0, le=63)
    disk_size_gb: int = Field(ge=1, le=32_767, alias="diskSizeGB")
    caching: Caching | None = None
    managed_disk: ManagedDisk | None = None


class Placement(Request):
    """In one data centre of the region, or over its availability zones."""

    policy: Annotated[Literal["Regional", "Zonal"], fields.in_any_case("Regional", "Zonal")]


class SecurityProfile(Request):
    """The host of the machine encrypts its disks, the temporary one and caches included."""

    encryption_at_host: bool
