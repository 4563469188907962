"""Which recipes publish into one image definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.base import names
from shared.base.errors import Problem, RequestRefused
from shared.base.settings import Settings
from shared.model import parsing
from shared.store import base_records
from shared.store.records import Records

if TYPE_CHECKING:
    from shared.model.plans import ImagePlan

Json = dict[str, Any]


def warnings(records: Records, name: str, recipe: Json, settings: Settings) -> list[Problem]:
    """One, where other enabled recipes have the image definition of this one."""
    image = _image(records, recipe["request"], settings) if recipe["enabled"] else None
    if image is None:
        return []
    others = [
        other
        for other, stored in sorted(records.recipes().items())
        if other != name
        and stored["enabled"]
        and _may_be(stored["request"], image)
        and (found := _image(records, stored["request"], settings))
        and _key(found) == _key(image)
    ]
    if not others:
        return []
    message = (
        f"the image definition {image.gallery}/{image.definition} is that of {', '.join(others)}, "
        "too: latest is the version of the recipe that was built last, and each weekly rebuild "
        "replaces another recipe's. Give this image a name of its own, or leave one recipe enabled"
    )
    return [Problem(field="request.image.name", code="DefinitionShared", message=message)]


def _image(records: Records, request: Json, settings: Settings) -> ImagePlan | None:
    """What the weekly rebuild would publish now; None where it would refuse the request."""
    try:
        build = parsing.parse_build(request, settings).with_request_id("recipe")
        completed = base_records.with_base_contents(records, build)
    except RequestRefused:
        return None
    return base_records.plan_build(records, completed, settings).image


def _may_be(request: Json, image: ImagePlan) -> bool:
    """Whether a recipe without another name for its image: the others are not planned, which takes
    milliseconds each, and reads of the records where it builds on an own image.
    """
    name = (request.get("image") or {}).get("name")
    return name is None or names.same(str(name), image.definition)


def _key(image: ImagePlan) -> str:
    return names.image_partition(image.resource_group, image.gallery, image.definition)
