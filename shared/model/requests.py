"""Requests as users write them: frozen models of the contract's JSON.

`parsing` makes them from JSON and refuses what is wrong. Fields that a user leaves out come from
the settings when the plan is made.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag

from shared.base.wire import Request, replace
from shared.model import autoscale, fields, own_steps
from shared.model.pool_request import Pool


class Mode(StrEnum):
    """What a build does; the last two change one existing pool."""

    FULL = "full"
    IMAGE_ONLY = "image-only"
    BATCH_ONLY = "batch-only"
    RESIZE_POOL = "resize-pool"
    DELETE_POOL = "delete-pool"


def _of_builds(value: object) -> object:
    """Pools are changed at their own address."""
    asked = [mode.value for mode in (Mode.FULL, Mode.IMAGE_ONLY, Mode.BATCH_ONLY)]
    if isinstance(value, str) and value not in asked:
        raise fields.refuse("InvalidValue", f"{fields.shown(value)} is none of {', '.join(asked)}")
    return value


BuildMode = Annotated[Mode, BeforeValidator(_of_builds)]


class SecurityType(StrEnum):
    """Of builder VM, image definition and pool alike."""

    STANDARD = "Standard"
    TRUSTED_LAUNCH = "TrustedLaunch"


class StorageAccountType(StrEnum):
    """Of the replicas of an image version."""

    STANDARD_LRS = "Standard_LRS"
    STANDARD_ZRS = "Standard_ZRS"
    PREMIUM_LRS = "Premium_LRS"


class TargetRegion(Request):
    """A region that the image version is replicated to. Without `replicas` the account's region
    gets one for each 300 nodes of the largest pool, any other region one.
    """

    name: fields.Location = Field(description="The region, such as westeurope.")
    replicas: int | None = Field(
        default=None, ge=1, le=100, description="The number of replicas there."
    )


class RegistryBuild(Request):
    """A container image to build in the registry before it is preloaded. `overwriteTag` allows that
    its tag, in a registry that batch-prep did not make, already names another image.
    """

    source: fields.GitSource | None = Field(
        default=None, description="A public git repository: https://HOST/PATH.git#BRANCH:FOLDER."
    )
    context: fields.ContextId | None = Field(
        default=None, description="What POST /api/contexts answered for a folder with a Dockerfile."
    )
    image: fields.BuiltImage = Field(description="The repository and tag to push, such as app:v1.")
    overwrite_tag: bool = Field(
        default=False,
        exclude_if=lambda agreed: not agreed,
        description="Allow that the tag names another image already.",
    )


class Registry(Request):
    """The container registry that images are built in and pulled from."""

    name: fields.RegistryName = Field(
        description="Its name, without .azurecr.io; created if it does not exist."
    )
    build: RegistryBuild | None = Field(
        default=None, description="A container image to build there first."
    )


class OutboundSubnet(Request):
    """The builder joins an existing subnet and uses its way out."""

    subnet_id: fields.SubnetId = Field(description="The full id of a subnet that has a way out.")


# Which form of `outbound` or `autoscale` was meant; the tags never show in an error's path.
UNION_TAGS = {"outbound:word", "outbound:subnet", *autoscale.PRESETS}
Outbound = Annotated[
    Annotated[Literal["nat", "defaultAccess"], Tag("outbound:word")]
    | Annotated[OutboundSubnet, Tag("outbound:subnet")],
    Discriminator(lambda value: "outbound:word" if isinstance(value, str) else "outbound:subnet"),
]


class Image(Request):
    """The image to build or, in batch-only mode, to use. Omitted fields come from the settings."""

    id: str | None = Field(
        default=None,
        max_length=512,
        description="In mode batch-only: the id of the gallery's version to use.",
    )
    resource_group: fields.GroupName | None = Field(
        default=None, description="The group of the gallery and of the builder."
    )
    location: fields.Location | None = Field(
        default=None, description="The region that it is built in."
    )
    gallery: fields.GalleryName | None = Field(
        default=None, description="The gallery; created if it does not exist."
    )
    name: fields.ImageName | None = Field(
        default=None,
        description="The image definition; without it, one named by system and driver.",
    )
    version: fields.VersionName | None = Field(
        default=None,
        description="Major.Minor.Patch; without it the next one, or the latest to use.",
    )
    os: str = Field(
        default="ubuntu",
        max_length=20,
        description="The system: ubuntu, debian, almalinux, rocky or rhel.",
    )
    os_version: str | None = Field(
        default=None,
        max_length=10,
        description="The system's version, such as 24.04; without it the newest.",
    )
    gpu: bool = Field(
        default=False, description="Whether it has the NVIDIA driver and the container toolkit."
    )
    driver_version: fields.DriverVersion | None = Field(
        default=None, description="The NVIDIA driver to install instead of the catalogue's."
    )
    container_toolkit_version: fields.ContainerToolkitVersion | None = Field(
        default=None, description="The toolkit to install instead of the catalogue's."
    )
    docker_version: fields.DockerVersion | None = Field(
        default=None, description="The Docker to install instead of the catalogue's."
    )
    builder_vm_size: fields.VmSize | None = Field(
        default=None, description="The size of the VM that it is built on."
    )
    builder_vm_sizes: list[fields.VmSize] = Field(
        default=[],
        max_length=10,
        description="Sizes that are tried in turn where Azure has no capacity.",
    )
    zones: list[Annotated[str, fields.named("[1-3]", "a zone: 1, 2 or 3")]] = Field(
        default=[], max_length=3, description="The zones that the builder may be in."
    )
    security_type: SecurityType = Field(
        default=SecurityType.STANDARD,
        strict=False,
        description="Of builder, image and nodes; TrustedLaunch has vTPM and Secure Boot.",
    )
    managed_image: bool = Field(
        default=False, description="Whether a managed image is made beside the gallery's version."
    )
    outbound: Outbound = Field(
        default="nat",
        description="The builder's way to the internet: nat, defaultAccess or a subnet.",
    )
    ssh_public_key: fields.PublicKey | None = Field(
        default=None, description="A key that may sign in to the builder, for keepVm."
    )
    spot: bool = Field(default=False, description="Whether the builder is a Spot VM.")
    container_images: list[fields.ImageReference] = Field(
        default=[], max_length=50, description="Container images that are pulled into it."
    )
    registry: Registry | None = Field(
        default=None, description="The Azure registry that container images are pulled from."
    )
    steps: list[own_steps.ImageStep] = Field(
        default=[],
        max_length=own_steps.STEPS_MAX,
        exclude_if=lambda steps: not steps,
        description="The owner's own scripts and files, in their order.",
    )
    identity: fields.IdentityId | None = Field(
        default=None, description="The id of the identity that the builder reads secrets with."
    )
    target_regions: list[TargetRegion] = Field(
        default=[], max_length=20, description="Regions that get replicas."
    )
    storage_account_type: StorageAccountType | None = Field(
        default=None, strict=False, description="What the replicas are stored on."
    )
    os_disk_size_gib: int | None = Field(
        default=None,
        ge=64,
        le=2048,
        alias="osDiskSizeGiB",
        description="The size of its disk; without it what its containers need.",
    )
    keep_vm: bool = Field(
        default=False, description="Whether the builder is kept, deallocated, until its expiry."
    )
    force: bool = Field(
        default=False, description="Whether it is built although nothing has changed."
    )


class BatchAccount(Request):
    """The Batch account that pools are made in; created where it does not exist."""

    name: fields.AccountName = Field(
        description="The account's name; created if it does not exist."
    )
    resource_group: fields.GroupName | None = Field(default=None, description="Its group.")
    location: fields.Location | None = Field(default=None, description="Its region.")


class Build(Request):
    """A whole request: POST /api/builds."""

    mode: BuildMode = Field(
        default=Mode.FULL,
        strict=False,
        description="full: image and pools. image-only. batch-only: pools of an image that exists.",
    )
    request_id: fields.RequestId | None = Field(
        default=None, description="Makes it safe to send the request again."
    )
    image: Image = Field(default_factory=Image, description="The image to build or to use.")
    batch_account: BatchAccount | None = Field(
        default=None, description="The account of the pools."
    )
    pools: list[Pool] = Field(
        default=[], max_length=100, description="The pools to make or to update."
    )

    def subnets(self) -> dict[str, str]:
        """The ids of the subnets that it names, by field."""
        fields_ = {f"pools[{i}].subnetId": pool.subnet_id for i, pool in enumerate(self.pools)}
        if isinstance(self.image.outbound, OutboundSubnet):
            fields_["image.outbound.subnetId"] = self.image.outbound.subnet_id
        return {field: id_ for field, id_ in fields_.items() if id_}

    def identities(self) -> dict[str, str]:
        """The ids of the identities that its image and its pools name, by field."""
        of_image = {"image.identity": self.image.identity} if self.image.identity else {}
        return of_image | {
            f"pools[{i}].{field}": id_
            for i, pool in enumerate(self.pools)
            for field, id_ in pool.identities()
        }

    def public_addresses(self) -> dict[str, str]:
        """The ids of the public addresses that its pools name, by field."""
        return {
            f"pools[{i}].{field}": id_
            for i, pool in enumerate(self.pools)
            for field, id_ in pool.public_addresses()
        }

    def with_request_id(self, request_id: str) -> Self:
        """The same request under a request id."""
        return replace(self, request_id=self.request_id or request_id)

    def without_texts(self) -> tuple[Self, dict[str, bytes]]:
        """The same request with the name of each own script in the place of its text, and the texts
        by name: they may hold secrets, and no record needs them.
        """
        steps, texts = own_steps.without_texts(self.image.steps)
        if not texts:
            return self, {}
        return replace(self, image=replace(self.image, steps=steps)), texts

    def as_stored(self) -> dict[str, Any]:
        """This request as plain JSON. Its image lacks the fields that the user left out: where it
        names no image, the others say which will do.
        """
        image = self.image.model_dump(
            mode="json", by_alias=True, exclude_none=True, exclude_unset=True
        )
        return {**self.to_wire(), "image": image}


class PoolMessage(Request):
    """A message on the queue `pool-requests`."""

    request_id: fields.RequestId | None = None
    batch_account: BatchAccount
    image: Image
    pool: Pool


class Resize(Request):
    """PATCH of a pool."""

    nodes: int | None = Field(default=None, ge=0, le=2500)
    low_priority_nodes: int | None = Field(default=None, ge=0, le=2500)


class ImageChange(Request):
    """PATCH of an image version."""

    exclude_from_latest: bool


class Recipe(Request):
    """A stored image request that the weekly rebuild builds."""

    enabled: bool = True
    request: Build
