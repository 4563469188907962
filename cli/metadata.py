"""image_metadata.json and batch_metadata.json, as pipelines of the old script read them."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli import errors
from cli.documents import Build, Pool

IMAGE_FILE, BATCH_FILE = "image_metadata.json", "batch_metadata.json"
_USES_AN_IMAGE = {"batch-only", "resize-pool", "delete-pool"}  # modes that make none
_GONE = {"failed", "deleted", "cancelled", "gone"}  # states of a pool that no job can be sent to


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ImageFile:
    """An image_metadata.json, and whether its folder was named or is just the current one."""

    path: Path
    content: Mapping[str, Any]
    was_named: bool
    service: str = ""  # that built the image; empty in a file of an earlier version


_SERVICE = "service"
_NEEDED = ("galleryName", "imageName", "version")


def read_image(folder: str | None) -> ImageFile | None:
    """What an earlier build wrote, `None` without such a file. Raises Refused if it is garbled."""
    path = Path(folder or ".") / IMAGE_FILE
    if not path.is_file():
        return None
    content = read_json(path)
    missing = [key for key in _NEEDED if not isinstance(content.get(key), str)]
    if missing:
        raise errors.Refused(f"{path} names no image: it has no {', '.join(missing)}")
    service = str(content.get(_SERVICE) or "")
    return ImageFile(path=path, content=content, was_named=folder is not None, service=service)


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises Refused if there is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise errors.unreadable(file, error) from error
    if not isinstance(content, dict):
        raise errors.Refused(f"{file} must hold a JSON object")
    return content


def check_folder(folder: Path) -> None:
    """Raises Refused where no file could be written, before a build is started for nothing."""
    if not _takes_files(folder):
        raise errors.Refused(
            f"{folder}: the metadata files cannot be written there; give another --metadata-dir"
        )


def _takes_files(folder: Path) -> bool:
    """Whether files can be written into the folder, which is made where it is not there."""
    places = (folder, *folder.absolute().parents)
    try:
        there = next(place for place in places if place.is_symlink() or place.exists())
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    except OSError:  # such as one above it that may not be entered
        return False


def write(build: Build, folder: Path, service: str) -> list[Path]:
    """Write what the build made; returns the files written, none for a build that made nothing.
    `service` is the name of the one that made it.
    """
    made_image = None if build.mode in _USES_AN_IMAGE else build.image
    if made_image:
        made_image = {**made_image, _SERVICE: service}
    contents = {IMAGE_FILE: made_image, BATCH_FILE: batch_document(build.pools)}
    written = []
    for name, content in contents.items():
        if content:
            _write_whole(folder / name, content)
            written.append(folder / name)
    return written


def batch_document(pools: tuple[Pool, ...]) -> Mapping[str, Any] | None:
    """The first usable pool under the old script's keys; several are all under `pools` as well."""
    usable = [pool.metadata for pool in pools if pool.error is None and pool.state not in _GONE]
    if not usable:
        return None
    return usable[0] if len(usable) == 1 else {**usable[0], "pools": usable}


def _write_whole(file: Path, content: Mapping[str, Any]) -> None:
    """Replace the file in one move, so that no reader ever meets half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(file)
