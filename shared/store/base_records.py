"""What our own records say of the image that a request builds on."""

from __future__ import annotations

from typing import Any

from shared.base.errors import Problem, RequestRefused
from shared.base.settings import Settings
from shared.base.wire import replace
from shared.model import catalogue, image_base, image_rules, planning
from shared.model.image_request import Image, SecurityType
from shared.model.outcomes import ImageRecord
from shared.model.plans import BuildPlan
from shared.model.requests import Build
from shared.store.records import Records

_COMPLETED = "what the request leaves out is as the record of the base image has it"


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


def with_base_contents(records: Records, request: Build) -> Build:
    """The request with the contents of the image that it builds on, as far as it does not name them
    itself. Raises RequestRefused where nothing says which system that is, or where the request and
    those contents cannot be together.
    """
    image = request.image
    if image.base is None or image.base.id is None:
        return request
    record = of(records, image.base.id)
    if record is not None:
        image = _completed(image, record)
    elif not image.says_system:
        message = (
            "no image of this id is on record here: say which system it has, in os and osVersion "
            f"({', '.join(catalogue.known_systems())}), with gpu and securityType as it has them"
        )
        raise RequestRefused([Problem(field="image.os", code="Missing", message=message)])
    has_driver = record is not None and record.gpu_enabled
    if problems := image_rules.contents_problems(image, has_driver=has_driver):
        why = f" ({_COMPLETED})" if record else ""
        raise RequestRefused([replace(p, message=f"{p.message}{why}") for p in problems])
    return replace(request, image=image)


def _completed(image: Image, record: ImageRecord) -> Image:
    """The image with the recorded contents for the fields that the request omits. Fields of the
    driver are set only if there is one, Secure Boot and vTPM only with TrustedLaunch. The last two
    are on by default, so only False is set: an added driver may turn Secure Boot off.
    """
    name, _, version = record.base_os.partition(" ")
    found = {"os": name, "gpu": record.gpu_enabled, "security_type": record.security_type}
    found |= {"infiniband": record.infiniband_version is not None, "scratch": record.scratch}
    image = _with_others(image, found)
    if image.os == name:
        image = _with_others(image, {"os_version": version})
    if image.gpu:
        software = {"driver_source": record.driver_source, "dcgm": record.dcgm_version is not None}
        image = _with_others(image, software)
    if image.security_type is SecurityType.TRUSTED_LAUNCH:
        boot = {"secure_boot": record.secure_boot, "v_tpm": record.v_tpm}
        image = _with_others(image, {field: False for field, on in boot.items() if not on})
    return image


def _with_others(image: Image, found: dict[str, Any]) -> Image:
    """The image with those values whose fields the request does not name."""
    said = image.model_fields_set
    return replace(image, **{field: value for field, value in found.items() if field not in said})


def plan_build(
    records: Records, request: Build, settings: Settings, definition: str | None = None
) -> BuildPlan:
    """The plan of a request that `with_base_contents` has completed, with the driver that its base
    image has.
    """
    base = request.image.base
    record = of(records, base.id) if base and base.id else None
    kept = record.driver_kind if record else None
    return planning.plan_build(request, settings, definition, kept)
