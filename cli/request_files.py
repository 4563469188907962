"""What `--request FILE` must be, so that flags can be laid over it; the rest the service checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from cli.flags import Flags


class Mode(StrEnum):
    """What a build does."""

    FULL = "full"
    IMAGE_ONLY = "image-only"
    BATCH_ONLY = "batch-only"


# Where the file has objects, by their paths.
_OBJECTS = (("image",), ("image", "registry"), ("image", "registry", "build"), ("batchAccount",))


def problems(flags: Flags, base: Mapping[str, Any], place: Callable[[str], str]) -> Iterator[str]:
    """Every reason why the file cannot be gone on from; `place` says where in it a field is."""
    flag = next((f for f in ("--full", "--image-only", "--batch-only") if f in flags.given()), None)
    mode = base.get("mode", Mode.FULL)
    if flag is None and (not isinstance(mode, str) or mode not in set(Mode)):
        yield f"{place('mode')}: the request file's mode {mode!r} is none of {', '.join(Mode)}"
    yield from _misshapen(base, place)
    image = base.get("image")
    if isinstance(image, dict) and image.get("id"):
        named = [f for f in ("--gallery", "--image-name", "--image-version") if f in flags.given()]
        yield from (
            f"{name} names another image than the request file's image.id" for name in named
        )


def _misshapen(base: Mapping[str, Any], place: Callable[[str], str]) -> Iterator[str]:
    for *above, name in _OBJECTS:
        holder = within(base, *above)
        if isinstance(holder, dict) and not isinstance(holder.get(name, {}), dict):
            field = ".".join([*above, name])
            yield f"{place(field)}: the request file's {field} must be an object"
    pools = base.get("pools", [])
    if not isinstance(pools, list) or not all(isinstance(pool, dict) for pool in pools):
        yield f"{place('pools')}: the request file's pools must be a list of objects"
    context = within(base, "image", "registry", "build", "context")
    if context is not None and not isinstance(context, str):
        field = "image.registry.build.context"
        yield f"{place(field)}: the request file's {field} must be a text"


def within(base: Mapping[str, Any], *path: str) -> Any:
    """What lies there; None where nothing can."""
    found: Any = base
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found
