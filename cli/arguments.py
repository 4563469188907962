"""From flags and environment to the request that is sent: pure, and every problem is named at once.

What was not given is left out of the request, so that the service's settings decide. Only what the
command line can know is checked here: flags that exclude each other, values that pair with no pool.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cli import (
    containers,
    errors,
    existing_images,
    pool_arguments,
    request_files,
    request_reading,
    scripts,
)
from cli.flags import Flags
from cli.metadata import ImageFile
from cli.request_files import Mode


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The request (design: POST /api/builds), and remarks that a person should read."""

    request: dict[str, Any]
    notes: tuple[str, ...] = ()


def order(
    flags: Flags,
    *,
    environment: Mapping[str, str],
    image_metadata: ImageFile | None = None,
    base: Mapping[str, Any] | None = None,
    place: Callable[[str], str] = str,
    service: str = "",
) -> Order:
    """The request that `flags` mean. Raises Refused with every problem.

    `image_metadata` is an image_metadata.json, used to find the image in batch-only mode; `base` is
    the content of `--request FILE`, in which flags replace what they name, and `place` says where
    in that file a field is; `service` is the name of the one that gets the request.
    """
    base = base or {}
    if found := list(request_files.problems(flags, base, place)):
        raise errors.Refused(*found)
    mode = _mode(flags, base)
    wanted = containers.wanted(flags, environment)
    problems = [
        *_exclusions(flags),
        *_mode_problems(flags, mode),
        *([] if mode is Mode.BATCH_ONLY else wanted.problems),
        *pool_arguments.problems(flags, counted=mode is not Mode.IMAGE_ONLY),
    ]
    if problems:
        raise errors.Refused(*problems)
    own: dict[str, Any] = {"mode": mode.value, "requestId": flags.request_id}
    if mode is Mode.BATCH_ONLY:
        known = existing_images.choose(flags, image_metadata, base, service)
        own["image"] = known.image
    else:
        own["image"] = _new_image(flags, mode, wanted)
    if mode is not Mode.IMAGE_ONLY:
        own["batchAccount"] = _batch_account(flags)
        own["pools"] = pool_arguments.pools(flags, base.get("pools"))
    notes = known.notes if mode is Mode.BATCH_ONLY else wanted.notes
    return Order(request=_agreed(flags, _merged(base, _given(own))), notes=notes)


# ---------------------------------------------------------------------------------------
# What excludes what


def _mode(flags: Flags, base: Mapping[str, Any]) -> Mode:
    if flags.image_only:
        return Mode.IMAGE_ONLY
    if flags.batch_only:
        return Mode.BATCH_ONLY
    return Mode.FULL if flags.full else Mode(base.get("mode", Mode.FULL))


def _exclusions(flags: Flags) -> Iterator[str]:
    groups = (
        ("--image-only", "--batch-only", "--full"),
        ("--gpu", "--cpu"),
        ("--plan", "--save-recipe", "--no-wait"),
    )
    typed = flags.given()
    for group in groups:
        together = [name for name in group if name in typed]
        if len(together) > 1:
            yield f"{' and '.join(together)} exclude each other"
    if "--save-recipe" in typed and "--request-id" in typed:
        yield "--request-id names one build; a recipe is built again and again"
    if flags.file is not None and flags.request is not None:
        yield "--file and --request name the same: give one"
    elif flags.file is not None and flags.request_file is None:
        yield (
            f"--file {flags.file}: a request file ends in {', '.join(request_reading.SUFFIXES)}. "
            "For a Dockerfile: the registry builds the file named Dockerfile of a folder; give "
            "that folder as --docker-context"
        )
    if flags.save_recipe and flags.docker_context and not containers.is_git(flags.docker_context):
        yield "--save-recipe needs a git URL as --docker-context: a folder serves one build"


