"""What works on a pool is one at a time: a build, a resize or a deletion."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest

from local.functions_host.local_client import open_client
from tests.world import World, a_pool, pools_only
from triggers import beginning, builds, pools
from triggers.http import Answer, Call

ACCOUNT = "mybatch12345"
CHANGES = [(pools.resize_pool, {"nodes": 4}), (pools.delete_pool, None)]
IDS = ["resize", "delete"]
BAD = {"image": "docker.io/library/busybox:1.36", "command": "/bin/sh -c 'exit 3'"}


def azure_pool(world: World) -> dict:
    """The pool as Azure has it."""
    calls = world.services.azure.batch.pool
    return dict(calls.get("images", ACCOUNT, "dev").as_dict()["properties"])


def asked(world: World, handler: Any, body: object = None) -> Answer:
    """The answer to a PATCH or DELETE of the pool."""
    return world.ask(handler, body, account=ACCOUNT, pool="dev")


def in_the_way(answer: Answer) -> str:
    """The build that a refusal names."""
    error = answer.body["error"]
    assert (answer.status, error["code"]) == (409, "BuildRunning")
    assert error["buildId"] in error["message"]
    assert "send the request again" in error["message"]
    return str(error["buildId"])


@pytest.mark.parametrize(("handler", "body"), CHANGES, ids=IDS)
@pytest.mark.parametrize("seconds", [1, 60, 120, 240])
def test_a_pool_that_a_build_works_on_is_not_changed(
    built: World, handler: Any, body: object, seconds: float
) -> None:
    """Both would succeed, and the record would hold what the one that ends last has asked for."""
    built.build(pools_only("r1", a_pool("dev", nodes=2)))
    build = built.start(pools_only("r2", a_pool("dev", nodes=2, taskSlotsPerNode=2)))
    built.engine.advance(seconds)
    known = len(built.builds())
    assert in_the_way(asked(built, handler, body)) == build
    assert len(built.builds()) == known
    built.engine.run_until_complete(build)
    assert built.show(build)["state"] == "succeeded"
    assert (built.pool(ACCOUNT, "dev")["nodes"], azure_pool(built)["currentDedicatedNodes"]) == (
        2,
        2,
    )
    assert asked(built, handler, body).status == 202


@pytest.mark.parametrize(("handler", "body"), CHANGES, ids=IDS)
@pytest.mark.parametrize(("first", "size"), CHANGES, ids=IDS)
def test_a_pool_has_one_change_at_a_time(
    built: World, first: Any, size: object, handler: Any, body: object
) -> None:
    """While the first runs, the refusal of a second names it; then the second is taken."""
    built.build(pools_only("r1", a_pool("dev")))
    change = asked(built, first, size).body["buildId"]
    for seconds in (0, 20, 25):
        built.engine.advance(seconds)
        assert in_the_way(asked(built, handler, body)) == change
    built.engine.run_until_complete(change)
    assert built.show(change)["state"] == "succeeded"
    assert asked(built, handler, body).status == (404 if first is pools.delete_pool else 202)


@pytest.mark.parametrize(("handler", "body"), CHANGES, ids=IDS)
@pytest.mark.parametrize("seconds", [0, 1, 10, 30, 60, 120])
def test_a_build_waits_for_a_change_of_its_pool(
    built: World, handler: Any, body: object, seconds: float
) -> None:
    """A pool that is asked for again at once comes anew: neither request is lost."""
    built.build(pools_only("r1", a_pool("dev")))
    change = asked(built, handler, body).body["buildId"]
    built.engine.advance(seconds)
    build = built.start(pools_only("r2", a_pool("dev", nodes=2)))
    built.engine.run_until_complete(change)
    built.engine.run_until_complete(build)
    assert (built.show(change)["state"], built.show(change)["error"]) == ("succeeded", None)
    assert (built.show(build)["state"], built.show(build)["error"]) == ("succeeded", None)
    record = built.pool(ACCOUNT, "dev")
    assert (record["buildId"], record["nodes"], record["state"]) == (build, 2, "ready")
    assert azure_pool(built)["currentDedicatedNodes"] == 2


def test_a_step_that_waits_for_a_change_names_it(built: World) -> None:
    """The person who watches the build sees what it waits for. To a plan it is no obstacle."""
    built.build(pools_only("r1", a_pool("dev")))
    change = asked(built, pools.delete_pool).body["buildId"]
    build = built.start(pools_only("r2", a_pool("dev")))
    built.engine.advance(30)
    planned = built.ask(builds.plan_build, pools_only("r3", a_pool("dev"))).body
    assert planned["blockers"] == []
    (step,) = [s for s in built.show(build)["steps"] if s["name"] == "pool"]
    assert step["note"] == f"build {change} resizes or deletes the pool"


@pytest.mark.parametrize("how", ["failed", "cancelled", "dead"])
def test_a_change_that_has_ended_holds_no_pool(built: World, how: str) -> None:
    """However it ended: the next one is taken."""
    built.build(pools_only("r1", a_pool("dev")))
    if how == "failed":
        built.change_facts({"batchQuota:standardDSv5Family": 3, "batchQuota:dedicatedCores": 3})
    change = asked(built, pools.resize_pool, {"nodes": 3}).body["buildId"]
    built.engine.advance(20)
    if how == "cancelled":
        built.ask(builds.cancel_build, id=change)
    if how == "dead":
        built.engine.terminate(change)
        assert in_the_way(asked(built, pools.delete_pool)) == change
        built.engine.advance(3600)
        built.sweep()
    else:
        built.engine.run_until_complete(change)
    assert built.show(change)["state"] == ("cancelled" if how == "cancelled" else "failed")
    deleted = built.change(pools.delete_pool, ACCOUNT, "dev")
    assert deleted["state"] == "succeeded", deleted["error"]


def test_a_pool_that_was_made_anew_is_not_the_one_that_was_deleted(built: World) -> None:
    """An owner makes one of the same name at once; the deletion has ended all the same."""
    built.build(pools_only("r1", a_pool("dev")))
    there = azure_pool(built)
    change = asked(built, pools.delete_pool).body["buildId"]
    path = f"resourceGroups/images/providers/Microsoft.Batch/batchAccounts/{ACCOUNT}/pools/dev"
    while built.resources("batchAccounts/pools"):
        built.engine.advance(1)
    assert built.show(change)["state"] == "running"
    kept = (
        "vmSize",
        "deploymentConfiguration",
        "scaleSettings",
        "metadata",
        "networkConfiguration",
    )
    built.as_owner(
        "PUT", path, {"properties": {name: there[name] for name in kept if name in there}}
    )
    built.engine.run_until_complete(change)
    assert (built.show(change)["state"], built.show(change)["error"]) == ("succeeded", None)
    assert len(built.resources("batchAccounts/pools")) == 1


def test_a_change_that_an_earlier_version_began_holds_its_pool_too(built: World) -> None:
    """Version 0.1.0 claims no pool for a change, and runs two of them at once."""
    built.build(pools_only("r1", a_pool("dev")))
    first = asked(built, pools.resize_pool, {"nodes": 3}).body["buildId"]
    (resource,) = [pool["id"].lower() for pool in built.resources("batchAccounts/pools")]
    built.records.release("pool", resource, first)
    assert in_the_way(asked(built, pools.delete_pool)) == first
    built.engine.advance(20)
    assert built.records.holder("pool", resource) == first
    built.engine.run_until_complete(first)
    assert built.show(first)["state"] == "succeeded"


@pytest.mark.parametrize(("handler", "body"), CHANGES, ids=IDS)
def test_a_change_that_durable_does_not_begin_holds_no_pool(
    built: World, handler: Any, body: object
) -> None:
    """The caller sends it again, and need not wait for a sweep."""
    built.build(pools_only("r1", a_pool("dev")))
    params = {"account": ACCOUNT, "pool": "dev"}
    data = json.dumps(body).encode()
    call = Call(params=params, body=data, url="http://app/api/x", services=built.services)
    client = open_client(built.engine)

    async def down(*_: object) -> None:
        raise ConnectionError("the extension does not answer")

    client.start_new = client.get_status = down
    answer = asyncio.run(beginning.begun(client, handler(call)))
    assert (answer.status, answer.body["error"]["code"]) == (503, "NotBegun")
    (lost,) = [b for b in built.builds() if b["mode"] in {"resize-pool", "delete-pool"}]
    assert built.show(lost["buildId"])["error"]["code"] == "NotBegun"
    assert built.change(handler, ACCOUNT, "dev", body)["state"] == "succeeded"


def test_a_build_that_removes_the_nodes_of_its_failed_pool_still_has_the_pool(
    built: World,
) -> None:
    """Its claim ends with it, so the nodes of the next build are not among those that go."""
    busy = {"effect": "status", "status": 503, "method": "PATCH", "path": "/pools/dev$"}
    built.build(pools_only("r0", a_pool("dev", nodes=0)))
    first = built.start(pools_only("r1", a_pool("dev", nodes=2, checks=[BAD])))
    built.engine.advance(60)
    built.fault({**busy, "times": 9})
    for _ in range(100):
        built.engine.advance(15)
        if any(step["name"] == "empty_pool" for step in built.show(first)["steps"]):
            break
    assert built.show(first)["state"] == "running"
    second = built.build(pools_only("r2", a_pool("dev", nodes=3)))
    assert second["error"]["code"] == "Conflict"
    assert f"Build {first} is at work on pool dev" in second["error"]["message"]
    for handler, body in CHANGES:
        assert in_the_way(asked(built, handler, body)) == first
    assert azure_pool(built)["currentDedicatedNodes"] == 2

    built.engine.run_until_complete(first)
    assert azure_pool(built)["currentDedicatedNodes"] == 0
    assert built.build(pools_only("r3", a_pool("dev", nodes=3)))["state"] == "succeeded"
    built.engine.advance(1800)
    assert azure_pool(built)["currentDedicatedNodes"] == 3


def test_who_changes_a_failed_pool_at_the_last_moment_keeps_its_nodes(built: World) -> None:
    """No claim is in their way, as with another installation of batch-prep. Azure refuses the
    request of the failed build (412), which then sees that the pool is another build's.
    """
    handle, raced = built.azure.handle, []

    def race(request: Any) -> Any:
        if request.method == "PATCH" and request.path.endswith("/pools/dev") and not raced:
            scale = {"fixedScale": {"targetDedicatedNodes": 3}}
            metadata = [{"name": "batch-prep-build", "value": "bother"}]
            body = json.dumps({"properties": {"scaleSettings": scale, "metadata": metadata}})
            headers = {k: v for k, v in request.headers.items() if k != "if-match"}
            other = dataclasses.replace(request, headers=headers, body=body.encode())
            raced.extend([handle(other).status, (refused := handle(request)).status])
            return refused
        return handle(request)

    built.azure.handle = race  # type: ignore[method-assign]
    failed = built.build(pools_only("r1", a_pool("dev", nodes=2, checks=[BAD])))
    assert (failed["state"], raced) == ("failed", [200, 412])
    built.engine.advance(1800)
    assert azure_pool(built)["currentDedicatedNodes"] == 3
