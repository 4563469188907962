"""Requests are refused with every problem at once; what is accepted is complete."""

from __future__ import annotations

from typing import Any

import pytest

from local.azure_simulator.data import skus
from shared.base.errors import RequestRefused
from shared.model import catalogue, parsing, requests
from tests.world import CONFIG

Json = dict[str, Any]


def problems_of(data: object) -> dict[str, str]:
    """Field → code of everything that is wrong with a build request."""
    with pytest.raises(RequestRefused) as refusal:
        parsing.parse_build(data, CONFIG)
    return {p.field: p.code for p in refusal.value.problems}


def test_every_problem_is_named_in_one_answer() -> None:
    """A user corrects a request once, not once per problem."""
    found = problems_of(
        {
            "mode": "full",
            "colour": "red",
            "image": {"gallery": "with-hyphen", "version": "1.0", "os": 5},
            "pools": [{"id": "a b", "vmSize": "NC6"}, {"id": "ok", "nodes": "two"}],
        }
    )
    assert found == {
        "colour": "UnknownField",
        "image.gallery": "InvalidName",
        "image.version": "InvalidName",
        "image.os": "InvalidValue",
        "pools[0].id": "InvalidName",
        "pools[0].vmSize": "RetiredVmSize",
        "pools[1].nodes": "InvalidValue",
    }


@pytest.mark.parametrize(
    "body", [None, [], "text", 5, True], ids=["null", "list", "text", "number", "true"]
)
def test_only_an_object_is_a_request(body: object) -> None:
    """Anything else is refused, never guessed at."""
    assert problems_of(body) == {"$": "InvalidType"}


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"mode": "image-only", "pools": [{"id": "a"}]}, "pools", "Impossible"),
        ({"mode": "image-only", "batchAccount": {"name": "abc"}}, "batchAccount", "Impossible"),
        ({"mode": "full"}, "pools", "Missing"),
        ({"mode": "batch-only"}, "pools", "Missing"),
        ({"mode": "sideways"}, "mode", "InvalidValue"),
        ({"mode": "resize-pool"}, "mode", "InvalidValue"),
        ({"mode": "full", "pools": [{"id": "a"}, {"id": "A"}]}, "pools[1].id", "Impossible"),
        (
            {"mode": "full", "pools": [{"interNodeCommunication": True, "nodes": 101}]},
            "pools[0].interNodeCommunication",
            "Impossible",
        ),
        (
            {"mode": "full", "pools": [{"id": "a", "autoscaleFormula": "x", "nodes": 2}]},
            "pools[0].autoscaleFormula",
            "Impossible",
        ),
        (
            {"mode": "image-only", "image": {"os": "ubuntu", "osVersion": "20.04"}},
            "image.osVersion",
            "RetiredSystem",
        ),
        ({"mode": "image-only", "image": {"os": "plan9"}}, "image.os", "UnknownSystem"),
        (
            {"mode": "image-only", "image": {"os": "plan9", "osVersion": "4"}},
            "image.os",
            "UnknownSystem",
        ),
        (
            {"mode": "image-only", "image": {"os": "ubuntu", "osVersion": "24.05"}},
            "image.osVersion",
            "UnknownSystem",
        ),
        ({"mode": "image-only", "image": {"os": "debian", "gpu": True}}, "image.gpu", "Impossible"),
        (
            {
                "mode": "image-only",
                "image": {"registry": {"name": "myacr", "build": {"image": "a:1"}}},
            },
            "image.registry.build",
            "Impossible",
        ),
        (
            {
                "mode": "image-only",
                "image": {"managedImage": True, "securityType": "TrustedLaunch"},
            },
            "image.managedImage",
            "Impossible",
        ),
        (
            {"mode": "batch-only", "image": {"id": "/somewhere"}, "pools": [{"id": "a"}]},
            "image.id",
            "InvalidName",
        ),
    ],
)
def test_impossible_requests(change: Json, field: str, code: str) -> None:
    """Each combination that cannot work is refused before anything is made."""
    assert problems_of(change)[field] == code


NASTY = [
    "$(reboot)",
    "a; rm -rf /",
    "a b",
    "x`id`",
    'quote"s',
    "it's",
    "new\nline",
    "../../etc",
    "null\x00byte",
    "x" * 10_000,
    "",
]


