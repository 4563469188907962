"""Requests for images: each field is in the document, and what is not offered says why."""

from __future__ import annotations

from typing import Any

import pytest

from shared.base.errors import RequestRefused
from shared.model import parsing, refused_fields
from shared.model.image_request import Image
from tests.unit.test_pool_requests import rows
from tests.world import CONFIG, image_only


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
