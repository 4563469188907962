"""What Batch supports, and until when: blockers before anything is paid for, and warnings."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.world import World, a_pool, a_request, an_image, image_only, pools_only
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
    """A new account is made to be asked; no machine is paid for."""
    build = world.build(a_request(image=DEBIAN))

    assert codes(build["error"]["details"]) == ["SystemNotSupported"]
    assert "batch.node.ubuntu 24.04" in build["error"]["message"]  # what the account lists
    assert world.resources("virtualMachines") == []
    assert world.resources("natGateways") == []


def test_an_image_of_an_experimental_system_warns(world: World) -> None:
    """An image-only build has no account to ask."""
    forecast = planned(world, image_only(os="debian", osVersion="12"))
    build = world.build(image_only(os="debian", osVersion="12"))

    assert build["state"] == "succeeded", build["error"]
    assert codes(forecast["warnings"]) == codes(build["warnings"]) == ["SystemExperimental"]
    assert "batch.node.debian 12" in build["warnings"][0]["message"]


def test_a_proven_system_has_no_warning(world: World) -> None:
    """The list is in the documents all the same."""
    assert planned(world, image_only())["warnings"] == []
    assert world.build(image_only())["warnings"] == []


AGENT = "batchSupportEnds:batch.node.ubuntu 24.04"
FAMILY = "batchSupportEnds:standardDSv5Family"
SOON, OVER = "2026-05-31T00:00:00Z", "2025-12-31T00:00:00Z"  # it is 1 January 2026


@pytest.mark.parametrize(("what", "field"), [(AGENT, "image.os"), (FAMILY, "pools[0].vmSize")])
def test_an_end_of_support_that_comes_soon_warns(world: World, what: str, field: str) -> None:
    """Once, although a new account is checked again when it exists; then also before."""
    world.change_facts({what: SOON})
    build = world.build(a_request())
    pools = world.build(pools_only("later", a_pool("late")))
    forecast = planned(world, pools_only("plan", a_pool("late")))

    assert build["state"] == pools["state"] == "succeeded", build["error"]
    for warnings in (build["warnings"], pools["warnings"], forecast["warnings"]):
        assert [(w["field"], w["code"]) for w in warnings] == [(field, "SupportEnds")]
        assert "2026-05-31" in warnings[0]["message"]


@pytest.mark.parametrize("what", [AGENT, FAMILY])
def test_a_support_that_is_over_stops_a_build(world: World, what: str) -> None:
    """Batch would refuse the pool when the image is paid for."""
    world.change_facts({what: OVER})
    build = world.build(a_request())

    assert codes(build["error"]["details"]) == ["SupportEnded"]
    assert "2025-12-31" in build["error"]["message"]
    assert world.resources("virtualMachines") == []


def test_a_size_whose_support_is_over_is_not_missed_where_another_serves(world: World) -> None:
    """One size of a pool is enough."""
    world.change_facts({FAMILY: OVER})
    pool = {"id": "dev", "vmSizes": ["Standard_D2as_v5", "Standard_D2s_v5"], "nodes": 1}
    assert world.build(a_request(pools=[pool]))["state"] == "succeeded"


def test_an_image_of_a_system_that_ends_soon_warns() -> None:
    """Without an account to ask, its publisher's date counts."""
    world = World()
    world.clock.advance_to(datetime(2027, 3, 1, tzinfo=UTC).timestamp())
    forecast = planned(world, image_only(os="ubuntu", osVersion="22.04"))
    assert codes(forecast["warnings"]) == ["SupportEnds"]
    assert planned(world, image_only())["warnings"] == []
