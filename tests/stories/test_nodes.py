"""Nodes that do not become usable: helped once in each way, and never paid for in vain."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from local.functions_host import inline
from tests.served import terminal
from tests.simulation import foreign
from tests.simulation.simulated_world import SimulatedWorld
from tests.simulation.stories import Act, Arrival, Climate, Story
from tests.world import World, a_pool, a_request, an_image, pools_only

ACCOUNT = "mybatch12345"
FAULTS = {
    "unusable": {"effect": "allocation", "operation": "nodes.start", "code": "DiskFull"},
    "start task": {"effect": "script", "step": "verify", "exitCode": 30, "message": "no docker"},
}
STRIKES = {"unusable": 1, "start task": 2}  # for one boot: a start task has a second try


def build_pools(world: World, *pools: dict) -> dict:
    """Pools from the image that is there."""
    return world.build(pools_only("pools", *pools))


def remedies(world: World) -> Counter[str]:
    """How often nodes were asked to do what."""
    ends = (r["url"].partition("?")[0].rpartition("/")[2] for r in world.ledger())
    return Counter(end for end in ends if end in {"reboot", "reimage"})


def nodes_of(world: World, pool: str) -> int:
    """The nodes that the pool is paid for."""
    found = world.services.azure.batch.pool.get("images", ACCOUNT, pool).as_dict()
    return int(found["properties"].get("currentDedicatedNodes") or 0)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("bad_boots", "helped"), [(1, {"reboot": 1}), (2, {"reboot": 1, "reimage": 1})]
)
def test_a_bad_node_is_helped_by_what_helps(
    built: World, fault: str, bad_boots: int, helped: dict
) -> None:
    """A reboot costs two minutes and a reimage five; a failed pool costs a person's morning."""
    built.fault({**FAULTS[fault], "times": bad_boots * STRIKES[fault]})
    build = build_pools(built, a_pool("dev", verify=True))
    assert build["state"] == "succeeded", build["error"]
    assert remedies(built) == helped
    assert nodes_of(built, "dev") == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_node_that_nothing_helps_fails_its_pool_and_costs_nothing(
    built: World, fault: str
) -> None:
    """Zero nodes, the reason of each node, and its words kept from before it went."""
    built.fault({**FAULTS[fault], "times": 100})
    build = build_pools(built, a_pool("dev", nodes=2))
    error = build["error"]
    assert (build["state"], error["code"]) == ("failed", "NodesUnusable")
    assert all(count <= 2 for count in remedies(built).values())
    assert set(remedies(built)) == {"reboot", "reimage"}
    assert nodes_of(built, "dev") == 0
    assert len(error["details"]) == 2
    for detail in error["details"]:
        assert "after the reboot" in detail["message"]
    assert any("after the reimage" in detail["message"] for detail in error["details"])
    assert "zero nodes" in error["nextAction"]


def test_nodes_that_cannot_be_removed_are_named(built: World) -> None:
    """No answer may say that a pool costs nothing while it does."""
    built.fault({**FAULTS["unusable"], "times": 100})
    refusal = {"effect": "status", "status": 409, "code": "Locked"}
    built.fault({**refusal, "method": "PATCH", "path": "/pools/dev"})
    error = build_pools(built, a_pool("dev"))["error"]
    assert error["code"] == "NodesUnusable"
    assert "may still cost money" in error["nextAction"]
    assert "leftovers" in error["nextAction"]
    assert "was shrunk" not in error["nextAction"]


def test_the_words_of_a_start_task_outlive_its_node(built: World) -> None:
    """Standard error says most, and the node is gone when a person wants to read it."""
    built.fault({**FAULTS["start task"], "times": 100, "stdout": "one\ntwo\n"})
    (detail,) = build_pools(built, a_pool("dev"))["error"]["details"]
    assert detail["code"] == "FailureExitCode"
    assert "exited with 30" in detail["message"]
    assert detail["log"].splitlines() == ["one", "two", "no docker"]


def test_the_command_line_prints_each_cause_once_and_what_helps(built: World) -> None:
    """The name of the exit code, the last lines, and the way to another request."""
    words = "nvidia-smi: no devices were found"
    built.fault({**FAULTS["start task"], "times": 100, "message": words})
    build = build_pools(built, a_pool("dev", nodes=2), a_pool("other"))
    with terminal(built) as user:
        out = user.type(f"builds show {build['buildId']}").out

    of_pool, _, of_build = out.partition("\nBuild ")
    assert of_pool.count(f"\n            {words}\n") == 2  # once for each pool
    assert words not in of_build
    assert "exited with 30 (CHECK_FAILED: " in of_pool
    assert "the same after the reboot" in of_pool
    nodes = [detail["field"] for detail in build["pools"][0]["error"]["details"]]
    assert [of_pool.count(f"- {node}: ") for node in nodes] == [1, 1]
    assert of_build.count("exited with 30") == 2  # once for each pool
    for text in (of_pool, of_build):
        assert 'send a new request (mode "batch-only")' in text


