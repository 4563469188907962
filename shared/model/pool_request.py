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

    image: fields.ImageReference = Field(description="The container image to run.")
    command: fields.CommandLine = Field(description="The command in it.")
    exit_code: int = Field(default=0, ge=0, le=255, description="The exit code that it must have.")


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

    id: fields.PoolId | None = Field(
        default=None, description="The pool's name; without it that of the settings."
    )
    vm_size: fields.VmSize | None = Field(default=None, description="The size of its nodes.")
    vm_sizes: list[fields.VmSize] = Field(
        default=[],
        max_length=10,
        description="Sizes that are tried in turn where Azure has no capacity.",
    )
    nodes: int = Field(default=1, ge=0, le=2500, description="The number of dedicated nodes.")
    low_priority_nodes: int = Field(
        default=0, ge=0, le=2500, description="The number of Spot nodes."
    )
    autoscale_formula: str | None = Field(
        default=None,
        min_length=1,
        max_length=8192,
        description="Decides the number of nodes instead of the two numbers.",
    )
    task_slots_per_node: int = Field(
        default=1, ge=1, le=256, description="How many tasks a node runs at once."
    )
    image: fields.VersionName = Field(
        default="latest", description="The version of the image: Major.Minor.Patch or latest."
    )
    verify: bool = Field(
        default=False, description="Whether a job proves that containers run on each node."
    )
    dcgm: bool = added(
        False, description="Whether each node examines its GPUs with DCGM before it takes tasks."
    )
    if_exists: IfExists = Field(
        default=IfExists.UPDATE, strict=False, description="What to do with a pool of that id."
    )
    subnet_id: fields.SubnetId | None = Field(
        default=None, description="The full id of the subnet that its nodes are in."
    )
    start_task: pool_parts.StartTask | None = Field(
        default=None, description="A command that each node runs after batch-prep's checks."
    )
    checks: list[Check] = Field(
        default=[],
        max_length=20,
        description="Commands in containers that are part of the verification.",
    )
    ttl_hours: float | None = Field(
        default=None,
        gt=0,
        le=8760,
        description="When the sweep deletes the pool, in hours after it is ready.",
    )
    interrupt_tasks: bool = added(
        False, description="Agrees to empty, replace or shrink a pool on which tasks run."
    )
    inter_node_communication: bool = added(
        False, description="Whether nodes may talk to each other, as MPI does."
    )
    display_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="Its name in the portal; without it the id.",
    )
    metadata: list[pool_parts.MetadataItem] = added(
        [], max_length=48, description="Names and values for programs."
    )
    tags: dict[pool_fields.TagName, pool_fields.TagValue] = added(
        {}, max_length=45, description="Tags of the pool's resource."
    )
    identity: pool_parts.PoolIdentity | None = Field(
        default=None, description="Existing identities that tasks may act as."
    )
    container_configuration: pool_parts.ContainerConfiguration | None = Field(
        default=None, description="Container images that nodes pull, and their registries."
    )
    application_packages: list[pool_parts.ApplicationPackage] = added(
        [], max_length=10, description="Applications of the account that each node gets."
    )
    user_accounts: list[pool_parts.UserAccount] = added(
        [], max_length=20, description="Users of each node."
    )
    task_scheduling_policy: pool_parts.TaskSchedulingPolicy | None = Field(
        default=None, description="How tasks are spread over the nodes."
    )
    autoscale: Autoscale | None = Field(
        default=None, description="A preset instead of a formula: offHours, pendingTasks or fixed."
    )
    autoscale_evaluation_interval: EvaluationInterval | None = Field(
        default=None, description="How often the formula is evaluated, such as PT5M."
    )
    node_deallocation_option: Deallocation | None = Field(
        default=None, description="What becomes of tasks on nodes that are removed."
    )
    resize_timeout: ResizeTimeout | None = Field(
        default=None,
        description="How long Batch tries to reach the number of nodes, such as PT15M.",
    )
    mount_configuration: list[pool_hardware.Mount] = added(
        [], max_length=10, description="File systems that each node mounts."
    )
    public_ip_address_configuration: pool_hardware.PublicAddresses | None = Field(
        default=None,
        alias="publicIPAddressConfiguration",
        description="The nodes' public addresses: Batch's, own ones or none.",
    )
    endpoint_configuration: pool_hardware.Endpoints | None = Field(
        default=None, description="Ports of nodes that can be reached from outside."
    )
    enable_accelerated_networking: bool | None = Field(
        default=None, description="Whether the nodes have it; their size must offer it."
    )
    os_disk: pool_hardware.OsDisk | None = Field(
        default=None, description="The disk of the system."
    )
    data_disks: list[pool_hardware.DataDisk] = added(
        [], max_length=64, description="Empty disks, which the start task must format and mount."
    )
    security_profile: pool_hardware.SecurityProfile | None = Field(
        default=None, description="Encryption at the host."
    )
    node_placement_configuration: pool_hardware.Placement | None = Field(
        default=None, description="Whether nodes are spread over the region's zones."
    )

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
