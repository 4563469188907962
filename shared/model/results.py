"""What activities return to orchestrators.

The fields' names on the wire are stored in step records and histories: a field is added with a
default, and never renamed.
"""

from __future__ import annotations

from pydantic import ConfigDict

from shared.base.errors import Problem
from shared.base.wire import Wire, added
from shared.model.cleanup import CleanupItem
from shared.model.image_parts import BaseImage, PreloadedImage
from shared.model.outcomes import ImageRecord, PoolRecord
from shared.model.plans import BuildPlan
from shared.model.simulation_marks import Marks
from shared.model.verification import CheckResult

# -------------------------------------------------------------------------------------------------
# Before a build


class Findings(Wire):
    """Of one check before a build: the reasons not to begin, what a person should know before, and
    the facts that it found.
    """

    blockers: list[Problem] = []
    warnings: list[Problem] = []
    base: BaseImage | None = None  # the marketplace image to build from
    os_disk_gib: int | None = None  # that its container images ask for
    last_good_kernel: str | None = None  # for which the driver of the newest version compiled
    sizes: list[str] = []  # of the builder, those that can be had
    image: ImageRecord | None = None  # the existing image to use
    gpus: dict[str, int] = {}  # by lower-case size; see plans.ImagePlan
    rdma_sizes: list[str] = added([])  # by lower-case name
    pool_sizes: dict[str, str] = added({})  # of pools with nodes, by lower-case id
    busy_pools: list[str] = added([])  # by lower-case id; see pool_impact.at_work
    endpoint: str | None = None  # of the Batch account, if that exists
    identity_client_id: str | None = None  # of the identity that the request names


class BuildBegun(Wire):
    """A build that is recorded as running: `pace` holds the learned seconds by step."""

    pace: dict[str, float] = {}


class AccountReady(Wire):
    """A Batch account. `waited`: it was created now, so its quotas are not checked yet."""

    endpoint: str
    waited: bool = False


# -------------------------------------------------------------------------------------------------
# Of an image


class PullIdentity(Wire):
    """The managed identity that pulls from the registry."""

    client_id: str
    principal_id: str


class RegistryReady(Wire):
    """A container registry. Azure chooses the host name; it is not always NAME.azurecr.io."""

    login_server: str


class ContainerImageBuilt(Wire):
    """A container image that the registry built."""

    image: str | None = None
    digest: str | None = None


class BuilderReady(Wire):
    """The builder VM, and what a resumed build needs to know about it."""

    size: str
    base: BaseImage | None = None  # None: recorded by a version that did not keep it
    expires_at: str | None = None
    identity_client_id: str | None = None  # of the identity that the request names


class BuilderKept(Wire):
    """Whether there is a builder VM to keep."""

    kept: bool = False


class ScriptResult(Marks):
    """The result line of a script on the builder. Every script reports some of these fields; what
    else it reports is kept in the step's record.
    """

    model_config = ConfigDict(extra="allow")

    reboot_required: bool = False
    log_url: str | None = added(None)  # of the blob of all that it printed
    docker_version: str | None = None
    toolkit_version: str | None = None
    driver_version: str | None = None
    dcgm_version: str | None = None
    infiniband_version: str | None = None
    kernel: str | None = None
    images: list[PreloadedImage] = []
    pending: list[str] = []  # checks that the builder's size does not allow
    scheduled: bool = False  # the sealing; False where the VM went off before it reported that


class BillOfMaterials(Marks):
    """The document's name in the app's storage, or a note why there is none."""

    document: str | None = None
    note: str | None = None


class VersionClaimed(Wire):
    """The version number that this build alone may publish."""

    version: str


class ManagedImageReady(Wire):
    """A legacy managed image."""

    image_id: str | None = None


class VersionPublished(Wire):
    """A replicated image version."""

    image_id: str


# -------------------------------------------------------------------------------------------------
# Of a pool


class PoolReady(Wire):
    """A pool. `fresh`: it was created now, and its nodes have only begun to come."""

    fresh: bool = False


class NodesReady(Marks):
    """The ids of a pool's nodes, with the marks of their start tasks. How many of each kind, where
    that differs from the request or the request leaves it to a formula; and in what the pool
    differs.
    """

    nodes: list[str] = []
    dedicated: int | None = None
    low_priority: int | None = None
    note: str | None = None


class PoolEmptied(Wire):
    """Whether a failed pool was shrunk, or belongs to another build now. It keeps the nodes that
    it had before its build, or its formula, and then the date of its deletion (`expires_at`, ISO
    8601). A formula is lost where it was too long to be kept.
    """

    emptied: bool = False
    anothers: bool = False
    nodes: int = added(0)
    low_priority_nodes: int = added(0)
    expires_at: str | None = added(None)
    is_counted: bool = added(False)  # of another build's pool: `nodes` are those that it has now
    has_formula: bool = added(False)
    is_formula_lost: bool = added(False)


class NodeReport(Marks):
    """The results of checks on a pool's nodes, or of its verification job."""

    checks: list[CheckResult] = []


class PoolChanged(Wire):
    """The record of a pool after a resize or deletion; None where there was none."""

    pool: PoolRecord | None = None


# -------------------------------------------------------------------------------------------------
# Of a rebuild


class StoredRecipe(Wire):
    """As much of a recipe as the rebuild needs."""

    enabled: bool = True


class Recipes(Wire):
    """Every recipe by name, and how many are built side by side."""

    recipes: dict[str, StoredRecipe] = {}
    width: int = 1


class RecipeAccepted(Wire):
    """The build of a recipe, or the reason why there is none."""

    plan: BuildPlan | None = None
    skipped: str | None = None


# -------------------------------------------------------------------------------------------------
# Cleanup


class Made(Wire):
    """An item as `list_made` has returned it since 0.1.0."""

    plan: CleanupItem


class MadeList(Wire):
    """What a failed build made for good and no other build needs, in the order of removal."""

    made: list[Made] = []


class Removed(Wire):
    """Why a resource or a pool's nodes were kept; None if they are gone."""

    kept: str | None = None
