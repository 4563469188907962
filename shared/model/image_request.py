"""What a request says of an image: frozen models of the contract's JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from shared.base.wire import Request, added
from shared.model import autoscale, catalogue, fields, own_steps, pool_fields, pool_hardware
from shared.model.image_base import ImageBase


class DriverSource(StrEnum):
    """Who packages the NVIDIA driver."""

    NVIDIA = "nvidia"  # modules are built on the machine, by DKMS, and are not signed
    CANONICAL = "canonical"  # modules are signed, for Ubuntu's kernels


class SecurityType(StrEnum):
    """Of builder VM, image definition and pool alike."""

    STANDARD = "Standard"
    TRUSTED_LAUNCH = "TrustedLaunch"


class StorageAccountType(StrEnum):
    """Of the replicas of an image version."""

    STANDARD_LRS = "Standard_LRS"
    STANDARD_ZRS = "Standard_ZRS"
    PREMIUM_LRS = "Premium_LRS"


class DiskStorageType(StrEnum):
    """Of the builder's system disk; the replicas of the version have a type of their own."""

    STANDARD_LRS = "Standard_LRS"
    STANDARD_SSD_LRS = "StandardSSD_LRS"
    PREMIUM_LRS = "Premium_LRS"


class TargetRegion(Request):
    """A region that the image version is replicated to. Without `replicas` the account's region
    gets one for each 300 nodes of the largest pool, any other region one.
    """

    name: fields.Location = Field(description="The region, such as westeurope.")
    replicas: int | None = Field(
        default=None, ge=1, le=100, description="The number of replicas there."
    )


_TAGS_MAX = 40  # Azure takes 50 on a resource, and some are batch-prep's


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
    dockerfile: own_steps.PathInUpload = added(
        "Dockerfile", description="The path of the Dockerfile in the source."
    )
    arguments: dict[own_steps.VariableName, own_steps.VariableValue] = added(
        {}, max_length=50, description="Values of the Dockerfile's ARG lines; no secrets."
    )


class Registry(Request):
    """The container registry that images are built in and pulled from."""

    name: fields.RegistryName = Field(
        description="Its name, without .azurecr.io; created if it does not exist."
    )
    build: RegistryBuild | None = Field(
        default=None, description="A container image to build there first."
    )
    resource_group: fields.GroupName | None = Field(
        default=None, description="The group of a registry that exists; without it the image's."
    )
    identity: fields.IdentityId | None = Field(
        default=None,
        description="An identity that may pull from it; without it one is made and gets the role.",
    )


class RegistryCredentials(Request):
    """A user of a registry. The password is a secret of Key Vault, which only the builder reads, as
    the identity of the image.
    """

    username: Annotated[
        str,
        StringConstraints(max_length=255),
        fields.named(r"[\x21-\x7e]+", "printable characters without blanks"),
    ] = Field(description="The user's name.")
    password: own_steps.VaultSecret = Field(
        description="Where the password is: https://VAULT.vault.azure.net/secrets/NAME."
    )


class PulledRegistry(Request):
    """Another registry that container images are pulled from."""

    login_server: pool_fields.RegistryServer = Field(
        description="Its host, such as team.azurecr.io or nvcr.io."
    )
    identity: fields.IdentityId | None = Field(
        default=None, description="An identity that may pull from an Azure registry."
    )
    credentials: RegistryCredentials | None = Field(
        default=None, description="A user of a registry that knows no Azure identities."
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
    base: ImageBase | None = Field(
        default=None, description="What the builder starts from in place of a system's usual image."
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
    infiniband: bool = Field(
        default=False, description="Whether it has NVIDIA's InfiniBand stack, for sizes with RDMA."
    )
    driver_version: fields.DriverVersion | None = Field(
        default=None, description="The NVIDIA driver to install instead of the catalogue's."
    )
    driver_source: DriverSource = Field(
        default=DriverSource.NVIDIA,
        strict=False,
        description="Whose packages of the driver: canonical's are signed, for Secure Boot.",
    )
    container_toolkit_version: fields.ContainerToolkitVersion | None = Field(
        default=None, description="The toolkit to install instead of the catalogue's."
    )
    docker_version: fields.DockerVersion | None = Field(
        default=None, description="The Docker to install instead of the catalogue's."
    )
    scratch: bool = added(
        False, description="Whether nodes have their local NVMe disks at /scratch, as one."
    )
    dcgm: bool = Field(
        default=False, description="Whether it has DCGM, with which pools examine their GPUs."
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
    registries: list[PulledRegistry] = added(
        [], max_length=10, description="More registries that container images are pulled from."
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
    os_disk_storage_account_type: DiskStorageType | None = Field(
        default=None, strict=False, description="The type of the builder's disk."
    )
    data_disks: list[pool_hardware.DataDisk] = added(
        [], max_length=16, description="Disks beside that of the system; a step formats them."
    )
    tags: dict[pool_fields.TagName, pool_fields.TagValue] = added(
        {}, max_length=_TAGS_MAX, description="Tags of everything that is made for the image."
    )
    end_of_life_date: fields.Date | None = Field(
        default=None, description="Of the version; without it the last day of its system's support."
    )
    exclude_from_latest: bool = added(
        False, description="Whether the version is used by its number only."
    )
    secure_boot: bool | None = Field(
        default=None, description="Of TrustedLaunch; without it true where there is no driver."
    )
    v_tpm: bool | None = Field(default=None, description="Of TrustedLaunch; without it true.")
    keep_vm: bool = Field(
        default=False, description="Whether the builder is kept, deallocated, until its expiry."
    )
    force: bool = Field(
        default=False, description="Whether it is built although nothing has changed."
    )

    def identities(self) -> dict[str, str]:
        """The ids of the identities that it names, by field below the image."""
        named = {"identity": self.identity}
        named["registry.identity"] = self.registry.identity if self.registry else None
        for index, registry in enumerate(self.registries):
            named[f"registries[{index}].identity"] = registry.identity
        return {field: id_ for field, id_ in named.items() if id_}

    @property
    def says_system(self) -> bool:
        """Whether the request names the system."""
        return bool({"os", "os_version"} & self.model_fields_set)

    @property
    def system(self) -> tuple[str, str]:
        """Name and version of the system: as the request says, or as its base image is named."""
        derived = self.base.system if self.base else None
        if derived and not self.says_system:
            return derived
        default = catalogue.DEFAULT_VERSIONS.get(self.os, "")
        return self.os, default if self.os_version is None else self.os_version
