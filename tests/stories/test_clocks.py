"""Azure's clock need not agree with the app's: no build takes longer for it, and none hangs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.world import World, a_pool, a_request, image_only, pools_only

TWO_HOURS = 7200.0
BUSYBOX = "docker.io/library/busybox:1.36"


def an_image_and_verified_pools(world: World) -> None:
    """The main job."""
    gpu = {"vmSize": "Standard_NC4as_T4_v3", "verify": True}
    image = {**image_only(gpu=True, containerImages=[BUSYBOX])["image"]}
    pools = [a_pool("dev", **gpu), a_pool("test", nodes=2, **gpu)]
    succeeds(world, a_request(image=image, pools=pools))


def a_node_that_is_repaired(world: World) -> None:
    """It is rebooted and starts again."""
    world.fault({"effect": "allocation", "operation": "nodes.start", "times": 1})
    succeeds(world, a_request(pools=[a_pool("dev", nodes=2)]))


def nodes_that_take_long(world: World) -> None:
    """Twice as long as usual."""
    world.fault({"effect": "slow", "operation": "nodes", "factor": 2, "times": 9})
    succeeds(world, a_request())


def a_change_and_an_expiry(world: World) -> None:
    """A pool is updated, and goes after its time."""
    succeeds(world, image_only("image"))
    succeeds(world, pools_only("r1", a_pool("dev", ttlHours=1)))
    succeeds(world, pools_only("r2", a_pool("dev", ttlHours=1, taskSlotsPerNode=2)))
    world.engine.advance(3700)
    world.sweep()
    assert world.pools() == []


def a_throttled_build(world: World) -> None:
    """One request in five is refused."""
    world.fault({"effect": "throttle", "probability": 0.2})
    succeeds(world, a_request())


def succeeds(world: World, request: dict) -> None:
    """Build it."""
    build = world.build(request)
    assert build["state"] == "succeeded", build["error"]


STORIES = [
    an_image_and_verified_pools,
    a_node_that_is_repaired,
    nodes_that_take_long,
    a_change_and_an_expiry,
    a_throttled_build,
]


def minutes(story: Callable[[World], None], skew: float) -> float:
    """The simulated time that a story takes by the app's clock."""
    world = World(skew=skew)
    began = world.clock.now()
    story(world)
    return (world.clock.now() - began) / 60


@pytest.mark.parametrize("story", STORIES)
def test_a_clock_that_differs_costs_no_time(story: Callable[[World], None]) -> None:
    """Two hours ahead or two hours behind: within two percent."""
    usual = minutes(story, 0.0)
    for skew in (TWO_HOURS, -TWO_HOURS):
        assert minutes(story, skew) == pytest.approx(usual, rel=0.02)
