"""What each field of a request allows by itself, but not beside the others. Pure.

Also rules of single fields that earlier versions did not have: plans and records hold requests of
that time, which the types of the fields must still read.
"""

from __future__ import annotations

import re

from shared.base import names
from shared.base.errors import Problem
from shared.model import catalogue, own_steps, pool_rules
from shared.model.field_problems import impossible
from shared.model.fields import shown
from shared.model.requests import Build, Image, Mode, SecurityType

# git reads URLs with curl, which takes `https:///HOST/` for `https://HOST/`. Python sees no host in
# it, so an allow-list could not judge it: https://everything.curl.dev/cmdline/urls/scheme
_GIT_HOST = re.compile(r"https://[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.?(?::[0-9]{1,5})?/")


def problems_of(build: Build) -> list[Problem]:
    """Every combination in a build that cannot work."""
    return [
        *_mode_problems(build),
        *_builder_problems(build),
        *_system_problems(build),
        *_image_problems(build),
        *_software_problems(build.image),
        *own_steps.problems(build.image.steps, has_identity=build.image.identity is not None),
        *_pool_problems(build),
        *_version_problems(build),
        *_id_problems(build),
        *_text_problems(build),
    ]


def _mode_problems(build: Build) -> list[Problem]:
    found = []
    if build.mode is Mode.IMAGE_ONLY:
        if build.pools:
            found.append(impossible("pools", "mode image-only makes no pools"))
        if build.batch_account:
            found.append(impossible("batchAccount", "mode image-only uses no Batch account"))
    elif not build.pools:
        found.append(
            Problem(
                field="pools", code="Missing", message=f"mode {build.mode} needs at least one pool"
            )
        )
    if build.mode is not Mode.BATCH_ONLY:
        if build.image.id:
            found.append(
                impossible("image.id", "an existing image is used in mode batch-only only")
            )
        if build.image.version == "latest":
            found.append(
                impossible("image.version", "a new image needs a number or none, not latest")
            )
    return found


# What only the building of an image carries out.
_OF_BUILDERS = (
    "driver_version",
    "container_toolkit_version",
    "docker_version",
    "builder_vm_size",
    "builder_vm_sizes",
    "zones",
    "security_type",
    "managed_image",
    "outbound",
    "ssh_public_key",
    "spot",
    "container_images",
    "registry",
    "steps",
    "identity",
    "target_regions",
    "os_disk_size_gib",
    "storage_account_type",
    "keep_vm",
    "force",
)


def _builder_problems(build: Build) -> list[Problem]:
    """What a request says about the building of an image, in a mode that builds none."""
    if build.mode is not Mode.BATCH_ONLY:
        return []
    found, image, fields = [], build.image, Image.model_fields
    for name in _OF_BUILDERS:
        if getattr(image, name) != fields[name].get_default():
            message = "mode batch-only builds no image: its pools get the image as it was built"
            found.append(impossible(f"image.{fields[name].alias}", message))
    parts = names.parse_image_version_id(image.id) if image.id else None
    for field, part in (("gallery", image.gallery), ("name", image.name)):
        there = parts and parts["definition" if field == "name" else field]
        if there and part and not names.same(there, part):
            message = f"image.id names {there} already: leave one of them out"
            found.append(impossible(f"image.{field}", message))
    return found


def _system_problems(build: Build) -> list[Problem]:
    image = build.image
    if image.os_version == "":
        return [Problem(field="image.osVersion", code="InvalidValue", message="it is empty")]
    version = image.os_version or catalogue.DEFAULT_VERSIONS.get(image.os, "")
    system = catalogue.find_system(image.os, version)
    if image.os.lower().startswith("win"):
        message = (
            "Windows is not built here: scripts, drivers and the checks of nodes are for Linux. "
            "Batch itself makes Windows pools from images of the marketplace"
        )
        return [Problem(field="image.os", code="NotOffered", message=message)]
    if system is None:
        successor = catalogue.retired_system(image.os, version)
        if successor:
            message = f"Batch retired {image.os} {version}, custom images included; use {successor}"
            return [
                Problem(
                    field="image.osVersion",
                    code="RetiredSystem",
                    message=message,
                    successor=successor,
                )
            ]
        known = ", ".join(catalogue.known_systems())
        message = f"{shown(f'{image.os} {version}'.strip())} cannot be built; known are: {known}"
        return [Problem(field="image.os", code="UnknownSystem", message=message)]
    if image.gpu and not system.gpu:
        return [impossible("image.gpu", f"NVIDIA serves no driver for {image.os} {version} here")]
    return []


