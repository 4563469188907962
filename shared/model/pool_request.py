"""A pool as users write it: the fields of a request for one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from shared.base.wire import Request, added
from shared.model import fields, pool_fields, pool_hardware, pool_parts
from shared.model.autoscale import Autoscale


class IfExists(StrEnum):
    """What to do with a pool of that id that is already there."""

    FAIL = "fail"
    UPDATE = "update"
    REPLACE = "replace"


class Check(Request):
    """A verification of the owner's: a container command and the exit code that it must have."""

    image: fields.ImageReference
    command: fields.CommandLine
    exit_code: int = Field(default=0, ge=0, le=255)


_DEALLOCATION = ("Requeue", "Terminate", "TaskCompletion", "RetainedData")
Deallocation = Annotated[
    Literal["Requeue", "Terminate", "TaskCompletion", "RetainedData"],
    fields.in_any_case(*_DEALLOCATION),
]
# https://learn.microsoft.com/azure/batch/batch-automatic-scaling (evaluation interval)
EvaluationInterval = Annotated[str, fields.duration(minutes=5, days=7)]
ResizeTimeout = Annotated[str, fields.duration(minutes=5, days=7)]


class Pool(Request):
    """A pool to create or update, described as a whole.

    A field that is left out has its default, also when a pool of that id exists: a pool that was
    made with `subnetId` and is asked for again without it loses the subnet. The number of nodes,
    the formula, the start task and the metadata change in place; for any other change the pool is
    emptied first (docs/operations.md). `verify`, `ifExists`, `checks`, `ttlHours` and
    `interruptTasks` are no properties of the pool on Azure.
    """

    id: fields.PoolId | None = None
    vm_size: fields.VmSize | None = None
    vm_sizes: list[fields.VmSize] = Field(default=[], max_length=10)
    nodes: int = Field(default=1, ge=0, le=2500)
    low_priority_nodes: int = Field(default=0, ge=0, le=2500)
    autoscale_formula: str | None = Field(default=None, min_length=1, max_length=8192)
    task_slots_per_node: int = Field(default=1, ge=1, le=256)
    image: fields.VersionName = "latest"
    verify: bool = False
    if_exists: IfExists = Field(default=IfExists.UPDATE, strict=False)
    subnet_id: fields.SubnetId | None = None
    start_task: pool_parts.StartTask | None = None
    checks: list[Check] = Field(default=[], max_length=20)
    ttl_hours: float | None = Field(default=None, gt=0, le=8760)
    interrupt_tasks: bool = added(False)
    inter_node_communication: bool = added(False)
    display_name: str | None = Field(default=None, min_length=1, max_length=1024)
    metadata: list[pool_parts.MetadataItem] = added([], max_length=48)
    tags: dict[pool_fields.TagName, pool_fields.TagValue] = added({}, max_length=45)
    identity: pool_parts.PoolIdentity | None = None
    container_configuration: pool_parts.ContainerConfiguration | None = None
    application_packages: list[pool_parts.ApplicationPackage] = added([], max_length=10)
    user_accounts: list[pool_parts.UserAccount] = added([], max_length=20)
    task_scheduling_policy: pool_parts.TaskSchedulingPolicy | None = None
    autoscale: Autoscale | None = None
    autoscale_evaluation_interval: EvaluationInterval | None = None
    node_deallocation_option: Deallocation | None = None
    resize_timeout: ResizeTimeout | None = None
    mount_configuration: list[pool_hardware.Mount] = added([], max_length=10)
    public_ip_address_configuration: pool_hardware.PublicAddresses | None = Field(
        default=None, alias="publicIPAddressConfiguration"
    )
    endpoint_configuration: pool_hardware.Endpoints | None = None
    enable_accelerated_networking: bool | None = None
    os_disk: pool_hardware.OsDisk | None = None
    data_disks: list[pool_hardware.DataDisk] = added([], max_length=64)
    security_profile: pool_hardware.SecurityProfile | None = None
    node_placement_configuration: pool_hardware.Placement | None = None

    @property
    def formula(self) -> str | None:
        """What decides the number of nodes, where the request itself does not."""
        if self.autoscale:
            return self.autoscale.formula(self.task_slots_per_node)
        return self.autoscale_formula

    @property
    def most_nodes(self) -> tuple[int, int]:
        """Dedicated and spot nodes at most; none where a formula of the owner's decides."""
        if self.autoscale:
            return self.autoscale.most
        return (0, 0) if self.autoscale_formula else (self.nodes, self.low_priority_nodes)

    def identities(self) -> list[tuple[str, str]]:
        """The fields that name identities, with their ids. Nodes get all of them."""
        found = []
        if self.identity:
            for i, id_ in enumerate(self.identity.user_assigned_identities):
                found.append((f"identity.userAssignedIdentities[{i}]", id_))
        for i, file in enumerate(self.start_task.resource_files if self.start_task else []):
            if file.identity_reference:
                field = f"startTask.resourceFiles[{i}].identityReference.resourceId"
                found.append((field, file.identity_reference.resource_id))
        containers = self.container_configuration
        for i, registry in enumerate(containers.container_registries if containers else []):
            field = f"containerConfiguration.containerRegistries[{i}].identityReference.resourceId"
            found.append((field, registry.identity_reference.resource_id))
        for i, mount in enumerate(self.mount_configuration):
            if blob := mount.azure_blob_file_system_configuration:
                field = f"mountConfiguration[{i}].azureBlobFileSystemConfiguration"
                found.append((f"{field}.identityReference", blob.identity_reference.resource_id))
        return found

    def public_addresses(self) -> list[tuple[str, str]]:
        """The fields that name own public addresses, with their ids."""
        public = self.public_ip_address_configuration
        field = "publicIPAddressConfiguration.ipAddressIds"
        return [
            (f"{field}[{i}]", id_) for i, id_ in enumerate(public.ip_address_ids if public else [])
        ]
