"""What is wrong with a field is said in words that say what to write instead."""

from __future__ import annotations

from typing import Any

import pytest

from shared.base.errors import RequestRefused
from shared.model import field_words, parsing
from tests.world import CONFIG

Json = dict[str, Any]


def messages(request: Json) -> dict[str, str]:
    """By field."""
    with pytest.raises(RequestRefused) as refusal:
        parsing.parse_build(request, CONFIG)
    return {p.field: p.message for p in refusal.value.problems}


def test_a_misspelt_field_has_the_name_that_was_meant() -> None:
    """At any depth, by the fields of the very object; a field like no other has none."""
    pool = {"id": "dev", "startTask": {"commandLin": "true"}, "vmsize": "x", "tangerine": 1}
    autoscale = {"preset": "fixed", "node": 1}
    found = messages(
        {
            "image": {"steps": [{"name": "a", "inlin": "true"}], "registry": {"buildd": {}}},
            "batchAcount": {"name": "mybatch12345"},
            "pools": [pool, {"id": "other", "autoscale": autoscale}],
        }
    )
    meant = {
        "batchAcount": "batchAccount",
        "image.steps[0].inlin": "inline",
        "image.registry.buildd": "build",
        "pools[0].startTask.commandLin": "commandLine",
        "pools[0].vmsize": "vmSize",
    }
    for field, name in meant.items():
        assert found[field] == f"there is no such field; did you mean {name}?"
    assert found["pools[0].tangerine"] == "there is no such field"
    assert found["pools[0].startTask.commandLine"] == "it must be there"
    assert found["pools[1].autoscale.node"].startswith("there is no such field")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("nodes", -1, "it is too small: the least is 0"),
        ("nodes", "two", "it must be a whole number"),
        ("taskSlotsPerNode", 10**6, "it is too large: the most is 256"),
        ("ttlHours", 0, "it is too small: it must be more than 0"),
        ("ttlHours", 10**6, "it is too large: the most is 8760"),
        ("verify", "yes", "it must be true or false"),
        ("vmSizes", {}, "it must be a list"),
        ("startTask", [], "it must be an object"),
        ("ifExists", "perhaps", "it must be 'fail', 'update' or 'replace'"),
        ("displayName", 5, "it must be a text"),
    ],
)
def test_a_value_out_of_place_is_said_in_our_words(field: str, value: object, words: str) -> None:
    """What the field takes, and never the value."""
    assert messages({"pools": [{"id": "dev", field: value}]})[f"pools[0].{field}"] == words


def test_near_names_are_listed_as_people_do() -> None:
    """Letter case does not matter."""
    known = ["Standard_D2s_v5", "Standard_D4s_v5", "Premium"]
    assert field_words.near("standard_d2s_v5", known[:1]) == "; did you mean Standard_D2s_v5?"
    assert field_words.near("Standard_D3s_v5", known, most=3).count(" or ") == 1
    assert field_words.near("basic", known) == ""


def test_an_image_that_cannot_be_built_has_no_other_complaint() -> None:
    """InfiniBand's stack is beside the point."""
    image = {"os": "windows", "osVersion": "2022", "infiniband": True}
    assert set(messages({"mode": "image-only", "image": image})) == {"image.os"}
