"""Container images on a node: which it has, and what happens when it needs another."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from local.azure_simulator import context, model
from local.azure_simulator.container_registry import image_names, public_images, pulls

# C library other than the one that NVIDIA's tools are made for.
_WITHOUT_GLIBC = ("docker.io/library/alpine", "docker.io/library/busybox")


def has_image(contents: model.JsonObject, reference: str) -> bool:
    """Whether the image is there under this name, however the name is spelled."""
    return any(image_names.same_image(image["name"], reference) for image in contents["images"])


def digest_of(contents: model.JsonObject, reference: str) -> str:
    """Of an image that is there."""
    return next(
        str(image["digest"])
        for image in contents["images"]
        if image_names.same_image(image["name"], reference)
    )


def missing_images(contents: model.JsonObject, configuration: Mapping[str, Any]) -> list[str]:
    """Of the images a pool wants prefetched, those that the operating system image lacks."""
    containers = configuration.get("containerConfiguration") or {}
    wanted = containers.get("containerImageNames") or []
    return [reference for reference in wanted if not has_image(contents, reference)]


def refresh(
    azure: context.Azure, contents: model.JsonObject, configuration: Mapping[str, Any]
) -> None:
    """Pull the wanted images that are there already, as `docker pull` does: where a tag has moved,
    the newer image takes its name. What a registry does not give stays as it is.
    """
    containers = configuration.get("containerConfiguration") or {}
    for reference in containers.get("containerImageNames") or []:
        identities = _identities(configuration, reference, None)
        for image in contents["images"]:
            if image_names.same_image(image["name"], reference):
                with contextlib.suppress(pulls.PullError):
                    found = pulls.find(azure, reference, identities)
                    image.update(digest=found.digest, sizeBytes=found.size_bytes)


def pull(
    azure: context.Azure,
    contents: model.JsonObject,
    configuration: Mapping[str, Any],
    reference: str,
    registry: Mapping[str, Any] | None = None,
) -> None:
    """Add the image to the node; raises `pulls.PullError` with Docker's words.

    `registry` is a task's own reference to a registry; otherwise the pool's references count.
    """
    image = pulls.find(azure, reference, _identities(configuration, reference, registry))
    contents["images"].append(as_content(reference, image))


def as_content(reference: str, image: public_images.StoredImage) -> model.JsonObject:
    """An entry of `machine.contents` images."""
    return {"name": reference, "digest": image.digest, "sizeBytes": image.size_bytes}


def runs_nvidia_tools(reference: str) -> bool:
    """Whether `nvidia-smi`, mounted into a container of this image, finds its C library."""
    name = image_names.parse(reference)
    return f"{name.registry}/{name.repository}" not in _WITHOUT_GLIBC


def _identities(
    configuration: Mapping[str, Any], reference: str, registry: Mapping[str, Any] | None
) -> list[str]:
    """Identities with which the node enters the registry of this image."""
    containers = configuration.get("containerConfiguration") or {}
    known = [registry] if registry else containers.get("containerRegistries") or []
    try:
        server = image_names.parse(reference).registry
    except image_names.BadReferenceError:
        return []
    return [
        entry["identityReference"]["resourceId"]
        for entry in known
        if entry.get("identityReference")
        and str(entry.get("registryServer", "")).removeprefix("https://").lower() == server
    ]
