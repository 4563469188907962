"""What is found before anything is paid for, all of it at once."""

from __future__ import annotations

import pytest

from tests.world import World, a_pool, a_request, an_image

CASES = [
    ("image.builderVmSize", {"image": an_image(builderVmSize="Standard_M416ms_v2")}),
    ("pools[0].vmSize", {"pools": [a_pool("dev", vmSize="Standard_M416ms_v2")]}),
    ("image.version", {"image": an_image(version="1.0.0"), "again": True}),
]


@pytest.mark.parametrize(("field", "change"), CASES, ids=[c[0] for c in CASES])
def test_a_build_that_cannot_work_makes_nothing(world: World, field: str, change: dict) -> None:
    """Late failures are what the old script was feared for."""
    if change.pop("again", False):
        world.build({"mode": "image-only", "requestId": "before", "image": an_image()})
    before = world.resources()
    build = world.build(a_request(**change))
    assert build["error"]["code"] == "Blocked", build["error"]
    assert field in [d["field"] for d in build["error"]["details"]]
    assert world.resources() == before


def test_all_blockers_come_in_one_answer(world: World) -> None:
    """A user corrects a request once."""
    image = an_image(builderVmSize="Standard_M416ms_v2")
    build = world.build(a_request(image=image, pools=[a_pool("dev", vmSize="Standard_M416ms_v2")]))
    fields = {d["field"] for d in build["error"]["details"]}
    assert fields == {"image.builderVmSize", "pools[0].vmSize"}


def test_pools_over_quota_stop_a_build_before_its_image(world: World) -> None:
    """A new Batch account may have no cores at all: nobody pays for an image that no pool
    can use.
    """
    build = world.build(a_request(pools=[a_pool("dev", nodes=2000)]))
    assert build["error"]["code"] == "Blocked", build["error"]
    assert build["error"]["details"][0]["code"] == "QuotaExceeded"
    assert "would fit" in build["error"]["message"]
    assert world.resources("virtualMachines") == []
