"""Images of galleries that others publish: to all (community), or to chosen subscriptions
(shared). They are looked at by region, and have no resource ids.

A gallery says so in `sharingProfile.permissions`: `Community` or `Groups`. Azure asks for one more
request, `share`, before others see it; here the profile is enough.
https://learn.microsoft.com/rest/api/compute/community-gallery-images/get
"""

from __future__ import annotations

import re
from typing import NoReturn

from local.azure_simulator import context, model, resource_ids, store
from local.azure_simulator.data import locations

GALLERY_TYPE = "Microsoft.Compute/galleries"
VERSION_TYPE = "Microsoft.Compute/galleries/images/versions"
_HERE = "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}"
_ID = re.compile(
    r"/(communityGalleries|sharedGalleries)/([^/]+)/images/([^/]+)/versions/([^/]+)", re.IGNORECASE
)
_SHOWN = ("osType", "osState", "hyperVGeneration", "architecture", "features", "purchasePlan")


def register(azure: context.Azure) -> None:
    for kind in ("communityGalleries", "sharedGalleries"):
        image = f"{_HERE}/{kind}/{{gallery}}/images/{{image}}"
        azure.route("GET", image, get_image)
        azure.route("GET", image + "/versions", list_versions)
        azure.route("GET", image + "/versions/{version}", get_version)


def name(azure: context.Azure, gallery: store.Resource) -> None:
    """Give a community gallery its public name: its prefix, and something that makes it unique."""
    profile = gallery.properties.get("sharingProfile") or {}
    info = profile.get("communityGalleryInfo") or {}
    if profile.get("permissions") == "Community" and not info.get("publicNames"):
        unique = azure.new_guid("public", gallery.key)
        info["publicNames"] = [f"{info.get('publicNamePrefix', 'gallery')}-{unique}"]
        info["communityGalleryEnabled"] = True
        profile["communityGalleryInfo"] = info


def find(azure: context.Azure, id_: str) -> store.Resource | None:
    """The version behind `/CommunityGalleries/...` or `/SharedGalleries/...`; None where no
    gallery publishes one of that name.
    """
    match = _ID.fullmatch(id_)
    if match is None:
        return None
    kind, gallery_name, image, version = match.groups()
    gallery = _gallery(azure, kind, gallery_name)
    return gallery and azure.store.find(f"{gallery.id}/images/{image}/versions/{version}")


def _gallery(azure: context.Azure, kind: str, wanted: str) -> store.Resource | None:
    is_community = kind.lower() == "communitygalleries"
    for gallery in azure.store.of_type(GALLERY_TYPE):
        profile = gallery.properties.get("sharingProfile") or {}
        if profile.get("permissions") != ("Community" if is_community else "Groups"):
            continue
        names = [gallery.properties["identifier"]["uniqueName"]]
        if is_community:
            names = profile["communityGalleryInfo"]["publicNames"]
        if wanted.lower() in [each.lower() for each in names]:
            return gallery
    return None


def get_image(azure: context.Azure, request: model.Request) -> model.Response:
    definition = _definition(azure, request)
    about = {name: value for name, value in definition.properties.items() if name in _SHOWN}
    return model.json_response(200, {"name": definition.name, "properties": about})


def list_versions(azure: context.Azure, request: model.Request) -> model.Response:
    definition = _definition(azure, request)
    found = [
        _shown(request, version)
        for version in azure.store.children(definition.id, VERSION_TYPE)
        if _is_here(request, version)
    ]
    return model.json_response(200, {"value": found})


def get_version(azure: context.Azure, request: model.Request) -> model.Response:
    definition = _definition(azure, request)
    version = azure.store.find(f"{definition.id}/versions/{request.parameters['version']}")
    if version is None or not _is_here(request, version):
        _refuse(request)
    return model.json_response(200, _shown(request, version))


def _definition(azure: context.Azure, request: model.Request) -> store.Resource:
    kind = resource_ids.segments(request.resource_id)[6]
    gallery = _gallery(azure, kind, request.parameters["gallery"])
    image = request.parameters["image"]
    definition = azure.store.find(f"{gallery.id}/images/{image}") if gallery else None
    if definition is None:
        _refuse(request)
    return definition


def _is_here(request: model.Request, version: store.Resource) -> bool:
    return locations.canonical(request.parameters["location"]) in version.state["regions"]


def _shown(request: model.Request, version: store.Resource) -> model.JsonObject:
    kind = resource_ids.segments(request.resource_id)[6]
    prefix = kind[:1].upper() + kind[1:]
    names = f"{request.parameters['gallery']}/Images/{request.parameters['image']}"
    profile = version.properties["publishingProfile"]
    storage: model.JsonObject = {"osDiskImage": {"diskSizeGB": version.state["diskGb"]}}
    if disks := version.properties["storageProfile"].get("dataDiskImages"):
        shown = ("lun", "diskSizeGB", "hostCaching")
        storage["dataDiskImages"] = [{n: d[n] for n in shown if n in d} for d in disks]
    return {
        "name": version.name,
        "location": locations.canonical(request.parameters["location"]),
        "identifier": {"uniqueId": f"/{prefix}/{names}/Versions/{version.name}"},
        "properties": {
            "excludeFromLatest": bool(profile.get("excludeFromLatest")),
            "storageProfile": storage,
        },
    }


def _refuse(request: model.Request) -> NoReturn:
    model.refuse(404, "NotFound", f"The image '{request.resource_id}' was not found.")
