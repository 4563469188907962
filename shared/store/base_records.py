"""What our own records say of the image that a request builds on."""

from __future__ import annotations

from typing import Any

from shared.base.errors import Problem, RequestRefused
from shared.base.wire import replace
from shared.model import catalogue, image_base
from shared.model.outcomes import ImageRecord
from shared.model.requests import Build
from shared.store.records import Records


def of(records: Records, base_id: str) -> ImageRecord | None:
    """The record of a base image, or of the newest version of the same image definition: all
    versions of one have the same system and the same driver.
    """
    key = image_base.record_key(base_id)
    if key is None:
        return None
    gallery, definition, version, group = key
    there = (records.image(gallery, definition, v, group) for v in (version, "latest"))
    return next((image for image in there if image), None)


def described(records: Records, request: Build) -> Build:
    """The request with the system, the driver and the security of the image that it builds on, as
    far as it does not name them itself. Raises RequestRefused where nothing says which system that
    is.
    """
    image = request.image
    if image.base is None or image.base.id is None:
        return request
    record = of(records, image.base.id)
    if record is None:
        if image.says_system:
            return request
        message = (
            "no image of this id is on record here: say which system it has, in os and osVersion "
            f"({', '.join(catalogue.known_systems())}), with gpu and securityType as it has them"
        )
        raise RequestRefused([Problem(field="image.os", code="Missing", message=message)])
    name, _, version = record.base_os.partition(" ")
    found: dict[str, Any] = {
        "os": name,
        "os_version": version,
        "gpu": record.gpu_enabled,
        "infiniband": record.infiniband_version is not None,
        "driver_source": record.driver_source,
        "dcgm": record.dcgm_version is not None,
        "security_type": record.security_type,
    }
    known = {field: value for field, value in found.items() if field not in image.model_fields_set}
    if image.says_system:
        known = {field: value for field, value in known.items() if not field.startswith("os")}
    return replace(request, image=replace(image, **known))
