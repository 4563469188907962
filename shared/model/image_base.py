"""What a builder starts from in the place of a system of the catalogue: an image of the
marketplace, or an image that is there. What a request says of it, and which system that is. Pure.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, StringConstraints

from shared.base import names
from shared.base.wire import Request
from shared.model import fields

_MarketplaceName = Annotated[
    str,
    fields.named(
        "[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "a name of the marketplace: letters, digits, . _ and -"
    ),
]
_MarketplaceVersion = Annotated[
    str,
    fields.named(r"latest|[0-9]{1,20}(?:\.[0-9]{1,20}){2,3}", "latest, or such as 24.04.202611010"),
]


def _image_id(value: str) -> str:
    parsers = (
        names.parse_gallery_image_id,
        names.parse_managed_image_id,
        names.parse_published_image_id,
    )
    if not any(parse(value) for parse in parsers):
        message = (
            f"{fields.shown(value)} is no id of an image: give that of an image version or "
            "definition of a gallery, of a managed image, /CommunityGalleries/.../Versions/... or "
            "/SharedGalleries/.../Versions/..."
        )
        raise fields.refuse("InvalidName", message)
    return value


_ImageId = Annotated[
    str, StringConstraints(max_length=512), fields.Checked(_image_id, r"/[^\s?#]+")
]


class ImageBase(Request):
    """What the builder starts from: an image of the marketplace (`publisher`, `offer`, `sku`, and a
    `version` or the newest), or by `id` an image that is there.
    """

    publisher: _MarketplaceName | None = Field(
        default=None, description="The publisher of an image of the marketplace."
    )
    offer: _MarketplaceName | None = Field(default=None, description="Its offer.")
    sku: _MarketplaceName | None = Field(default=None, description="Its SKU.")
    version: _MarketplaceVersion | None = Field(
        default=None, description="Its version; without it the newest."
    )
    id: _ImageId | None = Field(
        default=None, description="The id of an image that is there, in place of the other fields."
    )

    @property
    def system(self) -> tuple[str, str] | None:
        """Name and version of its system, where its names in the marketplace say so."""
        urn = f"{self.publisher}:{self.offer}:{self.sku}".lower()
        return next((system for pattern, system in _SYSTEMS if re.match(pattern, urn)), None)

    @property
    def is_windows(self) -> bool:
        """Whether its names in the marketplace say so."""
        return bool(re.search("windows", f"{self.publisher}:{self.offer}", re.IGNORECASE))


# How publishers name their systems, as the image lists of compute show them.
_SYSTEMS: list[tuple[str, tuple[str, str]]] = [
    *(
        (rf"canonical:(?:{offer}):|canonical:[^:]*:{sku}", ("ubuntu", version))
        for offer, sku, version in (
            (r"ubuntu-24_04[^:]*|[^:]*-noble[^:]*", "24_04", "24.04"),
            (r"ubuntu-22_04[^:]*|[^:]*-jammy[^:]*", "22_04", "22.04"),
            (r"ubuntu-20_04[^:]*|[^:]*-focal[^:]*", "20_04", "20.04"),
        )
    ),
    (r"microsoft-dsvm:ubuntu-hpc:2404", ("ubuntu", "24.04")),
    (r"microsoft-dsvm:ubuntu-(?:hpc:2204|2204:)", ("ubuntu", "22.04")),
    (r"debian:debian-12[^:]*:", ("debian", "12")),
    *(
        (rf"(?:{offer}):(?:rhel-(?:lvm|raw))?{version}", (name, version))
        for version in ("8", "9")
        for offer, name in (
            (r"almalinux:almalinux[^:]*", "almalinux"),
            (r"resf:rockylinux-x86_64", "rocky"),
            (r"redhat:rhel[^:]*", "rhel"),
        )
    ),
]


def record_key(id_: str) -> tuple[str, str, str, str] | None:
    """Gallery, definition, version and group by which a record of an image is found."""
    parts = names.parse_gallery_image_id(id_)
    return (
        (parts["gallery"], parts["definition"], parts["version"], parts["group"]) if parts else None
    )
