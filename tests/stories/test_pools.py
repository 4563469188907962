"""Pools from one image: side by side, changed in place or replaced, proved, resized, deleted."""

from __future__ import annotations

import pytest

from tests.world import World, a_pool, an_image, image_only, pools_only
from triggers import pools

ACCOUNT = "mybatch12345"
GPU_SIZE = "Standard_NC4as_T4_v3"


def azure_pool(world: World, pool: str) -> dict:
    """The pool as Azure has it."""
    calls = world.services.azure.batch.pool
    return dict(calls.get("images", ACCOUNT, pool).as_dict())


def test_three_pools_come_up_side_by_side_and_are_proved(built_gpu: World) -> None:
    """One image, many pools: the third one costs no more time than the first."""
    pools = [
        a_pool("dev", vmSize=GPU_SIZE, verify=True),
        a_pool("test", vmSize=GPU_SIZE, nodes=2, verify=True),
        a_pool("prod", vmSize="Standard_NC8as_T4_v3", nodes=4, verify=True),
    ]
    build = built_gpu.build(pools_only("r1", *pools))

    assert build["state"] == "succeeded", build["error"]
    assert [p["verified"] for p in build["pools"]] == [True, True, True]
    assert {s["name"] for s in build["steps"] if s["scripted"]} == {
        "nodes",
        "node_reports",
        "verify",
    }
    started = {s["startedAt"] for s in build["steps"] if s["name"] == "pool"}
    assert len(started) == 1
    prod = build["pools"][2]
    assert {c["id"] for c in prod["checks"]} >= {"system", "docker", "gpu", "images", "container"}
    assert len({c["node"] for c in prod["checks"] if c["id"] == "gpu"}) == 4


def test_a_pool_whose_start_tasks_were_not_really_executed_says_so(built_gpu: World) -> None:
    """Also without a verification: the simulator let the nodes become idle."""
    build = built_gpu.build(pools_only("r1", a_pool("dev", vmSize=GPU_SIZE)))

    assert [(p["verified"], p["scripted"]) for p in build["pools"]] == [(False, True)]


def test_pools_that_begin_together_ask_once_for_what_is_the_same(built_gpu: World) -> None:
    """A thousand pool requests must not spend the subscription's reads on one question."""
    before = len(built_gpu.ledger())
    for number in range(5):
        built_gpu.start(pools_only(f"r{number}", a_pool(f"pool{number}")))
    built_gpu.engine.run_until_idle()

    asked = [entry["url"].partition("?")[0] for entry in built_gpu.ledger()[before:]]
    assert sum(url.endswith("/versions") for url in asked) == 1
    assert sum(url.endswith("/pools") for url in asked) == 1
    assert {built_gpu.pool(ACCOUNT, f"pool{n}")["state"] for n in range(5)} == {"ready"}


def looks_at_nodes(world: World) -> list[float]:
    """When somebody looked at the nodes of a pool."""
    return [e["time"] for e in world.ledger() if "/nodes?" in e["url"] and e["method"] == "GET"]


def test_the_nodes_of_a_new_pool_are_looked_at_when_they_can_be_there(built_gpu: World) -> None:
    """Nothing can be seen before, but a person sees at once that they are awaited."""
    build = built_gpu.start(pools_only("r1", a_pool("dev")))
    built_gpu.engine.advance(100)

    pool, nodes = [s for s in built_gpu.show(build)["steps"] if s["pool"] == "dev"]
    assert (pool["name"], pool["state"]) == ("pool", "succeeded")
    assert (nodes["name"], nodes["state"]) == ("nodes", "running")
    assert nodes["startedAt"] == pool["startedAt"]
    assert looks_at_nodes(built_gpu) == []

    built_gpu.engine.run_until_idle()
    assert built_gpu.show(build)["state"] == "succeeded"
    assert 1 <= len(looks_at_nodes(built_gpu)) <= 8


def test_nodes_that_are_there_are_seen_at_once(built_gpu: World) -> None:
    """Asked for again, nothing changes: what is there is not waited for."""
    built_gpu.build(pools_only("r1", a_pool("dev")))
    again = built_gpu.clock.now()
    build = built_gpu.build(pools_only("r2", a_pool("dev")))
    assert build["state"] == "succeeded", build["error"]
    assert built_gpu.clock.now() - again < 30


def test_latest_is_what_was_published_last(built_gpu: World) -> None:
    """Also for a pool that is asked for in the same minute as one before the publication."""
    image = an_image(gpu=True, containerImages=["docker.io/library/busybox:1.36"])
    built_gpu.start({"mode": "image-only", "requestId": "again", "image": image})
    before = ""
    name = "batchCustomImage-ubuntu-24.04-gpu"
    while not built_gpu.records.image("batchImageGallery", name, "1.0.1"):
        before = built_gpu.start(pools_only(f"at-{built_gpu.clock.now()}", a_pool("before")))
        built_gpu.engine.advance(20)
    after = built_gpu.build(pools_only("after", a_pool("after")))

    assert built_gpu.show(before)["pools"][0]["imageId"].endswith("/1.0.0")
    assert after["pools"][0]["imageId"].endswith("/1.0.1")


