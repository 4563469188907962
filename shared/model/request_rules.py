"""What each field of a request allows by itself, but not beside the others. Pure.

Also rules of single fields that earlier versions did not have: plans and records hold requests of
that time, which the types of the fields must still read.
"""

from __future__ import annotations

from shared.base import names
from shared.base.errors import Problem
from shared.model import image_rules, pool_rules, request_ids
from shared.model.field_problems import impossible
from shared.model.image_request import Image
from shared.model.requests import Build, Mode


def problems_of(build: Build) -> list[Problem]:
    """Every combination in a build that cannot work."""
    return [
        *_mode_problems(build),
        *_builder_problems(build),
        *image_rules.problems_of(build.image),
        *_pool_problems(build),
        *_version_problems(build),
        *_id_problems(build),
        *_request_id_problems(build),
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
    "base",
    "infiniband",
    "driver_version",
    "driver_source",
    "container_toolkit_version",
    "docker_version",
    "scratch",
    "dcgm",
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
    "registries",
    "steps",
    "identity",
    "target_regions",
    "os_disk_size_gib",
    "os_disk_storage_account_type",
    "data_disks",
    "tags",
    "end_of_life_date",
    "exclude_from_latest",
    "secure_boot",
    "v_tpm",
    "storage_account_type",
    "keep_vm",
    "force",
)


def _version_parts(id_: str | None) -> dict[str, str] | None:
    """The parts of the id of an image to use, in our gallery or in one that others publish."""
    if id_ is None:
        return None
    return names.parse_image_version_id(id_) or names.parse_published_image_id(id_)


def _builder_problems(build: Build) -> list[Problem]:
    """What a request says about the building of an image, in a mode that builds none."""
    if build.mode is not Mode.BATCH_ONLY:
        return []
    found, image, fields = [], build.image, Image.model_fields
    for name in _OF_BUILDERS:
        if getattr(image, name) != fields[name].get_default():
            message = "mode batch-only builds no image: its pools get the image as it was built"
            found.append(impossible(f"image.{fields[name].alias}", message))
    parts = _version_parts(image.id)
    for field, part in (("gallery", image.gallery), ("name", image.name)):
        there = parts and parts["definition" if field == "name" else field]
        if there and part and not names.same(there, part):
            message = f"image.id names {there} already: leave one of them out"
            found.append(impossible(f"image.{field}", message))
    return found


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
    parts = _version_parts(image.id)
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
    if id_ and _version_parts(id_) is None:
        message = (
            "give the full id of a gallery image version (/subscriptions/.../versions/1.0.0), or "
            "that of a version in a community gallery or a shared one"
        )
        found.append(Problem(field="image.id", code="InvalidName", message=message))
    elif id_ and names.parse_published_image_id(id_) and not build.image.says_system:
        message = "say which system the image has, in os and osVersion: its gallery does not say"
        found.append(Problem(field="image.os", code="Missing", message=message))
    for field, identity in build.identities().items():
        if names.parse_identity_id(identity) is None:
            message = "give the full id of an identity (/subscriptions/.../NAME)"
            found.append(Problem(field=field, code="InvalidName", message=message))
    for field, subnet in build.subnets().items():
        if names.parse_subnet_id(subnet) is None:
            message = "give the full id of a subnet (/subscriptions/.../subnets/NAME)"
            found.append(Problem(field=field, code="InvalidName", message=message))
    return found


def _request_id_problems(build: Build) -> list[Problem]:
    """A caller's request would be answered instead of a later message or rebuild."""
    if build.request_id is None or not request_ids.is_own(build.request_id):
        return []
    message = (
        "batch-prep itself gives ids of the form message-GUID (queue messages without one) "
        "and recipe-NAME-DATE (rebuilds): give another one, or none"
    )
    return [Problem(field="requestId", code="InvalidName", message=message)]
