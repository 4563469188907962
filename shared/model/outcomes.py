"""What a build leaves on record: its image, its pools, and how it ended."""

from __future__ import annotations

from shared.base import names
from shared.base.errors import Failure, Problem
from shared.base.wire import Wire, added
from shared.model.catalogue import DriverKind
from shared.model.image_parts import PreloadedImage
from shared.model.image_request import DriverSource, SecurityType
from shared.model.verification import CheckResult, Proof


class ImageRecord(Wire):
    """`image_metadata.json`: the old script's keys first, then what is known besides."""

    image_id: str
    node_agent_sku: str
    gallery_name: str
    image_name: str
    version: str
    vm_size: str
    location: str
    base_os: str
    gpu_enabled: bool
    resource_group: str
    build_id: str
    created_at: str
    architecture: str = added("x64")  # or Arm64
    security_type: SecurityType = SecurityType.STANDARD
    secure_boot: bool = added(False)  # of its builder, and so of its pools
    v_tpm: bool = added(True)  # the same, of TrustedLaunch
    base_image_version: str | None = None
    made_from: str | None = added(None)  # that of its plan
    docker_version: str | None = None
    toolkit_version: str | None = None
    driver_version: str | None = None
    driver_kind: DriverKind | None = None  # None: none, or recorded by a version before 0.2.0
    driver_source: DriverSource = added(DriverSource.NVIDIA)
    dcgm_version: str | None = None
    scratch: bool = added(False)
    infiniband_version: str | None = None  # of NVIDIA's stack; None: it has none
    kernel: str | None = None
    pending: list[str] = []  # checks that the builder could not make: each pool makes them
    bill_of_materials: str | None = None  # name of the document in the app's storage
    bill_of_materials_note: str | None = None  # why there is none
    container_images: list[PreloadedImage] = []
    target_regions: list[str] = []
    registry_login_server: str | None = None
    pull_identity_id: str | None = None
    pull_identities: dict[str, str] = added({})  # of other registries, by login server
    # From which no pool can pull: with a user's credentials, or of the base image.
    signed_registries: list[str] = added([])
    managed_image_id: str | None = None
    excluded_from_latest: bool = added(False)  # withdrawn by a person
    gone_at: str | None = None  # when a look at Azure did not find it any more
    scripted: bool = False  # of its build; see shared/model/simulation_marks.py
    scripted_parts: list[str] = []
    stand_in: str = ""


class PoolRecord(Wire):
    """`batch_metadata.json`: the old script's keys first, then what is known besides."""

    batch_account: str
    pool_id: str
    image_id: str
    vm_size: str
    nodes: int
    state: str  # ready, failed, deleted, gone
    resource_group: str
    location: str
    build_id: str
    changed_at: str
    low_priority_nodes: int = 0
    verified: bool = False
    pending: list[str] = []  # what neither the image's builder nor this pool has proved
    proofs: list[Proof] = []  # one verdict for each check
    checks: list[CheckResult] = []  # each on each node
    expires_at: str | None = None
    scripted: bool = False  # of its proof; see shared/model/simulation_marks.py
    scripted_parts: list[str] = []
    stand_in: str = ""
    error: Failure | None = None
    node_states: dict[str, int] = added({})  # of its nodes now; only where Azure was asked
    note: str | None = None  # in what it differs from the request, although it is ready
    nodes_left: bool = False  # it failed and may have nodes, which the sweep removes

    def resource(self, subscription: str) -> str:
        """The pool's resource id."""
        return names.pool_id(subscription, self.resource_group, self.batch_account, self.pool_id)

    def is_over(self, now: str) -> bool:
        """Whether the pool's `ttlHours` are over."""
        return self.expires_at is not None and self.expires_at <= now


class PoolReport(Wire):
    """A pool's record, and whether the pool belongs to the build that made the record. If it
    belongs to another, `is_counted` says that the record names the nodes that the pool has now.
    """

    record: PoolRecord
    is_ours: bool = True
    is_counted: bool = added(False)


class BuildOutcome(Wire):
    """How a build ended."""

    build_id: str
    state: str  # succeeded, failed, cancelled
    image: ImageRecord | None = None
    pools: list[PoolRecord] = []
    leftovers: list[str] = []  # resource ids that could not be removed, or are kept on purpose
    error: Failure | None = None
    resumable: bool = False
    warnings: list[Problem] = added([])
    attempt: int = added(1)  # as in ImagePlan
