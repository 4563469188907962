"""Images that others publish: in community galleries, and in galleries that they share. Azure shows
them by region, and they have no resource ids.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.azure import resource_state, sdk
from shared.base import names
from shared.base.errors import Problem
from shared.engine.activity import Json, Services
from shared.model import catalogue
from shared.model.image_reference import ImageReference
from shared.model.image_request import SecurityType
from shared.model.outcomes import ImageRecord

ONLY_CONFIDENTIAL = "its security type is ConfidentialVM, so only confidential VMs start from it"


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """An image definition and one of its versions, as Azure shows them in a region."""

    id: str  # with the number of the version
    definition: Json
    version: Json


def find(services: Services, id_: str, location: str) -> Published | None:
    """The image of an id as `names.parse_published_image_id` reads it; None where the region does
    not have it.
    """
    parts = names.parse_published_image_id(id_)
    assert parts is not None, "the request was parsed"
    compute = services.azure.compute
    community = parts["kind"].lower() == "communitygalleries"
    images = compute.community_gallery_images if community else compute.shared_gallery_images
    versions = (
        compute.community_gallery_image_versions
        if community
        else compute.shared_gallery_image_versions
    )
    path = (location, parts["gallery"], parts["definition"])
    definition = sdk.fetch(images.get, *path)
    if definition is None:
        return None
    number = parts["version"]
    if number == "latest":
        newest = resource_state.newest_published(sdk.listed(versions.list, *path))
        number = newest["name"] if newest else number
    version = sdk.fetch(versions.get, *path, number)
    if version is None:
        return None
    exact = f"{id_.rpartition('/')[0]}/{version['name']}"
    return Published(id=exact, definition=definition, version=version)


def not_found(id_: str, location: str) -> Problem:
    """Why no pool can be made of an image that the region does not have."""
    message = (
        f"{location}, where the account is, has no image {id_}: correct the id, or ask its "
        "publisher to replicate the version there"
    )
    return Problem(field="image.id", code="ImageNotFound", message=message)


def describe(wanted: ImageReference, found: Published, location: str) -> ImageRecord | Problem:
    """What pools need to know of the image; only the request says which system it has."""
    architecture = resource_state.architecture(found.definition)
    agent = catalogue.node_agent_of(wanted.os, architecture)
    if agent is None:
        return no_agent(wanted, architecture)
    if denied := confidential(wanted, found.definition):
        return denied
    return ImageRecord(
        image_id=found.id,
        node_agent_sku=agent,
        gallery_name=wanted.gallery,
        image_name=wanted.definition,
        version=found.version["name"],
        vm_size="",
        location=location,
        base_os=wanted.os,
        gpu_enabled=wanted.gpu,
        resource_group="",
        build_id="",
        created_at="",
        architecture=architecture,
        security_type=security_type(found.definition),
        target_regions=[location],
    )


def security_type(definition: Json | None) -> SecurityType:
    """What the nodes must have. Of a definition that only supports it, they are standard ones."""
    given = resource_state.features(definition).get("SecurityType", "")
    is_trusted = names.same(given, SecurityType.TRUSTED_LAUNCH)
    return SecurityType.TRUSTED_LAUNCH if is_trusted else SecurityType.STANDARD


def is_confidential(security: str) -> bool:
    """Whether only confidential VMs start from images of this security type."""
    return names.same(security, "ConfidentialVM")


def confidential(wanted: ImageReference, definition: Json | None) -> Problem | None:
    """Why batch-prep makes no pool of an image for confidential VMs. Batch would make the pool, and
    none of its nodes, which need `securityType` confidentialVM and a size and a disk for it.
    """
    if not is_confidential(resource_state.features(definition).get("SecurityType", "")):
        return None
    message = (
        f"{wanted.definition}: {ONLY_CONFIDENTIAL}, and batch-prep makes no pools of them: give an "
        "image whose definition has another security type, such as ConfidentialVMSupported"
    )
    return Problem(field="image", code="ImageUnsuitable", message=message)


def no_agent(wanted: ImageReference, architecture: str) -> Problem:
    """Why no pool can be made of an image of this architecture and the request's system."""
    message = (
        f"{wanted.definition} is for {architecture}, and no node agent of Batch is known for "
        f"{wanted.os} there; for ubuntu 24.04 there is one (os and osVersion say the system)"
    )
    return Problem(field="image.os", code="SystemNotSupported", message=message)
