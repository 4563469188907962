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

    name: fields.Location
    replicas: int | None = Field(default=None, ge=1, le=100)


class RegistryBuild(Request):
    """A container image to build in the registry before it is preloaded. `overwriteTag` allows that
    its tag, in a registry that batch-prep did not make, already names another image.
    """

    source: fields.GitSource | None = None
    context: fields.ContextId | None = None
    image: fields.BuiltImage
    overwrite_tag: bool = Field(default=False, exclude_if=lambda agreed: not agreed)


class Registry(Request):
    """The container registry that images are built in and pulled from."""

    name: fields.RegistryName
    build: RegistryBuild | None = None


class OutboundSubnet(Request):
    """The builder joins an existing subnet and uses its way out."""

    subnet_id: fields.SubnetId


# Which form of `outbound` or `autoscale` was meant; the tags never show in an error's path.
UNION_TAGS = {"outbound:word", "outbound:subnet", *autoscale.PRESETS}
Outbound = Annotated[
    Annotated[Literal["nat", "defaultAccess"], Tag("outbound:word")]
    | Annotated[OutboundSubnet, Tag("outbound:subnet")],
    Discriminator(lambda value: "outbound:word" if isinstance(value, str) else "outbound:subnet"),
]


class Image(Request):
    """The image to build or, in batch-only mode, to use. Omitted fields come from the settings."""

    id: str | None = Field(default=None, max_length=512)
    resource_group: fields.GroupName | None = None
    location: fields.Location | None = None
    gallery: fields.GalleryName | None = None
    name: fields.ImageName | None = None
    version: fields.VersionName | None = None
    os: str = Field(default="ubuntu", max_length=20)
    os_version: str | None = Field(default=None, max_length=10)
    gpu: bool = False
    driver_version: fields.DriverVersion | None = None
    container_toolkit_version: fields.ContainerToolkitVersion | None = None
    docker_version: fields.DockerVersion | None = None
    builder_vm_size: fields.VmSize | None = None
    builder_vm_sizes: list[fields.VmSize] = Field(default=[], max_length=10)
    zones: list[Annotated[str, fields.named("[1-3]", "a zone: 1, 2 or 3")]] = Field(
        default=[], max_length=3
    )
    security_type: SecurityType = Field(default=SecurityType.STANDARD, strict=False)
    managed_image: bool = False
    outbound: Outbound = "nat"
    ssh_public_key: fields.PublicKey | None = None
    spot: bool = False
    container_images: list[fields.ImageReference] = Field(default=[], max_length=50)
    registry: Registry | None = None
    steps: list[own_steps.ImageStep] = Field(
        default=[], max_length=own_steps.STEPS_MAX, exclude_if=lambda steps: not steps
    )
    identity: fields.IdentityId | None = None
    target_regions: list[TargetRegion] = Field(default=[], max_length=20)
    storage_account_type: StorageAccountType | None = Field(default=None, strict=False)
    os_disk_size_gib: int | None = Field(default=None, ge=64, le=2048, alias="osDiskSizeGiB")
    keep_vm: bool = False
    force: bool = False


class BatchAccount(Request):
    """The Batch account that pools are made in; created where it does not exist."""

    name: fields.AccountName
    resource_group: fields.GroupName | None = None
    location: fields.Location | None = None


class Build(Request):
    """A whole request: POST /api/builds."""

    mode: BuildMode = Field(default=Mode.FULL, strict=False)
    request_id: fields.RequestId | None = None
    image: Image = Field(default_factory=Image)
    batch_account: BatchAccount | None = None
    pools: list[Pool] = Field(default=[], max_length=100)

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