def test_what_the_owners_command_ended_with_is_in_the_cause(built: World) -> None:
    """The checks have passed: only the report says whose command failed."""
    command = {"commandLine": "exit 3"}
    error = build_pools(built, a_pool("dev", startTask=command))["error"]
    assert error["details"][0]["message"].endswith("; the pool's own start task ended with 3")


def test_what_batch_says_of_an_unusable_node_is_repeated(built: World) -> None:
    """No file of such a node can be read; its errors are all there is."""
    fault = {**FAULTS["unusable"], "message": "No space left.", "times": 100}
    built.fault(fault)
    (detail,) = build_pools(built, a_pool("dev"))["error"]["details"]
    assert detail["code"] == "DiskFull"
    assert "No space left." in detail["message"]


def test_a_pool_whose_nodes_all_fail_is_not_rebooted(built: World) -> None:
    """More than twenty at once is no accident: the image is bad, and every minute is paid."""
    built.fault({**FAULTS["unusable"], "times": 1000})
    build = build_pools(built, a_pool("dev", nodes=21, vmSize="Standard_D2s_v5"))
    assert build["error"]["code"] == "NodesUnusable", build["error"]
    assert "21 nodes" in build["error"]["message"]
    assert remedies(built) == {}
    assert nodes_of(built, "dev") == 0


def test_few_looks_are_enough(built: World) -> None:
    """Helping is waiting, too: the list of nodes is not asked for every few seconds."""
    built.fault({**FAULTS["unusable"], "times": 100})
    build_pools(built, a_pool("dev"))
    looks = [r for r in built.ledger() if r["method"] == "GET" and "/dev/nodes?" in r["url"]]
    assert len(looks) <= 20


def test_the_resize_error_of_each_pool_is_its_own(built: World) -> None:
    """One pool over quota, one without machines: each says so, with how many nodes came."""
    quota = {"code": "AccountCoreQuotaReached", "message": "The account has reached core quota"}
    fault = {"effect": "allocation", "operation": "pools.allocate"}
    built.fault({**fault, **quota, "path": "/pools/over"})
    built.fault({**fault, "path": "/pools/none"})
    build = build_pools(built, a_pool("over", nodes=2), a_pool("none"), a_pool("good"))
    over, none, good = build["pools"]
    assert (over["error"]["code"], none["error"]["code"]) == ("QuotaExceeded", "NoCapacity")
    assert over["error"]["details"][0]["code"] == "AccountCoreQuotaReached"
    assert "0 of 2 dedicated" in over["error"]["message"]
    assert none["error"]["details"][0]["code"] == "AllocationFailed"
    assert good["state"] == "ready"
    assert (nodes_of(built, "over"), nodes_of(built, "none")) == (0, 0)


# -- crashes --------------------------------------------------------------------------------------


def crashing(bad_boots: int, when: inline.When) -> SimulatedWorld:
    """A pool whose node fails; the process dies once before or after every single `await_nodes`."""
    image = an_image(gallery=foreign.GALLERY, name=foreign.IMAGE)
    request = a_request(mode="batch-only", image=image)
    arrival = Arrival(at=0, act=Act.BUILD, body=request)
    turns = itertools.cycle([True, False])

    def dies(moment: inline.Moment) -> bool:
        return moment.name == "await_nodes" and moment.when is when and next(turns)

    world = SimulatedWorld(Story(seed=5, climate=Climate.HARD, arrivals=(arrival,)), dies)
    world.fault({**FAULTS["unusable"], "times": bad_boots})
    world.begin()
    world.engine.advance(2 * 3600)
    return world


@pytest.mark.parametrize("when", inline.When)
@pytest.mark.parametrize(("bad_boots", "state"), [(2, "succeeded"), (100, "failed")])
def test_no_crash_gives_a_remedy_twice(when: inline.When, bad_boots: int, state: str) -> None:
    """The node and the memo show what was done, not what the dead process knew."""
    world = crashing(bad_boots, when)
    assert len(world.crash_points) > 4
    assert remedies(world) == {"reboot": 1, "reimage": 1}
    (build,) = world.accepted
    assert world.show(build)["state"] == state
