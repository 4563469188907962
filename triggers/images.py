"""HTTP: image versions."""

from __future__ import annotations

import json

from shared.azure import failures, resource_state, sdk
from shared.base.wire import replace
from shared.model import parsing
from shared.model.documents import BillOfMaterials, ImageList
from shared.model.outcomes import ImageRecord
from shared.model.queries import ImageQuery, ImagesQuery
from triggers import http
from triggers.http import Answer, Call


def list_images(call: Call) -> Answer:
    """List the image versions that builds have published."""
    query = call.asked(ImagesQuery)
    images, last = call.services.records.list_images(query.limit, query.place)
    return Answer(document=ImageList(images=images, **call.next_link(query, last)))


def show_image(call: Call) -> Answer:
    """Show an image version, as `image_metadata.json` holds it."""
    image = _image_of(call, call.asked(ImageQuery))
    return _no_image(call) if image is None else Answer(document=image)


def show_bill_of_materials(call: Call) -> Answer:
    """Show everything that an image version contains, as CycloneDX JSON."""
    image = _image_of(call, call.asked(ImageQuery))
    if image is None:
        return _no_image(call)
    kept = image.bill_of_materials and call.services.outbox.get_document(image.bill_of_materials)
    if not kept:
        why = image.bill_of_materials_note or "It was made before bills of materials were kept."
        message = f"Image {image.image_name} {image.version} has no bill of materials. {why}"
        return http.error(404, "NoBillOfMaterials", message)
    return Answer(document=BillOfMaterials.from_wire(json.loads(kept)))


def change_image(call: Call) -> Answer:
    """Exclude an image version from latest, or include it again."""
    from azure.core.exceptions import AzureError

    change = parsing.parse_image_change(call.json())
    if call.params["version"] == "latest":
        message = "latest is another version afterwards: give the number"
        return http.error(409, "VersionNeeded", message)
    image = _image_of(call, call.asked(ImageQuery))
    if image is None:
        return _no_image(call)
    versions = call.services.azure.compute.gallery_image_versions
    path = (image.resource_group, image.gallery_name, image.image_name, image.version)
    try:
        found = sdk.fetch(versions.get, *path)
        if found is None:
            message = f"Azure has no version {image.version} of {image.image_name} any more."
            return http.error(404, "NotFound", message)
        profile = resource_state.properties(found).get("publishingProfile") or {}
        regions = {"targetRegions": profile.get("targetRegions") or []}
        excluded = {**regions, "excludeFromLatest": change.exclude_from_latest}
        sdk.send(versions.begin_update, *path, {"properties": {"publishingProfile": excluded}})
    except AzureError as error:
        failure = failures.translate(
            error, attempted="change the image version", resource="/".join(path)
        )
        return http.error(502, failure.code, failure.message)
    excluded_now = change.exclude_from_latest
    call.services.records.change_image(
        image, lambda old: replace(old, excluded_from_latest=excluded_now)
    )
    return Answer(document=replace(image, excluded_from_latest=excluded_now))


def _image_of(call: Call, asked: ImageQuery) -> ImageRecord | None:
    """The record of the image that the route names."""
    gallery, name, version = (call.params[k] for k in ("gallery", "name", "version"))
    return call.services.records.image(gallery, name, version, asked.resource_group)


def _no_image(call: Call) -> Answer:
    """404: no record of such an image, or of `latest` only versions that are excluded from it."""
    gallery, name, version = (call.params[k] for k in ("gallery", "name", "version"))
    group = call.asked(ImageQuery).resource_group
    message = f"There is no image {gallery}/{name}/{version}."
    if call.services.records.image(gallery, name, version, group, excluded=True):
        message = (
            f"Every version of image {gallery}/{name} is withdrawn (excluded from latest): name "
            "one by its number."
        )
    return http.error(404, "NotFound", f"{message} GET /api/images lists them.")
