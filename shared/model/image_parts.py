"""Parts of an image's plan: what it begins from, its GRID driver, its container registry."""

from __future__ import annotations

from shared.base import names
from shared.base.wire import Wire, added


class PreloadedImage(Wire):
    """A container image inside the VM image."""

    name: str
    digest: str | None = None
    size_bytes: int | None = None


class BaseImage(Wire):
    """The image that the builder starts from, as Azure knows it: of the marketplace, or with an
    `id`. What is in it comes from our own record: `kept`, the versions of what is installed; its
    container images; and those of their registries that want a sign-in.
    """

    publisher: str = ""
    offer: str = ""
    sku: str = ""
    version: str
    id: str | None = None
    kept: dict[str, str] = added({})
    container_images: list[PreloadedImage] = added([])
    private_registries: list[str] = added([])
    generation: str  # V1 or V2
    architecture: str = "x64"
    purchase_plan: dict[str, str] | None = None  # name, publisher, product
    features: dict[str, str] = added({})
    disk_gib: int | None = None


class GridDriver(Wire):
    """The GRID driver's file; what is not said comes from provisioning/catalogue.sh."""

    version: str | None = None
    url: str | None = None
    sha256: str | None = None


class RegistryPlan(Wire):
    """The container registry of an image."""

    subscription_id: str
    resource_group: str
    location: str
    name: str
    must_exist: bool = added(False)  # it is in another group than the image
    identity_group: str | None = None  # of the identity that pulls; None: the registry's
    identity_id: str | None = None  # an existing one in its place
    build_image: str | None = None  # repository:tag to build, if any
    build_source: str | None = None  # a git URL
    build_context: str | None = None  # an uploaded context
    overwrite_tag: bool = added(False)  # also where others pushed it
    dockerfile: str = added("Dockerfile")  # its path in the source
    build_arguments: dict[str, str] = added({})
    tags: dict[str, str] = {}
    principal_id: str | None = None  # of the pull identity, once it exists
    login_server: str | None = None  # once the registry exists

    @property
    def registry_id(self) -> str:
        """The registry's resource id."""
        kind = "Microsoft.ContainerRegistry/registries"
        return names.resource_id(self.subscription_id, self.resource_group, kind, self.name)

    @property
    def pushed_tag(self) -> tuple[str, str]:
        """Repository and tag of the image to build."""
        assert self.build_image is not None
        repository, _, tag = self.build_image.partition(":")
        return repository, tag or "latest"
