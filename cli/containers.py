"""Container images to preload and to build, from flags and the old script's two variables.

| PRELOAD_IMAGES | CONTAINER_IMAGE | --docker-context | meaning |
|---|---|---|---|
| true  | set   | -     | preload that image |
| true  | unset | -     | preload the image that the service verifies nodes with |
| unset | set   | -     | nothing; a note says so |
| any   | set   | given | the name of the image to build, if it is one of the registry `--acr` |

What is built in the registry is preloaded by the service itself. An image of an Azure registry
names that registry in the request, as `--acr` does: builder and pools may then pull from it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli.flags import Flags

# What the service verifies nodes with where nothing is preloaded: its setting VERIFY_IMAGE.
VERIFICATION_IMAGE = "mcr.microsoft.com/azurelinux/busybox:1.36"
_YES, _NO = {"true", "1", "yes", "on"}, {"", "false", "0", "no", "off"}
_ACR_SUFFIX = re.compile(r"\.azurecr\.(io|us|cn)$", re.IGNORECASE)  # one of each cloud


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Images to preload, the request's `registry`, and what was wrong or worth saying."""

    images: tuple[str, ...] = ()
    registry: dict[str, Any] | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def wanted(flags: Flags, environment: Mapping[str, str]) -> Wanted:
    """What flags and environment ask for together."""
    named = environment.get("CONTAINER_IMAGE", "").strip()
    preload = environment.get("PRELOAD_IMAGES", "").strip().lower()
    registry = _registry_name(flags.acr)
    build = _build(flags, registry, named)
    is_built = build is not None and _in_registry(named, registry) == build["image"]
    images = list(flags.preload or [])
    notes = []
    if preload in _YES and not is_built:
        images.append(named or VERIFICATION_IMAGE)
    elif named and not is_built and named not in images:
        notes.append("CONTAINER_IMAGE is set but not PRELOAD_IMAGES=true: it is not preloaded.")
    registry = registry or _registry_of(images)
    return Wanted(
        images=tuple(dict.fromkeys(images)),
        registry={"name": registry, "build": build} if registry else None,
        problems=tuple(_problems(flags, preload)),
        notes=tuple(notes),
    )


def _problems(flags: Flags, preload: str) -> list[str]:
    found = []
    if preload not in _YES | _NO:
        found.append(f"PRELOAD_IMAGES={preload}: give true or false")
    if flags.docker_context and not flags.acr:
        found.append("--docker-context is built in a registry: name it with --acr")
    if flags.docker_image and not flags.docker_context:
        found.append("--docker-image names what --docker-context builds: give that too")
    return found


def _registry_name(acr: str | None) -> str | None:
    """`myacr` and `myacr.azurecr.io` are the same registry."""
    return _ACR_SUFFIX.sub("", acr) if acr else None


def _registry_of(images: list[str]) -> str | None:
    """The one Azure registry that images are pulled from: the builder needs its permission to."""
    hosts = {image.partition("/")[0].lower() for image in images}
    registries = {_ACR_SUFFIX.sub("", host) for host in hosts if _ACR_SUFFIX.search(host)}
    return registries.pop() if len(registries) == 1 else None


def _build(flags: Flags, registry: str | None, named: str) -> dict[str, Any] | None:
    if not flags.docker_context:
        return None
    image = (
        flags.docker_image or _in_registry(named, registry) or _named_after(flags.docker_context)
    )
    place = "source" if is_git(flags.docker_context) else "context"
    return {place: flags.docker_context, "image": image}


def _in_registry(image: str, registry: str | None) -> str | None:
    """`myacr.azurecr.io/app:v1` and `app:v1` as `app:v1`; `None` for another registry's image."""
    host, _, rest = image.partition("/")
    if rest and ("." in host or ":" in host or host == "localhost"):
        owner, is_registry = _ACR_SUFFIX.subn("", host)
        return rest if is_registry and registry and owner.lower() == registry.lower() else None
    return image or None


def _named_after(context: str) -> str:
    """`https://example.org/My App.git#main` and `./My App` as `my-app:latest`."""
    path = context.partition("#")[0].rstrip("/").removesuffix(".git")
    name = path.rpartition("/")[2] if is_git(context) else Path(path).resolve().name
    return (re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "app") + ":latest"


def is_git(context: str) -> bool:
    """Whether `--docker-context` is the address of a git repository rather than a folder."""
    return bool(re.match(r"(https?|ssh|git)://|git@", context))
