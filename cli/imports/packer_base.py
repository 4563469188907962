"""What a builder of Packer starts from -> `image.os` or `image.base`."""

from __future__ import annotations

from typing import Any

from cli.imports import systems
from cli.imports.draft import Draft, Path, Unresolved
from cli.imports.tables import Source

_MARKETPLACE = ("image_publisher", "image_offer", "image_sku", "image_version")
_NOT_WHOLE = "give image.base.id: the file does not have the whole id of the image"
_NEWEST = "a build takes the newest version of its system's image"
_SAY_SYSTEM = (
    "Give image.os and image.osVersion, the system of image.base, unless batch-prep built that "
    "image."
)


def into(draft: Draft, source: Source) -> None:
    """A system of batch-prep, another image of the marketplace, or an image that is there."""
    parts = [source.take(name) for name in _MARKETPLACE]
    places = [source.place(name) for name in _MARKETPLACE]
    unknown = next((part for part in parts if isinstance(part, Unresolved)), None)
    if unknown is not None:
        for part, place in zip(parts, places, strict=True):
            if part:
                draft.leave(place, f"the file has no value of {unknown}: give image.os")
    elif all(parts[:3]):
        _of_marketplace(draft, [str(part) for part in parts[:3]], parts[3], places)
    _managed_image(draft, source)
    _gallery_image(draft, source)


def _of_marketplace(draft: Draft, texts: list[str], version: Any, places: list[Path]) -> None:
    publisher, offer, sku = texts
    known = systems.of_marketplace(publisher, offer, sku)
    if known:
        draft.put(("image", "os"), known[0], places[1])
        draft.put(("image", "osVersion"), known[1], places[2])
    is_named = version not in (None, "latest")
    if known and systems.is_plain(publisher, offer, sku):
        if is_named:
            draft.leave(places[3], _NEWEST)
        return
    for name, text, place in zip(("publisher", "offer", "sku"), texts, places, strict=False):
        draft.put(("image", "base", name), text, place)
    if is_named:
        draft.put(("image", "base", "version"), version, places[3])
    if not known:
        draft.remarks.append(_SAY_SYSTEM)


def _managed_image(draft: Draft, source: Source) -> None:
    name = source.take("custom_managed_image_name")
    group = source.take("custom_managed_image_resource_group_name")
    if name or group:
        id_ = _id(source.peek("subscription_id"), group, "images", name)
        _put_id(draft, source.place("custom_managed_image_name"), id_)


def _gallery_image(draft: Draft, source: Source) -> None:
    image = source.take("shared_image_gallery")
    if not isinstance(image, dict):
        return
    version = image.get("image_version")
    id_ = _id(
        image.get("subscription") or source.peek("subscription_id"),
        image.get("resource_group"),
        *("galleries", image.get("gallery_name")),
        *("images", image.get("image_name")),
        *(("versions", version) if version else ()),
    )
    whole = ("community_gallery_image_id", "direct_shared_gallery_image_id", "id")
    given = next((image[name] for name in whole if image.get(name)), None)
    _put_id(draft, source.place("shared_image_gallery"), given or id_)


def _put_id(draft: Draft, place: Path, id_: Any) -> None:
    if not id_ or isinstance(id_, Unresolved):
        draft.leave(place, _NOT_WHOLE)
    else:
        draft.put(("image", "base", "id"), id_, place)
        draft.remarks.append(_SAY_SYSTEM)


def _id(subscription: Any, group: Any, *path: Any) -> str | None:
    """The id of a resource of compute; None where the file lacks a part of it."""
    parts = (subscription, group, *path)
    if not all(part and not isinstance(part, Unresolved) for part in parts):
        return None
    below = "/".join(str(part) for part in path)
    return (
        f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/{below}"
    )