_NEEDS_POOLS = (
    "--account",
    "--pool-id",
    "--nodes",
    "--low-priority-nodes",
    "--autoscale-formula",
    "--if-exists",
    "--ttl-hours",
    "--inter-node-communication",
    "--yes",
    "--verify",
)
_NEEDS_BUILDER = (
    "--keep-vm",
    "--force",
    "--builder-vm-size",
    "--os-disk-size",
    "--preload",
    "--acr",
    "--docker-context",
    "--docker-image",
    "--script",
)


def _mode_problems(flags: Flags, mode: Mode) -> Iterator[str]:
    typed = flags.given()
    if flags.os_disk_size and not re.fullmatch(r"\d{1,5}", flags.os_disk_size):
        yield f"--os-disk-size {flags.os_disk_size}: give a whole number of GiB, such as 128"
    if mode is not Mode.BATCH_ONLY and flags.image_id:
        yield "--image-id names an image that exists: add --batch-only"
    if mode is Mode.IMAGE_ONLY:
        yield from (
            f"{name} is about pools; --image-only makes none"
            for name in _NEEDS_POOLS
            if name in typed and not (name == "--yes" and _builds_container(flags))
        )
        if len(flags.vm_size or []) > 1:
            yield "--vm-size may be given once with --image-only: there is one builder VM"
        if flags.vm_size and flags.builder_vm_size:
            yield "with --image-only, --vm-size is the builder's: leave --builder-vm-size out"
    if mode is Mode.BATCH_ONLY:
        yield from (
            f"{name} is about building an image; --batch-only builds none"
            for name in _NEEDS_BUILDER
            if name in typed
        )
        if flags.save_recipe:
            yield "--save-recipe keeps what the weekly rebuild builds; --batch-only builds no image"


def _builds_container(flags: Flags) -> bool:
    """Whether `--yes` may be about a tag: a folder is built, or a file may say so."""
    return bool(flags.docker_context or flags.request_file)


# ---------------------------------------------------------------------------------------
# Parts of the request


def _new_image(flags: Flags, mode: Mode, wanted: containers.Wanted) -> dict[str, Any]:
    builder = flags.builder_vm_size
    if mode is Mode.IMAGE_ONLY and flags.vm_size:
        builder = flags.vm_size[0]
    return {
        "resourceGroup": flags.resource_group,
        "location": flags.location,
        "gallery": flags.gallery,
        "name": flags.image_name,
        "version": flags.image_version,
        **existing_images.system(flags),
        "builderVmSize": pool_arguments.full_size(builder),
        "containerImages": list(wanted.images),
        "registry": wanted.registry,
        "steps": scripts.steps(flags.script or []),
        "osDiskSizeGiB": int(flags.os_disk_size) if flags.os_disk_size else None,
        "infiniband": flags.infiniband or None,
        "keepVm": flags.keep_vm or None,
        "force": flags.force or None,
    }


def _batch_account(flags: Flags) -> dict[str, Any] | None:
    if not flags.account:
        return None
    return {
        "name": flags.account,
        "resourceGroup": flags.resource_group,
        "location": flags.location,
    }


def _agreed(flags: Flags, request: dict[str, Any]) -> dict[str, Any]:
    """`--yes` also agrees to overwrite the tag of the image that is built in a registry."""
    image = request.get("image")
    registry = image.get("registry") if isinstance(image, dict) else None
    build = registry.get("build") if isinstance(registry, dict) else None
    if not flags.yes or not isinstance(build, dict):
        return request
    return _merged(request, {"image": {"registry": {"build": {"overwriteTag": True}}}})


def _given(value: Any) -> Any:
    """`value` without what was not given: `None`, empty objects and lists, at any depth."""
    if not isinstance(value, dict):
        return value
    kept = {name: _given(part) for name, part in value.items()}
    return {name: part for name, part in kept.items() if part is not None and part not in ({}, [])}


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` laid over `base`: objects are merged field by field, everything else is replaced."""
    merged = dict(base)
    for name, part in own.items():
        below = merged.get(name)
        if isinstance(below, dict) and isinstance(part, dict):
            merged[name] = _merged(below, part)
        else:
            merged[name] = part
    return merged
