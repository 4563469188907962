"""Requests for images: each field is in the document, and what is not offered says why."""

from __future__ import annotations

from typing import Any

import pytest

from shared.base.errors import RequestRefused
from shared.model import parsing, refused_fields
from shared.model.image_request import Image
from tests.unit.test_pool_requests import rows
from tests.world import CONFIG, a_pool, image_only

Json = dict[str, Any]


def problems(request: Json) -> list[tuple[str, str]]:
    """Field and code of each problem."""
    try:
        parsing.parse_build(request, CONFIG)
    except RequestRefused as refused:
        return [(problem.field, problem.code) for problem in refused.problems]
    return []


@pytest.mark.parametrize("path", refused_fields.IMAGE_FIELDS)
def test_a_field_that_images_do_not_have_says_why(path: str) -> None:
    """The value is never repeated."""
    code, message = refused_fields.IMAGE_FIELDS[path]
    *way, last = path.split(".")
    value: Any = {last: "hunter2"}
    for name in reversed(way):
        value = {name: value}
    with pytest.raises(RequestRefused) as refused:
        parsing.parse_build(image_only(**value), CONFIG)
    found = refused.value.problems
    ours = [(p.code, p.message) for p in found if p.field == f"image.{path}"]
    assert ours == [(code, message)]
    assert not any("hunter2" in p.message for p in found)


def test_every_field_of_an_image_is_in_the_document() -> None:
    """What is taken, and what is refused with its reason."""
    table = rows("Images")
    fields = {str(field.alias) for field in Image.model_fields.values()}
    assert fields <= table.keys()
    found = refused_fields.IMAGE_FIELDS.items()
    refused = {path for path, (code, _) in found if code != "UnknownField"}
    assert refused <= table.keys()
    assert all(table[path].startswith("refused") for path in refused)
    top = {name for name in table if "." not in name}
    assert top <= fields | refused_fields.IMAGE_FIELDS.keys()


COMMUNITY = "/communityGalleries/acme-1234/images/hpc/versions/1.0.0"
SIZE = "Standard_D2s_v5"


@pytest.mark.parametrize(
    ("image", "field", "code"),
    [
        ({"targetRegions": [{"name": "westus"}] * 2}, "image.targetRegions", "Impossible"),
        ({"builderVmSize": SIZE, "builderVmSizes": [SIZE]}, "image.builderVmSizes", "Impossible"),
        (
            {"managedImage": True, "securityType": "TrustedLaunch"},
            "image.managedImage",
            "Impossible",
        ),
        (
            {"registry": {"name": "acr12", "build": {"image": "a:1"}}},
            "image.registry.build",
            "Impossible",
        ),
    ],
)
def test_fields_that_exclude_each_other_are_named(image: Json, field: str, code: str) -> None:
    assert (field, code) in problems(image_only(**image))


def test_a_published_image_needs_its_system() -> None:
    """Its gallery is somebody else's, and does not say which system it is."""
    missing = ("image.os", "Missing")
    ask = {"mode": "batch-only", "requestId": "r", "pools": [a_pool("dev")]}
    assert missing in problems({**ask, "image": {"id": COMMUNITY}})
    known = {"id": COMMUNITY, "os": "ubuntu", "osVersion": "24.04"}
    assert missing not in problems({**ask, "image": known})
