"""What the record of a failed pool says of its nodes is so on Azure."""

from __future__ import annotations

import pytest

from shared.base import settings
from tests.stories.test_nodes_left import HOUR, die
from tests.world import SETTINGS, World, a_pool, a_request, pools_only
from triggers import builds, pools

ACCOUNT = "mybatch12345"
FAILS = {"image": "docker.io/library/busybox:1.36", "command": "/bin/sh -c 'exit 3'"}
SHRUNK = "The pool was shrunk to zero nodes meanwhile."
UNPROVED = "A resize has given it nodes since, which nothing has proved: ask for the pool again."


@pytest.mark.parametrize("seconds", [660, 810, 960])
def test_a_pool_that_never_was_has_no_nodes(world: World, seconds: float) -> None:
    """The build was cancelled just before it made its pools."""
    build = world.start(a_request(pools=[a_pool("dev", verify=True), a_pool("two", nodes=2)]))
    world.engine.advance(seconds)
    world.ask(builds.cancel_build, id=build)
    world.engine.run_until_complete(build)
    assert (world.show(build)["state"], world.resources("batchAccounts/pools")) == ("cancelled", [])
    assert [(pool["state"], pool["nodes"]) for pool in world.pools()] == [("failed", 0)] * 2
    assert [pool["nodes"] for pool in world.show(build)["pools"]] == [0, 0]
    assert all(SHRUNK not in pool["error"]["nextAction"] for pool in world.pools())


def test_a_pool_that_somebody_deletes_beside_its_build_has_no_nodes(built: World) -> None:
    """On Azure: batch-prep itself would have refused."""
    build = built.start(pools_only("r1", a_pool("dev")))
    built.engine.advance(60)
    built.services.azure.batch.pool.begin_delete("images", ACCOUNT, "dev", polling=False)
    built.engine.run_until_complete(build)
    assert built.show(build)["error"]["code"] == "PoolGone"
    assert [(pool["state"], pool["nodes"]) for pool in built.pools()] == [("failed", 0)]


def failed_pool(world: World) -> None:
    """A pool whose nodes did not prove themselves, and which therefore has none."""
    world.build(pools_only("r1", a_pool("dev", checks=[FAILS])))
    assert advice(world).endswith(SHRUNK)


def advice(world: World) -> str:
    """What the record of the pool says to do."""
    return str(world.pool(ACCOUNT, "dev")["error"]["nextAction"])


def test_nodes_that_a_resize_gives_a_failed_pool_are_unproved(built: World) -> None:
    """Who asks for nodes wants them; the record says what they are, and what proves them."""
    failed_pool(built)
    built.change(pools.resize_pool, ACCOUNT, "dev", {"nodes": 2})
    record = built.pool(ACCOUNT, "dev")
    assert (record["state"], record["nodes"], record["verified"]) == ("failed", 2, False)
    assert advice(built).endswith(UNPROVED)
    assert SHRUNK not in advice(built)

    built.change(pools.resize_pool, ACCOUNT, "dev", {"nodes": 0})
    assert built.pool(ACCOUNT, "dev")["nodes"] == 0
    assert advice(built).endswith(SHRUNK)
    assert UNPROVED not in advice(built)

    built.change(pools.resize_pool, ACCOUNT, "dev", {"nodes": 1})
    again = built.build(pools_only("r2", a_pool("dev", verify=True)))
    assert again["state"] == "succeeded", again["error"]
    record = built.pool(ACCOUNT, "dev")
    assert (record["state"], record["verified"], record.get("error")) == ("ready", True, None)


def test_nodes_of_a_resize_that_was_cancelled_are_unproved_too(built: World) -> None:
    """Azure finishes what it has begun."""
    failed_pool(built)
    asked = built.ask(pools.resize_pool, {"nodes": 2}, account=ACCOUNT, pool="dev")
    built.engine.advance(20)
    built.ask(builds.cancel_build, id=asked.body["buildId"])
    built.engine.run_until_complete(asked.body["buildId"])
    assert built.pool(ACCOUNT, "dev")["nodes"] == 2
    assert advice(built).endswith(UNPROVED)


@pytest.mark.parametrize("asked", [{"nodes": 3}, {"autoscaleFormula": "$TargetDedicatedNodes=3;"}])
def test_a_pool_that_its_build_deletes_is_not_ready_any_more(
    built: World, asked: dict[str, object]
) -> None:
    """Somebody cancels the build that replaces it, and nothing takes its place."""
    pool = {"id": "dev", "vmSize": "Standard_D2s_v5", **asked}
    built.build(pools_only("r1", pool))
    build = built.start(pools_only("r2", {**pool, "ifExists": "replace"}))
    built.engine.advance(15)
    assert built.show(build)["steps"][-1]["note"] == "the old pool is being deleted"
    built.ask(builds.cancel_build, id=build)
    built.engine.run_until_complete(build)
    (record,) = built.pools()
    assert (record["state"], record["nodes"], record["buildId"]) == ("failed", 0, build)
    assert built.resources("batchAccounts/pools") == []


def test_the_pool_of_a_dead_build_is_where_its_request_put_it(built: World) -> None:
    """Even if settings name other defaults since: the request left its account and its id out."""
    request = pools_only("unnamed", {"vmSize": "Standard_D2s_v5", "verify": True})
    del request["batchAccount"]
    build = built.start(request)
    built.engine.advance(180)
    die(built, build)
    others = {"DEFAULT_POOL_ID": "other", "DEFAULT_BATCH_ACCOUNT": "other12345"}
    vars(built.services.azure)["_config"] = settings.load(SETTINGS | others)
    built.engine.advance(HOUR)

    assert len(built.sweep()["shrunk"]) == 1

    (record,) = built.pools()
    assert (record["poolId"], record["state"], record["nodes"]) == ("myBatchPool", "failed", 0)
