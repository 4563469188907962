"""An update in place that fails leaves the nodes that the pool had: they are in use."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.test_impact import start_a_task
from tests.stories.test_pool_updates import shown
from tests.world import World, a_pool, pools_only
from triggers import builds

ACCOUNT = "mybatch12345"
BAD = {"image": "docker.io/library/busybox:1.36", "command": "/bin/sh -c 'exit 3'"}
NO_CAPACITY = {"effect": "allocation", "operation": "pools.allocate", "times": 5}
NO_CHANGE = {"effect": "status", "status": 403, "method": "PATCH", "path": "/pools/dev$"}


def nodes(world: World) -> tuple[int, int, list[str]]:
    """How many the pool wants, how many it has, and their ids."""
    found = shown(world)
    account = world.services.azure.batch.batch_account.get("images", ACCOUNT)
    listed = world.services.azure.batch_service(account.account_endpoint).list_nodes("dev")
    wanted = found["scaleSettings"]["fixedScale"]["targetDedicatedNodes"]
    return wanted, found["currentDedicatedNodes"], sorted(node["id"] for node in listed)


@pytest.fixture
def busy(built: World) -> World:
    """A pool of one node that runs a task, to be deleted after 100 hours."""
    assert built.build(pools_only("r1", a_pool("dev", ttlHours=100)))["state"] == "succeeded"
    start_a_task(built)
    return built


def fail(world: World, how: str, **pool: Any) -> dict[str, Any]:
    """A build that asks for three nodes, and fails for lack of capacity, at a check, or because
    somebody cancels it.
    """
    if how == "capacity":
        world.fault(NO_CAPACITY)
    checks = {"checks": [BAD]} if how == "check" else {}
    build = world.start(pools_only(f"{how}", a_pool("dev", nodes=3, **checks, **pool)))
    if how == "cancel":
        world.engine.advance(150)
        world.ask(builds.cancel_build, id=build)
    world.engine.run_until_complete(build)
    world.azure.faults.clear()
    ended = world.show(build)
    assert ended["state"] == ("cancelled" if how == "cancel" else "failed")
    return ended


@pytest.mark.parametrize("how", ["capacity", "check", "cancel"])
def test_a_pool_at_work_keeps_its_nodes(busy: World, how: str) -> None:
    """What the build added goes; the task runs on, and the pool has the end that it had."""
    until, before = busy.pool(ACCOUNT, "dev")["expiresAt"], nodes(busy)

    build = fail(busy, how, ttlHours=1)

    busy.engine.advance(1800)
    assert nodes(busy) == before
    [pool] = busy.azure.store.of_type("Microsoft.Batch/batchAccounts/pools")
    fixed = pool.properties["scaleSettings"]["fixedScale"]
    assert fixed["nodeDeallocationOption"] == "TaskCompletion"  # Batch may choose the busy node
    record = busy.pool(ACCOUNT, "dev")
    assert (record["state"], record["nodes"], record["nodesLeft"]) == ("failed", 1, False)
    assert (record["buildId"], record["expiresAt"]) == (build["buildId"], until)
    assert "as many nodes as it had before: 1" in record["error"]["nextAction"]
    assert busy.sweep()["shrunk"] == []


def test_a_resume_that_fails_again_keeps_them_too(busy: World) -> None:
    """And one that succeeds has all nodes."""
    before = nodes(busy)
    build = fail(busy, "capacity")["buildId"]
    busy.fault(NO_CAPACITY)
    assert busy.resume(build)["state"] == "failed"
    assert nodes(busy) == before
    busy.azure.faults.clear()
    assert busy.resume(build)["state"] == "succeeded"
    assert nodes(busy)[:2] == (3, 3)
    assert set(nodes(busy)[2]) > set(before[2])


def test_the_sweep_keeps_them_too(busy: World) -> None:
    """The build could not remove what it had added."""
    before = nodes(busy)
    build = busy.start(pools_only("r2", a_pool("dev", nodes=3, checks=[BAD])))
    busy.engine.advance(150)
    busy.fault({**NO_CHANGE, "code": "AuthorizationFailed", "times": 99})
    busy.engine.run_until_complete(build)
    busy.azure.faults.clear()
    assert busy.pool(ACCOUNT, "dev")["nodesLeft"] is True
    busy.engine.advance(3600)

    assert len(busy.sweep()["shrunk"]) == 1

    assert nodes(busy) == before
    record = busy.pool(ACCOUNT, "dev")
    assert (record["nodesLeft"], record["nodes"]) == (False, 1)
    assert busy.sweep()["shrunk"] == []


def test_nodes_that_a_failed_build_left_are_not_kept(built: World) -> None:
    """They have proved nothing, and nothing else looks after them."""
    built.fault({**NO_CHANGE, "code": "AuthorizationFailed", "times": 99})
    built.build(pools_only("r1", a_pool("dev", checks=[BAD])))
    built.azure.faults.clear()
    assert built.pool(ACCOUNT, "dev")["nodesLeft"] is True
    fail(built, "check")
    assert nodes(built) == (0, 0, [])


FORMULA = {"autoscaleFormula": "$TargetDedicatedNodes=2;"}
NEW_FORMULA = {"autoscaleFormula": "$TargetDedicatedNodes=4;"}


@pytest.mark.parametrize("last", [{"nodes": 4}, {"nodes": 5}, NEW_FORMULA])
@pytest.mark.parametrize("left", [{"nodes": 4}, NEW_FORMULA])
@pytest.mark.parametrize("first", [{"nodes": 2}, FORMULA])
def test_what_a_pool_had_outlasts_two_failed_updates(
    built: World, first: dict[str, Any], left: dict[str, Any], last: dict[str, Any]
) -> None:
    """The first one could not even remove what it had added; what was there before both stays."""

    def pool(**asked: Any) -> dict[str, Any]:
        return {"id": "dev", "vmSize": "Standard_D2s_v5", **asked}

    built.build(pools_only("r1", pool(**first, ttlHours=100)))
    until, scale = built.pool(ACCOUNT, "dev")["expiresAt"], shown(built)["scaleSettings"]
    build = built.start(pools_only("r2", pool(**left, checks=[BAD])))
    built.engine.advance(150)
    built.fault({**NO_CHANGE, "code": "AuthorizationFailed", "times": 99})
    built.engine.run_until_complete(build)
    built.azure.faults.clear()
    assert built.pool(ACCOUNT, "dev")["nodesLeft"] is True

    build = built.start(pools_only("r3", pool(**last, checks=[BAD])))
    built.engine.run_until_complete(build)

    built.engine.advance(1800)
    found, record = shown(built), built.pool(ACCOUNT, "dev")
    assert (found["currentDedicatedNodes"], record["expiresAt"]) == (2, until)
    assert found["scaleSettings"].get("autoScale") == scale.get("autoScale")


def test_fewer_nodes_stay_fewer(built: World) -> None:
    """A failed build never adds nodes."""
    built.build(pools_only("r1", a_pool("dev", nodes=3)))
    build = built.build(pools_only("r2", a_pool("dev", checks=[BAD])))
    assert build["state"] == "failed"
    assert nodes(built)[:2] == (1, 1)


@pytest.mark.parametrize("how", ["cancel", "refused"])
@pytest.mark.parametrize("formula", ["", "$TargetDedicatedNodes=3;"])
def test_a_record_says_that_a_build_has_emptied_its_pool(
    built: World, how: str, formula: str
) -> None:
    """That build ended before it had changed the pool: somebody cancelled it, or Azure refused."""
    first = a_pool("dev", nodes=3, ttlHours=100)
    if formula:
        del first["nodes"]
        first["autoscaleFormula"] = formula
    built.build(pools_only("r1", first))
    before = built.pool(ACCOUNT, "dev")
    built.engine.advance(900)
    if how == "refused":
        built.fault({**NO_CHANGE, "method": "PUT", "code": "PropertyCannotBeUpdated", "times": 9})
    build = built.start(pools_only("r2", a_pool("dev", nodes=3, taskSlotsPerNode=2)))
    built.engine.advance(5)
    if how == "cancel":
        built.ask(builds.cancel_build, id=build)
    built.engine.run_until_complete(build)
    built.azure.faults.clear()

    built.engine.advance(1800)
    assert nodes(built) == (0, 0, [])
    record = built.pool(ACCOUNT, "dev")
    assert (record["state"], record["nodes"], record["buildId"], record["expiresAt"]) == (
        "ready",
        0,
        before["buildId"],
        before["expiresAt"],
    )
    assert f"build {build} ended before it had changed the pool" in record["note"]
    assert [pool["nodes"] for pool in built.show(build)["pools"]] == [0]
    assert built.build(pools_only("r3", a_pool("dev", nodes=3)))["state"] == "succeeded"
    assert built.pool(ACCOUNT, "dev").get("note") is None


def test_new_nodes_after_a_reshape_go(built: World) -> None:
    """None of those that it had is left."""
    built.build(pools_only("r1", a_pool("dev")))
    fail(built, "check", taskSlotsPerNode=2)
    assert nodes(built) == (0, 0, [])
