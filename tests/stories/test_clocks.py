"""Azure's clock need not agree with the app's, nor a machine's with Azure's: no build takes longer
for it, and none hangs. `make test-clock` runs all stories so.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from tests.clocks import comparing
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


def minutes(story: Callable[[World], None], **skew: float) -> float:
    """The simulated time that a story takes by the app's clock."""
    world = World(**skew)
    began = world.clock.now()
    story(world)
    return (world.clock.now() - began) / 60


@pytest.mark.parametrize("story", STORIES)
def test_a_clock_that_differs_costs_no_time(story: Callable[[World], None]) -> None:
    """Two hours ahead or two hours behind: within two percent."""
    usual = minutes(story, skew=0.0, machine_skew=0.0)
    for ahead in (TWO_HOURS, -TWO_HOURS):
        assert minutes(story, skew=ahead) == pytest.approx(usual, rel=0.02)
        assert minutes(story, machine_skew=ahead) == pytest.approx(usual, rel=0.02)


def test_what_machines_write_is_of_their_clock() -> None:
    """The agent of a builder and the tasks of a node, and nothing that Azure itself writes."""
    world = World(machine_skew=TWO_HOURS, skew=0.0)
    began = world.clock.now()
    gpu = {"vmSize": "Standard_NC4as_T4_v3", "verify": True}
    image = image_only(gpu=True, containerImages=[BUSYBOX], keepVm=True)["image"]
    succeeds(world, a_request(image=image, pools=[a_pool("dev", **gpu)]))

    (node,) = world.azure.store.of_type("simulator.batchNode")
    times = [node.document[name] for name in ("stateTransitionTime", "lastBootTime")]
    azures, machines = (datetime.fromisoformat(text).timestamp() for text in times)
    assert began < azures < world.clock.now() < machines
    runs = world.azure.store.of_type("Microsoft.Compute/virtualMachines/runCommands")
    ends = [datetime.fromisoformat(run.state["view"]["endTime"]).timestamp() for run in runs]
    assert ends
    assert all(end > began + TWO_HOURS for end in ends)


def test_stories_that_take_another_time_are_named() -> None:
    """One that did not pass both times is not compared."""
    usual = {"same": [10.0, 0.0], "longer": [10.0], "shorter": [50.0], "another": [1.0], "gone": []}
    other = {"same": [10.1, 0.01], "longer": [10.3], "shorter": [48.0], "another": []}

    assert sorted(comparing.differences(usual, other)) == [
        "another: 1 worlds, then 0",
        "longer, world 1: 10.0 minutes, then 10.3",
        "shorter, world 1: 50.0 minutes, then 48.0",
    ]
