"""The public container images that exist in the simulated world.

Every well-formed official image of Docker Hub (`library/…`) exists, and of other publishers those
below. Sizes are rounded from the registries' pages and decide how long a pull takes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from local.azure_simulator.container_registry import image_names

MEBIBYTE = 1024 * 1024
_OFFICIAL_IMAGE_MIB = 80

# registry/repository -> compressed size in MiB; each tag of it exists.
_KNOWN_REPOSITORIES: Mapping[str, int] = {
    "docker.io/library/busybox": 2,
    "docker.io/library/hello-world": 1,
    "docker.io/library/alpine": 4,
    "docker.io/library/ubuntu": 30,
    "docker.io/library/python": 360,
    "docker.io/nvidia/cuda": 1300,
    "docker.io/nvidia/samples": 150,
    "docker.io/pytorch/pytorch": 3500,
    "docker.io/tensorflow/tensorflow": 2700,
    "docker.io/bitnami/pytorch": 700,
    "nvcr.io/nvidia/cuda": 1300,
    "nvcr.io/nvidia/pytorch": 9000,
    "nvcr.io/nvidia/k8s/cuda-sample": 130,
    "mcr.microsoft.com/hello-world": 1,
    "mcr.microsoft.com/azurelinux/base/core": 30,
    "mcr.microsoft.com/azurelinux/busybox": 2,
    "mcr.microsoft.com/azuredocs/aci-helloworld": 70,
    "mcr.microsoft.com/devcontainers/base": 250,
}
PUBLIC_REGISTRIES = ("docker.io", "mcr.microsoft.com", "nvcr.io", "ghcr.io", "quay.io")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredImage:
    """An image that a registry would serve."""

    name: str  # canonical reference
    digest: str
    size_bytes: int


def find(name: image_names.ImageName) -> StoredImage | None:
    """The public image of this name, or None where a pull would answer 'manifest unknown'."""
    repository = f"{name.registry}/{name.repository}"
    size_mib = _KNOWN_REPOSITORIES.get(repository)
    if size_mib is None and name.is_on_docker_hub and name.repository.startswith("library/"):
        size_mib = _OFFICIAL_IMAGE_MIB
    if size_mib is None:
        return None
    digest = name.digest or image_names.made_up_digest(repository, name.tag)
    return StoredImage(name=name.canonical(), digest=digest, size_bytes=size_mib * MEBIBYTE)