def test_the_metadata_has_the_old_keys(built_gpu: World) -> None:
    """Applications read batch_metadata.json to submit their jobs."""
    built_gpu.build(pools_only("r1", a_pool("dev")))
    record = built_gpu.pool(ACCOUNT, "dev")
    keys = {"batchAccount", "poolId", "imageId", "vmSize", "nodes", "state"}
    assert record.keys() >= keys
    assert record["state"] == "ready"


def test_the_verification_job_is_gone_afterwards(built_gpu: World) -> None:
    """Jobs count against the account's quota."""
    build = built_gpu.build(pools_only("r1", a_pool("dev", vmSize=GPU_SIZE, verify=True)))
    assert build["state"] == "succeeded", build["error"]
    assert any(r["method"] == "DELETE" and "/jobs/" in r["url"] for r in built_gpu.ledger())


def test_one_failed_pool_never_stops_another(built_gpu: World) -> None:
    """A bad pool is reported; the good ones stay."""
    check = {"image": "docker.io/library/busybox:1.36", "command": "/bin/sh -c 'exit 3'"}
    bad = a_pool("bad", vmSize=GPU_SIZE, verify=True, checks=[check])
    build = built_gpu.build(pools_only("r1", bad, a_pool("good")))

    assert build["state"] == "failed"
    assert [p["state"] for p in build["pools"]] == ["failed", "ready"]
    assert build["error"]["code"] == "PoolsFailed"
    assert "check-1" in build["pools"][0]["error"]["message"]


def test_nobody_pays_for_a_pool_that_failed_its_proof(built_gpu: World) -> None:
    """A pool that cannot be used is shrunk to zero nodes."""
    check = {"image": "docker.io/library/busybox:1.36", "command": "/bin/sh -c 'exit 3'"}
    built_gpu.build(pools_only("r1", a_pool("bad", verify=True, checks=[check])))
    built_gpu.engine.advance(1800)
    assert azure_pool(built_gpu, "bad")["properties"]["currentDedicatedNodes"] == 0


def test_an_existing_pool_is_left_alone_where_the_request_says_fail(built_gpu: World) -> None:
    """ifExists: fail."""
    built_gpu.build(pools_only("r1", a_pool("dev")))
    build = built_gpu.build(pools_only("r2", a_pool("dev", ifExists="fail", nodes=3)))
    assert build["error"]["code"] == "PoolExists"
    assert azure_pool(built_gpu, "dev")["properties"]["currentDedicatedNodes"] == 1


def test_what_can_be_changed_in_place_is_changed_in_place(built_gpu: World) -> None:
    """ifExists: update, and only the number of nodes differs: no node is thrown away."""
    built_gpu.build(pools_only("r1", a_pool("dev")))
    build = built_gpu.build(pools_only("r2", a_pool("dev", nodes=2)))

    assert build["state"] == "succeeded", build["error"]
    assert azure_pool(built_gpu, "dev")["properties"]["currentDedicatedNodes"] == 2
    changes = [r for r in built_gpu.ledger() if r["method"] == "PATCH" and "/pools/" in r["url"]]
    assert len(changes) == 1


def test_what_needs_an_empty_pool_empties_it_first(built_gpu: World) -> None:
    """Another size cannot be had while there are nodes: to zero, change, and back."""
    built_gpu.build(pools_only("r1", a_pool("dev")))
    build = built_gpu.build(pools_only("r2", a_pool("dev", vmSize="Standard_D4s_v5", nodes=2)))

    assert build["state"] == "succeeded", build["error"]
    found = azure_pool(built_gpu, "dev")["properties"]
    assert found["vmSize"].lower() == "standard_d4s_v5"
    assert found["currentDedicatedNodes"] == 2


def test_a_replaced_pool_is_a_new_one(built_gpu: World) -> None:
    """ifExists: replace."""
    built_gpu.build(pools_only("r1", a_pool("dev")))
    before = azure_pool(built_gpu, "dev")["properties"]["creationTime"]
    build = built_gpu.build(pools_only("r2", a_pool("dev", ifExists="replace")))
    assert build["state"] == "succeeded", build["error"]
    assert azure_pool(built_gpu, "dev")["properties"]["creationTime"] > before


def test_a_pool_without_nodes_is_ready_at_once(built_gpu: World) -> None:
    """Zero nodes is a valid size, and no nodes are waited for."""
    build = built_gpu.build(pools_only("r1", a_pool("dev", nodes=0)))
    seconds = {s["name"]: s["seconds"] for s in build["steps"] if s["pool"] == "dev"}
    assert seconds["nodes"] < 180  # until the allocation of nothing has ended
    assert build["state"] == "succeeded", build["error"]


