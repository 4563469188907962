"""Names obey Azure's rules, are never shared by two builds, and sort as they should."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.base import names

request_ids = st.text(min_size=1, max_size=200)
versions = st.tuples(*[st.integers(min_value=0, max_value=2**31 - 1)] * 3)


@given(request_ids, request_ids)
def test_two_requests_are_two_builds(one: str, other: str) -> None:
    """A shared name would let one build remove another's VM."""
    assert (names.build_id(one) == names.build_id(other)) == (one == other)


@given(request_ids)
def test_names_of_a_build_obey_azure(request_id: str) -> None:
    """VMs, networks and addresses: letters, digits, hyphens, at most 64."""
    build = names.build_id(request_id)
    made = [names.builder_vm, names.network, names.nat_gateway, names.public_ip]
    for name in [make(build) for make in made]:
        assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}[a-z0-9]", name)


@given(request_ids, st.text(max_size=300))
def test_instance_ids_are_never_too_long(request_id: str, step: str) -> None:
    """Durable refuses more than 100 characters, and never two steps under one id."""
    build = names.build_id(request_id)
    child = names.child_instance(build, step)
    assert len(child) <= names.INSTANCE_ID_MAX
    assert child != names.child_instance(build, step + "x")


@given(st.lists(versions.map(lambda v: ".".join(map(str, v))), max_size=20))
def test_the_next_version_is_greater_than_all(taken: list[str]) -> None:
    """`latest` is the highest number, so a new image must have one."""
    if any(v.endswith(f".{2**31 - 1}") for v in taken):
        return
    following = names.parse_version(names.next_version(taken))
    assert following is not None
    assert all(following > parsed for v in taken if (parsed := names.parse_version(v)))


@given(versions, versions)
def test_rows_of_versions_sort_newest_first(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    """So "the newest" is the first row of a partition."""
    rows = [names.version_row(".".join(map(str, v))) for v in (one, other)]
    assert (rows[0] < rows[1]) == (one > other)


@given(st.text(max_size=30))
def test_only_versions_are_versions(text: str) -> None:
    """No leading zeros, no fourth number, nothing else."""
    parsed = names.parse_version(text)
    assert parsed is None or ".".join(map(str, parsed)) == text


def test_a_role_assignment_is_named_by_what_it_grants() -> None:
    """Granting twice is granting once."""
    name = names.role_assignment("/scope", "principal", "role")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", name)
    assert name == names.role_assignment("/SCOPE", "principal", "role")


def test_an_image_id_comes_apart_and_together() -> None:
    """Pipelines hand over the whole id."""
    whole = names.image_version_id("s", "g", "gal", "img", "1.0.0")
    parts = names.parse_image_version_id(whole)
    assert parts == {
        "subscription": "s",
        "group": "g",
        "gallery": "gal",
        "definition": "img",
        "version": "1.0.0",
    }
    assert names.parse_image_version_id(whole.rpartition("/versions")[0]) is None


@pytest.mark.parametrize(
    ("resource_id", "type_"),
    [
        ("/subscriptions/s/resourceGroups/g", "Microsoft.Resources/resourceGroups"),
        (
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/a/images/b",
            "Microsoft.Compute/galleries/images",
        ),
        (
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/natGateways/n",
            "Microsoft.Network/natGateways",
        ),
    ],
)
def test_an_id_tells_its_type(resource_id: str, type_: str) -> None:
    """A build's record lists ids alone."""
    assert names.type_of(resource_id) == type_


def test_versions_of_other_tools_are_compared_as_numbers() -> None:
    """Azure takes zeros in front; compared as texts, or left out, they would hide the newest."""
    taken = ["2026.01.09", "2026.1.10", "9.0.0"]
    assert max(taken, key=names.version_numbers) == "2026.1.10"
    assert names.next_version(["2026.01.09", "2.0.0"]) == "2026.1.10"
