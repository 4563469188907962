"""What a build will do, decided before anything is done: plans, and the records that come out of
them.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from shared.base import names
from shared.base.errors import Problem
from shared.base.wire import Wire, added
from shared.model.catalogue import DriverKind, OperatingSystem
from shared.model.image_parts import BaseImage, GridDriver, RegistryPlan
from shared.model.image_reference import ImageReference
from shared.model.image_request import (
    DiskStorageType,
    DriverSource,
    PulledRegistry,
    SecurityType,
    StorageAccountType,
)
from shared.model.outcomes import BuildOutcome
from shared.model.own_steps import ImageStep
from shared.model.pool_hardware import DataDisk
from shared.model.pool_request import Deallocation, Pool
from shared.model.requests import Mode


class GroupPlan(Wire):
    """A resource group to ensure."""

    name: str
    location: str
    tags: dict[str, str]


class ImagePlan(Wire):
    """One image version to be: where, from what, with what inside."""

    build_id: str
    subscription_id: str
    tenant_id: str | None = None
    resource_group: str
    location: str
    gallery: str
    definition: str
    version: str | None = None  # None: the next free one
    system: OperatingSystem  # with its names in the marketplace
    base_id: str | None = None  # of an image in the place of the marketplace's
    base_version: str | None = None  # of the marketplace; None: the newest
    base: BaseImage | None = None  # None until the checks have found it
    gpu: bool
    driver: DriverKind | None = None
    grid_driver: GridDriver | None = None  # which file, where the driver is GRID
    fabric_manager: bool = False
    infiniband: bool = added(False)  # whether it gets the stack
    os_disk_gib: int | None = None  # None: derived by the checks
    os_disk_type: DiskStorageType = added(DiskStorageType.PREMIUM_LRS)
    data_disks: list[DataDisk] = added([])  # empty ones of the builder, which the version keeps
    # GPUs by lower-case size, where Azure counts others than the catalogue of sizes.
    gpus: dict[str, int] = added({})
    records_driver: bool = added(False)  # builds of 0.1.0 do not
    last_good_kernel: str | None = None  # tried where the driver fails for the newest
    driver_version: str | None = None  # None, as with the next two: provisioning/catalogue.sh
    container_toolkit_version: str | None = None
    docker_version: str | None = None
    driver_source: DriverSource = added(DriverSource.NVIDIA)
    scratch: bool = added(False)
    dcgm: bool = added(False)
    size: str  # of the builder VM
    other_sizes: list[str] = []  # tried in turn when Azure has no capacity
    zone: str | None = None
    other_zones: list[str] = []
    security_type: SecurityType
    secure_boot: bool = added(False)
    v_tpm: bool = added(True)  # of TrustedLaunch
    managed_image: bool
    # Whether the version is copied from a snapshot of the builder's disk, and not from the builder:
    # builds of 0.1.0 do not, nor does one that makes a managed image or has data disks.
    from_snapshot: bool = added(False)
    outbound: str  # nat, defaultAccess, or the id of an existing subnet
    public_key: str | None = None
    spot: bool
    container_images: list[str]
    registry: RegistryPlan | None = None
    registries: list[PulledRegistry] = added([])  # others
    steps: list[ImageStep] = added([])  # the owner's
    identity_id: str | None = None  # with which they read Key Vault
    identity_client_id: str | None = None  # of the same, once the checks have found it
    target_regions: dict[str, int]  # region: replicas
    storage_account_type: StorageAccountType = added(StorageAccountType.STANDARD_LRS)
    end_of_life: str | None = None  # of the version: YYYY-MM-DD
    exclude_from_latest: bool = added(False)
    keep_vm: bool
    keep_hours: float
    attempt: int = added(1)  # at its scripts: more where the builder was kept before it was sealed
    log_container: str | None = None
    log_identity_id: str | None = None
    log_identity_client_id: str | None = None
    tags: dict[str, str] = {}
    force: bool = False
    made_from: str | None = added(None)  # a name for what decides what is in it

    @property
    def sizes(self) -> list[str]:
        """The builder's sizes, in the order in which they are tried."""
        return [self.size, *self.other_sizes]

    @property
    def vm_id(self) -> str:
        """The builder VM's resource id."""
        return names.vm_id(self.subscription_id, self.resource_group, self.build_id)

    @property
    def snapshot_id(self) -> str:
        """The snapshot of the builder's disk."""
        kind, name = "Microsoft.Compute/snapshots", names.snapshot(self.build_id)
        return names.resource_id(self.subscription_id, self.resource_group, kind, name)

    @property
    def source_id(self) -> str:
        """What Azure copies the version from."""
        return self.snapshot_id if self.from_snapshot else self.vm_id

    def network_id(self, kind: str, name: str) -> str:
        """The id of one of the builder's network resources."""
        kind = f"Microsoft.Network/{kind}"
        return names.resource_id(self.subscription_id, self.resource_group, kind, name)

    @property
    def public_ip_id(self) -> str:
        """The NAT gateway's address."""
        return self.network_id("publicIPAddresses", names.public_ip(self.build_id))

    @property
    def nat_gateway_id(self) -> str:
        """The builder's way out."""
        return self.network_id("natGateways", names.nat_gateway(self.build_id))

    @property
    def virtual_network_id(self) -> str:
        """The builder's network."""
        return self.network_id("virtualNetworks", names.network(self.build_id))

    @property
    def builder_resources(self) -> list[str]:
        """What exists only for the builder: its VM and what was made around it."""
        found = [self.vm_id]
        if self.own_network:
            found.append(self.virtual_network_id)
        if self.outbound == "nat":
            found += [self.nat_gateway_id, self.public_ip_id]
        return found

    @property
    def own_network(self) -> bool:
        """Whether the builder gets a network of its own."""
        return self.outbound in {"nat", "defaultAccess"}

    @property
    def subnet_id(self) -> str:
        """Where the builder's network card sits."""
        if not self.own_network:
            return self.outbound
        return f"{self.virtual_network_id}/subnets/builder"

    @property
    def pull_identity_id(self) -> str | None:
        """The identity that the builder and the pools pull with, where there is a registry."""
        if self.registry is None:
            return None
        if self.registry.identity_id:
            return self.registry.identity_id
        kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
        group = self.registry.identity_group or self.registry.resource_group
        return names.resource_id(self.subscription_id, group, kind, names.PULL_IDENTITY)