def test_a_pool_that_scales_itself(built_gpu: World) -> None:
    """The formula decides the nodes."""
    pool = {
        "id": "auto",
        "vmSize": "Standard_D2s_v5",
        "autoscaleFormula": "$TargetDedicatedNodes=2;",
    }
    build = built_gpu.build(pools_only("r1", pool))
    assert build["state"] == "succeeded", build["error"]


def test_an_image_that_is_not_there_names_those_that_are(built_gpu: World) -> None:
    """Nothing is made; the nearest names come first."""
    build = built_gpu.build(pools_only("r1", a_pool("dev"), name="batchCustomImag"))
    assert build["error"]["code"] == "Blocked"
    assert build["error"]["details"][0]["code"] == "ImageNotFound"
    assert "batchImageGallery/batchCustomImage" in build["error"]["message"]
    assert built_gpu.resources("batchAccounts") == []


def test_an_image_may_be_named_by_its_id(built_gpu: World) -> None:
    """Pipelines pass imageId along."""
    record = built_gpu.records.images()[0]
    build = built_gpu.build(pools_only("r1", a_pool("dev"), id=record.image_id))
    assert build["state"] == "succeeded", build["error"]
    assert build["pools"][0]["imageId"] == record.image_id


def test_a_pool_is_resized(built_gpu: World) -> None:
    """PATCH /api/pools/{account}/{pool}."""
    built_gpu.build(pools_only("r1", a_pool("dev")))
    change = built_gpu.change(pools.resize_pool, ACCOUNT, "dev", {"nodes": 3})
    assert change["state"] == "succeeded", change["error"]
    assert built_gpu.pool(ACCOUNT, "dev")["nodes"] == 3
    assert azure_pool(built_gpu, "dev")["properties"]["currentDedicatedNodes"] == 3


def test_a_resize_says_what_becomes_of_the_tasks(built_gpu: World) -> None:
    """Azure is asked for it; without it, tasks are requeued."""
    built_gpu.build(pools_only("r1", a_pool("dev", nodes=3)))
    for number, (option, used) in enumerate(
        ((None, "Requeue"), ("taskcompletion", "TaskCompletion"))
    ):
        wanted = {"nodes": number, **({"nodeDeallocationOption": option} if option else {})}
        change = built_gpu.change(pools.resize_pool, ACCOUNT, "dev", wanted)
        assert change["state"] == "succeeded", change["error"]
        (pool,) = built_gpu.azure.store.of_type("Microsoft.Batch/batchAccounts/pools")
        fixed = pool.properties["scaleSettings"]["fixedScale"]
        assert fixed["nodeDeallocationOption"] == used


def test_a_resize_of_some_nodes_leaves_the_others(built_gpu: World) -> None:
    """Dedicated and low-priority nodes are two numbers."""
    built_gpu.build(pools_only("r1", a_pool("dev", lowPriorityNodes=1)))
    change = built_gpu.change(pools.resize_pool, ACCOUNT, "dev", {"nodes": 2})
    assert change["state"] == "succeeded", change["error"]
    there = azure_pool(built_gpu, "dev")["properties"]
    assert (there["currentDedicatedNodes"], there["currentLowPriorityNodes"]) == (2, 1)


@pytest.mark.parametrize(
    ("request_", "first"),
    [
        (pools_only("r1", a_pool("dev")), "/pools/dev"),
        (image_only("r2", resourceGroup="others"), "/resourceGroups/others"),
    ],
    ids=["pool", "image"],
)
def test_nothing_waits_before_it_begins(built_gpu: World, request_: dict, first: str) -> None:
    """What has nothing to wait for is asked of Azure at once."""
    built_gpu.build(pools_only("r0", a_pool("other")))  # there is an account by now
    began = built_gpu.clock.now()
    built_gpu.start(request_)
    built_gpu.engine.advance(1)
    assert [
        e["url"]
        for e in built_gpu.ledger()
        if e["method"] == "PUT" and e["time"] >= began and first in e["url"]
    ]


def test_a_pool_is_deleted(built_gpu: World) -> None:
    """DELETE /api/pools/{account}/{pool}: the pool and its record are gone."""
    built_gpu.build(pools_only("r1", a_pool("dev")))
    change = built_gpu.change(pools.delete_pool, ACCOUNT, "dev")
    assert change["state"] == "succeeded", change["error"]
    assert built_gpu.resources("pools") == []
    assert built_gpu.ask(pools.show_pool, account=ACCOUNT, pool="dev").status == 404


def test_two_builds_never_shape_one_pool_at_once(built_gpu: World) -> None:
    """The refusal of the second names the build that is at work."""
    first = built_gpu.start(pools_only("r1", a_pool("dev")))
    built_gpu.engine.advance(120)
    second = built_gpu.build(pools_only("r2", a_pool("dev", nodes=2)))
    built_gpu.engine.run_until_complete(first)
    assert first in second["error"]["message"]
    assert built_gpu.show(first)["state"] == "succeeded"
