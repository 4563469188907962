"""What the API accepts, the scripts accept: nobody learns of a bad name minutes later."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from shared.model import fields

PROVISIONING = Path(__file__).parents[2] / "provisioning"
SPELLS = ["$(id)", "`id`", ";id", "a b", "a\nid", "a'b", 'a"b', "a|id", "a>b", "-v", "a&&id", "é"]


def pattern(file: str, name: str) -> re.Pattern[str]:
    """The pattern of a script, of a constant or of a parameter."""
    text = (PROVISIONING / file).read_text()
    found = re.search(rf"(?:{name}=|{name} )'(\^.*?\$)'", text)
    assert found is not None
    return re.compile(found[1])


class Names(BaseModel):
    """Each kind of name that reaches a script."""

    image: fields.ImageReference = "busybox"
    built: fields.BuiltImage = "app"
    registry: fields.RegistryName = "registry"
    driver: fields.DriverVersion = "580.173.02"
    toolkit: fields.ContainerToolkitVersion = "1.20.0"
    docker: fields.DockerVersion = "29.7.2"


def accepts(**names: str) -> bool:
    try:
        Names(**names)
    except ValidationError:
        return False
    return True


@given(st.from_regex(fields._REFERENCE, fullmatch=True))
def test_every_image_of_a_request_is_one_to_the_scripts(reference: str) -> None:
    """Docker's grammar has corners: a tag may end with a dash, a name may be one letter."""
    if accepts(image=reference):
        assert pattern("helpers/images.sh", "IMAGE_REFERENCE").match(reference)


@given(st.from_regex(r"[A-Za-z0-9]{5,50}", fullmatch=True))
def test_every_registry_of_a_request_is_one_to_the_scripts(name: str) -> None:
    """Its login server is its name in lower case, and Azure's domain."""
    server = f"{name.lower()}.azurecr.io"
    assert pattern("parts/preload_images.sh", "REGISTRY_LOGIN_SERVER").match(server)


@pytest.mark.parametrize("field", list(Names.model_fields))
@pytest.mark.parametrize("spell", SPELLS)
def test_what_a_shell_could_read_is_no_name(field: str, spell: str) -> None:
    """The first of two walls: the scripts refuse it as well."""
    assert not accepts(**{field: spell})
    assert not accepts(**{field: f"busybox:{spell}"})