class ScriptPlan(Wire):
    """One script to run on the builder: ours for `step`, or the one that runs the owner's."""

    image: ImagePlan
    step: str
    parameters: dict[str, str] = {}  # environment of the script
    timeout_minutes: int = 40
    own: ImageStep | None = added(None)


class VersionPlan(Wire):
    """An image whose version number is claimed."""

    image: ImagePlan
    version: str


class AccountPlan(Wire):
    """A Batch account to ensure."""

    build_id: str
    subscription_id: str
    name: str
    resource_group: str
    location: str
    tags: dict[str, str] = {}
    # Of the data plane; None: the account is not known to exist. Only the build's own orchestration
    # knows it: a pool's plan carries it as `PoolPlan.endpoint`.
    endpoint: str | None = Field(default=None, exclude=True)

    @property
    def account_id(self) -> str:
        """The account's resource id."""
        kind = "Microsoft.Batch/batchAccounts"
        return names.resource_id(self.subscription_id, self.resource_group, kind, self.name)


class PoolPlan(Wire):
    """One pool to create or update, and how to prove it."""

    build_id: str
    account: AccountPlan
    endpoint: str = ""  # of the account's data plane, once known
    pool_id: str
    pool: Pool  # as it was asked for
    size: str
    other_sizes: list[str] = []
    image_id: str = ""
    node_agent: str = ""
    security_type: SecurityType = SecurityType.STANDARD
    secure_boot: bool = added(False)  # as the image's builder had it
    v_tpm: bool = added(True)
    container_images: list[str] = []
    gpu_count: int = 0  # catalogue.UNCOUNTED: some; the node counts them
    gpus: dict[str, int] = added({})  # as in ImagePlan
    rdma_sizes: list[str] = added([])  # of its sizes, by lower-case name, those with InfiniBand
    infiniband: bool = added(False)  # whether its image has the stack
    pending: list[str] = []  # what the image's builder could not prove
    verify_image: str = ""
    registry_login_server: str | None = None
    pull_identity_id: str | None = None
    pull_identities: dict[str, str] = added({})  # of other registries, by login server
    tags: dict[str, str] = {}

    @property
    def sizes(self) -> list[str]:
        """The pool's sizes, in the order in which they are tried."""
        return [self.size, *self.other_sizes]

    @property
    def resource(self) -> str:
        """The pool's resource id."""
        return f"{self.account.account_id}/pools/{self.pool_id}"

    @property
    def expects_infiniband(self) -> bool:
        """Whether its nodes must have InfiniBand: its size and its image do."""
        return self.infiniband and self.size.lower() in self.rdma_sizes

    @property
    def nodes_asked(self) -> int:
        """How many nodes there should be; 0 where a formula decides."""
        asked = self.pool
        return 0 if asked.formula else asked.nodes + asked.low_priority_nodes

    @property
    def job_id(self) -> str:
        """The verification job."""
        return names.verification_job(self.build_id, self.pool_id)


class BuildPlan(Wire):
    """A whole build."""

    build_id: str
    mode: Mode
    image: ImagePlan | None = None  # in batch-only mode with an image id: None
    image_ref: ImageReference | None = None  # the image to use, in batch-only mode
    account: AccountPlan | None = None
    pools: list[PoolPlan] = []
    pool_width: int = 100
    earlier: Earlier | None = None  # in a resumed build
    warnings: list[Problem] = added([])  # of the checks: they do not stop the build


class Earlier(Wire):
    """What an earlier try of a build has finished: it sealed the builder, or made the image."""

    steps: dict[str, dict[str, Any]]  # results of the image's steps
    outcome: BuildOutcome


NODES_A_CALL = 50  # whose reports one activity reads: a request each, some seconds in all


class ReportPlan(Wire):
    """A pool and the nodes that prove it."""

    pool: PoolPlan
    nodes: list[str]  # none named: whichever there are


class BuildRef(Wire):
    """A build by its id."""

    build_id: str


class ChangePlan(Wire):
    """A change to an existing pool: a resize, or its deletion."""

    build_id: str
    mode: Mode
    account: AccountPlan
    pool_id: str
    nodes: int | None = None
    low_priority_nodes: int | None = None
    node_deallocation_option: Deallocation | None = added(None)
    pace: dict[str, float] = {}

    @property
    def resource(self) -> str:
        """The pool's resource id."""
        return f"{self.account.account_id}/pools/{self.pool_id}"


class SweepPlan(Wire):
    """Builds whose orchestration is over although their record says that they run."""

    dead: list[str] = []


class MadeIn(Wire):
    """The resource group in which a build made what lasts."""

    build_id: str
    subscription_id: str
    resource_group: str

    @property
    def group_id(self) -> str:
        """The group's resource id."""
        return names.group_id(self.subscription_id, self.resource_group)