@pytest.mark.parametrize("text", NASTY, ids=[repr(t[:12]) for t in NASTY])
@pytest.mark.parametrize(
    "path",
    [
        ("image", "resourceGroup"),
        ("image", "location"),
        ("image", "gallery"),
        ("image", "name"),
        ("image", "version"),
        ("image", "builderVmSize"),
        ("image", "containerImages"),
        ("image", "sshPublicKey"),
        ("batchAccount", "name"),
        ("pools", "id"),
        ("pools", "vmSize"),
    ],
    ids="/".join,
)
def test_no_name_takes_shell_text_or_novels(path: tuple[str, ...], text: str) -> None:
    """Names reach Azure, scripts and table keys: only what Azure allows gets past the door."""
    request: Json = {"mode": "full", "image": {}, "pools": [{"id": "dev"}]}
    if path[0] == "pools":
        request["pools"][0][path[1]] = text
    elif path[0] == "batchAccount":
        request["batchAccount"] = {"name": text}
    else:
        request["image"][path[1]] = [text] if path[1] == "containerImages" else text
    assert len(problems_of(request)) >= 1


@pytest.mark.parametrize("size", sorted({size.name for size in skus.SIZES.values()}))
def test_a_size_may_be_written_in_any_case(size: str) -> None:
    """As Azure takes it, and as portal, exports and templates write it; the name that it becomes is
    the one that the price list knows.
    """
    if catalogue.retired_size(size) or catalogue.not_served(size):
        return
    short = size.removeprefix("Standard_")
    for written in (size, size.upper(), size.lower(), short, short.lower()):
        build = parsing.parse_build({"pools": [{"id": "dev", "vmSize": written}]}, CONFIG)
        assert build.pools[0].vm_size == size


def test_a_retired_size_is_known_in_any_case() -> None:
    """The hint is worth most to the owner of an old template."""
    with pytest.raises(RequestRefused) as refused:
        parsing.parse_build({"pools": [{"id": "dev", "vmSize": "standard_nc6"}]}, CONFIG)
    assert refused.value.problems[0].code == "RetiredVmSize"


def test_a_short_size_means_the_standard_one() -> None:
    """The old script's users write D2s_v5."""
    build = parsing.parse_build({"pools": [{"id": "dev", "vmSize": "D2s_v5"}]}, CONFIG)
    assert build.pools[0].vm_size == "Standard_D2s_v5"


@pytest.mark.parametrize(
    ("size", "successor"),
    [
        ("NC6", "Standard_NC4as_T4_v3"),
        ("NC12", "Standard_NC8as_T4_v3"),
        ("Standard_NC6s_v3", "Standard_NC24ads_A100_v4"),
        ("Standard_DS2_v2", "Standard_D2s_v5"),
    ],
)
def test_a_retired_size_is_refused_with_its_successor(size: str, successor: str) -> None:
    """The answer says what to use instead, so that a client can take it."""
    with pytest.raises(RequestRefused) as refusal:
        parsing.parse_build({"pools": [{"id": "dev", "vmSize": size}]}, CONFIG)
    problem = refusal.value.problems[0]
    assert (problem.code, problem.successor) == ("RetiredVmSize", successor)


@pytest.mark.parametrize(
    "reference",
    [
        "busybox",
        "docker.io/library/busybox:1.36",
        "myacr.azurecr.io/team/app:v1.0",
        "localhost:5000/a/b@sha256:" + "a" * 64,
        "nvcr.io/nvidia/cuda:12.6.0-base-ubuntu24.04",
    ],
)
def test_image_references_of_every_form_are_understood(reference: str) -> None:
    """Registry, path, tag and digest, as the reference grammar has them."""
    build = parsing.parse_build(
        {"mode": "image-only", "image": {"containerImages": [reference]}}, CONFIG
    )
    assert build.image.container_images == [reference]


def test_a_pool_message_is_a_batch_only_build_of_one_pool() -> None:
    """Queue and HTTP end in the same story."""
    build = parsing.parse_pool_message(
        {"batchAccount": {"name": "abc"}, "image": {"name": "i"}, "pool": {"id": "dev"}}, CONFIG
    )
    assert (build.mode, [p.id for p in build.pools]) == (requests.Mode.BATCH_ONLY, ["dev"])


def test_a_recipe_has_no_request_id_of_its_own() -> None:
    """It is built again every week; one id would make every rebuild the first one."""
    with pytest.raises(RequestRefused) as refusal:
        parsing.parse_recipe({"request": {"mode": "image-only", "requestId": "x"}}, "w", CONFIG)
    assert refusal.value.problems[0].field == "request.requestId"


def test_a_resize_says_to_what() -> None:
    """An empty PATCH is a mistake."""
    with pytest.raises(RequestRefused):
        parsing.parse_resize({})


@pytest.mark.parametrize("system", ["windows", "Windows2022", "win11"])
def test_windows_is_refused_by_name(system: str) -> None:
    """Not as a system that somebody has misspelt."""
    with pytest.raises(RequestRefused) as refused:
        parsing.parse_build({"mode": "image-only", "image": {"os": system}}, CONFIG)
    (problem,) = refused.value.problems
    assert (problem.field, problem.code) == ("image.os", "NotOffered")
    assert "Linux" in problem.message