def _image_problems(build: Build) -> list[Problem]:
    image, found = build.image, []
    if image.managed_image and image.security_type is SecurityType.TRUSTED_LAUNCH:
        found.append(impossible("image.managedImage", "Azure makes none of a TrustedLaunch VM"))
    if image.builder_vm_size and image.builder_vm_sizes:
        found.append(impossible("image.builderVmSizes", "give builderVmSize or builderVmSizes"))
    if image.registry and image.registry.build:
        made = image.registry.build
        if (made.source is None) == (made.context is None):
            found.append(impossible("image.registry.build", "give source or context, exactly one"))
    regions = [r.name for r in image.target_regions]
    if len(set(regions)) < len(regions):
        found.append(impossible("image.targetRegions", "a region is named twice"))
    return found


def _software_problems(image: Image) -> list[Problem]:
    """A version of software that an image without a GPU does not have."""
    wanted = {
        "driverVersion": image.driver_version,
        "containerToolkitVersion": image.container_toolkit_version,
    }
    message = "an image without a GPU has no such software: set gpu, or leave this out"
    named = [name for name, version in wanted.items() if version]
    return [] if image.gpu else [impossible(f"image.{name}", message) for name in named]


def _pool_problems(build: Build) -> list[Problem]:
    found = []
    seen: set[str] = set()
    for index, pool in enumerate(build.pools):
        field = f"pools[{index}]"
        name = (pool.id or "").lower()
        if name in seen:
            twice = f"pool {pool.id} is named twice" if pool.id else "two pools have no id"
            found.append(impossible(f"{field}.id", twice))
        seen.add(name)
        found += pool_rules.problems_of(pool, field)
        if build.mode is Mode.FULL and pool.image != "latest":
            message = "in mode full the pools use the image that is being built"
            found.append(impossible(f"{field}.image", message))
    return found


def _version_problems(build: Build) -> list[Problem]:
    """In mode batch-only, all versions that a request names are the same: it has one image."""
    if build.mode is not Mode.BATCH_ONLY:
        return []
    image = build.image
    parts = names.parse_image_version_id(image.id) if image.id else None
    named = {version for version in (image.version, parts and parts["version"]) if version}
    found = []
    for index, pool in enumerate(build.pools):
        if "image" in pool.model_fields_set:
            named.add(pool.image)
            if len(named) > 1:
                message = (
                    "a request uses one version of its image; ask for the others by themselves"
                )
                found.append(impossible(f"pools[{index}].image", message))
                named.remove(pool.image)
    return found


def _id_problems(build: Build) -> list[Problem]:
    """A part of an id that is no name, such as `..`, would lead to another resource."""
    found = []
    id_ = build.image.id
    if id_ and names.parse_image_version_id(id_) is None:
        message = "give the full id of a gallery image version (/subscriptions/.../versions/1.0.0)"
        found.append(Problem(field="image.id", code="InvalidName", message=message))
    for field, identity in build.identities().items():
        if names.parse_identity_id(identity) is None:
            message = "give the full id of an identity (/subscriptions/.../NAME)"
            found.append(Problem(field=field, code="InvalidName", message=message))
    for field, subnet in build.subnets().items():
        if names.parse_subnet_id(subnet) is None:
            message = "give the full id of a subnet (/subscriptions/.../subnets/NAME)"
            found.append(Problem(field=field, code="InvalidName", message=message))
    return found


def _text_problems(build: Build) -> list[Problem]:
    """No message repeats the source: it may hold a secret."""
    found = []
    registry = build.image.registry
    source = registry.build.source if registry and registry.build else None
    # Azure logs the URL: https://learn.microsoft.com/azure/container-registry/container-registry-tasks-overview
    if source and "@" in source:
        message = (
            "a source has no user name and no token in its URL: they would be stored and logged. "
            "Upload a private source by POST /api/contexts"
        )
        found.append(
            Problem(field="image.registry.build.source", code="SecretInUrl", message=message)
        )
    elif source and not _GIT_HOST.match(source):
        message = "it must name a host after the two slashes: https://HOST/PATH.git"
        found.append(
            Problem(field="image.registry.build.source", code="InvalidValue", message=message)
        )
    return found
