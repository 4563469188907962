"""What Batch supports, and until when: blockers before anything is paid for, and warnings."""

from __future__ import annotations

from tests.world import World, a_request, an_image, image_only
from triggers import builds

DEBIAN = an_image(os="debian", osVersion="12")


def planned(world: World, request: dict) -> dict:
    """The answer of POST /api/plan."""
    answer = world.ask(builds.plan_build, request)
    assert answer.status == 200, answer.body
    return dict(answer.body)


def codes(problems: list[dict]) -> list[str]:
    """The codes of blockers or warnings."""
    return [problem["code"] for problem in problems]


def test_an_account_that_does_not_list_the_system_stops_a_build(world: World) -> None:
    """A new account is made to be asked; nobody pays for a machine."""
    build = world.build(a_request(image=DEBIAN))

    assert codes(build["error"]["details"]) == ["SystemNotSupported"]
    assert "batch.node.ubuntu 24.04" in build["error"]["message"]  # what the account lists
    assert world.resources("virtualMachines") == []
    assert world.resources("natGateways") == []


def test_an_image_of_an_experimental_system_warns(world: World) -> None:
    """An image-only build has no account to ask."""
    told = planned(world, image_only(os="debian", osVersion="12"))
    build = world.build(image_only(os="debian", osVersion="12"))

    assert build["state"] == "succeeded", build["error"]
    assert codes(told["warnings"]) == codes(build["warnings"]) == ["SystemExperimental"]
    assert "batch.node.debian 12" in build["warnings"][0]["message"]


def test_a_proven_system_has_no_warning(world: World) -> None:
    """The list is in the documents all the same."""
    assert planned(world, image_only())["warnings"] == []
    assert world.build(image_only())["warnings"] == []
