"""The image of batch-only mode: by flags, or by the image_metadata.json of an earlier build. Pure.

The file is obeyed whole or not at all, and either is said.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cli.flags import Flags
from cli.metadata import ImageFile


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Existing:
    """The image part of a request, and what a person should know about it."""

    image: dict[str, Any]
    notes: tuple[str, ...] = ()


def choose(flags: Flags, file: ImageFile | None, base: Mapping[str, Any], service: str) -> Existing:
    """The image of the file, unless the request file (`base`) has one, a flag names another, or the
    file lies around here and is of another service.
    """
    if flags.image_id:
        notes = () if file is None else (f"{file.path} is not used: --image-id names the image.",)
        image = _by_flags(flags, version=None) | {"id": flags.image_id}
        return Existing(image=image, notes=notes)
    if base.get("image"):
        return Existing(image=_by_flags(flags, version=None))
    if file is None:
        return Existing(image=_by_flags(flags))
    if others := list(_contradictions(flags, file.content)):
        note = f"{file.path} is not used: {', '.join(others)} names another image."
        return Existing(image=_by_flags(flags), notes=(note,))
    if file.service not in {"", service} and not file.was_named:
        note = (
            f"{file.path} is not used: its image {_name(file.content)} was built by "
            f"{file.service}. To use it all the same: --metadata-dir {file.path.parent}"
        )
        return Existing(image=_by_flags(flags), notes=(note,))
    if not file.was_named and not file.content.get("gpuEnabled") and _want_gpus(flags, base):
        note = (
            f"{file.path} is not used: its image {_name(file.content)} has no GPU driver, and the "
            "pools have GPUs. Its gallery is searched for another one."
        )
        return Existing(image=_by_flags(flags) | _place(flags, file.content), notes=(note,))
    known = file.content
    os, _, os_version = str(known.get("baseOs") or "").partition(" ")
    image = {
        **_place(flags, known),
        "name": known.get("imageName"),
        "version": known.get("version"),
        "os": os or None,
        "osVersion": os_version or None,
        "gpu": known.get("gpuEnabled"),
    }
    kind = "GPU" if known.get("gpuEnabled") else "no GPU driver"
    note = (
        f"Image {_name(known)} ({known.get('baseOs')}, {kind}) is taken from {file.path}. "
        "To get the newest version instead: --image-version latest"
    )
    return Existing(image=image, notes=(note,))


def system(flags: Flags) -> dict[str, Any]:
    """The system and the driver, as typed."""
    return {
        "os": flags.os.lower() if flags.os else None,
        "osVersion": flags.os_version,
        "gpu": flags.gpu if flags.gpu or flags.cpu else None,
    }


def _by_flags(flags: Flags, version: str | None = "latest") -> dict[str, Any]:
    return {
        "resourceGroup": flags.resource_group,
        "location": flags.location,
        "gallery": flags.gallery,
        "name": flags.image_name,
        "version": flags.image_version or version,
        **system(flags),
    }


def _place(flags: Flags, known: Mapping[str, Any]) -> dict[str, Any]:
    """Where the file's image is. --resource-group says where the account is."""
    group = re.search(r"/resourceGroups/([^/]+)/", str(known.get("imageId", "")), re.IGNORECASE)
    return {
        "resourceGroup": group.group(1) if group else flags.resource_group,
        "location": flags.location or known.get("location"),
        "gallery": known.get("galleryName"),
    }


def _contradictions(flags: Flags, known: Mapping[str, Any]) -> Iterator[str]:
    """The flags that say something else of the image than the file does."""
    os, _, os_version = str(known.get("baseOs") or "").partition(" ")
    typed = {
        "--gallery": (flags.gallery, known.get("galleryName")),
        "--image-name": (flags.image_name, known.get("imageName")),
        "--image-version": (flags.image_version, known.get("version")),
        "--os": (flags.os, os),
        "--version": (flags.os_version, os_version),
    }
    for flag, (value, there) in typed.items():
        if value is not None and value.lower() != str(there).lower():
            yield f"{flag} {value}"
    if flags.gpu and not known.get("gpuEnabled"):
        yield "--gpu"
    if flags.cpu and known.get("gpuEnabled"):
        yield "--cpu"


def _want_gpus(flags: Flags, base: Mapping[str, Any]) -> bool:
    """Whether a size of the pools is of Azure's N series, without those that have FPGAs (NP)."""
    sizes = [*(flags.vm_size or []), *(p.get("vmSize") or "" for p in base.get("pools") or [])]
    return any(re.match(r"(standard_)?n(?!p)[a-z]*\d", size, re.IGNORECASE) for size in sizes)


def _name(known: Mapping[str, Any]) -> str:
    return f"{known.get('galleryName')}/{known.get('imageName')} {known.get('version')}"
