"""A stored recipe: the request as its owner wrote it, because an omitted field and an explicit
default are validated differently. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shared.model import image_base
from shared.model.requests import Build

Json = dict[str, Any]
_MARK = "asWritten"


def written(request: Json, kept: Build) -> Json:
    """The JSON `request`, with the name of each own script in the place of its text, as `kept` has
    it.
    """
    steps = request.get("image", {}).get("steps")
    if not steps:
        return request
    named = [_named(step, k.upload) for step, k in zip(steps, kept.image.steps, strict=True)]
    return {**request, "image": {**request["image"], "steps": named}}


def _named(step: Json, upload: str | None) -> Json:
    if step.get("inline") is None:
        return step
    return {**{name: part for name, part in step.items() if name != "inline"}, "upload": upload}


def to_row(recipe: Json) -> Json:
    """The recipe with a mark that says that its request is as its owner wrote it."""
    return {**recipe, _MARK: True}


def from_row(row: Mapping[str, Any]) -> Json:
    """`enabled` and `request` of a stored recipe. Versions before the mark stored a request with
    all its defaults: of theirs, those are left out.
    """
    request = row["request"] if row.get(_MARK) else _without_defaults(row["request"])
    return {"enabled": row["enabled"], "request": request}


def _without_defaults(request: Json) -> Json:
    """The request as it is, where this version of the app would refuse it."""
    try:
        build = Build.from_wire(request)
    except ValidationError:
        return request
    found = build.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    base = build.image.base
    if base and not base.system and not (base.id and image_base.record_key(base.id)):
        found["image"]["os"] = build.image.os  # nothing else says which system that is
    return found
